"""Any table that a user holds -> one polars frame, and nothing else.

pandas is recognized without importing it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_lengths
from counterpoise.core.errors import ColumnError, DataError
from counterpoise.data.csv_text import read_csv
from counterpoise.data.series import library, to_series

_CSV = (".csv", ".tsv", ".txt", ".data")
_PARQUET = (".parquet", ".pq")


def is_table(source: Any, table: bool = True) -> bool:
    """Whether `source` goes through the columns of a table; arrays of rank above 2 never do.

    Args:
        source: What the user gave as data.
        table: False lets a rank-2 array pass untouched.

    Example:
        >>> is_table(np.zeros((2, 3))), is_table(np.zeros((2, 3, 1))), is_table({"a": np.zeros(2)})
        (True, False, True)
    """
    if isinstance(source, (str, Path)):
        return True
    if library(source) in ("polars", "pandas", "pyarrow"):
        return len(getattr(source, "shape", (0, 0))) == 2  # a series is an array
    if isinstance(source, Mapping):
        return all(_rank(part) == 1 for part in source.values())
    if isinstance(source, tuple) or hasattr(source, "toarray"):
        return False
    return table and _rank(source) == 2


def to_frame(source: Any, as_text: tuple[str, ...] = (), skip_bad: bool = False) -> tuple[pl.DataFrame, str, list[str]]:
    """Turn a file, frame, arrow table, dict of columns or rank-2 array into a polars frame.

    Args:
        source: A path to CSV or Parquet, a pandas or polars frame, a pyarrow table, a dict of arrays of
            rank 1, or an array of shape (N, d), whose columns are named x0, x1, ...
        as_text: Columns of a CSV file to leave as text; in a pandas frame their categories keep their type.
        skip_bad: Leave out lines of a CSV file that cannot be read.

    Returns:
        The frame, a name of the source for messages, and sentences about what was left out.

    Raises:
        DataError: Missing, empty, damaged or unsupported.
        ColumnError: Two columns with one name, or a column of lists or objects.
    """
    notes: list[str] = []
    if isinstance(source, (str, Path)):
        name = str(source)
        frame, notes = _from_path(Path(source), as_text, skip_bad)
        frame = pl.DataFrame([to_series(column.name, column, name) for column in frame])
    else:
        name = {"pandas": "the pandas frame", "polars": "the polars frame", "pyarrow": "the arrow table"}.get(
            library(source), "the data"
        )
        frame = _from_memory(source, name, as_text)
    if not frame.height or not frame.width:
        raise DataError(f"{name} has {frame.height} rows and {frame.width} columns; nothing to learn from.")
    return frame, name, notes


def _rank(source: Any) -> int | None:
    if library(source) == "polars":
        return len(source.shape)
    try:
        return int(np.ndim(source))
    except ValueError:  # rows of different lengths
        return None


def _from_path(path: Path, as_text: tuple[str, ...], skip_bad: bool) -> tuple[pl.DataFrame, list[str]]:
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected a CSV or Parquet file here.")
    if not path.exists():
        raise DataError(f"{path} does not exist.{_neighbor(path)}")
    kind = path.suffix.lower()
    try:
        if kind in _CSV:
            return read_csv(path, as_text, skip_bad)
        if kind in _PARQUET:
            return _read_parquet(path), []
    except OSError as fault:
        raise DataError(f"{path} cannot be opened: {fault.strerror or fault}.") from None
    raise DataError(
        f"{path} has the unsupported file type {kind or 'without ending'!r}; expected .csv, .tsv or .parquet."
    )


def _neighbor(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" Nor does the folder {folder}."
    names = [p.name for p in folder.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f" Did you mean {str(folder / near[0])!r}?" if near else " Check the path."


def _read_parquet(path: Path) -> pl.DataFrame:
    if not path.stat().st_size:
        raise DataError(f"{path} is empty; expected a Parquet file.")
    try:
        return pl.read_parquet(path)
    except OSError:
        raise
    except Exception as fault:  # polars raises several kinds here, and a panic for some damage
        raise DataError(
            f"{path} cannot be read as Parquet: damaged or cut off ({str(fault).splitlines()[0]:.80}). Write it again."
        ) from None


def _from_memory(source: Any, name: str, as_written: tuple[str, ...]) -> pl.DataFrame:
    kind = library(source)
    if kind == "polars":
        frame = source.collect() if isinstance(source, pl.LazyFrame) else pl.DataFrame(source)
        columns = [(title, frame[title]) for title in frame.columns]
    elif kind == "pandas":
        columns = [(title, source.iloc[:, j]) for j, title in enumerate(source.columns)]
    elif kind == "pyarrow":
        columns = [(title, source.column(j)) for j, title in enumerate(source.column_names)]
    elif isinstance(source, Mapping):
        check_lengths({repr(key): column for key, column in source.items()})
        columns = list(source.items())
    else:
        array = np.asarray(source)
        if array.ndim != 2:
            raise DataError(f"{name} has shape {array.shape}; a table needs two axes (N, d). One feature: x[:, None].")
        columns = [(f"x{j}", array[:, j]) for j in range(array.shape[1])]
    names = _names([title for title, _ in columns], name)
    pairs = zip(names, columns, strict=True)
    return pl.DataFrame([to_series(title, column, name, title in as_written) for title, (_, column) in pairs])


def _names(titles: list[Any], name: str) -> list[str]:
    """The names of the columns as text, all different."""
    names = [str(title) for title in titles]
    doubled = sorted(text for text, times in Counter(names).items() if times > 1)
    if doubled:
        raise ColumnError(f"{name} names the column {doubled[0]!r} more than once. Rename one of them.")
    odd = next((text for text in names if not text.isprintable() and _is_broken(text)), None)
    if odd is not None:
        raise ColumnError(f"{name} has the column name {odd!r}, which is not UTF-8 text. Rename the column.")
    return names


def _is_broken(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
