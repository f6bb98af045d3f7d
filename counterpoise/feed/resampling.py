"""Make a resampled copy of a table that can be larger than memory (`cp.feed.resample_file`, `counterpoise resample`).

It writes to a file the rows that one epoch of a `scan` would feed (`disk_stream.times_drawn`), in their order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from counterpoise.core.checks import check_choice, check_int, check_path
from counterpoise.core.errors import ColumnError, OptionError
from counterpoise.core.files import check_output, drafted, is_stream
from counterpoise.data.frames import CSV, PARQUET
from counterpoise.data.labels import encode_labels
from counterpoise.data.parquet import faults_named, polars_faults_named
from counterpoise.data.stored import CsvFiles, Stored, stored
from counterpoise.feed.disk import check_target_column
from counterpoise.feed.disk_stream import repeated_rows, times_drawn
from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan

Array = np.ndarray

#: Plans that choose rows by their class alone, by name.
ROW_PLANS: dict[str, Callable[..., Plan]] = {"oversample": plans.oversample, "undersample": plans.undersample}


def resample_file(
    source: str | os.PathLike[str],
    target: str,
    out: str | os.PathLike[str],
    plan: str = "undersample",
    *,
    ratio: float = 1.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Write a resampled copy of a table that can be larger than memory.

    All columns are kept, and rows keep their order. The repeats of a row follow it directly. Rows of a CSV file and its
    first lines are copied byte by byte. If a CSV file is converted to Parquet, every column is text. The file is
    written completely or not at all.

    Args:
        source: As in `scan`.
        target: The label column.
        out: A path that ends in .parquet or .csv. A device or pipe gets the format of the source.
        plan: "undersample" or "oversample".
        ratio: Wanted size of the smallest class divided by the size of the largest, in (0, 1].
        seed: Seed that determines which rows are drawn.

    Returns:
        {"rows", "out", "plan", "classes": [{"label", "before", "after"}], "log_shift": [...]}; if you train a network
        on the file, subtract log_shift from its logits.

    Raises:
        OptionError: The plan or the ending of the output is unknown, or the output is one of the input files.
        ArtifactError: The output cannot be written.
        DataError, TargetError: As in `scan`.

    Example:
        >>> import os, tempfile
        >>> here = tempfile.mkdtemp()
        >>> _ = Path(here, "all.csv").write_text("zip,ill\\n" + "01000,no\\n" * 8 + "02139,yes\\n" * 2)
        >>> done = resample_file(os.path.join(here, "all.csv"), "ill", os.path.join(here, "few.csv"))
        >>> done["rows"], done["classes"][0]
        (4, {'label': 'no', 'before': 8, 'after': 2})
        >>> Path(here, "few.csv").read_text().split()
        ['zip,ill', '01000,no', '01000,no', '02139,yes', '02139,yes']
    """
    path = check_path(out, "out")
    make = ROW_PLANS[check_choice(plan, "plan", ROW_PLANS)]
    check_int(seed, "seed", 0)
    table = stored(source)
    kind = _output_format(path, table)
    _check_output_is_no_input(path, table, check_path(source, "source"))
    check_target_column(table, target)
    if kind == CSV:
        _check_fits_csv(table)
    labels = encode_labels(table.labels(target), written=table.written)
    drawn = make(labels.codes, classes=range(len(labels.classes)), ratio=ratio)
    with drafted(path) as draft:
        _write_rows(table, times_drawn(drawn, 0, seed), draft, kind)
    sizes = zip(labels.classes, labels.counts.tolist(), drawn.drawn.tolist(), strict=True)
    return {
        "out": str(path),
        "plan": plan,
        "rows": len(drawn),
        "classes": [{"label": str(label), "before": before, "after": after} for label, before, after in sizes],
        "log_shift": drawn.log_shift.tolist(),
    }


def _output_format(path: Path, table: Stored) -> tuple[str, ...]:
    """Return the format of the output, `CSV` or `PARQUET`, by the ending of its name.

    A device or pipe, or the ending of the input, gets the format of the input. Another ending is an OptionError.
    """
    own = CSV if isinstance(table, CsvFiles) else PARQUET
    ending = path.suffix.lower()
    if ending == table.paths[0].suffix.lower():
        return own
    if ending in (".csv", *PARQUET):
        return CSV if ending == ".csv" else PARQUET
    if is_stream(path):
        return own
    raise OptionError(f"The output {path} ends in {path.suffix!r}. Expected .parquet or .csv.")


