"""Facts about an image file, found by decoding it once: faults, type, range, and shape.

The check of all files (`image_checks`) goes by them. `kept_pixels` stores some of them beside the pixels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError, MissingExtraError
from counterpoise.data import dicom
from counterpoise.data.pillow_files import (
    aspect_ratio,
    converted,
    is_gray,
    is_reduced,
    opaque,
    opened,
    pillow,
    why_unreadable,
)
from counterpoise.data.pixel_types import Range, known_span, pixel_type, unknown_range_text, values_without_transparency


@dataclass(frozen=True)
class ImageInfo:
    """Facts about the content of an image file.

    Attributes:
        fault: What is wrong with it; "": nothing.
        gray: Whether it has no colors.
        deep: Its type, when it has more than 8 bits and all of them are read.
        low, high: Its least and largest stored value, when it is deep.
        span: The range that is known of it, when it is deep.
        reduced: Whether it has more than 8 bits, of which 8 are read.
        frames: Whether it has several frames, of which the first is read.
        ratio: Width over height.
    """

    fault: str = ""
    gray: bool = False
    deep: str = ""
    low: float = 0.0
    high: float = 0.0
    span: Range | None = None
    reduced: bool = False
    frames: bool = False
    ratio: float = 1.0


def image_info(path: str, windowed: bool = True, keep: Callable[[Any, ImageInfo], None] | None = None) -> ImageInfo:
    """Decode a file and return the facts about it; errors of its decoder become `fault`.

    Args:
        path: The file. It is decoded to find files that are cut off, JPEG at a small size.
        windowed: Whether the window of a DICOM file defines its black and white. False: the user sets a range.
        keep: Called with the opened image and its facts, for an image of at most 8 bits. It must decode the image.

    Raises:
        MissingExtraError: A package that the format needs is not installed.
    """
    try:
        if not os.path.getsize(path):
            return ImageInfo("empty")
        if dicom.is_dicom(path):
            scan = dicom.read(path, windowed)
            height, width = scan.values.shape[:2]
            if scan.color:
                return ImageInfo(ratio=width / height)
            ends = float(scan.values.min()), float(scan.values.max())
            return ImageInfo("", True, "DICOM", *ends, scan.span, ratio=width / height)
        with opened(path) as image:
            frames = image.format != "MPO" and bool(getattr(image, "is_animated", False))
            kind, gray, reduced = pixel_type(image), is_gray(image), is_reduced(image)
            ratio = aspect_ratio(image)  # last: the rotation of a PNG is read by decoding it, which forgets its type
            if kind is None:
                info = ImageInfo(gray=gray, reduced=reduced, frames=frames, ratio=ratio)
                (keep or _decode_for_errors)(image, info)
                return info
            values = values_without_transparency(image, kind)
            low, high = float(values.min()), float(values.max())
            if not np.isfinite([low, high]).all():
                return ImageInfo("contains NaN or infinite values")
            return ImageInfo("", True, kind.name, low, high, known_span(kind, values), frames=frames, ratio=ratio)
    except pillow().UnidentifiedImageError:
        return ImageInfo(why_unreadable(path))
    except MissingExtraError:
        raise
    except DataError as error:
        return ImageInfo(str(error))
    except Exception as error:  # decoders raise almost anything: OSError, SyntaxError, ValueError, struct.error
        return ImageInfo(f"damaged ({(str(error).splitlines() or [type(error).__name__])[0][:80]})")


def _decode_for_errors(image: Any, _: ImageInfo) -> None:
    """Decode an image at a small size, only for the errors that this raises."""
    image.draft("RGB", (32, 32))  # JPEG alone
    converted(opaque(image), "RGB").load()


def unknown_ranges_text(unknown: Sequence[tuple[str, ImageInfo]]) -> str:
    """Return the error message about files whose black and white values are unknown."""
    path, first = unknown[0]
    low, high = min(info.low for _, info in unknown), max(info.high for _, info in unknown)
    return unknown_range_text(path, first.deep, low, high, len(unknown))
