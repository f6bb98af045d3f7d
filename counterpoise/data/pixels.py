"""From one image file of any type to pixels from 0 to 255.

Types of 8 bits and fewer become bytes. Deeper ones become float32 and keep their levels: their range is that of the
type (12 and 16 bits; float from 0 to 1), or one that the caller names. A type whose range nobody knows is refused.
Transparent pixels show white, never the colors that hide behind them.

Fixed: training and prediction get the same pixels of a file, kept or decoded again. Networks in model files were
trained on them; for other ones `kept_pixels.VERSION` rises too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import DataError
from counterpoise.data import dicom
from counterpoise.data.image_form import ASPECTS, CHANNELS, check_sides, check_span
from counterpoise.data.pillow_files import converted, opaque, opened, pillow, upright
from counterpoise.data.pixel_types import (
    PixelType,
    Range,
    known_span,
    pixel_type,
    scaled,
    unknown_range_text,
    values_without_transparency,
)

Array = np.ndarray


def decoder(
    size: int | tuple[int, int], color_mode: str = "rgb", range: Range | None = None, aspect: str = "stretch"
) -> Callable[[Any], Array]:
    """Return a function that reads an image as float32 (height, width, channels), 0 to 255.

    Use it for lists of paths: `batches(paths, y, plan, load=decoder(64))`. The arguments are the same as in `images`.
    """
    sides, color_mode = check_sides(size), check_choice(color_mode, "color_mode", CHANNELS)
    how = {"color_mode": color_mode, "span": check_span(range), "aspect": check_choice(aspect, "aspect", ASPECTS)}
    return partial(_float_pixels, size=sides, **how)


def _float_pixels(path: Any, **how: Any) -> Array:
    """Return the pixels of one file as float32 (see `pixels`)."""
    return pixels(path, **how).astype(np.float32)


def pixels(
    path: Any, size: tuple[int, int], color_mode: str, span: Range | None = None, aspect: str = "stretch",
    stored: bool = False,
) -> Array:  # fmt: skip
    """Return the pixels of one file (height, width, channels), turned the way its camera was held.

    A file of 8 bits and fewer gives uint8, a deeper one float32, both from 0 to 255. `span` is the range of stored
    values of deeper files that become 0 and 255; None: that of the type. With `stored` the result is float32 with the
    values of the file, not scaled, for a caller that learns from them what is black and white.

    Raises:
        DataError: the file stores values whose range is not known, and `span` does not name it; or it has 8 bits, and
            the values of deeper files are asked for.
    """
    decoded = _decode_file(path, _pillow_mode(color_mode), size, windowed=span is None and not stored)
    if decoded.kind is None:
        if stored:
            raise DataError(
                f"{path} has 8 bits, but the model learned black and white from files with more bits. Pass files of "
                "the same type."
            )
        return _pixels_in_size(converted(decoded.image, _pillow_mode(color_mode)), size, color_mode, aspect)
    black = 0.0  # the value of bars of `aspect="pad"`: 0 of scaled pixels, or the least value of the file
    if stored:
        values = decoded.values.astype(np.float32)
        values = -values if decoded.kind.inverted else values
        image, black = pillow().fromarray(values), float(values.min())
    else:
        known = span or known_span(decoded.kind, decoded.values)
        if known is None:
            ends = float(decoded.values.min()), float(decoded.values.max())
            raise DataError(unknown_range_text(str(path), decoded.kind.name, *ends))
        image = pillow().fromarray(scaled(decoded.values, known, decoded.kind.inverted))
    return _pixels_in_size(image, size, color_mode, aspect, black)


def byte_pixels(image: Any, size: tuple[int, int], color_mode: str, aspect: str) -> Array:
    """Return the pixels of an opened file of 8 bits and fewer: the same uint8 as `pixels` of its path."""
    image = _decode_8_bits(image, _pillow_mode(color_mode), size)
    return _pixels_in_size(converted(image, _pillow_mode(color_mode)), size, color_mode, aspect)


class DecodedImage(NamedTuple):
    """An image that was decoded: `image` of 8 bits, or `values` with their type `kind`.

    Values have the shape (height, width).
    """

    image: Any = None
    values: Any = None
    kind: PixelType | None = None


def _decode_file(path: Any, mode: str, size: tuple[int, int], windowed: bool) -> DecodedImage:
    """Return an image file decoded and upright: an image of 8 bits and fewer, or values of more.

    `windowed` applies the window of a DICOM file. `mode` and `size` (height, width) serve the decoding of JPEG.
    """
    if dicom.is_dicom(path):
        scan = dicom.read(path, windowed)
        if scan.color:
            return DecodedImage(image=pillow().fromarray(scan.values))
        return DecodedImage(values=scan.values, kind=PixelType("DICOM", scan.span, inverted=scan.inverted))
    with opened(path) as image:
        kind = pixel_type(image)
        if kind is None:
            return DecodedImage(image=_decode_8_bits(image, mode, size))
        return DecodedImage(values=values_without_transparency(upright(image), kind), kind=kind)


def _decode_8_bits(image: Any, mode: str, size: tuple[int, int]) -> Any:
    """Return a file of 8 bits and fewer, decoded and upright, without transparency.

    A JPEG file is decoded at 1/2, 1/4 or 1/8 of its sides where that is no smaller than `size`: each of its blocks of
    8 x 8 pixels becomes the mean of its parts, by a smaller cosine transform.
    """
    image.draft(mode, (max(size), max(size)))  # changes the image itself, and only if it is a JPEG file
    return opaque(upright(image))


def _pillow_mode(color_mode: str) -> str:
    """Return Pillow's name of a color mode: "RGB", or "L" for gray."""
    return "RGB" if color_mode == "rgb" else "L"


def _pixels_in_size(image: Any, size: tuple[int, int], color_mode: str, aspect: str, black: float = 0) -> Array:
    """Return the pixels (height, width, channels) of an image in this size; gray is repeated for each channel.

    `black` is the value of bars that `aspect="pad"` adds.
    """
    array = np.asarray(_resized(image, size, aspect, black)).reshape(*size, -1)
    return np.repeat(array, CHANNELS[color_mode], axis=2) if array.shape[2] == 1 else array


def _resized(image: Any, size: tuple[int, int], aspect: str, black: float) -> Any:
    """Return the image in this size (height, width), by what `aspect` says.

    "stretch" changes its shape. "crop" cuts what is too long, and "pad" adds bars of value `black`, both in the middle.
    Masks are resized to the same places (`mask_sizes.windows`).
    """
    height, width = size
    if image.size == (width, height):
        return image
    box, inner = None, (width, height)  # the part that is used, and the size (width, height) that it gets
    scale = (max if aspect == "crop" else min)(width / image.width, height / image.height)
    if aspect == "crop":
        w, h = width / scale, height / scale
        left, top = (image.width - w) / 2, (image.height - h) / 2
        box = (left, top, left + w, top + h)
    elif aspect == "pad":
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(inner, pillow().Resampling.BILINEAR, box=box, reducing_gap=2.0)
    if inner == (width, height):
        return small
    whole = pillow().new(small.mode, (width, height), black)
    whole.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return whole
