"""Resampling as a stream of row numbers against resampling copies and tf.data recipes, side by side, medians.

    python -m benchmarks.data [--quick] [--times N] [--only ROW ...]

Each row of the table stands alone, so a long run can be taken in parts (`--only oversample --only file`).

Data: float32 rows with 30 columns, 0.5% positives, made here. Memory is the highest resident size during the call
above that before it (Linux). Imports are excluded. The two tf.data recipes are those of TensorFlow's own guide: one
stream for each class joined by `sample_from_datasets`, and `rejection_resample`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import tensorflow as tf
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler

from benchmarks._measuring import compare, extra_memory, in_turn, show, silent, speed
from benchmarks._turns import timed
from counterpoise import plans
from counterpoise.feed.batching import batches
from counterpoise.feed.rebalancing import rebalance

Array = np.ndarray
BATCH, SHARE, COLUMNS = 512, 0.005, 30


def table(n: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, COLUMNS), dtype="float32"), (rng.random(n) < SHARE).astype(np.int64)


def single_pass(feed: Any) -> int:
    """Make every batch of an epoch once; rows seen."""
    return sum(len(batch[1]) for batch in feed)


def oversample(n: int, times: int) -> None:
    """An oversampling plan against the sampler that copies."""
    x, y = table(n)
    work = {
        "oversampling plan and one pass of batches": lambda: single_pass(batches(x, y, plans.oversample(y), BATCH)),
        "RandomOverSampler": lambda: RandomOverSampler(random_state=0).fit_resample(x, y),
    }
    compare(f"oversample {n:,} rows", work, times)


def undersample(n: int, times: int) -> None:
    """An undersampling plan against the sampler that copies."""
    x, y = table(n)
    work = {
        "undersampling plan and its rows": lambda: plans.undersample(y).rows(0, 0),
        "the same and a copy of the rows": lambda: x[plans.undersample(y).rows(0, 0)],
        "RandomUnderSampler": lambda: RandomUnderSampler(random_state=0).fit_resample(x, y),
    }
    compare(f"undersample {n:,} rows", work, times)


def tfdata(n: int, times: int) -> None:
    """A balanced feed in tf.data against one stream for each class."""
    x, y = table(n)
    balanced = batches(x, y, plans.oversample(y), BATCH)

    def class_wise() -> Any:
        streams = [
            tf.data.Dataset.from_tensor_slices((x[y == c], y[y == c])).shuffle(10_000, seed=0).repeat() for c in (0, 1)
        ]
        return tf.data.Dataset.sample_from_datasets(streams, [0.5, 0.5], seed=0).batch(BATCH).prefetch(2)

    steps = min(1000, balanced.num_batches - 2)
    ours = "plan, as_dataset()"
    work = {ours: speed(balanced.as_dataset, steps), "sample_from_datasets": speed(class_wise, min(steps, 60))}
    show(f"balanced tf.data feed of {n:,} rows in memory", "rows / s", in_turn(work, times), ours, higher=True)


def overhead(n: int, times: int) -> None:
    """A balanced feed against an unbalanced, shuffled feed of the same kind."""
    x, y = table(n)
    kinds = {
        "balanced": batches(x, y, plans.oversample(y), BATCH),
        "unbalanced": batches(x, y, plans.uniform(y), BATCH),
    }
    steps = min(500, kinds["unbalanced"].num_batches - 2)
    for title, make in (("tf.data", lambda feed: feed.as_dataset()), ("PyDataset", lambda feed: feed.endless())):
        work = {k: (lambda f=f: 1e9 / speed(lambda: make(f), steps)()) for k, f in kinds.items()}  # noqa: B023
        medians = in_turn(work, 4 * times + 1)
        print(f"\noverhead of balance, {title} (ns / row)")
        print(f"  {medians['balanced']:.0f} balanced, {medians['unbalanced']:.0f} unbalanced and shuffled: "
              f"{medians['balanced'] / medians['unbalanced']:.3f} x the time")  # fmt: skip


def streams(n: int, times: int) -> None:
    """A dataset without an index."""
    x, y = table(n)
    data = tf.data.Dataset.from_tensor_slices((x, y))
    counts = np.bincount(y)

    def of_class(code: int, cached: bool) -> Any:
        stream = data.filter(lambda a, b: b == code)
        return (stream.cache() if cached else stream).repeat()

    def sampled(cached: bool) -> Any:
        both = tf.data.Dataset.sample_from_datasets([of_class(c, cached) for c in (0, 1)], [0.5, 0.5], seed=0)
        return both.batch(BATCH)

    def rejected() -> Any:
        kept = data.repeat().rejection_resample(
            lambda a, b: b, [0.5, 0.5], (counts / counts.sum()).astype("float32"), seed=0
        )
        return kept.map(lambda label, pair: pair).batch(BATCH)

    ours = "rebalance(dataset)"
    steps = n // BATCH - 2
    work = {
        ours: speed(lambda: rebalance(data, counts=counts).dataset.repeat().batch(BATCH), steps),
        "sample_from_datasets, filtered": speed(lambda: sampled(False), 2),
        "sample_from_datasets, filtered, classes cached in memory": speed(lambda: sampled(True), min(steps, 40)),
        "rejection_resample": speed(rejected, 1),
    }
    with silent():  # rejection_resample reports on every batch
        medians = in_turn(work, times)
    show(f"a dataset of {n:,} rows without an index", "rows / s", medians, ours, higher=True)


def many_labels(n: int, times: int) -> None:
    """Memory of the rows of one epoch: a count, measured once."""
    y = (np.random.default_rng(0).random(n, dtype=np.float32) < SHARE).astype(np.int8)
    print(
        f"\nrows() of {n:,} labels: rows drawn, bytes each, most bytes a drawn row in the first call and later, seconds"
    )
    for make in (plans.uniform, plans.oversample, plans.undersample):
        plan, seconds, sizes = make(y), [], []

        def draw(epoch: int, plan: plans.Plan = plan, seconds: list = seconds, sizes: list = sizes) -> None:
            seconds.append(timed(lambda: sizes.append(plan.rows(epoch, 0).itemsize)))

        first, later = (extra_memory(lambda e=e: draw(e)) * 2**20 / len(plan) for e in (0, 1))
        print(f"  {plan.name:<12} {len(plan):>12,} {sizes[0]:>3} {first:>8.2f} {later:>6.2f} {seconds[1]:>7.2f}")


def large_file(n: int, times: int) -> None:
    """A table on disk: a bare scan against writing a balanced copy, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "rows.parquet")
        write_table(source, n)
        size = os.path.getsize(source) / 1e9
        calls = {
            "resample to a balanced file": "undersample",
            "the same by oversampling (2.8 times the rows)": "oversample",
            "polars: scan and sum every column": "scan",
        }
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
        for _ in range(times):
            for name, what in calls.items():
                results[name].append(on_disk(what, source))
        medians = {name: np.median(values, axis=0) for name, values in results.items()}
        ours = next(iter(calls))
        title = f"Parquet of {size:.1f} GB, {n:,} rows of 64 numbers, classes 94 / 1 / 5"
        show(title, "s", {name: seconds for name, (seconds, _) in medians.items()}, ours)
        show("the same: whole process", "MB", {name: memory for name, (_, memory) in medians.items()}, ours)


