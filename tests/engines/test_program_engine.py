"""The engine around the program: few traces, threads that share nothing, honest refusals."""

from __future__ import annotations

import dataclasses
import logging

import keras
import numpy as np
import pytest
from small_networks import DENSE, EXACT, L, assert_same, examples, net, trained
from trainers import cross_validate, jobs_of

from counterpoise.core.errors import OptionError
from counterpoise.data.split import make_folds
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import ensemble, find, select


def test_one_trace_serves_six_strategies_and_five_folds():
    """A silent fall back to `fit`, or a trace per job, fails here."""
    data = examples(n=300)
    network = Network("mlp", data)
    cross_validate(data, select("default"), network, Settings(epochs=2, batch_size=32, engine="program"), folds=5)
    engine = network.cache["program"]
    assert len(engine.programs) == 1
    assert engine.traces["logits"] == 1
    assert engine.traces["block"] <= 2  # undersampling draws fewer rows than a batch holds


@pytest.mark.parametrize(("loss", "units"), [("balanced_softmax", 1), ("ldam", 3)])
def test_losses_with_the_counts_of_each_fold_share_one_trace(loss, units):
    data = examples(classes=max(2, units))
    network = Network(net(*DENSE, units=units), data)
    jobs = []
    for fold, counts in zip(make_folds(data, 2), ([90, 10, 20], [30, 70, 5]), strict=True):
        for job in jobs_of(find("none"), data, fold, EXACT):
            constants = {"counts": counts[: data.n_classes]}
            jobs.append(dataclasses.replace(job, id=f"{counts}", loss=(loss, constants)))
    ours, theirs = (dict(run(jobs, data, network, engine=e)) for e in ("program", "fit"))
    assert network.cache["program"].traces == {"block": 1, "logits": 1}
    for job in jobs:
        assert_same(ours[job.id], theirs[job.id])


def test_members_say_which_engine_trained_them():
    data = examples()
    assert trained(Network("mlp", data), data, engine="auto")[0].engine == "program"


def test_threads_and_company_change_nothing():
    data = examples()
    network = Network(net(lambda: L.Dense(8, "relu"), lambda: L.Dropout(0.5)), data)
    jobs = [
        j for n in ("none", "oversample", "undersample") for j in jobs_of(find(n), data, make_folds(data, 2)[0], EXACT)
    ]
    alone = {j.id: next(m for _, m in run([j], data, network, engine="program", threads=1)) for j in jobs}
    together = dict(run(jobs, data, network, engine="program", threads=3))
    for job in jobs:
        for a, b in zip(alone[job.id].weights, together[job.id].weights, strict=True):
            assert np.array_equal(a, b)


def test_dropout_differs_between_members():
    data = examples()
    network = Network(net(lambda: L.Dropout(0.5, seed=7)), data)
    bag = jobs_of(ensemble(["none", "none"]), data, make_folds(data, 2)[0], EXACT)
    one, other = (m for _, m in run(bag, data, network, engine="program"))
    assert not np.array_equal(one.logits, other.logits)


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_a_plateau_beside_a_schedule_is_refused(engine):
    data = examples()
    network = Network(
        net(*DENSE), data, optimizer=keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.8))
    )
    with pytest.raises(OptionError, match="is a schedule"):
        trained(network, data, "none", engine, dataclasses.replace(EXACT, plateau=1))


def test_what_cannot_go_through_takes_fit_and_says_why_once(caplog):
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    inputs = keras.Input((4,))
    model = Own(inputs, L.Dense(1)(inputs))
    data = examples()
    with caplog.at_level(logging.INFO, logger="counterpoise"):
        member = trained(Network(model, data, output="logits", clone=False), data, engine="auto")[0]
    assert member.engine == "fit"
    messages = [r.message for r in caplog.records if "train_step" in r.message]
    assert len(messages) == 1
    with pytest.raises(OptionError, match="train_step"):
        trained(Network(model, data, output="logits", clone=False), data, engine="program")


def test_callbacks_take_fit():
    data = examples()
    seen = []
    jobs = jobs_of(find("none"), data, make_folds(data, 2)[0], EXACT)
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    member = next(m for _, m in run(jobs, data, Network("mlp", data), callbacks=[callback]))
    assert member.engine == "fit"
    assert seen == [0, 1]


def test_progress_is_reported_in_the_callers_thread():
    import threading

    data, heard = examples(), []
    jobs = jobs_of(find("resampling_ensemble"), data, make_folds(data, 2)[0], EXACT)
    list(
        run(jobs, data, Network("mlp", data), progress=lambda j, s, t: heard.append((s, t, threading.current_thread())))
    )
    assert {thread for *_, thread in heard} == {threading.main_thread()}
    assert max(s for s, *_ in heard) == jobs[0].limits.steps


def test_an_interrupt_ends_the_run():
    data = examples(n=2000)
    settings = Settings(epochs=10_000, batch_size=8, early_stopping=False)
    jobs = jobs_of(find("resampling_ensemble"), data, make_folds(data, 2)[0], settings)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run(jobs, data, Network("mlp", data), engine="program", progress=interrupt))


def test_data_without_stopping_rows_trains_to_the_end():
    data = examples()
    job = jobs_of(find("none"), data, make_folds(data, 2)[0], EXACT)[0]
    bare = dataclasses.replace(job, id="bare", stop=np.empty(0, np.int64), score=np.empty(0, np.int64))
    bare = dataclasses.replace(bare, limits=dataclasses.replace(job.limits, steps=job.limits.round_steps + 1))
    ours, theirs = (next(m for _, m in run([bare], data, Network("mlp", data), engine=e)) for e in ("program", "fit"))
    assert ours.best_step == theirs.best_step == job.limits.round_steps + 1
    assert np.allclose(ours.weights[0], theirs.weights[0], atol=2e-5)


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_the_learning_rate_is_halved_on_a_plateau_and_starts_anew_for_the_next_job(engine):
    data = examples(n=300)
    settings = Settings(epochs=12, batch_size=64, early_stopping=False, plateau=1)
    network = Network(net(*DENSE), data, optimizer=keras.optimizers.SGD(3.0))
    jobs = [j for f in make_folds(data, 2) for j in jobs_of(find("none"), data, f, settings)]
    together = dict(run(jobs, data, network, engine=engine, threads=1))
    alone = next(m for _, m in run(jobs[1:], data, network, engine=engine, threads=1))
    assert np.array_equal(alone.weights[0], together[jobs[1].id].weights[0])
    plain = dataclasses.replace(settings, plateau=None)
    fast = trained(Network(net(*DENSE), data, optimizer=keras.optimizers.SGD(3.0)), data, "none", engine, plain)[0]
    assert np.isfinite(together[jobs[0].id].history["stop_loss"]).all()
    assert together[jobs[0].id].history["stop_loss"] != fast.history["stop_loss"]


def test_history_holds_the_recall_of_each_class():
    data = examples()
    history = trained(Network("mlp", data), data)[0].history
    assert len(history["recall 0"]) == len(history["recall 1"]) == len(history["stop_loss"]) == 2
    assert 0 <= min(history["recall 1"]) <= 1
