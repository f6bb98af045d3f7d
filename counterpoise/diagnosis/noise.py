"""Labels that look wrong, by confident learning (Northcutt, Jiang and Chuang 2021) on out-of-fold scores.

Used for the quick model of a diagnosis, and for the images that a report of a comparison shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

#: Rows that are named.
MOST_NAMED = 20


@dataclass(frozen=True)
class Suspicion:
    """Labels that a quick model contradicts with confidence. A hard row can look like a wrong label: an upper figure.

    Attributes:
        share: Estimated share of all rows looked at whose label is wrong.
        leaving: Share of the rows labeled with the class of interest that look like another class.
        joining: Number of other rows, per row of interest, that look like the class of interest.
        rows: Indices (from 0) of the most suspicious rows, the worst first.
    """

    share: float
    leaving: float
    joining: float
    rows: tuple[int, ...]


def confident_joint(y: Array, proba: Array) -> Array:
    """Estimate the joint distribution of given and true labels, float64 (C, C), sum 1.

    The first axis is the given label, the second the true one.

    A row counts as truly j when its probability of j reaches the mean probability of j among the rows labeled j
    (of several such j the most probable). Counts are scaled so that each given label keeps its share.

    Example:
        >>> proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9]])
        >>> confident_joint(np.array([0, 0, 0, 1, 1]), proba).round(2).tolist()
        [[0.4, 0.2], [0.0, 0.4]]
    """
    size = proba.shape[1]
    truth = confident_truth(y, proba)
    known = truth >= 0
    counts = np.bincount(y[known] * size + truth[known], minlength=size * size).reshape(size, size).astype(float)
    given = np.bincount(y, minlength=size)
    # A label of which no row looks like any class with confidence is taken as right.
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = 1.0
    return counts / counts.sum(axis=1, keepdims=True) * (given / given.sum())[:, None]


def confident_truth(y: Array, proba: Array) -> Array:
    """Return the class that each row confidently looks like, int64 (N,), or -1 for none.

    A row looks like j if its probability of j, `proba` float (N, C), reaches the mean among the rows labeled j.
    """
    size = proba.shape[1]
    level = np.array([proba[y == j, j].mean() if (y == j).any() else np.inf for j in range(size)])
    able = np.where(proba >= level - 1e-12, proba, -1.0)  # the margin absorbs rounding of the mean
    return np.where(able.max(axis=1) >= 0, able.argmax(axis=1), -1)


def suspicion(y: Array, proba: Array, rows: Array, code: int) -> Suspicion:
    """Sum up the confident joint around one class and name the suspicious rows.

    Args:
        y: int (N,), given labels. proba: float (N, C), scores by a model that had not seen the row.
        rows: int (N,), what the rows are called. code: The class of interest.
    """
    joint = confident_joint(y, proba)
    truth = confident_truth(y, proba)
    wrong = np.flatnonzero((truth >= 0) & (truth != y))
    margin = proba[wrong, truth[wrong]] - proba[wrong, y[wrong]]
    worst = wrong[np.argsort(-margin, kind="stable")[:MOST_NAMED]]
    given = joint[code].sum()
    return Suspicion(
        share=float(1 - np.trace(joint)),
        leaving=float(1 - joint[code, code] / given),
        joining=float((joint[:, code].sum() - joint[code, code]) / given),
        rows=tuple(int(r) for r in rows[worst]),
    )
