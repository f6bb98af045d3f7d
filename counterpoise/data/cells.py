"""Cells of text without a value: empty cells, words for missing values, and codes made of digits.

The same for CSV files, training and new rows: a saved model reads new rows by it.
"""

from __future__ import annotations

import polars as pl

#: Words for a missing value; blank text is missing too.
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
#: A row of digits that begins with 0, perhaps in groups.
CODE = r"^\+?0[\d ]*\d$"


def clean(text: pl.Series) -> pl.Series:
    """Return text without blanks around it, null for blank text and for the words of `MISSING`.

    What it makes null counts as missing in training and in prediction (see `values`).

    Example:
        >>> clean(pl.Series([" 5", "NA", ""])).to_list()
        ['5', None, None]
    """
    stripped = pl.col("text").cast(pl.String).str.strip_chars()
    known = pl.when(~stripped.is_in(MISSING)).then(stripped)
    return text.to_frame("text").select(known.alias("text"))["text"].alias(text.name)


def has_codes(text: pl.Series) -> bool:
    """Return whether a value is a row of digits that begins with 0, as zip codes and telephone numbers do.

    Such columns stay text: as numbers they would lose the zero.

    Example:
        >>> has_codes(pl.Series(["12345", "02139"])), has_codes(pl.Series(["0", "0.5"]))
        (True, False)
    """
    return bool(text.str.contains(CODE).any())
