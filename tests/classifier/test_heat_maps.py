"""Heat maps: by hand for linear networks, complete for others, and on the spot that decides."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.report.heat import AGAINST, FOR, overlay

RNG = np.random.default_rng(0)
SIDE = 6


def linear(spec, n_classes):
    inputs = spec.inputs()
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(spec.units(n_classes))(flat))


def trained(y, x=None, **how):
    x = RNG.integers(0, 256, (60, SIDE, SIDE, 3), dtype=np.uint8) if x is None else x
    return cp.fit(linear, x, y, epochs=1, verbose=0, **how), x


def less_mean(x):
    """Distance from the mean color, in the units that the network weighs."""
    return (x.astype(float) - x.astype(float).mean(axis=(1, 2), keepdims=True)) / 255


def weights_of(clf):
    return next(v for v in clf.members.trainable_variables if len(v.shape) == 2).numpy()


def test_effects_of_a_linear_network_are_weight_times_distance_from_the_mean():
    clf, x = trained(np.arange(60) % 4 == 0)
    wanted = (less_mean(x) * weights_of(clf)[:, 0].reshape(SIDE, SIDE, 3)).sum(axis=-1)
    assert clf.explain(x) == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert clf.explain(x, label=False) == pytest.approx(-wanted, rel=1e-4, abs=1e-4)


def test_of_several_classes_the_most_probable_one_is_explained():
    clf, x = trained(np.array(list("abc") * 20))
    maps, named = clf.explain(x), clf.explain(x, label="b")
    decided = clf.predict_proba(x).argmax(axis=1)
    assert np.array_equal(maps[decided == 1], named[decided == 1])
    assert not np.allclose(maps[decided != 1], named[decided != 1])
    z = clf.member_logits(x)[0].astype(float)
    flat = clf.member_logits(np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape).astype(np.float32))[0]

    def odds(logits):
        others = np.delete(logits, 1, axis=1)
        return (
            logits[:, 1] - np.log(np.exp(others - others.max(axis=1, keepdims=True)).sum(axis=1)) - others.max(axis=1)
        )

    assert named.sum(axis=(1, 2)) == pytest.approx(odds(z) - odds(flat.astype(float)), abs=1e-3)
    with pytest.raises(OptionError, match="label is 'd'"):
        clf.explain(x, label="d")


def test_of_several_labels_each_can_be_explained():
    y = np.stack([np.arange(60) % 2, np.arange(60) % 3 == 0], axis=1).astype(int)
    clf, x = trained(cp.labels(y, names=["mass", "edema"]))
    effects = (less_mean(x)[..., None] * weights_of(clf).reshape(SIDE, SIDE, 3, 2)).sum(axis=3)
    assert clf.explain(x, label="edema") == pytest.approx(effects[..., 1], rel=1e-4, abs=1e-4)
    likely = clf.predict_proba(x).argmax(axis=1)
    assert clf.explain(x)[likely == 0] == pytest.approx(effects[likely == 0][..., 0], rel=1e-4, abs=1e-4)


def test_members_count_by_their_weight():
    clf, x = trained(np.arange(60) % 4 == 0, strategy="resampling_ensemble")
    kernels = [v.numpy() for v in clf.members.trainable_variables if len(v.shape) == 2]
    assert len(kernels) == 3
    mean = np.mean(kernels, axis=0)[:, 0].reshape(SIDE, SIDE, 3)
    assert clf.explain(x[:5]) == pytest.approx((less_mean(x[:5]) * mean).sum(axis=-1), rel=1e-4, abs=1e-4)


def test_the_network_looked_at_the_spot():
    side, y = 24, (np.arange(240) % 3 == 0).astype(int)
    corner, x = RNG.integers(1, side - 6, (240, 2)), RNG.normal(110, 10, (240, side, side))
    for i, (row, column) in enumerate(corner):
        x[i, row : row + 5, column : column + 5] += 60 if y[i] else -60
    x = np.clip(x, 0, 255).astype(np.uint8)
    clf = cp.fit("cnn", x, y, epochs=10, verbose=0)
    maps = np.abs(clf.explain(x[:60]))
    assert maps.shape == (60, side, side)
    inside = [m[r - 1 : r + 6, c - 1 : c + 6].sum() / m.sum() for m, (r, c) in zip(maps, corner, strict=False)]
    assert np.mean(inside) > 3 * 49 / side**2


def test_a_frozen_backbone_has_heat_maps_too():
    pixels = keras.Input((SIDE, SIDE, 3))
    backbone = keras.Model(pixels, keras.layers.Conv2D(3, 3, activation="relu")(pixels))
    x = RNG.integers(0, 256, (60, SIDE, SIDE, 3), dtype=np.uint8)
    clf = cp.fit(cp.transfer(backbone), x, np.arange(60) % 4 == 0, epochs=1, verbose=0)
    flat = np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape).astype(np.float32)
    gained = (clf.member_logits(x)[0] - clf.member_logits(flat)[0])[:, 0]
    assert clf.explain(x).sum(axis=(1, 2)) == pytest.approx(gained, abs=0.05)


def test_what_has_no_heat_map():
    pictures, x = trained(np.arange(60) % 4 == 0)
    with pytest.raises(OptionError, match="background= is for tables"):
        pictures.explain(x, background=x)


def test_an_overlay_is_orange_for_and_blue_against_and_bare_elsewhere():
    heat = np.zeros((60, 60))
    heat[10:14, 10:14], heat[40:44, 40:44] = 1.0, -1.0
    shown = overlay(np.full((60, 60), 100.0), heat).astype(int)
    assert np.abs(shown[12, 12] - np.array(FOR)).sum() < np.abs(shown[12, 12] - 100).sum()
    assert np.abs(shown[42, 42] - np.array(AGAINST)).sum() < np.abs(shown[42, 42] - 100).sum()
    assert shown[12, 42].tolist() == [100, 100, 100]
    assert overlay(np.full((6, 6, 3), 9.0), np.zeros((6, 6)))[0, 0].tolist() == [9, 9, 9]
    assert overlay(np.zeros((300, 200)), np.ones((300, 200)), side=96).shape == (96, 64, 3)
