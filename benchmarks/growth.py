"""How cost grows with rows, columns and classes.

    python -m benchmarks.growth [--quick]

Each row is one table: processor seconds of reading, of training `tabular` and saving it, and of loading and predicting
the same rows, and the size of the file. A small table comes first and is not printed: it pays for imports and traces.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import counterpoise as cp

#: (rows, columns, classes): one of the three grows at a time.
SIZES = (
    (1_000, 10, 2), (10_000, 10, 2), (100_000, 10, 2),
    (60, 100, 2), (60, 1_000, 2), (60, 10_000, 2),
    (2_000, 10, 10), (2_000, 10, 100), (10_000, 10, 1_000),
)  # fmt: skip
QUICK = ((1_000, 10, 2), (60, 1_000, 2), (2_000, 10, 100))


def table(rows: int, columns: int, classes: int, path: Path) -> Path:
    """A CSV file of made-up rows: the first column depends on the class, of which the first is common."""
    rng = np.random.default_rng(0)
    y = np.where(rng.random(rows) < 0.5, 0, np.arange(rows) % classes)
    x = rng.normal(size=(rows, columns)).round(4)
    x[:, 0] += y
    names = [f"c{j}" for j in range(columns)]
    frame = pl.DataFrame(x, names).with_columns(label=pl.Series([f"class {code}" for code in y]))
    frame.write_csv(path)
    return path


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it returned."""
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def costs(rows: int, columns: int, classes: int, folder: Path) -> tuple[float, float, float, float]:
    """Seconds of diagnosing, training with saving, and predicting with loading; megabytes of the file."""
    data, model = table(rows, columns, classes, folder / "rows.csv"), folder / "model.keras"
    diagnose, _ = seconds(lambda: cp.diagnose(data, "label"))
    train, _ = seconds(lambda: cp.fit("tabular", data, "label", epochs=2, verbose=0).save(model))
    predict, _ = seconds(lambda: cp.load(model).predict_proba(data))
    return diagnose, train, predict, model.stat().st_size / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three small tables")
    given = parser.parse_args()
    print("| rows | columns | classes | diagnose, s | train and save, s | load and predict, s | file, MB |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        costs(*SIZES[0], Path(folder))
        for size in QUICK if given.quick else SIZES:
            cells = " | ".join(f"{value:.1f}" for value in costs(*size, Path(folder)))
            print("| " + " | ".join(f"{number:,}" for number in size) + f" | {cells} |", flush=True)


if __name__ == "__main__":
    main()
