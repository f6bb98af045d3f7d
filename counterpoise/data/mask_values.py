"""The values that mask files store, and the class that each value means.

- Gray of 8 bits and fewer, and whole numbers of more: the values are the classes. Gray in three equal channels is gray.
- A palette: its entries are the classes if any file uses a color, else the gray values that they stand for.
- A file of one bit says 0 and 1; among files of 0 and 255 it says 0 and 255.
- Files that lose information (JPEG), or whose edges were smoothed, have values between 0 and 255 that are no classes:
  they are split in the middle, if nearly all of their pixels are near the ends.

Fixed: what a value means depends on all masks together, so all are read before any becomes codes (`mask_files`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.core.element_labels import void_doubts
from counterpoise.core.errors import DataError
from counterpoise.data.mask_sizes import resized_mask
from counterpoise.data.pillow_files import opened, pillow, upright

Array = np.ndarray
PixelCounts = dict[int, int]

#: What a pixel stores that is of no class: as in labels of elements; and where `aspect="pad"` fills up.
OUTSIDE = -1
#: Values of smoothed masks lie this near to 0 and 255, but for this share of the pixels.
NEAR, BETWEEN = 32, 0.05
#: From so many values on, a mask of 0 and 255 was smoothed.
SMOOTHED = 64
#: From so many values on, a few pixels between 0 and 255 are noted, which may be smoothed edges.
STEPS = 5


@dataclass(frozen=True)
class Mask:
    """One mask: its values, and what decides which classes they mean.

    Attributes:
        values: int (height, width), its values in the size that is wanted; `OUTSIDE` beyond the image.
        counts: Value -> pixels of it in the file.
        sides: (height, width) of the file.
        colors: Of a palette, entry -> its color; else empty.
        bits: 1 for a file of one bit, else 8 or more.
        lossy: Whether the file's format changes values.
        fault: What is wrong with it; "": nothing.
    """

    values: Array
    counts: PixelCounts
    sides: tuple[int, int] = (0, 0)
    colors: tuple[tuple[int, tuple[int, ...]], ...] = ()
    bits: int = 8
    lossy: bool = False
    fault: str = ""

    @property
    def gray(self) -> bool:
        """Whether a palette has gray entries alone, as far as the file uses them."""
        return all(len(set(color)) == 1 for _, color in self.colors)


def read_mask(path: str, size: tuple[int, int], aspect: str) -> Mask:
    """Return one mask, resized to `size` by the nearest pixel.

    `aspect` is that of the images (see `images`). A file that cannot be used raises no error. Its `Mask` then has no
    values, and `fault` gives the reason.
    """
    try:
        with opened(path) as image:
            # MPO: a JPEG file of a camera; its further frames are previews or other views.
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise DataError(f"{image.n_frames} frames. Expected one class code for each pixel, in one frame")
            mode, lossy = image.mode, image.format in ("JPEG", "MPO")
            image = upright(image)
            stored = _stored_values(image, mode)
            counts = {int(v): int(n) for v, n in zip(*np.unique(stored, return_counts=True), strict=True)}
            used = _palette_colors(image, counts) if mode == "P" else ()
            values = resized_mask(stored, size, aspect, OUTSIDE)
            return Mask(values, counts, stored.shape, used, 1 if mode == "1" else 8, lossy)
    except pillow().UnidentifiedImageError:
        return _faulty_mask("not an image (expected PNG, TIFF, BMP or GIF)")
    except DataError as error:
        return _faulty_mask(str(error))
    except Exception as error:  # decoders raise almost anything
        return _faulty_mask(f"damaged ({(str(error).splitlines() or [type(error).__name__])[0][:80]})")


def _faulty_mask(fault: str) -> Mask:
    """Return a mask without values that cannot be used, and why."""
    return Mask(np.empty((0, 0), np.int32), {}, fault=fault)


def _stored_values(image: Any, mode: str) -> Array:
    """Return the values of a mask, int16 (height, width) if they fit, else int32.

    A constant alpha channel is dropped, and equal color channels become one.

    Raises:
        DataError: The channels differ, or a value is not a whole number from -1 to 2^31 - 1.
    """
    array = np.asarray(image)
    if mode in ("RGBA", "LA") and np.ptp(array[..., -1]) == 0:
        array = array[..., :-1]
    if array.ndim == 3 and all(np.array_equal(array[..., 0], array[..., k]) for k in range(1, array.shape[-1])):
        array = array[..., 0]
    if array.ndim != 2:
        raise DataError(
            f"{array.shape[-1]} channels ({mode}) with different values. Expected one class code for each "
            "pixel; save one channel of class codes, or of one gray value for each class"
        )
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and np.array_equal(array, np.rint(array))):
        raise DataError("fractions or values that are not finite. Expected whole numbers")
    low, high = float(array.min()), float(array.max())
    if low < OUTSIDE or high >= 2**31:
        raise DataError(f"values from {low:g} to {high:g}. Expected class codes of 0 or more, or -1 to be ignored")
    return array.astype(np.int16 if high < 2**15 else np.int32)


def _palette_colors(image: Any, counts: PixelCounts) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return (entry, its RGB color) for each palette entry that the file uses, which `counts` contains.

    The entries are sorted.
    """
    palette = np.asarray(image.getpalette("RGB"), np.int64).reshape(-1, 3)
    return tuple((entry, tuple(palette[entry].tolist())) for entry in sorted(counts) if entry < len(palette))


