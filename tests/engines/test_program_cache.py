"""Networks that are alike share a program, those that are not do not, and sharing changes no number."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
from small_networks import DENSE, L, examples, net, trained

from counterpoise.engines import program_cache
from counterpoise.networks.network import Network


@pytest.fixture(autouse=True)
def _empty():
    program_cache.clear()
    yield
    program_cache.clear()


def program(network):
    return next(iter(network.cache["program"].programs.values()))


def own(x):
    return x * keras.ops.sigmoid(x)


class OwnPenalty(keras.regularizers.L2):
    pass


class OwnLayer(L.Layer):
    def call(self, x):
        return x


def test_a_second_fit_traces_nothing_and_gives_what_it_would_give_alone():
    data, other = examples(), examples(n=220)
    alone = trained(Network(net(*DENSE), other), other)[0]
    program_cache.clear()
    first, second = Network(net(*DENSE), data), Network(net(*DENSE), other)
    trained(first, data)
    proba = trained(second, other)[0]
    assert program(first) is program(second)
    assert program(second).traces == {"block": 1, "logits": 1}
    for one, same in zip(proba.weights, alone.weights, strict=True):
        assert np.array_equal(one, same)
    assert np.array_equal(proba.logits, alone.logits)


BASE = net(lambda: L.Dense(8, "relu"), lambda: L.Dropout(0.2))
UNLIKE = {
    "width": (net(lambda: L.Dense(9, "relu"), lambda: L.Dropout(0.2)), None),
    "rate of dropout": (net(lambda: L.Dense(8, "relu"), lambda: L.Dropout(0.3)), None),
    "activation": (net(lambda: L.Dense(8, "tanh"), lambda: L.Dropout(0.2)), None),
    "frozen": (net(lambda: L.Dense(8, "relu", trainable=False), lambda: L.Dropout(0.2)), None),
    "penalty": (net(lambda: L.Dense(8, "relu", kernel_regularizer="l2"), lambda: L.Dropout(0.2)), None),
    "order": (net(lambda: L.Dropout(0.2), lambda: L.Dense(8, "relu")), None),
    "policy": (net(lambda: L.Dense(8, "relu", dtype="mixed_bfloat16"), lambda: L.Dropout(0.2)), None),
    "clipping": (BASE, lambda: keras.optimizers.Adam(1e-3, clipnorm=1.0)),
    "optimizer": (BASE, lambda: keras.optimizers.SGD(1e-3)),
    "learning rate": (BASE, lambda: keras.optimizers.Adam(1e-2)),
}


def trace_key(build, optimizer=None, data=None):
    network = Network(build, examples() if data is None else data, optimizer=optimizer)
    model = network.fresh(0)
    model.compile(network.optimizer())
    model.optimizer.build(model.trainable_variables)
    return program_cache.trace_key(model)


def common(spec, n_classes):
    inputs = spec.inputs()
    h = L.Reshape((2, 2, 1))(L.Rescaling(2.0)(L.BatchNormalization()(inputs)))
    h = L.MaxPooling2D(1)(L.Conv2D(2, 1, activation="relu")(h))
    words = L.Embedding(3, 2)(L.Activation("relu")(inputs))
    h = L.Concatenate()([L.Flatten()(h), L.GRU(2)(words), L.LSTM(2)(L.LayerNormalization()(words))])
    return keras.Model(inputs, keras.Sequential([L.Dense(4, "gelu", kernel_constraint="non_neg"), L.Dense(1)])(h))


@pytest.mark.parametrize("build", ["mlp", "tabular", common, BASE])
def test_networks_of_kerass_own_layers_are_shared(build):
    assert trace_key(build) is not None
    assert trace_key(build) == trace_key(build)


@pytest.mark.parametrize("what", UNLIKE)
def test_whatever_changes_the_trace_separates_networks(what):
    build, optimizer = UNLIKE[what]
    assert trace_key(build, optimizer and optimizer()) != trace_key(BASE)


def adapted():
    layer = L.Normalization()
    layer.adapt(np.arange(8.0).reshape(2, 4))
    return layer


def patched():
    layer = L.Dense(8)
    layer.call = lambda x: x
    return layer


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Dense(8, own),
        lambda: L.Lambda(lambda x: 2 * x),
        OwnLayer,
        adapted,
        patched,
        lambda: L.Dense(8, kernel_regularizer=own),
        lambda: L.Dense(8, kernel_regularizer=OwnPenalty()),
        lambda: keras.Sequential([L.Dense(8, own)]),
    ],
    ids=["function", "lambda", "layer", "adapted", "patched", "regularizer", "penalty", "inside"],
)
def test_what_a_configuration_does_not_say_is_never_shared(make):
    assert trace_key(net(make)) is None


def test_a_function_named_like_one_of_keras_is_not_taken_for_it():
    def relu(x):
        return -x

    assert trace_key(net(lambda: L.Dense(8, relu))) is None


def test_the_form_of_the_rows_and_the_loss_separate_programs():
    data = examples()
    whole = examples(np.arange(600).reshape(150, 4))
    networks = [Network(net(*DENSE), data) for _ in range(2)] + [Network(net(*DENSE), whole)]
    for network, strategy, rows in zip(networks, ("none", "focal", "none"), (data, data, whole), strict=True):
        trained(network, rows, strategy)
    assert len({id(program(network)) for network in networks}) == 3


def test_only_so_many_are_kept_and_none_that_is_too_large(monkeypatch):
    data = examples()
    monkeypatch.setattr(program_cache, "MAX_PROGRAMS", 1)
    networks = [Network(net(lambda w=w: L.Dense(w)), data) for w in (2, 3)]
    for network in networks:
        trained(network, data)
    kept = [program(network) for network in networks]
    assert [program_cache.find(one.alike) for one in kept] == [None, kept[1]]
    monkeypatch.setattr(program_cache, "MAX_VALUES", 10)
    program_cache.keep(kept[1])
    assert program_cache.find(kept[1].alike) is None
    gone = weakref.ref(kept[0])
    del networks, network, kept
    gc.collect()
    assert gone() is None
