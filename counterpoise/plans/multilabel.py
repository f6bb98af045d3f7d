"""Plans that draw or weigh rows with several labels: a row counts for all its labels, so none is balanced alone.

`label_plan` has the weights of single labels in a row instead. Each plan reports the shares of labels before and after,
in `label_shares`. The shift of one label depends on the other
labels, so the probabilities need a calibrator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.labels import read_labels, zeros_and_ones
from counterpoise.plans import rows as draws
from counterpoise.plans.class_plans import Plan, oversample
from counterpoise.plans.labels import user_weights

Array = np.ndarray

#: More distinct sets of labels than this are too many to balance set by set.
MOST_SETS = 256


@dataclass(frozen=True)
class MultiLabelPlan(Plan):
    """A plan over rows with several labels, in which all rows are one class.

    Attributes:
        labels: uint8 (n, L).
        inner: The plan over sets of labels that draws, or None.
        clones: int64 (L,), extra rows of each label in an epoch, or None.
        row_weights: float64 (n,), mean 1, or None.

    Example:
        >>> plan = weigh_labels([[0, 0]] * 12 + [[1, 0]] * 6 + [[0, 1]] * 2, target=0.25)
        >>> [share.round(2).tolist() for share in plan.label_shares]
        [[0.3, 0.1], [0.3, 0.25]]
    """

    labels: Array | None = None
    inner: Plan | None = None
    clones: Array | None = None
    row_weights: Array | None = None

    @property
    def label_shares(self) -> tuple[Array, Array]:
        """The share of rows with each label, before and after the plan; rows count by the user's weights.

        Float64 (L,) each. The second is for an average epoch.
        """
        assert self.labels is not None
        times = self.expected_times()
        if self.sample_weight is None:
            return self.labels.mean(axis=0), times @ self.labels / times.sum()
        before, after = self.sample_weight, times * self.sample_weight
        return before @ self.labels / before.sum(), after @ self.labels / after.sum()

    def expected_times(self) -> Array:
        """Return how often each row counts in an average epoch, float64 (n,)."""
        assert self.labels is not None
        if self.row_weights is not None:
            return self.row_weights
        if self.inner is not None:
            return (self.inner.drawn / self.inner.counts)[self.inner.codes]
        assert self.clones is not None
        return 1.0 + self.labels @ (self.clones / np.maximum(1, self.labels.sum(axis=0)))

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the row numbers of an epoch: those of `inner`, or every row and the clones, shuffled."""
        assert self.labels is not None
        if self.inner is not None:
            return self.inner.rows(number, seed)
        kind = draws.index_type(len(self.labels))
        drawn = [np.arange(len(self.labels), dtype=kind)]
        for label, size in enumerate(self.clones if self.clones is not None else ()):
            extra = np.empty(int(size), kind)
            members = np.flatnonzero(self.labels[:, label])
            if size:
                draws.repeat_into(extra, members, number, seed, f"label {label}")
            drawn.append(extra)
        out = np.concatenate(drawn)
        seeds.generator(seed, "order", number).shuffle(out)
        return out

    def _weights_of(self, rows: Any) -> Array:
        """Return the loss weight of some rows, float32."""
        return self._row_weights[rows]

    @cached_property
    def _row_weights(self) -> Array:
        """Loss weights of the rows, float32 (n,), with mean 1 over an average epoch."""
        raw = np.ones(len(self.codes)) if self.row_weights is None else self.row_weights
        if self.sample_weight is not None:
            raw = raw * self.sample_weight
        times = self.expected_times() if self.row_weights is None else np.ones(len(raw))
        return (raw * times.sum() / np.dot(times, raw)).astype(np.float32)


def label_sets(y: Any, ratio: float = 1.0, *, sample_weight: Any = None) -> MultiLabelPlan:
    """Balance sets of labels as if each set were a class ("label power set"), for few labels.

    Args:
        y: (n, L) zeros and ones.
        ratio: Wanted size of the rarer sets divided by the size of the most frequent set, in (0, 1].
        sample_weight: Your own weights (n,).

    Raises:
        TargetError: `y` contains values other than 0 and 1, or missing values.
        OptionError: There are more than 256 distinct sets. Use `clone_labels` or `weigh_labels`.

    Example:
        >>> y = [[0, 0]] * 6 + [[1, 0]] * 3 + [[1, 1]]
        >>> before, after = label_sets(y).label_shares
        >>> before.round(2).tolist(), after.round(2).tolist()
        ([0.4, 0.1], [0.67, 0.33])
    """
    labels = _binary_labels(y)
    sets, codes = np.unique(labels, axis=0, return_inverse=True)
    if len(sets) > MOST_SETS:
        raise OptionError(
            f"The rows have {len(sets):,} different combinations of labels. Expected at most {MOST_SETS} for "
            "label_sets(). Use clone_labels() or weigh_labels()."
        )
    inner = oversample(codes.reshape(-1), ratio)
    return _one_class_plan("label_sets", labels, len(inner), sample_weight, inner=inner)


def clone_labels(y: Any, share: float = 0.25, *, sample_weight: Any = None) -> MultiLabelPlan:
    """Repeat rows of the rare labels until an epoch has grown by a share (ML-ROS).

    The imbalance of a label is the number of rows of the most frequent label divided by its own number of rows. A label
    is rare as long as its imbalance is above the mean over the labels. Rare labels take turns. The repeated rows are
    drawn again in each epoch, so other labels of these rows are counted by their average.

    Args:
        y: (n, L) zeros and ones.
        share: Number of extra rows divided by n, above 0.
        sample_weight: Your own weights (n,).

    Example:
        >>> plan = clone_labels([[1, 0]] * 9 + [[1, 1]], share=0.5)
        >>> plan.clones.tolist(), len(plan.rows())
        ([0, 5], 15)

    Source: Charte et al. 2015, "Addressing imbalance in multilabel classification".
    """
    labels = _binary_labels(y)
    extra = round(check_range(share, "share", 0.0, 100.0, bounds="(]") * len(labels))
    clones = _choose_clones(labels, extra)
    return _one_class_plan("clone_labels", labels, len(labels) + int(clones.sum()), sample_weight, clones=clones)


