"""`compile_balanced`: the loss that Keras reports is the weighted mean by hand, for any output."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.plans.weight_table import weights_from_counts

RNG = np.random.default_rng(0)


def model_of(units: int, shape: tuple[int, ...] = (2,), activation: str | None = None) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Dense(units, activation=activation, name="out")(inputs))


def log_p(z: np.ndarray) -> np.ndarray:
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


@pytest.mark.parametrize("shape", [(2,), (5, 2), (3, 4, 2)], ids=["rows", "steps", "pixels"])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_loss_is_the_mean_of_weight_times_loss(shape, activation):
    x = RNG.normal(size=(40, *shape)).astype("float32")
    y = RNG.choice(3, p=[0.8, 0.15, 0.05], size=x.shape[:-1])
    model = model_of(3, shape, activation)
    cp.compile_balanced(model, np.bincount(y.ravel(), minlength=3))
    out = np.asarray(model(x), float)
    lp = np.log(out) if activation else log_p(out)
    want = (cp.sample_weight(y) * -np.take_along_axis(lp, y[..., None], -1)[..., 0]).mean()
    assert model.evaluate(x, y, batch_size=40, verbose=0) == pytest.approx(want, rel=1e-4)
    own = np.linspace(0, 2, 40)
    weighted = cp.sample_weight(y) * own.reshape(-1, *[1] * (y.ndim - 1))
    want = (weighted * -np.take_along_axis(lp, y[..., None], -1)[..., 0]).mean()
    assert model.evaluate(x, y, sample_weight=own, batch_size=40, verbose=0) == pytest.approx(want, rel=1e-4)


def test_validation_weighs_like_training():
    x, y = RNG.normal(size=(40, 2)), (np.arange(40) < 4).astype(int)
    model = cp.compile_balanced(model_of(1), [36, 4], optimizer=keras.optimizers.SGD(0.0))
    log = model.fit(x, y, validation_data=(x, y), batch_size=40, epochs=1, verbose=0).history
    assert log["loss"][0] == pytest.approx(log["val_loss"][0], rel=1e-5)


def test_several_outputs_and_independent_labels():
    inputs = keras.Input((2,))
    out = {"grade": keras.layers.Dense(3)(inputs), "tags": keras.layers.Dense(4, activation="sigmoid")(inputs)}
    model = keras.Model(inputs, out)
    x = RNG.normal(size=(50, 2)).astype("float32")
    y = {"grade": RNG.choice(3, p=[0.7, 0.2, 0.1], size=50), "tags": (RNG.random((50, 4)) < 0.3).astype(int)}
    counts = {"grade": np.bincount(y["grade"]), "tags": y["tags"].sum(0)}
    cp.compile_balanced(model, counts, {"grade": "sqrt", "tags": "balanced"}, rows={"tags": 50})
    z = {k: np.asarray(v, float) for k, v in model(x).items()}
    grade = cp.sample_weight(y["grade"], "sqrt") * -log_p(z["grade"])[np.arange(50), y["grade"]]
    s, t = z["tags"], y["tags"]
    tags = cp.sample_weight(t, kind="multi_label") * -(t * np.log(s) + (1 - t) * np.log(1 - s))
    got = model.evaluate(x, y, batch_size=50, verbose=0, return_dict=True)["loss"]
    assert got == pytest.approx(grade.mean() + tags.mean(), rel=1e-4)


def test_outputs_as_a_list():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(3)(inputs)])
    cp.compile_balanced(model, [[9, 1], [5, 3, 2]])
    x = RNG.normal(size=(6, 2))
    assert np.isfinite(model.evaluate(x, [np.ones(6), np.arange(6) % 3], verbose=0)[0])


class Own(keras.Model):
    """A class of one's own, which has no outputs to look at."""

    def __init__(self, several=False, last_first=False):
        super().__init__()
        layers = {"hidden": keras.layers.Dense(4, "softmax"), "out": keras.layers.Dense(2)}
        for name in ("out", "hidden") if last_first else ("hidden", "out"):
            setattr(self, name, layers[name])
        self.several = several

    def call(self, x):
        z = self.out(self.hidden(x["a"] if isinstance(x, dict) else x))
        return {"one": z, "two": z} if self.several else z


def test_a_built_model_of_a_class_of_ones_own():
    x, y = RNG.normal(size=(6, 2)).astype("float32"), np.arange(6) % 2
    model = Own()
    with pytest.raises(ModelError, match="is not built"):
        cp.compile_balanced(model, [4, 2])
    want = (cp.sample_weight([0, 0, 0, 0, 1, 1])[[0, 4]][y] * -log_p(np.asarray(model(x), float))[range(6), y]).mean()
    assert cp.compile_balanced(model, [4, 2]).evaluate(x, y, verbose=0) == pytest.approx(want, rel=1e-4)
    several = Own(several=True)
    several({"a": x})
    cp.compile_balanced(several, {"one": [4, 2], "two": [1, 1]}, output="logits")
    assert np.isfinite(several.evaluate({"a": x}, {"one": y, "two": y}, verbose=0)[0])
    backwards = Own(last_first=True)
    backwards(x)
    with pytest.raises(ModelError, match="cannot determine whether"):
        cp.compile_balanced(backwards, [4, 2])


