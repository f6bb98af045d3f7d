"""Numbers in single precision (float32), in which networks compute: distinct values that rounding would merge.

float32 holds 24 binary digits: of seconds since 1970 it keeps every 128th. So a constant is subtracted in float64
first, where that keeps more: the median, an attribute of the column (`Column.offset`) that goes with every saved model.
Fixed: `data.columns.minus_offset_in_graph` subtracts it alike in the model (tests/data/test_columns.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from counterpoise.data.dates import days

Array = np.ndarray

#: A constant is subtracted, and a loss reported, from this share of distinct values on.
GAIN, LOSS = 0.01, 0.2
#: Rows whose distinct values are counted.
MOST_ROWS = 200_000
#: Columns below this are counted by NumPy, which starts sooner than polars.
FEW_ROWS = 5_000
#: Whole numbers below this are exact as float64.
EXACT = 2.0**53


@dataclass(frozen=True)
class Precision:
    """The number to subtract from a column before it becomes float32, and the distinct values before and after."""

    offset: float = 0.0
    different: int = 0
    remain: int = 0

    def loss_text(self) -> str:
        """Return the end of a sentence if more than 20% of the distinct values are lost.

        The sentence begins with "Column 'a' ". Otherwise, return ''.

        Example:
            >>> Precision(0.0, 100, 90).loss_text(), Precision(0.0, 100, 3).loss_text()[:24]
            ('', 'has 100 distinct values.')
        """
        if self.different - self.remain <= LOSS * self.different:
            return ""
        return (
            f"has {self.different:,} distinct values. Networks use single precision (float32), which keeps "
            f"only {self.remain:,} of them, because the differences are small compared with the values. "
            "Subtract a constant, or split the column into its first and last digits."
        )


def precision_of(series: pl.Series, centered: bool = True) -> Precision:
    """Return the offset of a column, and how many of its distinct values remain in float32.

    The column contains numbers, booleans or dates. If float32 contains all values exactly, nothing is counted, and all
    fields of the result are 0.

    Args:
        series: The column, of the rows to learn from.
        centered: Whether a constant may be subtracted first.

    Example:
        >>> precision_of(pl.Series([1.7e9, 1.7e9 + 1, 1.7e9 + 2]))
        Precision(offset=1700000001.0, different=3, remain=3)
    """
    values = floats(series)
    known = values[np.isfinite(values)]
    largest = np.abs(known).max(initial=0.0)
    with np.errstate(over="ignore"):
        if largest < EXACT and np.array_equal(known, known.astype(np.float32)):
            return Precision()
    step = max(1, len(known) // MOST_ROWS)
    different, plain = _distinct_values(series, known, largest, step), _distinct_as_float32(known[::step])
    if different - plain <= GAIN * different or not centered:
        return Precision(0.0, different, plain)
    # The median.
    middle = float(np.partition(known, len(known) // 2)[len(known) // 2])
    centered_values = minus_offset(series, middle)
    moved = _distinct_as_float32(centered_values[np.isfinite(centered_values)][::step])
    return Precision(middle, different, moved) if moved > plain else Precision(0.0, different, plain)


def lost_digit_notes(columns: Iterable[tuple[str, Any]]) -> list[str]:
    """Return a note about columns that lose values in float32 if no constant is subtracted.

    `columns` are pairs of name and values. The list has at most one note, about the first such column, with the number
    of the others.
    """
    texts = ((name, precision_of(pl.Series(column), centered=False).loss_text()) for name, column in columns)
    losing = [(name, text) for name, text in texts if text]
    more = f" The same applies to {len(losing) - 1} more columns." if len(losing) > 1 else ""
    return [f"Column {name} {text}{more}" for name, text in losing[:1]]


def _distinct_values(series: pl.Series, known: Array, largest: float, step: int) -> int:
    """Return the number of distinct values of every `step`-th row; large integers are counted exactly.

    `known` are the finite values of `series` as float64, and `largest` is their largest absolute value.
    """
    if series.dtype.is_integer() and largest >= EXACT:
        return series.drop_nulls().gather_every(step).n_unique()
    return count_distinct(known[::step])


def _distinct_as_float32(values: Array) -> int:
    """Return the number of distinct values after rounding to float32."""
    with np.errstate(over="ignore"):
        return count_distinct(values.astype(np.float32))


def count_distinct(values: Array) -> int:
    """Return the number of distinct values of an array (N,)."""
    return len(np.unique(values)) if len(values) < FEW_ROWS else pl.Series(values).n_unique()


def floats(series: pl.Series) -> Array:
    """Return numbers, booleans, or times in days as float64 (N,), NaN for missing."""
    return (days(series) if series.dtype.is_temporal() else series.cast(pl.Float64)).to_numpy()


def minus_offset(series: pl.Series, offset: float) -> Array:
    """Return numbers minus an offset as float64 (N,), NaN for missing values; integers are subtracted exactly.

    The counterpart in models and exports is `data.columns.minus_offset_in_graph`.

    Example:
        >>> minus_offset(pl.Series([2**60 + 1]), 2.0**60).tolist()
        [1.0]
    """
    if abs(offset) >= EXACT and series.dtype.is_integer():
        return (series.cast(pl.Int128) - pl.Series([int(offset)], dtype=pl.Int128)).cast(pl.Float64).to_numpy()
    return floats(series) - offset
