"""A CSV file -> a frame: what its text spells, column by column."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from counterpoise.core.errors import DataError
from counterpoise.data.cells import clean, has_codes
from counterpoise.data.csv_blocks import LeftOut, csv_blocks
from counterpoise.data.dates import is_iso_date, parse_dates

#: Types of numbers, the narrow before the wide.
_NUMBERS: tuple[pl.DataType, ...] = (pl.Int64(), pl.Int128(), pl.Float64())
_TRUTH = r"^(?i:true|false)$"
_DATES = pl.Datetime("us")
#: Rows that mostly show already that a column is of another type.
_FIRST = 1_000


def read_csv(path: Path, as_text: tuple[str, ...] = (), skip_bad: bool = False) -> tuple[pl.DataFrame, list[str]]:
    """Read a CSV file with one header line, and perhaps comment lines (# or //) above it.

    The separator is a comma, unless the header has none but has a tab, a semicolon or a bar. Types are
    inferred from all lines; a column of digits of which some begin with 0 (zip codes) is text. Blanks around values do
    not count; `cells.MISSING` lists what is read as missing.

    Args:
        path: The file.
        as_text: Columns to leave as text (the target, so that its labels stay as they are written).
        skip_bad: Leave out lines that cannot be read instead of raising.

    Returns:
        The frame, and one sentence for each thing that was left out.

    Raises:
        DataError: Empty, header only, not UTF-8, or a line with too many or too few fields.
        ColumnError: Two columns with one name.
    """
    left_out = LeftOut()
    with path.open("rb") as handle:
        layout, blocks = csv_blocks(handle, str(path), skip_bad, left_out)
        parts = [block.frame() for block in blocks]
    if not parts:
        raise no_rows(layout.name)
    frame = parts[0] if len(parts) == 1 else pl.concat(parts)
    del parts
    columns = [typed(frame[name], name in as_text) for name in frame.columns]
    return pl.DataFrame(columns), [*layout.notes, *left_out.notes(layout.name)]


def no_rows(name: str) -> DataError:
    """The error for a file that ends after its header."""
    return DataError(f"{name} has a header but no rows. Check that the whole file was written.")


def typed(text: pl.Series, keep_text: bool = False) -> pl.Series:
    """Text without blanks around it, or the numbers, dates or truth values that a whole column of it spells.

    Example:
        >>> typed(pl.Series("a", [" 1", "2 ", " ?"])).to_list(), typed(pl.Series("a", ["01", "2"])).to_list()
        ([1, 2, None], ['01', '2'])
    """
    known = clean(text)
    return known if keep_text else as_type(known, type_of(known))


def type_of(known: pl.Series) -> pl.DataType:
    """The type of what cleaned text spells; Null where all of it is missing.

    Example:
        >>> [type_of(pl.Series([text])) for text in ("1", "1.5", "TRUE", "x", "2024-12-31", None)]
        [Int64, Float64, Boolean, String, Datetime(time_unit='us', time_zone=None), Null]
    """
    if known.null_count() == len(known):
        return pl.Null()
    if is_iso_date(known):
        return _DATES
    for kind in _NUMBERS:
        if _spells(known.head(_FIRST), kind) and _spells(known, kind):
            return pl.String() if has_codes(known) else kind
    return pl.Boolean() if known.str.contains(_TRUTH).drop_nulls().all() else pl.String()


def _spells(known: pl.Series, kind: pl.DataType) -> bool:
    return known.cast(kind, strict=False).null_count() == known.null_count()


def joined(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """The type of a column whose parts have two types.

    Example:
        >>> joined(pl.Int64(), pl.Float64()), joined(pl.Null(), pl.Boolean()), joined(pl.Boolean(), pl.Int64())
        (Float64, Boolean, String)
    """
    if one == other or other == pl.Null:
        return one
    if one == pl.Null:
        return other
    if one in _NUMBERS and other in _NUMBERS:
        return max(one, other, key=_NUMBERS.index)
    return pl.String()


def as_type(known: pl.Series, kind: pl.DataType) -> pl.Series:
    """Cleaned text as what it spells."""
    if kind == _DATES:
        return parse_dates(known)
    if kind == pl.Boolean:
        return known.str.to_lowercase() == "true"
    return known if kind in (pl.String, pl.Null) else known.cast(kind)
