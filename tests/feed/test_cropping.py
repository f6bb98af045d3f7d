"""Crops as Keras gets them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import DataError


def made():
    rng = np.random.default_rng(0)
    masks = (rng.random((10, 20, 24)) < 0.02).astype(int)
    masks[0, 0] = -1
    return rng.random((10, 20, 24, 2)).astype("float32"), masks


def test_batches_are_cut_where_the_plan_says():
    x, masks = made()
    feed = cp.feed.crops(x, masks, (8, 6), crops=14, batch_size=4, seed=3)
    assert len(feed) == 4
    drawn = feed.plan.epoch(0, 3)
    got = [np.concatenate(parts) for parts in zip(*(feed[step] for step in range(4)), strict=True)]
    for k, (i, (r, c)) in enumerate(zip(drawn.image, drawn.corner, strict=True)):
        assert np.array_equal(got[0][k], x[i, r : r + 8, c : c + 6])
        assert np.array_equal(got[1][k, ..., 0], np.maximum(masks[i, r : r + 8, c : c + 6], 0))
    assert np.array_equal(got[2], drawn.weights)
    feed.on_epoch_end()
    assert not np.array_equal(feed[0][0], got[0][:4])


def test_keras_trains_on_them_and_on_sequences():
    x, masks = made()
    model = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Conv2D(1, 3, padding="same")])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(cp.feed.crops(x, masks, 8, batch_size=5), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    steps = cp.feed.crops(x[:, :, 0], masks[:, :, 0], 6)[0]
    assert [a.shape for a in steps] == [(10, 6, 2), (10, 6, 1), (10, 6)]


def test_images_of_another_size_are_refused():
    x, masks = made()
    with pytest.raises(DataError, match="Expected one mask for each image"):
        cp.feed.crops(x[:, :10], masks, 8)
    with pytest.raises(DataError, match="lengths do not match"):
        cp.feed.crops(x[:5], masks, 8)
