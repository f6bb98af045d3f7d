"""Scores by group of rows with intervals, and differences with simultaneous intervals.

Every score is a ratio of two sums over rows. Its standard error comes from the influence of each unit (a row, or a
patient with several) on that ratio. Its interval is Wilson's, with the number of rows that this error is worth: for
unweighted rows without groups Wilson's interval itself. A difference joins two intervals (Newcombe, Statistics in
Medicine 17, 1998; with correlation: Zou, Psychological Methods 12, 2007), those of Jeffreys: at the larger critical
value of simultaneous intervals, Wilson's are too wide where a few cases of many rows count.

The intervals of the differences of one score are simultaneous: their critical value is the quantile of the largest
absolute deviation in a multiplier bootstrap of the units (max-T). With Gaussian multipliers the bootstrap is the normal
distribution with the correlations of the differences, and is drawn as such, at the same cost for any number of rows.

`cp.evaluate(by=)` and the audit of a comparison report these scores. `share_with_interval` serves `review_scores`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse, stats

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import DataError
from counterpoise.core.seeds import generator
from counterpoise.metrics.calibration_scores import debiased_calibration_error
from counterpoise.metrics.intervals import NAN

Array = np.ndarray
Ends = tuple[Array, Array]

#: Key -> what it is. Of a value with n rows; those of `COMPARED` are compared between values.
GROUP_SCORES = {
    "share": "share of all rows",
    "prevalence": "share of positive rows (observed)",
    "mean_probability": "mean predicted probability",
    "calibration_gap": "mean predicted less observed",
    "alert_rate": "share of rows that get an alert",
    "recall": "share of positive rows that get an alert",
    "precision": "share of the alerts that are correct",
    "false_positive_rate": "share of negative rows that get an alert",
}
COMPARED = ("prevalence", "calibration_gap", "alert_rate", "recall", "precision", "false_positive_rate")
#: Draws of the largest deviation. Another number changes all intervals of differences.
DRAWS = 20_000


class Score(NamedTuple):
    """A score of G groups.

    `value` (G,), nan where undefined; `covariance` (G, G); `most` (G,), rows it is worth; `varies` (G,), whether it is
    of two units or more, because one patient tells nothing about the spread between patients.
    """

    value: Array
    covariance: Array
    most: Array
    varies: Any = True

    @property
    def variance(self) -> Array:
        """Squared standard error of the score of each group, (G,)."""
        return np.diag(self.covariance)

    @property
    def per_row(self) -> Array:
        """Return 1 / the number of rows that each score's variance is worth, (G,).

        It is 0 for a score inside (0, 1) without variance. It is 1 / `most` for an undefined score, and for 0 or 1
        without variance.
        """
        r, spread = self.value, self.value * (1 - self.value)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = np.where(self.variance > 0, self.variance / spread, np.where(spread > 0, 0.0, NAN))
            return np.where(np.isnan(inverse) | ~np.isfinite(r), 1 / self.most, inverse)


@dataclass(frozen=True)
class Rows:
    """The value and the unit of each row.

    Attributes:
        value: int (N,), code of the row's value. values: G.
        weight: float64 (N,).
        unit: int (N,), code of the row's unit. alone: Whether every row is a unit of its own.
    """

    value: Array
    values: int
    weight: Array
    unit: Array
    alone: bool

    @property
    def degrees(self) -> float:
        """Return the degrees of freedom of a standard error; infinite if every row is a unit.

        They are the units of the value with the fewest, minus 1. Values of one unit, which have no standard error, do
        not count.
        """
        if self.alone:
            return np.inf
        units = self.units(np.ones(len(self.value)))
        several = units[units > 1]
        return float(several.min() - 1) if len(several) else 1.0

    def units(self, amount: Array) -> Array:
        """Return the number of units of each value that have rows with an amount (N,) above 0, int (G,)."""
        counted = amount > 0
        pairs = np.unique(self.unit[counted] * self.values + self.value[counted])
        return np.bincount(pairs % self.values, minlength=self.values)

    def sums(self, amount: Array) -> Array:
        """Return the weighted sum of amounts (N,) for each value, float64 (G,)."""
        return np.bincount(self.value, self.weight * amount, minlength=self.values)

    def spread(self, amount: Array) -> sparse.csr_array:
        """Return the sums of a weighted amount by unit and value, sparse (U, G)."""
        shape = (int(self.unit.max()) + 1, self.values)
        return sparse.coo_array((self.weight * amount, (self.unit, self.value)), shape=shape).tocsr()

    @property
    def correction(self) -> float:
        """The factor that makes a variance over few units unbiased; 1 for Wilson's interval."""
        units = int(self.unit.max()) + 1
        return 1.0 if self.alone else units / max(1, units - 1)

    def ratio(self, upper: Array, lower: Array) -> Score:
        """Return the ratio of the weighted sums of two amounts (N,), for each value.

        It is nan where the lower sum is 0.
        """
        top, bottom = self.sums(upper), self.sums(lower)
        safe = np.where(bottom > 0, bottom, 1.0)
        value = np.where(bottom > 0, top / safe, NAN)
        influence = self.spread((upper - np.nan_to_num(value)[self.value] * lower) / safe[self.value])
        square = np.bincount(self.value, (self.weight * lower) ** 2, minlength=self.values)
        covariance = self.correction * (influence.T @ influence).toarray()
        varies = True if self.alone else self.units(lower) > 1
        return Score(value, covariance, bottom**2 / np.where(square > 0, square, 1.0), varies)

    def share(self) -> Score:
        """Return the share of each value among all rows, with only the diagonal of its covariance."""
        own, total = self.spread(np.ones(len(self.value))), self.weight.sum()
        unit = np.asarray(own.sum(axis=1)).ravel()
        value = self.sums(np.ones(len(self.value))) / total
        square = np.asarray(own.multiply(own).sum(axis=0)).ravel()
        variance = self.correction * (square - 2 * value * (own.T @ unit) + value**2 * (unit @ unit)) / total**2
        most = np.full(self.values, total**2 / float(self.weight @ self.weight))
        return Score(value, np.diag(variance), most, self.alone or len(unit) > 1)


