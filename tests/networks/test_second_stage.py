"""Second stages: features stay, heads change as the formulas say, and the head found is the right one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.networks.head import find_head, prior_logits
from counterpoise.networks.second_stage import head_inputs, retrain_head, tau_normalize

RNG = np.random.default_rng(0)


def functional(activation: str | None = None) -> keras.Model:
    inputs = keras.Input((3,))
    h = keras.layers.Dropout(0.5)(keras.layers.Dense(5, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, activation=activation, name="top")(h))


def nested() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Softmax()(functional()(inputs)))


def long_tail() -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat([0, 1, 2], [180, 30, 9])
    return (RNG.normal(size=(len(y), 3)) + 2 * np.eye(3)[y]).astype("float32"), y


@pytest.mark.parametrize("make", [functional, nested, lambda: functional("softmax")])
def test_the_head_is_found_and_what_it_sees_is_what_the_layers_say(make):
    model, x = make(), long_tail()[0]
    head = find_head(model)
    assert head.name == "top"
    seen = head_inputs(model, x, batch_size=50)
    assert seen.shape == (len(x), 5)
    z = seen @ np.asarray(head.kernel) + np.asarray(head.bias)
    p = np.asarray(model(x))
    want = np.exp(z) / np.exp(z).sum(1, keepdims=True) if p.min() >= 0 and np.allclose(p.sum(1), 1) else z
    np.testing.assert_allclose(p, want, atol=1e-5)


def test_a_retrained_head_finds_the_rare_class_and_leaves_the_features():
    keras.utils.set_random_seed(0)
    x, y = long_tail()
    model = functional()
    model.compile(keras.optimizers.Adam(1e-2), cp.losses.CrossEntropy())
    model.fit(x, y, epochs=3, verbose=0)
    before, recall = model.layers[1].get_weights(), np.mean(np.asarray(model(x))[y == 2].argmax(1) == 2)
    change = retrain_head(model, x, y, epochs=50)
    for a, b in zip(before, model.layers[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.mean(np.asarray(model(x))[y == 2].argmax(1) == 2) > recall
    np.testing.assert_allclose(change.log_shift, cp.plans.oversample(y).log_shift)


def test_a_retrained_head_uses_the_weights_of_rows():
    """Both kinds of rows are in both classes alike, but the first kind of class 1 weighs almost nothing."""
    x, y = np.tile(np.repeat([[0.0], [1.0]], 20, axis=0), (2, 1)), np.repeat([0, 1], 40)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="top")])
    weight = np.where((y == 1) & (x[:, 0] == 0), 0.01, 1.0)
    change = retrain_head(model, x, y, epochs=40, learning_rate=0.2, sample_weight=weight)
    first, second = np.asarray(model(np.array([[0.0], [1.0]])))[:, 0]
    assert first < -1 < second
    np.testing.assert_allclose(change.log_shift, cp.plans.oversample(y, sample_weight=weight).log_shift)


def test_same_seed_same_head():
    x, y = long_tail()
    model = functional()
    heads = []
    for seed in (0, 0, 1):
        retrain_head(model, x, y, epochs=1, seed=seed)
        heads.append(model.get_layer("top").get_weights()[0])
    np.testing.assert_array_equal(heads[0], heads[1])
    assert np.abs(heads[0] - heads[2]).max() > 1e-3


def test_tau_normalization_by_hand_and_its_limits():
    model = functional()
    kernel, bias = model.get_layer("top").get_weights()
    tau_normalize(model, 0.0, keep_bias=True)
    np.testing.assert_array_equal(model.get_layer("top").get_weights()[0], kernel)
    tau_normalize(model, 1.0)
    np.testing.assert_allclose(np.linalg.norm(model.get_layer("top").get_weights()[0], axis=0), 1, rtol=1e-5)
    assert not model.get_layer("top").get_weights()[1].any()
    assert bias.shape == (3,)


def test_scaling_multiplies_each_class_by_one_factor():
    x, y = long_tail()
    model = functional()
    kernel = model.get_layer("top").get_weights()[0]
    retrain_head(model, x, y, scale_only=True, epochs=5)
    ratio = model.get_layer("top").get_weights()[0] / kernel
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape), rtol=1e-3)
    assert np.ptp(ratio[0]) > 1e-3


def test_an_untrained_model_answers_with_the_class_shares():
    for activation in (None, "softmax"):
        model = functional(activation)
        assert cp.networks.init_output_bias(model, [80, 15, 5]) == "top"
        out = np.asarray(model(np.zeros((1, 3))))
        p = out if activation else np.exp(out) / np.exp(out).sum()
        np.testing.assert_allclose(p, [[0.8, 0.15, 0.05]], rtol=1e-5)
    labels = functional("sigmoid")
    cp.networks.init_output_bias(labels, [10, 50, 99], rows=100)
    np.testing.assert_allclose(np.asarray(labels(np.zeros((1, 3)))), [[0.1, 0.5, 0.99]], rtol=1e-5)


def pixels() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, activation="softmax", name="map")(inputs))


def pooled() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    return keras.Model(
        inputs, keras.layers.GlobalAveragePooling2D(name="gap")(keras.layers.Conv2D(2, 1, name="map")(inputs))
    )


def softmax(z):
    """Has the name of another function of Keras."""
    return keras.ops.softmax(z / 3)


def test_convolutions_are_heads_and_pooling_is_named():
    assert cp.networks.init_output_bias(pixels(), [99, 1]) == "map"
    with pytest.raises(ModelError, match="comes from layer 'gap'"):
        cp.networks.init_output_bias(pooled(), [99, 1])
    assert cp.networks.init_output_bias(pooled(), [99, 1], layer="map") == "map"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cp.networks.init_output_bias(functional(), [9, 1]), OptionError, r"Expected \(3,\)"),
        (
            lambda: cp.networks.init_output_bias(functional(), [9, 1, 0]),
            OptionError,
            "must occur in some rows, but not in all",
        ),
        (lambda: cp.networks.init_output_bias(functional("relu"), [9, 1, 1]), ModelError, "ends in 'relu'"),
        (
            lambda: cp.networks.init_output_bias(functional(softmax), [9, 1, 1]),
            ModelError,
            "your own function 'softmax'",
        ),
        (lambda: cp.networks.init_output_bias(functional(), [9, 1, 1], layer="tip"), ModelError, "Did you mean 'top'"),
        (lambda: retrain_head(pixels(), np.zeros((2, 8, 8, 1)), [0, 1]), ModelError, "Expected a Dense"),
        (
            lambda: tau_normalize(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])),
            ModelError,
            "needs one unit per class",
        ),
        (lambda: prior_logits([5, 5], 2, rows=5), OptionError, "must occur in some rows"),
        (
            lambda: find_head(keras.Sequential([keras.Input((2,)), keras.layers.Flatten()])),
            ModelError,
            "no layer with a kernel",
        ),
    ],
)
def test_misuse_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
