"""A strategy of your own: half-way balancing by drawing rows, compared with built-in strategies.

python examples/own_strategy.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification

import counterpoise as cp


def main(out: Path = Path()) -> None:
    """Define, compare, draw the leaderboard."""
    x, y = make_classification(2000, 8, weights=[0.94], class_sep=1.0, flip_y=0.01, random_state=0)
    half = cp.Strategy(
        "half_way",
        "The rare class is drawn up to half of the frequent one.",
        plan=cp.plans.oversample,
        options={"ratio": 0.5},
    )
    both = cp.ensemble([half, "class_weight"], vote="soft", name="half_and_weights")
    comparison = cp.compare("mlp", x, y, strategies=["oversample", half, both], folds=3, epochs=6, verbose=0)
    print(comparison)

    rows = [row for row in comparison.leaderboard if row["status"] == "ok"][::-1]
    names = [row["strategy"] for row in rows]
    scores = [row["scores"]["average_precision"] for row in rows]
    figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
    for row, score in enumerate(scores):
        axes.plot([score["low"], score["high"]], [row, row], color="tab:blue")
        axes.plot(score["mean"], row, "o", color="tab:blue")
        axes.plot(score["folds"], [row] * len(score["folds"]), "|", color="black")
    axes.set(xlabel="average precision, 95% CI, folds", yticks=range(len(names)), yticklabels=names)
    figure.savefig(out / "own_strategy.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