def _check_output_is_no_input(path: Path, table: Stored, source: Path) -> None:
    """Raise an OptionError if the output would be read as input.

    This run may read it, or the next run of the same command.
    """
    if not path.parent.is_dir():
        raise OptionError(f"The folder {path.parent} of the output does not exist. Create it first.")
    check_output(path, table.paths)
    if source.is_dir() and source.resolve() in path.resolve().parents:
        raise OptionError(f"The output {path} is in the input folder {source}. Choose another folder for the output.")
    if not source.exists() and PurePath(os.path.abspath(path)).match(os.path.abspath(source)):
        raise OptionError(f"The output {path} matches the input pattern {str(source)!r}. Give the output another name.")


def _check_fits_csv(table: Stored) -> None:
    """Raise a ColumnError if a column has a type that a CSV file cannot express, such as a list."""
    if isinstance(table, CsvFiles):
        return
    with faults_named(table.name):
        schema = table.frame.collect_schema()
    for name, dtype in schema.items():
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise ColumnError(
                f"Column {name!r} of {table.name} has the type {dtype}, which a CSV file cannot express. Name an "
                "output that ends in .parquet."
            )


def _write_rows(table: Stored, times: Array, draft: Path, kind: tuple[str, ...]) -> None:
    """Write each row `times` (N,) times to the file `draft`.

    From CSV to CSV, rows are copied byte by byte. Otherwise polars reads and writes them as a stream.
    """
    if isinstance(table, CsvFiles) and kind == CSV:
        with draft.open("wb") as file:
            file.writelines(_csv_bytes(table, times))
        return
    frame = _resampled_frame(table, times)
    with draft.open("wb") as file, polars_faults_named(table.name):
        sink = frame.sink_csv if kind == CSV else frame.sink_parquet
        _in_thread_for_signals(lambda: sink(file, engine="streaming"))


def _csv_bytes(table: CsvFiles, times: Array) -> Iterator[bytes]:
    """Yield the bytes of a resampled CSV file: those above the first row, and those of each drawn row."""
    yield table.layout.head
    line_end = b"\r\n" if table.layout.head.endswith(b"\r\n") else b"\n"
    if not table.layout.head.endswith((b"\n", b"\r")):
        yield line_end
    for start, block in table.blocks():
        drawn = times[start : start + len(block)].tolist()
        for begin, end, often in zip(block.starts.tolist(), block.ends.tolist(), drawn, strict=True):
            if often:
                row = block.raw[begin:end]
                yield (row if row.endswith((b"\n", b"\r")) else row + line_end) * often


def _resampled_frame(table: Stored, times: Array) -> pl.LazyFrame:
    """Return a lazy frame with every row of the table `times` (N,) times.

    Rows keep their order, and repeats follow each other.
    Columns of CSV files are text. If no row is repeated, polars filters a Parquet file by row number.
    """
    if isinstance(table, CsvFiles):
        chunks = ((start, block.frame()) for start, block in table.blocks())
        return _lazy_repeats(chunks, times, dict.fromkeys(table.columns, pl.String))
    with faults_named(table.name):
        schema = table.frame.collect_schema()
    if times.max() < 2:
        number = _unused_column_name(schema.names())
        rows = pl.Series(np.flatnonzero(times).astype(np.uint32))
        return table.frame.with_row_index(number).filter(pl.col(number).is_in(rows.implode())).drop(number)
    return _lazy_repeats(table.raw_chunks(times > 0), times, schema)


def _lazy_repeats(chunks: Iterable[tuple[int, pl.DataFrame]], times: Array, schema: Any) -> pl.LazyFrame:
    """Return a lazy frame that repeats the rows of chunks as `times` (N,) says.

    A chunk is (number of its first row, its rows).
    """

    def drawn(*_: Any) -> Iterator[pl.DataFrame]:  # a sink asks for all columns and all rows
        for start, chunk in chunks:
            yield from (piece for _, piece in repeated_rows(chunk, start, times))

    return register_io_source(drawn, schema=schema)


def _unused_column_name(names: Sequence[str]) -> str:
    """Return a column name that is longer than all others, so that no column has it."""
    return "_" * (1 + max(map(len, names))) + "row"


def _in_thread_for_signals(work: Callable[[], Any]) -> None:
    """Do work in another thread and wait for it; an exception in it is raised here.

    This thread then answers signals such as Ctrl-C, which polars would leave waiting until it ends.
    """
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    done.result()
