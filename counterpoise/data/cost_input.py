"""The input of a model that has the amounts by which it decides: that of a feature, or one of their own.

Names of inputs are part of model files and exports. `GroupInput` is the counterpart for groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from counterpoise.core.schema import Schema
from counterpoise.data.columns import safe_name, safe_names, stacked

#: Names of other inputs and outputs of a model, which no input of its own may have.
MODEL_NAMES = {"numeric", "categorical", "probability", "decision", "label"}


@dataclass(frozen=True)
class CostInput:
    """The input of a model that has the amounts of a cost column.

    Attributes:
        column: The column.
        name: Name of the input that has them.
        feature: Position of the column among the numeric features, None if it is none of them.
        own: Whether the input was added for the amounts alone: float32 (N, 1).
    """

    column: str
    name: str
    feature: int | None
    own: bool

    #: Type of an input of its own.
    dtype: ClassVar[str] = "float32"

    @classmethod
    def of(cls, schema: Schema, column: str, encoded: bool = False) -> CostInput:
        """Return the input that has the amounts of a column.

        A numeric feature is read from its own input, or from "numeric" if the rows are `encoded`. Any other column
        gets an input of its own, and so does a feature of a table whose raw columns are stacked in one input.

        Example:
            >>> from counterpoise.core.schema import Column
            >>> schema = Schema((Column("Net sales", "numeric"), Column("site", "categorical", ("a", "b"))))
            >>> CostInput.of(schema, "Net sales"), CostInput.of(schema, "Amount").name
            (CostInput(column='Net sales', name='net_sales', feature=0, own=False), 'amount')
        """
        numeric = [c.name for c in schema.numeric]
        feature = numeric.index(column) if column in numeric else None
        names = safe_names([*numeric, *(c.name for c in schema.categorical)])
        if feature is not None and not encoded and not stacked(schema):
            return cls(column, names[column], feature, False)
        if feature is not None and encoded:
            return cls(column, "numeric", feature, False)
        others = [] if encoded or stacked(schema) else names.values()
        return cls(column, safe_name(column, {*others, *MODEL_NAMES}), feature, True)

    def look_up(self) -> None:
        """Return None: amounts are numbers, so no layer looks up ids (see `GroupInput`)."""
        return None

    def amounts(self, inputs: Mapping[str, Any]) -> Any:
        """Return the amounts (N, 1) among the inputs, in the unit of the table."""
        if self.own or self.name != "numeric" or self.feature is None:
            return inputs[self.name]
        from keras import ops

        # Cast first: LiteRT cannot slice float64, which numbers have if a column needs it (see `input_type`).
        return ops.cast(inputs["numeric"], "float32")[:, self.feature : self.feature + 1]
