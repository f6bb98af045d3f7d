"""A CSV file in memory -> a frame, each column of the type that its text spells.

Tables on disk are typed by the same rules (`stored.CsvFiles`).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from counterpoise.core.errors import DataError
from counterpoise.data.csv_blocks import LeftOut, csv_blocks
from counterpoise.data.csv_types import Cells

#: Cells that are typed together: those of many columns, or of one that is long.
MOST_CELLS = 1 << 20


def read_csv(path: Path, as_text: tuple[str, ...] = (), skip_bad: bool = False) -> tuple[pl.DataFrame, list[str]]:
    """Read a CSV file with one header line, and perhaps comment lines (# or //) above it.

    For the separator see `csv_layout.Layout`. Types are inferred from all lines; a column of digits of which some
    begin with 0 (zip codes) is text. Blanks around values do not count; `cells.MISSING` lists what is read as missing.

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
        frames = [block.frame() for block in blocks]
    if not frames:
        raise no_rows_error(layout.name)
    frame = frames[0] if len(frames) == 1 else pl.concat(frames)
    del frames  # the blocks, so that the text is in memory once
    width = max(1, MOST_CELLS // frame.height)  # columns that are typed together
    columns = [
        c for start in range(0, frame.width, width) for c in _typed_columns(frame[:, start : start + width], as_text)
    ]
    return pl.DataFrame(columns), [*layout.notes, *left_out.notes(layout.name)]


def no_rows_error(name: str) -> DataError:
    """Return the error for a file that ends after its header."""
    return DataError(f"{name} has a header but no rows. Check that the whole file was written.")


def _typed_columns(text: pl.DataFrame, as_text: tuple[str, ...]) -> pl.DataFrame:
    """Return the columns as what their text spells: numbers, dates, truth values, or text.

    Text loses the blanks around it. Columns in `as_text` stay text, whatever they spell.
    """
    cells = Cells.of(text)
    types = cells.types()
    return cells.typed(types | {name: pl.String() for name in as_text if name in types})
