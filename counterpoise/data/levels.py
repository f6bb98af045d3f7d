"""The name of a level: one function for training and prediction, whatever the type of the column.

The name of a level depends on the value alone, never on the rest of the column: 3, 3.0 and Decimal("3.00") are '3',
True is 'True', midnight of a day is the day. Fixed: schemas in model files keep these names, and
`data.columns.RawColumns` computes the same ids (tests/data/test_columns.py compares them).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from counterpoise.core.errors import ColumnError
from counterpoise.core.schema import Column
from counterpoise.data.date_text import parse_dates
from counterpoise.data.dates import in_utc

#: Levels of one column that networks distinguish; the rest share one slot. The width of encoded rows depends on it.
MAX_LEVELS = 64
#: Truth values as text -> their number: levels that are compared by value are equal if these are.
TRUTH_NUMBERS = {"true": "1", "false": "0"}
#: A number as `level_text` writes it: neither a zero in front nor one behind the point.
_NUMBER = r"^-?(0|[1-9]\d*)(\.\d*[1-9])?(e[+-]?\d+)?$"


def level_text(series: pl.Series) -> pl.Series:
    """Return the name of each value as a level, null for missing.

    Booleans are 'True' and 'False'; whole numbers have no decimal point; dates are ISO dates, in UTC where they have
    a time zone, and with a time of day unless that is midnight; text loses the blanks around it.

    Example:
        >>> level_text(pl.Series([0.5, 3.0, None, 1e20])).to_list()
        ['0.5', '3', None, '1e+20']
    """
    kind = series.dtype
    if kind == pl.Boolean:
        return series.replace_strict({True: "True", False: "False"}, default=None, return_dtype=pl.String)
    if kind.is_float():
        return series.fill_nan(None).cast(pl.String).str.strip_suffix(".0").replace("-0", "0")
    if isinstance(kind, pl.Decimal):
        return _without_final_zeros(series.cast(pl.String))
    if isinstance(kind, pl.Duration):
        return series.dt.to_string("iso")
    if isinstance(kind, pl.Datetime):
        return _without_final_zeros(in_utc(series).cast(pl.String)).str.strip_suffix(" 00:00:00")
    if kind == pl.Time:
        return _without_final_zeros(series.dt.to_string("iso"))
    text = series.cast(pl.String)
    return text.str.strip_chars() if kind in (pl.String, pl.Categorical, pl.Enum) else text


def _without_final_zeros(text: pl.Series) -> pl.Series:
    """Return numbers as text without zeros at the end: '1.50' as '1.5' and '2.00' as '2'."""
    return text.str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")


def levels_of(texts: pl.Series) -> tuple[str, ...]:
    """Return the distinct levels in their order: numbers by value, then the others by text.

    Forests split levels in this order, which is that of grades and sizes where their names have one. The
    schema keeps it, and ids are positions in it.

    Raises:
        ColumnError: A level contains a NUL character: a saved model reads text up to it.
    """
    names = texts.drop_nulls().unique()
    order = pl.DataFrame({"value": names.cast(pl.Float64, strict=False), "name": names})
    names = order.sort("value", "name", nulls_last=True)["name"]
    odd = names.str.contains("\x00", literal=True).arg_true()
    if len(odd):
        row = int(texts.index_of(names[odd[0]]) or 0) + 1
        raise ColumnError(
            f"Column {texts.name!r} has the category {names[odd[0]]!r} in row {row}, which contains a NUL "
            "character. Expected text without NUL, because a saved model cuts text there. Remove the character, "
            "or leave the column out (--drop)."
        )
    return tuple(names)


def compared_by_value(levels: tuple[str, ...]) -> bool:
    """Return whether levels are numbers or truth values, all different: '3', '3.0' and 3 are then one level.

    Codes such as '03' are no numbers here: they are compared as text. The schema keeps the result (`numeric_levels`).

    Example:
        >>> compared_by_value(("0.5", "3")), compared_by_value(("True", "False")), compared_by_value(("03", "3"))
        (True, True, False)
    """
    names = pl.Series(levels, dtype=pl.String)
    plain = names.str.contains(_NUMBER) | names.str.to_lowercase().is_in(list(TRUTH_NUMBERS))
    values = _level_values(names)
    return bool(plain.all() and values.is_finite().all()) and values.n_unique() == len(names)


def are_dates(levels: tuple[str, ...]) -> bool:
    """Return whether all levels are dates, all different.

    2024-01-01 and 2024-01-01T00:00:00 are then one level.
    """
    digits = all(level[:1].isdigit() for level in levels)  # cheap: most columns end here
    return digits and parse_dates(pl.Series(levels, dtype=pl.String)).drop_nulls().n_unique() == len(levels)


def match_levels(column: Column, names: pl.Series) -> np.ndarray:
    """Return the ids of named levels, int32 (N,): 0 missing, k for `column.levels[k-1]`, one more for unseen ones.

    `names` are those of `level_text`. Names are compared by value, as dates or as text, by what `column` says of its
    levels.
    """
    keys = pl.Series(column.levels, dtype=pl.String)
    # `pl.Series.rechunk` leaves text as it is.
    compared = _level_values if column.numeric_levels else _date_names if column.unit == "date" else pl.Series.rechunk
    ids = compared(names).replace_strict(
        compared(keys),
        pl.Series(range(1, len(keys) + 1), dtype=pl.Int32),
        default=len(keys) + 1,
        return_dtype=pl.Int32,
    )
    return ids.set(names.is_null(), 0).to_numpy()


def _date_names(names: pl.Series) -> pl.Series:
    """Return dates in the spelling of `level_text`; text that is no date stays as it is."""
    dates = parse_dates(names)
    return level_text(dates).zip_with(dates.is_not_null(), names)


def _level_values(texts: pl.Series) -> pl.Series:
    """Return the numbers and truth values that text spells, float64 (N,).

    Other text becomes infinity, which is no level. The counterpart in the model is `data.columns._value_keys`.
    """
    truth = texts.str.to_lowercase().replace(TRUTH_NUMBERS)
    return truth.cast(pl.Float64, strict=False).fill_nan(None).fill_null(float("inf"))
