"""Does one column alone give the label away? (numpy only)

Numbers are ranked as they are. Numbers and levels are also cut into at most 256 bins whose class
shares, measured on one half of the rows, score the other half: that finds a label hidden in a code,
in a range, or in where values are missing, and single-row levels gain nothing by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.seeds import generator

#: Rows looked at per class: AUROC does not depend on the share of the classes. Of wide tables fewer, so that a class
#: holds at most so many values.
MOST_ROWS, FEWEST_ROWS, MOST_VALUES = 20_000, 2_000, 2_000_000
#: Classes with fewer rows are not judged: a real feature separates a handful of rows by luck.
LEAST_ROWS = 10
BINS = 256
#: A column whose AUROC alone is above this may be the label in disguise.
LEAK_AUROC = 0.99


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties count one half.

    Args:
        score: (N,) numbers without NaN. positive: bool (N,).

    Returns:
        A number in [0, 1]; 0.5 when one of the two kinds is absent.

    Example:
        >>> auroc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
        0.875
    """
    n1 = int(positive.sum())
    n0 = len(positive) - n1
    if not n1 or not n0:
        return 0.5
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    return float((mean_rank[place[positive]].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def single_column_scores(x: Mapping[str, np.ndarray], y: np.ndarray, n_classes: int) -> dict[tuple[str, int], float]:
    """AUROC of each column of a table alone, as the least over the classes (one against the rest).

    Args:
        x: The parts "numeric" (float, NaN = missing) and "categorical" (ids, 0 = missing) of `Examples.x`.
        y: Class codes (N,).
        n_classes: Number of classes.

    Returns:
        (part, position in the part) -> AUROC in [0.5, 1].
    """
    width = sum(values.shape[1] for values in x.values())
    rows = _rows(y, n_classes, max(FEWEST_ROWS, min(MOST_ROWS, MOST_VALUES // max(width, 1))))
    labels = y[rows]
    half = generator(0, "leak").permutation(len(rows)) % 2 == 0
    judged = np.flatnonzero(np.bincount(labels, minlength=n_classes) >= LEAST_ROWS)
    scores: dict[tuple[str, int], float] = {}
    if len(judged) < 2:
        return scores
    targets = [int(judged[-1])] if n_classes == 2 else [int(c) for c in judged]
    for part, values in x.items():
        for j in range(values.shape[1]):
            column = values[rows, j]
            scores[part, j] = _column_score(column, labels, targets, half)
    return scores


def _rows(y: np.ndarray, n_classes: int, most: int) -> np.ndarray:
    """At most so many rows of each class, drawn with a fixed seed."""
    chosen: list[Any] = []
    for code in range(n_classes):
        rows = np.flatnonzero(y == code)
        if len(rows) > most:
            rows = generator(0, "leak rows", code).choice(rows, most, replace=False)
        chosen.append(rows)
    return np.sort(np.concatenate(chosen))


def _column_score(column: np.ndarray, y: np.ndarray, targets: list[int], half: np.ndarray) -> float:
    bins = _bins(column)
    worst = 1.0
    for code in targets:
        positive = y == code
        best = _binned_auroc(bins, positive, half)
        if column.dtype.kind == "f" and len(targets) == 1 and not np.isnan(column).any():
            plain = auroc(column, positive)
            best = max(best, plain, 1 - plain)
        worst = min(worst, best)
    return max(worst, 0.5)


def _bins(column: np.ndarray) -> np.ndarray:
    """Bin numbers from 0: ids as they are, numbers by quantile, missing in a bin of its own."""
    if column.dtype.kind != "f":
        return column.astype(np.int64)
    known = column[~np.isnan(column)]
    values = np.unique(known)
    if len(values) > BINS:
        values = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:]))
    return np.where(np.isnan(column), 0, 1 + np.searchsorted(values, np.nan_to_num(column)))


def _binned_auroc(bins: np.ndarray, positive: np.ndarray, half: np.ndarray) -> float:
    """Mean over the two halves of the AUROC of class shares learned on the other half."""
    size = int(bins.max()) + 1 if len(bins) else 1
    areas = []
    for learn, judge in ((half, ~half), (~half, half)):
        count = np.bincount(bins[learn], minlength=size)
        hits = np.bincount(bins[learn], weights=positive[learn], minlength=size)
        prior = positive[learn].mean() if learn.any() else 0.0
        share = (hits + prior) / (count + 1.0)
        areas.append(auroc(share[bins[judge]], positive[judge]))
    return float(np.mean(areas))