def group_scores(
    y: Any, proba: Any, decision: Any, values: Any, *, groups: Any = None, sample_weight: Any = None,
    reference: int | None = None, level: float = 0.95, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Score each group of rows, and its difference from a reference group, with intervals.

    With y the truth, d the decision and p the probability of the rows of a group: `prevalence` = mean of y;
    `mean_probability` = mean of p; `calibration_gap` = mean of p - y; `alert_rate` = mean of d; `recall` = sum y d /
    sum y; `precision` = sum y d / sum d; `false_positive_rate` = sum (1 - y) d / sum (1 - y); `share` = rows of all
    rows.

    Args:
        y: int (N,), 0 or 1. proba: float (N,), probability of 1. decision: int (N,), 0 or 1.
        values: int (N,), code of the group of rows (a sex, a site) that is scored, from 0 on.
        groups: (N,), what is independent: rows of one patient belong together. None: every row.
        sample_weight: float (N,), row i counts as w_i rows.
        reference: The value that the others are compared with; None: that of the most rows, of those with two units or
            more.
        level: Confidence, of each interval alone, and of the differences of one score all together.
        seed: Of the max-T bootstrap.

    Returns:
        `reference` (code) and `values`, for each code `rows`, `positives`, `scores` (key -> value, low, high, and
        `calibration_error` without an interval), and `differences` (the same, value less reference; empty for the
        reference). A score of one unit (a site with one patient) has no interval: both ends are nan.

    Example:
        >>> y, d = np.array([0, 1, 1, 1, 0, 0, 1, 1]), np.array([0, 1, 1, 0, 0, 1, 1, 0])
        >>> scores = group_scores(y, d * 0.6 + 0.2, d, np.repeat([0, 1], 4))
        >>> [round(one["scores"]["recall"]["value"], 3) for one in scores["values"]]
        [0.667, 0.5]
        >>> scores["values"][1]["differences"]["recall"]["low"] < -0.1667 < 0
        True
    """
    rows, counted = _coded_rows(np.asarray(values), groups, sample_weight)
    y, p, d = (np.asarray(a, dtype=np.float64)[counted] for a in (y, proba, decision))
    counts = np.bincount(rows.value, minlength=rows.values)
    one = np.ones(len(y))
    several = rows.alone | (rows.units(one) > 1)
    base = int(np.argmax(np.where(several | ~several.any(), counts, -1))) if reference is None else reference
    scores = {
        "share": rows.share(),
        "prevalence": rows.ratio(y, one),
        "mean_probability": rows.ratio(p, one),
        "calibration_gap": rows.ratio(p - y, one),
        "alert_rate": rows.ratio(d, one),
        "recall": rows.ratio(y * d, y),
        "precision": rows.ratio(y * d, d),
        "false_positive_rate": rows.ratio((1 - y) * d, 1 - y),
    }
    alone = float(stats.t.ppf((1 + level) / 2, rows.degrees))
    ends = {key: _score_ends(scores, key, alone) for key in GROUP_SCORES}
    compared = {key: _differences(scores, key, base, rows.degrees, level, seed) for key in COMPARED}
    return {
        "reference": base,
        "values": [
            {
                "rows": int(counts[v]),
                "positives": int(y[rows.value == v].sum()),
                "scores": {k: _value_with_ends(s.value, *ends[k], v) for k, s in scores.items()}
                | {"calibration_error": _calibration_error(y, p, rows.value == v, sample_weight is not None)},
                "differences": {} if v == base else {k: _value_with_ends(*diff, v) for k, diff in compared.items()},
            }
            for v in range(rows.values)
        ],
    }


def share_with_interval(counted: Any, among: Any, *, groups: Any = None, sample_weight: Any = None) -> dict[str, float]:
    """Return the share of some rows among others, with the 95% interval that `group_scores` gives.

    Args:
        counted: bool (N,), the rows counted, all of them in `among`.
        among: bool (N,), the rows that they are counted among.

    Example:
        >>> share = share_with_interval(np.arange(20) < 8, np.arange(20) < 10)
        >>> share["value"], round(share["low"], 4), round(share["high"], 4)
        (0.8, 0.4902, 0.9433)
    """
    rows, kept = _coded_rows(np.zeros(len(counted), int), groups, sample_weight)
    score = rows.ratio(np.asarray(counted, dtype=np.float64)[kept], np.asarray(among, dtype=np.float64)[kept])
    low, high = wilson_ends(score, float(stats.t.ppf(0.975, rows.degrees)))
    return _value_with_ends(score.value, low, high, 0)


def _coded_rows(values: Array, groups: Any, sample_weight: Any) -> tuple[Rows, Array]:
    """Return rows by the code of their value and of their unit, and the numbers of these rows, int (n,).

    Rows of weight 0 are left out. Without `groups`, each row is a unit, as with groups of one row each. Groups of
    another length than the values are a DataError.
    """
    n = len(values)
    weight = row_weights(sample_weight, n)
    counted = np.flatnonzero(weight > 0)
    unit = np.arange(n) if groups is None else np.asarray(groups)
    if len(unit) != n:
        raise DataError(f"groups has {len(unit)} entries for {n} rows. Pass one group for each row.")
    names, unit = np.unique(unit[counted], return_inverse=True)
    alone = groups is None or len(names) == len(counted)
    return Rows(values[counted], int(values.max()) + 1, weight[counted], unit.ravel(), alone), counted


def _value_with_ends(value: Array, low: Array, high: Array, v: int) -> dict[str, float]:
    """Return {"value", "low", "high"} of the group with value code `v`, as floats."""
    return {"value": float(value[v]), "low": float(low[v]), "high": float(high[v])}


def _calibration_error(y: Array, p: Array, mine: Array, weighted: bool) -> dict[str, float]:
    """Return the root mean square calibration error of the rows `mine`, bool (N,).

    The noise of the bins is removed, which is not defined for weighted rows: their value is nan. It has no interval, so
    that `low` and `high` are nan.
    """
    known = mine.any() and not weighted
    two = np.stack([1 - p[mine], p[mine]], axis=1)
    error = debiased_calibration_error(y[mine].astype(int), two) if known else NAN
    return {"value": error, "low": NAN, "high": NAN}


def wilson_ends(score: Score, critical: float) -> Ends:
    """Return Wilson's intervals of scores in [0, 1], (low, high) with (G,) each.

    The number of rows is the one that the variance is worth. An undefined score has nan at both ends.

    Example:
        >>> low, high = wilson_ends(Score(np.array([0.8]), np.array([[0.016]]), np.array([10.0])), 1.959964)
        >>> round(float(low[0]), 4), round(float(high[0]), 4)
        (0.4902, 0.9433)
    """
    r, z2, inverse = score.value, critical**2, score.per_row
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (r + z2 * inverse / 2) / (1 + z2 * inverse)
        half = critical * np.sqrt(r * (1 - r) * inverse + z2 * inverse**2 / 4) / (1 + z2 * inverse)
    low, high = np.where(r <= 0, 0.0, middle - half), np.where(r >= 1, 1.0, middle + half)
    known = np.isfinite(r) & score.varies
    return np.where(known, low, NAN), np.where(known, high, NAN)


def jeffreys_ends(score: Score, critical: float) -> Ends:
    """Return Jeffreys' intervals of scores in [0, 1], (low, high) with (G,) each.

    The number of rows is the one that the variance is worth. An undefined score has nan at both ends.

    Example:
        >>> low, high = jeffreys_ends(Score(np.array([0.8]), np.array([[0.016]]), np.array([10.0])), 1.959964)
        >>> round(float(low[0]), 4), round(float(high[0]), 4)
        (0.4972, 0.9559)
    """
    r, tail = score.value, float(stats.norm.sf(critical))
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.minimum(1 / score.per_row, 1e12)
        low, high = (
            stats.beta.ppf(tail, n * r + 0.5, n * (1 - r) + 0.5),
            stats.beta.isf(tail, n * r + 0.5, n * (1 - r) + 0.5),
        )
    known = np.isfinite(r) & score.varies
    low, high = np.where(r <= 0, 0.0, np.minimum(low, r)), np.where(r >= 1, 1.0, np.maximum(high, r))
    return np.where(known, low, NAN), np.where(known, high, NAN)


def joined_ends(a: Array, b: Array, of_a: Ends, of_b: Ends, rho: Array) -> Ends:
    """Return the interval of a - b, (low, high) with (G,) each.

    It follows from the intervals of both and their correlation `rho`.

    Example:
        >>> low, high = joined_ends(*np.array([[0.7], [0.5]]), *np.array([[[0.6], [0.8]], [[0.3], [0.7]]]), np.zeros(1))
        >>> low.round(4).tolist(), high.round(4).tolist()
        ([-0.0236], [0.4236])
    """
    down, up = (a - of_a[0], of_b[1] - b), (of_a[1] - a, b - of_b[0])

    def half(x: Array, y: Array) -> Array:
        """Return the half-width on one side, (G,), from the half-widths of both terms."""
        return np.sqrt(np.maximum(x**2 + y**2 - 2 * rho * x * y, 0.0))

    return a - b - half(*down), a - b + half(*up)


def correlation(covariance: Array, first: Array, second: Array) -> Array:
    """Return a covariance divided by both standard deviations; 0 where a variance is 0.

    `first` and `second` are the variances.
    """
    product = np.sqrt(first * second)
    return np.clip(np.where(product > 0, covariance / np.where(product > 0, product, 1.0), 0.0), -1.0, 1.0)


def _score_ends(
    scores: dict[str, Score], key: str, critical: float, of: Callable[[Score, float], Ends] = wilson_ends
) -> Ends:
    """Return the interval of a score at a critical value, (low, high) with (G,) each.

    The calibration gap is a difference, whose interval is joined from those of its two terms.
    `of` makes the intervals of a score (`wilson_ends` or `jeffreys_ends`).
    """
    if key != "calibration_gap":
        return of(scores[key], critical)
    p, y, gap = (scores[name] for name in ("mean_probability", "prevalence", key))
    # The covariance of both terms, from the variances of the terms and of their difference.
    together = (p.variance + y.variance - gap.variance) / 2
    return joined_ends(p.value, y.value, of(p, critical), of(y, critical), correlation(
        together, p.variance, y.variance))  # fmt: skip


def _differences(
    scores: dict[str, Score], key: str, base: int, degrees: float, level: float, seed: int
) -> tuple[Array, Array, Array]:
    """Return each value less the reference `base`, and its simultaneous interval, (G,) each."""
    score = scores[key]
    rho = correlation(score.covariance[:, base], score.variance, score.variance[base])
    critical = largest_deviation(_difference_covariance(score, base), degrees, level, seed)
    low, high = _score_ends(scores, key, critical, jeffreys_ends)
    reference = (np.broadcast_to(low[base], low.shape), np.broadcast_to(high[base], high.shape))
    ends = joined_ends(score.value, np.broadcast_to(score.value[base], low.shape), (low, high), reference, rho)
    return score.value - score.value[base], *ends


def _difference_covariance(score: Score, base: int) -> Array:
    """Return the covariance of the K differences from the reference that are defined, (K, K).

    At 0 and at 1 a variance is 0 and reports nothing; there that of two rows more of either kind is taken.
    """
    r, n = score.value, score.most
    with np.errstate(invalid="ignore"):
        near = (n * r + 2) / (n + 4)
        spare = np.where((r <= 0) | (r >= 1), near * (1 - near) / (n + 4), 0.0)
    defined = np.isfinite(r) & score.varies
    known = np.flatnonzero(defined & (np.arange(len(r)) != base))
    if not defined[base]:
        known = known[:0]
    whole = score.covariance + np.diag(np.nan_to_num(spare))
    contrast = np.zeros((len(known), len(r)))
    contrast[np.arange(len(known)), known] = 1.0
    contrast[:, base] = -1.0
    return contrast @ whole @ contrast.T


def largest_deviation(covariance: Array, degrees: float, level: float, seed: int) -> float:
    """Return a quantile of the largest absolute standardized deviation of normal variables.

    `level` is its probability, and the variables have this covariance. With a finite number of degrees of
    freedom, the variables have a t distribution.

    Example:
        >>> round(largest_deviation(np.array([[2.0]]), np.inf, 0.95, 0), 3)
        1.96
        >>> round(largest_deviation(np.eye(3), np.inf, 0.95, 0), 1)
        2.4
    """
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    moving = spread > 0
    if moving.sum() < 2:
        return float(stats.t.ppf((1 + level) / 2, degrees))
    rho = covariance[np.ix_(moving, moving)] / np.outer(spread[moving], spread[moving])
    # A root of the correlations by eigenvalues, which also works where the matrix is singular.
    values, vectors = np.linalg.eigh(rho)
    rng = generator(seed, "largest deviation")
    drawn = rng.normal(size=(DRAWS, len(rho))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    if np.isfinite(degrees):
        drawn /= np.sqrt(rng.chisquare(degrees, size=(DRAWS, 1)) / degrees)
    return float(np.quantile(np.abs(drawn).max(axis=1), level))
