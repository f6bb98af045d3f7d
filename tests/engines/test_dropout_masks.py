"""Dropout whose masks are drawn before the loop: the masks of `fit`, with and without XLA; what else draws stays out
of XLA."""

from __future__ import annotations

import dataclasses
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import EXACT, L, assert_same, examples, net, trained
from trainers import jobs_of

from counterpoise.data.split import make_folds
from counterpoise.engines import program_rules
from counterpoise.engines.compile_modes import decide_compile_modes
from counterpoise.engines.dropout_masks import DropoutMasks
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.strategies.select import find


def odd(spec, n_classes):
    """Dropout in a model in a model, one used twice, one that never drops, one whose mask is shared by columns, and one
    of rows that are not the rows of the batch."""
    twice, inputs = L.Dropout(0.4, seed=3), spec.inputs()
    inner = keras.Sequential([keras.Input((8,)), L.Dense(8, "relu"), L.Dropout(0.3)])
    h = twice(L.Dense(8, "relu")(inputs))
    h = L.Dropout(0.0)(twice(inner(inner(h))))
    h = keras.ops.reshape(L.Dropout(0.1)(keras.ops.reshape(h, (-1, 4))), (-1, 8))
    h = L.Dropout(0.2, noise_shape=(None, 1))(L.Reshape((8,))(h))
    return keras.Model(inputs, L.Dense(1)(h))


@cache
def by_fit():
    return trained(Network(odd, examples()), examples(), "none", "fit")[0]


@pytest.mark.parametrize("xla", [False, True])
def test_the_masks_are_those_of_fit(xla):
    data = examples()
    network = Network(odd, data)
    jobs = jobs_of(find("none"), data, make_folds(data, 2)[0], EXACT)
    network.compile_modes = {
        key: dataclasses.replace(mode, xla=xla) for key, mode in decide_compile_modes(jobs, network).items()
    }
    ours = next(m for _, m in run(jobs, data, network, engine="program"))
    program = next(iter(network.cache["program"].programs.values()))
    assert program.mode.xla == xla
    assert [(draw.layer.rate, draw.use, draw.shape) for draw in program.masks.draws] == [
        (0.4, 0, (-1, 8)), (0.3, 0, (-1, 8)), (0.3, 1, (-1, 8)), (0.4, 1, (-1, 8)),
        (0.1, 0, (-2, 4)), (0.2, 0, (-1, 1)),
    ]  # fmt: skip
    assert_same(ours, by_fit(), atol=1e-4 if xla else 2e-5)


def test_dropout_that_is_always_on_draws_where_rounds_are_judged_too():
    data = examples()
    network = Network(net(lambda: lambda h: L.Dropout(0.5)(h, training=True)), data)
    assert np.isfinite(trained(network, data, "none")[0].logits).all()


class Dense(L.Dense):
    """A user's class that bears the name of one of Keras, and draws."""

    def __init__(self, units, **more):
        super().__init__(units, **more)
        self.drop = L.GaussianNoise(0.1)

    def call(self, x, training=False):
        return self.drop(super().call(x), training=training)


class Penalty(keras.regularizers.Regularizer):
    def __call__(self, x):
        return tf.reduce_sum(tf.random.normal(x.shape))


class Shaken(keras.constraints.Constraint):
    def __call__(self, w):
        return w + tf.random.normal(w.shape)


AT_RANDOM = {
    "noise": lambda: L.GaussianNoise(0.1),
    "alpha dropout": lambda: L.AlphaDropout(0.1),
    "16 bits": lambda: L.Dropout(0.5, dtype="mixed_bfloat16"),
    "in an activation": lambda: L.Dense(8, activation=L.GaussianDropout(0.5)),
    "in a wrapper": lambda: keras.Sequential([L.Reshape((2, 2)), L.TimeDistributed(L.Dropout(0.5)), L.Flatten()]),
    "a user's activation": lambda: L.Activation(lambda x: x + tf.random.normal(tf.shape(x))),
    "a user's regularizer": lambda: L.Dense(8, kernel_regularizer=Penalty()),
    "a user's constraint": lambda: L.Dense(8, bias_constraint=Shaken()),
    "a user's Dense": lambda: Dense(8),
    "recurrent dropout": lambda: keras.Sequential([L.Reshape((2, 2)), L.LSTM(4, recurrent_dropout=0.5)]),
    "augmentation": lambda: keras.Sequential([L.Reshape((2, 2, 1)), L.RandomFlip(), L.Flatten()]),
}


@pytest.mark.parametrize("kind", AT_RANDOM)
def test_no_layer_that_draws_in_the_loop_is_compiled_by_xla(kind, monkeypatch):
    monkeypatch.setattr(program_rules, "repays_xla", lambda model, limits: True)
    data = examples()
    known = L.Dense(4, "swish", kernel_regularizer="l2", bias_constraint=keras.constraints.NonNeg())
    for layer, xla in ((AT_RANDOM[kind], False), (lambda: L.Dropout(0.5), True), (lambda: known, True)):
        network = Network(net(lambda: L.Dense(4), layer), data)
        jobs = jobs_of(find("none"), data, make_folds(data, 2)[0], EXACT)
        assert [mode.xla for mode in decide_compile_modes(jobs, network).values()] == [xla]


def test_a_block_continues_where_the_one_before_ended():
    """Blocks of a few steps and of many draw the same masks."""
    model = keras.Sequential([keras.Input((6,)), L.Dropout(0.5, seed=1)])
    state, spec = model.layers[0].seed_generator.state, tf.TensorSpec((None, 6), "float32")
    masks, before = DropoutMasks(model, spec), np.array(state)
    rows = tf.zeros((5, 4), tf.int32)
    together = masks.draw_masks(rows, 5)[0].numpy()
    assert np.array(state).tolist() == [before[0], before[1] + 5]
    state.assign(before)
    alone = [masks.draw_masks(rows[:n], n)[0].numpy() for n in (2, 3)]
    assert np.array_equal(together, np.concatenate(alone))
    assert together.shape == (5, 4, 6)
    assert 0 < together.mean() < 1
