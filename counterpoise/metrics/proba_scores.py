"""Proper scores of probabilities: log loss, Brier score and its decomposition, skill."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from counterpoise.metrics.arrays import EPS, Array, checked_rows, one_class
from counterpoise.metrics.bins import binned


def log_proba(p: Array) -> Array:
    """Return the natural logarithm of probabilities (N, C), kept `EPS` away from 0 and 1.

    Rows that do not sum to 1 (C separate sigmoids) are divided by their sum first; an all-zero row
    becomes uniform.
    """
    # NumPy sums along a short axis slowly.
    total = p[:, :1] + p[:, 1:] if p.shape[1] == 2 else p.sum(axis=1, keepdims=True)
    if np.abs(total - 1).max() > 1e-4:
        p = np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])
    return np.log(p.clip(EPS, 1 - EPS))


def log_loss(y: Any, proba: Any, *, sample_weight: Any = None) -> float:
    """Compute the mean of -log p_y in nats.

    It is finite even if p_y is 0 (36.04 per such row).

    Args:
        y: int (N,), class codes.
        proba: float (N, C), probabilities.
        sample_weight: float (N,), or None.

    Example:
        >>> round(log_loss([0, 1], [[.5, .5], [.5, .5]]), 4)
        0.6931
    """
    y, p, w = checked_rows(y, proba, sample_weight)
    return mean_loss(y, log_proba(p), w)


def mean_loss(y: Array, log_p: Array, w: Array) -> float:
    """Return the mean of -log p_y of checked codes (N,), for log-probabilities (N, C) and weights (N,)."""
    return float(np.average(-log_p[np.arange(len(y)), y], weights=w))


def entropy(y: Any, n_classes: int, *, sample_weight: Any = None) -> float:
    """Compute H(pi) = -sum pi_c log pi_c in nats, for the class proportions of these rows.

    Example:
        >>> round(entropy([0, 1], 2), 4)
        0.6931
    """
    share = np.bincount(np.asarray(y), weights=sample_weight, minlength=n_classes)
    share = share[share > 0] / share.sum()
    return float(-(share * np.log(share)).sum())


def skill(y: Any, proba: Any, *, sample_weight: Any = None) -> float:
    """Compute 1 - log_loss / H(pi), the skill compared with the class proportions.

    1 is perfect. 0 is no better than predicting the class proportions for every row, and below 0 is worse.

    nan if only one class is present (then H is 0).

    Example:
        >>> skill([0, 1], [[.5, .5], [.5, .5]])
        0.0
    """
    y, p, w = checked_rows(y, proba, sample_weight)
    return skill_of_loss(y, mean_loss(y, log_proba(p), w), p.shape[1], w)


def skill_of_loss(y: Array, loss: float, n_classes: int, w: Array) -> float:
    """Return the skill of probabilities with this mean log loss on checked codes (N,) with weights (N,)."""
    base = entropy(y, n_classes, sample_weight=w)
    return 1.0 - loss / base if base > 0 else float("nan")


def brier(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the Brier score.

    For two classes, the mean of (p - y)^2 of the positive class. For more, the mean of the sum over classes.

    Example:
        >>> brier([0, 1], [[.5, .5], [.5, .5]])
        0.25
    """
    return brier_of_rows(*checked_rows(y, proba, sample_weight, positive), positive)


def brier_of_rows(y: Array, p: Array, w: Array, positive: int) -> float:
    """Compute `brier` of checked codes (N,), probabilities (N, C) and weights (N,)."""
    if p.shape[1] == 2:
        return float(np.average(((y == positive) - p[:, positive]) ** 2, weights=w))
    truth = np.eye(p.shape[1])[y]
    return float(np.average(((truth - p) ** 2).sum(axis=1), weights=w))


class BrierParts(NamedTuple):
    """Brier score = reliability - resolution + uncertainty + within."""

    reliability: float
    resolution: float
    uncertainty: float
    within: float


def brier_decomposition(
    y: Any, proba: Any, *, bins: int | None = 10, positive: int = 1, sample_weight: Any = None
) -> BrierParts:
    """Split the Brier score of one class into reliability, resolution and uncertainty.

    With bin shares w_b, mean probability p_b, observed share o_b and overall share o: reliability sum w_b (p_b - o_b)^2
    (0 is best), resolution sum w_b (o_b - o)^2 (higher is better), uncertainty o (1 - o) (Murphy, J. Applied
    Meteorology 12, 1973). `within` is the remainder of the binning (Stephenson, Coelho & Jolliffe 2008), so the four
    parts always sum to the score. It is 0 with `bins=None`, which makes one bin per distinct probability.

    Args:
        bins: Bins with equal numbers of positives, or None.

    Example:
        >>> terms = brier_decomposition([0, 1, 1, 1], [[.5, .5], [.5, .5], [0, 1], [0, 1]], bins=None)
        >>> [round(term, 6) for term in terms]
        [0.0, 0.0625, 0.1875, 0.0]
    """
    target, score, weight = one_class(y, proba, sample_weight, positive)
    b = binned(target, score, weight, bins)
    share = b.weight / b.weight.sum()
    overall = float(share @ b.observed)
    reliability = float(share @ (b.mean_proba - b.observed) ** 2)
    resolution = float(share @ (b.observed - overall) ** 2)
    uncertainty = overall * (1 - overall)
    total = float(np.average((target - score) ** 2, weights=weight))
    return BrierParts(reliability, resolution, uncertainty, total - (reliability - resolution + uncertainty))
