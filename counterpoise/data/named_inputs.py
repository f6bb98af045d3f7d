"""Rows for a model with several inputs that bear names: columns of a table, or arrays of a dict, by name.

Training and prediction bring a column into the same form: the type of the input decides it, not that of the column.

Training, validation and prediction read rows of the user's own Keras models by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_lengths, rows_text
from counterpoise.core.errors import ColumnError, DataError, did_you_mean
from counterpoise.data.frames import is_table, to_frame
from counterpoise.data.levels import level_text

Array = np.ndarray

#: Whole numbers are kept in 32 bits, as networks get them.
_MOST_INT32 = np.iinfo(np.int32).max


@dataclass(frozen=True)
class NamedInput:
    """One input of a model: the shape of its rows, None where an axis is open, and its Keras dtype."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def kind(self) -> str:
        """The kind of values that the input takes: "text", "whole" numbers or "numbers"."""
        if self.dtype == "string":
            return "text"
        return "whole" if self.dtype.startswith(("int", "uint", "bool")) else "numbers"

    @property
    def takes_column(self) -> bool:
        """Whether a row of the input is a single value, so that a column can fill it."""
        return self.shape in ((), (1,))

    def of_column(self, column: pl.Series) -> Array:
        """Return a column in the form of the input, (N, 1) or (N,): float32, int32 or text.

        Raises:
            ColumnError: a value that the input does not take, or several values a row.
        """
        if not self.takes_column:
            raise ColumnError(
                f"Column {self.name!r} has one value per row, but the model's input {self.name!r} needs rows "
                f"of shape {self.shape}. Pass a dict of arrays, one for each input."
            )
        values = {"text": self._text, "whole": self._whole, "numbers": self._numbers}[self.kind](column)
        return values.reshape(len(values), *self.shape)

    def _text(self, column: pl.Series) -> Array:
        """Return the values as text, object (N,); a missing value is an error."""
        self._refuse(column, column.is_null(), "has no value", "text. Write '' where text is missing")
        return level_text(column).to_numpy().astype(object)

    def _numbers(self, column: pl.Series) -> Array:
        """Return the values as float32 (N,); missing or too large values are errors."""
        values = self._as_float(column).to_numpy()
        with np.errstate(over="ignore"):
            small = values.astype(np.float32)
        self._refuse(column, pl.Series(np.isnan(small)), "has no value", "numbers. Fill in the missing numbers")
        self._refuse(column, pl.Series(np.isinf(small)), "contains {!r}", "finite numbers")
        return small

    def _whole(self, column: pl.Series) -> Array:
        """Return the values as int32 (N,); missing values, fractions, large ones are errors."""
        values = self._as_float(column)
        self._refuse(column, values.is_null() | values.is_nan(), "has no value", "whole numbers")
        self._refuse(
            column,
            (values != values.round()) | (values.abs() > _MOST_INT32),
            "contains {!r}",
            "whole numbers in 32 bits",
        )
        return values.to_numpy().astype(np.int32)

    def _as_float(self, column: pl.Series) -> pl.Series:
        """Return a numeric or boolean column as Float64; values of other types are errors."""
        kind = column.dtype
        if not (kind.is_numeric() or kind == pl.Boolean or kind == pl.Null):
            self._refuse(column, column.is_not_null(), "contains {!r}", "numbers")
        return column.cast(pl.Float64)

    def _refuse(self, column: pl.Series, odd: pl.Series, what: str, wanted: str) -> None:
        """Raise a `ColumnError` on the first value for which `odd` (N,) is true, if there is one.

        `what` tells what is wrong, with {!r} for the value. `wanted` tells what the input needs.
        """
        rows = odd.fill_null(False).arg_true()
        if len(rows):
            value = column[int(rows[0])]
            raise ColumnError(
                f"Column {self.name!r} {what.format(value):.60} in {rows_text(rows)}. The model's input "
                f"{self.name!r} ({self.dtype}) needs {wanted}."
            )


