"""Tables on disk of any length, chunk after chunk, read by the rules of `frames`.

`cp.scan`, streams from disk and the resampling of files read by it. Parquet and CSV have the same methods. Fixed: rows
and types are those that `frames` gives for a file in memory, in the same order.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.selectors import by_name

from counterpoise.core.checks import check_path
from counterpoise.core.errors import DataError, system_text
from counterpoise.data.cells import clean
from counterpoise.data.column_names import column_names
from counterpoise.data.csv_blocks import Block, csv_blocks
from counterpoise.data.csv_layout import Layout, read_layout
from counterpoise.data.csv_text import no_rows_error
from counterpoise.data.csv_types import NUMBERS, Cells, PointUse, common_type
from counterpoise.data.frames import CSV, PARQUET
from counterpoise.data.parquet import faults_named, scan_parquet
from counterpoise.data.series import to_series

Array = np.ndarray

#: Rows of Parquet that are read at a time; results do not depend on it.
SLICE_ROWS = 65536


@dataclass(frozen=True, eq=False)
class ParquetFiles:
    """Parquet files with the same columns, one below the other.

    Attributes:
        paths: The files. name: What to call them in a message.
    """

    paths: tuple[Path, ...]
    name: str
    #: Labels have the types of the file.
    written = False

    @cached_property
    def frame(self) -> pl.LazyFrame:
        """The files as a lazy frame, all columns as they are stored."""
        # Polars reads row groups ahead of need; one at a time takes the least memory and is as fast.
        os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", "1")
        return scan_parquet(self.paths, self.name)

    @cached_property
    def _name_in_file(self) -> Mapping[str, str]:
        """Return the name of each column in this table -> its name in the file."""
        with faults_named(self.name):
            titles = self.frame.collect_schema().names()
        return dict(zip(column_names(titles, self.name)[0], titles, strict=True))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._name_in_file)

    def labels(self, column: str) -> pl.Series:
        """Return one column of all rows, in its own type."""
        return self.values([column], column)[column]

    def values(self, columns: Sequence[str], labels: str) -> pl.DataFrame:
        """Return some columns of all rows.

        `labels`, the column of the labels, is read like all others.
        """
        with faults_named(self.name):
            frame = self.frame.select(self._by_exact_names(columns)).collect(engine="streaming")
        return self._with_table_types(frame, columns)

    def chunks(self, columns: Sequence[str], wanted: Array | None = None) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield some columns, chunk after chunk, each with the number of its first row.

        Each chunk is read as a separate slice, because polars would read ahead and keep several times as much in
        memory.

        Args:
            columns: Their names.
            wanted: bool (N,): chunks without a wanted row may be left out.
        """
        for start in self._starts(wanted):
            yield start, self._slice(columns, start, SLICE_ROWS)

    def raw_chunks(self, wanted: Array) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield all columns as they are stored, chunk after chunk; `wanted` is as in `chunks`."""
        for start in self._starts(wanted):
            with faults_named(self.name):
                chunk = self.frame.slice(start, SLICE_ROWS).collect()
            yield start, chunk

    def check(self, columns: Sequence[str]) -> None:
        """Raise a ColumnError if a column has a type that cannot be used; one row is read."""
        self._slice(columns, 0, 1)

    def _starts(self, wanted: Array | None) -> Iterator[int]:
        """Yield the first row of each chunk that has a wanted row.

        If `wanted` is None, yield the first row of every chunk.
        """
        with faults_named(self.name):
            rows = self.frame.select(pl.len()).collect().item()
        for start in range(0, rows, SLICE_ROWS):
            if wanted is None or wanted[start : start + SLICE_ROWS].any():
                yield start

    def _slice(self, columns: Sequence[str], start: int, rows: int) -> pl.DataFrame:
        """Return `rows` rows of some columns, from row `start` on."""
        with faults_named(self.name):
            frame = self.frame.select(self._by_exact_names(columns)).slice(start, rows).collect()
        return self._with_table_types(frame, columns)

    def _by_exact_names(self, columns: Sequence[str]) -> pl.Expr:
        """Select columns by their exact names, because polars reads some names as patterns."""
        return by_name(*(self._name_in_file[name] for name in columns))

    def _with_table_types(self, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """Return the columns under their names in this table, with the types of `frames`."""
        return pl.DataFrame([to_series(name, frame[self._name_in_file[name]], self.name) for name in columns])


@dataclass(frozen=True, eq=False)
class CsvFiles:
    """CSV files with the same columns, one below the other.

    Attributes:
        paths: The files. name: What to call them in a message.
    """

    paths: tuple[Path, ...]
    name: str
    #: Labels are text, as they are written.
    written = True

    @cached_property
    def layout(self) -> Layout:
        """Return how the first file is written: header, separator and so on."""
        with _open_bytes(self.paths[0]) as handle:
            return read_layout(handle, str(self.paths[0]))[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.layout.header

    @cached_property
    def types(self) -> dict[str, pl.DataType]:
        """The type of each column over all rows, found in one pass (in the pass of `values` if that came first)."""
        return self._read_types_and_texts((), "")[0]

    def labels(self, column: str) -> pl.Series:
        """Return one column of all rows as text, as it is written in the files."""
        return pl.concat([clean(block.frame([column])[column]) for _, block in self.blocks()])

    def values(self, columns: Sequence[str], labels: str) -> pl.DataFrame:
        """Return some columns of all rows, the column `labels` as text.

        The types of all columns are found in the same pass and stored, so that `types` needs no second pass.
        """
        types, texts = self._read_types_and_texts(columns, labels)
        # Fills the cached property; the dataclass is frozen.
        self.__dict__["types"] = types
        kinds = {name: pl.String() if name == labels else types[name] for name in columns}
        return Cells(tuple(texts), len(texts[labels]), pl.concat(texts.values(), rechunk=True)).typed(kinds)

    def chunks(self, columns: Sequence[str], wanted: Array | None = None) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield some columns, chunk after chunk, as `ParquetFiles.chunks` does."""
        for start, block in self.blocks():
            if wanted is None or wanted[start : start + len(block)].any():
                yield start, Cells.of(block.frame(columns)).typed({name: self.types[name] for name in columns})

    def check(self, columns: Sequence[str]) -> None:
        """Do nothing: a column of text may contain any values."""

    def blocks(self) -> Iterator[tuple[int, Block]]:
        """Yield the number of the first row of each block, and the block: rows as they are written.

        Raises:
            DataError: A file cannot be read, its columns differ from those of the first, or there are no rows.
        """
        start = 0
        for path in self.paths:
            with _open_bytes(path) as handle:
                layout, blocks = csv_blocks(handle, str(path))
                if (layout.header, layout.separator) != (self.layout.header, self.layout.separator):
                    raise DataError(
                        f"{path} has other columns than {self.paths[0]}, or another separator. Expected equal "
                        "columns in all files. Correct the file, or remove it."
                    )
                for block in blocks:
                    yield start, block
                    start += len(block)
        if not start:
            raise no_rows_error(self.name)

    def _read_types_and_texts(
        self, columns: Sequence[str], labels: str
    ) -> tuple[dict[str, pl.DataType], dict[str, pl.Series]]:
        """Return the type of each column over all rows, and some columns as text, in one pass over the files."""
        types: dict[str, pl.DataType] = {name: pl.Null() for name in self.columns}
        points = {name: PointUse() for name in self.columns}
        texts: dict[str, list[pl.Series]] = {name: [] for name in columns}
        for _, block in self.blocks():
            cells = Cells.of(block.frame())
            types = {name: common_type(types[name], kind) for name, kind in cells.types(whole=False).items()}
            for name in [name for name, kind in types.items() if kind in NUMBERS and points[name].grouped]:
                points[name].add(cells.column(name))
            for name, columns_read in texts.items():
                columns_read.append(cells.column(name))
        # As in memory: such columns stay text, and their format is found later.
        types |= {n: pl.String() for n, kind in types.items() if kind in NUMBERS and points[n].may_be_thousands}
        return types, {name: pl.concat(columns_read) for name, columns_read in texts.items()}


