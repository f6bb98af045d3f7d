"""Keras callbacks under `fit`: what they are shown, what they may do, what is refused before any training."""

from __future__ import annotations

import csv

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError

L, M, C = keras.layers, keras.metrics, keras.callbacks
N = 200
Y = (np.arange(N) % 5 == 0).astype(int)
X = (np.random.default_rng(0).normal(size=(N, 3)) + Y[:, None]).astype("float32")


@pytest.fixture(scope="module")
def compiled():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(1, activation="sigmoid")(L.Dense(4, "tanh")(inputs)))
    metrics = ["accuracy", M.AUC(name="prc", curve="PR"), M.AUC(name="auc"), share]
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=metrics)
    return model


def share(y_true, y_pred):
    return keras.ops.mean(y_pred)


def fit(model, *callbacks, **how):
    how = {"epochs": 5, "batch_size": 32, "verbose": 0, "weights": "fresh", "patience": 50} | how
    return cp.fit(model, X, Y, callbacks=callbacks, **how)


class Own(C.Callback):
    """Keeps the logs of every call, and adds a name of its own to them. With `looks`, the model also predicts."""

    def __init__(self, looks=False):
        super().__init__()
        self.looks, self.seen, self.calls = looks, [], []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append("step")

    def on_epoch_end(self, epoch, logs=None):
        logs["mine"] = -float(epoch)
        self.seen.append(dict(logs))
        if not self.looks:
            return
        self.proba = self.model.predict(X, verbose=0)
        self.scores = self.model.evaluate(X, Y[:, None].astype("float32"), verbose=0, return_dict=True)

    def on_train_end(self, logs=None):
        self.calls.append("end")


def test_logs_hold_the_stopping_score_and_the_models_metrics(watched):
    own, clf = watched
    assert set(own.seen[0]) == {"loss", "val_loss", "val_accuracy", "val_prc", "val_auc", "val_share", "mine"}
    history = clf.history[0]
    assert [seen["val_prc"] for seen in own.seen] == history["val_prc"]
    assert [seen["val_loss"] for seen in own.seen] == history["stop_loss"]


@pytest.fixture(scope="module")
def watched(compiled):
    """A training and what watched it; the bar of Keras wants to know more of a training than others."""
    own = Own(looks=True)
    return own, fit(compiled, own, C.History(), C.ProgbarLogger())


def test_callbacks_see_the_users_own_model_in_one_training(compiled, watched):
    """Probabilities and not our logits; its own loss and metrics; rounds counted through, whatever `fit` is called."""
    own, _ = watched
    assert own.proba.shape == (N, 1)
    assert 0 < own.proba.min() < own.proba.max() < 1
    want = -np.mean(np.log(np.where(Y == 1, own.proba[:, 0], 1 - own.proba[:, 0])))
    assert own.scores["loss"] == pytest.approx(want, rel=1e-4)
    assert own.scores["accuracy"] == pytest.approx(np.mean((own.proba[:, 0] > 0.5) == Y))
    marks = [call for call in own.calls if call != "step"]
    assert marks == ["begin", 0, 1, 2, 3, 4, "end"]
    assert own.calls.count("step") == 25
    drw = Own()
    fit(compiled, drw, strategy="drw", epochs=4)  # two stages, and so two calls of Keras' fit
    assert [call for call in drw.calls if call != "step"] == ["begin", 0, 1, 2, 3, "end"]


def test_the_training_is_the_same_with_and_without_callbacks_that_look(compiled, watched):
    alone = fit(compiled, engine="fit")
    assert np.array_equal(watched[1].predict_proba(X), alone.predict_proba(X))


def test_early_stopping_by_a_metric_knows_its_direction(compiled):
    """mode="auto" looks for the metric in the model; `val_prc` grows while it gets better."""
    stop = C.EarlyStopping("val_prc", patience=1, min_delta=1.0)
    clf = fit(compiled, stop)
    assert stop.monitor_op is keras.ops.greater
    assert len(clf.history[0]["step"]) == 2


