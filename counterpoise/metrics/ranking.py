"""Average precision and area under the ROC curve of many classes at once, each against the rest.

The rows are sorted by each class's probability once; every weighting of the rows (a resample) is then a few
sums along it, whatever the number of classes. `rank_scores` is what other files call.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from counterpoise.core.ties import ties

Array = np.ndarray

#: Numbers that are sorted at a time.
CELLS = 2_000_000


class Ranking:
    """Rows in the order of the probability of some classes, prepared for weightings of the rows.

    Args:
        y: int (N,), class codes. score: float (N, K), a column for each class of `classes`. classes: int (K,).
    """

    def __init__(self, y: Array, score: Array, classes: Array) -> None:
        """Sort the rows by each class, and find ties and the rows of each class."""
        down = -score.T
        self.order = np.argsort(down, axis=1).astype(np.int32)
        ordered = np.take_along_axis(down, self.order, axis=1)
        start, end = ties(ordered)
        #: Of each row of a class, by class and then by score: its class, its row, and the ties that it is among.
        self.of, at = np.nonzero(y[self.order] == classes[:, None])
        self.row = self.order[self.of, at]
        self.start, self.end = start[self.of, at], end[self.of, at]
        # `first` and `final`: the first and last entry of the class that tie with an entry. `before`: the first entry
        # of its class.
        number = np.arange(len(at))
        first = np.r_[True, (np.diff(self.of) != 0) | (np.diff(self.start) != 0)][: len(at)]
        self.first = np.maximum.accumulate(np.where(first, number, 0))
        final = np.r_[first[1:], True][: len(at)]
        self.final = np.minimum.accumulate(np.where(final, number, len(at))[::-1])[::-1]
        self.before = np.searchsorted(self.of, np.arange(len(classes)))[self.of]

    def scores(self, weight: Array) -> tuple[Array, Array]:
        """Return average precision and ROC AUC of each class, float64 (K,) each, for weights (N,) of the rows.

        They are nan for a class without weight, ROC AUC also if no other class has weight.
        """
        size = len(self.order)
        passed = np.cumsum(weight[self.order], axis=1)
        all_to = passed[self.of, self.end]
        all_before = np.where(self.start > 0, passed[self.of, self.start - 1], 0.0)
        own = weight[self.row]
        running = np.r_[0.0, np.cumsum(own)]
        own_to = running[self.final + 1] - running[self.before]
        own_before = running[self.first] - running[self.before]
        positive = np.bincount(self.of, weights=own, minlength=size)
        precision = own_to / np.where(all_to > 0, all_to, 1.0)
        beaten_by = (all_before - own_before + all_to - own_to) / 2.0  # rest above, and half of those that tie
        pairs = positive * (weight.sum() - positive)
        with np.errstate(invalid="ignore", divide="ignore"):
            ap = np.bincount(self.of, weights=own * precision, minlength=size) / positive
            auc = 1.0 - np.bincount(self.of, weights=own * beaten_by, minlength=size) / pairs
        return np.where(positive > 0, np.minimum(ap, 1.0), np.nan), np.where(pairs > 0, auc, np.nan)


def rankings(y: Array, proba: Array) -> Iterator[Ranking]:
    """Yield the rankings of all classes that occur in `y`, a block of classes at a time."""
    present = np.unique(y)
    step = max(1, CELLS // max(len(y), 1))
    for i in range(0, len(present), step):
        yield Ranking(y, proba[:, present[i : i + step]], present[i : i + step])


def mean_scores(orders: Iterator[Ranking] | list[Ranking], weight: Array) -> tuple[float, float]:
    """Return mean average precision and area under the ROC curve over the classes that have weight.

    Example:
        >>> y, p = np.array([0, 1, 2]), np.array([[0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.5, 0.3, 0.2]])
        >>> mean_scores(rankings(y, p), np.ones(3))
        (0.7777777777777778, 0.75)
    """
    ap, auc = (np.concatenate(blocks) for blocks in zip(*(one.scores(weight) for one in orders), strict=True))
    counted = ~np.isnan(ap)
    return float(np.mean(ap[counted])), float(np.mean(auc[counted]))
