"""A copy of a model is that model: weights, adapted layers, input types; and the original is left alone."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import ModelError
from counterpoise.core.examples import Examples
from counterpoise.networks.cloning import clone, custom_train_step, keras_text
from counterpoise.networks.network import Network

L = keras.layers
X = (np.arange(80, dtype="float32").reshape(20, 4) - 3) * 10
Y = (np.arange(20) % 4 == 0).astype(np.int32)


def adapted(layer, data):
    layer.adapt(data)
    return layer


@pytest.mark.parametrize("keep", [True, False])
def test_normalization_stays_adapted_whatever_happens_to_the_weights(keep):
    """A copy from a configuration has mean 0 and variance 1, and Keras reads its constants, not its weights."""
    layer = adapted(L.Normalization(), X)
    copy = clone(keras.Sequential([keras.Input((4,)), layer, L.Dense(1)]), keep)
    assert np.allclose(copy.layers[0](X), layer(X))
    assert np.allclose(np.asarray(copy.layers[0](X)).mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: L.TextVectorization(output_mode="tf_idf"), np.array(["a b", "a c c", "d"])),
        (lambda: L.StringLookup(output_mode="one_hot"), np.array(["u", "v", "u"])),
        (lambda: L.Discretization(num_bins=3), np.arange(9.0)[:, None]),
    ],
)
def test_vocabularies_and_boundaries_go_with_the_copy(make, data):
    layer = adapted(make(), data)
    kind = "string" if data.dtype.kind == "U" else "float32"
    inputs = keras.Input(data.shape[1:], dtype=kind)
    model = keras.Model(inputs, layer(inputs))
    given = keras.ops.convert_to_tensor(data, kind)
    assert np.allclose(clone(model, True)(given), model(given))


def test_a_network_around_an_adapted_model_says_what_the_model_says():
    model = keras.Sequential([keras.Input((4,)), adapted(L.Normalization(), X), L.Dense(1, activation="sigmoid")])
    z = np.asarray(Network(model, Examples(X, Y, (0, 1))).fresh(0)(X))
    assert np.allclose(1 / (1 + np.exp(-z)), model(X), atol=1e-5)


@keras.saving.register_keras_serializable(package="tests")
class Late(keras.Model):
    """Has no weights before it is called."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.out = L.Dense(1)

    def call(self, x):
        return self.out(x)

    def get_config(self):
        return {}


def test_a_subclassed_models_weights_are_kept_too():
    model = Late()
    model(X)
    z = np.asarray(Network(model, Examples(X, Y, (0, 1)), output="logits").fresh(3)(X))
    assert np.allclose(z, model(X), atol=1e-5)


