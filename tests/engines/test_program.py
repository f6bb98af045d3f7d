"""The compiled program: the numbers of `fit`, with and without XLA, in 32 and 16 bits."""

from __future__ import annotations

import dataclasses
import gc
import logging
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import DENSE, EXACT, L, assert_same, examples, net, trained
from trainers import jobs_of

from counterpoise import plans
from counterpoise.data.split import make_folds
from counterpoise.engines import program_cache, program_rules
from counterpoise.engines.compile_modes import decide_compile_modes, jobs_by_family
from counterpoise.engines.run import run
from counterpoise.networks.batch_ensemble import MemberDense, MemberHead, PoolMembers
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import Strategy, find

IMAGES = np.random.default_rng(1).random((150, 8, 8, 1)).astype("float32")
TOKENS = np.random.default_rng(1).integers(0, 20, (150, 6)).astype("int32")
NETWORKS = {
    "batch norm and penalty": (
        net(lambda: L.Dense(8, kernel_regularizer="l2"), lambda: L.BatchNormalization(), lambda: L.ReLU()),
        None,
    ),
    "small cnn": (
        net(lambda: L.Conv2D(4, 3, activation="relu"), lambda: L.MaxPooling2D(), lambda: L.Flatten()),
        IMAGES,
    ),
    "lstm and dropout": (net(lambda: L.Embedding(20, 4), lambda: L.LSTM(5), lambda: L.Dropout(0.3, seed=1)), TOKENS),
}
OPTIMIZERS = {
    "sgd with momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.02),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.8)),
    "clip by norm": lambda: keras.optimizers.SGD(0.1, clipnorm=0.1),
    "clip globally": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
}


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
    """Those whose loss no other test takes through both engines."""
    data, fold = examples(n=60, classes=3), make_folds(examples(n=60, classes=3), 2)[0]
    losses = ("focal", "label_smoothing", "asymmetric", "auc_margin", "ap_surrogate")
    settings = dataclasses.replace(EXACT, batch_size=16, init_bias=False)  # whose search is no part of the training
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


def batch_ensemble(spec, n_classes):
    inputs = spec.inputs()
    h = L.ReLU()(MemberDense(6, 3, "ones")(L.ReLU()(MemberDense(6, 3, "random")(inputs))))
    return keras.Model(inputs, PoolMembers()(MemberHead(1)(h)))


@pytest.mark.parametrize(
    "build",
    [
        net(lambda: L.Dense(8), lambda: L.BatchNormalization()),
        net(lambda: L.Dense(8), lambda: L.ReLU()),
        batch_ensemble,
    ],
)
def test_xla_agrees_where_short_batches_stand_alone_and_where_they_are_filled_up(build):
    data = examples()
    network = Network(build, data)
    jobs = jobs_of(find("oversample"), data, make_folds(data, 2)[0], EXACT)
    network.compile_modes = {
        key: dataclasses.replace(mode, xla=True) for key, mode in decide_compile_modes(jobs, network).items()
    }
    compiled = next(m for _, m in run(jobs, data, network, engine="program"))
    assert network.cache["program"].programs[next(iter(network.compile_modes))].mode.xla
    assert_same(compiled, trained(Network(build, data), data, "oversample", "fit")[0], atol=1e-4)


@keras.saving.register_keras_serializable("tests")
class Uncompilable(L.Layer):
    def call(self, x):
        same = tf.ensure_shape(tf.py_function(lambda v: v, [x], tf.float32), x.shape)
        return x + 0 * tf.stop_gradient(same)


def test_what_xla_cannot_compile_runs_without_it_and_says_so_once(caplog):
    data = examples()
    build = net(lambda: L.Dense(8), lambda: Uncompilable())
    network = Network(build, data)
    jobs = jobs_of(find("none"), data, make_folds(data, 2)[0], EXACT)
    network.compile_modes = dict.fromkeys(jobs_by_family(jobs), program_rules.CompileMode(xla=True, pad=False))
    with caplog.at_level(logging.INFO, logger="counterpoise"):
        ours = next(m for _, m in run(jobs, data, network, engine="program"))
    assert ours.engine == "program"
    assert [mode.xla for mode in network.compile_modes.values()] == [False], "a later run takes the same mode"
    assert len([r for r in caplog.records if "XLA cannot compile" in r.message]) == 1
    assert_same(ours, trained(Network(build, data), data, "none", "fit")[0])


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_the_loss_of_layers_with_a_policy_of_their_own_is_scaled_as_under_a_global_one(engine):
    """Weights of rows are so small that float16 would round the gradients to 0."""

    def build(spec, n_classes):
        inputs = spec.inputs()
        h = L.Dense(8, "relu", dtype="mixed_float16", name="own")(inputs)
        return keras.Model(inputs, L.Dense(1, dtype="mixed_float16")(h))

    data = examples()
    data = dataclasses.replace(data, x=data.x * 1e-4)
    sgd = keras.optimizers.SGD(100.0)
    alone = trained(Network(build, data, optimizer=sgd), data, engine=engine)[0]
    keras.config.set_dtype_policy("mixed_float16")
    try:
        under = trained(Network(build, data, optimizer=sgd), data, engine="fit")[0]
    finally:
        keras.config.set_dtype_policy("float32")
    assert_same(alone, under, atol=1e-3)


@pytest.fixture
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_mixed_precision_is_that_of_fit(policy):
    """Products of 16 bits, variables and updates of 32: equal up to the rounding of sums in another order.

    `fit` scales the loss of float16 through a LossScaleOptimizer, and so does the program.
    """
    data = examples()
    ours, theirs = (
        trained(Network(net(*DENSE), data, optimizer=keras.optimizers.SGD(0.1)), data, engine=e)[0]
        for e in ("program", "fit")
    )
    assert (ours.engine, theirs.engine) == ("program", "fit")
    assert_same(ours, theirs, atol=1e-3 if policy == "mixed_float16" else 1e-2)


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


def test_nothing_of_a_program_outlives_it():
    """TensorFlow keeps what a trace registers globally; then the trace itself would stay in memory, run after run."""
    data = examples()
    network = Network(net(*DENSE), data)
    trained(network, data)
    program = next(iter(network.cache["program"].programs.values()))
    graphs = [weakref.ref(function.graph) for function in program._functions.values()]
    program_cache.clear()
    del network, program
    gc.collect()
    assert [graph() for graph in graphs] == [None] * len(graphs)
