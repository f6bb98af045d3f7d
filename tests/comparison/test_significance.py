"""Tests of one difference: hand values, numerical integration, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from counterpoise.comparison.significance import (
    NO_DIFFERENCE,
    correlated_t,
    from_draws,
    holm,
    holm_of,
    repeats_to_decide,
)


def test_frequentist_side_is_nadeau_and_bengio() -> None:
    d = np.random.default_rng(0).normal(0.02, 0.03, 30)
    got = correlated_t(d, 1 / 9)
    t = d.mean() / math.sqrt(d.var(ddof=1) * (1 / 30 + 1 / 9))
    assert got.p == pytest.approx(2 * stats.t.sf(abs(t), 29))
    assert got.high - got.mean == pytest.approx(stats.t.ppf(0.975, 29) * d.mean() / t)


def test_bayesian_side_integrates_the_posterior() -> None:
    d, rho, rope = np.array([0.01, 0.03, -0.01, 0.02, 0.04]), 1 / 5, 0.01
    scale = math.sqrt(d.var(ddof=1) * (1 / 5 + rho / (1 - rho)))

    def density(x: float) -> float:
        return float(stats.t.pdf(x, 4, loc=d.mean(), scale=scale))

    got = correlated_t(d, 1 / 4, rope)
    assert got.right == pytest.approx(integrate.quad(density, rope, np.inf)[0], abs=1e-6)
    assert got.rope == pytest.approx(integrate.quad(density, -rope, rope)[0], abs=1e-6)
    assert got.left + got.rope + got.right == pytest.approx(1)


def test_seen_from_the_other_side() -> None:
    d = np.array([0.01, 0.03, -0.01, 0.02, 0.04])
    one, two = correlated_t(d, 0.25), correlated_t(-d, 0.25)
    assert (one.left, one.rope, one.right) == pytest.approx((two.right, two.rope, two.left))
    assert (one.low, one.p) == pytest.approx((-two.high, two.p))


def test_identical_constant_and_too_few() -> None:
    assert correlated_t(np.zeros(5), 0.25) == NO_DIFFERENCE
    constant = correlated_t(np.full(5, 0.02), 0.25)
    assert (constant.right, constant.rope) == pytest.approx((1, 0))
    assert constant.p < 1e-6
    assert math.isnan(correlated_t([0.1, math.nan], 0.25).p)


def test_p_values_of_correlated_noise_keep_their_level() -> None:
    # Fold differences of equal strategies: variance 1, correlation 1/K, as the correction assumes.
    rng = np.random.default_rng(1)
    k, runs = 5, 2000
    for repeats in (1, 4):
        j = k * repeats
        shared = rng.normal(size=(runs, 1)) * math.sqrt(1 / k)
        d = shared + rng.normal(size=(runs, j)) * math.sqrt(1 - 1 / k)
        rejected = np.mean([correlated_t(row, 1 / (k - 1)).p <= 0.05 for row in d])
        assert rejected <= 0.065


def test_draws_count() -> None:
    got = from_draws(np.array([-0.02, 0.0, 0.005, 0.02, 0.03, np.nan]), 0.007)
    assert (got.left, got.rope, got.right) == pytest.approx((0.2, 0.4, 0.4))
    assert got.p == pytest.approx(2 * 3 / 6)
    assert from_draws(np.zeros(10), 0.0) == NO_DIFFERENCE


def test_holm_by_hand_and_its_order() -> None:
    got = holm({"a": 0.01, "b": 0.02, "c": math.nan, "d": 0.04})
    assert [got[k] for k in "abd"] == pytest.approx([0.03, 0.04, 0.04])
    assert math.isnan(got["c"])
    assert holm({}) == {}


def test_identical_scores_do_not_burden_the_others() -> None:
    d = correlated_t([0.05, 0.07, 0.06, 0.04, 0.08], 0.25)
    assert holm_of({"threshold": NO_DIFFERENCE, "focal": d}) == {"threshold": 1.0, "focal": d.p}


def test_repeats_that_would_decide_do_decide() -> None:
    rng = np.random.default_rng(2)
    d = rng.normal(size=5)
    d = 0.04 + 0.02 * (d - d.mean()) / d.std(ddof=1)
    needed = repeats_to_decide(d, 5, 0.25, 0.01, comparisons=3)
    assert needed is not None
    assert needed > 1

    def after(repeats: int) -> bool:
        n = repeats * 5
        more = rng.normal(size=n)
        more = 0.04 + 0.02 * (more - more.mean()) / more.std(ddof=1)
        got = correlated_t(more, 0.25)
        return got.right >= 0.95 and 3 * got.p <= 0.05

    assert after(needed)
    assert not after(needed - 1)


def test_repeats_cannot_pass_the_floor() -> None:
    # Standard error never below s sqrt(1/4) = 0.05 with 5 folds: a difference of 0.03 stays open.
    d = np.array([0.13, -0.07, 0.13, -0.07, 0.03])
    assert repeats_to_decide(d, 5, 0.25, 0.01) is None
