"""Folders of images, one sub-folder per class: checked at once, decoded when drawn."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice
from counterpoise.core.duplicates import twin_groups
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.records import Examples, Pictures
from counterpoise.data.image_files import files_below, labeled_files
from counterpoise.data.labels import encode_labels
from counterpoise.data.pixels import CHANNELS, Look, Range, check_sides, check_span, look, pixels, range_text
from counterpoise.data.pixels import decoder as decoder

Array = np.ndarray

logger = logging.getLogger("counterpoise")

#: Pictures that use less than this share of their range, from its black end, are nearly black to a network.
DARK = 1 / 8


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Labeled images that are decoded when they are drawn; made by `images`.

    Takes the place of `x` in `batches`: `cp.batches(folder, plan=cp.plans.oversample(folder.y))`.

    Attributes:
        paths: The files (N,), sorted within their class.
        y: int32 (N,), the class code of each file.
        classes: Names of the sub-folders, sorted.
        size: (height, width) in pixels.
        color_mode: "grayscale" or "rgb".
        range: Stored values that are black and white in files of more than 8 bits; None: those of each file's type.
        augment: What `batches` does to drawn images (see `images`).
        bad: (path, what is wrong with it) of files that were left out.
        root: The folder.
        deep: Whether some files have more than 8 bits; pixels are then float32, else uint8.
        notes: Sentences for the user about how the files are read.
    """

    paths: tuple[str, ...]
    y: Array
    classes: tuple[str, ...]
    size: tuple[int, int]
    color_mode: str
    range: Range | None = None
    augment: Any = None
    bad: tuple[tuple[str, str], ...] = ()
    root: str = ""
    deep: bool = False
    notes: tuple[str, ...] = ()
    takes_rows: bool = field(default=True, repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def counts(self) -> Array:
        """Images per class, int64 (C,)."""
        return np.bincount(self.y, minlength=len(self.classes))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, height, width, channels)."""
        return (len(self), *self.size, CHANNELS[self.color_mode])

    def take(self, rows: Array) -> Array:
        """Decoded pixels (len(rows), height, width, channels), 0 to 255: uint8, float32 where `deep`."""
        out = np.empty((len(rows), *self.shape[1:]), np.float32 if self.deep else np.uint8)
        for place, row in enumerate(rows):
            out[place] = pixels(self.paths[int(row)], self.size, self.color_mode, self.range)
        return out

    def read_as(self, pictures: Pictures) -> ImageFolder:
        """The images read as those that a model was trained on.

        Raises:
            DataError: a range was given, and the model was trained with another.
        """
        if pictures.range in (None, self.range):
            return self
        if self.range is not None:
            raise DataError(f"range is {self.range}, but the model was trained with {pictures.range}. Leave it out.")
        return replace(self, range=pictures.range)

    def load(self) -> Array:
        """All pixels, decoded by several threads (see `take`)."""
        blocks = np.array_split(np.arange(len(self)), max(1, len(self) // 64))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.concatenate(list(pool.map(self.take, blocks)))


def images(
    folder: str | os.PathLike[str],
    size: int | tuple[int, int],
    *,
    color_mode: str = "auto",
    range: Range | None = None,
    augment: Any = None,
    skip_bad: bool = False,
) -> ImageFolder:
    """List a folder of images, one sub-folder per class, and check that every file can be decoded.

    PNG, JPEG, TIFF, BMP, GIF and WebP. Pixels are 0 to 255, as in `keras.utils.image_dataset_from_directory`, whatever
    the type that a file stores: 12 and 16 bits and float from 0 to 1 are scaled from the range of their type and keep
    their levels. Transparent pixels are white, and images are turned the way their camera was held.

    Args:
        folder: The folder. Its sub-folders are the classes; images may lie deeper. Hidden files do not count.
        size: Pixels of the side, or (height, width); images are resized to it, their shape is not kept.
        color_mode: "grayscale", "rgb", or "auto": grayscale when all images are gray.
        range: (low, high), the stored values that are black and white in files of more than 8 bits, for example
            (-1000, 400); values beyond are cut off. It goes into the model's file. Needed where no type tells it:
            signed and 32-bit integers, float beyond 0..1. None: the range of each file's type.
        augment: A Keras augmentation layer or a list of them, used on every draw of every class with a fresh seed, so
            that a repeated image never looks alike; or ("repeats", layers), on repeats alone, for comparison.
        skip_bad: Leave damaged and foreign files out (they are listed in `.bad`) instead of raising.

    Raises:
        DataError: No such folder; no sub-folders, or those of a split (train, test); files that cannot be decoded: all
            of them are named at once; files whose range is not known.
        TargetError: Fewer than two classes with images.
        MissingExtraError: Pillow is not installed.

    Example:
        >>> import os, tempfile
        >>> from PIL import Image
        >>> here = tempfile.mkdtemp()
        >>> for place in ("ill/a.png", "well/a.png", "well/b.png"):
        ...     os.makedirs(os.path.dirname(os.path.join(here, place)), exist_ok=True)
        ...     Image.new("L", (8, 8)).save(os.path.join(here, place))
        >>> scans = images(here, size=4)
        >>> scans.classes, scans.counts.tolist()
        (('ill', 'well'), [1, 2])
    """
    span = check_span(range)
    found = list_images(folder, size, color_mode, span, skip_bad, augment)
    if span and not found.deep:
        raise OptionError(f"range is for images of more than 8 bits; all in {folder} have 8 or fewer. Leave it out.")
    for note in found.notes:
        logger.warning("%s", note)
    return found


def list_images(
    folder: str | os.PathLike[str],
    size: int | tuple[int, int],
    color_mode: str = "auto",
    span: Range | None = None,
    skip_bad: bool = False,
    augment: Any = None,
) -> ImageFolder:
    """As `images`, for a range that a model asks for: it may be of no use here. Logs no notes."""
    root, sides = Path(folder), check_sides(size)
    check_choice(color_mode, "color_mode", ("auto", *CHANNELS))
    paths, labels, empty = labeled_files(root)
    good, bad = _sound(paths, skip_bad, span)
    named = dict(zip(paths, labels, strict=True))
    classes = tuple(sorted({named[path] for path in good}))
    if len(classes) < 2:
        only = f"in the sub-folder {classes[0]!r} alone" if classes else "in no sub-folder"
        raise TargetError(f"{root} has images {only}; expected at least two sub-folders with images, one per class.")
    deep = any(found.deep for found in good.values())
    if color_mode == "auto":
        color_mode = "grayscale" if all(found.gray for found in good.values()) else "rgb"
    place = {label: code for code, label in enumerate(classes)}
    y = np.array([place[named[path]] for path in good], np.int32)
    notes = _notes(list(good.values()), span, empty)
    return ImageFolder(tuple(good), y, classes, sides, color_mode, span, augment, bad, str(root), deep, notes)


def read_images(
    folder: str | os.PathLike[str],
    size: int | tuple[int, int],
    *,
    color_mode: str = "auto",
    range: Range | None = None,
    positive: Any = None,
    one_vs_rest: Any = None,
    merge_rare: Sequence[Any] = (),
    skip_bad: bool = False,
) -> Examples:
    """Read a folder of images into memory as `Examples`: x (N, height, width, channels), 0 to 255 (see `images`).

    The arguments are those of `images` and, for the labels, of `read`. Raises what they raise.
    """
    found = images(folder, size, color_mode=color_mode, range=range, skip_bad=skip_bad)
    return in_memory(found, positive=positive, one_vs_rest=one_vs_rest, merge_rare=merge_rare)


def in_memory(
    found: ImageFolder, *, positive: Any = None, one_vs_rest: Any = None, merge_rare: Sequence[Any] = ()
) -> Examples:
    """The images of a folder, decoded, as `Examples` (see `read_images`).

    Images with equal pixels are one group, so that no copy is on the other side of a split.

    Raises:
        OptionError: the folder has augmentation layers: these belong to `batches`, or into the model.
    """
    if found.augment is not None:
        raise OptionError(
            "augment= works where images are drawn, in cp.batches. For fit and compare put the augmentation layers "
            "into the model, where Keras uses them in training alone."
        )
    names = pl.Series("folder", [found.classes[code] for code in found.y])
    labels = encode_labels(names, positive, one_vs_rest, merge_rare, written=True)
    loaded = found.load()
    twins = twin_groups(loaded)
    assert twins is not None
    copies = len(twins) - len(np.unique(twins))
    word = "file was" if len(found.bad) == 1 else "files were"
    notes = [f"{len(found.bad)} {word} left out: {_named(found.bad)}."] if found.bad else []
    if copies:
        notes.append(f"{copies:,} of {len(twins):,} images repeat an earlier one; copies stay on one side of a split.")
    return Examples(
        loaded, labels.codes, labels.classes, groups=twins if copies else None, twins=twins,
        source=Path(found.root).resolve().name, warnings=(*found.notes, *notes),
        pictures=Pictures(found.color_mode, found.range),
    )  # fmt: skip


def unlabeled(
    folder: str | os.PathLike[str],
    size: tuple[int, int],
    color_mode: str,
    span: Range | None = None,
    skip_bad: bool = False,
) -> tuple[tuple[str, ...], Array]:
    """Paths and pixels of all images below a folder, sub-folders or not, for prediction.

    Raises:
        DataError: No images, files that cannot be decoded, or files whose range is not known.
    """
    good, _ = _sound(files_below(Path(folder)), skip_bad, span)
    if not good:
        raise DataError(f"{folder} holds no image.")
    deep = any(found.deep for found in good.values())
    nothing = np.zeros(len(good), np.int32)
    return tuple(good), ImageFolder(tuple(good), nothing, ("",), size, color_mode, span, deep=deep).load()


def _sound(
    paths: Sequence[str], skip_bad: bool, span: Range | None
) -> tuple[dict[str, Look], tuple[tuple[str, str], ...]]:
    """What the files that are images hold, and what is wrong with the others (`DataError` if not skipped)."""
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.filterwarnings("ignore", module="PIL")  # what matters of them is in the looks
        found = list(zip(paths, pool.map(look, paths), strict=True))
    bad = tuple((path, seen.fault) for path, seen in found if seen.fault)
    if bad and not skip_bad:
        raise DataError(_bad_text(bad))
    good = {path: seen for path, seen in found if not seen.fault}
    unknown = "" if span else range_text(list(good.items()))
    if unknown:
        raise DataError(unknown)
    return good, bad


def _notes(looks: Sequence[Look], span: Range | None, empty: Sequence[str]) -> tuple[str, ...]:
    """What a user should know of how images are read."""
    notes = [f"The sub-folder {name!r} has no files and is no class." for name in empty]
    reduced, framed = sum(found.reduced for found in looks), sum(found.frames for found in looks)
    if reduced:
        notes.append(
            f"{reduced:,} of {len(looks):,} images are in color with 16 bits a channel, of which the upper 8 are read. "
            "Save them in gray with 16 bits, or scaled to 8, where the lower ones matter."
        )
    if framed:
        notes.append(f"{framed:,} of {len(looks):,} images have several frames, of which the first is read.")
    return (*notes, *_dark_note([found for found in looks if found.deep], span))


def _dark_note(deep: Sequence[Look], span: Range | None) -> tuple[str, ...]:
    """A sentence when deep images use nothing but the darkest part of their range."""
    ends = [(found, span or found.span) for found in deep]
    shares = [(found.high - end[0]) / (end[1] - end[0]) for found, end in ends if end]
    if not shares or max(shares) >= DARK:
        return ()
    low, high = min(found.low for found in deep), max(found.high for found in deep)
    black, white = ends[0][1] or (0.0, 0.0)
    return (
        f"{len(deep):,} images of more than 8 bits hold values from {low:g} to {high:g}, the darkest "
        f"{max(max(shares), 0):.1%} of their range ({black:g} to {white:g}): all are nearly black to a network. Name "
        "the values that are black and white with range=(low, high) (--range LOW HIGH).",
    )


def _bad_text(bad: Sequence[tuple[str, str]]) -> str:
    return (
        f"{len(bad)} {'file' if len(bad) == 1 else 'files'} cannot be read as images: {_named(bad)}. "
        "Repair or remove them, or leave them out with skip_bad=True (--skip-bad)."
    )


def _named(bad: Sequence[tuple[str, str]], most: int = 20) -> str:
    shown = "; ".join(f"{path}: {what}" for path, what in bad[:most])
    return shown + (f"; ... ({len(bad)} in all)" if len(bad) > most else "")
