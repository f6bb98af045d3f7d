"""Blocks of steps: the batches of the order, none lost, none twice, short ones of the same mean."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise import plans
from counterpoise.core.job import Job, Limits
from counterpoise.engines import program_rules
from counterpoise.engines.batch_order import Order
from counterpoise.engines.step_blocks import block_of, padded_batch


def order(batch_size=8, n=45, deferred=0.0):
    y = np.repeat([0, 1], [n - 5, 5])
    plan = plans.class_weight(y)
    plan = plans.deferred(plan, at=deferred) if deferred else plan
    nothing = np.empty(0, np.int64)
    limits = Limits(steps=40, round_steps=6, patience=None, batch_size=batch_size)
    return Order(Job("a", plan, np.arange(100, 100 + n), nothing, nothing, ("cross_entropy", {}), 0, (0, 0, 0), limits))


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize(("batch_size", "n"), [(8, 45), (8, 48), (64, 45), (64, 64), (1, 7)])
@pytest.mark.parametrize("deferred", [0.0, 0.5])
def test_blocks_are_the_steps_of_the_order(batch_size, n, pad, deferred):
    ours, steps = order(batch_size, n, deferred), order(batch_size, n, deferred)
    full, step = program_rules.full_batch_rows(batch_size, n), 0
    while step < 40:
        rows, weights, counts = block_of(ours, step, min(11, 40 - step), full, pad)
        assert 1 <= len(rows) == len(weights) == len(counts) <= 11
        assert rows.shape[1] == full or (not pad and len(rows) == 1)
        for line, weight, count in zip(rows, weights, counts, strict=True):
            wanted, wanted_weight = steps.step(step)
            assert np.array_equal(line[:count], wanted)
            assert np.allclose(weight[:count] * count / len(line), wanted_weight)
            assert not weight[count:].any()
            step += 1
    assert step == 40


def test_a_short_batch_filled_up_has_the_same_mean():
    rows, weights = padded_batch(np.array([4, 7, 9]), np.array([1.0, 3.0, 2.0]), 8)
    loss = np.arange(10.0)
    assert (loss[rows] * weights).sum() / 8 == pytest.approx((loss[[4, 7, 9]] * [1, 3, 2]).mean())
