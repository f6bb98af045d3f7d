"""Calibration: known truths, independent fits, and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from counterpoise.core.errors import OptionError
from counterpoise.decide import calibrate as module
from counterpoise.decide.calibrate import apply_calibrator, fit_calibrator
from counterpoise.decide.prior import log_softmax

KINDS = ["temperature", "platt", "vector", "beta", "isotonic", "auto"]


def binary(n: int = 6000, seed: int = 0, slope: float = 3.0, move: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose logit is `slope` times the true one, plus `move`."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-2, 1.5, size=n)
    y = (rng.random(n) < expit(z)).astype(int)
    return two(slope * z + move), y


def two(z: np.ndarray) -> np.ndarray:
    return log_softmax(np.stack([np.zeros(len(z)), z], axis=1))


def loss(log_p: np.ndarray, y: np.ndarray) -> float:
    return float(-np.mean(log_p[np.arange(len(y)), y]))


@pytest.mark.parametrize("kind", KINDS)
def test_over_confidence_is_mended_on_new_rows(kind: str) -> None:
    lp, y = binary()
    calibrator, notes = fit_calibrator(lp, y, kind)
    assert "kept" in notes[-1]
    fresh, labels = binary(seed=1)
    truth = two(logit(np.exp(np.maximum(fresh[:, 1], -700))) / 3)
    got = apply_calibrator(json.loads(json.dumps(calibrator)), fresh)
    np.testing.assert_allclose(np.exp(got).sum(axis=1), 1, atol=1e-12)
    assert loss(got, labels) < loss(fresh, labels) - 0.1
    # temperature shrinks to the shares, here not the true center of the scores
    assert loss(got, labels) < loss(truth, labels) + (0.04 if kind == "temperature" else 0.01)


def test_platt_equals_an_unpenalized_logistic_regression() -> None:
    lp, y = binary(move=1.0)
    calibrator = module._fit_kind("platt", lp, y, np.ones(len(y)))
    z = (lp[:, 1] - lp[:, 0])[:, None]
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z, y)
    assert calibrator["slopes"][1] == pytest.approx(reference.coef_[0, 0], rel=3e-3)
    intercept = calibrator["intercepts"][1] - calibrator["intercepts"][0]
    assert intercept == pytest.approx(reference.intercept_[0], rel=3e-3)


def test_beta_equals_a_logistic_regression_on_both_logarithms() -> None:
    lp, y = binary(20_000, move=1.0)
    calibrator = module._fit_kind("vector", lp, y, np.ones(len(y)))
    logs = np.stack([lp[:, 1], -lp[:, 0]], axis=1)
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(logs, y)
    got = apply_calibrator(calibrator, lp)[:, 1]
    np.testing.assert_allclose(np.exp(got), reference.predict_proba(logs)[:, 1], atol=2e-3)


def test_temperature_recovers_a_known_slope_about_the_shares() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=20_000)
    y = (rng.random(20_000) < expit(z - 2)).astype(int)
    anchor = logit(y.mean())
    over = two(anchor + 2.5 * (z - 2 - anchor))
    calibrator = module._fit_kind("temperature", over, y, np.ones(len(y)))
    assert calibrator["slopes"] == pytest.approx([0.4, 0.4], abs=0.02)
    at_shares = apply_calibrator(calibrator, two(np.array([anchor])))
    assert np.exp(at_shares[0, 1]) == pytest.approx(y.mean(), rel=1e-9)


def test_isotonic_follows_scikit_learn() -> None:
    lp, y = binary(20_000)
    calibrator = module._fit_kind("isotonic", lp, y, np.ones(len(y)))
    z = lp[:, 1] - lp[:, 0]
    reference = IsotonicRegression(out_of_bounds="clip").fit(z, y).predict(z)
    got = np.exp(apply_calibrator(calibrator, lp)[:, 1])
    assert np.mean(np.abs(got - reference)) < 0.005
    assert np.all(np.diff(got[np.argsort(z)]) >= -1e-12)
    assert 0 < got.min() <= got.max() < 1


@pytest.mark.parametrize("kind", ["temperature", "platt", "vector", "isotonic"])
def test_multiclass(kind: str) -> None:
    rng = np.random.default_rng(0)
    truth = log_softmax(rng.normal(size=(8000, 3)) + np.array([2.0, 0.0, 0.0]))
    y = (rng.random((8000, 1)) > np.cumsum(np.exp(truth), axis=1)[:, :-1]).sum(axis=1)
    over = log_softmax(3 * truth)
    calibrator, _ = fit_calibrator(over[:4000], y[:4000], kind)
    got = apply_calibrator(calibrator, over[4000:])
    assert loss(got, y[4000:]) < loss(over[4000:], y[4000:]) - 0.1
    np.testing.assert_allclose(np.exp(got).sum(axis=1), 1, atol=1e-12)


def test_good_scores_are_mostly_left_alone() -> None:
    """A calibrator that is kept though nothing was wrong costs next to nothing."""
    kept, cost = 0, []
    for seed in range(30):
        lp, y = binary(1500, seed, slope=1.0)
        calibrator, notes = fit_calibrator(lp, y, "platt", seed=seed)
        kept += calibrator is not None
        assert ("so the calibrator was not used" in notes[-1]) == (calibrator is None)
        fresh, labels = binary(1500, seed + 1000, slope=1.0)
        cost.append(loss(apply_calibrator(calibrator, fresh), labels) - loss(fresh, labels))
    assert kept <= 9
    assert np.mean(cost) < 0.001


def test_few_rare_rows_are_refused_in_words() -> None:
    lp, _ = binary(100)
    calibrator, notes = fit_calibrator(lp, np.r_[1, 1, 1, np.zeros(97, int)])
    assert calibrator is None
    assert "platt needs 30 and has 3" in notes[0]
    three = log_softmax(np.random.default_rng(0).normal(size=(100, 3)))
    _, notes = fit_calibrator(three, np.r_[np.zeros(60, int), np.ones(37, int), 2, 2, 2])
    assert "temperature" not in notes[0]  # one slope needs no class on its own


@pytest.mark.parametrize("kind", ["temperature", "platt", "vector"])
@pytest.mark.parametrize("weighted", [False, True])
def test_two_classes_agree_with_any_number_of_classes_and_with_a_search(kind: str, weighted: bool) -> None:
    """The logistic regression is the softmax with two columns, and no point near its end is better."""
    lp, y = binary(3000, slope=2.0, move=-1.0)
    w = np.random.default_rng(2).uniform(0.2, 3.0, 3000) if weighted else np.ones(3000)
    origin, basis, start = module._coordinates_of_kind(kind, lp, y, w)
    one, many = (
        module._objective_of_two_classes(lp, y, w, origin, basis),
        module._objective_of_classes(lp, y, w, origin, basis),
    )
    for theta in (start, start + np.random.default_rng(3).normal(size=start.shape)):
        for got, wanted in zip(one(theta), many(theta), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-7)
    best = minimize(lambda theta: many(theta)[0], start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    slopes, intercepts = module._fit_linear(kind, lp, y, w)
    wanted = origin + basis @ best.x
    np.testing.assert_allclose(np.append(slopes, intercepts), wanted, atol=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["temperature", "platt", "vector"])
def test_where_a_fit_starts_does_not_change_it(kind: str, classes: int) -> None:
    rng = np.random.default_rng(0)
    lp = log_softmax(2.0 * rng.normal(size=(3000, classes)))
    y = (rng.random((3000, 1)) > np.cumsum(np.exp(lp), axis=1)[:, :-1]).sum(axis=1)
    w, few = np.ones(3000), slice(0, 2000)
    start = module._fit_kind(kind, lp, y, w)
    cold, warm = (module._fit_kind(kind, lp[few], y[few], w[few], begin) for begin in (None, start))
    np.testing.assert_allclose(*(np.exp(apply_calibrator(one, lp)) for one in (warm, cold)), atol=1e-4)


def test_laws() -> None:
    lp, y = binary(1500)
    order = np.random.default_rng(0).permutation(1500)
    w = np.random.default_rng(1).integers(1, 3, size=1500)
    for kind in ("temperature", "platt", "vector", "isotonic"):
        whole = apply_calibrator(module._fit_kind(kind, lp, y, w.astype(float)), lp)
        mixed = apply_calibrator(module._fit_kind(kind, lp[order], y[order], w[order].astype(float)), lp)
        twice = apply_calibrator(module._fit_kind(kind, np.repeat(lp, w, 0), np.repeat(y, w), np.ones(w.sum())), lp)
        np.testing.assert_allclose(mixed, whole, atol=1e-5)
        np.testing.assert_allclose(twice, whole, atol=1e-5)


def test_thinning_keeps_every_class_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH", 100)
    y = np.r_[np.zeros(1000, int), np.ones(50, int)]
    w = np.random.default_rng(0).uniform(size=1050)
    some, counted = module._rows_to_compare_kinds(y, w, 0)
    assert len(some) == 150
    for c in (0, 1):
        assert counted[y[some] == c].sum() == pytest.approx(w[y == c].sum())


def test_extreme_and_separable_scores_stay_finite() -> None:
    z = np.r_[np.full(60, -900.0), np.full(60, 900.0)]
    y = np.r_[np.zeros(60, int), np.ones(60, int)]
    for kind in ("temperature", "platt", "vector", "isotonic"):
        assert np.all(np.isfinite(apply_calibrator(module._fit_kind(kind, two(z), y, np.ones(120)), two(z))))
    upside_down = module._fit_kind("platt", two(-z / 900), y, np.ones(120))
    assert upside_down["slopes"] == [0.0, 0.0]


def test_unknown_kinds() -> None:
    lp, y = binary(50)
    with pytest.raises(OptionError, match="Did you mean 'platt'"):
        fit_calibrator(lp, y, "plat")
    with pytest.raises(OptionError, match="The calibrator has the kind"):
        apply_calibrator({"kind": "spline"}, lp)


def test_none_and_after() -> None:
    lp, _ = binary(20)
    np.testing.assert_allclose(apply_calibrator(None, lp), lp)
    same = {"kind": "platt", "slopes": [1.0, 1.0], "intercepts": [0.0, 0.0], "after": [0.0, 1.0]}
    np.testing.assert_allclose(apply_calibrator(same, lp), log_softmax(lp + np.array([0.0, 1.0])), atol=1e-12)


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_weights_that_sum_to_1_calibrate_as_weights_of_1(kind: str) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=2048)
    y = (rng.random(2048) < 1 / (1 + np.exp(-z))).astype(int)
    over = log_softmax(np.stack([np.zeros(2048), 3 * z], axis=1))
    whole, _ = fit_calibrator(over, y, kind)
    weighted, _ = fit_calibrator(over, y, kind, sample_weight=np.full(2048, 1 / 2048))
    assert whole is not None
    assert weighted is not None
    np.testing.assert_allclose(apply_calibrator(weighted, over), apply_calibrator(whole, over), rtol=1e-6)


def test_rows_of_weight_0_fit_no_calibrator() -> None:
    lp, y = binary(2000)
    w = np.random.default_rng(1).random(2000)
    w[w < 0.3] = 0.0
    kept = w > 0
    assert fit_calibrator(lp, y, "platt", sample_weight=w) == fit_calibrator(
        lp[kept], y[kept], "platt", sample_weight=w[kept]
    )
    # Ten positive rows with weight are too few, however many have none.
    w = np.where((y == 0) | (np.cumsum(y) <= 10), 1.0, 0.0)
    calibrator, notes = fit_calibrator(lp, y, "platt", sample_weight=w)
    assert calibrator is None
    assert "platt needs 30 and has 10" in notes[0]


@pytest.mark.parametrize("kind", ["temperature", "platt", "vector"])
@pytest.mark.parametrize("classes", [2, 3])
def test_scores_in_the_wrong_order_keep_the_shares(kind: str, classes: int) -> None:
    """A slope below 0 becomes 0, and the mean probability of each class is still its share."""
    rng = np.random.default_rng(0)
    lp = log_softmax(rng.normal(size=(300, classes)) + np.log([0.7, *np.full(classes - 1, 0.3 / (classes - 1))]))
    y = np.argsort(np.argsort(lp[:, 0] + rng.normal(size=300))) * classes // 300  # the higher, the less class 0
    y = np.where(rng.random(300) < 0.6, 0, y)
    calibrator = module._fit_kind(kind, lp, y, np.ones(300))
    assert calibrator["slopes"][0] == 0.0
    mean = np.exp(apply_calibrator(calibrator, lp)).mean(axis=0)
    np.testing.assert_allclose(mean, np.bincount(y) / 300, atol=1e-3)
