"""One picture file -> pixels from 0 to 255, whatever the type that the file stores them in.

Types of 8 bits and fewer become bytes. Deeper ones become float32 and keep their levels: their range is that of the
type (12 and 16 bits; float from 0 to 1), or one that the caller names. A type whose range nobody knows is refused.
Transparent pixels show `BACKGROUND`, never the colors that hide behind them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from counterpoise.core.checks import check_choice, check_int, check_range
from counterpoise.core.errors import DataError, MissingExtraError, OptionError
from counterpoise.core.lazy import needed
from counterpoise.data import dicom

Array = np.ndarray
Range = tuple[float, float]

#: Channels by color mode, named as in Keras.
CHANNELS = {"grayscale": 1, "rgb": 3}
#: The only formats that are opened. Pillow knows more, some of which run programs (EPS runs Ghostscript).
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
#: How pictures of another shape than is asked for are brought to it.
ASPECTS = ("stretch", "crop", "pad")
#: Endings of volumes, which are no pictures.
VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".mgz", ".mnc")
#: Pixels of one picture; more are refused before they are decoded.
MOST_PIXELS = 100_000_000
#: What transparent pixels show: white, as in a viewer.
BACKGROUND = 255
#: TIFF tags.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _WHITE_IS_ZERO = 256, 257, 258, 262, 339, 0


@dataclass(frozen=True)
class PixelType:
    """What a picture of more than 8 bits stores.

    Attributes:
        name: In words.
        span: The values that are black and white; None: no type tells, the caller has to.
        view: The type that the stored bits are, where Pillow reads them as another; "".
        inverted: Whether the lowest value is white.
    """

    name: str
    span: Range | None = None
    view: str = ""
    inverted: bool = False


@dataclass(frozen=True)
class Look:
    """What a file holds.

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


