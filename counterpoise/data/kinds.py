"""The kind of a column: numbers, categories, or nothing that a model can use.

The rules, in order (N rows; text and whole numbers are judged from 20 rows up):

- Text that spells numbers or dates is read as such (see `data.numbers`, `data.dates`), stray words as missing. A
  column that is declared to hold categories keeps its levels.
- *missing*: no value at all. *constant*: one value and none missing. One value among missing ones is
  kept as *boolean*: where it stands is information.
- *identifier*: whole numbers that count the rows (most steps from row to row are +1 and nearly all
  rise, or they are 1..N in any order); whole numbers of which more than 95% are distinct, under a name like
  "id"; any text with more than 95% distinct values. Unique fractions are numbers.
- *boolean*: a boolean type, or exactly two levels such as yes/no, true/false, t/f, y/n.
- *categorical*: other text. *numeric*: numbers, however few distinct ones (use `kinds={"col": "categorical"}`
  for codes). Dates are numbers too: days since 1970-01-01, with the time of day as a fraction. Numbers that can all be
  Unix seconds, under a name such as "timestamp" or "created_at", are time stamps.

Fixed: with a split of the user, only its training rows get here. The result is the `Column` that schemas and model
files keep; new rows are read by it in `values`, never by these rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError
from counterpoise.core.label_names import look_alike_doubt
from counterpoise.core.schema import Column, TextFormat
from counterpoise.data.cells import clean
from counterpoise.data.cycles import PER_DAY, cycle_name, cycles_of
from counterpoise.data.date_text import (
    STAMP,
    contain_dates,
    date_order,
    have_uncertain_order,
    lacks_century,
    parse_dates,
    parse_durations,
    parse_times,
)
from counterpoise.data.dates import unit_of
from counterpoise.data.levels import MAX_LEVELS, are_dates, compared_by_value, level_text, levels_of
from counterpoise.data.number_parsing import plain_numbers
from counterpoise.data.numbers import read_clean_numbers
from counterpoise.data.precision import count_distinct, floats, precision_of
from counterpoise.data.stray_words import FEW_NUMBERS, FILLERS, LEAST_ROWS, PARTLY, ParsedColumn, with_words_as_missing

_BOOLEAN_PAIRS = ({"yes", "no"}, {"true", "false"}, {"t", "f"}, {"y", "n"})
_ID_NAME = re.compile(r"(^|[^a-z])(id|ids|uid|uuid|guid|key|identifier|row_?(id|number|num|no)|index|serial)$", re.I)
_CAMEL_ID = re.compile(r"[a-z](ID|Id)$")
_TIME_PARSERS = ((parse_dates, "dates"), (parse_times, "times of day"), (parse_durations, "durations"))
#: Words in the name of a column of time stamps, and the seconds since 1970 of the years 1990 to 2100.
_NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_STAMP_NAMES = {"timestamp", "time", "datetime", "date", "epoch", "unix", "unixtime", "ts", "utc", "at"}
_UNIX_RANGE = 631_152_000, 4_133_980_800
_UNIX_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")
#: What text lacks that spells neither numbers nor dates.
_DIGIT = r"\p{Nd}"
#: Values on which it is seen whether text spells one of these.
_SAMPLE_VALUES = 1_000
#: Most categories of a column that are compared with each other.
MOST_COMPARED = 10_000
#: Words from which on a text that is hardly ever repeated is prose, and no identifier.
FREE_TEXT_WORDS = 3


@dataclass(frozen=True)
class InferredColumn:
    """A column's description, its values as the kind needs them, and notes for the user."""

    column: Column
    series: pl.Series
    notes: tuple[str, ...] = ()


