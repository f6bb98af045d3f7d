"""Metrics of a compiled model: what Keras' own evaluate gives on the same rows, in both engines, leaving no trace."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.data.read import read
from counterpoise.engines.compiled_metrics import metrics_of
from counterpoise.networks.network import Network

L, M = keras.layers, keras.metrics
N = 200
Y = (np.arange(N) % 5 == 0).astype(int)
X = (np.random.default_rng(0).normal(size=(N, 3)) + Y[:, None]).astype("float32")
XV, YV = X[150:], Y[150:]


def tutorial():
    """Those of TensorFlow's own tutorial on imbalanced data."""
    return [
        M.TruePositives(name="tp"), M.Precision(name="precision"), M.Recall(name="recall"), M.AUC(name="auc"),
        M.AUC(name="prc", curve="PR"), M.BinaryCrossentropy(name="cross entropy"), M.MeanSquaredError(name="Brier"),
    ]  # fmt: skip


def model(units=1, activation="sigmoid", loss="binary_crossentropy", metrics=(), **how):
    net = keras.Sequential([keras.Input((3,)), L.Dense(4, "tanh"), L.Dense(units, activation=activation)])
    net.compile(keras.optimizers.Adam(0.05), loss, metrics=list(metrics), **how)
    return net


def fit(net, strategy="none", **how):
    how = {"epochs": 3, "batch_size": 32, "verbose": 0, "initial_weights": "keep", "validation": (XV, YV)} | how
    return cp.fit(net, X[:150], Y[:150], strategy=strategy, **how)


def last(clf):
    return {k.removeprefix("val_"): v[-1] for k, v in clf.history[0].items() if k.startswith("val_")}


def f_half(y_true, y_pred):
    return keras.ops.mean(y_true * y_pred) / 2


CASES = {
    "one unit": (1, "sigmoid", "binary_crossentropy", [*tutorial(), "accuracy", f_half]),
    "one logit": (1, None, keras.losses.BinaryCrossentropy(from_logits=True), [M.BinaryAccuracy(threshold=0.0)]),
    "one-hot": (2, "softmax", "categorical_crossentropy", ["accuracy", M.AUC(name="auc"), M.F1Score(name="f1")]),
    "codes": (2, "softmax", "sparse_categorical_crossentropy", ["accuracy", cp.metrics.BalancedAccuracy()]),
    "logits of classes": (2, None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"]),
    "thresholds": (1, "sigmoid", "binary_crossentropy", [M.Precision(thresholds=[0.2, 0.4], name="p")]),
}


@pytest.mark.parametrize("case", CASES)
def test_they_are_what_keras_evaluates_on_the_same_rows(case):
    """The baseline has no correction, so the network as it ended is all there is."""
    units, activation, loss, metrics = CASES[case]
    weight = np.linspace(0.5, 2, len(YV)).astype("float32")
    net = model(units, activation, loss, metrics, weighted_metrics=["accuracy"])
    clf = fit(net, validation=(XV, YV, weight), clone=False, epochs=1)  # the object itself is trained
    y = keras.ops.one_hot(YV, 2) if case == "one-hot" else YV if units > 1 else YV[:, None].astype("float32")
    want = net.evaluate(XV, np.array(y), sample_weight=weight, verbose=0, batch_size=100, return_dict=True)
    want.pop("loss")
    assert last(clf).keys() == want.keys()
    for name, value in want.items():
        assert np.allclose(last(clf)[name], value, atol=1e-5), name


@pytest.mark.parametrize("strategy", ["oversample", "balanced_softmax"])
def test_they_see_the_corrected_output(strategy):
    """By hand: Keras' metrics on the probabilities that the correction by formula leaves."""
    clf = fit(model(metrics=tutorial()), strategy, epochs=1)
    proba = np.exp(clf.log_p(clf.encoded_logits(XV)))[0][:, 1]
    for metric in tutorial():
        metric.update_state(YV, proba)
        assert last(clf)[metric.name] == pytest.approx(float(metric.result()), abs=1e-5), metric.name
    assert last(clf)["Brier"] == pytest.approx(np.mean((YV - proba) ** 2), abs=1e-6)


def test_both_engines_give_equal_values():
    """Of a strategy whose output is corrected."""
    net = model(metrics=tutorial())
    program, by_fit = (fit(net, "focal", engine=engine, initial_weights="fresh") for engine in ("program", "fit"))
    assert (program.card["engines"], by_fit.card["engines"]) == (["program"], ["fit"])
    names = [name for name in program.history[0] if name.startswith("val_")]
    assert len(names) == 7
    for name in names:
        assert np.allclose(program.history[0][name], by_fit.history[0][name], atol=1e-4), name


class Seen(M.Metric):
    """A metric that no configuration makes again, and that remembers."""

    def __init__(self, scale, **how):
        super().__init__(name="seen", **how)
        self.scale, self.rows = scale, self.add_weight(name="rows", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.rows.assign_add(self.scale * keras.ops.cast(keras.ops.shape(y_true)[0], "float32"))

    def result(self):
        return self.rows


def test_a_users_own_object_counts_and_gets_its_counts_back():
    seen, auc = Seen(10.0), M.AUC(name="auc")
    seen.update_state(np.zeros(3), np.zeros(3))
    auc.update_state([0.0, 1.0], [0.2, 0.3])
    clf = fit(model(metrics=[seen, auc]), cp.ensemble(["none", "oversample"]))
    for history in clf.history:
        assert history["val_seen"] == [10.0 * len(YV)] * 3, "every round starts from nothing"
    assert float(seen.result()) == 30.0
    assert float(auc.result()) == pytest.approx(1.0)


def test_metrics_that_cannot_be_computed_are_named_and_left_out(caplog):
    caplog.set_level(logging.WARNING, "counterpoise")
    clf = fit(model(2, "softmax", "sparse_categorical_crossentropy", [M.AUC(name="auc"), "accuracy"]))
    assert list(last(clf)) == ["accuracy"]
    assert "Metric 'auc' of the compiled model is left out" in caplog.text


def test_equal_names_are_separated_as_keras_does_and_nothing_compiled_is_nothing():
    clf = fit(model(metrics=[M.AUC(name="a"), M.AUC(name="a", curve="PR")], weighted_metrics=[M.AUC(name="a")]))
    assert set(last(clf)) == {"a", "a_1", "weighted_a"}
    for net in (model(), "mlp"):
        assert not last(fit(net, initial_weights="auto"))
    rows = read(X, y=Y, table=False)
    assert metrics_of(Network(lambda spec, n: model(), rows)) is None


def test_a_training_that_diverges_has_no_number():
    compiled = metrics_of(Network(model(metrics=["accuracy"]), read(X, y=Y, table=False)))
    assert np.isnan(compiled(np.full((3, 2), np.nan), np.array([0, 1, 1]))["accuracy"])


def test_a_comparison_notes_them_too():
    comparison = cp.compare(
        model(metrics=tutorial()), X, Y, strategies="threshold", folds=2, epochs=1, refit=False, verbose=0
    )
    assert all("val_prc" in history for cell in comparison.fold_results for history in cell.history)
