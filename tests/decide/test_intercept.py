"""The residual intercept: kept only where the rows ask for it, and then exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from counterpoise.decide import intercept as module
from counterpoise.decide.intercept import fit_intercept, intercept_check
from counterpoise.decide.prior import log_softmax

RNG = np.random.default_rng(2)


def drawn(log_p: np.ndarray, rng: np.random.Generator = RNG) -> np.ndarray:
    return (rng.random((len(log_p), 1)) > np.cumsum(np.exp(log_p), axis=1)[:, :-1]).sum(axis=1)


def test_true_probabilities_are_mostly_left_alone() -> None:
    kept = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        lp = log_softmax(np.stack([np.zeros(2000), rng.normal(-3, 1, size=2000)], axis=1))
        kept += intercept_check(lp, drawn(lp, rng), np.ones(len(lp))).intercept is not None
    assert kept <= 13  # 5% expected; 13 is beyond the 0.1% point of Bin(100, 0.05)


def test_a_known_offset_is_found() -> None:
    lp = log_softmax(RNG.normal(size=(50_000, 3)) + np.array([2.0, 0.0, -1.0]))
    wrong = log_softmax(lp + np.array([0.0, 0.7, -0.4]))
    check = intercept_check(wrong, drawn(lp), np.ones(len(lp)))
    expected = -np.array([0.0, 0.7, -0.4]) + np.mean([0.0, 0.7, -0.4])
    np.testing.assert_allclose(check.intercept, expected, atol=0.06)
    assert check.intercept.sum() == pytest.approx(0, abs=1e-12)
    assert "added" in check.notes[1]


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_fit_matches_a_general_solver_and_the_observed_shares(scale: float) -> None:
    lp = log_softmax(RNG.normal(scale=scale, size=(400, 3)))
    y, w = RNG.integers(3, size=400), RNG.uniform(0.2, 2, size=400)
    b = fit_intercept(lp, y, w)
    mean = w @ np.exp(log_softmax(lp + b)) / w.sum()
    np.testing.assert_allclose(mean, np.bincount(y, weights=w) / w.sum(), atol=1e-7)

    def loss(v: np.ndarray) -> float:
        return float(-np.mean(w * log_softmax(lp + v)[np.arange(400), y]))

    assert loss(b) <= minimize(loss, np.zeros(3)).fun + 1e-9


def test_a_class_without_rows_is_left_alone() -> None:
    lp = log_softmax(RNG.normal(size=(100, 3)))
    b = fit_intercept(lp, np.r_[np.zeros(80, int), np.ones(20, int)])
    assert b[2] == 0.0
    assert np.all(np.isfinite(b))
    one = intercept_check(lp, np.zeros(100, dtype=int), np.ones(100))
    assert one.intercept is None
    assert "the same class" in one.notes[-1]


def test_hopeless_scores_stay_finite() -> None:
    lp = log_softmax(np.array([[0.0, 900.0]] * 10))
    b = fit_intercept(lp, np.array([0] * 9 + [1]))
    assert np.all(np.isfinite(b))


@pytest.mark.parametrize("spread", [1.0, 30.0, 300.0])
def test_two_classes_reach_the_share_as_any_number_of_classes_does(spread: float) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(-3.0, spread, 4000)
    lp = log_softmax(np.stack([np.zeros(4000), z], axis=1))
    y, w = (rng.random(4000) < 0.02).astype(int), rng.uniform(0.5, 2.0, 4000)
    got = module.fitted_intercept(lp, y, w)
    wanted = module._class_intercepts(np.maximum(lp, -700.0), np.bincount(y, weights=w), w)
    np.testing.assert_allclose(got, wanted, atol=1e-7)
    p = np.exp(log_softmax(np.maximum(lp, -700.0) + got))
    np.testing.assert_allclose(w @ p[:, 1] / w.sum(), np.average(y, weights=w), rtol=1e-7)