def test_the_round_that_early_stopping_restores_is_the_one_that_is_kept(compiled, watched):
    _, by_score = watched
    stop = C.EarlyStopping("mine", mode="max", patience=50, restore_best_weights=True)  # the first round is the best
    clf = fit(compiled, Own(), stop)
    assert len(clf.history[0]["step"]) == 5
    assert clf.card["steps"] == [clf.history[0]["step"][0]] != by_score.card["steps"]
    proba = np.exp(clf.scores["log_p"][0])[:, 1]
    assert proba.mean() == pytest.approx(clf.history[0]["val_share"][0], abs=1e-5)


def test_a_callback_that_stops_the_first_stage_of_a_deferred_strategy_leaves_the_last_one(compiled):
    stop = C.EarlyStopping("mine", mode="max", patience=1, restore_best_weights=True)  # the second round stops a stage
    clf = fit(compiled, Own(), stop, strategy="drw", epochs=20)
    history = clf.history[0]
    assert len(history["step"]) == 4
    assert clf.card["steps"] == [history["step"][2]], "the best round of the last stage"


def test_a_checkpoint_is_a_classifier_of_the_better_rounds(compiled, tmp_path):
    best = C.ModelCheckpoint(tmp_path / "best.keras", "val_loss", save_best_only=True)
    every = C.ModelCheckpoint(str(tmp_path / "{epoch}-{val_prc:.3f}.keras"))
    clf = fit(compiled, best, every, strategy="oversample", epochs=3)
    saved = cp.load(tmp_path / "best.keras")
    assert np.allclose(saved.predict_proba(X), clf.predict_proba(X), atol=1e-6), "both keep the best stopping score"
    assert saved.rule.threshold == pytest.approx(clf.rule.threshold)
    same = ("rule", "steps", "rows", "strategy", "metrics_of", "classes")
    assert {key: saved.card[key] for key in same} == {key: clf.card[key] for key in same}
    history = clf.history[0]
    names = {f"{n + 1}-{value:.3f}.keras" for n, value in enumerate(history["val_prc"])}
    assert {p.name for p in tmp_path.iterdir()} == {"best.keras", *names}
    first = cp.load(next(tmp_path.glob("1-*.keras")))
    assert first.card["steps"] == [history["step"][0]]
    assert "save" not in vars(compiled)


def test_a_checkpoint_of_a_table_takes_its_columns_and_of_averaged_weights_the_averages(tmp_path):
    data = {"a": X[:, 0], "k": np.where(X[:, 1] > 0, "u", "v")}
    file = tmp_path / "best.keras"
    clf = cp.fit(
        "mlp", data, Y, epochs=3, batch_size=32, verbose=0, recipe=cp.Recipe(average_weights=2),
        callbacks=[C.ModelCheckpoint(file, "val_loss", save_best_only=True)],
    )  # fmt: skip
    assert np.allclose(cp.load(file).predict_proba(data), clf.predict_proba(data), atol=1e-6)


