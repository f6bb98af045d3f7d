"""A column as the model reads it, numbers and levels: one function each for training and prediction.

The column of the schema decides how a value is read, never the other rows. Fixed: a model file has to read a value as
its training did; `data.columns.RawColumns` reads plain numbers and levels alike.
"""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError
from counterpoise.core.schema import Column, TextFormat
from counterpoise.data.cells import clean
from counterpoise.data.date_text import parse_dates, parse_durations, parse_times
from counterpoise.data.dates import FIRST_DAY, LAST_DAY, unit_of
from counterpoise.data.levels import level_text, match_levels
from counterpoise.data.number_parsing import is_plain, parse_numbers, plain_numbers
from counterpoise.data.precision import floats, minus_offset
from counterpoise.data.stray_words import PARTLY, words_text

Array = np.ndarray

#: Fewer values that cannot be read are missing even where they are all there is, as in one row.
LEAST_REFUSED = 5

_TEXT = (pl.String, pl.Categorical, pl.Enum)
_PARSERS = {"time": parse_times, "duration": parse_durations}
_UNIT_TITLES = {
    "": "numbers",
    "date": "dates",
    "time": "times of day",
    "duration": "durations",
    "seconds": "Unix seconds",
}
#: Unit -> first and last number of days that a column of this unit may contain, and what is expected.
_NUMBERS_OF_UNIT = {
    "date": (FIRST_DAY, LAST_DAY, "dates, or days since 1970-01-01"),
    "time": (0.0, 1.0, "times of day, or shares of a day from 0 to 1"),
}
_UNIT_EXAMPLES = {
    "date": "a date such as 2024-12-31 23:59:59",
    "time": "a time such as 23:59:59",
    "duration": "a duration such as 36:00:00",
}


def numeric_values(column: Column, series: pl.Series) -> Array:
    """Return a column as float32 (N,), its offset subtracted in float64; NaN for missing.

    Text is read in the convention of the column; dates, times and durations are days.

    Args:
        column: A numeric column of the schema.
        series: Its values, null for missing.

    Raises:
        ColumnError: A value is not a number, is infinite, or is of another unit; row and column are named.

    Example:
        >>> numeric_values(Column("age", "numeric"), pl.Series("age", ["31", "", None])).tolist()
        [31.0, nan, nan]
    """
    typed = parsed_if_text(column, series) if column.written is not None or series.dtype in _TEXT else series
    _check_unit(column, typed)
    with np.errstate(over="ignore"):
        raw = minus_offset(typed, column.offset)
        values = raw.astype(np.float32)
    rows = np.flatnonzero(np.isinf(values))
    if len(rows):
        what = "an infinite value" if np.isinf(raw[rows[0]]) else "a value too large for float32"
        raise ColumnError(
            f"Column {series.name!r} contains {what} in {rows_text(rows)}. Expected a finite number. Replace "
            "the value, or leave it blank."
        )
    return values


def level_ids(column: Column, series: pl.Series) -> Array:
    """Return a column as int32 (N,) ids of its levels: 0 missing, k for `column.levels[k-1]`, one more if unseen.

    Levels that are numbers, truth values or dates are compared by value: 3.0, "3" and 3 are one level. The id of
    unseen levels is len(levels) + 1.

    Example:
        >>> column = Column("stage", "categorical", ("2", "1"), numeric_levels=True)
        >>> level_ids(column, pl.Series([1.0, 2.0, None, 7.5])).tolist()
        [2, 1, 0, 3]
    """
    typed = series if column.written is None else parsed_if_text(column, series)
    return match_levels(column, level_text(typed))


def parsed_if_text(column: Column, series: pl.Series) -> pl.Series:
    """Return text as the numbers, dates or times of the column; a series of any other type is unchanged.

    Booleans count as text if numbers of this column were written as text in training. Text that cannot be read becomes
    missing with a warning, or raises a `ColumnError` (see `_refuse_or_warn`).
    """
    if series.dtype not in _TEXT and (series.dtype != pl.Boolean or column.written is None):
        return series
    known = clean(level_text(series))
    values = _parsed_in_format(column, known)
    odd = values.is_null() & known.is_not_null()
    if odd.any():
        _refuse_or_warn(column, known, odd)
    return values


def _parsed_in_format(column: Column, known: pl.Series) -> pl.Series:
    """Return text read in the format of the column; text that does not follow the format becomes null.

    The result has dates, times, durations or numbers, by the unit of the column.
    """
    if column.unit == "date":
        return parse_dates(known, "" if column.written is None else column.written.order)
    if column.unit in _PARSERS:
        return _PARSERS[column.unit](known)
    if column.written is None or is_plain(column.written):
        whole = plain_numbers(known)
        if column.written is None or whole.null_count() == known.null_count():
            return whole
    return parse_numbers(known, column.written)


def _refuse_or_warn(column: Column, known: pl.Series, odd: pl.Series) -> None:
    """Warn about text that cannot be read, or raise a `ColumnError`.

    Words that training rows contained are missing values, without a warning. New words give a warning. New words raise
    a `ColumnError` if training had no such words, or if there are too many of them.

    Args:
        column: The column of the schema.
        known: The text of all rows, null for missing.
        odd: bool (N,), the rows whose text cannot be read.
    """
    met = column.written.words if column.written else ()
    new = odd & ~known.is_in(met).fill_null(False)
    rows = new.arg_true()
    if not len(rows):
        return
    if not met or (len(rows) >= LEAST_REFUSED and len(rows) > (1 - PARTLY) * (len(known) - known.null_count())):
        raise ColumnError(
            f"Column {column.name!r} contains {known[rows[0]]!r} in {rows_text(rows)}. Expected "
            f"{_UNIT_EXAMPLES.get(column.unit) or _number_example(column.written)}. Leave missing values blank."
        )
    warnings.warn(
        f"Column {column.name!r} contains words that training rows did not contain "
        f"({words_text(known.filter(new).unique().sort())}, {rows_text(rows)}). These words count as "
        f"missing, like {met[0]!r} in training.",
        UserWarning,
        stacklevel=2,
    )


def _number_example(written: TextFormat | None) -> str:
    """Return what numbers of a column look like, for a message: "a number such as '1.234,5 €'"."""
    if written is None or is_plain(written):
        return "a number"
    number = f"1{written.group}234{written.decimal}5"
    return f"a number such as {f'{number} {written.affix}'.strip()!r}"


def _check_unit(column: Column, typed: pl.Series) -> None:
    """Raise a `ColumnError` if a column contains other units than in training: dates, times of day, durations.

    Numbers in a column of dates are read as days since 1970-01-01, and must be within the years 1 to 9999. Numbers in a
    column of times of day are read as days too, from 0 to 1.
    """
    unit = unit_of(typed.dtype)
    if unit and unit != column.unit:
        raise ColumnError(
            f"Column {column.name!r} contains {_UNIT_TITLES[unit]}, but contained {_UNIT_TITLES[column.unit]} in "
            f"training. Convert the column to {_UNIT_TITLES[column.unit]}."
        )
    if column.unit not in _NUMBERS_OF_UNIT or unit or typed.null_count() == len(typed):
        return
    first, last, expected = _NUMBERS_OF_UNIT[column.unit]
    days = floats(typed)
    rows = np.flatnonzero((days < first) | (days > last))
    if len(rows):
        raise ColumnError(
            f"Column {column.name!r} contains {typed[int(rows[0])]} in {rows_text(rows)}. Expected {expected}. Convert "
            f"the column to {_UNIT_TITLES[column.unit]}."
        )
