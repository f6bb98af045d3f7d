"""Log-probabilities from logits, corrected for the training shift (NumPy; natural logarithms).

One unit (N, 1) is the logit of class 1 of two; C units (N, C) are softmax logits. Everything downstream works on
log-probabilities (N, C).
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

#: Log loss never counts a probability below this (float32 networks cannot express less).
SMALLEST = 1e-15


def log_softmax(logits: Array) -> Array:
    """Stable log softmax over the last axis, float64."""
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def as_classes(logits: Array) -> Array:
    """One unit (N, 1) as two softmax logits (0, z); C units unchanged."""
    z = np.asarray(logits, dtype=np.float64)
    if z.shape[-1] > 1:
        return z
    return np.concatenate([np.zeros_like(z), z], axis=-1)


def log_proba(logits: Array, log_shift: Array | None = None) -> Array:
    """log p (N, C) after subtracting the training shift (C,): softmax(z_c - log_shift_c).

    For one unit this is sigmoid(z - (log_shift_1 - log_shift_0)).

    Example:
        >>> p = np.exp(log_proba(np.array([[0.0]]), np.array([-np.log(3), np.log(3)]) / 2))
        >>> np.round(p, 6)
        array([[0.75, 0.25]])
    """
    z = as_classes(logits)
    return log_softmax(z if log_shift is None else z - log_shift)


def log_loss(log_p: Array, y: Array, weights: Array | None = None) -> float:
    """Mean of -log p of the true class, weighted when weights are given."""
    picked = np.maximum(log_p[np.arange(len(y)), y], np.log(SMALLEST))
    return float(-np.average(picked, weights=weights))


def fit_intercept(log_p: Array, y: Array, *, iterations: int = 25) -> Array:
    """The constants b (C,), sum 0, that minimise the log loss of softmax(log p + b).

    At the minimum the mean probability of each class equals its share, so classes without a row keep b_c = 0
    relative to the others and a tiny ridge keeps the step finite. Newton's method with halved steps.
    """
    n_classes = log_p.shape[1]
    share = np.bincount(y, minlength=n_classes) / len(y)
    b = np.zeros(n_classes)
    best = log_loss(log_p, y)
    for _ in range(iterations):
        p = np.exp(log_softmax(log_p + b))
        mean = p.mean(axis=0)
        hessian = np.diag(mean) - p.T @ p / len(y)
        step = np.linalg.solve(hessian + 1e-9 * np.eye(n_classes) + 1.0 / n_classes, share - mean)
        step -= step.mean()
        scale = 1.0
        while scale > 1e-4:
            trial = log_loss(log_softmax(log_p + b + scale * step), y)
            if trial <= best + 1e-15:
                break
            scale /= 2
        else:
            return b
        improved, best = best - trial, trial
        b = b + scale * step
        if improved < 1e-12:
            break
    return b
