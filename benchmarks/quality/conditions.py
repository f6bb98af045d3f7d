"""Under which conditions the numbers came out: who takes part, versions, what one training takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.models import BOOSTED, LEAVES, LINEAR, MANY, RATES
from benchmarks.quality.table import label_of, records
from counterpoise.core.version import installed_versions

PACKAGES = ("tensorflow-cpu", "keras", "scikit-learn", "imbalanced-learn", "lightgbm", "numpy")
#: Rows above which a set counts as large in the table of costs.
SMALL = 5000
#: A rival and what it chooses from, as the page says it.
GRIDS: dict[str, Mapping[str, list[Any]]] = {
    "LightGBM, plain and balanced, learning rate 0.05": BOOSTED,
    "random forest and balanced random forest, 300 trees": LEAVES,
    "logistic regression on standardized columns": LINEAR,
    "RUSBoost, 50 rounds": RATES,
}


def who() -> list[str]:
    """The models, and the package versions."""
    chosen = [f"- {name}: {'; '.join(map(_grid_line, grid.items()))}" for name, grid in GRIDS.items()]
    return [
        "## Who takes part",
        "",
        "Ours tune nothing and end training by themselves. Rivals choose by average precision on three inner folds of",
        f"their training rows (one inner split above {MANY:,} rows), the number of LightGBM's trees too, and are then",
        "fitted on all of them:",
        "",
        *chosen,
        "- nothing to choose: easy ensemble of trees (10 x AdaBoost), self-paced ensemble and balance cascade (50 "
        "trees)",
        "",
        "Every model gets the same treatment on the same out-of-fold rows: its training shift is removed where it is",
        "known, a calibrator is kept where it lowers log loss, and the threshold is the best for F1. `none` decides at",
        "0.5. Raw log loss is that of the uncorrected output.",
        "",
        "Versions where this page was written, imbalanced-ensemble 0.2.3 in an environment of its own:",
        f"{', '.join(' '.join(pair) for pair in installed_versions(PACKAGES).items())}.",
        "",
    ]


def costs(folder: Path) -> list[str]:
    """A table of the seconds of one training, and of the memory of the process that held all models of a piece."""
    seconds: dict[str, dict[bool, list[float]]] = defaultdict(lambda: {True: [], False: []})
    memory: dict[str, float] = defaultdict(float)
    for record in records(folder):
        for name, row in record["models"].items():
            if "seconds" in row and "choice" not in record:
                label = label_of(name, record)
                folds = len(row["scores"]["average_precision"])
                seconds[label][record["rows"] <= SMALL].append(row["seconds"] / folds)
                memory[label] = max(memory[label], row["memory_mb"] or 0.0)
    lines = [
        "## What a training takes",
        "",
        "Seconds of one training, choosing included, with another set at work on the second core; memory is that of",
        "the process, which holds TensorFlow and all models of a piece, at its highest.",
        "",
        f"| | up to {SMALL:,} rows, median | more rows, median | memory, MB |",
        "|---|---|---|---|",
    ]
    for name in sorted(seconds, key=lambda n: float(np.median(seconds[n][True] or [np.inf]))):
        cells = [
            f"{np.median(values):.2f}" if values else "-" for values in (seconds[name][True], seconds[name][False])
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {memory[name]:.0f} |")
    return [*lines, ""]


def _grid_line(choice: tuple[str, list[Any]]) -> str:
    """What a rival may choose from, in words."""
    name, values = choice
    return f"{name.rpartition('__')[2]} {', '.join(map(str, values[:-1]))} or {values[-1]}"
