"""Callbacks of any kind work on the `fit` engine, and only one thing sets the learning rate."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.networks.optimizers import check_callbacks, check_rate, fresh_optimizer

Y = (np.arange(200) % 8 == 0).astype(int)
X = (np.random.default_rng(0).normal(size=(200, 3)) + 1.5 * Y[:, None]).astype("float32")
SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)


def fit(callbacks, **how):
    return cp.fit("mlp", X, Y, epochs=5, batch_size=64, verbose=0, callbacks=callbacks, **how)


def test_callbacks_see_the_stopping_score_as_val_loss_and_may_act_on_it(tmp_path):
    seen, file = [], tmp_path / "best.keras"
    clf = fit(
        [
            keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=10.0, factor=0.5),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs))),
            keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=10.0, patience=3),
            keras.callbacks.ModelCheckpoint(file, monitor="val_loss", save_best_only=True),
        ]
    )
    assert clf.card["engines"] == ["fit"]
    assert [s["val_loss"] for s in seen] == clf.history[0]["stop_loss"]
    assert len(seen) == 4  # EarlyStopping ended it, one round before the last
    assert [s["learning_rate"] for s in seen] == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4])
    assert file.exists()


def test_what_a_callback_did_to_the_rate_does_not_reach_the_next_network():
    rates = []
    fit(
        [
            keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=10.0, factor=0.5),
            Rates(rates),
        ],
        strategy=cp.ensemble(["none", "oversample"]),
    )
    assert rates == pytest.approx([1e-3, 1e-3])


class Rates(keras.callbacks.Callback):
    """Notes the learning rate at the start of training."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_train_begin(self, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


def test_tensorboard_writes_its_files(tmp_path):
    pytest.importorskip("tensorboard")
    fit([keras.callbacks.TensorBoard(tmp_path)])
    assert list(tmp_path.rglob("events*"))


def test_the_program_says_that_it_calls_no_callbacks(caplog):
    stop = keras.callbacks.TerminateOnNaN()
    with pytest.raises(OptionError, match="does not run Keras callbacks"):
        fit([stop], engine="program")
    fit(stop)
    messages = [r.message for r in caplog.records if r.name == "counterpoise" and "still improving" not in r.message]
    assert [line.partition(". ")[0] for line in messages] == [
        'Training uses engine="fit", because the compiled program does not run Keras callbacks'
    ]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            {"plateau": 2},
            "plateau sets the learning rate, but the learning rate of the optimizer is a schedule .ExponentialDecay",
        ),
        ({"callbacks": [keras.callbacks.ReduceLROnPlateau()]}, "ReduceLROnPlateau sets the learning rate"),
        ({"callbacks": 3}, "callbacks contains int. Expected Keras callbacks"),
        ({"callbacks": [3]}, "callbacks contains int. Expected Keras callbacks"),
    ],
)
def test_two_masters_of_the_rate_and_things_that_are_no_callbacks(how, words):
    with pytest.raises(OptionError, match=words):
        cp.fit("mlp", X, Y, optimizer=keras.optimizers.SGD(SCHEDULE), verbose=0, **how)


def test_schedules_train_and_plain_rates_may_be_halved():
    check_rate(keras.optimizers.SGD(SCHEDULE), None)
    check_rate(keras.optimizers.SGD(0.1), 3, [keras.callbacks.ReduceLROnPlateau()])
    assert check_callbacks(()) == ()
    clf = fit((), optimizer=keras.optimizers.SGD(SCHEDULE), engine="fit")
    assert clf.history[0]["loss"][-1] < clf.history[0]["loss"][0]


def test_a_new_optimizer_excludes_the_same_names_from_weight_decay():
    def excluding(**what):
        optimizer = keras.optimizers.AdamW(0.1)
        optimizer.exclude_from_weight_decay(**what)
        return optimizer

    given = excluding(var_names=["bias"])
    for optimizer in (given, keras.optimizers.LossScaleOptimizer(given)):
        new = fresh_optimizer(optimizer)
        new = getattr(new, "inner_optimizer", new)
        assert new is not given
        assert [new._use_weight_decay(keras.Variable([0.0], name=name)) for name in ("bias", "kernel")] == [False, True]
    with pytest.raises(OptionError, match=r"var_list=.* Name the variables, for example"):
        fresh_optimizer(excluding(var_list=[keras.Variable([0.0])]))
