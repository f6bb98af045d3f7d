"""A resampled copy of a table that need not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import OptionError
from counterpoise.feed.disk import scan
from counterpoise.feed.disk_stream import INDEX, is_drawn, times_drawn
from counterpoise.plans import plan as plans
from counterpoise.plans.plan import Plan

Array = np.ndarray

#: Bytes of a chunk of repeated rows, at 8 bytes a value.
CHUNK_BYTES = 32 << 20

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
    """Write a resampled copy of a table that need not fit in memory.

    All columns are kept, and rows keep their order; repeats of oversampling follow at the end. Rows that are drawn more
    than once are held in memory, the others are streamed. The file is complete or not there.

    Args:
        source: As in `scan`.
        target: The label column.
        out: A path that ends in .parquet or .csv.
        plan: "undersample" or "oversample".
        ratio: Wanted size of the smallest class over the largest, in (0, 1].
        seed: Which rows are drawn.

    Returns:
        {"rows", "out", "plan", "classes": [{"label", "before", "after"}], "log_shift": [...]}; subtract log_shift from
        the logits of a network that is trained on the file.
    """
    path = Path(out)
    if path.suffix.lower() not in (".parquet", ".pq", ".csv"):
        raise OptionError(f"the output {path} ends in {path.suffix!r}; expected .parquet or .csv.")
    if not path.parent.is_dir():
        raise OptionError(f"the folder {path.parent} of the output is not there; make it first.")
    if Path(source).is_dir() and Path(source).resolve() in path.resolve().parents:
        raise OptionError(f"the output {path} lies in the folder {source} that is read; write it elsewhere.")
    make = ROW_PLANS[check_choice(plan, "plan", ROW_PLANS)]
    frame, times, told = _chosen(source, target, make, ratio, seed)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write(frame, times, part, path.suffix.lower() == ".csv")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return {"out": str(path), "plan": plan, **told}


def _chosen(
    source: Any, target: str, make: Callable[..., Plan], ratio: float, seed: int
) -> tuple[pl.LazyFrame, Array, dict[str, Any]]:
    """The table, how often each row is drawn, and what to say of it; labels and plan are forgotten."""
    rows = scan(source, target)
    plan = rows.plan(make, ratio=ratio)
    sizes = zip(rows.classes, rows.counts.tolist(), plan.drawn.tolist(), strict=True)
    told = {
        "rows": len(plan),
        "classes": [{"label": str(label), "before": before, "after": after} for label, before, after in sizes],
        "log_shift": plan.log_shift.tolist(),
    }
    return rows.frame, times_drawn(plan, 0, seed), told


def _write(frame: pl.LazyFrame, times: Array, path: Path, csv: bool) -> None:
    """Write every row as often as `times` says: first all that are drawn, in order, then their repeats."""
    numbered = frame.with_row_index(INDEX)
    once = numbered.filter(is_drawn(times))
    if times.max() < 2:
        (once.drop(INDEX).sink_csv if csv else once.drop(INDEX).sink_parquet)(path, engine="streaming")
        return
    held = numbered.filter(is_drawn(np.maximum(times, 1) - 1)).collect(engine="streaming")
    more = times[held[INDEX].to_numpy()] - 1
    rows = _rows_in_one_go(frame)
    with (_CsvFile if csv else _ParquetFile)(path) as out:
        for part in once.drop(INDEX).collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"):
            out.write(part)
        for k in range(int(more.max())):
            again = np.flatnonzero(more > k)
            for start in range(0, len(again), rows):
                out.write(held[again[start : start + rows]].drop(INDEX))


def _rows_in_one_go(frame: pl.LazyFrame) -> int:
    return int(np.clip(CHUNK_BYTES // (8 * len(frame.collect_schema())), 1024, 131_072))


class _ParquetFile:
    """Frames of one schema, one row group each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def __enter__(self) -> _ParquetFile:
        return self

    def write(self, part: pl.DataFrame) -> None:
        import pyarrow.parquet

        table = part.to_arrow()
        if self.writer is None:
            self.writer = pyarrow.parquet.ParquetWriter(self.path, table.schema, compression="zstd")
        self.writer.write_table(table)

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.writer.close()


class _CsvFile:
    """Frames of one schema, the header once."""

    def __init__(self, path: Path) -> None:
        self.file, self.begun = path.open("wb"), False

    def __enter__(self) -> _CsvFile:
        return self

    def write(self, part: pl.DataFrame) -> None:
        part.write_csv(self.file, include_header=not self.begun)
        self.begun = True

    def __exit__(self, *error: object) -> None:
        self.file.close()
