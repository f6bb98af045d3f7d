"""Small data, networks and trainings that the tests of both engines share."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from unittest import mock

import keras
import numpy as np
from trainers import jobs_of

from counterpoise.core.examples import Examples
from counterpoise.data.split import make_folds
from counterpoise.engines.run import run
from counterpoise.networks.built_in import BUILT_IN, check_table
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
    """The least network for pictures, and numbers beside them, or for numbers alone: for what is around a network."""
    inputs = spec.inputs()
    peak = 2.0 / spec.peak
    flat = [L.Flatten()(L.Rescaling(peak, offset=-1.0)(x)) if x.ndim > 2 else x for x in keras.tree.flatten(inputs)]
    h = flat[0] if len(flat) == 1 else L.Concatenate()(flat)
    return keras.Model(inputs, L.Dense(spec.units(n_classes))(h))


def of_pixels(spec, n_classes):
    """The least network that has an output for each pixel."""
    inputs = spec.inputs()
    h = inputs if inputs.ndim == 4 else L.Reshape((*inputs.shape[1:], 1))(inputs)
    return keras.Model(inputs, L.Conv2D(spec.units(n_classes), 1)(L.Rescaling(2.0 / spec.peak, offset=-1.0)(h)))


@contextlib.contextmanager
def least(name, rate=0.02):
    """The built-in network `name` is the least network within a `with` block: it is built and traced much sooner."""

    def build(spec, n_classes):
        if name == "mlp":
            check_table(name, spec)
        return (of_pixels if name == "unet" else of_pictures)(spec, n_classes)

    build.__name__ = name
    made = replace(BUILT_IN[name], build=build, optimizer=partial(keras.optimizers.Adam, rate))
    with mock.patch.dict(BUILT_IN, {name: made}):
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
