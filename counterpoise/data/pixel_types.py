"""The type of images of more than 8 bits, and their values for black and white.

Checks, pixels and messages about files go by it. Fixed: the scale of a type is that on which networks in model files
were trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.data.pillow_files import tiff_tag

Array = np.ndarray
Range = tuple[float, float]

#: TIFF tags.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _WHITE_IS_ZERO = 258, 262, 339, 0


@dataclass(frozen=True)
class PixelType:
    """The type of an image of more than 8 bits.

    Attributes:
        name: In words.
        span: The values that are black and white; None: the type does not define them, the caller has to.
        view: The type that the stored bits are, where Pillow reads them as another; "".
        inverted: Whether the lowest value is white.
    """

    name: str
    span: Range | None = None
    view: str = ""
    inverted: bool = False


def pixel_type(image: Any) -> PixelType | None:
    """Return the type of an image of more than 8 bits, or with a sign, opened by Pillow.

    None if it has 8 bits or fewer, or is read as such. Modes of Pillow: "F" float, "L" 8 bits, "I" and "I;16" whole
    numbers of more bits.
    """
    inverted = tiff_tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    signed = tiff_tag(image, _SAMPLE_FORMAT, 1) == 2
    if image.mode == "F":
        return PixelType("float", inverted=inverted)
    if image.mode == "L" and signed:
        return PixelType("8-bit signed", view="int8")
    if image.mode == "I" and image.format == "TIFF":
        bits = tiff_tag(image, _BITS, 32)
        return PixelType(f"{bits}-bit signed") if signed else PixelType(f"{bits}-bit", view="uint32", inverted=inverted)
    if image.mode.startswith("I"):
        bits = tiff_tag(image, _BITS, 16)
        return PixelType(f"{bits}-bit", (0.0, 2.0**bits - 1), inverted=inverted)
    return None


def values_without_transparency(image: Any, kind: PixelType) -> Array:
    """Return the stored values, float64 (height, width).

    If the type defines black and white, a value that the file calls transparent becomes the highest value of the type.
    """
    array = np.asarray(image)
    values = (array.view(kind.view) if kind.view else array).astype(np.float64)
    clear = image.info.get("transparency")
    if isinstance(clear, int) and kind.span is not None:
        values[values == clear] = kind.span[1]
    return values


def known_span(kind: PixelType, values: Array) -> Range | None:
    """Return the values that are black and white, or None if the type does not define them.

    They are (0, 1) for floats that are all from 0 to 1. For other images the type defines them.
    """
    if kind.name == "float" and values.min() >= 0.0 and values.max() <= 1.0:
        return 0.0, 1.0
    return kind.span


def scaled(values: Array, span: Range, inverted: bool) -> Array:
    """Return values scaled from their span to 0 .. 255, float32; values outside become 0 or 255.

    With `inverted`, the lowest value becomes 255.
    """
    share = np.clip((values - span[0]) / (span[1] - span[0]), 0.0, 1.0)
    return (255.0 * (1.0 - share if inverted else share)).astype(np.float32)


def unknown_range_text(path: str, kind: str, low: float, high: float, files: int = 1) -> str:
    """Return the error message about files whose black and white values are unknown.

    `kind` is the name of their type, `low` and `high` are the ends of their values, and `files` is the number of such
    files, of which `path` is the first.
    """
    others = f" and {files - 1:,} more" if files > 1 else ""
    return (
        f"{path}{others}: {kind} pixels from {low:g} to {high:g}, and the file does not define which values are "
        f"black and white. Expected 8, 12, or 16 unsigned bits, or float from 0 to 1. For other types, set the two "
        f"values with range=(low, high) (--range LOW HIGH), for example the limits of the scanner."
    )
