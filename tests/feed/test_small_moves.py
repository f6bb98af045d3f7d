"""Pictures are moved as the layer says: rotation and zoom keep the middle, a shift moves it, nothing else changes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy import ndimage

from counterpoise.core.errors import OptionError
from counterpoise.feed.batching import batches
from counterpoise.feed.small_moves import SmallMoves


def blob(height=31, width=41):
    rows, columns = np.mgrid[:height, :width]
    return np.exp(-((rows - 15) ** 2) / 30 - (columns - 20) ** 2 / 8).astype(np.float32)


def spread(picture):
    """Middle and second moments (rows, columns)."""
    places = np.argwhere(picture > 0)
    weights = picture[picture > 0]
    middle = np.average(places, axis=0, weights=weights)
    return middle, np.average((places - middle) ** 2, axis=0, weights=weights)


def moved(picture=None, count=16, **how):
    none = {"rotation": 0, "shift": 0, "zoom": 0}
    x = np.repeat((blob() if picture is None else picture)[None, ..., None], count, axis=0)
    return np.asarray(SmallMoves(**(none | how), seed=1)(x, training=True))[..., 0]


def test_no_move_is_the_picture_itself():
    assert np.allclose(moved(), blob(), atol=1e-5)


def test_a_turn_and_a_zoom_keep_the_middle_and_a_shift_moves_it():
    for picture in [*moved(rotation=0.1), *moved(zoom=0.2)]:
        assert np.abs(spread(picture)[0] - (15, 20)).max() < 0.2
    sizes = np.array([spread(picture)[1][0] for picture in moved(zoom=0.2)])
    assert 0.8**2 - 0.05 < (sizes / spread(blob())[1][0]).min() < 0.95
    assert 1.05 < (sizes / spread(blob())[1][0]).max() < 1.2**2 + 0.05
    middles = np.array([spread(picture)[0] for picture in moved(shift=0.1)]) - (15, 20)
    assert (np.abs(middles) <= np.array([3.1, 4.1]) + 0.1).all()
    assert (middles.std(axis=0) > 1).all()


def test_a_turn_is_that_of_scipy():
    x = np.repeat(blob()[None, ..., None], 64, axis=0)
    out = np.asarray(SmallMoves(rotation=0.125, shift=0, zoom=0, seed=2)(x, training=True))[..., 0]
    angles = np.linspace(-45, 45, 91)
    turned = np.stack([ndimage.rotate(blob(), angle, reshape=False, order=1, mode="nearest") for angle in angles])
    errors = np.abs(out[:, None] - turned[None]).mean(axis=(2, 3))
    assert errors.min(axis=1).max() < 0.01  # each is a turn by some angle
    assert np.ptp(angles[errors.argmin(axis=1)]) > 60


def test_every_draw_is_another_and_a_seed_gives_the_same():
    x, y = np.repeat(blob()[None, ..., None], 8, axis=0), np.arange(8) % 2
    feed = batches(x, y, augment=["auto", keras.layers.RandomFlip("horizontal", seed=3)], batch_size=8)
    first, again = feed.batch(0, 0).x, feed.batch(0, 0).x
    assert np.array_equal(first, again)
    assert np.abs(first - feed.batch(1, 0).x).max() > 0.1
    assert np.abs(first[0] - first[1]).max() > 0.05


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", [(), (1,)]), ("vertical", [(), (0,)]),
                                            ("both", [(), (0,), (1,), (0, 1)])])  # fmt: skip
def test_a_flip_mirrors_each_axis_of_half_of_the_pictures(flip, axes):
    picture = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    out = moved(picture, 400, flip=flip)
    seen = [np.array([np.array_equal(one, np.flip(picture, axis)) for one in out]).mean() for axis in axes]
    assert sum(seen) == 1
    assert np.abs(np.array(seen) - 1 / len(axes)).max() < 0.1


def test_contrast_keeps_the_mean_and_scales_the_distances_from_it():
    picture = 100 + 20 * np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    out = moved(picture, 200, contrast=0.3)
    assert np.allclose(out.mean(axis=(1, 2)), picture.mean(), atol=1e-3)
    factors = out.std(axis=(1, 2)) / picture.std()
    assert np.allclose(out - picture.mean(), factors[:, None, None] * (picture - picture.mean()), atol=1e-3)
    assert 0.7 <= factors.min() < 0.75
    assert 1.25 < factors.max() <= 1.3


def test_what_is_no_flip_or_contrast_is_refused():
    for odd in ({"flip": "sideways"}, {"flip": True}, {"contrast": 1}, {"contrast": -0.1}, {"contrast": "much"}):
        with pytest.raises(OptionError, match=next(iter(odd))):
            SmallMoves(**odd)
