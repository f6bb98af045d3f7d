"""The form that images are read in: size, color mode, range of values, aspect; and how they may be flipped.

Model files keep the form (`core.examples.Pictures`), and pixels for prediction are read in it. So these words stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.checks import check_choice, check_int, check_range
from counterpoise.core.errors import OptionError
from counterpoise.data.pixel_types import Range

#: Color mode, named as in Keras -> channels. Model files keep the mode.
CHANNELS = {"grayscale": 1, "rgb": 3}
#: How images of another shape than is wanted are brought to it. Model files keep one of these words.
ASPECTS = ("stretch", "crop", "pad")
#: Flips -> the axes of images (N, height, width, channels) that they mirror.
FLIPS = {"horizontal": (2,), "vertical": (1,), "both": (1, 2)}


def check_sides(size: Any) -> tuple[int, int]:
    """Return (height, width) in pixels of a `size` that is one number for both, or a pair.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise OptionError(f"size= is {size!r}. Expected a number of pixels, or (height, width).")
        return check_int(size[0], "size"), check_int(size[1], "size")
    return check_int(size, "size"), check_int(size, "size")


def check_span(range: Any) -> Range | None:
    """Return a range of stored values as (low, high) floats; None stays None.

    Raises:
        OptionError: not two finite numbers, the first one the lower.

    Example:
        >>> check_span((-1000, 400))
        (-1000.0, 400.0)
    """
    if range is None:
        return None
    expected = "Expected (low, high), the stored values that mean black and white"
    if not isinstance(range, (tuple, list, np.ndarray)) or len(range) != 2:
        raise OptionError(f"range= is {range!r}. {expected}.")
    low, high = (check_range(end, "range") for end in range)
    if not low < high:
        raise OptionError(f"range= is ({low:g}, {high:g}), but low must be below high. {expected}.")
    return low, high


def check_flip(flip: Any) -> str | None:
    """Return the name of a flip, a key of `FLIPS`; None stays None.

    Raises:
        OptionError: something else.
    """
    return None if flip is None else check_choice(flip, "flip", FLIPS)


def check_contrast(contrast: Any) -> float:
    """Return the largest relative change of contrast, 0.2 for 20%; None becomes 0.

    Raises:
        OptionError: not a number from 0 to below 1.
    """
    share = 0.0 if contrast is None else check_range(contrast, "contrast")
    if not 0 <= share < 1:
        raise OptionError(f"contrast= is {contrast!r}. Expected a share of at least 0 and below 1, such as 0.2.")
    return share
