"""Jobs of a small comparison, and when two members are one: for the tests of what trains elsewhere."""

from __future__ import annotations

import keras
import numpy as np
from trainers import jobs_of

from counterpoise.core.job import Member
from counterpoise.data.split import make_folds
from counterpoise.networks.network import Network
from counterpoise.pipeline.reading import read_for
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import find

RNG = np.random.default_rng(0)
Y = (RNG.random(240) < 0.2).astype(int)
X = RNG.normal(size=(240, 3)) + Y[:, None]


def small(spec, n_classes):
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(8, "relu")(inputs)))


def world(strategies=("none", "oversample", "focal", "smote"), epochs=3, **more):
    """Examples, a network of a builder that no other process can import, and jobs."""
    examples = read_for("mlp", X, Y)
    folds, settings = make_folds(examples, 2), Settings(epochs=epochs, batch_size=32, **more)
    jobs = [job for name in strategies for fold in folds for job in jobs_of(find(name), examples, fold, settings)]
    return examples, Network(lambda spec, n: small(spec, n), examples), jobs


def same(a: Member, b: Member) -> bool:
    pairs = [(a.logits, b.logits), (a.stop_logits, b.stop_logits), *zip(a.weights, b.weights, strict=True)]
    return all(x.tobytes() == y.tobytes() for x, y in pairs) and (a.best_step, a.steps) == (b.best_step, b.steps)
