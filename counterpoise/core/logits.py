"""Log-probabilities from logits, corrected for the training shift (NumPy; natural logarithms).

One unit (N, 1) is the logit of class 1 of two; C units (N, C) are softmax logits. Everything downstream works on
log-probabilities (N, C). Trees, targets and the rule share these functions. The Keras layer of the rule
(`decide/layer.py`) must give the same results; `tests/decide/test_layer.py` compares them.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

#: Log loss never counts a probability below this (float32 networks cannot express less).
SMALLEST = 1e-15


def softplus(z: Array) -> Array:
    """Return log(1 + exp(z)), float64, without overflow, in a fraction of the time of `np.logaddexp`.

    Example:
        >>> softplus(np.array([-1000.0, 0.0, 1000.0])).round(6).tolist()
        [0.0, 0.693147, 1000.0]
    """
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def log_softmax(logits: Array) -> Array:
    """Return the log softmax over the last axis, float64, without overflow for large logits.

    Example:
        >>> log_softmax(np.array([1000.0, 1000.0])).round(6).tolist()
        [-0.693147, -0.693147]
    """
    z = np.array(np.moveaxis(np.asarray(logits), -1, 0), dtype=np.float64, order="C")
    # Classes first: NumPy goes along a short last axis several times more slowly.
    z -= z.max(axis=0)
    z -= np.log(np.exp(z).sum(axis=0))
    return np.ascontiguousarray(np.moveaxis(z, 0, -1))


def softmax_logits(logits: Array) -> Array:
    """Return softmax logits, float64: one unit z (N, 1) as (0, z), C units unchanged."""
    z = np.asarray(logits, dtype=np.float64)
    if z.shape[-1] > 1:
        return z
    return np.concatenate([np.zeros_like(z), z], axis=-1)


def log_proba(logits: Array, log_shift: Array | None = None) -> Array:
    """Return log p, float64 (N, C), without the training shift (C,) if there is one.

    It is the log softmax of z_c - log_shift_c.

    For one unit this is sigmoid(z - (log_shift_1 - log_shift_0)).

    Example:
        >>> p = np.exp(log_proba(np.array([[0.0]]), np.array([-np.log(3), np.log(3)]) / 2))
        >>> np.round(p, 6)
        array([[0.75, 0.25]])
    """
    z = softmax_logits(logits)
    return log_softmax(z if log_shift is None else z - log_shift)


def log_loss(log_p: Array, y: Array, weights: Array | None = None) -> float:
    """Return the mean of -log p of the true class, in nats.

    `log_p` is (N, C), `y` class codes (N,), and `weights` (N,) or None.

    Probabilities below `SMALLEST` count as `SMALLEST`.
    """
    picked = np.maximum(log_p[np.arange(len(y)), y], np.log(SMALLEST))
    return float(-np.average(picked, weights=weights))
