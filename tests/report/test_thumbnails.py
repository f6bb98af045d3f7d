"""Thumbnails are PNG files that others read, in the shape and with the levels of the picture."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from counterpoise.report.thumbnails import png, thumbnail

RNG = np.random.default_rng(0)


def read(uri):
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_pixels_are_those_of_the_picture():
    for shape in ((5, 7, 3), (5, 7, 1)):
        pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))).reshape(shape), pixels)
        assert np.array_equal(read(thumbnail(pixels)).reshape(shape), pixels)
    assert np.array_equal(read(thumbnail(np.array([[-5.0, 0.0], [50.0, 200.0]]), 0.0, 100.0)), [[0, 0], [128, 255]])


def test_a_large_picture_is_reduced_to_means():
    pixels = np.kron(RNG.integers(0, 256, (60, 96)), np.ones((4, 4)))
    assert np.array_equal(read(thumbnail(pixels)), pixels[::4, ::4])
    assert read(thumbnail(np.zeros((1000, 10, 1)))).shape == (96, 1)
