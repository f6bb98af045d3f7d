"""Confidence intervals for scores: proportions, cross-validation, repeated hold-out, pooled counts, average precision.

An interval is a pair (low, high). The interval is symmetric on a scale that depends on the range of the metric, so it
never leaves this range:

    [0, b]       logit of value / b           recall, average precision, Brier score ...
    [-1, 1]      logit of (value + 1) / 2     Matthews correlation (Fisher's z, doubled)
    [0, inf)     logarithm                    log loss
    (-inf, b]    logarithm of b - value       skill
    otherwise    the value itself             calibration slope and intercept

The delta method at the mean converts the standard error to this scale.

Wilson's interval is in `core.proportions`, bootstrap draws in `bootstrap`, `row_draws` and `image_draws`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from counterpoise.core.proportions import checked_hits, tail_probability, wilson

Array = np.ndarray
Pair = tuple[float, float]
NAN = float("nan")


def clopper_pearson(hits: float, trials: float, level: float = 0.95) -> Pair:
    """Compute the exact interval of a proportion.

    Without trials, it is (0, 1).

    Args:
        hits, trials: Whole numbers.
        level: Confidence.

    Example:
        >>> [round(v, 4) for v in clopper_pearson(10, 10)]
        [0.6915, 1.0]

    Source: Clopper and Pearson (Biometrika 26, 1934), as `scipy.stats.binomtest` computes it.
    """
    tail_probability(level)
    k, n = (int(value) for value in checked_hits(hits, trials))
    if n == 0:
        return 0.0, 1.0
    ends = stats.binomtest(k, n).proportion_ci(level, method="exact")
    return float(ends.low), float(ends.high)


def corrected_error(values: Any, ratio: float) -> float:
    """Compute the error of a mean over overlapping training sets: s sqrt(1/J + ratio).

    The formula s / sqrt(J) assumes that the J scores are independent, but they share training rows (Nadeau & Bengio,
    Machine Learning 52, 2003, section 3.1).

    Args:
        values: float (J,), one score per fold or hold-out. nan entries are left out.
        ratio: Test rows / training rows; 1 / (K - 1) for K folds.

    Returns:
        nan with fewer than two values.

    Example:
        >>> round(corrected_error([0.7, 0.8, 0.9, 0.8, 0.8], 1 / 4), 4)
        0.0474
    """
    v = _finite(values)
    return float(v.std(ddof=1) * math.sqrt(1 / len(v) + ratio)) if len(v) > 1 else NAN


def _finite(values: Any) -> Array:
    """Return the finite numbers among values, float64 (J,): undefined scores are left out."""
    v = np.asarray(values, dtype=np.float64).ravel()
    return v[np.isfinite(v)]


def t_quantile(df: int, level: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t.

    Example:
        >>> round(t_quantile(4), 3)
        2.776
    """
    return float(stats.t.isf(tail_probability(level), df))


def interval_in_range(mean: float, half: float, low: float, high: float) -> Pair:
    """Compute an interval around `mean` that is symmetric on the scale of [low, high].

    For the scales, see the text of the module.
    `half` is the half-width on the original scale. The result is (nan, nan) if `mean` or `half` is not finite.

    If the mean is at the edge of its range, this scale does not exist. The unscaled interval is then cut to the range.

    Example:
        >>> [round(v, 3) for v in interval_in_range(0.9, 0.1, 0.0, 1.0)]
        [0.748, 0.965]
        >>> [round(v, 3) for v in interval_in_range(2.0, 0.5, 0.0, math.inf)]
        [1.558, 2.568]
    """
    if not (math.isfinite(mean) and math.isfinite(half)):
        return NAN, NAN
    bounded_low, bounded_high = math.isfinite(low), math.isfinite(high)
    if half == 0 or mean <= low or mean >= high or not (bounded_low or bounded_high):
        return max(low, mean - half), min(high, mean + half)
    if bounded_low and bounded_high:
        return _on_logit((mean - low) / (high - low), half / (high - low), low, high)
    # One bound: symmetric on the logarithm of the distance to it.
    edge, sign = (low, 1.0) if bounded_low else (high, -1.0)
    reach = abs(mean - edge)
    near, far = sorted(edge + sign * reach * math.exp(d * half / reach) for d in (-1.0, 1.0))
    return near, far


