"""Checks of the public functions of `decide`: each array gets one dtype and one shape, or raises an error.

Only public functions check. What they call takes the checked arrays: class scores `lp` float64 (N, C) without NaN,
`labels` int64 (N,), weights `w` float64 (N,).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.masked import unmasked
from counterpoise.core.per_class import in_class_order

Array = np.ndarray


def matrix(values: Array, name: str) -> Array:
    """Return `values` as float64 (N, units); a vector (N,) becomes one column."""
    out = np.asarray(unmasked(values), dtype=np.float64)
    if out.ndim == 1:
        out = out[:, None]
    if out.ndim != 2 or out.shape[1] == 0:
        raise OptionError(f"{name} has shape {np.shape(values)}. Expected (rows, units).")
    return out


def class_scores(values: Array, name: str = "log_p") -> Array:
    """Return `values` as float64 (N, C) with C >= 2 and no NaN."""
    out = matrix(values, name)
    if out.shape[1] < 2:
        raise OptionError(f"{name} has {out.shape[1]} column. Expected one column per class, 2 or more.")
    bad = np.flatnonzero(np.isnan(out).any(axis=1))
    if len(bad):
        raise OptionError(
            f"{name} has NaN in {len(bad)} rows (first: row {bad[0] + 1}). Leave out members that failed."
        )
    return out


def members(log_p_members: Sequence[Array]) -> list[Array]:
    """Return the members' log-probabilities, float64 (N, C) each, after checking that they fit together."""
    if len(log_p_members) == 0:
        raise OptionError("No members were passed. Pass at least one array of shape (rows, classes).")
    out = [class_scores(m, f"member {i}") for i, m in enumerate(log_p_members)]
    shapes = [m.shape for m in out]
    if len(set(shapes)) > 1:
        raise OptionError(f"The members have different shapes: {shapes}. Give arrays of one shape, (rows, classes).")
    return out


def codes(y: Array, rows: int, n_classes: int) -> Array:
    """Return class codes as int64 (rows,) in 0 .. n_classes - 1."""
    out = np.asarray(unmasked(y))
    if out.shape != (rows,):
        raise TargetError(f"y has shape {out.shape}. Expected ({rows},), one class code per row of scores.")
    whole = out.astype(np.int64)
    if np.any(whole != out) or np.any(whole < 0) or np.any(whole >= n_classes):
        raise TargetError(
            f"y must contain class codes 0 .. {n_classes - 1}, but has values from {out.min()} to {out.max()}."
        )
    return whole


def simplex(weights: Array | None, count: int) -> Array:
    """Return `count` weights that are not negative and sum to 1; None means equal weights."""
    if weights is None:
        return member_shares(None, count)
    out = np.asarray(weights, dtype=np.float64)
    if out.shape != (count,):
        raise OptionError(f"There are {out.size} weights for {count} members. Give one weight per member.")
    if not np.all(np.isfinite(out)) or np.any(out < 0) or out.sum() <= 0:
        raise OptionError(f"Member weights must be finite, not negative, and not all zero. They are {out.tolist()}.")
    return member_shares(out, count)


def member_shares(weights: Array | None, count: int) -> Array:
    """Return checked weights divided by their sum; None means `count` equal ones."""
    return np.full(count, 1.0 / count) if weights is None else weights / weights.sum()


def class_prior(prior: Array | float, n_classes: int, name: str = "prior") -> Array:
    """Return class shares float64 (C,) that sum to 1; one number means the share of the positive class.

    Example:
        >>> class_prior(0.25, 2).tolist()
        [0.75, 0.25]
    """
    out = np.asarray(in_class_order(prior, name, range(n_classes)), dtype=np.float64)
    if out.ndim == 0 and n_classes == 2:
        out = np.array([1.0 - out, out])
    if out.shape != (n_classes,):
        raise OptionError(f"{name} has shape {out.shape}. Expected one share per class ({n_classes}).")
    if not np.all(np.isfinite(out)) or np.any(out <= 0):
        raise OptionError(f"{name} is {out.tolist()}. Give every class a share above 0.")
    if not np.isclose(out.sum(), 1.0, atol=1e-3):
        raise OptionError(f"{name} sums to {out.sum():g}. Expected 1.")
    return out / out.sum()
