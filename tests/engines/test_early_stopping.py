"""When training ends and what is kept, on stopping scores that are given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from counterpoise import plans
from counterpoise.core.job import Job, Limits
from counterpoise.engines.early_stopping import Score, Stopper
from counterpoise.targets.kinds import target_of

Y = np.repeat([0, 1], [9, 3])
SHARE = 0.5
ONE_OF = target_of("one_of")


def losing(losses):
    """Log-probabilities whose rows lose what is said."""
    lost = np.broadcast_to(np.asarray(losses, float), Y.shape)
    other = np.log(-np.expm1(-lost))
    return np.where(np.arange(2) == Y[:, None], -lost[:, None], other[:, None])


def watch(scores, plan=None, patience=None, steps=40, round_steps=4, **recipe):
    """The stopper after each of the rounds with these scores, as (step, better, turned, over)."""
    rows, limits = (
        np.arange(len(Y)),
        Limits(steps=steps, round_steps=round_steps, patience=patience, batch_size=3, **recipe),
    )
    job = Job("", plan or plans.uniform(Y), rows, rows, rows, ("cross_entropy", {}), 0, (0, 0, 0), limits)
    losses = iter(scores)
    objective = SimpleNamespace(
        target=ONE_OF, stopping_log_p=lambda z, y, weights: losing(next(losses)), log_shift=np.zeros(2)
    )
    stopper, out = Stopper(job, objective, Y), []
    for number in range(len(scores)):
        stopper.record_round((number + 1) * round_steps, 0.0)
        better = stopper.improved(np.zeros((len(Y), 2)))
        out.append((stopper.steps, better, stopper.first_stage_ended, stopper.over))
    return stopper, out


def test_patience_counts_steps_since_the_best_round():
    stopper, rounds = watch([3, 2, 2.5, 2.5], patience=8)
    assert [over for *_, over in rounds] == [False, False, False, True]
    assert stopper.best_step == 8


def test_rounds_of_the_first_stage_are_not_what_is_kept():
    late = plans.deferred(plans.oversample(Y), at=SHARE)
    stopper, rounds = watch([5, 1, 2, 3, 4, 9, 8, 8.5], late)
    assert [step for step, _, turned, _ in rounds if turned] == [20]
    assert stopper.best_step == 28


def test_a_first_stage_out_of_patience_hands_over_to_the_last_one():
    late = plans.deferred(plans.oversample(Y), at=SHARE)
    stopper, rounds = watch([5, 1, 2, 3, 9, 10, 11], late, patience=8)
    assert rounds[3] == (16, False, True, False)
    assert rounds[4] == (20, True, False, False)
    assert rounds[6] == (28, False, False, True)
    assert stopper.best_step == 20


@pytest.mark.parametrize("score", [1.0, np.nan])
def test_one_round_alone_is_what_there_is(score):
    stopper, rounds = watch([score], plans.deferred(plans.oversample(Y), at=SHARE), steps=4)
    assert rounds[0][2:] == (True, False)
    assert stopper.best_step == (4 if score == 1 else 0)


def test_smoothed_scores_of_a_history_worked_by_hand():
    # Means of the last two: 3, 2, 2, 2.5, 2.25. Then 3, 2.5, 2.5, 2, 2.5, 3, 2, 1.75.
    _, rounds = watch([3, 1, 3, 2, 2.5], smoothing=2)
    assert [better for _, better, *_ in rounds] == [True, True, False, False, False]
    alone, rounds = watch([3, 2, 3, 1, 4, 2, 2, 1.5], smoothing=2)
    assert [better for _, better, *_ in rounds] == [True, True, False, True, False, False, False, True]
    assert alone.history["stop_loss"] == pytest.approx([3, 2, 3, 1, 4, 2, 2, 1.5])


def test_before_the_least_steps_the_last_round_is_kept_and_nothing_stops():
    stopper, rounds = watch([1, 2, 3, 4, 3.5, 5, 5], patience=8, min_steps=16)
    assert [better for _, better, *_ in rounds] == [True, True, True, True, True, False, False]
    assert [over for *_, over in rounds] == [False] * 6 + [True]
    assert stopper.best_step == 20


def test_a_later_round_must_be_better_beyond_the_noise_of_the_rows():
    one_row = np.r_[0.5, np.ones(11)]  # better by 1/24 on average, with a standard error of 1/24
    assert [better for _, better, *_ in watch([1, one_row], margin=0.9)[1]] == [True, True]
    assert [better for _, better, *_ in watch([1, one_row], margin=1.1)[1]] == [True, False]
    assert [better for _, better, *_ in watch([1, 0.99], margin=100)[1]] == [True, True]  # every row the same


def test_score_of_both_is_relative_log_loss_and_missed_average_precision():
    y = np.array([0, 0, 0, 1])
    p = np.array([0.1, 0.5, 0.2, 0.4])
    score = Score.of(ONE_OF, np.log(np.c_[1 - p, p]), y, "both")
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert score.losses == pytest.approx(-np.log([0.9, 0.5, 0.8, 0.4]) / entropy)
    assert score.missed == pytest.approx(0.5)
    shares = Score.of(ONE_OF, np.log(np.tile([0.75, 0.25], (4, 1))), y, "both")
    assert (shares.losses.mean(), shares.missed) == pytest.approx((1.0, 0.75))
    assert Score.of(ONE_OF, np.log(np.c_[1 - p, p])[:3], y[:3], "both").missed == 0.0


def test_without_stopping_rows_the_last_round_is_the_best():
    job = Job(
        "",
        plans.uniform(Y),
        np.arange(12),
        Y[:0],
        Y[:0],
        ("cross_entropy", {}),
        0,
        (0, 0, 0),
        Limits(steps=8, round_steps=4, patience=4, batch_size=3),
    )
    stopper = Stopper(job, SimpleNamespace(), Y[:0])
    for steps in (4, 8):
        stopper.record_round(steps, 0.0)
        assert stopper.improved(np.zeros((0, 2)))
        assert (stopper.best_step, stopper.over) == (steps, False)


@pytest.mark.parametrize("on", ["log_loss", "both"])
def test_a_row_of_weight_2_is_the_row_twice(on):
    rng = np.random.default_rng(0)
    y, log_p = rng.integers(0, 2, 60), np.log(rng.dirichlet([1, 1], 60))
    weight = rng.integers(1, 4, 60)
    again = np.repeat(np.arange(60), weight)
    weighed, repeated = (
        Score.of(ONE_OF, log_p, y, on, weight.astype(float)),
        Score.of(ONE_OF, log_p[again], y[again], on),
    )
    assert weighed.losses.mean() == pytest.approx(repeated.losses.mean())
    assert weighed.missed == pytest.approx(repeated.missed)
    plain = Score.of(ONE_OF, log_p, y, on)
    assert np.array_equal(Score.of(ONE_OF, log_p, y, on, np.ones(60)).losses, plain.losses)
