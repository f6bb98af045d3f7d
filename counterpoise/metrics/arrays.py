"""Checks of the arguments of scores: labels, probabilities and weights become codes, float64 arrays, or errors.

Scores that users call check with these functions; what they call takes the checked arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import DataError, ModelError, OptionError
from counterpoise.core.masked import unmasked

Array = np.ndarray

#: Probabilities are kept this far from 0 and 1 where a logarithm is taken (scikit-learn's convention for float64).
EPS = float(np.finfo(np.float64).eps)


def codes(y: Any, n_classes: int, name: str = "y") -> Array:
    """Return class codes as int64 (N,), each in 0 ... n_classes - 1.

    Raises:
        DataError: Wrong rank, no rows, or a code outside the range.
    """
    y = np.asarray(unmasked(y))
    if y.ndim != 1 or len(y) == 0:
        raise DataError(f"{name} has shape {y.shape}. Expected one class code per row, (N,) with N of at least 1.")
    if y.dtype.kind not in "iub" and not np.array_equal(y, np.floor(y)):
        raise DataError(f"{name} has dtype {y.dtype} and fractions. Expected integer class codes.")
    y = y.astype(np.int64)
    if y.min() < 0 or y.max() >= n_classes:
        raise DataError(f"{name} contains codes {y.min()} to {y.max()}. Expected 0 to {n_classes - 1}.")
    return y


def probabilities(proba: Any, rows: int, name: str = "proba") -> Array:
    """Return probabilities as float64 (N, C), clipped to [0, 1] against rounding.

    Raises:
        DataError: Wrong shape.
        ModelError: Values that are not finite (a network that diverged).
        OptionError: Values outside [0, 1] by more than rounding: these are logits.
    """
    p = np.asarray(unmasked(proba), dtype=np.float64)
    if p.ndim != 2 or p.shape[0] != rows or p.shape[1] < 2:
        raise DataError(f"{name} has shape {p.shape}. Expected ({rows}, number of classes).")
    if not np.isfinite(p).all():
        bad = int((~np.isfinite(p)).any(axis=1).sum())
        raise ModelError(
            f"{name}: {bad} of {rows} rows contain NaN or infinite values. Training may have diverged. "
            f"Lower the learning rate."
        )
    if p.size and (p.min() < -1e-4 or p.max() > 1 + 1e-4):
        raise OptionError(
            f"{name} spans {p.min():.4g} to {p.max():.4g}. Expected probabilities in [0, 1]. "
            "Apply a sigmoid or softmax to logits first."
        )
    return p.clip(0.0, 1.0)


def checked_rows(y: Any, proba: Any, sample_weight: Any = None, positive: int = 0) -> tuple[Array, Array, Array]:
    """Return checked labels int64 (N,), probabilities float64 (N, C) and weights float64 (N,) of the same rows.

    Raises:
        OptionError: `positive` is not a class code; else as the checks of the single arrays.
    """
    p = probabilities(proba, len(np.asarray(y)))
    if not 0 <= positive < p.shape[1]:
        raise OptionError(f"positive={positive}. Expected a class code from 0 to {p.shape[1] - 1}.")
    return codes(y, p.shape[1]), p, row_weights(sample_weight, len(p))


def one_class(y: Any, proba: Any, sample_weight: Any, positive: int) -> tuple[Array, Array, Array]:
    """Return (target bool (N,), score float64 (N,), weight float64 (N,)) of one class against the rest."""
    y, p, w = checked_rows(y, proba, sample_weight, positive)
    return y == positive, p[:, positive], w


def mean_over_known(table: Array) -> Any:
    """Return the mean (B,) of each row of `table` (B, K) without its nan entries.

    It is nan if a row has no other entry. Infinite entries do not count either.

    Example:
        >>> mean_over_known(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])).tolist()
        [2.0, nan]
    """
    known = np.isfinite(table)
    count = known.sum(axis=1)
    return np.divide(np.where(known, table, 0.0).sum(axis=1), count, np.full(len(table), np.nan), where=count > 0)
