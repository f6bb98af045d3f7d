"""Undersampling by hardness: hand-worked bins and pools, and laws over random scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from counterpoise.core.errors import OptionError
from counterpoise.plans.class_plans import undersample
from counterpoise.plans.hardness import _divide_rows, by_hardness, cascade, self_paced
from counterpoise.plans.over_rows import OverRows

RNG = np.random.default_rng(0)


def proba(p, y=None):
    """(n, 2) from the probability of class 1."""
    return np.column_stack([1 - np.asarray(p), p])


def test_bins_by_hand():
    hardness = np.array([0.0, 0.1, 0.3, 0.5, 0.6, 1.0])
    # Two bins: [0, 0.5) and [0.5, 1], mean hardness 0.4 / 3 and 0.7; pace 0.1: shares 30/7 and 5/4, of 5: 3.87 and 1.13
    bin_of, sizes = by_hardness(hardness, 5, 0.1, 2)
    assert bin_of.tolist() == [0, 0, 0, 1, 1, 1]
    assert sizes.tolist() == [3, 2], "4 would be more than the first bin holds"
    assert by_hardness(hardness, 4, 0.1, 2)[1].tolist() == [3, 1]
    assert by_hardness(hardness, 4, 1e9, 2)[1].tolist() == [2, 2], "late members see bins alike"
    assert by_hardness(np.full(6, 0.3), 4, 0.1, 3)[1].sum() == 4


def test_the_pace_is_that_of_the_number_of_members():
    y = np.repeat([0, 1], [400, 20])
    scores = [proba(np.where(y == 1, 0.9, RNG.random(420))) for _ in range(4)]
    for number in (1, 2, 4):
        plan = self_paced(y, scores[:number], members=5, bins=4)
        hardness = np.mean(scores[:number], axis=0)[y == 0][:, 1]
        bins, sizes = by_hardness(hardness, 20, math.tan(math.pi * number / 10), 4)
        drawn = plan.rows(0, 7)
        assert np.bincount(y[drawn]).tolist() == [20, 20]
        assert np.bincount(bins[drawn[drawn < 400]], minlength=4).tolist() == sizes.tolist()


def test_shares_add_up_and_never_exceed_the_bin():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(0, 30, 10)
        wanted = int(rng.integers(0, sizes.sum() + 1))
        given = _divide_rows(wanted, np.where(sizes > 0, rng.random(10) + 0.01, 0.0), sizes)
        assert given.sum() == wanted
        assert (given <= sizes).all()


def test_the_pool_of_the_cascade_by_hand():
    # 9 rows of class 0, 1 of class 1: f = (1 / 9) ** (1 / 2) = 1 / 3, so pools of 9, 3 and 1.
    y = np.repeat([0, 1], [9, 1])
    first, second = np.arange(10) / 10, np.array([0, 0, 0, 0, 0, 0, 0.9, 0.2, 0.1, 0.9])
    assert cascade(y, [proba(first)], members=3).origin.tolist() == [6, 7, 8, 9]
    assert cascade(y, [proba(first), proba(second)], members=3).origin.tolist() == [6, 9]


@pytest.mark.parametrize("make", [self_paced, cascade])
def test_laws_of_both_with_three_classes_and_weights(make):
    y = RNG.permutation(np.repeat([0, 1, 2], [200, 90, 12]))
    scores, weight = RNG.dirichlet(np.ones(3), (3, len(y))), RNG.random(len(y)) + 0.5
    plan = make(y, scores, members=6, sample_weight=weight)
    assert isinstance(plan, OverRows)
    assert plan.needs_calibration
    rows = plan.rows(0, 1)
    assert np.bincount(y[rows]).tolist() == [12, 12, 12]
    assert len(np.unique(rows)) == len(rows)
    assert np.array_equal(np.sort(plan.rows(5, 1)), np.sort(rows)), "one set for all epochs"
    assert not np.array_equal(np.sort(plan.rows(0, 2)), np.sort(rows))
    again = make(y, scores, members=6, sample_weight=weight, redraw=True)
    assert not np.array_equal(np.sort(again.rows(1, 1)), np.sort(rows))
    assert plan.weights()[rows].mean() == pytest.approx(1, abs=0.2)
    assert plan.weights()[rows] / weight[rows] == pytest.approx(np.full(36, plan.weights()[rows[0]] / weight[rows[0]]))
    assert plan.log_shift == pytest.approx(undersample(y, sample_weight=weight).log_shift)
    nothing = make(y, members=4)
    assert np.array_equal(nothing.rows(0, 3), undersample(y, redraw=False).rows(0, 3))


def test_members_that_broke_down_say_nothing():
    y = np.repeat([0, 1], [40, 8])
    good = proba(np.where(y == 1, 0.8, RNG.random(48)))
    both = self_paced(y, [np.full((48, 2), np.nan), good], members=5)
    assert np.bincount(y[both.rows()]).tolist() == [8, 8]
    assert np.bincount(y[self_paced(y, [np.full((48, 2), np.nan)], members=5).rows()]).tolist() == [8, 8]


@pytest.mark.parametrize("make", [self_paced, cascade])
def test_refusals(make):
    y = np.repeat([0, 1], [8, 2])
    with pytest.raises(OptionError, match=r"before= has shape \(1, 9, 2\). Expected \(members so far, 10, 2\)"):
        make(y, np.zeros((1, 9, 2)))
    with pytest.raises(OptionError, match="bins is -1"):
        self_paced(y, bins=-1)
    with pytest.raises(OptionError, match="before= has 2 members, but the ensemble has only 2"):
        make(y, np.zeros((2, 10, 2)), members=2)
