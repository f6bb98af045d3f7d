"""The form that images are read in: size, color mode, range of values, aspect."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import OptionError
from counterpoise.data.pixel_types import Range

#: Channels by color mode, named as in Keras.
CHANNELS = {"grayscale": 1, "rgb": 3}
#: How images of another shape than is asked for are brought to it.
ASPECTS = ("stretch", "crop", "pad")


def check_sides(size: Any) -> tuple[int, int]:
    """(height, width) of `size`, which is pixels of the side or both of them.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise OptionError(f"size is {size!r}. Expected pixels, or (height, width).")
        return check_int(size[0], "size"), check_int(size[1], "size")
    return check_int(size, "size"), check_int(size, "size")


def check_span(range: Any) -> Range | None:
    """(low, high) as floats; None stays None.

    Raises:
        OptionError: not two finite numbers, the first one the lower.

    Example:
        >>> check_span((-1000, 400))
        (-1000.0, 400.0)
    """
    if range is None:
        return None
    expected = "expected (low, high): the stored values that are black and white"
    if not isinstance(range, (tuple, list, np.ndarray)) or len(range) != 2:
        raise OptionError(f"range is {range!r}; {expected}.")
    low, high = (check_range(end, "range") for end in range)
    if not low < high:
        raise OptionError(f"range is ({low:g}, {high:g}), but low must be below high; {expected}.")
    return low, high
