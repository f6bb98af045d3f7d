"""Costs of decisions row by row, and precision of the first rows of a ranking: scores for a limited budget."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def matrix_costs(y: Array, decision: Array, costs: Array) -> Array:
    """Return the cost of each row, float64 (N,), from a matrix (C, C) [true, decided].

    Example:
        >>> matrix_costs(np.array([0, 1]), np.array([1, 0]), np.array([[0.0, 1.0], [20.0, 0.0]])).tolist()
        [1.0, 20.0]
    """
    return np.asarray(costs, dtype=np.float64)[y, decision]


def amount_costs(y: Array, decision: Array, amount: Array, cost_fp: float) -> Array:
    """Return the cost of each row: its `amount` for a missed case, or `cost_fp`.

    `cost_fp` is the cost of a false positive. The result is float64 (N,), 0 for a correct decision.

    Example:
        >>> amount_costs(np.array([0, 1, 1]), np.array([1, 0, 1]), np.array([5.0, 80.0, 9.0]), 2.0).tolist()
        [2.0, 80.0, 0.0]
    """
    return np.where(y == 1, amount * (decision == 0), cost_fp * (decision == 1))


def largest_share(costs: Array) -> float:
    """Return the cost of the most expensive row as a share of all positive costs; nan without positive costs.

    Example:
        >>> largest_share(np.array([1.0, 3.0, -2.0]))
        0.75
    """
    paid = np.maximum(costs, 0.0)
    return float(paid.max() / paid.sum()) if paid.any() else float("nan")


def precision_among_first(y: Array, score: Array, first: float, weight: Array) -> float:
    """Return the share of positives among the `first` rows of highest score.

    If only some rows with equal scores are among them, each of these rows counts as a fraction. This is the mean
    over all orders of these rows.

    Args:
        y: int (N,), 0 or 1. score: float (N,). first: Number of rows, as a sum of weights. weight: float (N,).

    Example:
        >>> precision_among_first(np.array([0, 1, 1, 0]), np.array([0.9, 0.8, 0.8, 0.1]), 2, np.ones(4))
        0.5
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    rows, hits = (np.cumsum(amount[order])[last] for amount in (weight, weight * y))
    taken = min(float(first), float(rows[-1]))
    return float(np.interp(taken, np.append(0.0, rows), np.append(0.0, hits)) / taken)
