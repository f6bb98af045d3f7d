"""Files that Pillow opens: which formats, how large, turned upright, without transparency.

What every reader of images and masks has in common. Fixed: networks in model files were trained on pixels that were
turned and made opaque so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from counterpoise.core.errors import DataError
from counterpoise.core.lazy import needed

#: The only formats that are opened. Pillow opens more, some of which run programs (EPS runs Ghostscript).
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
#: Endings of volumes, which are no images.
VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".mgz", ".mnc")
#: Pixels of one image; more are refused before they are decoded.
MOST_PIXELS = 100_000_000
#: What transparent pixels show: white, as in a viewer.
BACKGROUND = 255
#: TIFF tags.
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 0x0112


def pillow() -> Any:
    """Return the module `PIL.Image`; raise a MissingExtraError if Pillow is not installed."""
    return needed("PIL.Image", "images", "Reading images", "pillow")


@contextmanager
def opened(path: Any) -> Iterator[Any]:
    """Open a file of one of our formats, and yield the image, which is not decoded yet.

    Raises:
        DataError: The image has too many pixels.
    """
    # Opened here: Pillow maps a file that it opens itself, and then mixes up the rows of a TIFF that is to be turned.
    with open(path, "rb") as file, pillow().open(file, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(f"too large ({image.width:,} x {image.height:,}; at most {MOST_PIXELS:,} pixels)")
        yield image


def why_unreadable(path: str) -> str:
    """Return what a file is that Pillow cannot open, and what to do, as the end of a message."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "a TIFF whose pixels are of a type that cannot be read (save it as float32, or with 8 or 16 bits)"
    if path.lower().endswith(VOLUMES):
        return "a three-dimensional volume, which is not supported (save each slice as an image)"
    return "not an image (expected PNG, JPEG, TIFF, BMP, GIF, WebP or DICOM)"


def has_orientation(image: Any) -> bool:
    """Return whether a tag of an opened image, which is not decoded yet, rotates or mirrors it."""
    return image.getexif().get(_ORIENTATION, 1) in range(2, 9)


def upright(image: Any) -> Any:
    """Return an image decoded and turned upright; an upright image is returned itself, not a copy."""
    image.load()  # here Pillow turns a TIFF, and forgets its tag
    if image.getexif().get(_ORIENTATION, 1) == 1:
        return image  # not a copy
    import PIL.ImageOps

    return PIL.ImageOps.exif_transpose(image)


def converted(image: Any, mode: str) -> Any:
    """Return an image in a mode of Pillow; the image itself if it has this mode."""
    return image if image.mode == mode else image.convert(mode)


def tiff_tag(image: Any, number: int, default: int) -> int:
    """Return the largest value of a TIFF tag; `default` without it or in other formats."""
    value = getattr(image, "tag_v2", {}).get(number, default)
    return int(max(value) if isinstance(value, tuple) else value)


def aspect_ratio(image: Any) -> float:
    """Return width over height of the upright image, before or after it is decoded."""
    width, height = (
        tiff_tag(image, _WIDTH, image.width),
        tiff_tag(image, _HEIGHT, image.height),
    )  # Pillow turns those of TIFF
    turned = image.getexif().get(_ORIENTATION, 1) >= 5
    return height / width if turned else width / height


def sides(image: Any) -> tuple[int, int]:
    """Return height and width of the upright image, before or after it is decoded."""
    low, high = sorted((image.width, image.height))
    return (low, high) if aspect_ratio(image) >= 1 else (high, low)


def is_gray(image: Any) -> bool:
    """Return whether an opened image has no colors, by its mode."""
    return image.mode in ("1", "L", "LA", "La") or (image.mode == "RGBA" and "LA;16" in str(image.tile))


def is_reduced(image: Any) -> bool:
    """Return whether a picture in color has 16 bits a channel, of which Pillow reads the upper 8."""
    return image.mode not in ("1", "L", "P") and ";16" in str(image.tile)


def opaque(image: Any) -> Any:
    """Return an image of 8 bits without transparency, in front of a white background.

    An image that has no transparency is returned itself; any other becomes RGB.
    """
    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return image
    if image.mode == "La":
        image = image.convert("LA")
    layered = image.convert("RGBA")
    flat = pillow().new("RGB", layered.size, (BACKGROUND,) * 3)
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat
