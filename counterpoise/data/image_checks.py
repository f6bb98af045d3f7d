"""Files of images, all checked before any is used: faults, ranges, and notes for the user.

`images` decides by these checks which files are rows, and whether black and white are learned; the notes come last.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

from counterpoise.core.errors import DataError
from counterpoise.core.examples import Pictures
from counterpoise.data.decoded import CHUNK
from counterpoise.data.image_info import ImageInfo, image_info, unknown_ranges_text
from counterpoise.data.image_set import bad_files_text
from counterpoise.data.kept_pixels import KeptPixels
from counterpoise.data.pixel_types import Range

#: Pictures that use less than this share of their range, from its black end, are nearly black to a network.
DARK = 1 / 8
#: Images whose sides have another ratio, by this factor, have another shape.
OTHER_SHAPE = 1.2


def sound_files(
    paths: Sequence[str], skip_bad: bool, span: Range | None, kept: KeptPixels | None
) -> tuple[dict[str, ImageInfo], tuple[tuple[str, str], ...]]:
    """Return path -> facts of the files that can be decoded, and (path, fault) of the others.

    Each file is decoded once, in the order of the paths. `span` is the range that the user set; without it, that of
    each file is read too. `kept` caches pixels: a file that it contains is not decoded again.

    Raises:
        DataError: Some files have a fault, and `skip_bad` is not set.
    """

    def info_of(row: int) -> ImageInfo:
        """Return the facts about one file, from the cache if it is there."""
        if kept is None:
            return image_info(paths[row], span is None)
        return kept.info_of(row) or image_info(paths[row], span is None, partial(kept.keep, row))

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.filterwarnings("ignore", module="PIL")  # what matters of them is in `ImageInfo`
        rows = range(len(paths))
        chunks = pool.map(lambda start: [info_of(row) for row in rows[start : start + CHUNK]], rows[::CHUNK])
        infos = list(zip(paths, chain.from_iterable(chunks), strict=True))
    bad = tuple((path, info.fault) for path, info in infos if info.fault)
    if bad and not skip_bad:
        raise DataError(_bad_files_error(bad))
    return {path: info for path, info in infos if not info.fault}, bad


def learns_range(good: Mapping[str, ImageInfo], span: Range | None, wanted: bool | None) -> bool:
    """Return whether black and white have to be learned, because no file and no user defines them.

    `span` is the range that the user set. `wanted` is what a trained model needs: True to learn, False not to; None
    leaves it to the files.

    Raises:
        DataError: some files define them and others do not, or the model needs the other kind.
    """
    if span is not None:
        return False
    unknown = [(path, info) for path, info in good.items() if info.deep and info.span is None]
    # Floats from 0 to 1 among others are of one kind with them.
    known = [path for path, info in good.items() if not info.deep or (info.span and info.deep != "float")]
    if wanted or (wanted is None and unknown):
        if known:
            count = len(good) - len(known)
            learned = "the model learned the two values from its training images"
            others = f"{count:,} other file{'s' * (count > 1)} have types without these values" if unknown else learned
            raise DataError(
                f"The file type of {known[0]} defines the values of black and white ({len(known):,} such "
                f"file{'s' * (len(known) > 1)}), but {others}. Expected files of one type. Set the two values "
                "with range=(low, high) (--range LOW HIGH), or pass only files of one type."
            )
        return True
    if unknown:
        raise DataError(unknown_ranges_text(unknown))
    return False


def image_notes(infos: Sequence[ImageInfo], form: Pictures, size: tuple[int, int]) -> tuple[str, ...]:
    """Return sentences for the user on how images are read.

    They are about aspect, learned black and white, reduced bits, several frames, and nearly black images. `form` is how
    images are read, and `size` is (height, width).
    """
    notes = [*_aspect_note(infos, form.aspect, size)]
    deep = [info for info in infos if info.deep]
    if form.learned:
        low, high = min(info.low for info in deep), max(info.high for info in deep)
        notes.append(
            f"The files contain values from {low:g} to {high:g}, but do not define the values of black and white. "
            "Counterpoise uses the 0.5th and 99.5th percentiles of the training images as black and white, "
            "and saves both values in the model file. Set other values with range=(low, high) (--range LOW "
            "HIGH)."
        )
    reduced, framed = sum(info.reduced for info in infos), sum(info.frames for info in infos)
    if reduced:
        notes.append(
            f"{reduced:,} of {len(infos):,} images are in color with 16 bits per channel. Only the upper 8 bits are "
            f"read. If the lower bits matter, save the images as 16-bit gray, or scaled to 8 bits."
        )
    if framed:
        notes.append(
            f"{framed:,} of {len(infos):,} images have several frames. Only the first frame is read. Save "
            f"other frames as separate files."
        )
    return (*notes, *_dark_note(deep, form.range))


def _aspect_note(infos: Sequence[ImageInfo], aspect: str, size: tuple[int, int]) -> tuple[str, ...]:
    """Return a sentence if images of another shape than `size` are stretched, or ().

    `size` is (height, width).
    """
    wanted = size[1] / size[0]
    other = sum(abs(math.log(info.ratio / wanted)) > math.log(OTHER_SHAPE) for info in infos)
    if aspect != "stretch" or not other:
        return ()
    return (
        f"{other:,} of {len(infos):,} images have another shape than {size[0]} x {size[1]}, so they are "
        'stretched. To keep their proportions, pass aspect="crop" or aspect="pad".',
    )


def _dark_note(deep: Sequence[ImageInfo], span: Range | None) -> tuple[str, ...]:
    """Return a sentence if deep images use only the darkest part of their range, or ().

    Deep images have more than 8 bits. Their range is `span`, or that of each file. `DARK` is the largest part that
    counts as dark.
    """
    ends = [(info, span or info.span) for info in deep]
    shares = [(info.high - end[0]) / (end[1] - end[0]) for info, end in ends if end]
    if not shares or max(shares) >= DARK:
        return ()
    low, high = min(info.low for info in deep), max(info.high for info in deep)
    black, white = next(end for _, end in ends if end)
    return (
        f"{len(deep):,} images of more than 8 bits contain values from {low:g} to {high:g}. These are the "
        f"darkest {max(max(shares), 0):.1%} of their range ({black:g} to {white:g}), so a network sees nearly "
        "black images. Set the values of black and white with range=(low, high) (--range LOW HIGH).",
    )


def _bad_files_error(bad: Sequence[tuple[str, str]]) -> str:
    """Return the error message for files with a fault, given as (path, fault) pairs."""
    return (
        f"{len(bad)} {'file' if len(bad) == 1 else 'files'} cannot be read as images: {bad_files_text(bad)}. "
        "Repair or remove them, or leave them out with skip_bad=True (--skip-bad)."
    )
