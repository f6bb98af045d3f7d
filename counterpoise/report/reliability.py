"""Predicted against observed shares, in bins of equal expected positives, for the calibration figure.

The tables of an audit and of `cp.evaluate` have bins of their own (`metrics.reliability`).
"""

from __future__ import annotations

import numpy as np

from counterpoise.core.proportions import wilson

Array = np.ndarray

#: Bins at most, and positives of a bin on average at least.
MOST_BINS = 10
POSITIVES_PER_BIN = 5


def reliability(hit: Array, proba: Array) -> list[dict[str, float]]:
    """Compare predicted with observed shares in bins that hold equal sums of probability.

    Bins of equal expected positives keep every bin informative when one class is rare, and their
    edges do not depend on the labels. At most 10, and at least 5 positives to a bin on average;
    equal probabilities stay together. The interval is Wilson's (1927), 95%.

    Args:
        hit: bool (N,), whether the event came true.
        proba: float (N,), its predicted probability.

    Returns:
        One dict per bin: "predicted" (mean), "observed" (share), "low", "high", "count".

    Example:
        >>> bins = reliability(np.array([False, True]), np.array([0.5, 0.5]))
        >>> bins[0]["predicted"], bins[0]["observed"], bins[0]["count"]
        (0.5, 0.5, 2)
    """
    n_bins = int(np.clip(hit.sum() // POSITIVES_PER_BIN, 1, MOST_BINS))
    values, inverse = np.unique(proba, return_inverse=True)
    mass = np.bincount(inverse, weights=proba)
    middle = np.cumsum(mass) - mass / 2
    total = mass.sum()
    bins = np.zeros(len(values), int) if total == 0 else np.minimum(n_bins * middle / total, n_bins - 1).astype(int)
    of_row = bins[inverse]
    return [_one_bin(hit[of_row == b], proba[of_row == b]) for b in np.unique(of_row)]


def _one_bin(hit: Array, proba: Array) -> dict[str, float]:
    """Return the entry of one bin from its rows (see `reliability`)."""
    low, high = wilson(hit.sum(), len(hit))
    return {
        "predicted": float(proba.mean()),
        "observed": float(hit.mean()),
        "low": float(low),
        "high": float(high),
        "count": len(hit),
    }
