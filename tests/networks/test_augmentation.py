"""Pictures change at random in training alone, on both engines, and a saved model is the one that was judged."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.core.examples import Examples
from counterpoise.feed.small_moves import SmallMoves
from counterpoise.networks.built_in import cnn
from counterpoise.networks.network import Network

RNG = np.random.default_rng(0)
Y = (np.arange(80) % 4 == 0).astype(int)
X = (RNG.integers(0, 150, (80, 8, 8, 1)) + 60 * Y[:, None, None, None]).astype(np.uint8)
QUICK = {"epochs": 3, "batch_size": 32, "verbose": 0}


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_training_sees_other_pictures_and_prediction_the_pictures(engine, tmp_path):
    plain = cp.fit(of_pictures, X, Y, engine=engine, augment=False, **QUICK).predict_proba(X)
    how = {"augment": ["auto", keras.layers.RandomFlip("horizontal")], "engine": engine, **QUICK}
    clf = cp.fit(of_pictures, X, Y, **how)
    assert np.abs(clf.predict_proba(X) - plain).max() > 1e-4
    assert np.array_equal(clf.predict_proba(X), clf.predict_proba(X))
    assert np.allclose(cp.fit(of_pictures, X, Y, **how).predict_proba(X), clf.predict_proba(X), atol=1e-6)
    clf.save(tmp_path / "m.keras")
    assert np.allclose(cp.load(tmp_path / "m.keras").predict_proba(X), clf.predict_proba(X), atol=1e-6)


def test_a_comparison_takes_the_augmentation_of_its_images():
    cmp = cp.compare(of_pictures, X, Y, augment="auto", strategies="oversample", folds=2, **QUICK)
    again = cp.compare(of_pictures, X, Y, augment=False, strategies="oversample", folds=2, refit=False, **QUICK)
    losses = [c.leaderboard[0]["scores"]["log_loss"]["folds"] for c in (cmp, again)]
    assert losses[0] != losses[1]
    assert cmp.best.predict_proba(X).shape == (80, 2)


def linear():
    return keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(1)])


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_a_flip_shows_a_network_both_sides(engine):
    """A network that reads one pixel learns from the left half what holds on the right one only if images are flipped.

    Class 1 is bright on the left in training. On mirrored images the flipped network is as sure as on the others.
    """
    rng, y = np.random.default_rng(0), np.arange(200) % 2
    x = rng.integers(0, 60, (200, 4, 4, 1)).astype(np.uint8)
    x[y == 1, :, 0] = 255
    how = {"epochs": 15, "batch_size": 20, "optimizer": keras.optimizers.Adam(0.05), "engine": engine, "verbose": 0}
    mirrored = {}
    for flip in (None, "horizontal", "vertical")[: 3 if engine == "program" else 2]:
        p = cp.fit(linear(), x, y, flip=flip, **how).predict_proba(x[:, :, ::-1])[:, 1]
        mirrored[flip] = p[y == 1].mean() - p[y == 0].mean()
    assert mirrored["horizontal"] > 0.5
    assert max(mirrored[None], mirrored.get("vertical", 0.0)) < 0.2


def test_a_comparison_trains_with_the_flip_that_was_asked_for():
    how = {"strategies": "none", "folds": 2, "refit": False, **QUICK}
    plain, flipped = (
        cp.compare(linear(), X, Y, flip=flip, **how).leaderboard[0]["scores"]["log_loss"]["folds"]
        for flip in (None, "both")
    )
    assert plain != flipped


def test_what_changes_images_is_refused_where_there_are_none():
    table = {"a": np.arange(80.0), "b": np.arange(80.0) % 7}
    with pytest.raises(cp.CounterpoiseError, match=r"flip= changes images .* none of the models is a network"):
        cp.fit("boosted", table, Y, flip="both")
    with pytest.raises(cp.CounterpoiseError, match="are for images"):
        cp.fit("mlp", table, Y, contrast=0.2, **QUICK)
    with pytest.raises(cp.CounterpoiseError, match="flip= would change the images, but not their masks"):
        cp.fit("unet", X, X[..., 0] > 100, flip="both", **QUICK)
    for odd, words in (({"flip": "sideways"}, "flip is 'sideways'"), ({"contrast": 2}, "contrast= is 2")):
        with pytest.raises(cp.CounterpoiseError, match=words):
            cp.fit("cnn", X, Y, **odd, **QUICK)


def test_what_is_no_augmentation_of_these_rows_is_reported():
    with pytest.raises(cp.CounterpoiseError, match="images \\(height"):
        cp.fit("mlp", X.reshape(80, -1).astype(float), Y, augment="auto", **QUICK)
    with pytest.raises(cp.CounterpoiseError, match="keep the shape"):
        cp.fit("cnn", X, Y, augment=keras.layers.Resizing(4, 4), **QUICK)
    for odd in ("much", 3, [], ("repeats", keras.layers.RandomFlip())):
        with pytest.raises(cp.CounterpoiseError, match="Expected"):
            cp.fit("cnn", X, Y, augment=odd, **QUICK)


def layers(**options):
    network = Network("cnn", Examples(X, Y, (0, 1)), **options)
    return [type(layer).__name__ for layer in network.fresh(0).layers]


def test_the_network_for_pictures_comes_with_small_moves_unless_others_are_asked_for():
    assert "SmallMoves" in layers()
    assert "SmallMoves" not in layers(augment=False)
    flipped = layers(augment=keras.layers.RandomFlip("horizontal"))
    assert ("RandomFlip" in flipped, "SmallMoves" in flipped) == (True, False)
    assert layers(flip="horizontal").count("SmallMoves") == 2
    assert layers(augment=False, contrast=0.2).count("SmallMoves") == 1
    own = Network(lambda spec, n: cnn(spec, spec.units(n)), Examples(X, Y, (0, 1))).fresh(0)
    assert not any(isinstance(layer, SmallMoves) for layer in own.layers), "a builder of the user has none"


def test_pictures_without_an_axis_of_channels_change_too():
    network = Network("cnn", Examples(X[..., 0], Y, (0, 1)), augment=["auto", keras.layers.RandomFlip()])
    model = network.fresh(0)
    assert model.input_shape == (None, 8, 8)
    assert np.abs(model(X[..., 0], training=True) - model(X[..., 0], training=False)).max() > 1e-4
    with_channels = Network("cnn", Examples(X, Y, (0, 1))).fresh(0)
    assert np.allclose(model.predict_on_batch(X[..., 0]), with_channels.predict_on_batch(X), atol=1e-6)