def check_sides(size: Any) -> tuple[int, int]:
    """(height, width) of `size`, which is pixels of the side or both of them.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise OptionError(f"size is {size!r}; expected pixels, or (height, width).")
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
        raise OptionError(f"range is ({low:g}, {high:g}), whose low is not below its high; {expected}.")
    return low, high


def decoder(
    size: int | tuple[int, int], color_mode: str = "rgb", range: Range | None = None, aspect: str = "stretch"
) -> Callable[[Any], Array]:
    """A function from the path of an image to its pixels, float32 (height, width, channels), 0 to 255.

    For lists of paths: `batches(paths, y, plan, load=decoder(64))`. The arguments are those of `images`.
    """
    sides, color_mode = check_sides(size), check_choice(color_mode, "color_mode", CHANNELS)
    how = {"color_mode": color_mode, "span": check_span(range), "aspect": check_choice(aspect, "aspect", ASPECTS)}
    return partial(_float_pixels, size=sides, **how)


def _float_pixels(path: Any, **how: Any) -> Array:
    return pixels(path, **how).astype(np.float32)


def pixels(
    path: Any, size: tuple[int, int], color_mode: str, span: Range | None = None, aspect: str = "stretch",
    stored: bool = False,
) -> Array:  # fmt: skip
    """Pixels (height, width, channels) of one file, turned the way its camera was held.

    uint8 of a file of 8 bits and fewer, else float32; both from 0 to 255. `span` holds for the latter alone. With
    `stored` float32 of any range: the values of the file, for who learns from them what is black and white.

    Raises:
        DataError: the file stores values whose range is not known, and `span` does not name it; or it has 8 bits, and
            the values of deeper files are asked for.
    """
    mode = "RGB" if color_mode == "rgb" else "L"
    picture = _picture(path, mode, size, windowed=span is None and not stored)
    if picture.kind is None:
        if stored:
            raise DataError(
                f"{path} has 8 bits, but the model learned what is black and white from files of more. Give images of "
                "the kind that it was trained on."
            )
        image = picture.image.convert(mode)
    elif stored:
        image = _pillow().fromarray((-picture.values if picture.kind.inverted else picture.values).astype(np.float32))
    else:
        known = span or _known_span(picture.kind, picture.values)
        if known is None:
            ends = float(picture.values.min()), float(picture.values.max())
            raise DataError(unknown_text(str(path), picture.kind.name, *ends))
        image = _pillow().fromarray(_scaled(picture.values, known, picture.kind.inverted))
    black = float(picture.values.min()) if stored else 0
    array = np.asarray(_fitted(image, size, aspect, black)).reshape(*size, -1)
    return np.repeat(array, CHANNELS[color_mode], axis=2) if array.shape[2] == 1 else array


class Picture(NamedTuple):
    """A picture that was decoded: an image of 8 bits, or values and their type."""

    image: Any = None
    values: Any = None
    kind: PixelType | None = None


def _picture(path: Any, mode: str, size: tuple[int, int], windowed: bool) -> Picture:
    if dicom.is_dicom(path):
        found = dicom.read(path, windowed)
        if found.color:
            return Picture(image=_pillow().fromarray(found.values))
        return Picture(values=found.values, kind=PixelType("DICOM", found.span, inverted=found.inverted))
    with _opened(path) as opened:
        kind = _pixel_type(opened)
        if kind is None:
            opened.draft(mode, (max(size), max(size)))
            return Picture(image=_opaque(_upright(opened)))
        return Picture(values=_stored(_upright(opened), kind), kind=kind)


def _fitted(image: Any, size: tuple[int, int], aspect: str, black: float) -> Any:
    """The image in this size (height, width): stretched, or cut or padded with black so that its shape stays."""
    pillow, (height, width) = _pillow(), size
    if image.size == (width, height):
        return image
    how, box, inner = pillow.Resampling.BILINEAR, None, (width, height)
    scale = (max if aspect == "crop" else min)(width / image.width, height / image.height)
    if aspect == "crop":
        w, h = width / scale, height / scale
        left, top = (image.width - w) / 2, (image.height - h) / 2
        box = (left, top, left + w, top + h)
    elif aspect == "pad":
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(inner, how, box=box, reducing_gap=2.0)
    if inner == (width, height):
        return small
    whole = pillow.new(small.mode, (width, height), black)
    whole.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return whole


def look(path: str, windowed: bool = True) -> Look:
    """What a file holds. It is decoded: small where the format can, for a cut file shows nevertheless."""
    try:
        if not os.path.getsize(path):
            return Look("empty")
        if dicom.is_dicom(path):
            found = dicom.read(path, windowed)
            height, width = found.values.shape[:2]
            if found.color:
                return Look(ratio=width / height)
            ends = float(found.values.min()), float(found.values.max())
            return Look("", True, "DICOM", *ends, found.span, ratio=width / height)
        with _opened(path) as image:
            frames = image.format != "MPO" and bool(getattr(image, "is_animated", False))
            kind, gray, reduced = _pixel_type(image), _is_gray(image), _is_reduced(image)
            ratio = _ratio(image)  # last: the rotation of a PNG is read by decoding it, which forgets its type
            if kind is None:
                image.draft("RGB", (32, 32))  # JPEG alone: an eighth of the work
                _opaque(image).convert("RGB")
                return Look(gray=gray, reduced=reduced, frames=frames, ratio=ratio)
            values = _stored(image, kind)
            low, high = float(values.min()), float(values.max())
            if not np.isfinite([low, high]).all():
                return Look("holds NaN or infinite values")
            return Look("", True, kind.name, low, high, _known_span(kind, values), frames=frames, ratio=ratio)
    except _pillow().UnidentifiedImageError:
        return Look(_unidentified(path))
    except MissingExtraError:
        raise
    except DataError as error:
        return Look(str(error))
    except Exception as error:  # decoders raise almost anything: OSError, SyntaxError, ValueError, struct.error
        return Look(f"damaged ({(str(error).splitlines() or [type(error).__name__])[0][:80]})")


def _ratio(image: Any) -> float:
    """Width over height, as the camera was held."""
    width, height = _tag(image, _WIDTH, image.width), _tag(image, _HEIGHT, image.height)  # Pillow turns those of TIFF
    turned = image.getexif().get(0x0112, 1) >= 5
    return height / width if turned else width / height


def range_text(unknown: Sequence[tuple[str, Look]]) -> str:
    """What to say of files whose range is not known."""
    path, first = unknown[0]
    low, high = min(found.low for _, found in unknown), max(found.high for _, found in unknown)
    return unknown_text(path, first.deep, low, high, len(unknown))


def unknown_text(path: str, kind: str, low: float, high: float, files: int = 1) -> str:
    others = f" and {files - 1:,} more" if files > 1 else ""
    return (
        f"{path}{others}: {kind} pixels from {low:g} to {high:g}, and nothing in the file tells which values are black "
        "and white. Expected 8, 12 or 16 bits without sign, or float from 0 to 1; otherwise name the two values with "
        f"range=(low, high) (--range LOW HIGH), for example those of the scanner."
    )


def _pillow() -> Any:
    return needed("PIL.Image", "images", "Reading images", "pillow")


@contextmanager
def _opened(path: Any) -> Iterator[Any]:
    """A file of one of our formats, not decoded yet and not too large."""
    # Opened here: Pillow maps a file that it opens itself, and then mixes up the rows of a TIFF that is to be turned.
    with open(path, "rb") as file, _pillow().open(file, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(f"too large ({image.width:,} x {image.height:,}; at most {MOST_PIXELS:,} pixels)")
        yield image


def _unidentified(path: str) -> str:
    with open(path, "rb") as file:
        start = file.read(4)
    if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "a TIFF whose pixels are of a type that cannot be read (save it as float32, or with 8 or 16 bits)"
    if path.lower().endswith(VOLUMES):
        return "a volume in three dimensions, which is not read (save its slices as images, a file each)"
    return "not an image (expected PNG, JPEG, TIFF, BMP, GIF, WebP or DICOM)"


def _upright(image: Any) -> Any:
    import PIL.ImageOps

    return PIL.ImageOps.exif_transpose(image)


def _tag(image: Any, number: int, default: int) -> int:
    """The largest value of a TIFF tag; the default for other formats."""
    value = getattr(image, "tag_v2", {}).get(number, default)
    return int(max(value) if isinstance(value, tuple) else value)


def _pixel_type(image: Any) -> PixelType | None:
    """The type of a picture of more than 8 bits, or with a sign; None: of 8 bits and fewer, or read as such."""
    inverted = _tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    signed = _tag(image, _SAMPLE_FORMAT, 1) == 2
    if image.mode == "F":
        return PixelType("float", inverted=inverted)
    if image.mode == "L" and signed:
        return PixelType("8-bit signed", view="int8")
    if image.mode == "I" and image.format == "TIFF":
        bits = _tag(image, _BITS, 32)
        return PixelType(f"{bits}-bit signed") if signed else PixelType(f"{bits}-bit", view="uint32", inverted=inverted)
    if image.mode.startswith("I"):
        bits = _tag(image, _BITS, 16)
        return PixelType(f"{bits}-bit", (0.0, 2.0**bits - 1), inverted=inverted)
    return None


def _is_gray(image: Any) -> bool:
    return image.mode in ("1", "L", "LA", "La") or (image.mode == "RGBA" and "LA;16" in str(image.tile))


def _is_reduced(image: Any) -> bool:
    """Whether a picture in color has 16 bits a channel, of which Pillow reads the upper 8."""
    return image.mode not in ("1", "L", "P") and ";16" in str(image.tile)


def _stored(image: Any, kind: PixelType) -> Array:
    """The stored values, float64 (height, width); a value that a PNG calls transparent is the background."""
    array = np.asarray(image)
    values = (array.view(kind.view) if kind.view else array).astype(np.float64)
    clear = image.info.get("transparency")
    if isinstance(clear, int) and kind.span is not None:
        values[values == clear] = kind.span[1]
    return values


def _known_span(kind: PixelType, values: Array) -> Range | None:
    if kind.name == "float" and values.min() >= 0.0 and values.max() <= 1.0:
        return 0.0, 1.0
    return kind.span


def _scaled(values: Array, span: Range, inverted: bool) -> Array:
    """Values of the span as 0 .. 255, float32; what lies beyond it is cut off."""
    share = np.clip((values - span[0]) / (span[1] - span[0]), 0.0, 1.0)
    return (255.0 * (1.0 - share if inverted else share)).astype(np.float32)


def _opaque(image: Any) -> Any:
    """A picture of 8 bits without transparency: what lies behind is the background."""
    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return image
    if image.mode == "La":
        image = image.convert("LA")
    layered = image.convert("RGBA")
    flat = _pillow().new("RGB", layered.size, (BACKGROUND,) * 3)
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat
