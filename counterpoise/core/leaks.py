"""Whether one column alone gives the label away (NumPy only).

Numbers are ranked as they are. Numbers and levels are also cut into at most 256 bins whose class
shares, measured on one half of the rows, score the other half: that finds a label hidden in a code,
in a range, or in where values are missing, and single-row levels gain nothing by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.seeds import generator

#: Rows read per class: ROC AUC does not depend on the share of the classes. Of wide tables fewer, so that a class
#: holds at most so many values.
MOST_ROWS, FEWEST_ROWS, MOST_VALUES = 20_000, 2_000, 2_000_000
#: Classes with fewer rows are not judged: a real feature separates a handful of rows by luck.
LEAST_ROWS = 10
BINS = 256
#: Counts that are held at a time.
CELLS = 2_000_000
#: A column whose ROC AUC alone is above this may be the label in disguise.
LEAK_ROC_AUC = 0.99


def single_column_scores(x: Mapping[str, np.ndarray], y: np.ndarray, n_classes: int) -> dict[tuple[str, int], float]:
    """Measure the ROC AUC of each column alone, the lowest over the classes (one against the rest).

    Args:
        x: "numeric" (float, NaN = missing) and "categorical" (ids, 0 = missing) of `Examples.x`.
        y: Class codes (N,).
        n_classes: Number of classes.

    Returns:
        (key of x, number of the column) -> ROC AUC in [0.5, 1].
    """
    width = sum(values.shape[1] for values in x.values())
    rows = _rows(y, n_classes, max(FEWEST_ROWS, min(MOST_ROWS, MOST_VALUES // max(width, 1))))
    labels = y[rows]
    half = generator(0, "leak").permutation(len(rows)) % 2 == 0
    judged = np.flatnonzero(np.bincount(labels, minlength=n_classes) >= LEAST_ROWS)
    scores: dict[tuple[str, int], float] = {}
    if len(judged) < 2:
        return scores
    targets = judged[-1:] if n_classes == 2 else judged
    for group, values in x.items():
        step = max(1, CELLS // ((BINS + 1) * (len(targets) + 1)))
        for start in range(0, values.shape[1], step):
            block = values[rows, start : start + step]
            for j, score in enumerate(_block_scores(block, labels, targets, half), start):
                scores[group, j] = float(score)
    return scores


def leak_scores(
    x: Mapping[str, np.ndarray], y: np.ndarray, classes: Sequence[Any]
) -> list[tuple[str, dict[tuple[str, int], float]]]:
    """`single_column_scores` of the target, or of each label (y (N, L)) where it is known, and what to call it."""
    if y.ndim == 1:
        return [("the target", single_column_scores(x, y, len(classes)))]
    scores = []
    for name, column in zip(classes, y.T, strict=True):
        rows = np.flatnonzero(column >= 0)
        known = {group: values[rows] for group, values in x.items()}
        scores.append((f"the label {name!r}", single_column_scores(known, column[rows], 2)))
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


def _block_scores(columns: np.ndarray, y: np.ndarray, targets: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Score of each column (K,)."""
    bins = [_bins(column) for column in columns.T]
    best = _binned_areas(np.stack(bins, axis=1), y, targets, half)
    if len(targets) == 1 and columns.dtype.kind == "f":
        whole = np.flatnonzero(~np.isnan(columns).any(axis=0))
        hit = np.broadcast_to((y == targets[0]).astype(np.float64), (len(whole), len(y)))
        plain = areas(columns[:, whole].T, hit, 1.0 - hit)
        best[whole, 0] = np.maximum(best[whole, 0], np.maximum(plain, 1 - plain))
    return np.maximum(best.min(axis=1), 0.5)


def _bins(column: np.ndarray) -> np.ndarray:
    """Bin numbers from 0: ids as they are, numbers by quantile, missing in a bin of its own."""
    if column.dtype.kind != "f":
        return np.unique(column, return_inverse=True)[1].reshape(-1)
    known = column[~np.isnan(column)]
    values = np.unique(known)
    if len(values) > BINS:
        values = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:]))
    return np.where(np.isnan(column), 0, 1 + np.searchsorted(values, np.nan_to_num(column)))


def _binned_areas(bins: np.ndarray, y: np.ndarray, targets: np.ndarray, half: np.ndarray) -> np.ndarray:
    """(K, T): mean over the two halves of the ROC AUC of class shares learned on the other half."""
    size, columns = int(bins.max()) + 1, bins.shape[1]
    step = max(1, CELLS // (size * columns))
    chunks = [targets[i : i + step] for i in range(0, len(targets), step)]
    return np.concatenate([_areas_of(bins, size, y, chunk, half) for chunk in chunks], axis=1)


def _areas_of(bins: np.ndarray, size: int, y: np.ndarray, targets: np.ndarray, half: np.ndarray) -> np.ndarray:
    """ROC AUC (columns, classes): each half of the rows is scored by the class shares of the other half's bins."""
    kinds = len(targets) + 1
    kind_of = np.full(int(max(y.max(), targets.max())) + 1, len(targets))
    kind_of[targets] = np.arange(len(targets))
    cell = (np.arange(bins.shape[1]) * size + bins) * kinds + kind_of[y][:, None]
    count = [
        np.bincount(cell[side].ravel(), minlength=bins.shape[1] * size * kinds).reshape(-1, size, kinds)
        for side in (half, ~half)
    ]
    scores = []
    for learned, judged in (count, count[::-1]):
        hits, total = learned[..., :-1], learned.sum(axis=2, keepdims=True)
        prior = hits[0].sum(axis=0) / max(int(total[0].sum()), 1)
        share = (hits + prior) / (total + 1.0)
        positive = judged[..., :-1].astype(np.float64)
        rest = judged.sum(axis=2, keepdims=True) - positive
        rows = [values.transpose(0, 2, 1).reshape(-1, size) for values in (share, positive, rest)]
        scores.append(areas(*rows))
    return np.mean(scores, axis=0).reshape(bins.shape[1], len(targets))


def areas(score: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Return the ROC AUC of each row of scores (R, B), each with a count of positives and of negatives (R, B).

    ROC AUC is P(score of a positive > score of a negative), ties count one half; 0.5 when one of the two is absent.

    Example:
        >>> areas(np.array([[0.1, 0.4, 0.9]]), np.array([[0.0, 1.0, 1.0]]), np.array([[1.0, 1.0, 0.0]])).tolist()
        [0.875]
    """
    order = np.argsort(score, axis=1)
    s, pos, neg = (np.take_along_axis(values, order, axis=1) for values in (score, positive, negative))
    at = np.arange(score.shape[1])
    fresh = np.concatenate([np.ones((len(s), 1), bool), s[:, 1:] != s[:, :-1]], axis=1)
    start = np.maximum.accumulate(np.where(fresh, at, 0), axis=1)  # of the ties that a score is among
    last = np.concatenate([fresh[:, 1:], np.ones((len(s), 1), bool)], axis=1)
    end = np.minimum.accumulate(np.where(last, at, score.shape[1])[:, ::-1], axis=1)[:, ::-1]
    below = np.concatenate([np.zeros((len(s), 1)), np.cumsum(neg, axis=1)], axis=1)
    beaten = np.take_along_axis(below, start, axis=1) + np.take_along_axis(below, end + 1, axis=1)
    pairs = pos.sum(axis=1) * neg.sum(axis=1)
    return np.where(pairs > 0, (pos * beaten).sum(axis=1) / 2 / np.where(pairs > 0, pairs, 1.0), 0.5)
