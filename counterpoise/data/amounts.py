"""The cost of a missed case, row by row, read from a column.

Training, evaluation and prediction read it here. Decisions by cost compare these amounts, so they keep the unit of the
table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError, OptionError, did_you_mean
from counterpoise.core.schema import Schema
from counterpoise.data.cells import clean
from counterpoise.data.numbers import read_numbers
from counterpoise.data.series import to_series
from counterpoise.data.values import numeric_values, parsed_if_text

Array = np.ndarray


def amounts_of(values: Any, name: str, schema: Schema | None = None) -> Array:
    """Return what a missed case of each row costs, float64 (N,), in the unit of the column.

    Args:
        values: A series, array or list of numbers, or of their texts.
        name: What to call it in a message.
        schema: Columns of training. If the amounts are a feature, text is read as it was read there. Otherwise,
            text is refused if all of it can be read in two ways, such as "1.200" and "950", or "1,200": other rows of
            the same table would be read in one of them.

    Raises:
        OptionError: A value is missing, no number, negative or not finite; the first rows are named, from 1. Or text is
            ambiguous. ColumnError: Text of a feature cannot be read as in training.

    Example:
        >>> amounts_of(["12.50", "-3"], "amount")
        Traceback (most recent call last):
        counterpoise.core.errors.OptionError: Column 'amount' contains a negative value in row 2. Expected a finite \
amount of 0 or more in each row. Correct these rows, or leave them out.
    """
    series = values if isinstance(values, pl.Series) else to_series(name, values, "the data")
    amounts = _amounts_as_numbers(series, name, schema).to_numpy().astype(np.float64)
    for problem, wrong in (
        ("no finite number", ~np.isfinite(amounts)),
        ("a negative value", np.isfinite(amounts) & (amounts < 0)),
    ):
        if wrong.any():
            raise OptionError(
                f"Column {name!r} contains {problem} in {rows_text(np.flatnonzero(wrong))}. Expected a finite amount "
                "of 0 or more in each row. Correct these rows, or leave them out."
            )
    return amounts


def amounts_in(frame: pl.DataFrame, column: str, schema: Schema | None, source: str) -> Array:
    """Return what a missed case costs in each row of a table to predict, float64 (N,).

    `source` names the table in messages. The classifier decides by these amounts.

    Raises:
        ColumnError: The table has no such column. OptionError: As in `amounts_of`.
    """
    if column not in frame.columns:
        raise ColumnError(
            f"{source} lacks the column {column!r}. The classifier needs this column to decide, because it "
            "contains the cost of a missed case. Add the column to the "
            f"table.{did_you_mean(column, frame.columns)}"
        )
    return amounts_of(frame[column], column, schema)


def _amounts_as_numbers(series: pl.Series, name: str, schema: Schema | None) -> pl.Series:
    """Return a column of amounts as numbers, Float64 (N,), null where a value is none.

    Text of a numeric feature is read in the format of training, without its offset. Other text is read by its own
    format.

    Raises:
        OptionError: Points may separate thousands, and the column is no feature of the schema. ColumnError: Text of a
            feature cannot be read.
    """
    if series.dtype == pl.Categorical:
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        feature = next((c for c in schema.numeric if c.name == name), None) if schema else None
        if feature is not None:
            typed = parsed_if_text(feature, series)  # numeric_values would make them float32
            numeric = typed.dtype.is_numeric()
            return (
                typed.cast(pl.Float64) if numeric else pl.Series(numeric_values(replace(feature, offset=0.0), series))
            )
        read = read_numbers(series, asked=True)
        if schema is not None and read.ambiguous:
            known = clean(series)
            example = known.filter(known.str.contains(r"[.,]").fill_null(False))[0]
            sign = "point" if "." in example else "comma"
            raise OptionError(
                f"Column {name!r} contains {example!r}, whose {sign} may separate decimals or thousands. The column is "
                "not a feature, so the model does not know its number format. Write numbers without a thousands "
                "separator and with a decimal point."
            )
        series = series if read.values is None else read.values
    if series.dtype.is_temporal():
        raise OptionError(
            f"Column {name!r} contains dates or times ({series.drop_nulls().first()!s}). Expected a finite amount of 0 "
            "or more in each row. Pass the column of the amounts."
        )
    return series.cast(pl.Float64, strict=False)
