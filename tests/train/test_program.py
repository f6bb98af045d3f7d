"""The compiled program: the numbers of `fit`, few traces, threads that share nothing, and honest refusals."""

from __future__ import annotations

import dataclasses
import logging
import pickle

import keras
import numpy as np
import pytest

from counterpoise import plans
from counterpoise.core.errors import OptionError
from counterpoise.core.records import Examples
from counterpoise.data.split import make_folds
from counterpoise.jobs import Settings, jobs_of
from counterpoise.pipeline import cross_validate
from counterpoise.strategies import Strategy, find, select
from counterpoise.train import rules
from counterpoise.train.choice import decided, families
from counterpoise.train.network import Network
from counterpoise.train.program_engine import ProgramEngine, filled
from counterpoise.train.run import run

L = keras.layers
EXACT = Settings(epochs=2, batch_size=32, early_stopping=False)


def examples(x=None, n=150, classes=2, **more):
    rng = np.random.default_rng(0)
    y = rng.choice(classes, n, p=[0.8, 0.2] if classes == 2 else [0.6, 0.3, 0.1]).astype(np.int32)
    x = (rng.normal(size=(n, 4)) + y[:, None]).astype("float32") if x is None else x
    return Examples(x, y, tuple(range(classes)), **more)


def net(*layers, units=1):
    def build(spec, n_classes):
        h = inputs = spec.inputs()
        for make in layers:
            h = make()(h)
        return keras.Model(inputs, L.Dense(units)(h))

    return build


DENSE = (lambda: L.Dense(8, "relu"),)
IMAGES = np.random.default_rng(1).random((150, 8, 8, 1)).astype("float32")
TOKENS = np.random.default_rng(1).integers(0, 20, (150, 6)).astype("int32")
NETWORKS = {
    "dense": (net(*DENSE), None),
    "batch norm": (net(lambda: L.Dense(8), lambda: L.BatchNormalization(), lambda: L.ReLU()), None),
    "embedding": (net(lambda: L.Embedding(20, 4), lambda: L.GlobalAveragePooling1D()), TOKENS),
    "small cnn": (
        net(lambda: L.Conv2D(4, 3, activation="relu"), lambda: L.MaxPooling2D(), lambda: L.Flatten()),
        IMAGES,
    ),
    "gru": (net(lambda: L.Embedding(20, 4), lambda: L.GRU(5)), TOKENS),
    "regularised": (net(lambda: L.Dense(8, "relu", kernel_regularizer="l2")), None),
}
OPTIMIZERS = {
    "sgd with momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.02),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.8)),
    "clip by norm": lambda: keras.optimizers.SGD(0.1, clipnorm=0.1),
    "clip globally": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
}


def trained(network, data, strategy="class_weight", engine="program", settings=EXACT, threads=None):
    jobs = jobs_of(find(strategy), data, make_folds(data, 2)[0], settings)
    return [m for _, m in run(jobs, data, network, engine=engine, threads=threads)]


def assert_same(a, b, atol=2e-5):
    assert (a.steps, a.best_step, a.rows_seen) == (b.steps, b.best_step, b.rows_seen)
    for one, other in zip(a.weights, b.weights, strict=True):
        assert np.allclose(one, other, atol=atol)
    assert np.allclose(a.logits, b.logits, atol=10 * atol)
    assert np.allclose(a.history["stop_loss"], b.history["stop_loss"], atol=10 * atol)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_numbers_as_fit(name):
    build, x = NETWORKS[name]
    data = examples(x)
    ours, theirs = (trained(Network(build, data), data, engine=e)[0] for e in ("program", "fit"))
    assert (ours.engine, theirs.engine) == ("program", "fit")
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_the_one_of_fit(name):
    data = examples()
    ours, theirs = (
        trained(Network(net(*DENSE), data, optimizer=OPTIMIZERS[name]()), data, engine=e)[0] for e in ("program", "fit")
    )
    assert_same(ours, theirs)


@pytest.mark.parametrize("strategy", ["none", "oversample", "undersample"])
def test_every_plan_and_three_classes(strategy):
    data = examples(classes=3)
    build = net(*DENSE, units=3)
    assert_same(*(trained(Network(build, data), data, strategy, e)[0] for e in ("program", "fit")))


def test_every_loss_of_a_strategy():
    """Those whose loss no other test takes through both engines, and weights that begin late."""
    data, fold = examples(n=60, classes=3), make_folds(examples(n=60, classes=3), 2)[0]
    losses = ("focal", "ldam_drw", "asymmetric", "auc_margin", "ap_surrogate")
    settings = dataclasses.replace(EXACT, batch_size=16)
    jobs = [job for name in losses for job in jobs_of(find(name), data, fold, settings)]
    ours, theirs = (dict(run(jobs, data, Network(net(units=3), data), engine=e)) for e in ("program", "fit"))
    for job in jobs:
        assert_same(ours[job.id], theirs[job.id])