def test_bias_is_set_and_other_losses_are_kept():
    model = cp.compile_balanced(
        model_of(3), [80, 15, 5], "none", loss=cp.losses.LogitAdjusted([80, 15, 5]), init_bias=True
    )
    np.testing.assert_allclose(np.asarray(model.get_layer("out").bias), np.log([0.8, 0.15, 0.05]), rtol=1e-6)
    assert model.loss.weights.tolist() == [1, 1, 1]


def test_weights_from_counts_have_mean_one():
    for scheme in ("balanced", "sqrt", "effective_number", "log", {0: 1.0, 1: 2.0, 2: 9.0}):
        assert np.average(weights_from_counts([70, 25, 5], scheme), weights=[70, 25, 5]) == pytest.approx(1)
    pairs = weights_from_counts([10, 60], "balanced", rows=100)
    np.testing.assert_allclose((pairs * [[90, 10], [40, 60]]).sum(1), 100)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cp.compile_balanced(model_of(3), [9, 1]), ModelError, "Expected 3 counts"),
        (lambda: cp.compile_balanced(model_of(1), [9]), ModelError, "Expected 2 counts"),
        (lambda: cp.compile_balanced(model_of(2, activation="relu"), [9, 1]), ModelError, "cannot determine whether"),
        (lambda: cp.compile_balanced(model_of(2), [9, 1], output="logit"), OptionError, "output is 'logit'"),
        (lambda: cp.compile_balanced(model_of(2), [9, -1]), OptionError, "0 or more"),
        (lambda: cp.compile_balanced(model_of(2), [9, 1], "blanced"), OptionError, "Did you mean 'balanced'"),
        (lambda: cp.compile_balanced(model_of(2), {"owt": [9, 1]}), OptionError, "Did you mean 'out'"),
        (
            lambda: cp.compile_balanced(model_of(2), [9, 1], rows=100, loss=cp.losses.Focal()),
            OptionError,
            "Leave loss out",
        ),
        (lambda: cp.compile_balanced(keras.Sequential([keras.layers.Dense(2)]), [9, 1]), ModelError, "is not built"),
    ],
)
def test_misuse_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_output_without_counts_keeps_its_own_loss():
    inputs = keras.Input((2,))
    out = {"kind": keras.layers.Dense(1)(inputs), "price": keras.layers.Dense(1)(inputs)}
    model = keras.Model(inputs, out)
    x, kind, price = RNG.normal(size=(20, 2)).astype("float32"), (np.arange(20) < 5).astype(int), RNG.normal(size=20)
    for counts in ({"kind": [15, 5], "price": None}, {"kind": {1: 5, 0: 15}, "price": None}):
        cp.compile_balanced(model, counts, loss={"price": "mse"}, optimizer=keras.optimizers.SGD(0.0))
        z = {k: np.asarray(v, float)[:, 0] for k, v in model(x).items()}
        want = (cp.sample_weight(kind) * np.logaddexp(0, np.where(kind, -1, 1) * z["kind"])).mean()
        loss = model.evaluate(x, {"kind": kind, "price": price}, batch_size=20, verbose=0)[0]
        assert loss == pytest.approx(want + ((z["price"] - price) ** 2).mean(), rel=1e-4)
    model.fit(x, {"kind": kind, "price": price}, epochs=2, callbacks=[cp.callbacks.Deferred(at=1)], verbose=0)
    with pytest.raises(OptionError, match="Pass the loss of this output"):
        cp.compile_balanced(model, counts)


def test_a_given_loss_reads_the_outputs_of_the_model_and_ignores_what_is_asked():
    """Probabilities into `Focal()`, which by itself expects logits; padding is left out."""
    x, y = RNG.normal(size=(12, 4, 2)).astype("float32"), RNG.choice(3, size=(12, 4))
    y[:, 3] = -1
    counts = np.bincount(y[y >= 0], minlength=3)
    values = []
    for activation in (None, "softmax"):
        keras.utils.set_random_seed(0)
        model = cp.compile_balanced(model_of(3, (4, 2), activation), counts, loss=cp.losses.Focal(1.5), ignore_class=-1)
        values.append(model.evaluate(x, y, batch_size=12, verbose=0))
        assert model.loss.loss.gamma == 1.5
    assert np.isfinite(values[0])
    assert values[1] == pytest.approx(values[0], rel=1e-4)