def infer_column(series: pl.Series, kind: str | None = None) -> InferredColumn:
    """Return the description of one column by its values, its values in the form of its kind, and notes.

    Args:
        series: Values of the rows to learn from, with null for missing.
        kind: "numeric", "categorical" or "boolean" to overrule the rules; "identifier" leaves the column out.

    Raises:
        ColumnError: Numbers were asked for but the column holds text, or a number is infinite.

    Example:
        >>> infer_column(pl.Series("paid", ["yes", "no", None, "no"])).column.levels
        ('no', 'yes')
    """
    name = series.name
    read = _read_by_kind(series, kind)
    if read.values is not None:
        series = read.values.alias(name)
    missing = series.null_count()
    if missing == len(series):
        return InferredColumn(
            Column(name, "missing", missing=missing),
            series,
            (f"Column {name!r} has only missing values and is left out.",),
        )
    if kind == "identifier":
        return InferredColumn(Column(name, kind, missing=missing), series)
    stamps = _unix_unit(series) if kind is None else ""
    seconds = stamps == "seconds"
    inferred, reason = (kind, "") if kind else ("numeric", "") if seconds else _guess_kind(series)
    notes = [f"Column {name!r} {note}" for note in read.notes]
    if inferred in ("constant", "identifier", "text"):
        notes = [] if inferred == "constant" else notes
        return InferredColumn(
            Column(name, inferred, missing=missing), series, (*notes, f"Column {name!r} {reason} and is left out.")
        )
    if inferred == "numeric":
        if stamps and not seconds:
            notes.append(
                f"Column {name!r} contains Unix {stamps}. Convert them to dates or seconds. Then the model "
                "can also use the time of day and the day of the week."
            )
        column, more = _describe_numbers(series, read.written, "seconds" if seconds else unit_of(series.dtype))
        return InferredColumn(column, series, (*notes, *(f"Column {name!r} {note}" for note in more)))
    texts = level_text(series)
    levels = levels_of(texts)
    if inferred == "boolean" and len(levels) > 2:
        raise ColumnError(
            f"Column {name!r} has {len(levels)} distinct values, so it cannot be boolean. Pass "
            f"kinds={{'{name}': 'categorical'}}."
        )
    unit = "date" if are_dates(levels) else ""
    column = Column(name, str(inferred), levels, missing, compared_by_value(levels), unit, written=read.written)
    return InferredColumn(column, texts, (*notes, *_levels_note(column, len(texts)), *_look_alike_note(column)))


def _read_by_kind(series: pl.Series, kind: str | None) -> ParsedColumn:
    """Return text read as numbers or dates, if it spells them or if `kind` asks for numbers.

    `ParsedColumn.values` is None if the column is not text, or stays as it is: text, or a category with its levels.
    """
    if kind == "numeric" and series.dtype in (pl.String, pl.Categorical, pl.Enum):
        read = read_text(series.cast(pl.String), asked=True)
        return read if read.values is not None else ParsedColumn(_as_declared_numbers(clean(series)))
    return read_text(series) if series.dtype == pl.String and kind is None else ParsedColumn()


def _as_declared_numbers(known: pl.Series) -> pl.Series:
    """Return cleaned text that the user declared numeric as numbers.

    A value that is no number raises a ColumnError, which names the first one.
    """
    values = plain_numbers(known)
    bad = (values.is_null() & known.is_not_null()).arg_true()
    if len(bad):
        raise ColumnError(
            f"Column {known.name!r} contains {known[bad[0]]!r} in {rows_text(bad)}. Expected a number. Leave "
            "missing values blank."
        )
    return values


def read_text(text: pl.Series, asked: bool = False) -> ParsedColumn:
    """Return text read as dates, times of day, durations or numbers, if it spells them.

    Otherwise the values are None, and a note explains why if the text nearly spells them. `asked` is whether the user
    declared the column numeric.
    """
    known = clean(text)
    sample = _sample(known)
    if not asked and not sample.str.contains(_DIGIT).any():
        return ParsedColumn()
    if have_uncertain_order(sample):
        return _in_one_order(known, sample[0])
    if len(sample) and sample.str.contains(STAMP).sum() >= PARTLY * len(sample):
        gaps, parse, what = min(
            ((parse(sample).null_count(), parse, what) for parse, what in _TIME_PARSERS), key=itemgetter(0)
        )
        if gaps <= (1 - PARTLY) * len(sample):
            return with_words_as_missing(known, parse(known), TextFormat(), what)
    read = read_clean_numbers(known, asked)
    if read.values is None and not read.notes and sample.n_unique() > FEW_NUMBERS and contain_dates(sample):
        return ParsedColumn(
            notes=(
                f"is read as text although its values contain dates, for example {sample[0]!r}. Write dates as "
                "2024-12-31 or 2024-12-31 23:59:59.",
            )
        )
    return read


