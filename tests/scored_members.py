"""Member outputs and labels of known posterior, for the tests of rules."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

SHIFTS = [np.zeros(2), np.log([1.0, 19.0]), np.log([0.05, 1.0])]


def binary(n: int = 4000, seed: int = 0, prior: float = 0.05) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Three members that are the true logit plus noise plus their training shift."""
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, (rng.random(n - 2) < prior).astype(int)]
    z = 2 * (rng.normal(size=n) + 2 * y - 1) + np.log(prior / (1 - prior))
    return [(z + s[1] - s[0])[:, None] for s in SHIFTS], y, expit(z)


def multi(n: int = 3000, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    prior = np.array([0.9, 0.07, 0.03])
    y = rng.choice(3, p=prior, size=n)
    z = rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[y] + np.log(prior)
    return [z + rng.normal(scale=0.3, size=z.shape) for _ in range(3)], y