@dataclass(frozen=True)
class NamedInputs:
    """The named inputs of a model.

    Example:
        >>> takes = NamedInputs((NamedInput("age", (1,), "float32"), NamedInput("sex", (1,), "string")))
        >>> x, notes = takes.rows({"age": [31, 40], "sex": ["f", "m"], "town": ["A", "B"]})
        >>> x["age"].tolist(), x["sex"].tolist()
        ([[31.0], [40.0]], [['f'], ['m']])
        >>> notes
        ["Left out the columns 'town', because the model has no inputs of these names."]
    """

    inputs: tuple[NamedInput, ...]

    @classmethod
    def of(cls, tensors: Any) -> NamedInputs | None:
        """Return the inputs of symbolic tensors in a dict or a list of several, else None."""
        if isinstance(tensors, (list, tuple)) and len(tensors) > 1:
            tensors = {getattr(tensor, "name", None): tensor for tensor in tensors}
        if not isinstance(tensors, Mapping) or not all(hasattr(tensor, "dtype") for tensor in tensors.values()):
            return None
        return cls(tuple(NamedInput(str(n), tuple(t.shape[1:]), str(t.dtype)) for n, t in tensors.items()))

    @classmethod
    def like(cls, x: Any) -> NamedInputs | None:
        """Return the inputs for which a dict of arrays was read, such as that of training; None for other rows."""
        if not isinstance(x, Mapping):
            return None
        kinds = {"f": "float32", "i": "int32", "O": "string", "U": "string", "S": "string"}
        return cls(tuple(NamedInput(n, a.shape[1:], kinds.get(a.dtype.kind, a.dtype.name)) for n, a in x.items()))

    @property
    def text(self) -> tuple[str, ...]:
        """Names of inputs that take text: such columns of a CSV file stay as they are written."""
        return tuple(one.name for one in self.inputs if one.kind == "text")

    def takes(self, source: Any) -> bool:
        """Return whether rows have names for their inputs: they are a table, or a dict of arrays."""
        return isinstance(source, Mapping) or is_table(source, table=False)

    def rows(self, source: Any) -> tuple[dict[str, Array], list[str]]:
        """Return a table or dict as a dict of arrays by input, and notes on what was left out.

        Raises:
            ColumnError: an input has no column, or one of another type.
            DataError: the source cannot be read.
        """
        if is_table(source, table=False):
            frame, name, notes = to_frame(source, as_text=self.text)
            x, more = self.of_frame(frame, name)
            return x, [*notes, *more]
        notes = self._check_names(source, "x")
        check_lengths({repr(one.name): source[one.name] for one in self.inputs})
        return {one.name: _convert_array(one, source[one.name]) for one in self.inputs}, notes

    def of_frame(self, frame: pl.DataFrame, name: str) -> tuple[dict[str, Array], list[str]]:
        """Return what `rows` returns, for a frame of feature columns; `name` is its name in messages."""
        notes = self._check_names(frame.columns, name)
        return {one.name: one.of_column(frame[one.name]) for one in self.inputs}, notes

    def _check_names(self, names: Sequence[str] | Mapping[str, Any], source: str) -> list[str]:
        """Return a note on names that are no inputs, as a list of one or none.

        Raises:
            ColumnError: An input is not among the names.
        """
        known = [one.name for one in self.inputs]
        absent = [name for name in known if name not in names]
        if absent:
            more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
            raise ColumnError(
                f"{source} lacks the column {absent[0]!r}{more}, which is an input of the model."
                f"{did_you_mean(absent[0], [n for n in names if n not in known])}"
            )
        others = [repr(n) for n in names if n not in known]
        shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        return [f"Left out the columns {shown}, because the model has no inputs of these names."] if others else []


def _convert_array(wanted: NamedInput, array: Any) -> Array:
    """Return an array with one value per row converted like a column; others are returned unchanged.

    Raises:
        ColumnError: The input does not take a value. DataError: The array has several values per row, but no numbers.
    """
    given = np.asarray(array)
    if wanted.takes_column and given.ndim in (1, 2) and given.size == len(given):
        frame, _, _ = to_frame({wanted.name: given.reshape(-1)})
        return wanted.of_column(frame[wanted.name])
    if given.dtype.kind not in "iufb":
        raise DataError(f"Input {wanted.name!r} has type {given.dtype}. Expected numbers, or text of shape (N,).")
    return given
