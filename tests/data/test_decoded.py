"""Decoded rows are the same whether they are kept in a file, shared with another process, or decoded again."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.core import sources
from counterpoise.data.decoded import Decoded, PixelCache
from counterpoise.data.image_rows import image_examples

CALLS = Counter()
SHAPE = (50, 2, 3)


@dataclass
class Square:
    """Row number -> its square, counted."""

    def __call__(self, row):
        CALLS[row] += 1
        return np.full((2, 3), row * row, np.float32)


def made():
    CALLS.clear()
    return square(PixelCache.with_room(SHAPE, np.dtype(np.float32)))


def square(cache):
    return Decoded(Square(), SHAPE, np.float32, cache)


def test_a_row_is_decoded_once_and_given_in_any_order():
    source = made()
    rows = np.array([7, 3, 7, 49, 0] * 9)
    assert np.array_equal(source.take(rows)[:, 1, 2], rows.astype(float) ** 2)
    assert np.array_equal(source[40:], source.take(np.arange(40, 50)))
    before = CALLS.copy()
    assert np.array_equal(source.take(np.arange(50))[:, 0, 0], np.arange(50.0) ** 2)
    source.take(rows)
    assert all(CALLS[row] == before[row] for row in (7, 3, 0, *range(40, 50)))
    assert source[3].shape == (2, 3)
    assert source.take(np.empty(0, int)).shape == (0, 2, 3)


def test_another_process_shares_what_is_kept_and_decodes_the_rest():
    source = made()
    source.take(np.arange(20))
    other = pickle.loads(pickle.dumps(source))
    before = CALLS.total()
    assert np.array_equal(other.take(np.arange(25)), source.take(np.arange(25)))
    assert CALLS.total() == before + 5  # one of the two decoded 20 to 24, the other found them
    path = source.cache.path
    del source
    gc.collect()
    assert not os.path.exists(path)
    assert np.array_equal(other.take(np.arange(50))[:, 0, 0], np.arange(50.0) ** 2)


def test_without_room_rows_are_decoded_again(monkeypatch):
    source = made()
    free = shutil.disk_usage("/")._replace(free=2 * 50 * 24 - 2)
    monkeypatch.setattr("counterpoise.data.decoded.shutil.disk_usage", lambda _: free)
    assert PixelCache.with_room(SHAPE, np.dtype(np.float32)) is None
    again = square(None)
    for _ in range(2):
        assert again.take(np.array([4]))[0, 0, 0] == 16
    assert CALLS[4] == 2

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("counterpoise.data.decoded.os.pwritev", full)
    for _ in range(2):
        assert source.take(np.array([5]))[0, 0, 0] == 25
    assert CALLS[5] == 2


def test_images_that_do_not_fit_stay_in_files_and_train_alike(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name, count in (("ill", 12), ("well", 40)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 150, (6, 5), dtype=np.uint8) + 90 * (name == "ill")
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "ill" / "copy.png").write_bytes((tmp_path / "ill" / "3.png").read_bytes())
    how = {"engine": "fit", "epochs": 2, "batch_size": 16, "verbose": 0}
    inside = image_examples(cp.images(tmp_path, 6))
    held = cp.fit(of_pictures, cp.images(tmp_path, 6), **how).predict_proba(cp.images(tmp_path, 6))
    monkeypatch.setattr(sources, "IN_MEMORY", 1000)
    outside = image_examples(cp.images(tmp_path, 6))
    assert isinstance(outside.x, Decoded)
    assert np.array_equal(outside.x[:], inside.x)
    assert np.array_equal(outside.duplicate_ids, inside.duplicate_ids)
    assert outside.warnings == inside.warnings
    assert np.allclose(cp.fit(of_pictures, cp.images(tmp_path, 6), **how).predict_proba(cp.images(tmp_path, 6)), held)
    assert cp.diagnose(outside).to_dict() == cp.diagnose(inside).to_dict()
