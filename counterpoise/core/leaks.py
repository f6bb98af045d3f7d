"""Checks whether one column alone predicts the label (NumPy only).

Reading (`data/reading_notes.py`) and the diagnosis (`diagnosis/measure.py`) both warn of such columns, so the check is
in `core`.

Numbers are ranked as they are. Numbers and levels are also cut into at most 256 bins whose class
shares, measured on one half of the rows, score the other half: that finds a label hidden in a code,
in a range, or in where values are missing, and single-row levels gain nothing by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.digest import digest
from counterpoise.core.seeds import generator
from counterpoise.core.threads import map_in_threads
from counterpoise.core.ties import ties

#: Rows read per class: ROC AUC does not depend on the share of the classes. Of wide tables fewer, so that a class
#: holds at most so many values.
MOST_ROWS, FEWEST_ROWS, MOST_VALUES = 20_000, 2_000, 2_000_000
#: Classes with fewer rows are not judged: a real feature separates a handful of rows by luck.
LEAST_ROWS = 10
#: Most bins of a column of numbers.
BINS = 256
#: Counts that are in memory at a time.
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
        (key of x, number of the column) -> ROC AUC in [0.5, 1]. Empty if fewer than two classes have `LEAST_ROWS` rows.
    """
    rows = _draw_rows(y, n_classes, _most_rows(x))
    judged = np.flatnonzero(np.bincount(y[rows], minlength=n_classes) >= LEAST_ROWS)
    if len(judged) < 2:
        return {}
    targets = judged[-1:] if n_classes == 2 else judged
    areas_of = _column_areas(x, rows, y[rows][:, None] == targets, one_event=n_classes == 2)
    return {column: max(0.5, float(each.min())) for column, each in areas_of.items()}


def leak_scores(
    x: Mapping[str, np.ndarray], y: np.ndarray, classes: Sequence[Any]
) -> list[tuple[str, dict[tuple[str, int], float]]]:
    """Return (name, scores) pairs: one of the target, or with y (N, L) one of each label.

    A label is scored on the rows where it is not missing. The scores are those of `single_column_scores`. Those of the
    last call are kept, because reading the data and the diagnosis ask for the same scores.
    """
    key = digest((x, y, [repr(label) for label in classes]))
    each = _last_scores.get(key)
    if each is None:
        each = _label_scores(x, y, classes) if y.ndim > 1 else [single_column_scores(x, y, len(classes))]
        _last_scores.clear()
        _last_scores[key] = each  # not read again here: another thread may replace it
    names = ["the target"] if y.ndim == 1 else [f"the label {name!r}" for name in classes]
    return [(name, dict(scores)) for name, scores in zip(names, each, strict=True)]


#: Key of rows -> their scores; one entry at most.
_last_scores: dict[str, list[dict[tuple[str, int], float]]] = {}


def _label_scores(
    x: Mapping[str, np.ndarray], y: np.ndarray, classes: Sequence[Any]
) -> list[dict[tuple[str, int], float]]:
    """Return the scores of the columns for each label; y is (N, L), -1 for missing.

    A label is scored on the rows where it is not missing. A label with fewer than `LEAST_ROWS` rows of either kind gets
    an empty dict. Labels with the same rows are judged together, so that the columns are ranked once.
    """
    scores: list[dict[tuple[str, int], float]] = [{} for _ in classes]
    alike: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for label, column in enumerate(y.T):
        rows = _draw_rows(column, 2, _most_rows(x))
        if np.bincount(column[rows], minlength=2).min() >= LEAST_ROWS:
            alike.setdefault(rows.tobytes(), (rows, []))[1].append(label)
    for rows, labels in alike.values():
        for name, each in _column_areas(x, rows, y[rows][:, labels] == 1, one_event=True).items():
            for label, area in zip(labels, each, strict=True):
                scores[label][name] = max(0.5, float(area))
    return scores


