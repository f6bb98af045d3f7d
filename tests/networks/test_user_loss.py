"""The loss of a compiled model trains it: on either engine what Keras's own `fit` would minimize."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import ModelError
from counterpoise.losses.weighted import LabelWeighted
from counterpoise.networks.user_loss import (
    LabelModelLoss,
    ModelLoss,
    from_logits,
    is_cross_entropy,
    known_term,
    single,
    target_form,
)

L, ops = keras.layers, keras.ops
Y = (np.arange(240) % 8 == 0).astype(int)
X = (np.random.default_rng(0).normal(size=(240, 3)) + 1.5 * Y[:, None]).astype("float32")
Z = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
CODES = np.array([0, 2, 1, 0, 2], "int32")


def own_sparse(y, p):
    """A user's function on codes."""
    return keras.losses.sparse_categorical_crossentropy(y, p)


def own_square(y, p):
    """A user's function that gives one number."""
    return ops.mean(ops.square(y - p))


class OwnLoss(keras.losses.Loss):
    """A user's class."""

    def call(self, y_true, y_pred):
        return ops.sum(ops.abs(y_true - y_pred), axis=-1)


SOFT = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
ONE_HOT = np.eye(3, dtype="float32")[CODES]


@pytest.mark.parametrize(
    ("loss", "form", "target"),
    [
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), "one_hot", ONE_HOT),
        (keras.losses.CategoricalFocalCrossentropy(), "one_hot", ONE_HOT),
        (keras.losses.SparseCategoricalCrossentropy(), "codes", CODES),
        (keras.losses.MeanSquaredError(), "one_hot", ONE_HOT),
        (keras.losses.KLDivergence(reduction="sum"), "one_hot", ONE_HOT),
        (OwnLoss(), "one_hot", ONE_HOT),
    ],
)
def test_it_is_the_inner_loss_on_what_the_model_puts_out(loss, form, target):
    own = ModelLoss(loss, 3, "softmax")
    weights = np.array([1.0, 2.0, 0.0, 1.0, 0.5], "float32")
    assert own.form == form
    assert float(own(CODES, Z)) == pytest.approx(float(loss(target, SOFT)), rel=1e-5)
    assert float(own(CODES, Z, weights)) == pytest.approx(float(loss(target, SOFT, sample_weight=weights)), rel=1e-5)


def test_functions_names_and_one_unit():
    assert ModelLoss(own_sparse, 3, "softmax").form == "codes"
    assert ModelLoss("mse", 3, "softmax").form == "one_hot"
    z, y = Z[:, :1], CODES[:, None] % 2
    p = 1 / (1 + np.exp(-z))
    assert float(ModelLoss(own_square, 1, "sigmoid")(CODES % 2, z)) == pytest.approx(np.mean((y - p) ** 2), rel=1e-5)
    assert float(ModelLoss("hinge", 1)(CODES % 2, z)) == pytest.approx(float(keras.losses.hinge(y, z).numpy().mean()))
    assert ModelLoss(lambda y, p: ops.abs(y - p), 1).name == "lambda"


def test_a_loss_for_other_targets_is_refused_by_name():
    with pytest.raises(
        ModelError, match=r"loss 'crossed' does not accept class labels in any known shape .*one_hot: .*codes: "
    ):
        target_form(type("Crossed", (OwnLoss,), {"call": lambda s, y, p: y @ p})(name="crossed"), 3)


@pytest.mark.parametrize(
    ("loss", "units", "plain"),
    [
        ("binary_crossentropy", 1, True),
        ("binary_crossentropy", 3, False),
        (keras.losses.binary_crossentropy, 1, True),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), 3, True),
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), 3, False),
        ("BinaryFocalCrossentropy", 1, False),
        (own_square, 1, False),
        (None, 1, True),
        ("crossentropy", 2, True),
    ],
)
def test_which_losses_are_the_plain_cross_entropy(loss, units, plain):
    assert is_cross_entropy(loss, units) is plain


def test_small_questions():
    assert single({"out": "mse"}) == single(["mse"]) == "mse"
    assert [from_logits(v) for v in ("BinaryCrossentropy", own_square, keras.losses.Hinge())] == [False, None, None]


def model_of(loss, units=1, activation="sigmoid"):
    model = keras.Sequential([keras.Input((3,)), L.Dense(units, activation=activation)])
    model.compile(keras.optimizers.SGD(0.5), loss)
    return model


