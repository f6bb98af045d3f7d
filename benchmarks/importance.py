"""Do the intervals of a column's importance contain what it is on a population?

    python -m benchmarks.importance [--draws 2000] [--rows 1000]

A model of known weights, one of them on a column that is noise, is explained on rows that are drawn again and again.
Counted is how often the interval contains the importance on a million rows, and how often the lower end of the noise
column's is above 0.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np

import counterpoise as cp
from counterpoise.classifier.importance import mean_average_precision

Array = np.ndarray
TRUE, MODEL = np.array([1.5, -1.0, 0.0]), np.array([1.4, -0.9, 0.2])


def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return x, (rng.random(n) < 1 / (1 + np.exp(2.0 - x @ TRUE))).astype(int)


def truth(rows: int = 1_000_000) -> Array:
    """Average precision lost on a million rows, (3,)."""
    rng = np.random.default_rng(1)
    x, y = draw(rng, rows)

    def score(rows_of: Array) -> float:
        z = rows_of @ MODEL
        return float(mean_average_precision(y, np.stack([-z, z], axis=1), np.ones((1, rows)))[0])

    own, lost = score(x), np.zeros(3)
    for j in range(3):
        mixed = x.copy()
        mixed[:, j] = rng.permutation(x[:, j])
        lost[j] = own - score(mixed)
    return lost


def run(draws: int, rows: int) -> None:
    rng, true = np.random.default_rng(0), truth()
    inputs, outer = keras.Input((3,)), keras.layers.Dense(1)
    model = keras.Model(inputs, outer(inputs))
    outer.set_weights([MODEL[:, None].astype(np.float32), np.zeros(1, np.float32)])
    clf = cp.wrap(model, *draw(rng, 2000), output="logits")
    held, above = np.zeros(3), 0
    for number in range(draws):
        columns = cp.explain(clf, *draw(rng, rows), seed=number, resamples=100)["columns"]
        scores = {one["columns"][0]: one["importance"] for one in columns}
        for j in range(3):
            held[j] += scores[f"x{j}"]["low"] <= true[j] <= scores[f"x{j}"]["high"]
        above += scores["x2"]["low"] > 0
    print(f"{draws} draws of {rows} rows; importance on a million rows {true.round(4).tolist()}")
    print("  the interval contains it in", ", ".join(f"{100 * share:.1f}%" for share in held / draws))
    print(f"  the lower end of the noise column is above 0 in {100 * above / draws:.1f}%")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=1000)
    given = parser.parse_args()
    run(given.draws, given.rows)