def test_models_with_a_step_of_their_own(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Stepping(keras.Model):
        def train_step(self, data):
            return {**super().train_step(data), "extra": 1.0}

    inputs = keras.Input((3,))
    model = Stepping(inputs, L.Dense(1, activation="sigmoid")(inputs))
    model.compile("adam", "binary_crossentropy", metrics=[M.AUC(name="prc", curve="PR")])
    own, file = Own(), tmp_path / "m.keras"
    fit(model, own, C.EarlyStopping("extra", mode="min", patience=9), C.ModelCheckpoint(file), epochs=2)
    assert {"prc", "extra", "val_prc", "val_loss"} <= set(own.seen[0])
    assert cp.load(file, custom_objects={"Stepping": Stepping}).predict_proba(X).shape == (N, 2)
    with pytest.raises(OptionError, match="'val_extra', which this training does not log"):
        fit(model, C.EarlyStopping("val_extra", mode="max"))
    with pytest.raises(OptionError, match=r"'extro', which .* Did you mean 'extra'"):
        fit(model, C.EarlyStopping("extro", mode="max"))


def test_loggers_hold_one_line_for_each_round_and_network(compiled, tmp_path):
    file = tmp_path / "log.csv"
    fit(compiled, C.CSVLogger(file), strategy="drw", epochs=4)
    rows = list(csv.DictReader(file.open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert {"loss", "val_loss", "val_prc"} <= set(rows[0])
    both = tmp_path / "both.csv"
    fit(compiled, C.CSVLogger(both, append=True), strategy=cp.ensemble(["none", "oversample"]), epochs=2)
    assert len(list(csv.DictReader(both.open()))) == 4


def test_a_name_that_another_callback_adds_may_be_watched(compiled):
    clf = fit(compiled, Own(), C.EarlyStopping("mine", mode="max", patience=1))
    assert len(clf.history[0]["step"]) == 2
    with pytest.raises(OptionError, match=r"EarlyStopping monitors 'mime', which .* Did you mean 'mine'\?"):
        fit(compiled, Own(), C.EarlyStopping("mime", mode="max"))


NAMES = "loss, val_loss, val_accuracy, val_prc, val_auc, val_share"


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (lambda d: C.EarlyStopping("prc"), rf"monitors 'prc', which .* one of: {NAMES}\. Did you mean 'val_prc'\?"),
        (lambda d: C.ReduceLROnPlateau("accuracy"), "ReduceLROnPlateau monitors 'accuracy'.*mean 'val_accuracy'"),
        (lambda d: C.ModelCheckpoint(d / "m.keras", "val_acc", save_best_only=True), "Did you mean 'val_accuracy'"),
        (lambda d: C.ModelCheckpoint(str(d / "{epoch:02q}.keras")), "cannot be filled in .Unknown format code"),
        (lambda d: C.ModelCheckpoint(str(d / "{epoch.keras")), "cannot be filled in .expected '}'"),
        (lambda d: C.ModelCheckpoint(str(d / "{}.keras")), "names its file by ''"),
        (lambda d: C.ModelCheckpoint(str(d / "{val_pr}.keras")), "names its file by 'val_pr'.* Did you mean 'val_prc'"),
        (lambda d: C.EarlyStopping("val_share"), "mode='auto', but Keras does not know .* mode='min'"),
        (lambda d: C.ModelCheckpoint(d / "m.weights.h5", save_weights_only=True), "a classifier for cp.load"),
        (lambda d: C.ModelCheckpoint(d / "m.h5"), "ends in .keras"),
        (lambda d: C.ModelCheckpoint(d / "m.keras", save_freq=10), "save_freq=10. counts steps"),
        (lambda d: C.BackupAndRestore(d / "b"), "BackupAndRestore does not store which rows"),
        (lambda d: C.SwapEMAWeights(), "average_weights=3"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_line_before_training(compiled, callback, words, tmp_path):
    own = Own()
    with pytest.raises(OptionError, match=words):
        fit(compiled, callback(tmp_path), own)
    assert not own.calls


@pytest.mark.parametrize(
    ("callback", "how", "words"),
    [
        (C.EarlyStopping(), {"folds": 2}, "with folds= the last training is on all rows"),
        (C.ModelCheckpoint("m.keras"), {"folds": 2}, "3 networks make one classifier"),
        (C.ModelCheckpoint("m.keras"), {"strategy": "resampling_ensemble"}, "3 networks make one classifier"),
        (C.CSVLogger("log.csv"), {"strategy": "resampling_ensemble"}, "append=True"),
    ],
)
def test_what_makes_no_sense_for_several_networks(compiled, callback, how, words):
    with pytest.raises(OptionError, match=words):
        fit(compiled, callback, **how)


def test_learning_rates_follow_a_schedule_of_rounds(compiled):
    rates = []
    fit(
        compiled,
        C.LearningRateScheduler(lambda epoch, rate: 0.1 / (1 + epoch)),
        C.ReduceLROnPlateau("learning_rate", mode="min", patience=99),
        C.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(logs["learning_rate"])),
    )
    assert rates == pytest.approx([0.1 / (1 + n) for n in range(5)])
