"""Plans that count groups instead of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError


def cohort(sizes, seed=0):
    """Rows of groups, each of one class: sizes[c] lists the rows of the groups of class c."""
    y = np.concatenate([np.repeat(c, sum(rows)) for c, rows in enumerate(sizes)])
    ends = np.concatenate([np.repeat(np.arange(len(r)) + 100 * c, r) for c, r in enumerate(sizes)])
    order = np.random.default_rng(seed).permutation(len(y))
    return y[order], ends[order]


cohorts = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=6), min_size=2, max_size=3)


@given(cohorts, st.sampled_from(["oversample", "undersample", "none"]), st.integers(0, 4))
def test_groups_of_a_class_are_drawn_equally_often(sizes, balance, epoch):
    y, who = cohort(sizes)
    plan = plans.per_group(y, who, balance)
    rows = plan.rows(epoch, 2)
    assert len(rows) == len(plan)
    for code, groups in enumerate(sizes):
        times = [int((who[rows] == 100 * code + g).sum()) for g in range(len(groups))]
        assert max(times) - min(times) <= 1
        assert sum(times) == plan.drawn[code]
        assert min(times) >= 1
    if balance != "none":
        assert np.ptp(plan.drawn) == 0
        assert plan.prior == pytest.approx(np.full(len(sizes), 1 / len(sizes)))


@given(cohorts, st.sampled_from(["oversample", "none"]))
def test_weights_give_each_group_of_a_class_the_same_sum(sizes, balance):
    y, who = cohort(sizes)
    plan = plans.per_group(y, who, balance, how="weights")
    weights = plan.weights()
    assert weights.mean() == pytest.approx(1, rel=1e-4)
    assert sorted(plan.rows(0, 0)) == list(range(len(y)))
    sums = [[weights[who == 100 * c + g].sum() for g in range(len(r))] for c, r in enumerate(sizes)]
    for one in sums:
        assert one == pytest.approx([one[0]] * len(one), rel=1e-4)
    totals = np.array([sum(one) for one in sums])
    assert totals / totals.sum() == pytest.approx(plan.prior, rel=1e-3)
    if balance == "none":
        assert plan.prior == pytest.approx([len(r) / sum(map(len, sizes)) for r in sizes], abs=0.5 / len(y) + 0.2)


@given(cohorts)
def test_whole_groups_stay_together_and_the_walk_sees_every_row(sizes):
    y, who = cohort(sizes)
    plan = plans.per_group(y, who, "undersample", how="whole")
    size = int(plan.drawn[0])
    for code in range(len(sizes)):
        passes = -(-int(plan.counts[code]) // size)
        walk = np.concatenate([plan._whole_group_rows(code, e, 1) for e in range(passes)])[: plan.counts[code]]
        assert sorted(walk) == np.flatnonzero(y == code).tolist()
        changes = np.count_nonzero(np.diff(who[walk]))
        assert changes == len(sizes[code]) - 1
    assert not plan.needs_calibration
    assert plan.log_shift == pytest.approx(np.log(plan.drawn / plan.counts) - np.mean(np.log(plan.drawn / plan.counts)))


def test_the_population_is_named_and_asks_for_calibration():
    y, who = cohort([[3, 1, 1], [2, 2]])
    plan = plans.per_group(y, who)
    assert plan.population == "a random group"
    assert plan.needs_calibration
    assert plan.group_counts.tolist() == [3, 2]


def test_your_own_weights_multiply_in():
    y, who = cohort([[3, 1, 1], [2, 2]])
    own = np.random.default_rng(0).uniform(1, 2, len(y))
    weights = plans.per_group(y, who, how="weights", sample_weight=own).weights()
    sums = [weights[who == g].sum() for g in np.unique(who)]
    assert sums[:3] == pytest.approx([sums[0]] * 3, rel=1e-4)


def test_a_patient_with_both_classes_counts_in_both():
    plan = plans.per_group([0, 0, 1, 1], ["a", "b", "a", "a"])
    assert plan.group_counts.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plans.per_group([0, 1], ["a"]), "do not match"),
        (lambda: plans.per_group([0, 1], [1.0, np.nan]), "missing in 1 rows"),
        (lambda: plans.per_group([0, 1, 1], ["a", np.nan, "b"]), "missing in 1 rows"),
        (lambda: plans.per_group([0, 1], [[1], [2]]), "one group per row"),
        (lambda: plans.per_group([0, 1], [1, 2], "equal"), "balance is 'equal'"),
        (lambda: plans.per_group([0, 1], [1, 2], how="all"), "how is 'all'"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises((DataError, OptionError), match=words):
        call()


@pytest.mark.parametrize("how", ["rows", "weights"])
def test_the_shift_counts_the_weights_of_the_user(how):
    y, who = np.repeat([0, 1], [8, 4]), list("aaaabbcdeeef")
    own = np.array([5, 5, 5, 5, 1, 1, 0, 1, 3, 1, 1, 1.0])
    plan = plans.per_group(y, who, how=how, sample_weight=own)
    seen = np.zeros(2)
    for number in range(60):
        rows, weights = plan.epoch(number, 0)
        seen += np.bincount(y[rows], weights)
    assert seen / seen.sum() == pytest.approx(plan.prior, abs=0.01)
    if how == "weights":  # a group of weight 0 is as if it were absent
        kept = own > 0
        alone = plans.per_group(y[kept], np.array(who)[kept], how=how, sample_weight=own[kept])
        assert plan.log_shift == pytest.approx(alone.log_shift)
