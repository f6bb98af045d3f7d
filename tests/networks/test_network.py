"""Any Keras model becomes a network that ends in logits, or a clear error."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import DataError, ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.networks.cloning import last_activation
from counterpoise.networks.input_spec import InputSpec
from counterpoise.networks.network import Network
from counterpoise.networks.weights import set_state, state_of

L = keras.layers


def examples(classes=2, x=None, n=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4)).astype("float32") if x is None else x
    return Examples(x, (np.arange(n) % classes).astype(np.int32), tuple(range(classes)))


@keras.saving.register_keras_serializable(package="tests")
def own_sigmoid(v):
    """Not a name that says probability."""
    return keras.ops.sigmoid(v)


def sequential(units, activation):
    return keras.Sequential([keras.Input((4,)), L.Dense(8, "relu"), L.Dense(units, activation)])


def functional(units, activation):
    inputs = keras.Input((4,))
    return keras.Model(inputs, L.Activation(activation)(L.Dense(units)(L.Dense(8, "relu")(inputs))))


@pytest.mark.parametrize("make", [sequential, functional])
@pytest.mark.parametrize(
    ("units", "activation", "classes"), [(1, "sigmoid", 2), (2, "softmax", 2), (3, "softmax", 3), (1, "linear", 2)]
)
def test_logits_are_those_under_the_last_activation(make, units, activation, classes):
    model, data = make(units, activation), examples(classes)
    network = Network(model, data)
    assert network.units == units
    z, out = np.asarray(network.fresh(0)(data.x)), np.asarray(model(data.x))
    back = {"sigmoid": lambda v: 1 / (1 + np.exp(-v)), "softmax": lambda v: np.exp(v) / np.exp(v).sum(1, keepdims=True)}
    assert np.allclose(back.get(activation, lambda v: v)(z), out, atol=1e-5)


def test_extreme_logits_survive_a_saturated_sigmoid():
    model, data = sequential(1, "sigmoid"), examples()
    model.set_weights([w * 50 for w in model.get_weights()])
    z = np.asarray(Network(model, data).fresh(0)(data.x))
    assert np.abs(z).max() > 40


@pytest.mark.parametrize(
    ("loss", "output", "is_probability"),
    [
        (keras.losses.BinaryCrossentropy(from_logits=True), "auto", False),
        (keras.losses.BinaryCrossentropy(), "auto", True),
        ("binary_crossentropy", "auto", True),
        ("binary_crossentropy", "logits", False),
    ],
)
def test_the_compiled_loss_or_the_user_decides_what_the_output_is(loss, output, is_probability):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.Dense(1, activation=own_sigmoid)(inputs))
    model.compile(loss=loss)
    data = examples()
    z, out = np.asarray(Network(model, data, output=output).fresh(0)(data.x)), np.asarray(model(data.x))
    want = np.log(out / (1 - out)) if is_probability else out
    assert np.allclose(z, want, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "classes", "words"),
    [
        (lambda: sequential(3, "softmax"), 2, "with 1 or 2 units"),
        (lambda: sequential(1, "sigmoid"), 3, "with 3 units"),
        (lambda: sequential(1, "relu"), 2, "cannot determine whether"),
        (lambda: keras.Sequential([keras.Input((9,)), L.Dense(1)]), 2, "does not take an input of shape"),
        (
            lambda: keras.Sequential([keras.Input((4,), dtype="string"), L.Dense(1)]),
            2,
            "takes text, but the rows are numbers",
        ),
    ],
)
def test_models_that_do_not_fit(make, classes, words):
    with pytest.raises(ModelError, match=words):
        Network(make(), examples(classes))


def test_several_outputs_and_what_is_no_model():
    inputs = keras.Input((4,))
    with pytest.raises(ModelError, match="several outputs"):
        Network(keras.Model(inputs, [L.Dense(1)(inputs), L.Dense(1)(inputs)]), examples())
    with pytest.raises(OptionError, match=r"no built-in network 'mpl'. Did you mean 'mlp'"):
        Network("mpl", examples())
    with pytest.raises(OptionError, match="model= is int"):
        Network(3, examples())
    with pytest.raises(ModelError, match=r"returned int. Expected a keras.Model"):
        Network(lambda spec, n: 3, examples())
    with pytest.raises(OptionError, match="output is 'probs'"):
        Network("mlp", examples(), output="probs")


def test_builders_get_the_spec():
    seen = []

    def build(spec, n_classes):
        seen.append((spec, n_classes))
        inputs = spec.inputs()
        return keras.Model(inputs, L.Dense(n_classes)(inputs))

    assert Network(build, examples(3)).units == 3
    assert seen[0] == (InputSpec((4,), "float32"), 3)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda spec: None, r"The builder is <lambda>\(spec\). Expected a function of two arguments"),
        (keras.Sequential, r"model is the class Sequential. .* Pass Sequential\(...\)"),
    ],
)
def test_builders_that_cannot_be_called_are_named(build, words):
    with pytest.raises(OptionError, match=words):
        Network(build, examples())


@pytest.mark.parametrize("form", ["dict", "tuple"])
def test_several_inputs(form):
    a, b = np.zeros((60, 8, 8, 1), "float32"), np.zeros((60, 3), "float32")

    def build(spec, n_classes):
        inputs = spec.inputs()
        image, table = (inputs["image"], inputs["table"]) if form == "dict" else inputs
        return keras.Model(inputs, L.Dense(1)(L.Concatenate()([L.Flatten()(image), table])))

    data = examples(x={"image": a, "table": b} if form == "dict" else (a, b))
    model = Network(build, data).fresh(0)
    assert model(data.x).shape == (60, 1)


def test_initial_weights_depend_on_the_seed_alone_and_leave_randomness_alone():
    data = examples()
    network = Network("mlp", data)
    before = random.getstate()
    first, again, other = (state_of(network.fresh(s)) for s in (1, 1, 2))
    assert random.getstate() == before
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_dropout_masks_follow_the_seed():
    def build(spec, n_classes):
        inputs = spec.inputs()
        return keras.Model(inputs, L.Dense(1)(L.Dropout(0.5)(inputs)))

    data = examples()
    network = Network(build, data)
    x = np.ones((50, 4), "float32")
    masks = []
    for seed in (1, 1, 2):
        model = network.fresh(seed)
        model.set_weights([np.ones_like(w) for w in model.get_weights()])
        masks.append(np.asarray(model(x, training=True)))
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_weights_keep_or_fresh():
    model, data = sequential(1, "sigmoid"), examples()
    kept = state_of(Network(model, data).fresh(5))
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.get_weights(), strict=True))
    fresh = state_of(Network(model, data, initial_weights="fresh").fresh(5))
    assert not np.array_equal(fresh[0], model.get_weights()[0])


def test_clone_false_holds_the_object_itself():
    model, data = sequential(1, "sigmoid"), examples()
    network = Network(model, data, clone=False).fresh(0)
    set_state(network, [v * 0 + 1 for v in state_of(network)])
    assert np.all(model.get_weights()[0] == 1)


def test_a_subclassed_model_is_cloned_by_its_config():
    @keras.saving.register_keras_serializable(package="tests")
    class Own(keras.Model):
        def __init__(self, width=5, **kwargs):
            super().__init__(**kwargs)
            self.width, self.hidden, self.out = width, L.Dense(width), L.Dense(1)

        def call(self, x):
            return self.out(self.hidden(x))

        def get_config(self):
            return {"width": self.width}

    assert Network(Own(), examples(), output="logits").units == 1


def test_the_optimizer_is_a_copy_in_its_first_state():
    model = sequential(1, "sigmoid")
    model.compile(optimizer=keras.optimizers.SGD(0.3, momentum=0.8), loss="binary_crossentropy")
    copy = Network(model, examples()).optimizer()
    assert copy is not model.optimizer
    assert (float(copy.learning_rate), copy.momentum) == (pytest.approx(0.3), 0.8)
    assert isinstance(Network("mlp", examples()).optimizer(), keras.optimizers.Adam)
    assert isinstance(Network("mlp", examples(), optimizer="sgd").optimizer(), keras.optimizers.SGD)


def ended(units, end, shape=(4,)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, end(L.Dense(units)(inputs)))


@pytest.mark.parametrize(
    ("make", "activation"),
    [
        (lambda: ended(1, keras.ops.sigmoid), "sigmoid"),
        (lambda: ended(2, keras.activations.softmax), "softmax"),
        (lambda: keras.Sequential([keras.Input((4,)), L.Dense(1, "sigmoid"), L.Flatten(), L.Dropout(0.5)]), "sigmoid"),
        (lambda: ended(1, lambda z: 0.1 + 0.8 * keras.ops.sigmoid(z)), None),  # only the loss shows what this is
    ],
    ids=["operation", "activation function", "layers behind", "other operation"],
)
def test_probabilities_are_recognized_at_operations_and_behind_layers_without_activation(make, activation):
    model, data = make(), examples()
    assert last_activation(model) == activation
    if activation:
        assert Network(lambda spec, classes: make(), data).probabilities
    else:
        model.compile(loss="binary_crossentropy")
    z, out = (np.asarray(one(data.x)) for one in (Network(model, data).fresh(0), model))
    assert np.allclose(z, np.log(out) if activation == "softmax" else np.log(out / (1 - out)), atol=1e-4)


def test_last_activation_looks_into_nested_models():
    inner = sequential(2, "softmax")
    assert last_activation(keras.Sequential([keras.Input((4,)), inner])) == "softmax"
    assert last_activation(keras.Sequential([keras.Input((4,)), L.Dense(2), L.Softmax()])) == "softmax"


@pytest.mark.parametrize(
    ("model", "how", "words"),
    [
        ("mlp", {"optimizer": "adm"}, r"no optimizer 'adm'. Did you mean 'Adam'"),
        ("mlp", {"optimizer": 3}, "optimizer is int. Expected a Keras optimizer or its name"),
        ("mlp", {"clone": False}, "clone=False trains the model itself, but model= is not a Keras model"),
        (None, {"clone": False, "initial_weights": "fresh"}, 'initial_weights="fresh" replaces them'),
    ],
)
def test_options_that_would_be_ignored_or_fail_late_are_refused(model, how, words):
    with pytest.raises(OptionError, match=words):
        Network(model or sequential(1, "sigmoid"), examples(), **how)


@pytest.mark.parametrize("engine", ["fit", "program"])
def test_integers_beyond_32_bits_keep_their_value(engine):
    """They used to wrap around, such as times in nanoseconds."""
    nanoseconds = (np.arange(60) * 10**9)[:, None]
    y = (np.arange(60) >= 45).astype(int)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(1e-10), keras.layers.Dense(1)])
    trained = cp.fit(model, nanoseconds, y, epochs=2, engine=engine, verbose=0)
    steps = np.diff(trained.predict_proba(nanoseconds)[:, 1])  # of one line
    assert np.all(steps > 0) or np.all(steps < 0)
    few = cp.fit(model, nanoseconds // 10**9, y, epochs=1, engine=engine, verbose=0)
    with pytest.raises(DataError, match="x contains the integer 59,000,000,000"):
        few.predict(nanoseconds)
