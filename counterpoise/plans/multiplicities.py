"""Multiplicities: how often a row of each class counts in one epoch.

A multiplicity m_c >= 0 is the one idea behind resampling and weighting: oversampling is m > 1,
undersampling m < 1, a class weight a fractional m. Functions here map class counts n_c (rows, or sums of
the user's sample weights) to m_c. `class_plans` draws or weighs rows by them, and `schemes` weighs elements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError, TargetError, did_you_mean

Array = np.ndarray


def oversampled(counts: Array, ratio: float = 1.0) -> Array:
    """Return multiplicities that raise each class to `ratio` times the largest: m_c = max(1, ratio max(n) / n_c).

    Args:
        counts: (C,) rows per class, all above 0.
        ratio: Wanted size of the smaller classes over the largest, in (0, 1].

    Example:
        >>> oversampled(np.array([90, 10]))
        array([1., 9.])
    """
    _check_ratio(ratio)
    return np.maximum(1.0, ratio * counts.max() / counts)


def undersampled(counts: Array, ratio: float = 1.0) -> Array:
    """Return multiplicities that cut each class to the smallest over `ratio`: m_c = min(1, min(n) / (ratio n_c)).

    Example:
        >>> undersampled(np.array([90, 10]), ratio=0.5)
        array([0.22222222, 1.        ])
    """
    _check_ratio(ratio)
    return np.minimum(1.0, counts.min() / (ratio * counts))


def balanced(counts: Array) -> Array:
    """Return inverse frequencies, m_c = n / (C n_c), "balanced" in scikit-learn.

    Example:
        >>> balanced(np.array([90, 10]))
        array([0.55555556, 5.        ])
    """
    return counts.sum() / (len(counts) * counts)


def powered(counts: Array, exponent: float = 0.5) -> Array:
    """Return multiplicities that balance partly: m_c proportional to n_c ** -exponent; 0 = not, 1 = fully.

    Scaled so that the mean over rows, sum_c n_c m_c / n, is 1.

    Example:
        >>> np.round(powered(np.array([90, 10]), 0.0), 6)
        array([1., 1.])
    """
    return _scaled_to_mean_one(counts, (counts / counts.max()) ** -check_range(exponent, "exponent"))


def effective_number(counts: Array, beta: float = 0.999) -> Array:
    """Return class-balanced weights, m_c proportional to (1 - beta) / (1 - beta ** n_c).

    beta 0 gives equal weights, beta towards 1 gives inverse frequency.
    Source: Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples".
    """
    if not 0 <= beta < 1:
        raise OptionError(f"beta is {beta}. Use a number from 0 to below 1, for example 0.999.")
    # expm1 keeps the difference when beta ** n_c is near 1.
    effective = -np.expm1(counts * np.log(beta)) if beta > 0 else np.ones(len(counts))
    return _scaled_to_mean_one(counts, (1 - beta) / effective)


def to_prior(counts: Array, prior: Array) -> Array:
    """Return multiplicities that make the class shares equal to `prior`, mean 1 over rows.

    `counts` and `prior` are (C,); the shares must be above 0 and sum to 1.

    Raises:
        OptionError: `prior` does not have this form.
    """
    shares = np.asarray(prior, dtype=float)
    if shares.shape != counts.shape or np.any(shares <= 0) or not np.isclose(shares.sum(), 1):
        raise OptionError(
            f"prior is {np.array2string(shares, precision=4)}. Expected one share above 0 for each of the "
            f"{len(counts)} classes. The shares must sum to 1."
        )
    return shares * counts.sum() / counts


def cost(counts: Array, matrix: Array) -> Array:
    """Return multiplicities from costs: m_c proportional to the cost of missing class c.

    Args:
        counts: (C,) rows per class.
        matrix: (C, C), entry [i, j] is the cost of deciding j when the truth is i; or (C,), the cost of
            getting class i wrong.

    Source: Elkan 2001, "The Foundations of Cost-Sensitive Learning" (two classes, exact);
    Ting 2002 for the row sums with more classes (a heuristic there).
    """
    costs = np.asarray(matrix, dtype=float)
    if costs.shape not in [(len(counts),), (len(counts), len(counts))]:
        raise OptionError(
            f"costs= has shape {costs.shape}. Pass one cost per class, ({len(counts)},), or a cost matrix, "
            f"({len(counts)}, {len(counts)})."
        )
    row = costs if costs.ndim == 1 else costs.sum(axis=1) - np.diag(costs)
    if np.any(row <= 0) or not np.all(np.isfinite(row)):
        raise OptionError(f"The costs per class are {row}. Expected a finite cost above 0 per class.")
    return _scaled_to_mean_one(counts, row)


def by_label(counts: Array, classes: Sequence[Any], wanted: Mapping[Any, float]) -> Array:
    """Return multiplicities that are given by label in the order of `classes`, float64 (C,).

    Labels are compared as text, so "1" names the class 1.

    Raises:
        TargetError: `wanted` names a class that does not exist.
        OptionError: A class has no finite multiplicity above 0.
    """
    known = {str(label): code for code, label in enumerate(classes)}
    result = np.zeros(len(counts))
    for label, value in wanted.items():
        if str(label) not in known:
            raise TargetError(f"There is no class {label!r}.{did_you_mean(label, known)}")
        result[known[str(label)]] = value
    missing = [str(label) for code, label in enumerate(classes) if not 0 < result[code] < np.inf]
    if missing:
        raise OptionError(
            f"Class {missing[0]!r} has no finite weight above 0. Pass a weight for each of: {', '.join(known)}."
        )
    return result


def _check_ratio(ratio: float) -> None:
    """Raise an OptionError unless the ratio is above 0 and at most 1."""
    if not 0 < ratio <= 1:
        raise OptionError(f"ratio is {ratio}. Use a number above 0 and at most 1 (1 makes all classes equal).")


def _scaled_to_mean_one(counts: Array, weights: Array) -> Array:
    """Return weights (C,) of classes, scaled to mean 1 over all rows."""
    return weights * counts.sum() / np.dot(counts, weights)
