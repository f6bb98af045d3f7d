"""From any table of the user (file, frame, arrow table, dict, array) to one polars frame.

All readers of tables start here: training, validation, prediction, evaluation. The rows of a table are read alike in
each form, and alone as among others (tests/data/test_laws.py). pandas is recognized without importing it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_lengths, check_path
from counterpoise.core.errors import ColumnError, DataError, system_text
from counterpoise.core.fork_guard import use
from counterpoise.core.masked import unmasked
from counterpoise.core.sources import Source
from counterpoise.data.column_names import column_names
from counterpoise.data.csv_text import read_csv
from counterpoise.data.parquet import read_parquet
from counterpoise.data.series import library, to_series

CSV = (".csv", ".tsv", ".txt", ".data")
PARQUET = (".parquet", ".pq")
#: Packages whose objects are tables or columns.
FRAME_LIBRARIES = ("polars", "pandas", "pyarrow")


def is_table(source: Any, table: bool = True) -> bool:
    """Return whether `source` is read as a table, column by column; arrays of rank above 2 never are.

    Args:
        source: What the user gave as data.
        table: False lets a rank-2 array pass unchanged.

    Example:
        >>> is_table(np.zeros((2, 3))), is_table(np.zeros((2, 3, 1))), is_table({"a": np.zeros(2)})
        (True, False, True)
    """
    if isinstance(source, (str, Path)):
        return True
    if library(source) in FRAME_LIBRARIES:
        # A series of these libraries has rank 1, so it is treated as an array. Arrays of Arrow have no shape.
        return len(getattr(source, "shape", (0,) if hasattr(source, "type") else (0, 0))) == 2
    if isinstance(source, Mapping):
        return all(_rank(column) == 1 for column in source.values())
    if isinstance(source, (tuple, Source)) or hasattr(source, "toarray"):
        return False
    return table and _rank(source) == 2


def check_row_order(rows: Any, values: Mapping[str, Any]) -> None:
    """Raise a `DataError` if values of pandas have the index of the rows, but in another order.

    Values belong to rows by position, so they would be those of other rows. An index with other entries is ignored.

    Args:
        rows: Rows in any form; only a frame or series of pandas has an index.
        values: What to call the values in a message -> labels, groups and so on, in any form.
    """
    if library(rows) != "pandas":
        return
    for name, given in values.items():
        if library(given) != "pandas" or not hasattr(given, "iloc") or len(given) != len(rows):
            continue
        ours, theirs = rows.index, given.index
        if not ours.equals(theirs) and ours.is_unique and theirs.is_unique and ours.isin(theirs).all():
            raise DataError(
                f"{name} has the same index as the rows, but in another order. Values belong to rows by position. Pass "
                "them in the order of the rows (.loc[x.index]), or without an index (.to_numpy())."
            )


def frame_columns(rows: Any) -> list[str] | None:
    """Return the names of the columns of a frame of pandas or polars as text; None for anything else.

    Example:
        >>> frame_columns(pl.DataFrame({"a": [1]})), frame_columns([[1]])
        (['a'], None)
    """
    frame = library(rows) in ("pandas", "polars") and len(getattr(rows, "shape", ())) == 2
    return [str(name) for name in rows.columns] if frame else None


def in_column_order(rows: Any, names: Sequence[str]) -> Any:
    """Return a frame with its columns in the order of `names`, if these are the names of all columns; else `rows`."""
    own = frame_columns(rows)
    if own is None or own == list(names) or sorted(own) != sorted(names):
        return rows
    columns = [rows.columns[own.index(name)] for name in names]
    return rows[columns]


def to_frame(
    source: Any, as_text: tuple[str, ...] = (), skip_bad: bool = False, unused: Callable[[str], bool] | None = None,
    lists: tuple[str, ...] = (),
) -> tuple[pl.DataFrame, str, list[str]]:  # fmt: skip
    """Turn a file, frame, arrow table, dict of columns or rank-2 array into a polars frame.

    Args:
        source: A path to CSV or Parquet, a pandas or polars frame, a pyarrow table, a dict of arrays of
            rank 1, or an array of shape (N, d), whose columns are named x0, x1, ...
        as_text: Columns of a CSV file to leave as text; in a pandas frame their categories keep their type.
        skip_bad: Leave out lines of a CSV file that cannot be read.
        unused: Whether a column is not needed: it is then empty where it cannot be read.
        lists: Columns that may contain lists, such as the labels of a row.

    Returns:
        The frame, a name of the source for messages, and sentences about what was left out.

    Raises:
        DataError: Missing, empty, damaged or unsupported.
        ColumnError: Two columns with one name, or a column of lists or objects.
    """
    use("Polars")
    if isinstance(source, (str, Path)):
        name = str(source)
        series, notes = _read_path(check_path(source, "data"), as_text, skip_bad)
        columns: list[tuple[Any, Any]] = [(column.name, column) for column in series]
    else:
        name = {"pandas": "the pandas frame", "polars": "the polars frame", "pyarrow": "the arrow table"}.get(
            library(source), "the data"
        )
        columns, notes = _titled_columns(source, name), []
    names, more = column_names([title for title, _ in columns], name)
    frame = pl.DataFrame(list(_read_columns(names, [column for _, column in columns], name, as_text, unused, lists)))
    if not frame.height or not frame.width:
        raise DataError(
            f"{name} has {frame.height} rows and {frame.width} columns. Expected at least one row and "
            f"one column. Check the file."
        )
    return frame, name, [*notes, *more]


def _read_columns(
    names: Sequence[str], columns: Sequence[Any], name: str, as_text: tuple[str, ...],
    unused: Callable[[str], bool] | None, lists: tuple[str, ...],
) -> Iterator[pl.Series]:  # fmt: skip
    """Yield the columns as polars series named by `names`; `name` is the source in messages.

    A column that cannot be read raises a ColumnError, or is empty (null) if `unused` accepts its name.
    """
    text = set(as_text)
    for title, column in zip(names, columns, strict=True):
        try:
            yield to_series(title, column, name, title in text, title in lists)
        except ColumnError:
            if unused is None or not unused(title):
                raise
            yield pl.Series(title, [None] * len(column), dtype=pl.Null)


def _rank(source: Any) -> int | None:
    """Return the number of axes; None for rows of different lengths."""
    if library(source) == "polars":
        return len(source.shape)
    try:
        return int(np.ndim(source))
    except ValueError:  # rows of different lengths
        return None


def _read_path(path: Path, as_text: tuple[str, ...], skip_bad: bool) -> tuple[pl.DataFrame, list[str]]:
    """Return the table of a CSV or Parquet file, and notes on what was skipped.

    Raises:
        DataError: The path is absent, a folder, of another file type, or cannot be opened.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder. Expected a CSV or Parquet file here.")
    if not path.exists():
        raise DataError(f"{path} does not exist.{_absent_file_hint(path)}")
    kind = path.suffix.lower()
    try:
        if kind in CSV:
            return read_csv(path, as_text, skip_bad)
        if kind in PARQUET:
            return read_parquet(path), []
    except OSError as fault:
        raise DataError(f"{path} cannot be opened: {system_text(fault)}") from None
    raise DataError(
        f"{path} has the unsupported file type {kind or 'without ending'!r}. Expected .csv, .tsv or .parquet."
    )


