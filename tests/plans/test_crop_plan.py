"""Crops: what is drawn, against all places counted one by one, and that weights give the pixels of the data back."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from counterpoise.core.errors import DataError, OptionError
from counterpoise.plans.crop_plan import crop_plan


def made(shape=(3, 9, 11), classes=2, seed=0):
    rng = np.random.default_rng(seed)
    masks = np.zeros(shape, int)
    for image, code in ((0, 1), (2, 1), (2, classes - 1)):
        masks[image].reshape(-1)[rng.integers(0, masks[image].size, 4)] = code
    masks[1].reshape(-1)[:3] = -1
    return masks


def counted_one_by_one(masks, size, share):
    """Probability that a crop contains each pixel: the definition, place by place."""
    sides = masks.shape[1:]
    last = [side - s for side, s in zip(sides, size, strict=True)]
    out = np.zeros(masks.shape)
    rare = {c: np.flatnonzero((masks == c).reshape(len(masks), -1).any(axis=1)) for c in np.unique(masks) if c > 0}

    def add(image, corner, probability):
        out[(image, *(slice(a, a + s) for a, s in zip(corner, size, strict=True)))] += probability

    beyond = [s // 2 if n else 0 for s, n in zip(size, last, strict=True)]
    starts = [range(-b, n + b + 1) for b, n in zip(beyond, last, strict=True)]
    for image in range(len(masks)):
        for start in product(*starts):
            corner = [min(max(a, 0), n) for a, n in zip(start, last, strict=True)]
            add(image, corner, (1 - share) / len(masks) / np.prod([len(s) for s in starts]))
    for code, images in rare.items():
        for image in images:
            pixels = np.argwhere(masks[image] == code)
            for pixel in pixels:
                corners = [range(max(0, p - s + 1), min(p, n) + 1) for p, s, n in zip(pixel, size, last, strict=True)]
                each = share / len(rare) / len(images) / len(pixels) / np.prod([len(c) for c in corners])
                for corner in product(*corners):
                    add(image, corner, each)
    return out


@pytest.mark.parametrize(
    ("shape", "size"), [((3, 9, 11), (4, 5)), ((3, 20), (6,)), ((3, 5, 5), (5, 3)), ((3, 4, 4), (1, 1))]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_inclusion_is_that_of_all_places_counted(shape, size, classes):
    masks = made(shape, classes)
    plan = crop_plan(masks, size, share=0.6, crops=10)
    expected = counted_one_by_one(masks, size, 0.6)
    assert np.allclose([plan.inclusion(image) for image in range(3)], expected)
    assert expected.sum() == pytest.approx(np.prod(size))


@pytest.mark.parametrize("shape", [(3, 9, 11), (3, 40)])
def test_drawn_crops_contain_pixels_as_often_as_that(shape):
    masks = made(shape)
    plan = crop_plan(masks, 4, crops=60_000)
    drawn = plan.epoch()
    times = np.zeros(masks.shape)
    for image, corner in zip(drawn.image, drawn.corner, strict=True):
        times[(image, *(slice(a, a + 4) for a in corner))] += 1
    expected = np.stack([plan.inclusion(image) for image in range(3)]) * 60_000
    assert np.all(np.abs(times - expected) < 5 * np.sqrt(expected) + 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_weighted_pixels_are_those_of_the_data(classes):
    """For any function of a pixel, here one value for each: the weighted sum over crops is the sum over all."""
    masks = made((6, 16, 18), classes, seed=1)
    value = np.random.default_rng(2).normal(1, 1, masks.shape)
    plan = crop_plan(masks, (6, 7), crops=20_000)
    drawn = plan.epoch(3, seed=4)
    seen, mass = 0.0, 0.0
    for image, corner, weight in zip(*drawn, strict=True):
        crop = (image, *(slice(a, a + s) for a, s in zip(corner, (6, 7), strict=True)))
        seen, mass = seen + (weight * value[crop]).sum(), mass + weight.sum()
    assert seen / mass == pytest.approx(value[masks >= 0].mean(), rel=0.02)
    assert drawn.weights.mean() == pytest.approx(1, rel=0.02)


def test_weights_stay_small():
    masks = np.zeros((20, 64, 64), int)
    masks[0, 5:8, 60:63] = 1
    weights = crop_plan(masks, 32, crops=200).epoch().weights
    assert weights.max() <= 8.1  # at most 2 an axis and 1 / (1 - share)
    assert weights[weights > 0].min() > 0


def test_half_of_the_crops_contain_the_rare_class():
    masks = np.zeros((50, 64, 64), int)
    masks[3, 30:33, 30:33] = 1
    drawn = crop_plan(masks, 16, crops=100).epoch()
    rare = [(masks[i, r : r + 16, c : c + 16] == 1).any() for i, (r, c) in zip(drawn.image, drawn.corner, strict=True)]
    assert sum(rare) >= 50


def test_pixels_that_do_not_count_weigh_nothing():
    masks = made((4, 12, 12))
    masks[0, :6] = -1
    drawn = crop_plan(masks, 5, crops=50).epoch()
    for image, (r, c), weight in zip(*drawn, strict=True):
        assert np.array_equal(weight > 0, masks[image, r : r + 5, c : c + 5] >= 0)


def test_epochs_differ_and_repeat_by_seed():
    plan = crop_plan(made((5, 20, 20)), 8, crops=30)
    assert np.array_equal(plan.epoch(2, 7).corner, plan.epoch(2, 7).corner)
    assert not np.array_equal(plan.epoch(2, 7).corner, plan.epoch(3, 7).corner)
    assert not np.array_equal(plan.epoch(2, 7).corner, plan.epoch(2, 8).corner)


def test_whole_images_are_crops_too():
    masks = made((4, 8, 8))
    drawn = crop_plan(masks, 8, share=0, crops=4000).epoch()
    counted = (masks >= 0).reshape(4, -1)
    expected = counted * (masks.size / counted.sum())
    assert np.allclose(drawn.weights.reshape(4000, -1), expected[drawn.image], rtol=1e-5)


@pytest.mark.parametrize(
    ("masks", "size", "how", "error", "text"),
    [
        (np.zeros((2, 8)), 4, {}, DataError, "dtype float64"),
        (np.zeros((2, 8, 8), int), 4, {}, DataError, "fewer than two classes"),
        (made(), 10, {}, OptionError, "do not fit into images"),
        (made(), (4, 4, 4), {}, OptionError, "one number for each side"),
        (made(), 4, {"share": 1}, OptionError, "share"),
        (made(), 4, {"share": 0.9, "crops": 1}, OptionError, "At least one crop must be at a random position"),
    ],
)
def test_what_does_not_fit_is_refused(masks, size, how, error, text):
    with pytest.raises(error, match=text):
        crop_plan(masks, size, **how)
