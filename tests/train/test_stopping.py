"""When training ends and what is kept, on stopping scores that are given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from counterpoise import plans
from counterpoise.core.records import Job, Limits
from counterpoise.train.stopping import Stopper

Y = np.repeat([0, 1], [9, 3])
SHARE = 0.5


def watch(scores, plan=None, patience=None, steps=40, round_steps=4):
    """The stopper after each of the rounds with these scores, as (step, better, turned, over)."""
    rows, limits = np.arange(len(Y)), Limits(steps, round_steps, patience, 3)
    job = Job("", plan or plans.uniform(Y), rows, rows, rows, ("cross_entropy", {}), 0, (0, 0, 0), limits)
    said = iter(scores)
    objective = SimpleNamespace(stopping_score=lambda z, y: next(said), log_shift=np.zeros(2))
    stopper, out = Stopper(job, objective, Y), []
    for place in range(len(scores)):
        stopper.enter((place + 1) * round_steps, 0.0)
        better = stopper.improved(np.zeros((len(Y), 2)))
        out.append((stopper.steps, better, stopper.turned, stopper.over))
    return stopper, out


def test_patience_counts_steps_since_the_best_round():
    stopper, said = watch([3, 2, 2.5, 2.5], patience=8)
    assert [over for *_, over in said] == [False, False, False, True]
    assert stopper.best_step == 8


def test_rounds_of_the_first_stage_are_not_what_is_kept():
    late = plans.deferred(plans.oversample(Y), at=SHARE)
    stopper, said = watch([5, 1, 2, 3, 4, 9, 8, 8.5], late)
    assert [step for step, _, turned, _ in said if turned] == [20]
    assert stopper.best_step == 28


def test_a_first_stage_out_of_patience_hands_over_to_the_last_one():
    late = plans.deferred(plans.oversample(Y), at=SHARE)
    stopper, said = watch([5, 1, 2, 3, 9, 10, 11], late, patience=8)
    assert said[3] == (16, False, True, False)
    assert said[4] == (20, True, False, False)
    assert said[6] == (28, False, False, True)
    assert stopper.best_step == 20


@pytest.mark.parametrize("score", [1.0, np.nan])
def test_one_round_alone_is_what_there_is(score):
    stopper, said = watch([score], plans.deferred(plans.oversample(Y), at=SHARE), steps=4)
    assert said[0][2:] == (True, False)
    assert stopper.best_step == (4 if score == 1 else 0)
