"""Losses inside Keras: compiled, fitted, saved and loaded."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from loss_cases import COSTS, N3

from counterpoise import losses as L
from counterpoise.core.errors import ModelError


def network(units):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(units)(inputs))


def table(rows=256, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype("float32")
    return x, (x[:, 0] + 0.3 * rng.normal(size=rows) > 1.0).astype("int32")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model saved with a loss that wraps another one."""
    keras.utils.set_random_seed(0)
    model = network(3)
    model.compile("sgd", L.ClassWeighted(N3, L.Focal(2.0, alpha=[1.0, 2.0, 3.0])))
    x = table(8)[0]
    model.fit(x, np.arange(8) % 3, verbose=0)
    path = tmp_path_factory.mktemp("model") / "m.keras"
    model.save(path)
    return path, x, model


def test_saved_model_loads_with_its_loss(saved):
    path, x, model = saved
    again = keras.models.load_model(path)
    assert again.loss.get_config() == model.loss.get_config()
    y = np.arange(8) % 3
    assert again.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0))


@pytest.mark.processes
def test_saved_model_loads_in_a_fresh_process_that_imports_counterpoise(saved):
    """After Keras; or before it, once something of counterpoise was used."""
    path, x, model = saved
    code = """
import sys
import counterpoise
assert "keras" not in sys.modules and "tensorflow" not in sys.modules
import keras, numpy as np
known = keras.saving.get_custom_objects()
counterpoise.plans
assert type(known["counterpoise>MCC"]).__name__ == "StandIn" and "counterpoise.losses" not in sys.modules
known.clear()
for name in [name for name in sys.modules if name.startswith("counterpoise")]:
    del sys.modules[name]
import counterpoise
assert type(known["counterpoise>Focal"]).__name__ == "StandIn"
m = keras.models.load_model(sys.argv[1])
print(m.loss.loss.gamma, m.evaluate(np.array(eval(sys.argv[2])), np.arange(8) % 3, verbose=0))
"""
    out = subprocess.run([sys.executable, "-c", code, str(path), str(x.tolist())], capture_output=True, text=True)
    gamma, value = out.stdout.split()
    assert float(gamma) == 2.0
    assert float(value) == pytest.approx(model.evaluate(x, np.arange(8) % 3, verbose=0), rel=1e-5)


def test_fit_with_codes_weights_and_halves():
    x, y = table()
    model = network(1)
    model.compile("adam", L.LogitAdjusted([200, 56]))
    before = model.evaluate(x, y, sample_weight=np.ones(len(y)), verbose=0)
    history = model.fit(x, y, sample_weight=np.ones(len(y)), epochs=8, verbose=0)
    assert history.history["loss"][-1] < before


@pytest.mark.parametrize("loss", [L.ExpectedCost(COSTS), L.LDAM(N3)], ids=["cost", "ldam"])
def test_fit_refuses_a_model_with_other_units(loss):
    model = network(2)
    model.compile("sgd", loss)
    with pytest.raises(ModelError, match="3 classes"):
        model.fit(np.zeros((4, 4)), np.zeros(4), verbose=0)


def test_minimax_integrand_at_its_solution_is_the_batch_loss():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [30, 10])
    z = rng.normal(size=(40, 1)) + y[:, None]
    h = 1 / (1 + np.exp(-z[:, 0]))
    a, b = h[y == 1].mean(), h[y == 0].mean()
    outputs = np.concatenate([z, np.broadcast_to([a, b, 1 + b - a], (40, 3))], axis=1)
    minimax = L.AUCMinimax(prior=0.25, dtype="float64")(y, outputs)
    np.testing.assert_allclose(minimax, L.AUCMargin(dtype="float64")(y, z), rtol=1e-9)


def test_minimax_head_descends_in_a_and_ascends_in_alpha():
    x, y = table(32)
    model = network(1)
    head = L.MinimaxHead()
    training = keras.Model(model.input, head(model.output))
    with tf.GradientTape() as tape:
        value = L.AUCMinimax(prior=0.2)(y, training(x))
    names = [v.path.split("/")[-1] for v in training.trainable_variables]
    slopes = dict(zip(names, tape.gradient(value, training.trainable_weights), strict=True))
    h = 1 / (1 + np.exp(-model(x).numpy()[:, 0]))
    weight = np.where(y == 1, 1 / 0.2, -1 / 0.8)
    np.testing.assert_allclose(slopes["alpha"], -2 * np.mean(1 - weight * h), rtol=1e-4)
    np.testing.assert_allclose(slopes["a"], np.mean(-2 * h * (y == 1) / 0.2), rtol=1e-4)


def test_minimax_training_orders_rows_and_keeps_alpha_above_zero():
    keras.utils.set_random_seed(1)
    x, y = table(512)
    model = network(1)
    head = L.MinimaxHead()
    training = keras.Model(model.input, head(model.output))
    training.compile(keras.optimizers.SGD(0.1), L.AUCMinimax(prior=float(y.mean())))
    training.fit(x, y, epochs=10, batch_size=64, verbose=0)
    from sklearn.metrics import roc_auc_score

    assert roc_auc_score(y, model(x)[:, 0]) > 0.9
    assert float(head.alpha) >= 0


def test_minimax_refuses_other_outputs():
    with pytest.raises(ModelError, match=r"\(N, 4\)"):
        L.AUCMinimax(0.1)(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ModelError, match="one unit"):
        L.MinimaxHead()(np.zeros((3, 2)))
