"""Weights of labels: what each label sees, and the shift that follows."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.errors import OptionError
from counterpoise.plans import class_plans as plans
from counterpoise.plans.label_plan import label_plan
from counterpoise.plans.schedule import deferred
from counterpoise.targets.kinds import target_of

RNG = np.random.default_rng(3)
Y = (RNG.random((300, 3)) < [0.3, 0.1, 0.05]).astype(np.int32)
Y[RNG.random(300) < 0.3, 1] = -1
LABELS = target_of("labels")


def weighed(make, y=Y, weights=None):
    return LABELS.plan(make, y, y.shape[1], weights)


def test_class_weights_balance_each_label_over_the_rows_that_know_it():
    plan = weighed(plans.class_weight)
    w = plan.weights()
    assert w.shape == Y.shape
    assert w.mean() == pytest.approx(1.0, abs=1e-6)
    assert np.all(w[Y < 0] == 0)
    mass = np.stack([np.where(code == Y, w, 0).sum(axis=0) for code in (0, 1)])
    np.testing.assert_allclose(mass[0], mass[1], rtol=1e-5)
    np.testing.assert_allclose(plan.prior, 0.5, atol=1e-12)


def test_the_shift_of_a_label_is_what_its_weights_do_to_its_odds():
    plan = weighed(plans.class_weight)
    seen, base = plan.prior, plan.base_prior
    odds = np.log(seen[:, 1] / seen[:, 0]) - np.log(base[:, 1] / base[:, 0])
    np.testing.assert_allclose(np.diff(plan.log_shift, axis=1).ravel(), odds, rtol=1e-10)
    np.testing.assert_allclose(weighed(plans.uniform).log_shift, 0.0, atol=1e-12)


def test_a_weight_of_two_is_the_row_twice():
    user = RNG.integers(1, 3, len(Y)).astype(float)
    again = np.repeat(np.arange(len(Y)), user.astype(int))
    weighted, repeated = weighed(plans.class_weight, weights=user), weighed(plans.class_weight, Y[again])
    np.testing.assert_allclose(weighted.log_shift, repeated.log_shift, rtol=1e-10)
    np.testing.assert_allclose(weighted.prior, repeated.prior, rtol=1e-10)


def test_plans_that_draw_by_one_class_are_refused_and_oversampling_draws_label_sets():
    with pytest.raises(OptionError, match=r"'undersample' draws rows by class, .* but these rows have several"):
        weighed(plans.undersample)
    with pytest.raises(
        OptionError, match=r"'class_weight, deferred to 0\.8' changes its weights during training, which"
    ):
        weighed(lambda y, **options: deferred(plans.class_weight(y, **options)))
    drawn = weighed(plans.oversample)
    assert drawn.needs_calibration
    assert len(drawn) == len(drawn.rows()) > len(Y)
    share = (Y[drawn.rows()] == 1).mean(axis=0) / (Y == 1).mean(axis=0)
    assert share[2] > 1.2


def test_equal_plans_are_equal_content():
    one, other = (label_plan(Y, np.ones((3, 2))) for _ in range(2))
    assert [np.asarray(a).tolist() for a in one.content() if a is not None] == [
        np.asarray(a).tolist() for a in other.content() if a is not None
    ]
