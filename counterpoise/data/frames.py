"""Any table that a user holds -> one polars frame, and nothing else.

pandas is recognized without importing it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_lengths
from counterpoise.core.errors import ColumnError, DataError
from counterpoise.core.fork_guard import use
from counterpoise.core.masked import unmasked
from counterpoise.data.csv_text import read_csv

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
    if _library(source) in ("polars", "pandas", "pyarrow"):
        return len(getattr(source, "shape", (0, 0))) == 2  # a series is an array
    if isinstance(source, Mapping):
        return all(np.ndim(part) == 1 for part in source.values())
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
    use("Polars")
    notes: list[str] = []
    if isinstance(source, (str, Path)):
        frame, notes = _from_path(Path(source), as_text, skip_bad)
        name = str(source)
    else:
        name = {"pandas": "the pandas frame", "polars": "the polars frame", "pyarrow": "the arrow table"}.get(
            _library(source), "the data"
        )
        frame = _from_memory(source, name, as_text)
    if not frame.height or not frame.width:
        raise DataError(f"{name} has {frame.height} rows and {frame.width} columns; nothing to learn from.")
    return frame.with_columns(_plain(frame[column], name) for column in frame.columns), name, notes


def _rank(source: Any) -> int | None:
    try:
        return int(np.ndim(source))
    except ValueError:  # rows of different lengths
        return None


def _library(source: Any) -> str:
    return type(source).__module__.split(".")[0]


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
    library = _library(source)
    if library == "polars":
        return source.collect() if isinstance(source, pl.LazyFrame) else pl.DataFrame(source)
    if library in ("pandas", "pyarrow"):
        return _from_named(
            source, list(source.columns if library == "pandas" else source.column_names), name, as_written
        )
    if isinstance(source, Mapping):
        check_lengths({repr(key): column for key, column in source.items()})
        return pl.DataFrame([_series(str(key), np.asarray(unmasked(column)), name) for key, column in source.items()])
    array = np.asarray(unmasked(source))
    if array.ndim != 2:
        raise DataError(f"{name} has shape {array.shape}; a table needs two axes (N, d). One feature: x[:, None].")
    return pl.DataFrame([_series(f"x{j}", array[:, j], name) for j in range(array.shape[1])])


def _from_named(source: Any, names: list[Any], name: str, as_written: tuple[str, ...]) -> pl.DataFrame:
    texts = [str(n) for n in names]
    doubled = sorted({n for n in texts if texts.count(n) > 1})
    if doubled:
        raise ColumnError(f"{name} names the column {doubled[0]!r} more than once. Rename one of them.")
    if _library(source) == "pyarrow":
        frame = pl.from_arrow(source)
        return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
    return pl.DataFrame(
        [_from_pandas(source.iloc[:, j], text, name, text in as_written) for j, text in enumerate(texts)]
    )


def _from_pandas(column: Any, title: str, name: str, as_written: bool) -> pl.Series:
    if as_written and str(column.dtype) == "category":
        return _series(title, column.astype(object).to_numpy(), name)
    if str(column.dtype) == "category":
        # The levels may be numbers; they stay levels.
        values = [None if _absent(v) else _text(v) for v in column.astype(object)]
        return pl.Series(title, values, dtype=pl.Categorical)
    if column.dtype == object:
        return _series(title, column.to_numpy(), name)
    return pl.Series(title, pl.from_pandas(column.reset_index(drop=True)))


def _series(title: str, values: np.ndarray, name: str) -> pl.Series:
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind != "O":
        return pl.Series(
            title, values if values.dtype.kind != "f" or values.dtype.itemsize > 2 else values.astype("f4")
        )
    items = [None if _absent(v) else v for v in values.tolist()]
    kinds = {type(v) for v in items if v is not None}
    try:
        if str in kinds and len(kinds) > 1:
            return pl.Series(title, [None if v is None else _text(v) for v in items], dtype=pl.String)
        return pl.Series(title, items, strict=len(kinds) == 1)
    except (TypeError, pl.exceptions.PolarsError):
        shown = ", ".join(sorted(k.__name__ for k in kinds))
        raise ColumnError(
            f"Column {title!r} of {name} mixes objects ({shown}); expected numbers, text or dates."
        ) from None


def _absent(value: Any) -> bool:
    """None, NaN, and the pandas values NA and NaT."""
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _text(value: Any) -> str:
    """The text of a level; 3.0 and 3 are one level."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _plain(column: pl.Series, name: str) -> pl.Series:
    """Numbers, booleans, text, categories and dates pass; anything else is refused by name."""
    if column.dtype == pl.Binary:
        text = column.cast(pl.String, strict=False)
        column = text if text.null_count() == column.null_count() else column
    kind = column.dtype
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64)
    if kind.is_float():
        return column.fill_nan(None)
    if kind == pl.String:
        # Blank text is missing everywhere; words such as NA are missing in CSV files only.
        return column.set((column.str.strip_chars() == "").fill_null(False), None)
    if kind.is_integer() or kind.is_temporal() or kind in (pl.Boolean, pl.Categorical, pl.Null):
        return column
    if isinstance(kind, pl.Enum):
        return column.cast(pl.Categorical)
    raise ColumnError(
        f"Column {column.name!r} of {name} holds {kind}; expected numbers, text, booleans or dates. "
        "Leave it out with drop (--drop)."
    )
