"""Do rows for a human hold what alpha says? At score level: labels and probabilities are drawn, nothing is trained.

    python -m benchmarks.review [--draws 2000]

Each draw chooses the floors of `review_alpha` on 600 rows and measures, on 4,000 fresh rows, how many of each class are
decided wrongly. Printed are the means over the draws, what alpha allows at 2.33 standard errors, and the share of the
rows that go to a human.
"""

from __future__ import annotations

import argparse

import numpy as np

from counterpoise.core.rule import Rule
from counterpoise.decide.review import review_by_alpha, reviewed

Array = np.ndarray


def draw(rng: np.random.Generator, n: int, shares: Array) -> tuple[Array, Array]:
    """Class codes and log-probabilities of a miscalibrated model."""
    y = rng.choice(len(shares), n, p=shares)
    z = rng.normal(size=(n, len(shares))) + np.log(shares)
    z[np.arange(n), y] += 1.5
    z *= 1.4
    return y, z - np.logaddexp.reduce(z, axis=1, keepdims=True)


def run(shares: Array, alpha: float, draws: int) -> None:
    rng, c = np.random.default_rng(0), len(shares)
    missed, human = np.zeros((draws, c)), np.zeros(draws)
    for i in range(draws):
        y, log_p = draw(rng, 600, shares)
        review = review_by_alpha(np.exp(log_p), y, alpha)
        rule = Rule(np.zeros((1, c)), shares, threshold=0.3 if c == 2 else None, review=review)
        y, log_p = draw(rng, 4000, shares)
        own = (np.exp(log_p[:, 1]) >= 0.3).astype(int) if c == 2 else log_p.argmax(axis=1)
        decision = reviewed(rule, log_p, own)
        human[i] = np.mean(decision == -1)
        missed[i] = [np.mean((decision[y == k] != k) & (decision[y == k] != -1)) for k in range(c)]
    error = missed.std(axis=0, ddof=1) / np.sqrt(draws)
    print(f"\n{c} classes, shares {shares.tolist()}, alpha {alpha:g}, {draws} draws: {human.mean():.3f} to a human")
    for k in range(c):
        print(f"  class {k}: {missed[:, k].mean():.4f} decided wrongly; at most {alpha + 2.33 * error[k]:.4f} expected")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    number = parser.parse_args().draws
    run(np.array([0.8, 0.2]), 0.1, number)
    run(np.array([0.8, 0.2]), 0.3, number)
    run(np.array([0.6, 0.3, 0.1]), 0.2, number)
