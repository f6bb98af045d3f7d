"""Deferred plans: what is drawn and weighs when, in the order that every engine reads."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from counterpoise import plans
from counterpoise.core.errors import OptionError
from counterpoise.core.job import Job, Limits
from counterpoise.engines.batch_order import Order, first_stage_steps
from counterpoise.plans.schedule import check_single, deferred

Y = np.repeat([0, 1], [9, 3])
X = np.random.default_rng(0).normal(size=(12, 2))
ROWS = np.arange(12)
NONE = ROWS[:0]


def job_with(plan, steps: int, round_steps: int = 4) -> Job:
    limits = Limits(steps=steps, round_steps=round_steps, patience=None, batch_size=3)
    return Job.of(
        plan=plan, train=ROWS, stop=NONE, score=NONE, loss=("cross_entropy", {}), seed=0, counters=(0, 0, 0),
        limits=limits,
    )  # fmt: skip


@pytest.mark.parametrize(
    "make", [plans.class_weight, plans.oversample, plans.undersample, partial(plans.per_group, groups=ROWS % 5)]
)
def test_before_the_switch_the_order_is_that_of_no_plan_and_after_it_that_of_the_plan(make):
    plan = make(Y)
    late = job_with(deferred(plan, 0.5), 40)
    order, before = Order(late), Order(job_with(plans.uniform(Y), 40))
    for step in range(20):
        for got, want in zip(order.step(step), before.step(step), strict=True):
            np.testing.assert_array_equal(got, want)
    epochs = -(-20 // order.steps_per_epoch)
    seen = [order.step(20 + step) for step in range(epochs * order.steps_per_epoch)]
    rows, weights = (np.concatenate(chunk) for chunk in zip(*seen, strict=True))
    np.testing.assert_array_equal(np.bincount(Y[rows]), epochs * plan.drawn)
    np.testing.assert_allclose(weights, plan.weights()[rows], rtol=1e-6)


def test_rows_seen_counts_both_stages():
    order = Order(job_with(deferred(plans.undersample(Y), 0.5), 20))
    for steps in range(20):
        assert order.rows_seen(steps) == sum(len(order.step(step)[0]) for step in range(steps))


def test_an_earlier_turn_begins_the_last_stage_and_a_later_one_changes_nothing():
    order, turned = (Order(job_with(deferred(plans.oversample(Y), 0.5), 40)) for _ in range(2))
    turned.start_last_stage(8)
    turned.start_last_stage(30)
    np.testing.assert_array_equal(turned.step(8)[0], order.step(20)[0])
    np.testing.assert_array_equal(turned.step(7)[0], order.step(7)[0])


@pytest.mark.parametrize(("steps", "round_steps", "first"), [(40, 4, 20), (42, 4, 20), (3, 4, 2), (4, 4, 2), (9, 4, 4)])
def test_the_first_stage_takes_whole_rounds_where_there_are_any(steps, round_steps, first):
    assert first_stage_steps(job_with(deferred(plans.class_weight(Y), 0.5), steps, round_steps)) == first


def test_rows_weights_and_shift_are_those_of_the_plan():
    plan = plans.oversample(Y)
    late = deferred(plan, 0.5)
    np.testing.assert_array_equal(late.rows(3, 1), plan.rows(3, 1))
    np.testing.assert_array_equal(late.weights(), plan.weights())
    np.testing.assert_array_equal(late.log_shift, plan.log_shift)
    np.testing.assert_array_equal(late.prior, plan.prior)
    assert late.needs_calibration
    assert plan.stages == (plan,)


def test_the_content_of_a_job_separates_deferred_plans():
    groups = [np.arange(12) % 4, np.arange(12) // 3]
    made = [
        plans.oversample(Y),
        deferred(plans.oversample(Y), 0.5),
        deferred(plans.oversample(Y), 0.50000001),
        deferred(plans.undersample(Y), 0.5),
        *(plans.per_group(Y, g) for g in groups),
    ]
    assert len({job_with(plan, 20).id for plan in made}) == len(made)
    assert job_with(made[1], 20).id == job_with(deferred(plans.oversample(Y), 0.5), 20).id


def test_the_users_weights_count_in_both_stages():
    own = np.linspace(1, 2, len(Y))
    for late in (deferred(plans.class_weight(Y, sample_weight=own)), deferred(plans.class_weight(Y)).with_weights(own)):
        np.testing.assert_allclose(late.first.weights(), own / own.mean(), rtol=1e-6)
        np.testing.assert_allclose(late.weights() @ np.ones(len(Y)) / len(Y), 1, rtol=1e-6)


def test_a_deferred_plan_that_makes_rows_shows_them_in_its_last_stage_only():
    late = deferred(plans.synthesize(Y, k_neighbors=1), 0.5)
    made = late.realize(X)
    for plan in (made, deferred(plans.synthesize(Y, k_neighbors=1).realize(X), 0.5)):
        job = job_with(plan, 40)
        order = Order(Job(**{**vars(job), "train": np.arange(len(plan.codes))}))
        assert max(order.step(s)[0].max() for s in range(20)) < 12
        assert sorted(np.concatenate([order.step(20 + s)[0] for s in range(order.steps_per_epoch)])) == list(range(18))


def test_what_cannot_be_deferred_is_refused():
    with pytest.raises(OptionError, match="already deferred"):
        deferred(deferred(plans.oversample(Y)))
    with pytest.raises(OptionError, match="at is 1"):
        deferred(plans.class_weight(Y), 1)
    with pytest.raises(OptionError, match="then pass it to deferred"):
        plans.chain(lambda y, **how: deferred(plans.oversample(y, **how)))(Y).realize(X)
    with pytest.raises(OptionError, match="two stages"):
        check_single(deferred(plans.oversample(Y)))
