"""The input of a model that has the column by which it decides: amounts or groups.

Whole models and exports find the column by it. Both have to decide by the same values as `Classifier.predict`.
"""

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
    """Return which input of a model has the column of a rule; None without column or schema.

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


def read_column_values(source: ColumnInput, raw: Mapping[str, Any], encoded: Mapping[str, Any]) -> Any:
    """Return the values (N, 1) of the column, as the layer of the rule takes them: amounts, or codes of groups.

    Amounts come from raw inputs, and groups from encoded rows. Groups that are no feature have an input of their own
    (`source.own`), and come from `raw`.
    """
    if isinstance(source, CostInput):
        return source.amounts(raw)
    return source.values(raw[source.name] if source.own else None, encoded)
