"""Small data, networks and trainings that the tests of both engines share."""

from __future__ import annotations

import contextlib
import types
from dataclasses import replace
from unittest import mock

import keras
import numpy as np
from trainers import jobs_of

from counterpoise.core.examples import Examples
from counterpoise.data.split import make_folds
from counterpoise.engines.run import run
from counterpoise.networks.built_in import BUILT_IN
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import find

L = keras.layers
EXACT = Settings(epochs=2, batch_size=32, early_stopping=False)


def examples(x=None, n=150, classes=2, **more):
    rng = np.random.default_rng(0)
    y = rng.choice(classes, n, p=[0.8, 0.2] if classes == 2 else [0.6, 0.3, 0.1]).astype(np.int32)
    x = (rng.normal(size=(n, 4)) + y[:, None]).astype("float32") if x is None else x
    return Examples(x, y, tuple(range(classes)), **more)


def net(*layers, units=1):
    def build(spec, n_classes):
        h = inputs = spec.inputs()
        for make in layers:
            h = make()(h)
        return keras.Model(inputs, L.Dense(units)(h))

    return build


def of_pictures(spec, n_classes):
    """The least network for pictures, and numbers beside them, for tests of what is around a network."""
    inputs = spec.inputs()
    peak = 2.0 / spec.peak
    flat = [L.Flatten()(L.Rescaling(peak, offset=-1.0)(x)) if x.ndim > 2 else x for x in keras.tree.flatten(inputs)]
    h = flat[0] if len(flat) == 1 else L.Concatenate()(flat)
    return keras.Model(inputs, L.Dense(spec.units(n_classes))(h))


@contextlib.contextmanager
def least_cnn():
    """ "cnn" stands for the least network within a `with` block: of the command line, which takes names alone."""
    build = types.FunctionType(of_pictures.__code__, of_pictures.__globals__, "cnn")
    with mock.patch.dict(BUILT_IN, {"cnn": replace(BUILT_IN["cnn"], build=build)}):
        yield


DENSE = (lambda: L.Dense(8, "relu"),)


def trained(network, data, strategy="class_weight", engine="program", settings=EXACT, threads=None):
    jobs = jobs_of(find(strategy), data, make_folds(data, 2)[0], settings)
    return [m for _, m in run(jobs, data, network, engine=engine, threads=threads)]


def assert_same(a, b, atol=2e-5):
    assert (a.steps, a.best_step, a.rows_seen) == (b.steps, b.best_step, b.rows_seen)
    for one, other in zip(a.weights, b.weights, strict=True):
        assert np.allclose(one, other, atol=atol)
    assert np.allclose(a.logits, b.logits, atol=10 * atol)
    assert np.allclose(a.history["stop_loss"], b.history["stop_loss"], atol=10 * atol)
