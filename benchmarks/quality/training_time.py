"""Seconds and memory of `cp.fit` of "auto" and of "tabular" on three tables, each in a process of its own.

    python -m benchmarks.quality time

Reading, encoding, training, the rule and the model card are in it; importing TensorFlow is not.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.quality.sets import TABLES
from counterpoise.core.memory import Peak
from counterpoise.data.read import read

#: Model -> table -> most seconds that training should take on two cores.
LIMITS = {
    "auto": {"mammography": 30, "census_income": 240, "cover": 300},
    "tabular": {"mammography": 30, "census_income": 480, "cover": 480},
}
#: Most memory, MB.
MEMORY = 2048


def measure(data: Path) -> list[dict[str, Any]]:
    """One row per model and table that is at hand."""
    rows = []
    for model, name in [(model, table) for model, tables in LIMITS.items() for table in tables]:
        file, target, drop = TABLES[name]
        if not (data / file).exists():
            continue
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            row = pool.submit(_train, model, str(data / file), target, drop).result()
        rows.append({"model": model, "set": name, **row})
        print(f"{model}, {name}: {row['seconds']:.0f} s, {row['memory_mb']:.0f} MB", flush=True)
    return rows


def _train(model: str, file: str, target: str, drop: tuple[str, ...]) -> dict[str, Any]:
    import counterpoise as cp

    cp.fit("mlp", {"a": [0.0, 1.0] * 20, "y": [0, 1] * 20}, "y", epochs=1, verbose=0)  # so that imports are done
    start = time.perf_counter()
    with Peak() as peak:
        clf = cp.fit(model, read(file, target=target, drop=drop), verbose=0)
    columns = clf.card["columns"]
    return {
        "rows": clf.card["rows"], "columns": columns["numeric"] + columns["categorical"],
        "seconds": round(time.perf_counter() - start, 1),
        "memory_mb": round(peak.bytes / 2**20),
    }  # fmt: skip


def told(file: Path) -> list[str]:
    """A table of what `measure` returned and what was wanted; nothing where it was not measured."""
    if not file.exists():
        return []
    lines = [
        "## Training times",
        "",
        "`cp.fit` on all rows, two cores with nothing else to do (`python -m benchmarks.quality time`):",
        "",
        "| model | table | rows | columns | seconds | wanted | memory, MB | wanted | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in json.loads(file.read_text()):
        most = LIMITS[row["model"]][row["set"]]
        word = "reached" if row["seconds"] < most and row["memory_mb"] < MEMORY else "not reached"
        lines.append(
            f"| {row['model']} | {row['set']} | {row['rows']:,} | {row['columns']} | {row['seconds']:.0f} | "
            f"under {most} | {row['memory_mb']} | under {MEMORY} | {word} |"
        )
    return [*lines, ""]
