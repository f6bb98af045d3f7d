"""What benchmarks share: peers in turn, results kept row by row, the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

Numbers = dict[str, float]


@dataclass(frozen=True)
class Options:
    """Turns of each peer, which peers where there is a choice, and where the real data lie."""

    turns: int
    peers: str
    data: Path


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(work: dict[str, Callable[[], float]], options: Options) -> Numbers:
    """Median of what each returns; those wanted take turns."""
    results: dict[str, list[float]] = {name: [] for name in work if name not in "FB" or name in options.peers}
    for turn in range(options.turns):
        for name in results:
            results[name].append(work[name]())
            print(f"  turn {turn + 1} {name} {results[name][-1]:.3g}", file=sys.stderr, flush=True)
    return {name: float(np.median(values)) for name, values in results.items()}


def measure(rows: dict[str, Callable[[], Numbers]], kept: Path) -> dict[str, Numbers]:
    """Measure what is not kept yet."""
    results: dict[str, Numbers] = json.loads(kept.read_text()) if kept.exists() else {}
    for name, work in rows.items():
        if name not in results:
            print(name, file=sys.stderr, flush=True)
            results[name] = work()
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(results, indent=1))
    return {name: results[name] for name in rows}


def machine() -> str:
    """What the numbers were measured on."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, load {load}; Keras {keras.__version__}"
    )
