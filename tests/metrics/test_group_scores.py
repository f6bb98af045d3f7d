"""Scores of groups against Wilson, Newcombe and a bootstrap of patients; differences hold together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from counterpoise.core.proportions import wilson
from counterpoise.metrics.group_scores import (
    COMPARED,
    GROUP_SCORES,
    group_scores,
    largest_deviation,
    share_with_interval,
)

SCORES = ("share", "prevalence", "alert_rate", "recall", "precision", "false_positive_rate")


def draw(n, groups=3, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    p = np.clip(0.3 + 0.3 * (2 * y - 1) * rng.random(n) + 0.2 * rng.normal(size=n), 0.01, 0.99)
    return y, p, (p > 0.4).astype(int), rng.integers(0, groups, n)


def test_rows_that_stand_alone_get_wilsons_interval():
    y, p, d, g = draw(400)
    scored = group_scores(y, p, d, g)
    for v, one in enumerate(scored["values"]):
        mine = g == v
        counts = {
            "share": (mine.sum(), 400), "prevalence": (y[mine].sum(), mine.sum()),
            "alert_rate": (d[mine].sum(), mine.sum()), "recall": ((y * d)[mine].sum(), y[mine].sum()),
            "precision": ((y * d)[mine].sum(), d[mine].sum()),
            "false_positive_rate": (((1 - y) * d)[mine].sum(), (1 - y)[mine].sum()),
        }  # fmt: skip
        assert one["rows"] == mine.sum()
        for key, (hits, trials) in counts.items():
            low, high = wilson(hits, trials)
            assert tuple(one["scores"][key].values()) == pytest.approx((hits / trials, low, high)), key
        gap = one["scores"]["calibration_gap"]
        assert gap["value"] == pytest.approx((p - y)[mine].mean())
        half = 1.96 * (p - y)[mine].std() / np.sqrt(mine.sum())
        assert gap["high"] - gap["low"] == pytest.approx(2 * half, rel=0.1)
    assert [bool(one["differences"]) for one in scored["values"]].count(False) == 1


def test_groups_of_one_row_each_are_rows_without_groups():
    rng = np.random.default_rng(3)
    y, p, by = rng.integers(0, 2, 80), rng.random(80), np.arange(80) % 3
    decision = (p > 0.5).astype(int)
    alone, grouped = (group_scores(y, p, decision, by, groups=groups) for groups in (None, np.arange(80)))
    np.testing.assert_equal(grouped, alone)


def test_a_difference_of_two_groups_joins_jeffreys_intervals():
    """56/70 against 48/80, Newcombe's example (a) of 1998: his squares and sums, of quantiles of SciPy's beta."""
    y = np.ones(150, int)
    d = np.concatenate([np.arange(80) < 48, np.arange(70) < 56]).astype(int)
    scored = group_scores(y, np.full(150, 0.5), d, np.repeat([0, 1], [80, 70]))
    gap = scored["values"][1]["differences"]["recall"]
    (a, b), (c, e) = (stats.beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5) for k, n in ((56, 70), (48, 80)))
    ends = 0.2 - np.hypot(0.8 - a, e - 0.6), 0.2 + np.hypot(b - 0.8, 0.6 - c)
    assert (gap["low"], gap["high"]) == pytest.approx(ends)
    assert ends == pytest.approx((0.0524, 0.3339), abs=0.005)  # his own, from Wilson's intervals
    assert np.isnan(scored["values"][0]["scores"]["false_positive_rate"]["value"])  # there are no negatives


def test_weights_and_patients():
    """Equal weights change nothing; copies of a row within a patient are worth one row."""
    y, p, d, g = draw(300, 2)
    plain, double = (group_scores(y, p, d, g, sample_weight=w) for w in (None, np.full(300, 2.0)))
    three = np.repeat(np.arange(300), 3)
    copies = group_scores(y[three], p[three], d[three], g[three], groups=three)
    for key in SCORES:
        a, b, c = (scored["values"][1]["scores"][key] for scored in (plain, double, copies))
        assert tuple(b.values()) == pytest.approx(tuple(a.values())), key
        assert tuple(c.values()) == pytest.approx(tuple(a.values()), rel=0.02), key


def test_one_patient_in_two_groups_makes_a_difference_surer():
    """Rows of a patient alike in both groups: the interval follows a bootstrap of patients, not that of rows."""
    rng = np.random.default_rng(1)
    own = np.repeat(rng.random(300) < 0.5, 2)
    g = np.tile([0, 1], 300)
    y = (own ^ (rng.random(600) < 0.1)).astype(int)
    patients, p = np.repeat(np.arange(300), 2), np.full(600, 0.5)
    together, alone = (
        group_scores(y, p, y, g, groups=groups, reference=0)["values"][1]["differences"]["prevalence"]
        for groups in (patients, None)
    )
    gap = (y[1::2] - y[::2]).astype(float)
    draws = gap[rng.integers(0, 300, (2000, 300))].mean(axis=1)
    assert together["high"] - together["low"] == pytest.approx(np.ptp(np.quantile(draws, [0.025, 0.975])), rel=0.12)
    assert alone["high"] - alone["low"] > 1.5 * (together["high"] - together["low"])


def test_the_largest_deviation():
    """Independent ones by Sidak; equal ones are one; few patients widen it as Student's t does."""
    assert largest_deviation(np.eye(4), np.inf, 0.95, 0) == pytest.approx(
        stats.norm.ppf((1 + 0.95**0.25) / 2), abs=0.03
    )
    assert largest_deviation(np.ones((4, 4)), np.inf, 0.95, 0) == pytest.approx(1.96, abs=0.04)
    assert largest_deviation(np.eye(1), 9, 0.95, 0) == pytest.approx(stats.t.ppf(0.975, 9))
    assert largest_deviation(np.ones((2, 2)), 9, 0.95, 0) == pytest.approx(stats.t.ppf(0.975, 9), abs=0.08)


