"""Slope, intercept and calibration errors against general optimizers, brute force and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LogisticRegression

from counterpoise.core.errors import OptionError
from counterpoise.metrics.bins import assign_bins, binned
from counterpoise.metrics.calibration_scores import (
    calibration_intercept,
    calibration_slope,
    debiased_calibration_error,
    ece,
)


def two(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1)


def draw(seed: int, rows: int = 3000, slope: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(-2.5, 1.5, rows)
    return (rng.random(rows) < expit(z)).astype(int), two(expit((z - shift) / slope))


@pytest.mark.parametrize("weighted", [False, True])
def test_slope_is_that_of_an_unpenalized_logistic_regression(weighted: bool) -> None:
    y, p = draw(0, slope=0.5, shift=-1)
    w = np.random.default_rng(1).random(len(y)) if weighted else None
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    reference.fit(logit(p[:, 1])[:, None], y, sample_weight=w)
    assert calibration_slope(y, p, sample_weight=w) == pytest.approx(reference.coef_[0, 0], rel=1e-5)


@pytest.mark.parametrize("slope", [0.25, 1.0, 3.0])
def test_slope_undoes_a_stretch_of_the_log_odds(slope: float) -> None:
    y, p = draw(2, 40_000, slope=slope)
    assert calibration_slope(y, p) == pytest.approx(slope, rel=0.05)


def test_slope_survives_probabilities_of_exactly_zero_and_one() -> None:
    y, p = draw(3)
    p[:5], p[5:10] = [1.0, 0.0], [0.0, 1.0]
    assert math.isfinite(calibration_slope(y, p))
    assert math.isfinite(calibration_intercept(y, p))


def test_separated_and_constant_have_no_slope() -> None:
    for p in ([0.1, 0.2, 0.7, 0.8], [0.8, 0.7, 0.2, 0.1], [0.3] * 4, [0.1, 0.5, 0.5, 0.9]):
        assert math.isnan(calibration_slope([0, 0, 1, 1], two(np.array(p))))
    assert math.isfinite(calibration_slope([0, 1, 0, 1], two(np.array([0.1, 0.2, 0.7, 0.8]))))


def test_multi_class_slope_maximizes_the_likelihood() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=(2000, 4)) * 2
    y = np.array([rng.choice(4, p=row) for row in softmax(z, axis=1)])
    p = softmax(2 * z, axis=1)
    got = calibration_slope(y, p)
    rows = np.arange(len(y))
    best = minimize(lambda b: -log_softmax(b[0] * np.log(p), axis=1)[rows, y].mean(), [1.0], tol=1e-12)
    assert got == pytest.approx(best.x[0], rel=1e-4)
    assert got == pytest.approx(0.5, rel=0.1)
    assert math.isnan(calibration_slope(p.argmax(axis=1), p))


def test_intercept_puts_the_mean_right() -> None:
    y, p = draw(5, shift=1.5)
    a = calibration_intercept(y, p)
    assert expit(logit(p[:, 1]) + a).mean() == pytest.approx(y.mean(), abs=1e-9)
    assert a == pytest.approx(1.5, abs=0.15)
    assert math.isnan(calibration_intercept(np.zeros(len(y), int), p))


def test_multi_class_intercept_puts_every_mean_right() -> None:
    rng = np.random.default_rng(6)
    z = rng.normal(size=(5000, 3)) * 2
    y = np.array([rng.choice(3, p=row) for row in softmax(z, axis=1)])
    shift = np.array([3.0, -1.0, -2.0])
    got = calibration_intercept(y, softmax(z + shift, axis=1))
    assert got == pytest.approx(np.sqrt(np.mean(shift**2)), rel=0.05)
    # A class without rows does not count.
    four = np.concatenate([softmax(z, axis=1) * 0.9, np.full((5000, 1), 0.1)], axis=1)
    assert calibration_intercept(y, four) == pytest.approx(calibration_intercept(y, softmax(z, axis=1)), abs=1e-6)


def test_bins_hold_equal_numbers_of_positives_and_keep_ties_together() -> None:
    rng = np.random.default_rng(7)
    score = rng.random(2000)
    target = rng.random(2000) < 0.05
    index = assign_bins(score, target.astype(float), 10)
    counts = np.bincount(index, weights=target)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(index[np.argsort(score)]) >= 0).all()
    assert np.array_equal(assign_bins(score, target / target.sum(), 10), index)
    tied = assign_bins(score.round(1), target.astype(float), 10)
    assert all(len(set(tied[score.round(1) == v])) == 1 for v in np.unique(score.round(1)))
    assert assign_bins(score, np.zeros(2000), 10).max() == 0


def test_ece_by_hand() -> None:
    # Two positives make two bins: {.1, .2, .4*} and {.5, .9*}.
    y, p = np.array([0, 0, 1, 0, 1]), np.array([0.1, 0.2, 0.4, 0.5, 0.9])
    assert assign_bins(p, y.astype(float), 10).tolist() == [0, 0, 0, 1, 1]
    expected = 0.6 * abs(0.7 / 3 - 1 / 3) + 0.4 * abs(0.7 - 0.5)
    assert ece(y, two(p)) == pytest.approx(expected)
    assert ece(y, two(p), relative=True) == pytest.approx(expected / 0.4)


def test_top_label_ece_by_hand() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])
    # bins=2: confidences .5, .6 (right, wrong) and .8, .9 (both right).
    assert ece([0, 1, 1, 2], p, bins=2) == pytest.approx(0.5 * abs(0.55 - 0.5) + 0.5 * abs(0.85 - 1))


def test_debiasing_takes_the_noise_off() -> None:
    plain, debiased = [], []
    for seed in range(30):
        y, p = draw(seed, 2000)
        b = binned(y == 1, p[:, 1], np.ones(len(y)), 50, by="rows")
        plain.append(b.weight @ (b.mean_proba - b.observed) ** 2 / b.weight.sum())
        debiased.append(debiased_calibration_error(y, p, bins=50) ** 2)
    assert np.mean(debiased) < 0.35 * np.mean(plain)


def test_debiased_error_finds_a_known_error() -> None:
    rng = np.random.default_rng(8)
    truth = rng.choice([0.1, 0.5], 50_000)
    y = (rng.random(50_000) < truth).astype(int)
    assert debiased_calibration_error(y, two(truth + 0.1)) == pytest.approx(0.1, abs=0.01)
    with pytest.raises(OptionError, match="'rows'"):
        debiased_calibration_error(y, two(truth), by="width")
