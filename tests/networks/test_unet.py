"""The U-Net: any size, an output for each pixel of its own picture alone, and it learns."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from counterpoise.core.errors import ModelError
from counterpoise.networks import unet as module
from counterpoise.networks.built_in import BUILT_IN
from counterpoise.networks.head import find_head
from counterpoise.networks.input_spec import InputSpec
from counterpoise.networks.unet import unet


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "WIDTHS", (8, 8, 8))


@pytest.mark.parametrize(("shape", "units"), [((37, 50, 3), 1), ((33, 17), 4), ((1, 9, 1), 4), ((64, 48, 1), 1)])
def test_pictures_of_any_size_become_logits_of_each_pixel(shape, units):
    model = unet(InputSpec(shape, peak=255.0), units)
    assert model.output.shape == (None, *shape[:2], units)
    assert model.predict_on_batch(np.zeros((2, *shape), "float32")).shape == (2, *shape[:2], units)
    assert find_head(model).name == "logits"


def test_the_name_is_among_the_built_in_networks():
    assert BUILT_IN["unet"](InputSpec((8, 8, 1)), 2).output.shape == (None, 8, 8, 1)
    assert BUILT_IN["unet"](InputSpec((8, 8, 1)), 3).output.shape == (None, 8, 8, 3)
    assert BUILT_IN["unet"].name == "unet"


@pytest.mark.parametrize("training", [False, True])
def test_an_output_depends_on_its_own_picture_alone(small, monkeypatch, training):
    monkeypatch.setattr(module, "DROPOUT", 0.0)
    model = unet(InputSpec((19, 22, 1)), 1)
    x = np.random.default_rng(0).random((4, 19, 22, 1)).astype("float32")
    together = np.asarray(model(x, training=training))
    alone = np.concatenate([np.asarray(model(x[i : i + 1], training=training)) for i in range(4)])
    assert np.allclose(together, alone, atol=1e-5)


def test_outputs_stay_at_their_place_when_sides_are_not_divisible(small):
    """A change of one pixel changes the output most around this pixel, not beside it."""
    keras.utils.set_random_seed(0)
    model = unet(InputSpec((21, 27, 1)), 1)
    x = np.zeros((1, 21, 27, 1), "float32")
    for row, column in ((2, 3), (19, 25), (10, 13)):
        changed = x.copy()
        changed[0, row, column] = 50.0
        moved = np.abs(np.asarray(model(changed)) - np.asarray(model(x)))[0, ..., 0]
        at = np.unravel_index(moved.argmax(), moved.shape)
        assert max(abs(at[0] - row), abs(at[1] - column)) <= 4


def test_bytes_and_their_shares_of_one_are_the_same(small):
    keras.utils.set_random_seed(0)
    a = unet(InputSpec((16, 16, 1), peak=255.0), 1)
    b = unet(InputSpec((16, 16, 1)), 1)
    b.set_weights(a.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1)).astype("float32")
    assert np.allclose(a(x), b(x / 255), atol=1e-4)


def test_it_learns_where_squares_are(small):
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 0.1, (48, 20, 20, 1)).astype("float32"), np.zeros((48, 20, 20, 1), "float32")
    for i, (r, c) in enumerate(rng.integers(0, 16, (48, 2))):
        x[i, r : r + 4, c : c + 4] += 1
        y[i, r : r + 4, c : c + 4] = 1
    keras.utils.set_random_seed(0)
    model = unet(InputSpec((20, 20, 1)), 1)
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(x[:32], y[:32], batch_size=8, epochs=14, verbose=0)
    decided = np.asarray(model(x[32:])) >= 0
    assert 2 * (decided & (y[32:] == 1)).sum() / (decided.sum() + y[32:].sum()) > 0.9


@pytest.mark.parametrize("shape", [(4,), (3, 3, 3, 3), (None, None, 1), {"a": (3,)}, ((3,), (2,))])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(ModelError, match="'unet' is for images"):
        unet(InputSpec(shape), 1)
