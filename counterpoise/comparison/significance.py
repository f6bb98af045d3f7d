"""Significance of differences between strategies on one data set: interval, probabilities, p-values, Holm's correction,
and how many repeats would decide.

`judge` decides by `significantly_better`. `ranks` has the tests over several data sets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from counterpoise.metrics.intervals import corrected_error, percentile

NAN = float("nan")

#: Probability that "significantly better" or "practically equivalent" needs; 1 minus it is the limit of p-values.
CERTAIN = 0.95
#: Probability of "likely": enough for advice where nothing is significant. The word and its number are those of the
#: IPCC (Mastrandrea et al., "Guidance note on consistent treatment of uncertainties", 2010). On the development sets of
#: `benchmarks/quality` it brought 87% of what the best strategy would, and cost no parent more than 0.01.
LIKELY = 2 / 3
#: Most repeats of the folds that `repeats_to_decide` tries: more are not worth the time.
MOST_REPEATS = 100


@dataclass(frozen=True)
class Difference:
    """One difference between two strategies, with its interval and tests.

    Attributes:
        mean: Mean difference.
        low, high: Interval at the level asked for.
        p: Two-sided p value of "no difference"; 1 for identical scores, nan when it cannot be tested.
        left, rope, right: Probability that the difference is below -rope, within, and above it.
        identical: Whether all paired scores are equal.
    """

    mean: float
    low: float
    high: float
    p: float
    left: float
    rope: float
    right: float
    identical: bool = False

    def limited_to(self, span: float) -> Difference:
        """Return the difference with an interval within -span to span, the largest possible differences of a metric.

        Example:
            >>> Difference(0.2, -1.9, 2.3, 0.4, 0.1, 0.1, 0.8).limited_to(1.0).high
            1.0
        """
        return replace(self, low=max(self.low, -span), high=min(self.high, span))


#: Of identical scores, and of scores that cannot be compared.
NO_DIFFERENCE = Difference(0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, identical=True)
UNKNOWN_DIFFERENCE = Difference(NAN, NAN, NAN, NAN, NAN, NAN, NAN)


def correlated_t(differences: Any, ratio: float, rope: float = 0.01, level: float = 0.95) -> Difference:
    """Return a difference by the corrected resampled t-test and the Bayesian correlated t-test of paired fold scores.

    With J differences of mean m and variance s^2, the posterior of the true difference under a flat prior
    is Student's t with J - 1 degrees, center m and scale s sqrt(1/J + rho / (1 - rho)) (Benavoli, Corani,
    Demsar & Zaffalon, JMLR 18, 2017, section 4.1). With rho = n_test / (n_test + n_train), that is 1/K
    for K folds, the scale is the standard error of Nadeau & Bengio (2003), so interval and p value are
    those of their corrected t-test. Repeats enter through J.

    Args:
        differences: float (J,), paired; nan entries are left out.
        ratio: rho / (1 - rho) = n_test / n_train; 1 / (K - 1) for K folds.
        rope: Half-width of the region of practical equivalence, 0 or more.
        level: Confidence of the interval.

    Returns:
        Identical scores: difference 0, p = 1, P(rope) = 1. Fewer than two pairs: all nan.

    Example:
        >>> d = correlated_t([0.05, 0.07, 0.06, 0.04, 0.08], 1 / 4)
        >>> round(d.mean, 3), round(d.right, 3), round(d.p, 4)
        (0.06, 0.995, 0.0048)
    """
    d = np.asarray(differences, dtype=np.float64).ravel()
    d = d[np.isfinite(d)]
    if len(d) < 2:
        return UNKNOWN_DIFFERENCE
    if not d.any():
        return NO_DIFFERENCE
    return _student_difference(float(d.mean()), corrected_error(d, ratio), len(d) - 1, rope, level)


def _student_difference(mean: float, scale: float, df: int, rope: float, level: float) -> Difference:
    """Return a difference whose posterior is Student's t with `df` degrees of freedom, center `mean` and `scale`."""
    # Differences that agree to rounding have no spread; the floor keeps the quotients finite.
    scale = max(scale, 1e-12 * max(1.0, abs(mean)))
    half = float(stdtrit(df, (1 + level) / 2)) * scale
    left, right = float(stdtr(df, (-rope - mean) / scale)), float(stdtr(df, (mean - rope) / scale))
    p = float(2 * stdtr(df, -abs(mean) / scale))
    return Difference(mean, mean - half, mean + half, p, left, max(0.0, 1 - left - right), right)


