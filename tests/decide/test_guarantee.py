"""Guarantees: the formula against a binomial table, and their keeping over many draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, norm

from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.guarantee import (
    GRID,
    guarantee_precision,
    guarantee_recall,
    rule_with_guarantee,
)

DRAWS = 500
#: 500 draws that each fail with probability 0.05 fail more often than this once in a thousand times.
MOST_FAILURES = int(binom.ppf(0.999, DRAWS, 0.05))


@pytest.mark.parametrize(("n", "floor", "confidence"), [(59, 0.95, 0.95), (100, 0.9, 0.95), (300, 0.5, 0.8)])
def test_recall_threshold_is_the_order_statistic(n: int, floor: float, confidence: float) -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    k = max(j for j in range(n) if binom.cdf(j, n, 1 - floor) <= 1 - confidence)
    guarantee = guarantee_recall(scores, np.ones(n, int), floor, confidence)
    assert guarantee.threshold == k + 1
    assert guarantee.reached == pytest.approx((n - k) / n)


def test_what_cannot_be_guaranteed_is_refused_with_what_can() -> None:
    with pytest.raises(
        GuaranteeError, match=r"guarantee a recall of 0\.95 with 23 positive rows\. The highest .* 0\.87"
    ):
        guarantee_recall(np.arange(23.0), np.ones(23, int), 0.95)
    assert guarantee_recall(np.arange(23.0), np.ones(23, int), 0.87).threshold == 0.0
    with pytest.raises(GuaranteeError, match="support no guarantee"):
        guarantee_recall(np.zeros(3), np.zeros(3, int), 0.5)
    p = np.r_[np.full(40, 0.9), np.full(900, 0.1)]
    y = np.r_[np.ones(36, int), np.zeros(904, int)]
    with pytest.raises(GuaranteeError, match=r"guarantee a precision of 0\.95") as caught:
        guarantee_precision(p, y, 0.95)
    best = float(str(caught.value).split("support is ")[1].split(". ")[0])
    assert guarantee_precision(p, y, best).floor == best
    with pytest.raises(GuaranteeError):
        guarantee_precision(p, y, best + 0.011)


@pytest.mark.parametrize("positives", [80, 400])
def test_recall_guarantee_is_kept_over_draws(positives: int) -> None:
    """Scores of positives are N(1, 1): the recall of a threshold is known exactly."""
    failures, recalls = 0, []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        s = np.r_[rng.normal(1, 1, positives), rng.normal(-1, 1, 200)]
        t = guarantee_recall(s, np.r_[np.ones(positives, int), np.zeros(200, int)], 0.9).threshold
        recalls.append(norm.sf(t - 1))
        failures += recalls[-1] < 0.9
    assert failures <= MOST_FAILURES
    assert np.mean(recalls) < 0.975  # not kept by giving everything away


def test_recall_guarantee_is_kept_when_the_scorer_is_over_fitted() -> None:
    """The scorer is re-fitted in every draw on its own few rows with many useless columns."""
    failures = 0
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        d, y = 20, np.arange(40) % 2
        x = rng.normal(size=(40, d))
        x[:, 0] += y
        w = np.linalg.lstsq(x - x.mean(0), y - 0.5, rcond=None)[0]
        own = rng.normal(size=(100, d)) + np.eye(d)[0]
        t = guarantee_recall(own @ w, np.ones(100, int), 0.9).threshold
        failures += norm.sf((t - w[0]) / np.linalg.norm(w)) < 0.9
    assert failures <= MOST_FAILURES


def test_precision_guarantee_is_kept_over_draws() -> None:
    """Logit 2x at balanced shares: the precision of a threshold is known exactly."""
    failures, guaranteed = 0, 0
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        y = (rng.random(1500) < 0.1).astype(int)
        z = 2 * (rng.normal(size=1500) + 2 * y - 1) + np.log(0.1 / 0.9)
        try:
            t = guarantee_precision(expit(z), y, 0.6).threshold
        except GuaranteeError:
            continue
        guaranteed += 1
        cut = (np.log(t / (1 - t)) - np.log(0.1 / 0.9)) / 2
        tp, fp = 0.1 * norm.sf(cut - 1), 0.9 * norm.sf(cut + 1)
        failures += tp / (tp + fp) < 0.6
    assert failures <= MOST_FAILURES
    assert guaranteed > 0.75 * DRAWS  # and often enough to be of use


def test_precision_walks_by_brute_force() -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(3000) < 0.2).astype(int)
    p = expit(2 * (rng.normal(size=3000) + 2 * y - 1) - 1.4)
    starts = range(0, len(GRID), 8)
    passed = []
    for start in starts:
        for t in GRID[start:]:
            m, hits = int(np.sum(p >= t)), int(np.sum(y[p >= t]))
            if m == 0 or hits == 0 or binom.sf(hits - 1, m, 0.7) > 0.05 / len(starts):
                break
            passed.append(t)
    assert guarantee_precision(p, y, 0.7).threshold == min(passed)


def test_more_confidence_or_company_never_raises_the_threshold() -> None:
    s = np.random.default_rng(1).normal(size=400)
    y = np.ones(400, int)
    levels = [guarantee_recall(s, y, 0.9, c).threshold for c in (0.5, 0.9, 0.99)]
    assert levels == sorted(levels, reverse=True)
    assert guarantee_recall(s, y, 0.9, among=10).threshold <= guarantee_recall(s, y, 0.9).threshold


def test_a_rule_takes_the_guarantee_and_its_words() -> None:
    rule = Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.9, 0.1]), threshold=0.5)
    guarantee = guarantee_recall(np.linspace(0.1, 0.9, 100), np.ones(100, int), 0.9, kept_out=False)
    got = rule_with_guarantee(rule, guarantee)
    assert (got.threshold, got.aim) == (guarantee.threshold, "recall_floor(0.9)")
    assert got.guarantee.word == "estimate"
    with pytest.raises(OptionError, match="two classes"):
        rule_with_guarantee(Rule(log_shifts=np.zeros((1, 3)), prior=np.ones(3) / 3, offsets=np.zeros(3)), guarantee)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"floor": 1.0}, "1 cannot be guaranteed"), ({"confidence": 95}, "0.95"), ({"among": 0}, "1 or more")],
)
def test_bad_input(options: dict[str, float], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        guarantee_recall(np.arange(9.0), np.ones(9, int), **{"floor": 0.5, **options})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="without NaN"):
        guarantee_recall(np.array([np.nan]), np.ones(1, int), 0.5)
