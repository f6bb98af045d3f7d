"""Callbacks: the loss changes when they say, without a new trace; the table is exact and stops training."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, matthews_corrcoef

import counterpoise as cp
from counterpoise.callbacks.per_class import class_scores
from counterpoise.core.errors import ModelError, OptionError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 2)).astype("float32")
Y = (np.arange(64) % 8 == 0).astype(int)


def still(loss=None) -> keras.Model:
    """A model that does not learn, so that the logged loss is a function of the loss alone."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    if loss is None:
        return cp.compile_balanced(model, np.bincount(Y), optimizer=keras.optimizers.SGD(0.0))
    model.compile(keras.optimizers.SGD(0.0), loss)
    return model


@cache
def full_and_plain():
    """The loss with its weights and without."""
    return tuple(model.evaluate(X, Y, verbose=0) for model in (still(), still(cp.losses.CrossEntropy())))


def run(model, callbacks, epochs):
    return model.fit(X, Y, epochs=epochs, batch_size=64, callbacks=callbacks, verbose=0).history


@pytest.mark.parametrize(("at", "switch"), [(0.5, 3), (2, 2), (0, 0)])
def test_deferred_weights_start_at_their_epoch(at, switch):
    full, plain = full_and_plain()
    seen = []
    log = run(still(), [cp.callbacks.Deferred(at, then=seen.append)], 6)
    np.testing.assert_allclose(log["loss"], [plain] * switch + [full] * (6 - switch), rtol=1e-5)
    assert len(seen) == 1


def test_warm_up_is_a_straight_line():
    full, plain = full_and_plain()
    log = run(still(), [cp.callbacks.Deferred(0, over=4)], 6)
    np.testing.assert_allclose(log["loss"], plain + (full - plain) * np.array([0, 0.25, 0.5, 0.75, 1, 1]), rtol=1e-5)


def test_gamma_decay_reaches_cross_entropy_even_in_a_model_that_was_traced():
    model = still(cp.losses.Focal(2.0))
    run(model, [], 1)
    log = run(model, [cp.callbacks.GammaDecay(None, 0.0)], 3)
    want = [still(cp.losses.Focal(g)).evaluate(X, Y, verbose=0) for g in (2.0, 1.0, 0.0)]
    np.testing.assert_allclose(log["loss"], want, rtol=1e-5)
    assert model.loss.gamma == 0.0
    assert model.loss.get_config()["gamma"] == 0.0


def test_gamma_decay_keeps_its_variable_because_a_traced_step_of_the_next_training_reads_it():
    model, decay = still(cp.losses.Focal(2.0)), cp.callbacks.GammaDecay()
    decay.set_model(model)
    variables = []
    for _ in range(2):
        decay.on_train_begin()
        variables.append(model.loss.gamma)
        assert float(model.loss.gamma.value) == 2.0
        decay.on_epoch_begin(0)
        decay.on_train_end()
        assert model.loss.gamma == 0.0
    assert variables[0] is variables[1]


@pytest.mark.parametrize("callback", [cp.callbacks.Deferred(), cp.callbacks.GammaDecay()])
def test_a_loss_that_cannot_change_is_an_error(callback):
    with pytest.raises(ModelError, match="needs a compiled loss with"):
        run(still("mse"), [callback], 1)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_table_is_that_of_scikit_learn(classes):
    y = RNG.choice(classes, size=200)
    p = np.round(RNG.dirichlet(np.ones(classes), size=200), 2) + 0.01
    p /= p.sum(1, keepdims=True)
    w = RNG.integers(1, 4, 200).astype(float)
    scores = class_scores(y, p, w, [str(c) for c in range(classes)])
    decided = p.argmax(1) if classes > 2 else (p[:, 1] >= 0.5).astype(int)
    assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, decided, sample_weight=w))
    assert scores["mcc"] == pytest.approx(matthews_corrcoef(y, decided, sample_weight=w))
    for c, f1 in enumerate(f1_score(y, decided, average=None, sample_weight=w)):
        assert scores[f"f1_{c}"] == pytest.approx(f1)
        want = average_precision_score(y == c, p[:, c], sample_weight=w)
        assert scores[f"average_precision_{c}"] == pytest.approx(want)


def test_scores_reach_the_log_and_other_callbacks(capsys):
    model = still()
    stop = keras.callbacks.EarlyStopping(monitor="val_recall_fraud", mode="max", patience=1)
    log = run(model, [cp.callbacks.PerClass(X, Y, labels=["fine", "fraud"]), stop], 5)
    assert len(log["val_recall_fraud"]) == 2
    out = capsys.readouterr().out
    assert "epoch 2: balanced accuracy" in out
    assert "fraud" in out


def test_stopping_on_a_class_score_keeps_the_best_weights():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(keras.optimizers.Adam(0.5), cp.losses.CrossEntropy())
    scores = cp.callbacks.PerClass(X, Y, stop_on="average_precision_1", patience=3, show=False)
    log = run(model, [scores], 60)
    best = int(np.argmax(log["val_average_precision_1"]))
    assert scores.best_epoch == best
    assert len(log["loss"]) <= best + 4
    assert scores.scores()[0]["average_precision_1"] == pytest.approx(max(log["val_average_precision_1"]))


def test_steps_of_sequences_with_padding():
    y = np.array([[0, 1, 9], [1, 0, 0]])
    inputs = keras.Input((3, 2))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs))
    model.compile("sgd", cp.losses.CrossEntropy(from_logits=False, ignore_class=9))
    scores = cp.callbacks.PerClass(np.ones((2, 3, 2)), y, ignore=9, show=False)
    model.fit(np.ones((2, 3, 2)), y, callbacks=[scores], verbose=0)
    assert scores.history[0]["support_0"] == 3
    assert scores.history[0]["support_1"] == 2


@pytest.mark.parametrize(
    ("end", "loss", "logits"),
    [
        (lambda h: keras.layers.TimeDistributed(keras.layers.Dense(3))(h), None, True),
        (lambda h: keras.ops.softmax(keras.layers.Dense(3)(h)), None, False),
        (lambda h: keras.layers.Dense(3)(h) * 2.0, cp.losses.CrossEntropy(), True),
        (lambda h: keras.layers.Dense(3)(h) * 2.0, None, None),
    ],
)
def test_auto_output_is_known_by_activation_or_loss_or_refused(end, loss, logits):
    inputs = keras.Input((3, 2))
    model = keras.Model(inputs, end(inputs))
    if loss is not None:
        model.compile("sgd", loss)

    def scores(output):
        callback = cp.callbacks.PerClass(np.ones((2, 3, 2)), np.array([[0, 1, 2], [1, 2, 0]]), output=output)
        callback.set_model(model)
        return callback.scores()[0]

    if logits is None:
        with pytest.raises(ModelError, match='Pass output="logits" or output="probabilities"'):
            scores("auto")
    else:
        assert scores("auto") == scores("logits" if logits else "probabilities")


def test_misuse_is_named():
    with pytest.raises(OptionError, match="Did you mean 'recall_1'"):
        run(still(), [cp.callbacks.PerClass(X, Y, stop_on="recal_1", show=False)], 1)
    with pytest.raises(OptionError, match="labels has 3 names"):
        run(still(), [cp.callbacks.PerClass(X, Y, labels="abc", show=False)], 1)
    with pytest.raises(ModelError, match="the labels have"):
        run(still(), [cp.callbacks.PerClass(X, np.tile([0, 1, 2], (64, 1)), show=False)], 1)
