"""Laws of the prior: inverse pairs, a known posterior, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from counterpoise.core.errors import OptionError
from counterpoise.decide.prior import corrected_log_proba, focal_log_proba, shift, to_prior, unshift

RNG = np.random.default_rng(0)
SHIFTS = {"one unit": (1, (2,)), "two units": (2, (2,)), "five classes": (5, (5,)), "three labels": (3, (3, 2))}


@pytest.mark.parametrize("case", SHIFTS)
@pytest.mark.parametrize("proba", [False, True])
def test_shift_and_unshift_are_inverses(case: str, proba: bool) -> None:
    units, shape = SHIFTS[case]
    z, s = RNG.normal(scale=3, size=(50, units)), RNG.normal(size=shape)
    if proba:
        z = softmax(z, axis=1) if len(shape) == 1 and units > 1 else expit(z)
    there = shift(z, s, proba=proba)
    np.testing.assert_allclose(unshift(there, s, proba=proba), z, rtol=1e-12, atol=1e-12)
    assert there.shape == z.shape
    assert not np.allclose(there, z)


@settings(max_examples=50, deadline=None)
@given(st.floats(-40, 40), st.floats(-8, 8), st.floats(-8, 8))
def test_one_unit_equals_two_units(z: float, s0: float, s1: float) -> None:
    one = corrected_log_proba(np.array([[z]]), np.array([s0, s1]))
    two = corrected_log_proba(np.array([[0.0, z]]), np.array([s0, s1]))
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def test_a_shift_common_to_all_classes_changes_nothing() -> None:
    z, s = RNG.normal(size=(20, 4)), RNG.normal(size=4)
    np.testing.assert_allclose(corrected_log_proba(z, s + 7.0), corrected_log_proba(z, s), atol=1e-12)


def test_known_posterior_of_two_gaussians() -> None:
    """At a balanced prior the logit is 2x; true at prior pi it is 2x + log(pi / (1 - pi))."""
    x, pi = RNG.normal(size=200), 0.03
    true = expit(2 * x + np.log(pi / (1 - pi)))
    log_m = np.log([0.5 / (1 - pi), 0.5 / pi])
    np.testing.assert_allclose(np.exp(corrected_log_proba(2 * x, log_m))[:, 1], true, rtol=1e-12)
    balanced = corrected_log_proba(2 * x, np.zeros(2))
    np.testing.assert_allclose(np.exp(to_prior(balanced, 0.5, pi))[:, 1], true, rtol=1e-12)


def test_known_posterior_of_three_gaussians() -> None:
    means, pi, x = np.array([-1.0, 0.0, 2.0]), np.array([0.9, 0.07, 0.03]), RNG.normal(size=(100, 1))
    density = np.exp(-((x - means) ** 2) / 2)
    true = density * pi / (density * pi).sum(axis=1, keepdims=True)
    m = 1 / (3 * pi)
    np.testing.assert_allclose(np.exp(corrected_log_proba(np.log(density * pi * m), np.log(m))), true, rtol=1e-10)


def test_to_prior_there_and_back_and_extremes_stay_finite() -> None:
    lp = corrected_log_proba(np.array([[800.0], [-800.0], [0.0]]), np.zeros(2))
    assert np.all(np.isfinite(lp))
    np.testing.assert_allclose(to_prior(to_prior(lp, 0.1, 0.7), 0.7, 0.1), lp, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_inverse_recovers_the_posterior_that_minimizes_the_focal_loss(gamma: float) -> None:
    from scipy.optimize import minimize_scalar

    for true in (0.02, 0.3, 0.5, 0.9):

        def risk(z: float, p: float = true) -> float:
            q = expit(z)
            return float(-p * (1 - q) ** gamma * np.log(q) - (1 - p) * q**gamma * np.log1p(-q))

        z = minimize_scalar(risk, bounds=(-20, 20), method="bounded", options={"xatol": 1e-10}).x
        got = np.exp(focal_log_proba(corrected_log_proba(np.array([z]), np.zeros(2)), gamma))[0, 1]
        assert got == pytest.approx(true, abs=1e-5)


def test_focal_inverse_of_gamma_zero_and_of_certain_rows() -> None:
    lp = corrected_log_proba(np.array([[0.3], [900.0], [-900.0]]), np.zeros(2))
    np.testing.assert_allclose(focal_log_proba(lp, 0.0), lp, atol=1e-12)
    certain = np.exp(focal_log_proba(lp, 2.0))
    assert np.all(np.isfinite(certain))
    np.testing.assert_allclose(certain[1:], [[0, 1], [1, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: shift(np.zeros((2, 3)), np.zeros(2)), "does not fit 3 output"),
        (lambda: unshift(np.zeros(2), np.array([0.0, -np.inf])), "finite"),
        (lambda: shift(np.array([1.2]), np.zeros(2), proba=True), "between 0 and 1"),
        (lambda: to_prior(np.log([[0.5, 0.5]]), 0.5, 0.0), "above 0"),
        (lambda: to_prior(np.log([[0.5, 0.5]]), 0.5, [0.5, 0.2]), "sums to"),
        (lambda: to_prior(np.array([[np.nan, 0.0]]), 0.5, 0.1), "NaN in 1 rows"),
    ],
)
def test_bad_input(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OptionError, match=says):
        call()
