"""Conformal sets: coverage per class over draws, refusals, and an honest report."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.review import HUMAN
from counterpoise.decide.reject import Reject, fit_reject


def draw(rng: np.random.Generator, n: int, positives: int) -> tuple[np.ndarray, np.ndarray]:
    y = np.r_[np.ones(positives, int), np.zeros(n - positives, int)]
    p = expit(1.5 * (rng.normal(size=n) + 2 * y - 1) - 2)
    return np.stack([1 - p, p], axis=1), y


def test_coverage_holds_in_the_rare_class_too() -> None:
    hits = np.zeros(2)
    for seed in range(500):
        rng = np.random.default_rng(seed)
        reject = fit_reject(*draw(rng, 300, 19), alpha=0.1)
        fresh, y = draw(rng, 2, 1)
        sets = reject.sets(fresh)
        hits += [sets[y == 0, 0].sum(), sets[y == 1, 1].sum()]
    # exact coverage is between 0.9 and 0.9 + 1/(n+1)
    for h in hits:
        assert binomtest(int(h), 500, 0.9, alternative="less").pvalue > 0.001


def test_report_counts_by_hand() -> None:
    reject = Reject(0.1, np.array([0.4, 0.4]), np.array([20, 20]))
    proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.7, 0.3]])
    assert reject.decide(proba).tolist() == [0, HUMAN, 1, 0]
    report = reject.report(proba, np.array([0, 1, 1, 1]))
    assert report.accepted == 0.75
    assert report.error == pytest.approx(1 / 3)
    np.testing.assert_allclose(report.coverage, [1.0, 2 / 3])
    exact = binomtest(1, 3).proportion_ci(method="exact")
    np.testing.assert_allclose(report.error_interval, [exact.low, exact.high], rtol=1e-9)
    nobody = Reject(0.1, np.zeros(2), np.array([9, 9])).report(proba, np.zeros(4, int))
    assert nobody.accepted == 0.0
    assert np.isnan(nobody.error)
    assert np.isnan(nobody.coverage[1])


def test_smallest_number_of_rows() -> None:
    rng = np.random.default_rng(0)
    fit_reject(*draw(rng, 100, 9), alpha=0.1)
    with pytest.raises(GuaranteeError, match=r"needs 9 rows of each class, but class 1 has 8"):
        fit_reject(*draw(rng, 100, 8), alpha=0.1)
    with pytest.raises(OptionError, match="alpha"):
        fit_reject(*draw(rng, 100, 20), alpha=0.0)
