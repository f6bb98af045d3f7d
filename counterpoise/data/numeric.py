"""A numeric column as the model reads it: one function for training and prediction."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError
from counterpoise.core.records import Column, NumberFormat
from counterpoise.data.cells import clean
from counterpoise.data.dates import FIRST_DAY, LAST_DAY, parse_dates, parse_times, unit_of
from counterpoise.data.numbers import parse, plain_numbers
from counterpoise.data.precision import as_float, less
from counterpoise.data.stray_words import PARTLY, shown

Array = np.ndarray

_TEXT = (pl.String, pl.Categorical, pl.Enum)
_KINDS = {"": "numbers", "date": "dates", "time": "times of day", "duration": "durations"}
_SPELLED = {"date": "a date such as 2024-12-31 23:59:59", "time": "a time such as 23:59:59", "duration": "days"}


def numeric_values(column: Column, series: pl.Series) -> Array:
    """A column as float32 (N,), its offset subtracted in float64; NaN for missing.

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
    typed = _of_text(column, series.cast(pl.String)) if series.dtype in _TEXT else series
    _check_unit(column, typed)
    with np.errstate(over="ignore"):
        raw = less(typed, column.offset).to_numpy()
        values = raw.astype(np.float32)
    rows = np.flatnonzero(np.isinf(values))
    if len(rows):
        what = "an infinite value" if np.isinf(raw[rows[0]]) else "a value beyond float32"
        raise ColumnError(f"Column {series.name!r} holds {what} in {rows_text(rows)}. Replace it or leave it blank.")
    return values


def _of_text(column: Column, text: pl.Series) -> pl.Series:
    known = clean(text)
    values = _parsed(column, known)
    odd = values.is_null() & known.is_not_null()
    if odd.any():
        _refuse_or_say(column, known, odd)
    return values


def _parsed(column: Column, known: pl.Series) -> pl.Series:
    if column.unit == "date":
        found = parse_dates(known)
    elif column.unit == "time":
        found = parse_times(known)
    else:
        plain = plain_numbers(known)
        if plain.null_count() == known.null_count() or column.written is None:
            return plain
        return parse(known, column.written)
    return found if found.null_count() < len(found) else plain_numbers(known)


def _refuse_or_say(column: Column, known: pl.Series, odd: pl.Series) -> None:
    """Text that cannot be read is missing where training met such words, unless it is most of the column."""
    rows, words = odd.arg_true(), known.filter(odd)
    if not (column.written and column.written.words) or len(rows) > (1 - PARTLY) * (len(known) - known.null_count()):
        wanted = _SPELLED.get(column.unit, _example(column.written))
        raise ColumnError(
            f"Column {column.name!r} is {words[0]!r} in {rows_text(rows)}; expected {wanted}. "
            "Leave missing values blank."
        )
    new = words.filter(~words.is_in(column.written.words)).unique().sort()
    if len(new):
        warnings.warn(
            f"Column {column.name!r} holds words that training did not show ({shown(new)}, {rows_text(rows)}). They "
            "count as missing, as the words in training did.",
            UserWarning,
            stacklevel=2,
        )


def _example(written: NumberFormat | None) -> str:
    """A number in the convention of a column."""
    if written is None or (written.decimal, written.group, written.affix) == (".", "", ""):
        return "a number"
    number = f"1{written.group}234{written.decimal}5"
    return f"a number such as {f'{number} {written.affix}'.strip()!r}"


def _check_unit(column: Column, typed: pl.Series) -> None:
    """Dates only where training had dates; numbers in their place are days."""
    unit = unit_of(typed.dtype)
    if unit and unit != column.unit:
        raise ColumnError(
            f"Column {column.name!r} holds {_KINDS[unit]}, but held {_KINDS[column.unit]} in training. Convert it to "
            f"{_KINDS[column.unit]}."
        )
    if column.unit != "date" or unit or typed.null_count() == len(typed):
        return
    days = as_float(typed)
    rows = (~days.is_between(FIRST_DAY, LAST_DAY)).fill_null(False).arg_true()
    if len(rows):
        raise ColumnError(
            f"Column {column.name!r} is {typed[rows[0]]} in {rows_text(rows)}; expected dates, or days since "
            "1970-01-01. Convert the column to dates."
        )
