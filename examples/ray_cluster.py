"""The same comparison in this process and on a Ray cluster: equal scores, and who trained what.

pip install 'counterpoise[ray]'
python examples/ray_cluster.py [ADDRESS]      (without an address it starts a small cluster on this machine)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification

import counterpoise as cp


def main(out: Path = Path(), address: str = "local") -> None:
    """Compare twice, compare, draw both leaderboards on top of each other."""
    x, y = make_classification(1200, 8, weights=[0.92], class_sep=1.2, flip_y=0.01, random_state=0)
    how = {"strategies": "oversample,class_weight", "folds": 3, "epochs": 10, "batch_size": 64, "verbose": 0}
    here = cp.compare("mlp", x, y, refit=False, **how)
    # A local cluster needs its size; a real one has it.
    more: dict[str, Any] = {"num_cpus": 2} if address == "local" else {}
    with cp.scale.ray(address, **more) as cluster:
        there = cp.compare("mlp", x, y, executor=cluster, refit=False, **how)
    print(there.verdict)

    figure, axes = plt.subplots(figsize=(5.4, 2.6), layout="constrained")
    for name, comparison, marker in (("this process", here, "o"), ("Ray", there, "x")):
        rows = sorted(comparison.leaderboard, key=lambda row: row["strategy"])
        folds = [(score, row["strategy"]) for row in rows for score in row["scores"]["average_precision"]["folds"]]
        axes.plot(*zip(*folds, strict=True), marker, label=name, markersize=8, fillstyle="none")
        print(name, {row["strategy"]: round(row["scores"]["average_precision"]["mean"], 6) for row in rows})
    axes.set(xlabel="average precision of each fold")
    axes.margins(y=0.3)
    axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    figure.savefig(out / "ray_cluster.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main(Path(), *sys.argv[1:2])
