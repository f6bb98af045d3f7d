"""Plans of members: each member counts every row as its own plan does, whatever the others share the batches with."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.errors import OptionError
from counterpoise.plans import class_weight
from counterpoise.plans.class_plans import oversample, undersample, uniform
from counterpoise.plans.member_plans import joined_member_plans
from counterpoise.plans.schedule import deferred
from counterpoise.plans.synthesis import synthesize

Y = np.repeat([0, 1, 2], [30, 8, 4])
USER = np.random.default_rng(0).random(len(Y)) + 0.5
PLANS = {
    "uniform": uniform(Y),
    "oversample": oversample(Y),
    "oversample with replacement": oversample(Y, draw="replacement"),
    "undersample": undersample(Y),
    "class_weight": class_weight(Y),
    "user weights": oversample(Y, sample_weight=USER),
}


def counted(plan, epochs=300):
    """What the rows count for each member per epoch, (n, k), by drawing."""
    total = np.zeros((len(Y), len(plan.of_members)))
    for epoch in range(epochs):
        rows, weights = plan.epoch(epoch, seed=0)
        np.add.at(total, rows, weights)
    return total / epochs


def test_equal_plans_are_that_plan_row_by_row():
    plain, members = uniform(Y), joined_member_plans([uniform(Y)], n_members=3)
    for epoch in range(3):
        rows, weights = members.epoch(epoch, seed=5)
        assert np.array_equal(rows, plain.rows(epoch, 5))
        assert np.array_equal(rows, members.rows(epoch, 5))
        assert np.array_equal(weights, np.ones((len(Y), 3), np.float32))


@pytest.mark.parametrize("name", PLANS)
def test_each_view_counts_a_row_as_its_own_plan_does(name):
    plan = joined_member_plans([PLANS["uniform"], PLANS[name]], n_members=2)
    multiplicity = PLANS[name].multiplicity[Y] * (USER if name == "user weights" else 1)
    wanted = np.stack([np.ones(len(Y)), multiplicity / multiplicity.mean()], axis=1)
    times = counted(plan)
    assert np.allclose(times.mean(axis=0), 1, atol=0.02)
    assert np.allclose(times, wanted, atol=0.35)
    assert np.abs(times - wanted).mean() < 0.06


def test_every_epoch_has_as_many_rows_as_there_are_and_no_weight_above_the_number_of_views():
    plan = joined_member_plans([PLANS["uniform"], PLANS["oversample"], undersample(Y, redraw=False)], n_members=5)
    assert len(plan) == len(Y)
    assert plan.weights().tolist() == [1.0] * len(Y)
    for epoch in range(20):
        rows, weights = plan.epoch(epoch, seed=1)
        assert rows.shape == (len(Y),)
        assert weights.shape == (len(Y), 5)
        assert weights.min() >= 0
        assert weights.max() <= 5 + 1e-5


def test_a_fixed_subset_stays_fixed_and_every_view_has_its_own():
    plan = joined_member_plans([undersample(Y, redraw=False)], n_members=4)
    seen = counted(plan, epochs=60) > 0
    assert all(np.bincount(Y[seen[:, v]]).tolist() == [4, 4, 4] for v in range(4))
    assert len({tuple(np.flatnonzero(seen[:, v])) for v in range(4)}) == 4


def test_a_walk_goes_on_where_the_epoch_before_ended():
    # 12 of 42 rows: an epoch of the members holds four of the plan.
    plan = joined_member_plans([undersample(Y)], n_members=2)
    rows, weights = plan.epoch(0, seed=0)
    seen = [
        np.unique(np.concatenate([plan.epoch(e, 0)[0][plan.epoch(e, 0)[1][:, v] > 0] for e in (0, 1)])) for v in (0, 1)
    ]
    assert all(len(rows) > 24 for rows in seen)
    assert len(rows) == 42
    assert weights.max() <= 2


def test_the_whole_has_no_shift_and_an_identity_of_all_its_parts():
    a, b = (joined_member_plans([PLANS["uniform"], oversample(Y, ratio)], n_members=4) for ratio in (1.0, 0.5))
    assert np.array_equal(a.log_shift, np.zeros(3))
    assert np.allclose(a.prior, a.base_prior)
    assert repr([*a.content()]) != repr([*b.content()])
    assert repr([*a.content()]) == repr([*joined_member_plans([uniform(Y), oversample(Y)], n_members=4).content()])


@pytest.mark.parametrize(
    "members",
    [[], [uniform(Y)] * 3, [uniform(Y), uniform(Y[1:])], [uniform(Y), deferred(oversample(Y))], [synthesize(Y)]],
)
def test_what_cannot_share_batches_is_refused(members):
    with pytest.raises(OptionError, match="members"):
        joined_member_plans(members, n_members=2)
