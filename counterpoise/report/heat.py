"""A heat map laid over its picture: orange pixels increase the probability of the class, blue ones decrease it.

Effects come from `classifier.heat_maps`; the report and `counterpoise explain` show the pictures.
"""

from __future__ import annotations

import math

import numpy as np

from counterpoise.report.thumbnails import SIDE, data_uri, reduced

Array = np.ndarray

#: Colors of effects above and below 0, and the most that they cover of the picture.
FOR, AGAINST, COVER = (230, 120, 0), (0, 114, 178), 0.75
#: Standard deviation of the blur, as a share of the longer side.
BLUR = 0.03
#: Share of the pixels of least effect that stay bare.
BARE = 0.8


def overlay(pixels: Array, heat: Array, low: float = 0.0, high: float = 255.0, side: int | None = None) -> Array:
    """Draw the heat map over a gray picture, uint8 (height, width, 3).

    Args:
        pixels: (height, width) or (height, width, 1 or 3), its values.
        heat: (height, width), effects of the pixels.
        low: What is black. high: What is white.
        side: Longer side at most; None: as it is.

    Example:
        >>> overlay(np.zeros((8, 8)), np.eye(8)).shape
        (8, 8, 3)
    """
    from scipy.ndimage import gaussian_filter

    picture = pixels.reshape(*pixels.shape[:2], -1).astype(np.float64)
    deviation = max(heat.shape) * BLUR
    reach = max(1, math.ceil(3 * deviation))  # pixels on each side that the blur reads
    effects = gaussian_filter(heat.astype(np.float64), deviation, mode="nearest", radius=reach)[..., None]
    if side is not None:
        picture, effects = reduced(picture, side), reduced(effects, side)
    gray = 255.0 * np.clip((picture.mean(axis=-1, keepdims=True) - low) / max(high - low, 1e-12), 0.0, 1.0)
    size = np.abs(effects)
    # The cover grows from 0 at the `BARE` quantile of the effects to `COVER` at the largest effect.
    floor, top = np.quantile(size, BARE), size.max()
    cover = COVER * np.clip((size - floor) / max(top - floor, 1e-12), 0.0, 1.0) if top > 0 else np.zeros_like(size)
    color = np.where(effects > 0, np.array(FOR, float), np.array(AGAINST, float))
    return np.asarray(np.round((1.0 - cover) * gray + cover * color), np.uint8)


def heat_thumbnail(pixels: Array, heat: Array, low: float = 0.0, high: float = 255.0) -> str:
    """Return the overlay as a data URI of at most `thumbnails.SIDE` pixels a side."""
    return data_uri(overlay(pixels, heat, low, high, SIDE))
