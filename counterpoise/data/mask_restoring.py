"""Decided masks in the size of their images: what `mask_values` takes from a file, put back by the nearest pixel."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def restored_mask(codes: Array, sides: tuple[int, int], aspect: str, outside: int = -1) -> Array:
    """A mask (height, width) in the size of the image that it belongs to.

    Args:
        codes: The mask, in the size that images were brought to.
        sides: (height, width) of the image.
        aspect: How it was brought to it (see `images`).
        outside: The code of pixels that a crop left out.

    Example:
        >>> restored_mask(np.array([[0, 1], [2, 3]]), (2, 4), "stretch").tolist()
        [[0, 0, 1, 1], [2, 2, 3, 3]]
        >>> restored_mask(np.array([[0, 1], [2, 3]]), (2, 4), "crop").tolist()
        [[-1, 0, 1, -1], [-1, 2, 3, -1]]
        >>> restored_mask(np.array([[9, 9], [0, 1]]), (2, 4), "pad").tolist()
        [[9, 9, 9, 9], [9, 9, 9, 9]]
    """
    scales = [wanted / side for wanted, side in zip(codes.shape, sides, strict=True)]
    if aspect != "stretch":
        scales = [(max if aspect == "crop" else min)(scales)] * 2
    rows, columns = (_sources(n, side, scale) for n, side, scale in zip(codes.shape, sides, scales, strict=True))
    inside = (rows >= 0)[:, None] & (columns >= 0)
    return np.where(inside, codes[np.ix_(rows, columns)], outside)


def _sources(size: int, side: int, scale: float) -> Array:
    """The pixel of the small side that shows each of the image's, int64 (side,); -1: none.

    Example:
        >>> _sources(4, 2, 1.0).tolist(), _sources(2, 4, 1.0).tolist()
        ([1, 2], [-1, 0, 1, -1])
    """
    inner = size if scale * side >= size else max(1, round(side * scale))
    first = (side - inner / scale) / 2 if scale * side > size else 0.0
    step = side / inner if scale * side <= size else 1 / scale
    place = np.floor((np.arange(side) + 0.5 - first) / step).astype(np.int64)
    return np.where((place >= 0) & (place < inner), place + (size - inner) // 2, -1)