def test_nothing_found_and_nobody_there():
    y, d = np.array([1, 1, 1, 0, 0, 1, 0, 0]), np.array([1, 1, 1, 0, 0, 0, 0, 0])
    scored = group_scores(y, d * 0.5, d, np.array([0, 0, 0, 0, 1, 1, 2, 2]))
    first, second, third = (one["scores"]["recall"] for one in scored["values"])
    assert first["high"] == 1.0 > first["low"] > 0.3
    assert second["low"] == 0.0 < second["high"] < 1
    assert np.isnan([third["value"], scored["values"][2]["differences"]["recall"]["low"]]).all()
    assert set(scored["values"][1]["differences"]) == set(COMPARED) < set(GROUP_SCORES)


@pytest.mark.parametrize("grouped", [False, True])
def test_rows_of_weight_0_are_absent(grouped):
    y, p, d, g = draw(300)
    rng = np.random.default_rng(1)
    unit, w = rng.integers(0, 40, 300), rng.random(300)
    w[(rng.random(300) < 0.3) | (unit < 5)] = 0.0
    kept = w > 0
    with_all = group_scores(y, p, d, g, groups=unit if grouped else None, sample_weight=w, reference=0)
    without = group_scores(
        y[kept], p[kept], d[kept], g[kept], groups=unit[kept] if grouped else None, sample_weight=w[kept], reference=0
    )
    for one, other in zip(with_all["values"], without["values"], strict=True):
        assert (one["rows"], one["positives"]) == (other["rows"], other["positives"])
        for kind in ("scores", "differences"):
            for key, score in one[kind].items():
                assert list(score.values()) == pytest.approx(list(other[kind][key].values()), nan_ok=True), key


def test_the_calibration_error_of_weighted_rows_is_not_that_of_unweighted_rows():
    y, p, d, g = draw(300)
    scored = group_scores(y, p, d, g, sample_weight=np.linspace(0.1, 2, 300))
    assert all(np.isnan(one["scores"]["calibration_error"]["value"]) for one in scored["values"])


def test_a_score_of_one_patient_has_no_interval_and_no_test():
    """All rows of value 2 are of one patient: nothing shows how much patients differ there."""
    y, p, d, g = draw(600)
    patient = np.where(g == 2, 999, np.arange(600) // 3)
    g[: (g == 2).sum()] = 2  # and it has the most rows, but is no reference
    patient[g == 2] = 999
    scored = group_scores(y, p, d, g, groups=patient)
    alone = scored["values"][2]
    assert scored["reference"] != 2
    assert alone["rows"] == max(v["rows"] for v in scored["values"])
    for key in set(GROUP_SCORES) - {"share"}:
        assert np.isfinite(alone["scores"][key]["value"]), key
        assert np.isnan(alone["scores"][key]["low"]), key
        assert np.isnan(alone["scores"][key]["high"]), key
    for key in COMPARED:
        assert np.isnan(alone["differences"][key]["low"]), key
    # The other values get the intervals that they have without it.
    rest = g != 2
    without = group_scores(y[rest], p[rest], d[rest], g[rest], groups=patient[rest])
    for v in (0, 1):
        for key in COMPARED:
            mine, its = scored["values"][v]["scores"][key], without["values"][v]["scores"][key]
            assert (mine["low"], mine["high"]) == pytest.approx((its["low"], its["high"]), rel=0.02), key


def test_a_share_of_one_patient_has_no_interval():
    share = share_with_interval(np.arange(20) < 8, np.arange(20) < 10, groups=np.zeros(20))
    assert share["value"] == pytest.approx(0.8)
    assert np.isnan(share["low"])
