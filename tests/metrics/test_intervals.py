"""Intervals against SciPy, hand values and simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from counterpoise.core.errors import OptionError
from counterpoise.metrics.intervals import (
    ap_logit_interval,
    clopper_pearson,
    corrected_error,
    f1_interval,
    fold_interval,
    interval_in_range,
    pooled_f1,
    precision_interval,
)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (41, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_exact_interval_is_the_quantiles_of_the_beta_distribution(k: int, n: int, level: float) -> None:
    side = (1 - level) / 2
    low = stats.beta.ppf(side, k, n - k + 1) if k else 0.0
    high = stats.beta.isf(side, k + 1, n - k) if k < n else 1.0
    assert clopper_pearson(k, n, level) == pytest.approx((low, high), abs=1e-12)


def test_the_exact_interval_takes_no_trials() -> None:
    assert clopper_pearson(0, 0) == (0, 1)
    with pytest.raises(OptionError, match="order of the arguments"):
        clopper_pearson(3, 2)
    with pytest.raises(OptionError, match="confidence"):
        clopper_pearson(1, 2, 95)


def test_corrected_error_by_hand() -> None:
    values = [0.7, 0.8, 0.9, 0.8, 0.8] * 3
    s2 = np.var(values, ddof=1)
    assert corrected_error(values, 1 / 4) == pytest.approx(math.sqrt(s2 * (1 / 15 + 1 / 4)))


def test_fold_interval_by_hand_on_the_logit_scale() -> None:
    values = np.array([0.7, 0.8, 0.9, 0.8, 0.8])
    m, se = values.mean(), values.std(ddof=1) * math.sqrt(1 / 5 + 1 / 4)
    half = stats.t.ppf(0.975, 4) * se / (m * (1 - m))
    eta = math.log(m / (1 - m))
    expected = [1 / (1 + math.exp(-(eta - half))), 1 / (1 + math.exp(-(eta + half)))]
    assert fold_interval(values, 1 / 4) == pytest.approx(expected)


def test_unbounded_metrics_take_the_plain_interval() -> None:
    values = np.array([0.7, 1.8, 1.9, 0.8, 0.8])
    half = stats.t.ppf(0.975, 4) * values.std(ddof=1) * math.sqrt(1 / 5 + 1 / 4)
    expected = (values.mean() - half, values.mean() + half)
    assert fold_interval(values, 1 / 4, low=-math.inf, high=math.inf) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=10),
    st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, math.inf), (-math.inf, 1.0), (-math.inf, math.inf), (0.0, 2.0)]),
)
def test_an_interval_holds_its_mean_and_stays_in_its_range(values: list[float], ends: tuple[float, float]) -> None:
    low, high = fold_interval(values, 0.25, low=ends[0], high=ends[1])
    mean = np.mean(values)
    assert ends[0] <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= ends[1]


def test_every_scale_is_the_plain_interval_for_a_small_error() -> None:
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (0.0, math.inf), (-math.inf, 1.0)):
        assert interval_in_range(0.4, 1e-5, low, high) == pytest.approx((0.4 - 1e-5, 0.4 + 1e-5), abs=1e-9)


def test_mirrored_metric_has_the_mirrored_interval() -> None:
    low, high = interval_in_range(0.9, 0.2, 0.0, 1.0)
    assert interval_in_range(0.1, 0.2, 0.0, 1.0) == pytest.approx((1 - high, 1 - low))
    low, high = interval_in_range(0.3, 0.2, 0.0, math.inf)
    assert interval_in_range(-0.3, 0.2, -math.inf, 0.0) == pytest.approx((-high, -low))


def test_perfect_folds_fall_back_to_the_rows_behind_them() -> None:
    assert fold_interval([1.0] * 5, 1 / 4, trials=30) == pytest.approx(clopper_pearson(30, 30))
    assert fold_interval([1.0] * 5, 1 / 4) == (1.0, 1.0)


def test_undefined_folds_are_left_out() -> None:
    assert fold_interval([0.5, math.nan, 0.6, 0.7], 1 / 3) == fold_interval([0.5, 0.6, 0.7], 1 / 3)
    assert all(math.isnan(v) for v in fold_interval([0.5, math.nan], 1.0))


def test_f1_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    cells = np.array([0.03, 0.02, 0.015, 0.935])
    truth = pooled_f1(*cells[:3])
    hits = 0
    for tp, fp, fn, _ in rng.multinomial(1000, cells, 1000):
        low, high = f1_interval(tp, fp, fn)
        hits += low <= truth <= high
    assert 0.925 <= hits / 1000 <= 0.985


def test_counts_at_the_edges() -> None:
    assert pooled_f1(0, 3, 2) == 0
    assert math.isnan(pooled_f1(0, 3, 0))
    assert f1_interval(0, 3, 2)[0] == 0
    assert f1_interval(5, 0, 0)[1] == 1
    assert precision_interval(0, 0) == (0, 1)


def test_boyd_interval_by_hand() -> None:
    ap, n = 0.6, 30
    eta, z = math.log(ap / (1 - ap)), stats.norm.ppf(0.975)
    half = z / math.sqrt(n * ap * (1 - ap))
    expected = (1 / (1 + math.exp(-(eta - half))), 1 / (1 + math.exp(-(eta + half))))
    assert ap_logit_interval(ap, n) == pytest.approx(expected)
    assert ap_logit_interval(1.0, 10) == pytest.approx(clopper_pearson(10, 10))
    assert all(math.isnan(v) for v in ap_logit_interval(math.nan, 0))