@pytest.mark.parametrize("engine", ["fit", "program"])
def test_training_minimizes_it_on_both_engines(engine):
    """One full batch a step: the history's losses are those of plain `fit` on the same rows."""
    loss = keras.losses.BinaryFocalCrossentropy(gamma=3.0, apply_class_balancing=True)
    model = model_of(loss)
    clf = cp.fit(
        model, X, Y, epochs=4, batch_size=512, validation=0.25, engine=engine, verbose=0, patience=50,
        init_bias=False,
    )  # fmt: skip
    assert clf.card["engines"] == [engine]
    assert clf.card["needs_calibration"]
    from counterpoise.data.read import read
    from counterpoise.data.split import hold_out

    rows = hold_out(read(X, y=Y, table=False), 0.25, 0)[0]
    history = model.fit(X[rows], Y[rows][:, None].astype("float32"), batch_size=512, epochs=4, verbose=0)
    assert clf.history[0]["loss"] == pytest.approx(history.history["loss"], rel=1e-4)


def test_plans_keep_it_and_strategies_with_a_loss_replace_it_and_say_so(caplog):
    model = model_of(own_square)
    cmp = cp.compare(model, X, Y, strategies="oversample,focal", folds=2, epochs=2, verbose=0, refit=False)
    assert {r["strategy"] for r in cmp.leaderboard if r["status"] == "ok"} == {"none", "oversample", "focal"}
    messages = [r.message for r in caplog.records if r.name == "counterpoise"]
    assert messages == ["strategy 'focal' trains with its own loss 'focal' instead of the model's loss 'own_square'"]


@pytest.mark.parametrize("use", [lambda loss: ModelLoss(loss, 1), lambda loss: is_cross_entropy(loss, 1)])
def test_a_loss_that_keras_does_not_know_is_named(use):
    with pytest.raises(ModelError, match="the loss 'crossentropie', which is not a Keras loss"):
        use("crossentropie")


def test_a_loss_that_returns_one_number_per_batch_cannot_weight_rows():
    def one_number(y, p):
        return ops.mean(ops.square(y - p))

    model = model_of(one_number)
    cmp = cp.compare(
        model, X, Y, strategies="class_weight,oversample", folds=2, epochs=1, batch_size=64, verbose=0, refit=False
    )
    failed = {row["strategy"]: row["error"] for row in cmp.leaderboard if row["status"] != "ok"}
    assert list(failed) == ["class_weight"]
    assert "loss 'one_number' returns one number per batch, but rows have weights" in failed["class_weight"]
    with pytest.raises(ModelError, match=r"Expected one value per row\. Remove the mean from the loss"):
        cp.fit(model, X, Y, sample_weight=1.0 + Y, strategy="oversample", epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("loss", "shape", "term"),
    [
        (cp.losses.ClassWeighted([0.5, 5.0]), (2,), -np.log([0.5, 5.0])),
        (cp.losses.ClassWeighted([0.5, 5.0], cp.losses.LogitAdjusted([9, 1])), (2,), np.log([1.8, 0.02])),
        (LabelWeighted([[0.5, 2.0], [1.0, 3.0]]), (2, 2), -np.log([[0.5, 2.0], [1.0, 3.0]])),
        (cp.losses.ClassWeighted([0.5, 5.0]), (3,), None),  # of another number of classes
        (cp.losses.CrossEntropy(), (2,), None),
        (cp.losses.Focal(), (2,), None),
        ("mse", (2,), None),
    ],
)
def test_what_a_loss_of_ours_leaves_in_the_logits_is_known(loss, shape, term):
    assert known_term(loss, shape) == (None if term is None else pytest.approx(term))


def test_a_model_of_compile_balanced_is_corrected_for_its_class_weights():
    model = keras.Sequential([keras.Input((3,)), L.Dense(1)])
    cp.compile_balanced(model, [9, 1])
    clf = cp.fit(model, X, Y, strategy=cp.Strategy("more", plan=cp.plans.oversample), epochs=1, verbose=0)
    (shift,) = clf.card["log_shifts"]
    # Oversampling of one row in 8, and weights of 9 to 1.
    assert np.diff(shift) == pytest.approx(np.log(7 * 9), rel=0.02)
    late = cp.fit(model, X, Y, callbacks=[cp.callbacks.Deferred(at=0.5)], epochs=2, verbose=0)
    assert late.card["log_shifts"] == [[0.0, 0.0]]  # it is not known whether the kept round had the weights


def test_weights_of_labels_reach_a_loss_with_a_number_for_each_label():
    y, weights = np.array([[1, 0], [0, 1], [1, 1]]), np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.5]])
    z, own = Z[:3, :2], np.array([[0.5, 2.0], [1.0, 3.0]])
    loss = LabelModelLoss(LabelWeighted(own), 2)
    each = np.where(y == 1, np.log1p(np.exp(-z)), np.log1p(np.exp(z))) * own[[0, 1], y] * weights
    assert float(loss(y, z, weights)) == pytest.approx(each.mean(), rel=1e-5)
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, activation="sigmoid")])
    cp.compile_balanced(model, [30, 60], rows=240)
    clf = cp.fit(model, X, np.stack([Y, X[:, 1] > 0], axis=1).astype(int), epochs=1, verbose=0)
    assert np.diff(clf.card["log_shifts"][0]).ravel() == pytest.approx(np.log([7, 3]))