def _open_bytes(path: Path) -> Any:
    """Return a file opened for reading bytes; raise a DataError if that fails."""
    try:
        return path.open("rb")
    except OSError as fault:
        raise DataError(f"{path} cannot be opened: {system_text(fault)}") from None


Stored = ParquetFiles | CsvFiles
_KINDS: dict[tuple[str, ...], Callable[[tuple[Path, ...], str], Stored]] = {PARQUET: ParquetFiles, CSV: CsvFiles}


def stored(source: str | os.PathLike[str]) -> Stored:
    """Return the table on disk of a file, of a folder, or of a pattern such as "rows-*.csv".

    Of a folder these are the Parquet files in it and below, or the CSV files where there are none.

    Raises:
        DataError: Nothing is there, or files of another kind or of several.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.csv").write_text("age,ill\\n31,no\\n")
        >>> _ = (folder / "b.csv").write_text("age,ill\\n4.5,yes\\n")
        >>> table = stored(folder)
        >>> table.columns, [chunk["age"].to_list() for _, chunk in table.chunks(["age"])]
        (('age', 'ill'), [[31.0], [4.5]])
    """
    path = check_path(source, "source")
    paths = _table_paths(path)
    endings = {path.suffix.lower() for path in paths}
    for kind, table in _KINDS.items():
        if endings <= set(kind):
            return table(paths, str(path) if len(paths) == 1 else path.name)
    raise DataError(
        f"{path} has the unsupported file type {', '.join(sorted(endings)) or 'without ending'!r}. Expected .parquet "
        "or .csv, and not both."
    )


def _table_paths(source: Path) -> tuple[Path, ...]:
    """Return the files of a folder, a file, or a pattern, sorted by name.

    Hidden files are left out. Raise a DataError if there are no files.
    """
    if source.is_dir():
        shown = [
            p for p in sorted(source.rglob("*")) if not any(n.startswith(".") for n in p.relative_to(source).parts)
        ]
        # In a folder, only .csv and .tsv are read as CSV: text files may be anything.
        for kind in (PARQUET, CSV[:2]):
            if files := tuple(path for path in shown if path.suffix.lower() in kind):
                return files
        raise DataError(f"{source} contains no Parquet or CSV files.")
    if source.exists():
        return (source,)
    paths = [Path(path) for path in sorted(glob.glob(str(source), recursive=True)) if not os.path.isdir(path)]
    if not paths:
        raise DataError(f"{source} does not exist. Name a file, a folder, or a pattern such as 'rows-*.csv'.")
    return tuple(paths)
