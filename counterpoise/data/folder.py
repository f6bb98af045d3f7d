"""Folders of images, one sub-folder per class: checked at once, decoded when drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice, check_int
from counterpoise.core.duplicates import twin_groups
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.lazy import needed
from counterpoise.core.records import Examples
from counterpoise.data.labels import encode_labels

Array = np.ndarray

#: Pixel channels by name.
CHANNELS = {"gray": 1, "rgb": 3}


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Labeled images that are decoded when they are drawn; made by `images`.

    Takes the place of `x` in `batches`: `cp.batches(folder, plan=cp.plans.oversample(folder.y))`.

    Attributes:
        paths: The files (N,), sorted within their class.
        y: int32 (N,), the class code of each file.
        classes: Names of the sub-folders, sorted.
        size: (height, width) in pixels.
        color: "gray" or "rgb".
        augment: What `batches` does to drawn images (see `images`).
        bad: (path, what is wrong with it) of files that were left out.
        root: The folder.
    """

    paths: tuple[str, ...]
    y: Array
    classes: tuple[str, ...]
    size: tuple[int, int]
    color: str
    augment: Any = None
    bad: tuple[tuple[str, str], ...] = ()
    root: str = ""
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
        return (len(self), *self.size, CHANNELS[self.color])

    def take(self, rows: Array) -> Array:
        """Decoded pixels of these images, uint8 (len(rows), height, width, channels), 0 to 255."""
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place, row in enumerate(rows):
            out[place] = _pixels(self.paths[int(row)], self.size, self.color)
        return out

    def load(self) -> Array:
        """All pixels, decoded by several threads: uint8 (N, height, width, channels)."""
        blocks = np.array_split(np.arange(len(self)), max(1, len(self) // 64))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.concatenate(list(pool.map(self.take, blocks)))


def images(
    folder: str | os.PathLike[str],
    size: int | tuple[int, int],
    *,
    color: str = "auto",
    augment: Any = None,
    skip_bad: bool = False,
) -> ImageFolder:
    """List a folder of images, one sub-folder per class, and check that every file can be decoded.

    Args:
        folder: The folder. Its sub-folders are the classes; images may lie deeper. Hidden files do not count.
        size: Pixels of the side, or (height, width); images are resized to it, their shape is not kept.
        color: "gray", "rgb", or "auto": gray when all images are gray.
        augment: A Keras augmentation layer or a list of them, used on every draw of every class with a fresh seed, so
            that a repeated image never looks alike; or ("repeats", layers), on repeats alone, for comparison.
        skip_bad: Leave damaged and foreign files out (they are listed in `.bad`) instead of raising.

    Raises:
        DataError: No such folder, no sub-folders, or files that cannot be decoded: all of them are named at once.
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
    root = Path(folder)
    paths, labels = _listed(root)
    good, modes, bad = _sound(paths, skip_bad)
    named = dict(zip(paths, labels, strict=True))
    classes = tuple(sorted({named[path] for path in good}))
    if len(classes) < 2:
        only = f"in the sub-folder {classes[0]!r} alone" if classes else "in no sub-folder"
        raise TargetError(f"{root} has images {only}; expected at least two sub-folders with images, one per class.")
    if check_choice(color, "color", ("auto", *CHANNELS)) == "auto":
        color = "gray" if modes <= {"1", "L", "I;16", "I"} else "rgb"
    place = {label: code for code, label in enumerate(classes)}
    y = np.array([place[named[path]] for path in good], np.int32)
    return ImageFolder(good, y, classes, _sides(size), color, augment, bad, str(root))


def read_images(
    folder: str | os.PathLike[str],
    size: int | tuple[int, int],
    *,
    color: str = "auto",
    positive: Any = None,
    one_vs_rest: Any = None,
    merge_rare: Sequence[Any] = (),
    skip_bad: bool = False,
) -> Examples:
    """Read a folder of images into memory as `Examples`: x uint8 (N, height, width, channels), 0 to 255.

    The arguments are those of `images` and, for the labels, of `read`. Raises what they raise.
    """
    found = images(folder, size, color=color, skip_bad=skip_bad)
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
    pixels = found.load()
    twins = twin_groups(pixels)
    assert twins is not None
    copies = len(twins) - len(np.unique(twins))
    word = "file was" if len(found.bad) == 1 else "files were"
    notes = [f"{len(found.bad)} {word} left out: {_named(found.bad)}."] if found.bad else []
    if copies:
        notes.append(f"{copies:,} of {len(twins):,} images repeat an earlier one; copies stay on one side of a split.")
    return Examples(
        pixels, labels.codes, labels.classes, groups=twins if copies else None, twins=twins,
        source=Path(found.root).resolve().name, warnings=tuple(notes),
    )  # fmt: skip


def unlabeled(
    folder: str | os.PathLike[str], size: tuple[int, int], color: str, skip_bad: bool = False
) -> tuple[tuple[str, ...], Array]:
    """Paths and pixels uint8 of all images below a folder, sub-folders or not, for prediction.

    Raises:
        DataError: No images, or files that cannot be decoded.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder.")
    paths = [str(p) for p in sorted(root.rglob("*")) if _counts(p, root)]
    good, _, _ = _sound(paths, skip_bad)
    if not good:
        raise DataError(f"{root} holds no image.")
    return good, ImageFolder(good, np.zeros(len(good), np.int32), ("",), size, color).load()


def _sides(size: Any) -> tuple[int, int]:
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise OptionError(f"size is {size!r}; expected pixels, or (height, width).")
        return check_int(size[0], "size"), check_int(size[1], "size")
    return check_int(size, "size"), check_int(size, "size")


def _listed(root: Path) -> tuple[list[str], list[str]]:
    """Paths of all files and the sub-folder that each lies in."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder.")
    kinds = sorted(part for part in root.iterdir() if part.is_dir() and not part.name.startswith("."))
    if not kinds:
        raise DataError(f"{root} has no sub-folders; expected one for each class, named like the class.")
    found = [(str(p), kind.name) for kind in kinds for p in sorted(kind.rglob("*")) if _counts(p, root)]
    if not found:
        raise DataError(f"{root} holds no files in its sub-folders.")
    paths, labels = zip(*found, strict=True)
    return list(paths), list(labels)


def _counts(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.is_file() and not hidden and path.name not in ("Thumbs.db", "desktop.ini")


def _pillow() -> Any:
    return needed("PIL.Image", "images", "Reading images", "pillow")


def _sound(paths: Sequence[str], skip_bad: bool) -> tuple[tuple[str, ...], set[str], tuple[tuple[str, str], ...]]:
    """The files that are images, their color modes, and what is wrong with the others (`DataError` if not skipped)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(partial(_inspect, _pillow()), paths))
    bad = tuple((path, what) for path, (what, _) in zip(paths, found, strict=True) if what)
    if bad and not skip_bad:
        raise DataError(_bad_text(bad))
    good = tuple(path for path, (what, _) in zip(paths, found, strict=True) if not what)
    return good, {mode for what, mode in found if not what}, bad


def _inspect(pillow: Any, path: str) -> tuple[str, str]:
    """What is wrong with a file ("" when nothing) and its color mode. Decodes it, small where the format can."""
    try:
        if not os.path.getsize(path):
            return "empty", ""
        with pillow.open(path) as image:
            mode = image.mode
            image.draft("RGB", (32, 32))  # JPEG alone: an eighth of the work, and a cut file still shows
            image.load()
        return "", mode
    except pillow.UnidentifiedImageError:
        return "not an image", ""
    except Exception as error:  # decoders raise almost anything: OSError, SyntaxError, ValueError, struct.error
        return f"damaged ({_first_words(error)})", ""


def _first_words(error: Exception) -> str:
    text = str(error).split("\n")[0]
    return text[:80] or type(error).__name__


def _bad_text(bad: Sequence[tuple[str, str]]) -> str:
    return (
        f"{len(bad)} {'file' if len(bad) == 1 else 'files'} cannot be read as images: {_named(bad)}. "
        "Repair or remove them, or leave them out with skip_bad=True (--skip-bad)."
    )


def _named(bad: Sequence[tuple[str, str]], most: int = 20) -> str:
    shown = "; ".join(f"{path}: {what}" for path, what in bad[:most])
    return shown + (f"; ... ({len(bad)} in all)" if len(bad) > most else "")


def _pixels(path: str, size: tuple[int, int], color: str) -> Array:
    """Pixels uint8 (height, width, channels) of one file, turned the way its camera was held."""
    pillow = _pillow()
    import PIL.ImageOps

    with pillow.open(path) as opened:
        opened.draft("RGB" if color == "rgb" else "L", (size[1], size[0]))
        image = PIL.ImageOps.exif_transpose(opened)
        image = _eight_bit(image).convert("RGB" if color == "rgb" else "L")
        if image.size != (size[1], size[0]):
            image = image.resize((size[1], size[0]), pillow.Resampling.BILINEAR, reducing_gap=2.0)
        return np.asarray(image, np.uint8).reshape(*size, CHANNELS[color])


def _eight_bit(image: Any) -> Any:
    """16-bit gray scaled to 8 bits; Pillow itself would cut it off at 255."""
    if image.mode not in ("I", "I;16", "I;16B", "I;16L"):
        return image
    values = np.asarray(image).astype(np.float64) / 257.0
    return _pillow().fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def decoder(size: int | tuple[int, int], color: str = "rgb") -> Callable[[Any], Array]:
    """A function from the path of an image to its pixels, uint8 (height, width, channels), 0 to 255.

    For lists of paths: `batches(paths, y, plan, load=decoder(64))`.
    """
    return partial(_pixels, size=_sides(size), color=check_choice(color, "color", CHANNELS))