@keras.saving.register_keras_serializable(package="tests")
class Block(L.Layer):
    """Layers inside of a layer, which no configuration of a model lists."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm, self.body, self.out = L.Normalization(), L.Dense(3, "relu"), L.Dense(2)

    def build(self, shape):
        if not self.norm.built:
            self.norm.build(shape)
        self.body.build(shape)
        self.out.build((None, 3))

    def call(self, x):
        return self.out(self.body(self.norm(x)))


def with_block():
    inputs, block = keras.Input((4,)), Block()
    block.norm.adapt(X)
    return keras.Model(inputs, L.Dense(1, name="head")(block(inputs))), block


@pytest.mark.parametrize("keep", [True, False])
def test_layers_inside_of_layers_stay_adapted(keep):
    model, block = with_block()
    copy = next(one for one in clone(model, keep).layers if isinstance(one, Block))
    assert np.allclose(copy.norm(X), block.norm(X))
    inside = keras.Sequential([keras.Input((5, 4)), L.TimeDistributed(adapted(L.Normalization(), X))])
    rows = np.stack([X] * 5, axis=1)
    assert np.allclose(clone(inside, keep)(rows), inside(rows))


@pytest.mark.parametrize("keep", [True, False])
def test_layers_and_variables_that_are_frozen_stay_frozen(keep):
    model, block = with_block()
    block.body.trainable = False
    block.out.bias.trainable = False
    copy, flags = clone(model, keep), [v.trainable for v in model.variables]
    assert [v.trainable for v in copy.variables] == flags
    assert len(model.trainable_variables) == 3


def test_frozen_layers_of_a_subclassed_model_stay_frozen():
    """The copy has its layers only once it was called."""
    model = Late()
    model(X)
    model.out.kernel.trainable = False
    data = Examples(X, Y, (0, 1))
    assert [v.name for v in Network(model, data, output="logits").fresh(0).trainable_variables] == ["bias"]
    model.out.trainable = False
    network = Network(model, data, output="logits")
    assert not network.fresh(0).trainable_variables
    assert not pickle.loads(pickle.dumps(network)).fresh(0).trainable_variables, "in another process"


@pytest.mark.parametrize("shared", [L.Activation("sigmoid"), L.Dense(4, activation="softmax")], ids=["alone", "dense"])
def test_a_last_layer_that_is_used_twice_keeps_its_activation_inside(shared):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, shared(L.Dense(4)(shared(L.Dense(4)(inputs)))))
    x, data = X / 100, Examples(X, (np.arange(20) % 4).astype(np.int32), (0, 1, 2, 3))
    z = np.asarray(Network(model, data, output="probabilities").fresh(0)(x))
    p = np.asarray(keras.ops.softmax(z) if isinstance(shared, L.Dense) else keras.ops.exp(z))
    assert np.allclose(p, model(x), atol=1e-5)


@keras.saving.register_keras_serializable(package="tests")
def sigmoid(z):
    """Has the name of another function of Keras."""
    return keras.ops.sigmoid(z / 3)


@keras.saving.register_keras_serializable(package="tests")
class Gate(L.Dense):
    """Its activation is not the last that it does."""

    def call(self, x):
        return keras.ops.sigmoid(super().call(x) - 0.5)


@pytest.mark.parametrize(
    "last",
    [L.LSTM(1, activation="sigmoid"), L.SimpleRNN(1, activation="sigmoid"), Gate(1, "sigmoid"), L.Dense(1, sigmoid)],
    ids=["lstm", "rnn", "own layer", "own function"],
)
def test_only_an_activation_that_comes_last_is_left_out(last):
    inputs = keras.Input((4,))
    h = L.Reshape((4, 1))(inputs) if isinstance(last, L.RNN) else inputs
    model, x = keras.Model(inputs, last(h)), X / 100
    z = np.asarray(Network(model, Examples(X, Y, (0, 1))).fresh(0)(x))
    assert np.allclose(1 / (1 + np.exp(-z)), model(x), atol=1e-5)


class Bare(keras.Model):
    """As tutorials write them: no keyword arguments, no configuration."""

    def __init__(self):
        super().__init__()
        self.out = L.Dense(1)

    def call(self, x):
        return self.out(x)


def test_a_class_without_configuration_is_made_again():
    model = Bare()
    model(X)
    z = np.asarray(Network(model, Examples(X, Y, (0, 1)), output="logits").fresh(3)(X))
    assert np.allclose(z, model(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore:.build.. was called")
def test_a_model_that_only_calls_itself_built_has_no_weights_to_keep():
    model = Bare()
    model.build((None, 4))
    assert Network(model, Examples(X, Y, (0, 1)), output="logits").fresh(3)(X).shape == (20, 1)


def test_a_model_compiled_with_a_lambda_is_cloned():
    model = keras.Sequential([keras.Input((4,)), L.Dense(1)])
    model.compile("sgd", lambda y, p: keras.ops.mean(keras.ops.square(y - p)))
    assert not clone(model, True).compiled
    assert model.compiled


@pytest.mark.filterwarnings("ignore:The object being serialized includes a .lambda")
def test_a_model_that_cannot_be_made_again_says_why():
    class Needy(keras.Model):
        def __init__(self, width):
            super().__init__()
            self.width = np.array(width)

    with pytest.raises(ModelError, match=r"cannot be cloned .*Pass a builder function, or clone=False"):
        clone(Needy([1]), True)
    lambda_inside = keras.Sequential([keras.Input((4,)), L.Dense(1, activation=lambda x: x)])
    with pytest.raises(ModelError, match=r"contains a lambda function.*Write it as a function with a name"):
        clone(lambda_inside, True)


def test_own_step_and_keras_text():
    assert custom_train_step(keras.Sequential()) is None
    assert custom_train_step(type("S", (keras.Model,), {"train_step": lambda self, data: {}})()) == "train_step"
    message = "Exception.\n\n\x1b[1mshapes differ\x1b[0m\n\nArguments received by Dense.call():\n  x"
    assert keras_text(ValueError(message)) == "Exception. shapes differ"
    assert keras_text(ValueError()) == "ValueError"
    unknown = ValueError("<class 'F'> could not ... config={}.\n\nException: Could not locate class 'Sub'. Make sure")
    assert keras_text(unknown).startswith("it contains the unknown class 'Sub'. Decorate its definition with")


@pytest.mark.parametrize("form", ["str", "series"])
def test_text_trains_is_saved_and_predicts(form, tmp_path, caplog):
    rng = np.random.default_rng(0)
    y = (np.arange(160) % 5 == 0).astype(int)
    text = np.array([f"{rng.choice(['bad', 'poor'] if c else ['good', 'fine'])} film {rng.integers(9)}" for c in y])
    pd = pytest.importorskip("pandas")
    given = text if form == "str" else pd.Series(text)
    words = adapted(L.TextVectorization(max_tokens=30, output_sequence_length=3), text)
    model = keras.Sequential(
        [keras.Input((), dtype="string"), words, L.Embedding(30, 4), L.GlobalAveragePooling1D(), L.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    if form == "str":
        cmp = cp.compare(model, given, y, strategies="oversample", folds=2, epochs=6, batch_size=32, verbose=0)
        clf = cmp.best
        assert min(r["scores"]["average_precision"]["mean"] for r in cmp.leaderboard) > 0.9
    else:
        clf = cp.fit(model, given, y, strategy="oversample", epochs=6, batch_size=32, verbose=0)
    assert 'Training uses engine="fit", because an input is text' in caplog.text
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.array_equal(again.predict(given), clf.predict(given))
    assert (clf.predict(given) == y).mean() > 0.9
