"""A frozen body sees every row once; body and head are one model again in the classifier."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
from PIL import Image
from trainers import trainer_of

import counterpoise as cp
from counterpoise.comparison.manifest import manifest_of
from counterpoise.core.errors import CounterpoiseError
from counterpoise.core.examples import Examples
from counterpoise.data import pixels as pixels_module
from counterpoise.metrics.proba_scores import log_loss
from counterpoise.networks import frozen_body
from counterpoise.networks.frozen_body import network_for
from counterpoise.pipeline.settings import Settings

RNG = np.random.default_rng(0)
Y = (RNG.random(90) < 0.3).astype(int)
X = (RNG.integers(0, 100, (90, 8, 8)) + 100 * Y[:, None, None]).astype("uint8")


def backbone(seed=0, side=6):
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((side, side, 3))
    return keras.Model(pixels, keras.layers.Conv2D(4, 3, activation="relu")(pixels), name="body")


@pytest.fixture(name="pictures_seen")
def _pictures_seen(monkeypatch):
    """How many pictures pass the body before training, batch by batch."""
    seen = []
    usual = frozen_body.forward
    monkeypatch.setattr(frozen_body, "forward", lambda body: lambda x, say=usual(body): seen.append(len(x)) or say(x))
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
    losses = {}
    for name, callbacks in (("head", []), ("whole", [keras.callbacks.Callback()])):
        model = cp.transfer(backbone(), learning_rate=0.05)
        clf = cp.fit(model, X, Y, epochs=30, batch_size=16, callbacks=callbacks, verbose=0)
        losses[name] = log_loss(Y, clf.predict_proba(X))
    assert sum(pictures_seen) == len(X), "with callbacks every step sees whole pictures"
    assert abs(losses["head"] - losses["whole"]) < 0.1
    assert max(losses.values()) < 0.5


def test_a_comparison_on_it_gives_a_model_of_pictures(pictures_seen):
    comparison = cp.compare(cp.transfer(backbone()), X, Y, strategies="smote,mixup", folds=2, epochs=3, verbose=0)
    assert sum(pictures_seen) == len(X)
    assert {row["status"] for row in comparison.leaderboard} == {"ok"}
    assert comparison.best.predict(X).shape == Y.shape


def test_other_bodies_are_other_runs_and_workers_are_sent_none():
    examples, settings = Examples(X, Y, (0, 1)), Settings()

    def manifest(seed=0, side=6, preprocess=None):
        network, _ = network_for(cp.transfer(backbone(seed, side), preprocess=preprocess), examples)
        assert network.__getstate__()["body"] is None
        return manifest_of(examples, trainer_of(examples, settings, network), 2, "warn")

    first = manifest()
    assert first == manifest()
    halved, doubled = manifest(preprocess=lambda x: x / 2), manifest(preprocess=lambda x: x * 2)
    assert halved == manifest(preprocess=lambda x: x / 2)
    for other, than in ((manifest(seed=1), first), (manifest(side=7), first), (halved, first), (halved, doubled)):
        assert {name.split()[0] for name in than if than[name] != other[name]} == {"values"}


@pytest.mark.parametrize("preprocess", [None, keras.Sequential([keras.layers.RandomFlip("horizontal", seed=1)])])
def test_what_must_see_every_step_is_left_whole(preprocess):
    examples = Examples(X, Y, (0, 1))
    model = cp.transfer(backbone(), preprocess=preprocess, last=0 if preprocess else 1)
    network, seen = network_for(model, examples)
    assert network.body is None
    assert seen is examples


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_what_the_body_says_is_held_in_single_precision(policy):
    examples, usual = Examples(X, Y, (0, 1)), keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        _, seen = network_for(cp.transfer(backbone()), examples)
    finally:
        keras.mixed_precision.set_dtype_policy(usual)
    assert seen.x.dtype == np.float32
    assert np.allclose(seen.x, network_for(cp.transfer(backbone()), examples)[1].x, atol=0.05)


@pytest.mark.parametrize("strategy", ["smote", "mixup_ensemble"])
def test_three_classes_guarantee_rows_folds_and_pickles(strategy):
    y = np.arange(90) % 3
    x = (RNG.integers(0, 60, (90, 8, 8)) + 60 * y[:, None, None]).astype("uint8")
    more = {"guarantee_rows": 0.3} if strategy == "smote" else {"folds": 2}
    clf = cp.fit(
        cp.transfer(backbone(), learning_rate=0.05),
        x,
        y,
        strategy=strategy,
        epochs=20,
        batch_size=16,
        verbose=0,
        **more,
    )
    again = pickle.loads(pickle.dumps(clf))
    assert np.allclose(again.predict_proba(x), clf.predict_proba(x), atol=1e-6)
    assert np.mean(clf.predict(x) == y) > 0.6
    if strategy == "smote":
        student = cp.distill(clf, cp.transfer(backbone()), x, y, epochs=2, verbose=0)
        assert student.predict_proba(x).shape == (90, 3)


def test_a_comparison_on_it_goes_on_from_its_store_and_refuses_another_backbone(tmp_path):
    def comparison(seed):
        how = {"strategies": "oversample", "folds": 2, "epochs": 2, "store": tmp_path / "run", "verbose": 0}
        return cp.compare(cp.transfer(backbone(seed)), X, Y, **how)

    first, again = comparison(0), comparison(0)
    assert np.array_equal(first.best.predict_proba(X), again.best.predict_proba(X))
    with pytest.raises(CounterpoiseError, match="values of the network"):
        comparison(1)


def test_image_files_outside_memory_are_decoded_once_and_pass_once(pictures_seen, tmp_path, monkeypatch):
    for row, pixels in enumerate(X):
        (tmp_path / str(Y[row])).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / str(Y[row]) / f"{row:02}.png")
    how = {"strategies": "oversample", "folds": 2, "epochs": 3, "batch_size": 16, "verbose": 0}
    inside = cp.compare(cp.transfer(backbone()), cp.images(tmp_path, 8), **how)
    monkeypatch.setattr("counterpoise.core.sources.IN_MEMORY", 1000)
    decoded = []
    monkeypatch.setattr(
        pixels_module, "opened", lambda path, usual=pixels_module.opened: decoded.append(path) or usual(path)
    )
    pictures_seen.clear()
    outside = cp.compare(cp.transfer(backbone()), cp.images(tmp_path, 8), **how)
    assert (sum(pictures_seen), decoded) == (len(X), []), "the check of the files has decoded them"
    losses = [[row["scores"]["log_loss"]["mean"] for row in c.leaderboard] for c in (inside, outside)]
    assert np.allclose(*losses, atol=1e-6)
