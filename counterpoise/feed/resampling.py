"""A resampled copy of a table that need not fit in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import OptionError
from counterpoise.feed.disk import scan
from counterpoise.feed.disk_stream import INDEX, drawn_parts, is_drawn, times_drawn
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
    """Write a resampled copy of a table that need not fit in memory.

    All columns are kept, and rows keep their order; a row that is drawn more than once stands beside its repeats. The
    file is complete or not there.

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

    Example:
        >>> import os, tempfile
        >>> import polars as pl
        >>> here = tempfile.mkdtemp()
        >>> pl.DataFrame({"a": range(10), "ill": [0] * 8 + [1] * 2}).write_csv(os.path.join(here, "all.csv"))
        >>> done = resample_file(os.path.join(here, "all.csv"), "ill", os.path.join(here, "few.csv"))
        >>> done["rows"], done["classes"][0]
        (4, {'label': '0', 'before': 8, 'after': 2})
    """
    path = Path(out)
    if path.suffix.lower() not in (".parquet", ".pq", ".csv"):
        raise OptionError(f"the output {path} ends in {path.suffix!r}; expected .parquet or .csv.")
    if not path.parent.is_dir():
        raise OptionError(f"the folder {path.parent} of the output is not there; make it first.")
    if Path(source).is_dir() and Path(source).resolve() in path.resolve().parents:
        raise OptionError(f"the output {path} lies in the folder {source} that is read; write it elsewhere.")
    make = ROW_PLANS[check_choice(plan, "plan", ROW_PLANS)]
    frame, told = _chosen(source, target, make, ratio, seed)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write = frame.sink_csv if path.suffix.lower() == ".csv" else frame.sink_parquet
        _answering(lambda: write(unfinished, engine="streaming"))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return {"out": str(path), "plan": plan, **told}


def _answering(work: Callable[[], Any]) -> None:
    """Do a piece of work in another thread: this one then answers signals, which polars leaves waiting to the end."""
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


def _chosen(
    source: Any, target: str, make: Callable[..., Plan], ratio: float, seed: int
) -> tuple[pl.LazyFrame, dict[str, Any]]:
    """The drawn rows, and what to say of them; labels and plan are forgotten."""
    rows = scan(source, target)
    plan = rows.plan(make, ratio=ratio)
    sizes = zip(rows.classes, rows.counts.tolist(), plan.drawn.tolist(), strict=True)
    told = {
        "rows": len(plan),
        "classes": [{"label": str(label), "before": before, "after": after} for label, before, after in sizes],
        "log_shift": plan.log_shift.tolist(),
    }
    return _drawn(rows.frame, times_drawn(plan, 0, seed), rows.seekable), told


def _drawn(frame: pl.LazyFrame, times: Array, seekable: bool) -> pl.LazyFrame:
    """Every row as often as `times` says, in order, repeats beside each other."""
    if times.max() < 2:
        return frame.with_row_index(INDEX).filter(is_drawn(times)).drop(INDEX)

    def parts(*_: Any) -> Iterator[pl.DataFrame]:  # a sink asks for all columns and all rows
        return (part for _, part in drawn_parts(frame, times, seekable))

    return register_io_source(parts, schema=frame.collect_schema())
