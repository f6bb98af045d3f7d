"""`Evidence`: the fold scores that the judge decides by, with their means, differences and intervals.

`judge` decides; this file only computes. `significance` has the tests, `metrics.intervals` the formulas of intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.comparison.costs import COST
from counterpoise.comparison.significance import Difference, correlated_t, from_draws
from counterpoise.comparison.verdict import Interval
from counterpoise.metrics.catalog import METRICS
from counterpoise.metrics.decision_scores import share_weights
from counterpoise.metrics.intervals import (
    corrected_error,
    f1_interval,
    fold_interval,
    interval_in_range,
    percentile,
    pooled_f1,
    precision_interval,
    t_quantile,
)

Array = np.ndarray
Scores = Mapping[str, Mapping[str, Any]]
Counts = Mapping[str, Mapping[str, Any]]

#: Half-width of the region of practical equivalence (rope): smaller differences do not matter in practice. For log loss
#: and Brier score, whose size follows the share of the rare class, it is a share of the score of the reference.
ROPE = 0.01
#: Confidence of the intervals.
LEVEL = 0.95
#: Scores that are those of the pooled counts of all folds, if there are counts of two classes.
POOLED = ("f1", "precision")


@dataclass(frozen=True)
class Evidence:
    """The judge's input, checked.

    Attributes:
        scores: strategy -> metric -> float64 (J,), repeat after repeat.
        folds: K.
        ratio: Test rows / training rows.
        simplicity: Strategies, simplest first.
        reference: The strategy that others are compared with.
        draws: Paired bootstrap draws that replace the t-tests, or None.
        counts: strategy -> suffix of the decision keys -> float64 (J, C, C), or empty.
        least_cost: The least possible cost of a decision, where the range of the cost per case begins.
    """

    scores: dict[str, dict[str, Array]]
    folds: int
    ratio: float
    simplicity: tuple[str, ...]
    reference: str
    draws: Scores | None
    counts: Counts
    least_cost: float = -math.inf

    def fold_values(self, strategy: str, metric: str) -> Array:
        """Return one value per fold, float64 (J,), whose mean is the score of a strategy: the scores of the folds.

        F1 and precision of pooled counts are ratios R of two sums over the folds, sum n / sum d. Their values are
        linearized, R + (n - R d) / mean d, so that ranks and differences are those of the scores that are shown.
        """
        values = self.scores[strategy].get(metric, np.empty(0))
        base, suffix = _base_and_suffix(metric)
        matrices = self.counts.get(strategy, {}).get(suffix)
        if not _is_pooled(base, matrices):
            return values
        m = np.asarray(matrices, dtype=np.float64)
        tp, fp, fn = m[:, 1, 1], m[:, 0, 1], m[:, 1, 0]
        top, bottom = (2 * tp, 2 * tp + fp + fn) if base == "f1" else (tp, tp + fp)
        if not bottom.sum() > 0 or not (tp + fn).sum() > 0:
            return values
        ratio = top.sum() / bottom.sum()
        return np.asarray(ratio + (top - ratio * bottom) / bottom.mean())

    def mean(self, strategy: str, metric: str) -> float:
        """Return the mean of a score over the folds where it is defined; nan if it is defined in none."""
        values = self.fold_values(strategy, metric)
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else float("nan")

    def rope_of(self, metric: str) -> float:
        """Return the rope in the unit of the metric: `ROPE`, or `ROPE` times the score of the reference."""
        return ROPE * abs(self.mean(self.reference, metric)) if METRICS[metric].relative else ROPE

    def difference(self, metric: str, a: str, b: str, view: Callable[[Any], Any]) -> Difference:
        """Return score of a minus score of b, both after `view`, with interval and tests.

        With bootstrap draws of both, they come from the draws; otherwise from a correlated t-test of the fold scores.
        `view` maps scores, float or float64 (J,), elementwise. The interval stays within the range of the metric.
        """
        span = METRICS[metric].high - METRICS[metric].low
        rope, of_a, of_b = self.rope_of(metric), self.draws_of(a, metric), self.draws_of(b, metric)
        if of_a is None or of_b is None:
            pair = view(self.fold_values(a, metric)) - view(self.fold_values(b, metric))
            return correlated_t(pair, self.ratio, rope, LEVEL).limited_to(span)
        mean = view(self.mean(a, metric)) - view(self.mean(b, metric))
        return from_draws(view(of_a) - view(of_b), mean, rope, LEVEL).limited_to(span)

    def draws_of(self, strategy: str, metric: str) -> Array | None:
        """Return the bootstrap draws of one score, float64 (B,), or None if there are none."""
        draws = (self.draws or {}).get(strategy, {}).get(metric)
        return None if draws is None else np.asarray(draws, dtype=np.float64)

    def better_by(self, metric: str, a: str, b: str) -> Difference:
        """Return how much better a is than b. A positive number is better for every metric."""
        return self.difference(metric, a, b, METRICS[metric].goodness)


def score_interval(evidence: Evidence, strategy: str, key: str) -> Interval:
    """Return mean, interval and fold scores of one score (metric `key`) of a strategy.

    F1 and precision come from pooled confusion counts, if there are any. Other scores take bootstrap draws, if there
    are any, except a share of exactly 0 or 1. Everything else takes the spread over the folds.
    """
    values, metric = evidence.scores[strategy][key], METRICS[key]
    mean, folds = evidence.mean(strategy, key), tuple(values.tolist())
    base, suffix = _base_and_suffix(key)
    matrices = evidence.counts.get(strategy, {}).get(suffix)
    if _is_pooled(base, matrices):
        return _pooled_interval(evidence, base, values, np.asarray(matrices, dtype=np.float64))
    trials = None
    if matrices is not None and mean in (0.0, 1.0):
        trials = _rows_of_share(_counts_per_repeat(evidence, values, matrices), base)
    draws = evidence.draws_of(strategy, key)
    if draws is not None and not trials:  # a bootstrap has no width at 0 and 1
        low, high = percentile(draws, LEVEL)
        return Interval(mean, min(low, mean), max(high, mean), folds)  # a skewed bootstrap may leave its center out
    lowest = evidence.least_cost if key == COST else metric.low
    ends = fold_interval(values, evidence.ratio, low=lowest, high=metric.high, level=LEVEL, trials=trials)
    return Interval(mean, ends[0], ends[1], folds)


def _base_and_suffix(key: str) -> tuple[str, str]:
    """Return a metric key split into the score and the decision that it is of (see `tally.DECISION_SUFFIXES`).

    "recall_default" becomes ("recall", "_default"); the suffix of a strategy's own decisions is "".
    """
    suffix = next((s for s in ("_default", "_uncorrected") if key.endswith(s)), "")
    return key.removesuffix(suffix), suffix


def _is_pooled(base: str, matrices: Any) -> bool:
    """Return whether a score is that of pooled counts, which `matrices` (J, C, C) or None contain."""
    return base in POOLED and matrices is not None and np.shape(matrices)[1:] == (2, 2)


def _rows_of_share(counts: Array, base: str) -> int | None:
    """Return how many rows a score is a share of, from counts (C, C); None if it is no share.

    Of a mean over classes it is the number of rows with the same variance (Kish).
    """
    each = share_weights(counts).get(base)
    square = 0.0 if each is None else float((counts * each**2).sum())
    return None if each is None or square <= 0 else round(float((counts * each).sum()) ** 2 / square)


def _counts_per_repeat(evidence: Evidence, values: Array, matrices: Any) -> Array:
    """Return the confusion counts of one pass over the rows, float64 (C, C), [true, decided].

    `matrices` (J, C, C) are summed over the folds and divided by the repeats, which judge the same rows again.
    """
    return np.asarray(matrices, dtype=np.float64).sum(axis=0) / max(1, len(values) // evidence.folds)


def _pooled_interval(evidence: Evidence, base: str, values: Array, matrices: Array) -> Interval:
    """Return F1 or precision of pooled counts, with an interval that covers that of the counts and that of the folds.

    `base` is "f1" or "precision". `values` are the scores of the folds, float64 (J,); `matrices` are (J, 2, 2), [true,
    decided]. Fewer than two finite scores have no spread, so that the interval of the counts stays.
    """
    counts = _counts_per_repeat(evidence, values, matrices)
    tp, fp, fn = float(counts[1, 1]), float(counts[0, 1]), float(counts[1, 0])
    if base == "f1":
        mean, ends = pooled_f1(tp, fp, fn), f1_interval(tp, fp, fn, LEVEL)
    else:
        mean = tp / (tp + fp) if tp + fp > 0 else 0.0
        ends = precision_interval(tp, fp, LEVEL)
    finite = int(np.isfinite(values).sum())
    if finite > 1:
        half = t_quantile(finite - 1, LEVEL) * corrected_error(values, evidence.ratio)
        spread = interval_in_range(mean, half, 0.0, 1.0)
        ends = min(ends[0], spread[0]), max(ends[1], spread[1])
    return Interval(mean, ends[0], ends[1], tuple(values.tolist()))
