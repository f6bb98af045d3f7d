"""Which layer holds the constant of the output, found by moving it; and when it is left alone."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest

from counterpoise.core.examples import Examples
from counterpoise.networks.network import Network

L = keras.layers
RNG = np.random.default_rng(0)
Y = np.repeat([0, 1], [40, 10]).astype(np.int32)
X = RNG.normal(size=(50, 3)).astype("float32")
EXAMPLES = Examples(X, Y, (0, 1))


def built(*layers, inputs=None):
    inputs = keras.Input((3,)) if inputs is None else inputs
    h = inputs
    for layer in layers:
        h = layer(h)
    return keras.Model(inputs, h)


def of(model, examples=EXAMPLES, **how):
    how = {"output": "logits"} | how if isinstance(model, keras.Model) and not model.compiled else how
    return Network(model, examples, **how).output_bias


@pytest.mark.parametrize(
    "layers",
    [
        lambda: (L.Dense(4, "relu"), L.Dense(1, name="top")),
        lambda: (L.Dense(1, name="top"), L.Activation("linear")),
        lambda: (L.Dense(4), L.BatchNormalization(), L.Dense(1, name="top"), L.Flatten()),
        lambda: (L.Dense(1), L.Dense(1, name="top")),
        lambda: (L.Reshape((3, 1)), L.Conv1D(1, 2, name="top"), L.GlobalAveragePooling1D()),
        lambda: (L.Dropout(0.5), L.Dense(4), L.Dropout(0.5), L.Dense(1, name="top", dtype="mixed_float16")),
        lambda: (keras.Sequential([L.Dense(4), L.Dense(1, name="top")]),),
    ],
    ids=["dense", "activation behind", "normalization before", "two of one unit", "convolution", "dropout", "nested"],
)
def test_it_is_found(layers):
    output_bias = of(built(*layers()))
    assert (output_bias.layer, output_bias.reason, output_bias.given, output_bias.note()) == ("top", "", False, "")


@pytest.mark.parametrize(("units", "activation"), [(1, "sigmoid"), (2, "softmax")])
@pytest.mark.parametrize("clone", [True, False])
def test_activations_are_seen_through(units, activation, clone):
    model = built(L.Dense(4, "relu"), L.Dense(units, activation, name="top"))
    network = Network(model, EXAMPLES, output="probabilities", clone=clone)
    bias = np.linspace(-2.0, -1.0, units)
    state = network.initial_state(0, X, np.arange(50), bias=bias)
    variable = network.output_bias.index
    np.testing.assert_allclose(state[variable], bias)
    np.testing.assert_array_equal(model.layers[-1].bias, 0)  # looking leaves no trace


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        (lambda: (L.Dense(1, use_bias=False),), "has no bias"),
        (lambda: (L.Dense(1), L.BatchNormalization()), "does not reach the logits unchanged"),
        (lambda: (L.Dense(2), L.LayerNormalization()), "does not reach the logits unchanged"),
        (lambda: (L.Dense(1), L.Rescaling(0.5)), "does not reach the logits unchanged"),
    ],
    ids=["no bias", "batch normalization", "layer normalization", "scaled"],
)
def test_what_does_not_reach_the_logits_is_left_alone_and_reported(layers, reason):
    output_bias = of(built(*layers()))
    assert output_bias.index is None
    assert reason in output_bias.note()


@pytest.mark.parametrize("joined", [L.Add, L.Average, L.Maximum])
def test_a_head_that_is_used_twice_is_left_alone(joined):
    inputs, head = keras.Input((3,)), L.Dense(1, name="both")
    model = keras.Model(inputs, joined()([head(inputs), head(L.Dense(3)(inputs))]))
    assert "used twice" in of(model).note()


def test_two_heads_that_are_added_are_one_constant():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Add()([L.Dense(1)(inputs), L.Dense(1)(L.Dense(8, "relu")(inputs))]))
    assert of(model).index is not None


def test_a_bias_of_the_users_own_is_replaced_and_reported():
    own = keras.initializers.Constant(-6.4)
    for model in (built(L.Dense(1, bias_initializer=own, name="top")), built(L.Dense(4), L.Dense(1, name="top"))):
        model.layers[-1].bias.assign([-6.4])
        output_bias = of(model)
        assert output_bias.given
        assert output_bias.index is not None
        assert "(layer 'top') was replaced" in output_bias.note()
        assert "init_bias=False" in output_bias.note()


def trained(**how):
    model = built(L.Dense(4, "relu"), L.Dense(1, "sigmoid"))
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, verbose=0, **how)
    return model


def test_trained_and_loaded_weights_keep_their_bias(tmp_path):
    model = trained()
    assert "was trained before" in of(model).note()
    assert of(model, initial_weights="fresh").index is not None
    model.save(tmp_path / "m.keras")
    assert "was trained before" in of(keras.models.load_model(tmp_path / "m.keras")).note()
    bare = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert "loaded or trained" in of(bare, output="probabilities").note()
    model.save_weights(tmp_path / "m.weights.h5")
    other = built(L.Dense(4, "relu"), L.Dense(1, "sigmoid"))
    other.compile("adam", "binary_crossentropy")
    other.load_weights(tmp_path / "m.weights.h5")
    assert "loaded or trained" in of(other).note()


def test_a_new_head_on_a_trained_body_starts_at_its_constant():
    body = trained().layers[1]
    assert of(built(body, L.Dense(1))).index is not None


def test_what_was_found_goes_with_the_network_and_text_and_tables_are_looked_at():
    network = Network("mlp", EXAMPLES)
    assert pickle.loads(pickle.dumps(network)).__dict__.get("output_bias") is None
    variable = network.output_bias.index
    assert pickle.loads(pickle.dumps(network)).__dict__["output_bias"].index == variable
    texts = Examples(np.array(["a b", "c"] * 25), Y, (0, 1))
    assert Network("text", texts).output_bias.index is not None
    several = {"a": X, "ids": np.ones((50, 2), np.int32)}

    def build(spec, n_classes):
        inputs = spec.inputs()
        h = L.Concatenate()([inputs["a"], L.Flatten()(L.Embedding(9, 2)(inputs["ids"]))])
        return keras.Model(inputs, L.Dense(1)(h))

    assert Network(build, Examples(several, Y, (0, 1))).output_bias.index is not None


def test_text_beside_numbers_is_looked_at():
    def build(spec, n_classes):
        inputs = spec.inputs()
        words = L.StringLookup(vocabulary=["f", "m"], output_mode="one_hot")(inputs["sex"])
        return keras.Model(inputs, L.Dense(1)(L.Concatenate()([inputs["age"], words])))

    rows = {"age": X[:, :1], "sex": np.array([["m"], ["f"]] * 25)}
    assert Network(build, Examples(rows, Y, (0, 1))).output_bias.index is not None