def plain_masks(
    masks: Sequence[Mask], paths: Sequence[str], ignore: Sequence[int] = ()
) -> tuple[list[Mask], list[str]]:
    """Return all masks with values converted so that equal values mean equal classes.

    For the rules, see the text of the module. Gray palettes become gray values, masks of one bit are adapted to masks
    of 0 and 255, and smoothed edges are split. `ignore` contains the values whose pixels count nowhere.

    Returns:
        The masks in the same order, and sentences for the user.

    Raises:
        DataError: The palettes give one entry two colors, a JPEG file has values that are not classes, or ignored
            values look like smoothed edges.
    """
    if any(not mask.gray for mask in masks):
        _check_palettes(masks, paths)
    else:
        masks = [_with_values_replaced(mask, {entry: color[0] for entry, color in mask.colors}) for mask in masks]
    others = {value for mask in masks if mask.bits > 1 for value in mask.counts}
    if 255 in others and 1 not in others:
        masks = [_with_values_replaced(mask, {1: 255}) if mask.bits == 1 else mask for mask in masks]
    split, notes = _split_smoothed(list(masks), paths, ignore)
    return split, [*notes, *_notes_on_odd_values(split, ignore)]


def _notes_on_odd_values(masks: Sequence[Mask], ignore: Sequence[int]) -> list[str]:
    """Return a sentence if values of masks look like one class that was written in two ways, or like smoothed edges.

    Ignored values do not count. The values stay classes, because they may be meant so.
    """
    used = [{value for value in mask.counts if value not in (OUTSIDE, *ignore)} for mask in masks]
    values = sorted(set().union(*used))
    ones, whites = (sum(value in own for own in used) for value in (1, 255))
    if ones and whites and not any({1, 255} <= own for own in used):
        return [
            f"{ones:,} masks contain the value 1, {whites:,} contain 255, and none contains both. They are read as two "
            "classes. If both mean the same class, save all masks with one of them. If 255 means no class, pass "
            "ignore=255 (--ignore 255)."
        ]
    if void := void_doubts(values):
        return void
    pixels = {value: sum(mask.counts.get(value, 0) for mask in masks) for value in values}
    between = sum(pixels[value] for value in values[1:-1]) / max(1, sum(pixels.values()))
    black_and_white = len(values) >= STEPS and (values[0], values[-1]) == (0, 255) and values[-2] > NEAR
    if not black_and_white or between > BETWEEN:
        return []
    return [
        f"The masks have {len(values)} values from 0 to 255, which are read as {len(values)} classes. Only "
        f"{between:.1%} of the pixels have values between 0 and 255. If these pixels are smoothed edges, save the "
        "masks with exact values."
    ]


def _with_values_replaced(mask: Mask, table: dict[int, int]) -> Mask:
    """Return the mask with its values replaced by a table (old -> new); other values stay.

    Counts of values that become one are added.
    """
    if all(old == new for old, new in table.items()):
        return mask
    values, counts = mask.values.copy(), dict[int, int]()
    for old, new in table.items():
        values[mask.values == old] = new
    for old, pixels in mask.counts.items():
        counts[table.get(old, old)] = counts.get(table.get(old, old), 0) + pixels
    return replace(mask, values=values, counts=counts)


def _check_palettes(masks: Sequence[Mask], paths: Sequence[str]) -> None:
    """Raise a `DataError` if a palette entry has different colors in two masks."""
    known: dict[int, tuple[tuple[int, ...], str]] = {}
    for mask, path in zip(masks, paths, strict=True):
        for entry, color in mask.colors:
            before, first = known.setdefault(entry, (color, path))
            if before != color:
                raise DataError(
                    f"Entry {entry} of the palette is {before} in {first}, but {color} in {path}. Expected the same "
                    f"palette in all masks. Save the masks as gray images of class codes."
                )


def _split_smoothed(masks: list[Mask], paths: Sequence[str], ignore: Sequence[int]) -> tuple[list[Mask], list[str]]:
    """Return masks of 0 and 255 with their smoothed edges split in the middle, and a sentence for the user.

    Values above 127 become 255, and others 0. Masks with exact values are returned unchanged, without a sentence.

    Raises:
        DataError: A JPEG file has values that cannot be split, because too many are not near 0 or 255. Or values of
            `ignore` would be split.
    """
    total: PixelCounts = {}
    for mask in masks:
        for value, pixels in mask.counts.items():
            total[value] = total.get(value, 0) + pixels
    lossy = [path for mask, path in zip(masks, paths, strict=True) if mask.lossy and not set(mask.counts) <= {0, 255}]
    if not lossy and len(total) < SMOOTHED:
        return masks, []
    between = sum(pixels for value, pixels in total.items() if NEAR < value < 255 - NEAR)
    black_and_white = min(total) >= 0 and 255 - NEAR <= max(total) <= 255
    if black_and_white and between <= BETWEEN * sum(total.values()):
        if lost := [value for value in ignore if value in total and value not in (0, 255)]:
            raise DataError(
                f"ignore= contains {lost[0]}, but the masks have {len(total)} values from {min(total)} to "
                f"{max(total)}. Ignored pixels cannot be distinguished from smoothed edges or JPEG compression. Save "
                "the masks as PNG with exact values, or remove ignore=."
            )
        split = [_with_values_replaced(mask, {value: 255 * (value > 127) for value in mask.counts}) for mask in masks]
        return split, [
            f"The masks have {len(total)} values from {min(total)} to {max(total)}, probably from JPEG compression "
            f"or smoothed edges. Values above 127 are read as 255, other values as 0. Save masks as PNG for exact "
            f"edges."
        ]
    if lossy:
        raise DataError(
            f"{Path(lossy[0]).name} is a JPEG file. JPEG changes pixel values, so the masks contain "
            f"{len(total)} values. Expected one value for each class. Export the original masks as PNG."
        )
    return masks, []
