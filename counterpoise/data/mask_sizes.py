"""Masks resized as their images are, and decided masks restored to the size of their images, by the nearest pixel.

No value arises that the mask does not contain. Fixed: pixels of a mask show the same place as those of its image, so
`windows` follows `pixels._resized` (tests/data/test_mask_files.py compares them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Sides = tuple[int, int]


class Window(NamedTuple):
    """The part of a side of an image that a resized side shows.

    Attributes:
        start: First pixel of the resized side that shows any of the image.
        inner: How many of them do.
        first: Where the image starts to be shown, in its own pixels.
        step: Pixels of the image per resized pixel.
    """

    start: int
    inner: int
    first: float
    step: float


def resized_mask(values: Array, size: Sides, aspect: str, outside: int) -> Array:
    """Return a mask (height, width) in `size`, as its image is resized; each pixel takes the nearest value.

    Args:
        values: The mask, in the size of its image.
        size: Wanted (height, width).
        aspect: How images are brought to it (see `images`).
        outside: The value of pixels that show none of the image.
    """
    return _resampled(values, size, windows(size, values.shape, aspect), shown_pixels, outside)


def restored_mask(codes: Array, sides: Sides, aspect: str) -> Array:
    """Return a mask, given in the size of the resized image, in the size of its image.

    Args:
        codes: The mask, in the size that images were brought to.
        sides: (height, width) of the image.
        aspect: How it was brought to it (see `images`); pixels that a crop left out have code -1.

    Example:
        >>> restored_mask(np.array([[0, 1], [2, 3]]), (2, 4), "stretch").tolist()
        [[0, 0, 1, 1], [2, 2, 3, 3]]
        >>> restored_mask(np.array([[0, 1], [2, 3]]), (2, 4), "crop").tolist()
        [[-1, 0, 1, -1], [-1, 2, 3, -1]]
        >>> restored_mask(np.array([[9, 9], [0, 1]]), (2, 4), "pad").tolist()
        [[9, 9, 9, 9], [9, 9, 9, 9]]
    """
    return _resampled(codes, sides, windows(codes.shape, sides, aspect), showing_pixels, -1)


def windows(size: tuple[int, ...], sides: tuple[int, ...], aspect: str) -> list[Window]:
    """Return the part of each side of an image that the resized image shows.

    `size` is (height, width) of the resized image, and `sides` of the image.

    With "stretch", each side has its own scale. With "crop" and every other aspect, both sides have one scale.

    Example:
        >>> windows((4, 4), (4, 8), "crop")
        [Window(start=0, inner=4, first=0.0, step=1.0), Window(start=0, inner=4, first=2.0, step=1.0)]
    """
    scales = [wanted / side for wanted, side in zip(size, sides, strict=True)]
    if aspect != "stretch":
        scales = [(max if aspect == "crop" else min)(scales)] * 2
    return [_window(wanted, side, scale) for wanted, side, scale in zip(size, sides, scales, strict=True)]


def _window(wanted: int, side: int, scale: float) -> Window:
    """Return the window of one side; `wanted` and `side` are its pixels after and before resizing by `scale`.

    A side that becomes too long is cut at both ends, and one that stays too short is centered.
    """
    inner = wanted if scale * side >= wanted else max(1, round(side * scale))
    first = (side - inner / scale) / 2 if scale * side > wanted else 0.0
    step = side / inner if scale * side <= wanted else 1 / scale
    return Window((wanted - inner) // 2, inner, first, step)


def shown_pixels(window: Window, size: int, side: int) -> Array:
    """Return the pixel of the image that each pixel of the resized side shows, int64 (size,).

    A pixel without a counterpart gets -1.

    Example:
        >>> shown_pixels(Window(0, 4, 0.0, 2.0), 4, 8).tolist(), shown_pixels(Window(1, 2, 0.0, 1.0), 4, 2).tolist()
        ([1, 3, 5, 7], [-1, 0, 1, -1])
    """
    out = np.full(size, -1)
    pixels = window.first + (np.arange(window.inner) + 0.5) * window.step
    out[window.start : window.start + window.inner] = np.clip(pixels, 0, side - 1).astype(np.int64)
    return out


def showing_pixels(window: Window, size: int, side: int) -> Array:
    """Return the pixel of the resized side that shows each pixel of the image, int64 (size,).

    A pixel without a counterpart gets -1.

    Example:
        >>> showing_pixels(Window(1, 2, 0.0, 1.0), 2, 4).tolist(), showing_pixels(Window(0, 2, 1.0, 1.0), 4, 2).tolist()
        ([1, 2], [-1, 0, 1, -1])
    """
    pixel = np.floor((np.arange(size) + 0.5 - window.first) / window.step).astype(np.int64)
    return np.where((pixel >= 0) & (pixel < window.inner), pixel + window.start, -1)


def _resampled(
    mask: Array, size: Sides, side_windows: list[Window], pixels: Callable[[Window, int, int], Array], outside: int
) -> Array:
    """Return a mask of this size, each pixel taken from the pixel of `mask` that `pixels` gives.

    `pixels` is `shown_pixels` or `showing_pixels`, called for each side with its window in `side_windows`. Pixels for
    which it gives -1 get the value `outside`.
    """
    rows, columns = (pixels(w, n, side) for w, n, side in zip(side_windows, size, mask.shape, strict=True))
    inside = (rows >= 0)[:, None] & (columns >= 0)
    return np.where(inside, mask[np.ix_(rows, columns)], mask.dtype.type(outside))
