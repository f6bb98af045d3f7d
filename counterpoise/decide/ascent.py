"""Offsets of many classes by coordinate ascent; a step costs only the rows that it moves.

When the offset of class c grows past d_i, row i goes from the best other class to c, and nothing else changes. So a
score that is made of sums over the classes follows from d, sorted, and from two sums per row.

`offsets` calls `ascend`. Of equal scores the first class wins, as in the decisions of `rule.choose_class`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray


#: Positions tried per coordinate. Up to this many rows the search is exact.
POSITIONS = 2048


class Objective(NamedTuple):
    """A score of decisions that is made of sums over the classes.

    Attributes:
        terms: (true positives, times decided, class codes), all (K,), to what each class adds to the sums, (K, P).
        value: Sums (..., P) to the score (...).
        classes: C.
    """

    terms: Callable[[Array, Array, Array], Array]
    value: Callable[[Array], Array]
    classes: int

    def compute(self, tp: Array, decided: Array) -> float:
        """Compute the score from the true positives and decisions of each class, (C,) each."""
        return float(self.value(self.terms(tp, decided, np.arange(len(tp))).sum(axis=0)))


def tally(decision: Array, labels: Array, w: Array, n_classes: int) -> tuple[Array, Array]:
    """Return the weight of true positives and of decisions for each class, (C,) each."""
    right = decision == labels
    tp = np.bincount(labels[right], weights=w[right], minlength=n_classes)
    return tp, np.bincount(decision, weights=w, minlength=n_classes)


def score_of_offsets(lp: Array, labels: Array, w: Array, b: Array, score: Objective) -> float:
    """Compute the score of the decisions argmax_c (lp + b); lp is (N, C), b is (C,)."""
    return score.compute(*tally(np.argmax(lp + b, axis=1), labels, w, lp.shape[1]))


def ascend(lp: Array, labels: Array, w: Array, b: Array, score: Objective, sweeps: int) -> Array:
    """Set one offset after the other to its best value, until a pass improves nothing.

    Args:
        lp: float (N, C), log-probabilities. labels: int (N,), class codes. w: float (N,), weights of rows.
        b: float (C,), offsets to start from; they are not changed. score: What is maximized.
        sweeps: Passes over the classes at most.

    Returns:
        The offsets, float (C,).
    """
    b, best, leaders = b.copy(), score_of_offsets(lp, labels, w, b, score), Leaders(lp + b)
    for _ in range(sweeps):
        before = best
        for c in np.unique(labels):
            rival = leaders.without(c)
            offset = best_offset(leaders.scores[np.arange(len(lp)), rival] - lp[:, c], rival, labels, w, b[c], c, score)
            decision = leaders.with_column(c, rival, lp[:, c] + offset)
            now = score.compute(*tally(decision, labels, w, lp.shape[1]))
            if now > best + 1e-9:
                b[c], best = offset, now
                leaders.set(c, lp[:, c] + offset)
        if best <= before + 1e-6:
            break
    return b


class Leaders:
    """The two largest scores of each row, kept while columns change; of equal ones the first counts as larger.

    Attributes:
        scores: float64 (N, C). first, second: int (N,), the columns of the two.
    """

    def __init__(self, scores: Array) -> None:
        """Find the two leaders of each row of `scores`, float64 (N, C)."""
        self.scores = scores  # not a copy: `set` changes it
        self.first, self.second = np.zeros((2, len(scores)), np.int64)
        self._find_leaders(np.arange(len(scores)))

    def _find_leaders(self, rows: Array) -> None:
        """Set `first` and `second` of these rows from all of their scores."""
        some, index = self.scores[rows], np.arange(len(rows))  # a copy, so that it may be changed below
        self.first[rows] = np.argmax(some, axis=1)
        some[index, self.first[rows]] = -np.inf
        self.second[rows] = np.argmax(some, axis=1)

    def without(self, c: int) -> Array:
        """Return the column of the largest score of each row, int (N,), without column c."""
        return np.where(self.first == c, self.second, self.first)

    def with_column(self, c: int, rival: Array, values: Array) -> Array:
        """Return the column of the largest score of each row if column c had these values.

        `rival` is the result of `without(c)`.
        """
        other = self.scores[np.arange(len(rival)), rival]
        return np.where((values > other) | ((values == other) & (c < rival)), c, rival)

    def set(self, c: int, values: Array) -> None:
        """Give column c these values (N,), and update the two leaders of each row."""
        self.scores[:, c] = values
        rows = np.arange(len(values))
        # Rows whose two leaders are other columns: c may only pass them. The rest is searched again.
        known = (self.first != c) & (self.second != c)
        ahead = [
            self._outranks(c, values, self.scores[rows, leader], leader) & known for leader in (self.first, self.second)
        ]
        self.second = np.where(ahead[0], self.first, np.where(ahead[1], c, self.second))
        self.first = np.where(ahead[0], c, self.first)
        self._find_leaders(np.flatnonzero(~known))

    def _outranks(self, c: int, values: Array, others: Array, columns: Array) -> Array:
        """Return whether c (scores `values`) comes before `columns` (scores `others`), (N,)."""
        return (values > others) | ((values == others) & (c < columns))


def best_offset(d: Array, rival: Array, labels: Array, w: Array, now: float, c: int, score: Objective) -> float:
    """Return the best b_c with the other offsets fixed; among equal ones the nearest to what it is `now`.

    Args:
        d: float (N,), the b_c from which on row i is decided for c instead of for its best other class.
        rival: int (N,), this best other class. labels: int (N,), class codes. w: float (N,), weights of rows.
        now: The present b_c. c: The class. score: What is maximized.
    """
    order = np.argsort(d, kind="stable")
    up = np.clip(d[order], -700.0, 700.0)
    cuts = _distinct(up)
    if len(cuts) > POSITIONS:
        cuts = _distinct(_quantiles(up, POSITIONS))
    passed = np.r_[0, np.searchsorted(up, cuts, side="right")]
    values = score.value(_sums_along(rival[order], labels[order], w[order], c, score)[passed])
    offsets = np.concatenate([[cuts[0] - 1.0], (cuts[:-1] + cuts[1:]) / 2.0, [cuts[-1] + 1.0]])
    good = np.flatnonzero(values >= values.max() - 1e-12)
    return float(offsets[good[np.argmin(np.abs(offsets[good] - now))]])


def _distinct(ordered: Array) -> Array:
    """Return sorted numbers without repeats."""
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]]


def _quantiles(ordered: Array, count: int) -> Array:
    """Return `count` quantiles, evenly from 0 to 1, of sorted numbers.

    They equal the quantiles of `numpy.quantile` (a test compares both), which would sort again in each call.
    """
    at = np.linspace(0.0, 1.0, count) * (len(ordered) - 1)
    low = at.astype(np.int64)
    a, b, share = ordered[low], ordered[np.minimum(low + 1, len(ordered) - 1)], at - low
    return np.where(share >= 0.5, b - (b - a) * (1.0 - share), a + (b - a) * share)


def _sums_along(rival: Array, labels: Array, w: Array, c: int, score: Objective) -> Array:
    """Return the sums (N + 1, P) after 0, 1, ..., N rows went from their rival to class c.

    The rows go in the given order. `rival` and `labels` are int (N,), `w` float (N,).
    """
    group = np.argsort(rival.astype(np.min_scalar_type(int(rival.max()))), kind="stable")  # small numbers sort faster
    # Rows of one rival are now neighbors. `left` is what the rival keeps after each row: its weight, and what is right.
    of, first = rival[group], np.r_[True, np.diff(rival[group]) != 0]
    # Weights of the rows, and of those rows whose rival is their class.
    own, right = w[group], w[group] * (rival == labels)[group]
    left = [total - lost for total, lost in (_run_sums(own, first), _run_sums(right, first))]
    after = score.terms(left[1], left[0], of)
    # Before the first row of a rival goes, the rival has all of its rows.
    whole = [_run_sums(weights, first)[0] for weights in (own, right)]
    start = score.terms(whole[1], whole[0], of)
    before = np.concatenate([after[:1], after[:-1]])
    before[first] = start[first]
    # What each row changes in the sums of its rival, in the original order of the rows.
    step = np.empty_like(after)
    step[group] = after - before
    # Classes that are neither c nor a rival are decided for no row, and stay so.
    absent = np.setdiff1d(np.arange(score.classes), np.r_[of, c])
    others = start[first].sum(axis=0) + score.terms(np.zeros(len(absent)), np.zeros(len(absent)), absent).sum(axis=0)
    mine = score.terms(np.r_[0.0, np.cumsum(w * (labels == c))], np.r_[0.0, np.cumsum(w)], np.full(len(w) + 1, c))
    return mine + others + np.concatenate([np.zeros((1, step.shape[1])), np.cumsum(step, axis=0)])


def _run_sums(values: Array, first: Array) -> tuple[Array, Array]:
    """Return the sum of each run of neighbors, and the running sum within it, (N,) each.

    `first` is bool (N,), true at the start of a run. At the end of a run both are equal, without a rounding error.
    """
    running = np.cumsum(values)
    starts = np.flatnonzero(first)
    sizes = np.diff(np.r_[starts, len(values)])
    before = np.repeat(np.r_[0.0, running][starts], sizes)
    return np.repeat(running[starts + sizes - 1], sizes) - before, running - before
