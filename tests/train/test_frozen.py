"""A frozen body sees every row once; body and head are one model again in the classifier."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.comparison.manifest import manifest_of
from counterpoise.core.records import Examples
from counterpoise.jobs import Settings
from counterpoise.train import frozen
from counterpoise.train.frozen import network_for

RNG = np.random.default_rng(0)
Y = (RNG.random(90) < 0.3).astype(int)
X = (RNG.integers(0, 100, (90, 8, 8)) + 100 * Y[:, None, None]).astype("uint8")


def backbone(seed=0):
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((6, 6, 3))
    return keras.Model(pixels, keras.layers.Conv2D(4, 3, activation="relu")(pixels), name="body")


@pytest.fixture(name="pictures_seen")
def _pictures_seen(monkeypatch):
    """How many pictures pass the body before training, batch by batch."""
    seen = []
    usual = frozen.forward
    monkeypatch.setattr(frozen, "forward", lambda body: lambda x, say=usual(body): seen.append(len(x)) or say(x))
    return seen


def test_every_picture_passes_the_backbone_once_before_training(pictures_seen, tmp_path):
    given = backbone()
    clf = cp.fit(cp.transfer(given), X, Y, strategy="oversample", epochs=5, batch_size=16, verbose=0)
    assert sum(pictures_seen) == len(X)
    assert clf.card["network"] == "transfer of body"
    assert clf.members.input_shape == (None, 8, 8)
    head = clf.members.get_layer("heads").get_layer("member_0").get_layer("transfer").get_layer("logits")
    resized = keras.ops.image.resize(np.repeat(X[..., None], 3, axis=-1).astype("float32"), (6, 6))
    by_hand = np.asarray(given(resized / 127.5 - 1)).mean(axis=(1, 2)) @ np.asarray(head.kernel) + np.asarray(head.bias)
    assert np.allclose(clf.member_logits(X)[0], by_hand, atol=1e-4)
    assert np.allclose(cp.load(clf.save(tmp_path / "m.keras")).predict_proba(X), clf.predict_proba(X), atol=1e-6)


def test_it_learns_as_well_as_the_whole_model_that_callbacks_ask_for(pictures_seen):
    said = {}
    for name, callbacks in (("head", []), ("whole", [keras.callbacks.Callback()])):
        model = cp.transfer(backbone(), learning_rate=0.05)
        clf = cp.fit(model, X, Y, epochs=30, batch_size=16, callbacks=callbacks, verbose=0)
        said[name] = cp.metrics.log_loss(Y, clf.predict_proba(X))
    assert sum(pictures_seen) == len(X), "with callbacks every step sees whole pictures"
    assert abs(said["head"] - said["whole"]) < 0.1
    assert max(said.values()) < 0.5


def test_a_race_on_it_gives_a_model_of_pictures(pictures_seen):
    race = cp.compare(cp.transfer(backbone()), X, Y, strategies="smote,mixup", folds=2, epochs=3, verbose=0)
    assert sum(pictures_seen) == len(X)
    assert {row["status"] for row in race.leaderboard} == {"ok"}
    assert race.best.predict(X).shape == Y.shape


def test_other_bodies_are_other_runs_and_workers_are_sent_none():
    examples, settings = Examples(X, Y, (0, 1)), Settings()
    networks = [network_for(cp.transfer(backbone(seed)), examples)[0] for seed in (0, 0, 1)]
    first, again, other = (manifest_of(examples, network, settings, 2, "warn") for network in networks)
    assert first == again
    assert {name.split()[0] for name in first if first[name] != other[name]} == {"values"}
    assert networks[0].__getstate__()["body"] is None
    freed, seen = network_for(cp.transfer(backbone(), last=1), examples)
    assert freed.body is None
    assert seen is examples
