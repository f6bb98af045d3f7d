"""The input of a model that has the groups by which it decides: that of a feature, or one of their own.

Names of inputs are part of model files and exports. `CostInput` is the counterpart for amounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from keras import ops

from counterpoise.core.errors import OptionError
from counterpoise.core.group_thresholds import GroupThresholds
from counterpoise.core.schema import Column, Schema
from counterpoise.data.columns import RawColumns, safe_name, safe_names, stacked
from counterpoise.data.cost_input import MODEL_NAMES
from counterpoise.data.levels import TRUTH_NUMBERS, compared_by_value, level_text, match_levels


@dataclass(frozen=True)
class GroupInput:
    """The input of a model that has the groups of thresholds.

    Attributes:
        column: The column.
        name: Name of the input that has it.
        own: Whether the input has nothing else: text (N, 1), or of `encoded` rows ids (N, 1).
        position: Of the column among the numeric or the categorical features; of an input of its own 0.
        codes: The code of each id of a level, from missing (0) to not seen (the last); None: a column of numbers.
        numbers: The number of each group, of a column of numbers.
        levels: The column as one of levels.
    """

    #: Type of an input of its own.
    dtype: ClassVar[str] = "string"

    column: str
    name: str
    own: bool
    position: int
    codes: tuple[int, ...] | None
    numbers: tuple[float, ...]
    levels: Column

    @classmethod
    def of(cls, schema: Schema, by: GroupThresholds, encoded: bool = False) -> GroupInput:
        """Return the input that has the groups; of `encoded` rows, which have all columns in two inputs, one of these.

        Example:
            >>> schema = Schema((Column("Sex", "categorical", ("m", "f")), Column("site", "numeric")))
            >>> GroupInput.of(schema, GroupThresholds("Sex", ("f",), (0.2,))).codes
            (0, 0, 1, 0)
            >>> GroupInput.of(schema, GroupThresholds("site", ("3",), (0.2,))).numbers
            (3.0,)
        """
        numbers, texts = ([c.name for c in columns] for columns in (schema.numeric, schema.categorical))
        names = safe_names([*numbers, *texts])
        own = Column(by.name, "categorical", by.values, numeric_levels=compared_by_value(by.values))
        joined = encoded or stacked(schema)
        if by.name in numbers:
            at = numbers.index(by.name)
            plain = schema.numeric[at]
            return cls(
                by.name, "numeric" if joined else names[by.name], False, at, None, _groups_as_numbers(by, plain), own
            )
        if by.name in texts:
            at = texts.index(by.name)
            ids = match_levels(own, pl.Series(schema.categorical[at].levels, dtype=pl.String)).tolist()
            # Levels that are no group of the thresholds have code 0, as have missing and unseen ones.
            known = (code if code <= len(by.values) else 0 for code in ids)
            return cls(by.name, "categorical" if joined else names[by.name], False, at, (0, *known, 0), (), own)
        # No feature: the column gets an input of its own, whose levels are the groups.
        taken = {*MODEL_NAMES, *(() if joined else names.values())}
        codes = (*range(len(by.values) + 1), 0)
        return cls(by.name, safe_name(by.name, taken), True, 0, codes, (), own)

    def look_up(self) -> RawColumns | None:
        """Return the layer from the texts of an input of its own to ids; None for a feature."""
        if not self.own:
            return None
        return RawColumns([], [self.name], [self.levels.levels], [self.levels.numeric_levels], name="group")

    def ids(self, values: pl.Series) -> np.ndarray:
        """Return the ids, int32 (N, 1), of the values of an input of its own.

        Equal to what the layer of `look_up` gives, which is inside models.
        """
        return match_levels(self.levels, level_text(values))[:, None].astype(np.int32)

    def values(self, own: Any, encoded: Mapping[str, Any]) -> Any:
        """Return the code of the threshold of each row, int32 (N, 1): 0 the common one, k that of the k-th value.

        Args:
            own: The ids of an input of its own; ignored for a feature.
            encoded: Rows as networks take them; ignored for an input of its own.
        """
        if self.codes is not None:
            ids = own if self.own else encoded["categorical"][:, self.position : self.position + 1]
            return ops.take(np.array(self.codes, "int32"), ops.cast(ids, "int32"))
        numbers = encoded["numeric"][:, self.position : self.position + 1]
        code: Any = 0
        for k, value in enumerate(self.numbers, start=1):
            code = code + k * ops.cast(ops.equal(numbers, np.float32(value)), "int32")
        return code


def _groups_as_numbers(by: GroupThresholds, column: Column) -> tuple[float, ...]:
    """Return the groups as numbers, less the offset of the column, as networks take them.

    Raises:
        OptionError: A group is no number, because the column has dates or times.
    """
    try:
        return tuple(float(TRUTH_NUMBERS.get(value.lower(), value)) - column.offset for value in by.values)
    except ValueError:
        raise OptionError(
            f"by={by.name!r} names a column of dates or times ({by.values[0]!r}). Expected a column of groups. "
            "Add a column with ranges of these dates or times, such as years, and pass its name as by=."
        ) from None
