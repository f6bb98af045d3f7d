"""What is guaranteed on the JAX backend, checked where TensorFlow need not be installed.

    KERAS_BACKEND=jax python tests/jax_backend.py

Losses and their gradients, Keras metrics, plans, feeds, and the `fit` engine on numeric arrays.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import jax
import keras
import numpy as np
from sklearn.metrics import average_precision_score, balanced_accuracy_score

sys.path.insert(0, str(Path(__file__).parent / "losses"))

from loss_cases import CASES

import counterpoise as cp
from counterpoise.feed.batching import batches

RNG = np.random.default_rng(0)
Y = (RNG.random(240) < 0.2).astype(int)
X = (RNG.normal(size=(240, 3)) + 1.5 * Y[:, None]).astype("float32")


def losses() -> None:
    """Value to 1e-4 and slope along a random direction to 1e-3 of NumPy in float64."""
    for name, make, reference, y, z in CASES:
        loss = make()
        value, slope = jax.value_and_grad(lambda v, of=loss, y=y: keras.ops.mean(of(y, v)))(z.astype("float32"))
        np.testing.assert_allclose(value, reference(y, z), rtol=1e-4, err_msg=name)
        way, h = RNG.normal(size=z.shape), 1e-6
        want = (reference(y, z + h * way) - reference(y, z - h * way)) / (2 * h)
        np.testing.assert_allclose((np.asarray(slope) * way).sum(), want, rtol=1e-3, atol=1e-6, err_msg=name)


def metrics() -> None:
    """Eagerly and in a compiled step."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    cp.compile_balanced(
        model, np.bincount(Y), weighted_metrics=[cp.metrics.BalancedAccuracy(), cp.metrics.AveragePrecision(240)]
    )
    table = cp.callbacks.PerClass(X, Y, show=False)
    log = model.fit(X, Y, epochs=2, batch_size=64, callbacks=[table, cp.callbacks.Deferred(at=0.5)], verbose=0)
    assert np.all(np.isfinite(log.history["loss"]))
    record, z = model.evaluate(X, Y, batch_size=64, verbose=0, return_dict=True), model.predict(X, verbose=0)[:, 0]
    np.testing.assert_allclose(record["balanced_accuracy"], balanced_accuracy_score(Y, z >= 0), rtol=1e-5)
    np.testing.assert_allclose(record["average_precision"], average_precision_score(Y, z), rtol=1e-5)
    np.testing.assert_allclose(table.history[-1]["average_precision_1"], average_precision_score(Y, z), rtol=1e-5)


def schedules() -> None:
    """On a model that does not learn the logged loss is a function of the loss alone."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))

    def log(loss: keras.losses.Loss, *callbacks: keras.callbacks.Callback) -> list[float]:
        model.compile(keras.optimizers.SGD(0.0), loss)
        return model.fit(X, Y, epochs=4, batch_size=240, callbacks=list(callbacks), verbose=0).history["loss"]

    weights = cp.compile_balanced(model, np.bincount(Y)).loss.weights
    plain, full = log(cp.losses.CrossEntropy()), log(cp.losses.ClassWeighted(weights))
    late = log(cp.losses.ClassWeighted(weights), cp.callbacks.Deferred(at=0.5))
    np.testing.assert_allclose(late, plain[:2] + full[2:], rtol=1e-5)
    faded = log(cp.losses.Focal(2.0), cp.callbacks.GammaDecay(None, 0.0))
    np.testing.assert_allclose(faded[::3], [log(cp.losses.Focal(2.0))[0], plain[0]], rtol=1e-5)


def feeds() -> None:
    feed = batches(X, Y, cp.plans.oversample(Y), batch_size=64)
    shown = np.concatenate([feed[step][1] for step in range(feed.num_batches)])
    assert np.bincount(shown).tolist() == [np.sum(Y == 0)] * 2
    quota = batches(X, Y, quota="equal", batch_size=32)
    assert np.bincount(quota[0][1]).tolist() == [16, 16]


def fits() -> None:
    def late(labels: np.ndarray, **options: object) -> cp.plans.Plan:
        return cp.plans.deferred(cp.plans.oversample(labels, **options))

    for strategy in ("balanced_softmax", cp.Strategy("late", plan=late), "resampling_ensemble"):
        clf = cp.fit("mlp", X, Y, strategy=strategy, epochs=3, engine="fit", verbose=0)
        proba = clf.predict_proba(X)
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
        assert average_precision_score(Y, proba[:, 1]) > 0.5
    with tempfile.TemporaryDirectory() as folder:
        again = cp.load(clf.save(Path(folder) / "m.keras"))
        np.testing.assert_allclose(again.predict_proba(X), proba, atol=1e-5)


if __name__ == "__main__":
    logging.disable()
    assert keras.backend.backend() == "jax", "set KERAS_BACKEND=jax"
    for check in (losses, metrics, schedules, feeds, fits):
        check()
        print(check.__name__, flush=True)
    print("tensorflow" in sys.modules)