def write_table(path: str, n: int) -> None:
    rng, writer = np.random.default_rng(0), None
    for start in range(0, n, 250_000):
        size = min(250_000, n - start)
        values = rng.standard_normal((size, 64), dtype="float32")
        columns = {f"x{i}": values[:, i] for i in range(64)} | {"y": rng.choice(3, size, p=[0.94, 0.01, 0.05])}
        part = pyarrow.table(columns)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(path, part.schema, compression="none", use_dictionary=False)
        writer.write_table(part)
    if writer is not None:
        writer.close()


#: What `on_disk` runs; the clock starts after the imports.
_ON_DISK = """
import sys, time
import polars as pl
from counterpoise.feed.resampling import resample_file
source, what = sys.argv[1:]
start = time.perf_counter()
if what == "scan":
    pl.scan_parquet(source).select(pl.all().sum()).collect(engine="streaming")
else:
    resample_file(source, "y", source + ".out.parquet", what)
seconds = time.perf_counter() - start
highest = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, int(highest.split()[1]) / 1024)
"""


def on_disk(what: str, source: str) -> tuple[float, float]:
    """Seconds, and the highest resident MB of the process."""
    command = [sys.executable, "-c", _ON_DISK, source, what]
    seconds, memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(memory)


#: name -> what it measures, its rows for each row of the small tables, and the most repeats.
ROWS: dict[str, tuple[Callable[[int, int], None], float, int]] = {
    "oversample": (oversample, 1, 9),
    "undersample": (undersample, 1, 9),
    "tfdata": (tfdata, 1, 9),
    "overhead": (overhead, 1, 9),
    "stream": (streams, 0.2, 3),
    "labels": (many_labels, 100, 1),
    "file": (large_file, 8, 3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--times", type=int, default=5, help="repeats (fewer where one takes long); default 5")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="one row of the table; may be repeated")
    given = parser.parse_args()
    size = 100_000 if given.quick else 1_000_000
    print(f"{os.cpu_count()} cores, TensorFlow {tf.__version__}, NumPy {np.__version__}, medians of {given.times}")
    for name in given.only or ROWS:
        run, scale, most = ROWS[name]
        print(f"\n# {name}; load {os.getloadavg()[0]:.1f}", flush=True)
        seconds = timed(lambda run=run, n=int(size * scale), times=min(given.times, most): run(n, times))
        print(f"\n{name}: measured in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
