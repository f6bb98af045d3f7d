"""Deferred plans: what weighs when, in the order that every engine reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from counterpoise.core.errors import OptionError
from counterpoise.core.records import Job, Limits
from counterpoise.plans.plan import class_weight, oversample
from counterpoise.plans.schedule import deferred
from counterpoise.train.order import Order

Y = np.repeat([0, 1], [9, 3])


def job_with(plan, steps: int) -> Job:
    rows = np.arange(len(Y))
    return Job("", plan, rows, rows[:0], rows[:0], ("cross_entropy", {}), 0, (0, 0, 0), Limits(steps, 4, None, 3))


def test_weights_switch_on_after_the_share_of_the_steps():
    plan = class_weight(Y)
    order = Order(job_with(deferred(plan, 0.75), 20))
    for step in range(20):
        rows, weights = order.step(step)
        want = np.ones(len(rows)) if step < 15 else plan.weights()[rows]
        np.testing.assert_allclose(weights, want, rtol=1e-6)


def test_rows_and_shift_are_those_of_the_plan():
    plan = class_weight(Y)
    late = deferred(plan, 0.5)
    np.testing.assert_array_equal(late.rows(3, 1), plan.rows(3, 1))
    np.testing.assert_array_equal(late.log_shift, plan.log_shift)
    assert late.needs_calibration
    assert late.name != deferred(plan, 0.6).name  # a job's content is told by its name


def test_users_weights_count_in_both_stages():
    own = np.linspace(0.5, 2, len(Y))
    late = deferred(class_weight(Y, sample_weight=own))
    np.testing.assert_allclose(late.first_weights(), own / own.mean(), rtol=1e-6)
    assert late.weights().mean() == pytest.approx(1)


def test_an_undeferred_plan_has_one_stage():
    plan = class_weight(Y)
    np.testing.assert_array_equal(plan.first_weights(), plan.weights())
    assert replace(plan, deferred=0.0) is not plan


def test_what_cannot_be_deferred_is_refused():
    with pytest.raises(OptionError, match="only class weights can be deferred"):
        deferred(oversample(Y))
    with pytest.raises(OptionError, match="at is 1"):
        deferred(class_weight(Y), 1)
