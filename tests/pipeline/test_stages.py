"""Members that follow one another: what they are planned on, how rounds go together, and every door they go through."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import DENSE, net
from trainers import jobs_of, trainer_of, with_executor

import counterpoise as cp
from counterpoise.comparison.halving import Limit, run_rungs
from counterpoise.core import logits as lg
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Member
from counterpoise.core.seeds import integer
from counterpoise.data.split import make_folds
from counterpoise.engines.batch_order import Order
from counterpoise.engines.objective import Objective
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.networks.weights import set_state
from counterpoise.pipeline.jobs import jobs_by_fold
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.stages import train_in_stages, trained_members
from counterpoise.plans.hardness import cascade, self_paced
from counterpoise.strategies import select
from counterpoise.strategies.select import Strategy, ensemble, find
from counterpoise.strategies.successive import Successive

RNG = np.random.default_rng(0)
Y = (RNG.random(240) < 0.2).astype(np.int32)
X = (RNG.normal(size=(240, 3)) + Y[:, None]).astype("float32")
EXAMPLES = Examples(X, Y, (0, 1))
FOLDS = make_folds(EXAMPLES, 2)


def sequence(plan=self_paced, members=3, name="sequence"):
    return Successive(name, step=Strategy(f"{name} member", plan=plan), count=members)


def guess(job):
    """What a network might say, as a member."""
    rng = np.random.default_rng(int(job.id[:8], 16))
    logits = rng.normal(size=(len(job.score), 1)).astype("float32")
    return Member(
        job.id, (), logits, logits[:0], job.plan.log_shift, 1, job.limits.steps, 1, 0.1, {"stop_loss": [rng.random()]}
    )


@pytest.fixture(scope="module", name="network")
def _network():
    return Network(net(*DENSE), EXAMPLES)


def in_rounds(strategies, network, failures=None):
    """First jobs, jobs that were trained, members, and the ids of each round."""
    trainer = trainer_of(EXAMPLES, Settings(epochs=2, batch_size=64), network)
    jobs, _ = jobs_by_fold(strategies, trainer, FOLDS)
    waves = []

    def train(wanted):
        waves.append({job.id for job in wanted})
        return {job.id: guess(job) for job in wanted}

    of = {(s.name, f): s for s in strategies for f in range(2)}
    return jobs, *train_in_stages(jobs, of, with_executor(trainer, train), failures), waves


def test_rounds_hold_what_can_be_trained_by_then(network):
    strategies = [sequence(), ensemble(["none", sequence(cascade)], name="mixed"), find("none")]
    jobs, done, members, waves = in_rounds(strategies, network)
    # On two folds each: `none` and the first member, which no score decides, are shared.
    assert [len(wave) for wave in waves] == [4, 4, 4]
    assert set(members) == {job.id for group in done.values() for job in group}
    assert done["none", 0][0].id == jobs["none", 0][0].id == done["mixed", 0][0].id
    assert done["sequence", 0][0].id == done["mixed", 0][1].id
    for key, plan in ((("sequence", 1), self_paced), (("mixed", 1), cascade)):
        group = done[key][-3:]
        proba = [np.exp(lg.log_proba(members[job.id].logits[-len(job.train) :])) for job in group]
        for number, job in enumerate(group):
            expected = plan(Y[job.train], np.array(proba[:number]), members=3)
            assert np.array_equal(job.plan.rows(0, 5), expected.rows(0, 5))


def snapshots(count=3):
    return Successive("snapshots", step=Strategy("snapshot"), count=count, warm=True)


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_snapshots_are_one_training_whose_rate_falls_and_starts_again(engine):
    """Each goes on where the one before it ended; the steps and rates are those of the paper's formula."""
    network = Network(net(*DENSE), EXAMPLES, optimizer=keras.optimizers.SGD(0.1))
    fold = dataclasses.replace(FOLDS[0], stop=FOLDS[0].stop[:0])
    jobs = jobs_of(snapshots(), EXAMPLES, fold, Settings(epochs=9, batch_size=32), network)
    key = ("snapshots", 0)
    trainer = trainer_of(EXAMPLES, Settings(engine=engine), network)
    done, members = train_in_stages({key: jobs}, {key: snapshots()}, trainer)
    model = network.fresh(0)
    set_state(
        model,
        network.initial_state(
            integer(0, "initial", *jobs[0].counters), X, fold.train, bias=Objective(jobs[0]).initial_bias(network)
        ),
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    for job in done[key]:
        order, member = Order(job), members[job.id]
        per_round = job.limits.round_steps
        assert member.steps == job.limits.steps == 3 * per_round
        for part in range(3):
            rate = 0.1 * 0.5 * (1 + np.cos(np.pi * part / 3))
            for step in range(part * per_round, (part + 1) * per_round):
                rows, _ = order.step(step)
                with tf.GradientTape() as tape:
                    value = loss(Y[rows][:, None], model(X[rows]))
                for variable, slope in zip(
                    model.trainable_variables, tape.gradient(value, model.trainable_variables), strict=True
                ):
                    variable.assign_sub(rate * slope)
        for ours, theirs in zip(member.weights, model.variables, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_schedule_leaves_no_rate_to_lower():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    network = Network(net(*DENSE), EXAMPLES, optimizer=keras.optimizers.SGD(schedule))
    with pytest.raises(OptionError, match="A snapshot ensemble lowers the learning rate, but"):
        list(run(jobs_of(snapshots(), EXAMPLES, FOLDS[0], Settings(epochs=3)), EXAMPLES, network))


def test_members_keep_what_they_say_of_the_test_rows(network):
    _, done, members, _ = in_rounds([sequence()], network)
    jobs, fold = done["sequence", 0], FOLDS[0]
    for member, job in zip(
        trained_members(sequence(), jobs, members, trainer_of(EXAMPLES, Settings(), network)), jobs, strict=True
    ):
        assert np.array_equal(job.score, np.concatenate([fold.test, job.train]))
        assert np.array_equal(member.logits, members[job.id].logits[: len(fold.test)])


def test_a_second_sequence_in_one_ensemble_starts_anew(network):
    twice = ensemble([sequence(members=2)] * 2, name="twice")
    _, done, members, waves = in_rounds([twice], network)
    assert [len(wave) for wave in waves] == [4, 4]
    *_, third, fourth = done["twice", 0]
    proba = np.exp(lg.log_proba(members[third.id].logits[-len(third.train) :]))
    assert np.array_equal(fourth.plan.rows(), self_paced(Y[third.train], [proba], members=2).rows())


def test_a_plan_that_fails_in_a_later_round_leaves_the_others_in_the_comparison(network):
    def late(y, before=None, *, members, **more):
        if before is not None and len(before):
            raise ValueError("no more")
        return self_paced(y, members=members, **more)

    failures = {}
    _, done, members, _ = in_rounds([find("none"), sequence(late), sequence(name="other")], network, failures)
    assert failures == {"sequence": "ValueError: no more"}
    assert {name for name, _ in done} == {"none", "other"}
    assert {job.id for group in done.values() for job in group} <= set(members)
    with pytest.raises(ValueError, match="no more"):
        in_rounds([sequence(late)], network)


def test_a_limited_comparison_counts_and_runs_every_round(network):
    steps = []

    def executor(jobs, *_, **__):
        for job in jobs:
            steps.append(job.limits.steps)
            yield job.id, guess(job)

    strategies = [find("none"), sequence(), sequence(cascade, name="other")]
    settings = Settings(epochs=30, batch_size=32)
    survivors = run_rungs(
        strategies,
        trainer_of(EXAMPLES, settings, network, executor=executor),
        Limit(200),
        make_folds(EXAMPLES, 2),
    )
    assert len(survivors.stopped) == 1
    assert len(steps) == 2 * (1 + 1 + 2 + 2), "the first members of both sequences are one"
    assert sum(steps) <= 200


def test_a_comparison_goes_on_where_it_stopped_and_its_winner_is_refitted(tmp_path, monkeypatch):
    how = {"folds": 2, "epochs": 2, "batch_size": 64, "verbose": 0, "store": tmp_path}
    pair = dataclasses.replace(sequence(cascade, 2), aim="argmax", name="none")  # the only one, so that it wins
    monkeypatch.setitem(select._BY_NAME, "none", pair)
    seen = []

    def counted(limit):
        def executor(*given, **more):
            for job_id, member in run(*given, **more):
                if len(seen) == limit:
                    raise KeyboardInterrupt
                seen.append(job_id)
                yield job_id, member

        return executor

    with pytest.raises(KeyboardInterrupt):
        cp.compare(net(*DENSE), X, Y, strategies="none", executor=counted(3), **how)
    comparison = cp.compare(net(*DENSE), X, Y, strategies="none", executor=counted(99), **how)
    assert len(seen) == len(set(seen)) == 6, "two members on each fold, and on all rows"
    assert all(result.fits == 2 for result in comparison.fold_results)
    assert len(comparison.best.rule.log_shifts) == 2
    assert comparison.best.card["needs_calibration"]


def test_what_does_not_go_together():
    with pytest.raises(OptionError, match="step has finish, which cannot be combined with Successive"):
        Successive("e", step=Strategy("one", finish="crt"))
    bins = cp.strategies.Hyperparameter("bins", 2, 30, default=20)
    with pytest.raises(OptionError, match="step has hyperparameters"):
        Successive("e", step=Strategy("one", plan=self_paced, hyperparameters=(bins,)))
    with pytest.raises(OptionError, match="count"):
        Successive("e", step=Strategy("one"), count=1)
