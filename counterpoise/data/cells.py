"""What a cell of text may hold beside a value: nothing, a word for nothing, or a code made of digits."""

from __future__ import annotations

import polars as pl

#: What stands for a missing value, beside a blank.
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
#: A row of digits that begins with 0, perhaps in groups.
CODE = r"^\+?0[\d ]*\d$"


def clean(text: pl.Series) -> pl.Series:
    """Text without blanks around it, null for blank text and for the words of `MISSING`.

    Example:
        >>> clean(pl.Series([" 5", "NA", ""])).to_list()
        ['5', None, None]
    """
    stripped = text.cast(pl.String).str.strip_chars()
    return stripped.set(stripped.is_in(MISSING).fill_null(False), None)


def has_codes(text: pl.Series) -> bool:
    """Whether a value is a row of digits that begins with 0, as zip codes and telephone numbers do.

    Example:
        >>> has_codes(pl.Series(["12345", "02139"])), has_codes(pl.Series(["0", "0.5"]))
        (True, False)
    """
    return bool(text.str.contains(CODE).any())
