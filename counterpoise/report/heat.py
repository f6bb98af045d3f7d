"""A heat map laid over its picture: orange where pixels speak for the class, blue where they speak against it."""

from __future__ import annotations

import base64

import numpy as np

from counterpoise.report.thumbnails import SIDE, png, reduced

Array = np.ndarray

#: Colors of effects above and below 0, and the most that they cover of the picture.
FOR, AGAINST, COVER = (230, 120, 0), (0, 114, 178), 0.75
#: Standard deviation of the blur, as a share of the longer side.
BLUR = 0.03
#: Share of the pixels of least effect that stay bare.
BARE = 0.8


def overlay(pixels: Array, heat: Array, low: float = 0.0, high: float = 255.0, side: int | None = None) -> Array:
    """A picture under its heat map, uint8 (height, width, 3).

    Args:
        pixels: (height, width) or (height, width, 1 or 3), its values.
        heat: (height, width), effects of the pixels.
        low: What is black. high: What is white.
        side: Longer side at most; None: as it is.

    Example:
        >>> overlay(np.zeros((8, 8)), np.eye(8)).shape
        (8, 8, 3)
    """
    picture = pixels.reshape(*pixels.shape[:2], -1).astype(np.float64)
    effects = blurred(heat.astype(np.float64), max(heat.shape) * BLUR)[..., None]
    if side is not None:
        picture, effects = reduced(picture, side), reduced(effects, side)
    gray = 255.0 * np.clip((picture.mean(axis=-1, keepdims=True) - low) / max(high - low, 1e-12), 0.0, 1.0)
    size = np.abs(effects)
    floor, top = np.quantile(size, BARE), size.max()
    cover = COVER * np.clip((size - floor) / max(top - floor, 1e-12), 0.0, 1.0) if top > 0 else np.zeros_like(size)
    color = np.where(effects > 0, np.array(FOR, float), np.array(AGAINST, float))
    return np.asarray(np.round((1.0 - cover) * gray + cover * color), np.uint8)


def heat_thumbnail(pixels: Array, heat: Array, low: float = 0.0, high: float = 255.0) -> str:
    """The overlay as a data URI of at most `thumbnails.SIDE` pixels a side."""
    return "data:image/png;base64," + base64.b64encode(png(overlay(pixels, heat, low, high, SIDE))).decode()


def blurred(values: Array, deviation: float) -> Array:
    """Values (height, width) blurred by a normal curve; the sum over the middle stays.

    Example:
        >>> round(float(blurred(np.eye(1, 99)[[0] * 99].T, 2.0).sum()), 6) > 0
        True
    """
    reach = max(1, int(np.ceil(3 * deviation)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-6)) ** 2)
    kernel /= kernel.sum()
    out = values
    for axis in (0, 1):
        padded = np.pad(out, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        size = out.shape[axis]
        parts = (weight * np.take(padded, range(i, i + size), axis=axis) for i, weight in enumerate(kernel))
        out = np.sum(list(parts), axis=0)
    return out
