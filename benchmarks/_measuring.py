"""How the data benchmarks measure: seconds and memory in fresh processes, speeds of datasets, ratios."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._turns import Options, alternate, timed


def in_turn(work: dict[str, Callable[[], float]], times: int) -> dict[str, float]:
    """Median of what each returns; they take turns."""
    return alternate(work, Options(times, "", Path()))


def extra_memory(work: Callable[[], object]) -> float:
    """MB that a call needs at its peak."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _status("VmRSS")
    kept = work()
    peak = _status("VmHWM")
    del kept
    return (peak - before) / 1024


def _status(key: str) -> int:
    """kB of one line of the process's memory status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def rows_in(data: Iterable[Any], steps: int) -> int:
    return sum(int(batch[1].shape[0]) for batch in islice(data, steps))


def speed(make: Callable[[], Any], steps: int) -> Callable[[], float]:
    """Rows a second of a dataset of batches, its first batch (buffers fill) left out."""

    def run() -> float:
        batches_of = iter(make())
        next(batches_of)
        rows: list[int] = []
        seconds = timed(lambda: rows.append(rows_in(batches_of, steps)))
        return rows[0] / seconds

    return run


def show(work: str, unit: str, values: dict[str, float], ours: str, higher: bool = False) -> None:
    print(f"\n{work} ({unit})")
    for name, value in values.items():
        ratio = values[ours] / value if higher else value / values[ours]
        print(f"  {name:<58} {value:>14,.4g}   {'' if name == ours else f'ours is {ratio:,.2f} x as good'}")


def fresh(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and extra MB of a first call, in a process of its own.

    The system clears memory that a process has not held before, and most of the time of a large copy goes there. Who
    resamples once pays for that; a second call in one process does not.
    """
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)

    def measure() -> None:
        seconds: list[float] = []
        memory = extra_memory(lambda: seconds.append(timed(work)))
        writer.send((seconds[0], memory))

    process = context.Process(target=measure)
    process.start()
    result = reader.recv()
    process.join()
    return result


def compare(title: str, work: dict[str, Callable[[], object]], times: int) -> None:
    """First calls in fresh processes, their memory, and repeated calls in this one; ours is the first."""
    ours = next(iter(work))
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(times):
        for name, call in work.items():
            results[name].append(fresh(call))
    medians = {name: np.median(values, axis=0) for name, values in results.items()}
    show(f"{title}, first call", "s", {name: seconds for name, (seconds, _) in medians.items()}, ours)
    show("the same: extra memory", "MB", {name: memory for name, (_, memory) in medians.items()}, ours)
    again = in_turn({name: (lambda call=call: timed(call)) for name, call in work.items()}, times + 1)
    show("the same, called again in one process", "s", again, ours)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without what TensorFlow's kernels write to the error stream."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
