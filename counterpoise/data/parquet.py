"""Parquet files, whole or still on disk; every fault is reported in one line that names the file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from counterpoise.core.errors import CounterpoiseError, DataError, refusal_in, system_text
from counterpoise.core.panics import is_panic, panic_text, without_panics
from counterpoise.core.temporary import scratch


def read_parquet(path: Path) -> pl.DataFrame:
    """Return all columns of a file.

    Raises:
        DataError: Empty or damaged.
    """
    with faults_named(str(path)):
        return pl.read_parquet(_openable_path(path), glob=False)


def scan_parquet(paths: Sequence[Path], name: str) -> pl.LazyFrame:
    """Return several files with the same columns as one lazy frame, one file below the other, still on disk.

    Raises:
        DataError: One of them is empty or damaged.
    """
    with faults_named(name):
        return pl.scan_parquet([_openable_path(path) for path in paths], glob=False, hive_partitioning=False)


def _openable_path(path: Path) -> Path:
    """Return the path of a file, or of a link to it, because polars opens only paths in UTF-8.

    Raises:
        DataError: The file is empty.
    """
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"{path} is empty. Expected a Parquet file.")
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        link = Path(tempfile.mkdtemp(dir=scratch())) / "rows.parquet"
        link.symlink_to(path.absolute())
        return link
    return path


@contextmanager
def faults_named(name: str) -> Iterator[None]:
    """In a `with` block, turn errors of polars and the system into a DataError with `name`.

    A panic of polars prints nothing.
    """
    try:
        with polars_faults_named(name):
            yield
    except OSError as fault:
        raise DataError(f"{name} cannot be opened: {system_text(fault)}") from None


@contextmanager
def polars_faults_named(name: str) -> Iterator[None]:
    """In a `with` block, do as `faults_named`, but leave errors of the system as OSError."""
    try:
        with without_panics:
            yield
    except (CounterpoiseError, OSError):
        raise
    except BaseException as fault:
        if not isinstance(fault, pl.exceptions.PolarsError) and not is_panic(type(fault)):
            raise
        refused = refusal_in(str(fault))
        if refused:
            raise refused from None
        raise DataError(
            f"{name} cannot be read as Parquet: damaged or cut off ({panic_text(fault):.80}). Write it again."
        ) from None