def _on_logit(p: float, half: float, low: float, high: float) -> Pair:
    """Return the interval of [low, high] that is symmetric on the logit scale around p.

    `p` and `half` are the mean and the half-width after [low, high] is mapped to [0, 1].
    """
    center, reach = math.log(p / (1 - p)), half / (p * (1 - p))
    ends = (0.5 * (1 + math.tanh((center + d * reach) / 2)) for d in (-1.0, 1.0))  # the sigmoid, without overflow
    a, b = (low + (high - low) * e for e in ends)
    return a, b


def fold_interval(
    values: Any, ratio: float, *, low: float = 0.0, high: float = 1.0, level: float = 0.95, trials: int | None = None
) -> Pair:
    """Compute the interval for the mean of scores with overlapping training sets.

    Student's t with J - 1 degrees of freedom.

    Args:
        values: float (J,); nan entries (undefined on a fold) are left out.
        ratio: Test rows / training rows.
        low, high: Range of the metric (see the module's text for the scale).
        level: Confidence.
        trials: For a proportion: total number of rows. If all folds agree on 0 or 1, their spread is 0 and gives no
            information; the result is then the exact binomial interval.

    Returns:
        The interval; (nan, nan) with fewer than two values, if `trials` does not help.

    Example:
        >>> [round(v, 3) for v in fold_interval([0.7, 0.8, 0.9, 0.8, 0.8], 1 / 4)]
        [0.637, 0.901]
    """
    v = _finite(values)
    if trials and len(v) and v.min() == v.max() and v[0] in (0.0, 1.0):
        return clopper_pearson(v[0] * trials, trials, level)
    if len(v) < 2:
        return NAN, NAN
    mean = float(v.mean())
    half = t_quantile(len(v) - 1, level) * corrected_error(v, ratio)
    return interval_in_range(mean, half, low, high)


def pooled_f1(tp: float, fp: float, fn: float) -> float:
    """Compute F1 = 2 TP / (2 TP + FP + FN) of summed counts, nan without positives.

    The mean of F1 over folds is biased if a fold has few positives (Forman & Scholz, SIGKDD Explorations 12, 2010).

    Example:
        >>> pooled_f1(8, 2, 2)
        0.8
    """
    return 2 * tp / (2 * tp + fp + fn) if tp + fn > 0 else NAN


def f1_interval(tp: float, fp: float, fn: float, level: float = 0.95) -> Pair:
    """Compute the interval of F1 from pooled counts.

    Among the TP + FP + FN rows that are positive or alerts, the share q of true positives is a binomial proportion. F1
    = 2 q / (1 + q) grows with q, so the ends of the Wilson interval of q give the interval of F1.

    Example:
        >>> [round(v, 3) for v in f1_interval(8, 2, 2)]
        [0.562, 0.926]
    """
    a, b = wilson(tp, tp + fp + fn, level)
    return float(2 * a / (1 + a)), float(2 * b / (1 + b))


def precision_interval(tp: float, fp: float, level: float = 0.95) -> Pair:
    """Compute the Wilson interval of precision, (0, 1) without alerts.

    Example:
        >>> [round(v, 3) for v in precision_interval(8, 2)]
        [0.49, 0.943]
    """
    a, b = wilson(tp, tp + fp, level)
    return float(a), float(b)


def ap_logit_interval(ap: float, positives: int, level: float = 0.95) -> Pair:
    """Compute an interval of average precision for a test set with few positives.

    logit(AP) +- z / sqrt(n+ AP (1 - AP)) (Boyd, Eng & Page, ECML PKDD 2013, section 3.3). An AP of 1 or 0 is treated as
    n+ hits or misses (Clopper-Pearson). The result is (nan, nan) without positives.

    Args:
        ap: Average precision.
        positives: n+, positive rows in the test set.
        level: Confidence.

    Example:
        >>> [round(v, 3) for v in ap_logit_interval(0.6, 30)]
        [0.419, 0.757]
    """
    if positives < 1 or not math.isfinite(ap):
        return NAN, NAN
    if ap in (0.0, 1.0):
        return clopper_pearson(ap * positives, positives, level)
    z = float(stats.norm.isf(tail_probability(level)))
    spread = ap * (1 - ap)
    return interval_in_range(ap, z * math.sqrt(spread / positives), 0.0, 1.0)


def percentile(draws: Any, level: float = 0.95) -> Pair:
    """Compute the percentile interval of bootstrap draws.

    Draws that are not finite are left out.
    The result is (nan, nan) if no draw is left.

    Example:
        >>> [round(v, 6) for v in percentile(np.arange(101.0), 0.9)]
        [5.0, 95.0]
    """
    finite = np.asarray(draws)[np.isfinite(draws)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
