"""Parquet files: whatever is wrong with one is a line that names it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from counterpoise.core.errors import CounterpoiseError, DataError, system_text
from counterpoise.core.hush import is_panic, without_panics


def read_parquet(path: Path) -> pl.DataFrame:
    """All columns of a file.

    Raises:
        DataError: Empty or damaged.
    """
    with readable(str(path)):
        return pl.read_parquet(_sources([path])[0], glob=False)


def scan_parquet(paths: Sequence[Path], name: str) -> pl.LazyFrame:
    """Several files with the same columns, one below the other, still on disk.

    Raises:
        DataError: One of them is empty or damaged.
    """
    with readable(name):
        return pl.scan_parquet(_sources(paths), glob=False, hive_partitioning=False)


def _sources(paths: Sequence[Path]) -> list[Any]:
    """Names of files, or open ones where polars, which takes names in UTF-8 only, could not open them."""
    for path in paths:
        if path.is_file() and not path.stat().st_size:
            raise DataError(f"{path} is empty; expected a Parquet file.")
    return [path if _is_utf8(path) else path.open("rb") for path in paths]


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what polars raises while it reads a file into our error; of a panic nothing is printed."""
    try:
        with without_panics:
            yield
    except CounterpoiseError:
        raise
    except OSError as fault:
        raise DataError(f"{name} cannot be opened: {system_text(fault)}") from None
    except BaseException as fault:
        if not isinstance(fault, pl.exceptions.PolarsError) and not is_panic(type(fault)):
            raise
        raise DataError(
            f"{name} cannot be read as Parquet: damaged or cut off ({first_line(fault):.80}). Write it again."
        ) from None


def first_line(fault: BaseException) -> str:
    """The first line of an error's text."""
    return (str(fault).splitlines() or [type(fault).__name__])[0]
