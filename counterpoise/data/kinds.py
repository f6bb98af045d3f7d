"""What is in a column: numbers, levels, or nothing that a model can use?

The rules, in order (N rows; text and whole numbers are judged from 20 rows up):

- *missing*: no value at all. *constant*: one value and none missing. One value beside missing ones is
  kept as *boolean*: where it stands is information.
- *identifier*: whole numbers that count the rows (most steps from row to row are +1 and nearly all
  rise, or they are 1..N in any order); whole numbers of which more than 95 % are distinct, under a name like
  "id"; any text with more than 95 % distinct values. Unique fractions are numbers.
- *boolean*: a boolean type, or exactly two levels such as yes/no, true/false, t/f, y/n.
- *categorical*: other text. *numeric*: numbers, however few distinct ones (say `kinds={"col": "categorical"}`
  for codes). Dates are numbers too: days since 1970-01-01.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError
from counterpoise.core.records import Column
from counterpoise.data.csv_text import is_iso_date, parse_dates

#: Text and whole numbers of shorter tables are not judged to be identifiers.
LEAST_ROWS = 20
#: A categorical column with more levels is reported.
MANY_LEVELS = 500
_PAIRS = ({"yes", "no"}, {"true", "false"}, {"t", "f"}, {"y", "n"})
_ID_NAME = re.compile(r"(^|[^a-z])(id|ids|uid|uuid|guid|key|identifier|row_?(id|number|num|no)|index|serial)$", re.I)
_CAMEL_ID = re.compile(r"[a-z](ID|Id)$")


@dataclass(frozen=True)
class Found:
    """A column, its description, and what the user should know about it."""

    column: Column
    series: pl.Series
    warnings: tuple[str, ...] = ()


def infer(series: pl.Series, kind: str | None = None) -> Found:
    """Find the kind of one column.

    Args:
        series: Values with null for missing.
        kind: "numeric", "categorical" or "boolean" to overrule the rules; "identifier" leaves the column out.

    Raises:
        ColumnError: Numbers were asked for but the column holds text, or a number is infinite.

    Example:
        >>> infer(pl.Series("paid", ["yes", "no", None, "no"])).column.levels
        ('no', 'yes')
    """
    name, missing = series.name, series.null_count()
    warnings: tuple[str, ...] = ()
    if series.dtype.is_temporal():
        series, warnings = days(series), (f"Column {name!r} holds dates; it is used as a number of days.",)
    if missing == len(series):
        return Found(Column(name, "missing", missing=missing), series, (f"Column {name!r} is all missing: left out.",))
    if kind == "identifier":
        return Found(Column(name, kind, missing=missing), series)
    found, reason = (kind, "") if kind else _guess(series)
    if found in ("constant", "identifier"):
        return Found(Column(name, found, missing=missing), series, (f"Column {name!r} {reason}: left out.",))
    if found == "numeric":
        return Found(Column(name, found, missing=missing), numbers(series), warnings)
    numeric_levels = series.dtype.is_numeric() or series.dtype == pl.Boolean
    texts = level_text(series)
    levels = _levels(texts)
    if found == "boolean" and len(levels) > 2:
        raise ColumnError(f"Column {name!r} has {len(levels)} levels; a boolean column has two. Say 'categorical'.")
    column = Column(name, str(found), levels, missing, numeric_levels)
    return Found(column, texts, warnings + _about_levels(column, texts))


def _guess(series: pl.Series) -> tuple[str, str]:
    """(kind, why it is left out)."""
    known = series.drop_nulls()
    distinct = known.n_unique()
    if distinct == 1:
        return ("boolean", "") if series.null_count() else ("constant", "has one value")
    if series.dtype == pl.Boolean:
        return "boolean", ""
    if series.dtype.is_numeric():
        reason = _numbers_identify(known, distinct)
        return ("identifier", reason) if reason else ("numeric", "")
    texts = level_text(known)
    if distinct == 2 and {str(t).casefold() for t in texts.unique()} in _PAIRS:
        return "boolean", ""
    if len(known) >= LEAST_ROWS and distinct > 0.95 * len(known) and series.dtype != pl.Categorical:
        odd = (
            _odd_text(level_text(series))
            or f"looks like an identifier ({distinct:,} distinct texts in {len(known):,} rows)"
        )
        return "identifier", odd
    return "categorical", ""


def _numbers_identify(known: pl.Series, distinct: int) -> str:
    """Why whole numbers look like an identifier, or ''."""
    if len(known) < LEAST_ROWS:
        return ""
    named = bool(_ID_NAME.search(known.name) or _CAMEL_ID.search(known.name))
    whole = known.dtype.is_integer() or (named and bool((known == known.round(0)).all()))
    if not whole:
        return ""
    if named and distinct > 0.95 * len(known):
        return f"looks like an identifier (its name, and {distinct:,} distinct values in {len(known):,} rows)"
    values = known.cast(pl.Float64).to_numpy()
    span = values.max() - values.min() + 1
    steps = np.diff(values)
    counting = np.mean(steps == 1) >= 0.8 and np.mean(steps > 0) >= 0.95
    if (distinct == len(values) and span == len(values)) or counting:
        return "looks like an identifier (a running number)"
    return ""


def days(series: pl.Series) -> pl.Series:
    """Dates and times as float64 days since 1970-01-01; times of day and durations as days."""
    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if series.dtype == pl.Time:
        return series.cast(pl.Int64).cast(pl.Float64) / 86_400e9
    if isinstance(series.dtype, pl.Duration):
        return series.cast(pl.Duration("us")).cast(pl.Int64).cast(pl.Float64) / 86_400e6
    return series.dt.replace_time_zone(None).cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64) / 86_400e6


def numbers(series: pl.Series) -> pl.Series:
    """Any column as float64 with null for missing; text is parsed as numbers, then as ISO dates.

    Raises:
        ColumnError: A value is not a number, or is infinite; row and column are named.
    """
    if series.dtype.is_temporal():
        series = days(series)
    if series.dtype in (pl.String, pl.Categorical):
        series = _parse_numbers(series.cast(pl.String))
    values = series.cast(pl.Float64).fill_nan(None)
    # float32 is what the model reads: 1e39 is infinite there.
    bad = values.is_infinite() | (values.abs() > float(np.finfo(np.float32).max))
    rows = bad.fill_null(False).arg_true()
    if len(rows):
        word = "an infinite value" if values[rows[0]] in (float("inf"), float("-inf")) else "a value beyond float32"
        raise ColumnError(f"Column {series.name!r} holds {word} in {rows_text(rows)}. Replace it or leave it blank.")
    return values


def _parse_numbers(text: pl.Series) -> pl.Series:
    clean = text.str.strip_chars()
    typed = clean.cast(pl.Float64, strict=False)
    if typed.null_count() > clean.null_count():
        typed = days(parse_dates(clean)) if is_iso_date(clean) else typed
    bad = (typed.is_null() & clean.is_not_null()).arg_true()
    if len(bad):
        raise ColumnError(
            f"Column {text.name!r} is {text[bad[0]]!r} in {rows_text(bad)}; expected a number. "
            "Leave missing values blank."
        )
    return typed


def level_text(series: pl.Series) -> pl.Series:
    """The values as the text of levels: 3.0 is '3', booleans are 'True' and 'False'; blanks around it go."""
    if series.dtype == pl.Boolean:
        return series.replace_strict({True: "True", False: "False"}, default=None, return_dtype=pl.String)
    if series.dtype.is_float():
        values = series.drop_nulls().to_numpy()
        whole = bool((values == np.round(values)).all() and (np.abs(values) < 2**53).all())
        return series.cast(pl.Int64).cast(pl.String) if whole else series.cast(pl.String)
    text = series.cast(pl.String)
    return text if series.dtype.is_integer() else text.str.strip_chars()


def _levels(texts: pl.Series) -> tuple[str, ...]:
    """Levels by frequency, then by text."""
    counts = texts.drop_nulls().alias("level").value_counts(name="n").sort(["n", "level"], descending=[True, False])
    return tuple(counts["level"])


def _about_levels(column: Column, texts: pl.Series) -> tuple[str, ...]:
    if len(column.levels) > MANY_LEVELS:
        return (
            f"Column {column.name!r} has {len(column.levels):,} levels in {len(texts):,} rows: many are too rare to "
            "learn from. Free text or codes? Group them or leave the column out with drop (--drop).",
        )
    odd = "" if column.numeric_levels else _odd_text(texts)
    return (f"Column {column.name!r} {odd}.",) if odd else ()


def _odd_text(texts: pl.Series) -> str:
    """Where a column of numbers holds a stray word that makes it text, or ''."""
    odd = (texts.cast(pl.Float64, strict=False).is_null() & texts.is_not_null()).arg_true()
    known = len(texts) - texts.null_count()
    if known < LEAST_ROWS or not 0 < len(odd) < 0.05 * known:
        return ""
    return f"is read as text although nearly all of it is numbers ({texts[odd[0]]!r} in {rows_text(odd)})"
