"""Where a model finds the values of the column by which it decides: amounts or groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.core.cost_column import CostColumn
from counterpoise.core.group_thresholds import GroupThresholds
from counterpoise.core.schema import Schema
from counterpoise.data.cost_input import CostInput
from counterpoise.data.group_input import GroupInput

ColumnInput = CostInput | GroupInput


def column_input(
    schema: Schema | None, column: CostColumn | GroupThresholds | None, encoded: bool = False
) -> ColumnInput | None:
    """Return the model input for the column of a rule; None without column or schema.

    `encoded` is whether the model takes encoded rows, and not the raw columns of the table.

    Example:
        >>> column_input(Schema(()), CostColumn("Amount", 5.0)).name, column_input(None, None)
        ('amount', None)
    """
    if column is None or schema is None:
        return None
    if isinstance(column, CostColumn):
        return CostInput.of(schema, column.name, encoded)
    return GroupInput.of(schema, column, encoded)


def read_column_values(given: ColumnInput, raw: Mapping[str, Any], encoded: Mapping[str, Any]) -> Any:
    """Return the values (N, 1) of the column: amounts, or ids of groups.

    Amounts come from raw inputs, and groups from encoded rows. Groups that are no feature have an input of their own
    (`given.own`), and come from `raw`.
    """
    if isinstance(given, CostInput):
        return given.amounts(raw)
    return given.values(raw[given.name] if given.own else None, encoded)