def weigh_labels(
    y: Any, target: Any = 0.1, *, most: float = 20.0, rounds: int = 100, sample_weight: Any = None
) -> MultiLabelPlan:
    """Weight rows so that each label has a wanted share.

    The weights come from iterative proportional fitting.

    For each label in turn, the weights of rows with and without the label are scaled until its weighted share fits.
    This is repeated until the shares of all labels fit. No weight exceeds `most` times the smallest weight. If labels
    often occur together, not every set of shares can be reached: `label_shares` reports the shares that were reached.

    Args:
        y: (n, L) zeros and ones.
        target: Share to which every rarer label is raised, or wanted shares (L,), each above 0 and below 1.
        most: Largest weight divided by the smallest weight, 1 or more.
        rounds: Maximum number of rounds through the labels.
        sample_weight: Your own weights (n,). The shares are those of the weighted rows.

    Source: Deming and Stephan 1940 (iterative proportional fitting).

    Example:
        >>> y = [[0, 0]] * 12 + [[1, 0]] * 6 + [[0, 1]] * 2
        >>> weigh_labels(y, target=0.25).label_shares[1].round(3).tolist()
        [0.3, 0.25]
    """
    labels = _binary_labels(y)
    user = user_weights(sample_weight, len(labels))
    before = np.average(labels, axis=0, weights=user)
    counted = labels if user is None else labels[user > 0]
    # Of the rows themselves: a weighted share of 1 may be rounded to less.
    if (constants := np.flatnonzero((counted == counted[0]).all(axis=0))).size:
        constant = int(constants[0])
        raise TargetError(
            f"Label {constant} has the same value in all rows, so weights cannot change how frequent it is. Leave "
            "this label out."
        )
    wanted = np.maximum(before, target) if np.ndim(target) == 0 else np.asarray(target, dtype=float)
    if wanted.shape != before.shape or not np.all((wanted > 0) & (wanted < 1)):
        raise OptionError(
            f"target is {target!r:.80}. Expected one share for all labels, or {len(before)} shares (one per label), "
            "above 0 and below 1."
        )
    check_int(rounds, "rounds")
    weights = _fit_row_weights(labels.astype(bool), wanted, check_range(most, "most", 1.0), rounds, user)
    return _one_class_plan("weigh_labels", labels, len(labels), sample_weight, row_weights=weights)


def _one_class_plan(name: str, labels: Array, size: int, sample_weight: Any, **how: Any) -> MultiLabelPlan:
    """Return a plan whose only class has all rows, of which `size` are drawn per epoch."""
    n = len(labels)
    return MultiLabelPlan(
        name, np.zeros(n, np.int32), ("all rows",), np.array([size], np.int64), np.ones(1),
        sample_weight=user_weights(sample_weight, n), needs_calibration=True, labels=labels, **how,
    )  # fmt: skip


def _binary_labels(y: Any) -> Array:
    """Return labels of any library as uint8 (n, L).

    Raises:
        TargetError: They are not a table of zeros and ones.
    """
    table = read_labels(y)
    labels = zeros_and_ones(table) if table.codes.ndim == 2 and len(table) else None
    if labels is None:
        raise TargetError(
            f"y has shape {table.codes.shape} and contains {', '.join(map(repr, table.classes[:5]))}. Expected an "
            "array of zeros and ones, with one row per example and one column per label."
        )
    return labels.astype(np.uint8)


def _choose_clones(labels: Array, extra: int) -> Array:
    """Return how many extra rows each label gets, int64 (L,), at most `extra` in all.

    Rare labels take turns, until no label is rare or all rows are given out.
    """
    counts = labels.sum(axis=0).astype(float)
    present = counts > 0
    # Row l: what a repeated row with label l adds to each label on average.
    together = (labels.T.astype(float) @ labels) / np.maximum(counts, 1.0)[:, None]
    clones = np.zeros(len(counts), np.int64)
    step = max(1, extra // 1000)  # turns of several rows, so that large sets are as quick as small ones
    while extra > 0:
        imbalance = np.where(present, counts.max() / np.maximum(counts, 1.0), 0.0)
        rare = np.flatnonzero(imbalance > imbalance[present].mean())
        if not len(rare):
            break
        for label in rare:
            size = min(step, extra)
            clones[label] += size
            counts += size * together[label]
            extra -= size
    return clones


def _fit_row_weights(has: Array, wanted: Array, most: float, rounds: int, user: Array | None = None) -> Array:
    """Return row weights, float64 (n,) with mean 1, fitted to the wanted shares of the labels.

    `has` is bool (n, L), `wanted` float (L,). Rows count by the weights `user` (n,). See `weigh_labels`; limits of the
    weights may prevent the shares.
    """
    weights = np.ones(len(has))
    mass = np.ones(len(has)) if user is None else user
    for _ in range(rounds):
        for label, share in enumerate(wanted):
            positive = (mass * weights)[has[:, label]].sum()
            negative = (mass * weights).sum() - positive
            odds = share * negative / ((1 - share) * positive)
            weights[has[:, label]] *= odds
        middle = np.exp(np.average(np.log(weights), weights=user))
        weights = np.clip(weights / middle, most**-0.5, most**0.5)
        seen = mass * weights
        if np.allclose(seen @ has / seen.sum(), wanted, rtol=1e-4):
            break
    return weights / np.average(weights, weights=user)