def from_draws(draws: Any, mean: float, rope: float = 0.01, level: float = 0.95) -> Difference:
    """Return a difference by its paired bootstrap draws (see `block_draws`), without a t-test.

    Args:
        draws: float (B,), draws of the difference; nan draws are left out.
        mean: The difference itself.

    Example:
        >>> d = from_draws(np.linspace(-0.02, 0.08, 101), 0.03)
        >>> round(d.right, 2), round(d.p, 2)
        (0.69, 0.43)
    """
    d = np.asarray(draws, dtype=np.float64)
    d = d[np.isfinite(d)]
    if len(d) < 2 or not math.isfinite(mean):
        return UNKNOWN_DIFFERENCE
    if not d.any() and mean == 0:
        return NO_DIFFERENCE
    low, high = percentile(d, level)
    tail = min((d <= 0).sum(), (d >= 0).sum())
    p = min(1.0, float(2 * (tail + 1) / (len(d) + 1)))
    left, right = float((d < -rope).mean()), float((d > rope).mean())
    return Difference(mean, low, high, p, left, max(0.0, 1 - left - right), right)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values with Holm's step-down correction for their number (Holm 1979), by name.

    The probability of any false claim among them stays below the level. nan stays nan and does not count as a
    comparison.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    tested = sorted((name for name, p in p_values.items() if math.isfinite(p)), key=lambda name: p_values[name])
    adjusted = dict.fromkeys(p_values, NAN)
    so_far = 0.0
    for rank, name in enumerate(tested):
        so_far = max(so_far, min(1.0, (len(tested) - rank) * p_values[name]))
        adjusted[name] = so_far
    return adjusted


def holm_of(differences: Mapping[str, Difference]) -> dict[str, float]:
    """Return the Holm-adjusted p-values of differences, by name.

    Identical scores are not tested: they get 1, and do not count as a comparison.
    """
    tested = holm({name: d.p for name, d in differences.items() if not d.identical})
    return {name: 1.0 if d.identical else tested[name] for name, d in differences.items()}


def significantly_better(difference: Difference, p_adjusted: float) -> bool:
    """Return whether a strategy is better by more than the rope, with 95% probability and after the Holm correction."""
    return difference.right >= CERTAIN and p_adjusted <= 1 - CERTAIN


def repeats_to_decide(differences: Any, folds: int, ratio: float, rope: float, comparisons: int = 1) -> int | None:
    """Return how many repeats of the folds would decide if mean and spread did not change.

    The standard error s sqrt(1/(RK) + n_test/n_train) falls with R only to its second term, so a small or
    noisy difference is out of reach of repeats: that takes more folds or more data.

    Args:
        differences: float (J,), paired fold differences seen so far.
        folds: K; one repeat gives K differences.
        ratio: n_test / n_train.
        rope: Half-width of the region of practical equivalence.
        comparisons: How many are corrected for.

    Returns:
        The smallest R in all, or None when no R up to `MOST_REPEATS` is enough.

    Example:
        >>> repeats_to_decide([0.05, 0.07, 0.01, 0.04, 0.08], 5, 1 / 4, 0.01)
        2
    """
    d = np.asarray(differences, dtype=np.float64).ravel()
    d = d[np.isfinite(d)]
    if len(d) < 2:
        return None
    mean, spread = float(d.mean()), float(d.std(ddof=1))

    def decides(repeats: int) -> bool:
        """Return whether this many repeats show a difference, or equivalence within the rope."""
        n = repeats * folds
        guess = _student_difference(mean, spread * math.sqrt(1 / n + ratio), n - 1, rope, 0.95)
        shown = max(guess.left, guess.right) >= CERTAIN and comparisons * guess.p <= 1 - CERTAIN
        return shown or guess.rope >= CERTAIN

    return next((repeats for repeats in range(1, MOST_REPEATS + 1) if repeats * folds > 1 and decides(repeats)), None)