def _absent_file_hint(path: Path) -> str:
    """Return the end of the message on an absent file: a similar name, or an absent folder."""
    folder = path.parent
    if not folder.is_dir():
        return f" The folder {folder} does not exist either."
    names = [p.name for p in folder.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f" Did you mean {str(folder / near[0])!r}?" if near else " Check the path."


def _titled_columns(source: Any, name: str) -> list[tuple[Any, Any]]:
    """Return (title, column) for each column of a table in memory, in any library.

    Columns of an array are called x0, x1, ... The `name` of the source is for messages.

    Raises:
        DataError: Columns of different lengths, or an array that has not two axes.
    """
    kind = library(source)
    if kind == "polars":
        frame = source.collect() if isinstance(source, pl.LazyFrame) else pl.DataFrame(source)
        return [(title, frame[title]) for title in frame.columns]
    if kind == "pandas":
        return [(title, source.iloc[:, j]) for j, title in enumerate(source.columns)]
    if kind == "pyarrow":
        return [(title, source.column(j)) for j, title in enumerate(source.column_names)]
    if isinstance(source, Mapping):
        check_lengths({repr(key): column for key, column in source.items()})
        return list(source.items())
    array = np.asarray(unmasked(source))
    if array.ndim != 2:
        raise DataError(
            f"{name} has shape {array.shape}. Expected a table with two axes, (N, d). For one feature, pass x[:, None]."
        )
    return [(f"x{j}", array[:, j]) for j in range(array.shape[1])]
