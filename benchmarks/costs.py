"""How far is the cost of a fitted model's decisions from the best possible, on a problem with known probabilities?

    python -m benchmarks.costs [--seeds 5]

Each seed draws 6,000 rows of three classes (about 78%, 12% and 9%), fits the built-in `mlp`, and decides by a cost
matrix with benefits. Its cost on 200,000 fresh rows is computed from the known probabilities, as that of the Bayes
decision is. The decisions must be the Bayes decisions by the model's own probabilities.
"""

from __future__ import annotations

import argparse

import numpy as np

import counterpoise as cp

Array = np.ndarray
COSTS = np.array([[0.0, 2.0, 6.0], [30.0, -3.0, 8.0], [60.0, 25.0, -5.0]])


def draw(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows (N, 4) and the known probabilities of their classes (N, 3)."""
    x = rng.normal(size=(n, 4))
    z = np.stack(
        [np.full(n, 2.2), 1.2 * x[:, 0] - 0.18 * x[:, 1] ** 2, 1.4 * x[:, 1] + 0.8 * x[:, 0] * x[:, 2] - 0.8], axis=1
    )
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return x, p / p.sum(axis=1, keepdims=True)


def run(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, p = draw(6_000, rng)
    y = (p.cumsum(axis=1) < rng.random(len(p))[:, None]).sum(axis=1)
    clf = cp.fit("mlp", x, y, epochs=60, verbose=0, seed=seed).decide(costs=COSTS)
    new, true = draw(200_000, rng)
    own, decision = clf.predict_proba(new), clf.predict(new)
    cost = {
        name: float((true @ COSTS)[np.arange(len(true)), codes].mean())
        for name, codes in {
            "best possible": (true @ COSTS).argmin(axis=1), "decided": decision, "most probable": own.argmax(axis=1),
        }.items()
    }  # fmt: skip
    same = np.mean(decision == (own @ COSTS).argmin(axis=1))
    text = ", ".join(f"{name} {value:.3f}" for name, value in cost.items())
    ratio = cost["decided"] / cost["best possible"] - 1
    print(
        f"seed {seed}: cost per row: {text}; {ratio:.1%} above the best; {same:.2%} are the Bayes decision of its own"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    for number in range(parser.parse_args().seeds):
        run(number)