def _sample(known: pl.Series) -> pl.Series:
    """Return a sample of the values, on which it is decided what a text spells.

    If at most `FILLERS` different words without a digit fill more than half of the sample, they are left out.
    """
    sample = known.drop_nulls()
    sample = sample.gather_every(max(1, len(sample) // _SAMPLE_VALUES))
    digits = sample.str.contains(_DIGIT)
    words = sample.filter(~digits)
    return sample.filter(digits) if len(words) > (1 - PARTLY) * len(sample) and words.n_unique() <= FILLERS else sample


def _in_one_order(known: pl.Series, example: str) -> ParsedColumn:
    """Return dates such as 03/04/2024, if a day above 12 decides the order of day and month.

    Otherwise, or if the century is not certain, the values are None and a note explains why. `example` is for the note.
    """
    if lacks_century(example):
        return ParsedColumn(
            notes=(
                f"is read as text, because the century of dates such as {example!r} is not certain. Write dates as "
                "2024-12-31.",
            )
        )
    order = date_order(known)
    if not order:
        return ParsedColumn(
            notes=(
                f"is read as text, because dates such as {example!r} may begin with the day or the month. Write "
                f"dates as 2024-12-31.",
            )
        )
    read = with_words_as_missing(known, parse_dates(known, order), TextFormat(order=order), "dates")
    return read if read.values is None else replace(read, notes=(f"is read as dates with the {order}.", *read.notes))


def _guess_kind(series: pl.Series) -> tuple[str, str]:
    """Return the kind of a column by the rules of the module, and why it is left out, or "".

    The reason is the end of a sentence that begins with the column's name.
    """
    known = series.drop_nulls() if series.null_count() else series
    small = known.dtype.is_float() or known.dtype in (pl.Int64, pl.Int32)
    different = count_distinct(known.to_numpy()) if small else known.n_unique()
    if different == 1:
        return ("boolean", "") if series.null_count() else ("constant", "has one value")
    if series.dtype == pl.Boolean:
        return "boolean", ""
    if series.dtype.is_temporal():
        return "numeric", ""
    if series.dtype.is_numeric():
        reason = _identifier_reason(known, different)
        return ("identifier", reason) if reason else ("numeric", "")
    if different == 2 and {str(t).casefold() for t in level_text(known).unique()} in _BOOLEAN_PAIRS:
        return "boolean", ""
    if len(known) >= LEAST_ROWS and different > 0.95 * len(known) and series.dtype == pl.String:
        count = f"{different:,} distinct texts in {len(known):,} rows"
        if float(known.str.count_matches(r"\S+").median() or 0) >= FREE_TEXT_WORDS:  # type: ignore[arg-type]
            return "text", f"is free text ({count}) that only the network 'text' reads"
        return "identifier", f"looks like an identifier ({count})"
    return "categorical", ""


def _identifier_reason(known: pl.Series, different: int) -> str:
    """Return why whole numbers look like an identifier, or "" if they do not.

    `known` has the values that are not missing, and `different` is how many distinct ones there are.
    """
    if len(known) < LEAST_ROWS:
        return ""
    named = bool(_ID_NAME.search(known.name) or _CAMEL_ID.search(known.name))
    whole = known.dtype.is_integer() or (named and bool((known == known.round(0)).all()))
    if not whole:
        return ""
    if named and different > 0.95 * len(known):
        return f"looks like an identifier (its name, and {different:,} distinct values in {len(known):,} rows)"
    values = known.cast(pl.Float64).to_numpy()
    span = values.max() - values.min() + 1
    steps = np.diff(values)
    counting = np.mean(steps == 1) >= 0.8 and np.mean(steps > 0) >= 0.95  # most steps +1, nearly all rising
    if (different == len(values) and span == len(values)) or counting:
        return "looks like an identifier (a running number)"
    return ""


def _unix_unit(series: pl.Series) -> str:
    """Return the unit of Unix time stamps, such as "seconds"; "" if a column has none.

    A column has them if a word in its name says so, and if all values are in the years 1990 to 2100 in that unit.
    """
    words = {word.lower() for word in _NAME_WORD.findall(series.name)}
    if not words & _STAMP_NAMES or not series.dtype.is_numeric() or series.n_unique() < 2:
        return ""
    low, high = _UNIX_RANGE
    units = ((unit, 1000**power) for power, unit in enumerate(_UNIX_UNITS))
    return next((unit for unit, factor in units if series.is_between(low * factor, high * factor).all()), "")


def _describe_numbers(series: pl.Series, written: TextFormat | None, unit: str) -> tuple[Column, list[str]]:
    """Return the description of a column of numbers, dates or times, and notes about it.

    `unit` is "date", "time", "duration", "seconds", or "" for other numbers. Time stamps get an offset at the start of
    the day of their median, and their cycles. A note is the end of a sentence that begins with the column's name.
    """
    precision = precision_of(series)
    offset, cycles = precision.offset, tuple[float, ...]()
    if unit in ("date", "time", "seconds"):
        values, day = floats(series), PER_DAY.get(unit, 1.0)
        offset = offset if unit == "time" else float(np.floor(np.nanmedian(values) / day)) * day
        cycles = cycles_of(values, offset, unit)
    column = Column(series.name, "numeric", (), series.null_count(), False, unit, offset, cycles, written)
    return column, [note for note in (_time_note(column), _zone_note(series), precision.loss_text()) if note]


def _zone_note(series: pl.Series) -> str:
    """Return a note on times in a time zone other than UTC, or ""."""
    zone = series.dtype.time_zone if isinstance(series.dtype, pl.Datetime) else None
    if zone in (None, "UTC"):
        return ""
    return (
        f"has the time zone {zone}, and its times are converted to UTC. Times without a time zone in new rows are read "
        "as UTC, so pass new rows with their time zone."
    )


def _time_note(column: Column) -> str:
    """Return a note on a column of dates, times or durations, or "" for other columns."""
    if not column.unit:
        return ""
    kinds = {"date": "dates", "time": "times of day", "duration": "durations"}
    if column.unit == "seconds":
        positions = [f"the {cycle_name(period, column.unit)}" for period in column.cycles]
        return (
            f"contains Unix seconds. The model also uses the position of each time in {', '.join(positions)}."
            if positions
            else ""
        )
    cycles = "".join(f" and the position in the {cycle_name(period)}" for period in column.cycles)
    return f"contains {kinds[column.unit]}, which are converted to days{cycles}."


def _levels_note(column: Column, rows: int) -> tuple[str, ...]:
    """Return a note if a column has more categories than networks distinguish, or ()."""
    if len(column.levels) <= MAX_LEVELS:
        return ()
    return (
        f"Column {column.name!r} has {len(column.levels):,} categories in {rows:,} rows. Networks distinguish "
        f"only the {MAX_LEVELS} most frequent categories, trees all of them. For networks, merge categories, or leave "
        "the column out (--drop).",
    )


def _look_alike_note(column: Column) -> tuple[str, ...]:
    """Return a note if categories of a column differ only in case, blanks, or the spelling of a value, or ()."""
    if len(column.levels) > MOST_COMPARED:
        return ()
    words = ("categories", "categories")
    note = look_alike_doubt(column.levels, f"Column {column.name!r}", merge=False, words=words)
    return () if note is None else (note,)