def test_user_weights_go_in():
    data = dataclasses.replace(examples(), sample_weight=np.random.default_rng(2).random(150).astype("float32"))
    assert_same(*(trained(Network(net(*DENSE), data), data, engine=e)[0] for e in ("program", "fit")))


@pytest.mark.parametrize(("make", "patience"), [("oversample", 1), ("undersample", 100)])
def test_both_stages_of_a_deferred_plan(make, patience):
    """With patience 1 the first stage ends early, from its best round; else at its share of the steps."""
    data = examples()
    plan = getattr(plans, make)
    strategy = Strategy("late", plan=lambda y, **how: plans.deferred(plan(y, **how), at=0.6))
    settings = Settings(epochs=10, batch_size=16, patience=patience)
    fast = keras.optimizers.Adam(0.05)
    ours, theirs = (
        trained(Network(net(*DENSE), data, optimizer=fast), data, strategy, e, settings)[0] for e in ("program", "fit")
    )
    assert_same(ours, theirs, atol=1e-4)
    assert ours.needs_calibration
    first = 0.6 * 10 * 4
    assert ours.best_step > (0 if patience == 1 else first)


def test_xla_agrees():
    data = examples()
    network = Network(net(*DENSE), data)
    jobs = jobs_of(find("none"), data, make_folds(data, 2)[0], EXACT)
    engine = ProgramEngine(data, network)
    network.ways = dict.fromkeys(families(jobs), rules.Way(xla=True, pad=True))
    engine.prepare(jobs)
    compiled = next(m for _, m in engine.run(jobs) if not isinstance(m, int))
    assert_same(compiled, trained(Network(net(*DENSE), data), data, "none", "fit")[0], atol=1e-4)


def test_a_way_is_decided_once_by_all_jobs_and_goes_with_the_network(monkeypatch):
    data = examples()
    network, fold = Network("mlp", data), make_folds(data, 2)[0]
    jobs = [job for name in ("none", "oversample", "focal") for job in jobs_of(find(name), data, fold, EXACT)]
    monkeypatch.setattr(rules, "XLA_STEPS", 1 + jobs[0].limits.steps)
    ways = decided(jobs, network)
    assert sorted(way.xla for way in ways.values()) == [False, True], "two jobs of one loss earn XLA back, one does not"
    later = pickle.loads(pickle.dumps(network))
    engine = ProgramEngine(data, later)
    engine.prepare(jobs[:1])
    assert {key: program.way for key, program in engine.programs.items()} == {key: ways[key] for key in engine.programs}
    assert [program.way.xla for program in engine.programs.values()] == [True]


def test_early_stopping_and_the_best_round_are_those_of_fit():
    data = examples(n=300)
    settings = Settings(epochs=40, batch_size=64, patience=2)
    build = net(*DENSE)
    ours, theirs = (
        trained(Network(build, data, optimizer=keras.optimizers.Adam(0.05)), data, "none", e, settings)[0]
        for e in ("program", "fit")
    )
    assert ours.steps < 40 * 2
    assert (ours.steps, ours.best_step) == (theirs.steps, theirs.best_step)
    assert min(ours.history["stop_loss"]) == pytest.approx(ours.history["stop_loss"][ours.best_step // 2 - 1])


def test_one_trace_serves_six_strategies_and_five_folds():
    """A silent fall back to `fit`, or a trace per job, fails here."""
    data = examples(n=300)
    network = Network("mlp", data)
    cross_validate(data, select("seed"), network, Settings(epochs=2, batch_size=32, engine="program"), folds=5)
    engine = network.cache["program"]
    assert len(engine.programs) == 1
    assert engine.traces["logits"] == 1
    assert engine.traces["block"] <= 2  # undersampling draws fewer rows than a batch holds
    assert engine.traces.get("rest", 0) == 0


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("loss", ["balanced_softmax", "ldam"])
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
    bag = jobs_of(dataclasses.replace(find("none"), members=(find("none"),) * 2), data, make_folds(data, 2)[0], EXACT)
    one, other = (m for _, m in run(bag, data, network, engine="program"))
    assert not np.array_equal(one.logits, other.logits)


def test_a_short_batch_filled_up_has_the_same_mean():
    rows, weights, count = filled(np.array([4, 7, 9]), np.array([1.0, 3.0, 2.0]), 8)
    loss = np.arange(10.0)
    assert count == 3
    assert (loss[rows] * weights).sum() / 8 == pytest.approx((loss[[4, 7, 9]] * [1, 3, 2]).mean())


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
    said = [r.message for r in caplog.records if "train_step" in r.message]
    assert len(said) == 1
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
