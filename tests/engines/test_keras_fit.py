"""The `fit` engine: what plain `fit` does on the same batches, the best round, and nothing left behind."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise import plans
from counterpoise.core import seeds
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Limits
from counterpoise.engines.batch_order import Order
from counterpoise.engines.keras_fit import Batches, FitEngine, logits_of
from counterpoise.engines.program_engine import ProgramEngine
from counterpoise.networks.network import Network
from counterpoise.networks.weights import set_state, state_of

L = keras.layers
N = 200


def examples(classes=2, seed=0, **more):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.zeros(150, np.int32), rng.integers(1, classes, 50).astype(np.int32)])
    x = (rng.normal(size=(N, 3)) + y[:, None]).astype("float32")
    return Examples(x, y, tuple(range(classes)), **more)


def dense(units, dropout=0.0):
    def build(spec, n_classes):
        inputs = spec.inputs()
        h = L.Dropout(dropout)(inputs) if dropout else inputs
        return keras.Model(inputs, L.Dense(units)(h))

    return build


def job(
    data, make=plans.uniform, *, steps=12, rounds=6, patience=None, batch=32, seed=0, counters=(0, 0, 0), stop=True
):
    train, held = np.arange(0, N, 2), np.arange(1, N, 2)
    limits = Limits(steps=steps, round_steps=rounds, patience=patience, batch_size=batch)
    return Job.of(
        plan=make(data.y[train], classes=range(data.n_classes)), train=train,
        stop=held if stop else held[:0], score=held,
        loss=("cross_entropy", {}), seed=seed, counters=counters, limits=limits,
    )  # fmt: skip


def network_of(data, units=1, rate=0.1, **how):
    return Network(dense(units, **how), data, optimizer=keras.optimizers.SGD(rate))


@pytest.mark.parametrize(
    ("make", "units", "classes"),
    [
        (plans.uniform, 1, 2),
        (plans.oversample, 1, 2),
        (plans.oversample, 3, 3),
        (plans.undersample, 2, 2),
        (plans.class_weight, 1, 2),
        (plans.class_weight, 3, 3),
    ],
)
def test_training_is_keras_fit_on_the_same_rows_in_the_same_order(make, units, classes):
    data = examples(classes)
    network, task = network_of(data, units), job(data, make, steps=9, rounds=4, stop=False)
    member = FitEngine(data, network).train(task)
    model = network.fresh(seeds.integer(task.seed, "initial", *task.counters))
    cp.networks.init_output_bias(model, task.plan.prior)
    loss = keras.losses.BinaryCrossentropy if units == 1 else keras.losses.SparseCategoricalCrossentropy
    model.compile(keras.optimizers.SGD(0.1), loss(from_logits=True))
    order = Order(task)
    for step in range(task.limits.steps):
        rows, weights = order.step(step)
        model.train_on_batch(data.x[rows], data.y[rows][:, None].astype("float32"), sample_weight=weights)
    assert (member.steps, member.best_step, member.rows_seen) == (9, 9, order.rows_seen(9))
    for got, want in zip(member.weights, state_of(model), strict=True):
        assert np.allclose(got, want, atol=1e-5)


def test_class_weights_equal_fit_with_class_weight_dict():
    """One epoch of the recipe `fit(class_weight={0: n / 2 n_0, 1: n / 2 n_1})`, rows in the order of the plan."""
    data = examples()
    network, task = network_of(data), job(data, plans.class_weight, steps=4, rounds=4, batch=32, stop=False)
    member = FitEngine(data, network).train(task)
    rows = np.concatenate([Order(task).step(s)[0] for s in range(4)])
    n = np.bincount(data.y[task.train])
    model = network.fresh(seeds.integer(0, "initial", 0, 0, 0))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy(from_logits=True))
    weight = {c: n.sum() / (2 * n[c]) for c in (0, 1)}
    model.fit(data.x[rows], data.y[rows], batch_size=32, class_weight=weight, shuffle=False, verbose=0)
    for got, want in zip(member.weights, state_of(model), strict=True):
        assert np.allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("engine", ["fit", "program"])
def test_loss_weights_of_compile_multiply_the_loss(engine):
    """With SGD, a loss of twice the size is a learning rate of twice the size."""
    data, weights = examples(), {}
    for factor, rate in ((None, 0.2), (2.0, 0.1)):
        model = keras.Sequential([keras.Input((3,)), L.Dense(1, "sigmoid", kernel_initializer="zeros")])
        model.compile(keras.optimizers.SGD(rate), "binary_crossentropy", loss_weights=factor and [factor])
        network, task = Network(model, data), job(data, plans.class_weight)
        weights[factor] = train(engine, data, network, task).weights
    for got, want in zip(weights[2.0], weights[None], strict=True):
        assert np.allclose(got, want, atol=1e-6)


def train(engine, data, network, task):
    if engine == "fit":
        return FitEngine(data, network).train(task)
    program = ProgramEngine.of(data, network)
    program.prepare([task])
    return [event for _, event in program.run([task])][-1]


def test_oversampling_by_the_recipe_equals_fit_on_a_resampled_copy():
    """draw="replacement", redraw=False: the copy that people make with `resample`, and then `fit`."""
    data = examples()

    def recipe(y, **how):
        return plans.oversample(y, draw="replacement", redraw=False, **how)

    network, task = network_of(data), job(data, recipe, steps=10, rounds=5, batch=32, stop=False)
    member = FitEngine(data, network).train(task)
    order = Order(task)
    assert order.steps_per_epoch == 5
    model = network.fresh(seeds.integer(0, "initial", 0, 0, 0))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy(from_logits=True))
    for epoch in range(2):
        rows = task.train[order.epoch(epoch)]
        assert np.array_equal(np.bincount(data.y[rows]), [75, 75])
        model.fit(data.x[rows], data.y[rows], batch_size=32, shuffle=False, verbose=0)
    for got, want in zip(member.weights, state_of(model), strict=True):
        assert np.allclose(got, want, atol=1e-5)


def test_logits_are_those_of_the_weights_kept():
    data = examples()
    network, task = network_of(data), job(data, plans.oversample, steps=20, rounds=5)
    member = FitEngine(data, network).train(task)
    model = network.fresh(0)
    set_state(model, member.weights)
    assert np.allclose(member.logits, model(data.x[task.score]), atol=1e-5)
    assert np.allclose(member.stop_logits, logits_of(model, data.x, task.stop), atol=1e-5)
    assert member.log_shift == pytest.approx(task.plan.log_shift)
    assert (member.job, member.engine) == (task.id, "fit")


def test_the_best_round_is_kept_and_patience_ends_training():
    data = examples()
    network = network_of(data, rate=300.0)  # so large that the score gets worse sooner or later
    member = FitEngine(data, network).train(job(data, steps=200, rounds=4, patience=12))
    scores = member.history["stop_loss"]
    assert member.best_step == member.history["step"][int(np.argmin(scores))]
    assert member.steps - member.best_step == 12
    assert member.steps < 200


def test_members_do_not_depend_on_what_was_trained_before():
    data = examples()
    engine = FitEngine(data, network_of(data, dropout=0.4))
    tasks = [job(data, make, counters=(0, 0, m)) for make in (plans.uniform, plans.oversample) for m in (0, 1)]
    first = [engine.train(t) for t in tasks]
    for task, before in ((tasks[3], first[3]), (tasks[1], first[1])):
        again = FitEngine(data, network_of(data, dropout=0.4)).train(task)
        assert all(np.array_equal(a, b) for a, b in zip(again.weights, before.weights, strict=True))
    assert not np.array_equal(first[0].weights[0], first[1].weights[0])


def test_dropout_masks_are_each_jobs_own():
    data = examples()
    network = network_of(data, dropout=0.5)
    states = [network.initial_state(seeds.integer(0, "initial", *p), data.x, np.arange(10)) for p in ((0, 0), (0, 1))]
    masks = [s for s in zip(*states, strict=True) if s[0].dtype.kind in "ui"]
    assert masks
    assert all(not np.array_equal(a, b) for a, b in masks)


def test_the_callers_random_state_is_left_alone():
    data = examples()
    before, numpy_before = random.getstate(), np.random.get_state()[1].copy()
    FitEngine(data, network_of(data)).train(job(data, steps=2, rounds=2))
    assert random.getstate() == before
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_without_stopping_rows_the_last_step_is_the_best():
    data = examples()
    member = FitEngine(data, network_of(data)).train(job(data, steps=7, rounds=3, stop=False))
    assert (member.best_step, member.steps) == (7, 7)
    assert member.stop_logits.shape == (0, 1)
    assert member.history["step"] == [3.0, 6.0, 7.0]


def test_progress_and_callbacks_are_called_each_round():
    data, events, ends = examples(), [], []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(epoch))
    task = job(data, steps=6, rounds=2)
    FitEngine(data, network_of(data), [callback]).train(task, lambda *event: events.append(event))
    assert events == [(task.id, s, 6) for s in (2, 4, 6)]
    assert len(ends) == 3


def test_batches_are_a_pure_function_of_their_number():
    data = examples()
    batches = Batches(job(data, plans.class_weight), data, 1)
    x, y, weights = batches[5]
    again = batches[5]
    assert all(np.array_equal(a, b) for a, b in zip((x, y, weights), again, strict=True))
    assert (x.shape[1:], y.dtype, weights.dtype) == ((3,), np.int32, np.float32)
