"""A model with its own training step is trained by that step, and then decided like any other."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import counterpoise as cp
from counterpoise.core.errors import ModelError

L = keras.layers
Y = (np.arange(240) % 8 == 0).astype(int)
X = (np.random.default_rng(0).normal(size=(240, 3)) + 1.5 * Y[:, None]).astype("float32")
SEEN: list[tuple[int, ...]] = []


@keras.saving.register_keras_serializable(package="tests")
class Stepper(keras.Model):
    """Counts its steps in a weight, which stays behind as a trace."""

    def __init__(self, units=1, activation="sigmoid", **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation = units, activation
        self.out = L.Dense(units, activation=activation)
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        return self.out(x)

    def train_step(self, data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        SEEN.append(tuple(y.shape))  # while tracing
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True), sample_weight=weight)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        self.count.assign_add(1.0)
        return {"loss": loss}

    def get_config(self):
        return {"units": self.units, "activation": self.activation}


@keras.saving.register_keras_serializable(package="tests")
class OwnLoss(keras.Model):
    """Brings `compute_loss` only; a functional model by its constructor."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.square(keras.ops.cast(y, "float32") - y_pred))


@keras.saving.register_keras_serializable(package="tests")
class Naive(Stepper):
    """Unpacks two things, as many tutorials do."""

    def train_step(self, data):
        x, y = data
        return super().train_step((x, y))


def fit(model, x=X, **how):
    return cp.fit(model, x, Y, epochs=4, batch_size=64, verbose=0, **how)


def counts_of(clf):
    return [float(v.numpy()) for v in clf.members.variables if v.path.endswith("count")]


def stepper(**how):
    model = Stepper(**how)
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    return model


def test_the_step_is_called_for_every_step_and_a_line_says_why_fit_trains(caplog):
    clf = fit(stepper())
    assert counts_of(clf) == [float(clf.card["steps"][0])]
    assert clf.card["engines"] == ["fit"]
    assert caplog.records[0].message.startswith(
        "Counterpoise trains with Keras fit, because the model has a train_step of its own."
    )


def test_a_step_without_surprises_trains_what_plain_fit_trains():
    """The user's step does what Keras's own does: the same rows give the same weights."""
    plain = keras.Sequential([keras.Input((3,)), L.Dense(1, activation="sigmoid")])
    plain.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    own = stepper()
    own(X[:1])
    own.out.set_weights(plain.get_weights())
    a, b = (fit(m, strategy="class_weight", engine="fit", patience=50) for m in (plain, own))
    assert np.allclose(a.member_logits(X)[0], b.member_logits(X)[0], atol=1e-4)


def test_members_start_anew_and_tables_are_encoded_in_front(tmp_path):
    table = {"a": X[:, 0], "b": X[:, 1], "kind": np.where(X[:, 2] > 0, "u", "v")}
    clf = fit(stepper(), table, strategy=cp.ensemble(["none", "oversample"]))
    assert counts_of(clf) == [float(s) for s in clf.card["steps"]]
    again = cp.load(clf.save(tmp_path / "m.keras"), custom_objects={"Stepper": type(stepper())})
    assert np.allclose(again.predict_proba(table), clf.predict_proba(table))


@keras.saving.register_keras_serializable(package="tests")
class Noisy(Stepper):
    """Adds float32 noise, as `fit` lets a step do: Keras feeds arrays of doubles as float32."""

    def train_step(self, data):
        x, *rest = data
        return super().train_step((x + tf.random.normal(tf.shape(x), stddev=0.1), *rest))


@pytest.mark.parametrize("kind", ["float64", ">f8"])
def test_doubles_reach_the_step_as_keras_would_feed_them(kind):
    model = Noisy()
    model(X[:2])
    model.compile("adam", "binary_crossentropy")
    assert cp.fit(model, X.astype(kind), Y, epochs=1, batch_size=64, verbose=0).predict_proba(X).shape == (240, 2)


def test_targets_have_the_form_that_the_compiled_loss_takes():
    SEEN.clear()
    for loss, units, activation in (
        ("categorical_crossentropy", 2, "softmax"),
        ("sparse_categorical_crossentropy", 2, "softmax"),
        ("binary_crossentropy", 1, "sigmoid"),
    ):
        model = Stepper(units, activation)
        model.compile("adam", loss)
        fit(model)
    assert [shape[1:] for shape in dict.fromkeys(SEEN)] == [(2,), (), (1,)]


def test_a_comparison_replaces_the_compiled_loss_where_a_strategy_has_its_own(caplog):
    cmp = cp.compare(stepper(), X, Y, strategies="balanced_softmax", folds=2, epochs=2, refit=False, verbose=0)
    assert {r["strategy"]: r["status"] for r in cmp.leaderboard} == {"none": "ok", "balanced_softmax": "ok"}
    assert any("'balanced_softmax' trains with its own loss" in r.message for r in caplog.records)


def test_a_model_that_computes_its_loss_cannot_be_given_another():
    inputs = keras.Input((3,))
    model = OwnLoss(inputs, L.Dense(1, activation="sigmoid")(inputs))
    model.compile(keras.optimizers.Adam(0.05))
    assert fit(model).card["needs_calibration"]
    with pytest.raises(ModelError, match="Strategy 'focal' has its own loss, but the model computes"):
        fit(model, strategy="focal")


def test_a_step_that_fails_is_named_with_what_to_do():
    model = Naive()
    model.compile("adam", "binary_crossentropy")
    assert counts_of(fit(model))  # rows without weights come as two things
    with pytest.raises(ModelError, match=r"training step of Naive failed.*unpack_x_y_sample_weight"):
        fit(model, strategy="class_weight")


def test_the_object_itself_keeps_the_trace():
    model = stepper()
    model(X[:1])
    fit(model, clone=False)
    assert float(model.count.numpy()) > 0