def _most_rows(x: Mapping[str, np.ndarray]) -> int:
    """Return how many rows of a class are read at most: fewer in wide tables."""
    width = sum(values.shape[1] for values in x.values())
    return max(FEWEST_ROWS, min(MOST_ROWS, MOST_VALUES // max(width, 1)))


def _draw_rows(y: np.ndarray, n_classes: int, most: int) -> np.ndarray:
    """Return sorted numbers of at most `most` rows of each class.

    They are drawn with a fixed seed, so that equal data give equal warnings. Rows with a code below 0 are left out.
    """
    chosen: list[Any] = []
    for code in range(n_classes):
        rows = np.flatnonzero(y == code)
        if len(rows) > most:
            rows = generator(0, "leak rows", code).choice(rows, most, replace=False)
        chosen.append(rows)
    return np.sort(np.concatenate(chosen))


def _column_areas(
    x: Mapping[str, np.ndarray], rows: np.ndarray, hit: np.ndarray, one_event: bool
) -> dict[tuple[str, int], np.ndarray]:
    """Return (key of x, number of the column) -> the ROC AUC of the column alone for each event, float64 (T,).

    Args:
        x: As in `single_column_scores`. rows: Which rows are read, (n,).
        hit: bool (n, T), whether an event is true of the row.
        one_event: Whether each event divides the rows into two classes. Then columns of floats without missing values
            are also ranked by their values, and the higher ROC AUC counts.
    """
    half = generator(0, "leak").permutation(len(rows)) % 2 == 0  # bool (n,), a random half of the rows
    areas_of = {}
    for group, values in x.items():
        step = max(1, CELLS // ((BINS + 1) * (hit.shape[1] + 1)))
        for start in range(0, values.shape[1], step):
            block = values[rows, start : start + step]
            best = _binned_areas(np.stack(map_in_threads(_bin_of_each_row, block.T), axis=1), hit, half)
            if one_event and block.dtype.kind == "f":
                whole = np.flatnonzero(~np.isnan(block).any(axis=0))
                best[whole] = np.maximum(best[whole], _ranked_areas(block[:, whole].T, hit))
            areas_of.update({(group, start + j): each for j, each in enumerate(best)})
    return areas_of


def _ranked_areas(score: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Return the ROC AUC, float64 (K, T), of scores (K, n) for each event of `hit`, bool (n, T).

    It is computed from rank sums (Mann and Whitney). Values below 0.5 are mirrored, because the direction is free.
    """
    order = np.argsort(score, axis=1)
    start, end = ties(np.take_along_axis(score, order, axis=1))
    ranks = np.empty(score.shape)
    np.put_along_axis(ranks, order, (start + end + 2) / 2.0, axis=1)
    positive = hit.sum(axis=0)
    pairs = positive * (len(hit) - positive)
    above = ranks @ hit.astype(np.float64) - positive * (positive + 1) / 2.0
    area = np.where(pairs > 0, above / np.where(pairs > 0, pairs, 1), 0.5)
    return np.maximum(area, 1.0 - area)


def _bin_of_each_row(column: np.ndarray) -> np.ndarray:
    """Return the bin of each row, int (n,), from 0.

    Each id has a bin of its own. Floats have at most `BINS` bins by quantile, above bin 0. Missing floats (NaN) are in
    bin 0.
    """
    if column.dtype.kind != "f":
        return np.unique(column, return_inverse=True)[1].reshape(-1)
    known = column[~np.isnan(column)]
    values = np.unique(known)
    if len(values) > BINS:
        values = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:]))
    return np.where(np.isnan(column), 0, 1 + np.searchsorted(values, np.nan_to_num(column)))


def _binned_areas(bins: np.ndarray, hit: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return the ROC AUC, float64 (K, T), of K binned columns for T events, computed in chunks.

    Args:
        bins: int (n, K). hit: bool (n, T). half: bool (n,), which half of the rows each row is in.
    """
    size, columns = int(bins.max()) + 1, bins.shape[1]
    step = max(1, CELLS // (size * columns))
    chunks = [hit[:, i : i + step] for i in range(0, hit.shape[1], step)]
    return np.concatenate([_cross_scored_areas(bins, size, chunk, half) for chunk in chunks], axis=1)


def _cross_scored_areas(bins: np.ndarray, size: int, hit: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return the ROC AUC, float64 (K, T), the mean over the two halves of the rows.

    Each half is scored by the shares of the events in the bins of the other half.
    `size` is the number of bins of a column. The other arguments are those of `_binned_areas`.
    """
    columns, events = bins.shape[1], hit.shape[1]
    cell = np.arange(columns) * size + bins

    def bin_counts(rows: np.ndarray) -> np.ndarray:
        return np.bincount(cell[rows].ravel(), minlength=columns * size).reshape(columns, size)

    count = [(np.stack([bin_counts(side & event) for event in hit.T]), bin_counts(side)) for side in (half, ~half)]
    scores = []
    for (hits, total), (positive, judged) in (count, count[::-1]):
        # Every column has all rows, so the first one gives the share of each event.
        prior = hits[:, 0].sum(axis=1) / max(int(total[0].sum()), 1)
        share = (hits + prior[:, None, None]) / (total + 1.0)
        scores.append(
            roc_areas(*(each.reshape(-1, size) for each in (share, 1.0 * positive, 1.0 * (judged - positive))))
        )
    return np.mean(scores, axis=0).reshape(events, columns).T


def roc_areas(score: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Return the ROC AUC of each row of scores (R, B), each with a count of positives and of negatives (R, B).

    ROC AUC is P(score of a positive > score of a negative), ties count one half; 0.5 when one of the two is absent.

    Example:
        >>> roc_areas(np.array([[0.1, 0.4, 0.9]]), np.array([[0.0, 1.0, 1.0]]), np.array([[1.0, 1.0, 0.0]])).tolist()
        [0.875]
    """
    order = np.argsort(score, axis=1)
    s, pos, neg = (np.take_along_axis(values, order, axis=1) for values in (score, positive, negative))
    start, end = ties(s)
    below = np.concatenate([np.zeros((len(s), 1)), np.cumsum(neg, axis=1)], axis=1)
    beaten = np.take_along_axis(below, start, axis=1) + np.take_along_axis(below, end + 1, axis=1)
    pairs = pos.sum(axis=1) * neg.sum(axis=1)
    return np.where(pairs > 0, (pos * beaten).sum(axis=1) / 2 / np.where(pairs > 0, pairs, 1.0), 0.5)
