"""What a missed case costs, row by row, read from a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import OptionError

Array = np.ndarray


def amounts_of(values: Any, name: str) -> Array:
    """Amounts as float64 (N,).

    Args:
        values: A series or array of numbers, or of their texts.
        name: What to call it in a message.

    Raises:
        OptionError: A value is missing, no number, negative or not finite; the first rows are named, from 1.

    Example:
        >>> amounts_of(["12.50", "-3"], "amount")
        Traceback (most recent call last):
        counterpoise.core.errors.OptionError: Column 'amount' holds a negative value in row 2. Expected a finite \
amount of 0 or more in each row. Correct these rows, or leave them out.
    """
    series = values if isinstance(values, pl.Series) else pl.Series(np.asarray(values))
    amounts = series.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    for problem, wrong in (
        ("no finite number", ~np.isfinite(amounts)),
        ("a negative value", np.isfinite(amounts) & (amounts < 0)),
    ):
        if wrong.any():
            raise OptionError(
                f"Column {name!r} holds {problem} in {rows_text(np.flatnonzero(wrong))}. Expected a finite amount of 0 "
                "or more in each row. Correct these rows, or leave them out."
            )
    return amounts
