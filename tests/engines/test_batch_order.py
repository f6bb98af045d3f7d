"""Steps to rows: whole epochs of the plan, cut into batches; a pure function of seed, place and step."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from counterpoise import plans
from counterpoise.core.job import Job, Limits
from counterpoise.engines.batch_order import Order

Y = np.repeat([0, 1], [83, 17])
TRAIN = np.arange(1000, 1100)
NONE = np.empty(0, np.int64)


def order(plan, batch=16, seed=0, counters=(0, 0, 0), steps=100):
    return Order(
        Job(
            "id",
            plan,
            TRAIN,
            NONE,
            NONE,
            ("cross_entropy", {}),
            seed,
            counters,
            Limits(steps=steps, round_steps=1, patience=None, batch_size=batch),
        )
    )


def epoch_of(o, number):
    steps = range(number * o.steps_per_epoch, (number + 1) * o.steps_per_epoch)
    return np.concatenate([o.step(s)[0] for s in steps])


@pytest.mark.parametrize("make", [plans.uniform, plans.oversample, plans.undersample, plans.class_weight])
@pytest.mark.parametrize("batch", [1, 16, 50, 1000])
def test_an_epoch_is_the_plans_epoch_and_no_row_twice_or_lost(make, batch):
    plan = make(Y)
    o = order(plan, batch)
    for number in (0, 1, 5):
        rows = epoch_of(o, number)
        assert np.bincount(Y[rows - 1000], minlength=2).tolist() == plan.drawn.tolist()
        assert np.array_equal(rows, TRAIN[o.epoch(number)])
    assert not np.array_equal(epoch_of(o, 0), epoch_of(o, 1))


def test_steps_may_be_asked_for_in_any_order():
    plan = plans.oversample(Y)
    forward = [order(plan).step(s)[0] for s in range(30)]
    o = order(plan)
    for s in np.random.default_rng(0).permutation(30):
        assert np.array_equal(o.step(int(s))[0], forward[s])


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"counters": (1, 0, 0)}, {"counters": (0, 1, 0)}, {"counters": (0, 0, 1)}]
)
def test_seed_repeat_fold_and_member_each_give_another_order(other):
    plan = plans.uniform(Y)
    assert not np.array_equal(order(plan).step(0)[0], order(plan, **other).step(0)[0])


def test_weights_are_those_of_scikit_learn_and_have_mean_one():
    o = order(plans.class_weight(Y))
    output = [o.step(s) for s in range(o.steps_per_epoch)]
    rows, weights = (np.concatenate(part) for part in zip(*output, strict=True))
    want = compute_class_weight("balanced", classes=np.array([0, 1]), y=Y)
    assert weights == pytest.approx(want[Y[rows - 1000]])
    assert weights.mean() == pytest.approx(1)
    assert weights.dtype == np.float32


def test_the_recipe_of_resample_is_one_set_of_rows_in_a_new_order_each_epoch():
    """`sklearn.utils.resample(minority, replace=True, n_samples=majority)` once, then shuffled epochs."""
    o = order(plans.oversample(Y, draw="replacement", redraw=False))
    first, second = epoch_of(o, 0), epoch_of(o, 1)
    assert np.array_equal(np.sort(first), np.sort(second))
    assert not np.array_equal(first, second)
    times = np.bincount(first - 1000, minlength=100)
    assert np.all(times[:83] == 1)
    assert times[83:].sum() == 83
    assert len(set(times[83:])) > 2, "draws with replacement are uneven"


def test_draws_with_replacement_are_uniform_over_the_class():
    """Counts over many seeds against the multinomial that `resample` draws from."""
    plan = plans.oversample(Y, draw="replacement", redraw=False)
    total = sum(np.bincount(order(plan, seed=s).epoch(0), minlength=100)[83:] for s in range(400))
    expected = 400 * 83 / 17
    assert ((total - expected) ** 2 / expected).sum() < 39.25  # chi squared, 16 degrees of freedom, p = 0.001


def test_undersampling_covers_min_1_E_m():
    o = order(plans.undersample(Y))
    seen: set[int] = set()
    for number in range(5):
        seen |= set(epoch_of(o, number)[Y[epoch_of(o, number) - 1000] == 0].tolist())
        assert len(seen) == min(83, (number + 1) * 17)


def test_rows_seen_counts_short_batches_once():
    o = order(plans.undersample(Y), batch=16)
    assert (len(o.job.plan), o.steps_per_epoch) == (34, 3)
    for steps in range(12):
        assert o.rows_seen(steps) == sum(len(o.step(s)[0]) for s in range(steps))


def test_deferred_weights_begin_at_their_step():
    plan = plans.deferred(plans.class_weight(Y), at=0.8)
    o = order(plan, batch=100, steps=10)
    assert np.ptp(o.step(7)[1]) == 0
    assert np.ptp(o.step(8)[1]) > 1
