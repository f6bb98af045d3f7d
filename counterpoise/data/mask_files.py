"""Masks in files: a class for each pixel of an image, in a file of the same name.

Masks are resized by the nearest pixel, so that no value arises that no file contains. Ignored values, and what is
outside of an image (`aspect="pad"`), have code -1 and count nowhere. The order of rows is that of the images.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from counterpoise.core.element_labels import rarer_last
from counterpoise.core.errors import DataError
from counterpoise.core.labels import Labels
from counterpoise.data.image_files import (
    ENDINGS,
    MOST_NAMED,
    files_below,
    folders_in,
    part_of_split,
    without_ending,
)
from counterpoise.data.mask_values import OUTSIDE, Mask, plain_masks, read_mask

Array = np.ndarray

#: Names of sub-folders, in small letters.
IMAGE_FOLDERS = ("images", "image", "imgs", "img")
MASK_FOLDERS = ("masks", "mask", "labels", "annotations", "segmentations", "segmentation", "gt", "ground_truth")
#: What a mask may be called besides the name of its image.
_MASK_WORD = re.compile(r"[ _.-]*(masks?|seg|segmentation|labels?|annotation|gt|ground_?truth)", re.IGNORECASE)


class MaskFolders(NamedTuple):
    """Where images and their masks are.

    Attributes:
        images: A folder of images. masks: The folder of their masks.
        part: What they are used for ("train", "validation", "test"); "": no split is given.
    """

    images: Path
    masks: Path
    part: str = ""


def mask_folders(root: Path) -> list[MaskFolders]:
    """Return the folders of a layout `images/` and `masks/`, or of this layout in `train/`, `validation/`, `test/`.

    Returns:
        An empty list where the folder has another layout.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("images", "masks"):
        ...     (root / name).mkdir()
        >>> [found.masks.name for found in mask_folders(root)]
        ['masks']
    """
    own = _folder_pair(root)
    if own is not None:
        return [own]
    if not root.is_dir():
        return []
    folders = [(folder, part_of_split(folder.name)) for folder in sorted(root.iterdir()) if folder.is_dir()]
    parts = [(folder, part) for folder, part in folders if part]
    pairs = [(_folder_pair(folder), part) for folder, part in parts]
    if len({part for _, part in parts}) < max(2, len(parts)) or any(both is None for both, _ in pairs):
        return []
    return [both._replace(part=part) for both, part in pairs if both is not None]


def _folder_pair(root: Path) -> MaskFolders | None:
    """Return the folders of images and masks in a folder; None unless there is one of each."""
    if not root.is_dir():
        return None
    folders = {folder.name.casefold(): folder for folder in root.iterdir() if folder.is_dir()}
    images = [folders[name] for name in IMAGE_FOLDERS if name in folders]
    masks = [folders[name] for name in MASK_FOLDERS if name in folders]
    return MaskFolders(images[0], masks[0]) if len(images) == len(masks) == 1 else None


def inner_mask_folders(root: Path) -> list[MaskFolders]:
    """Return the folders of images and their masks inside the sub-folders of a folder, down to two levels.

    Read as a folder of classes, `root` would have the masks among the images of its classes. A folder without any
    picture of the name of an image is not one of masks.
    """
    if not root.is_dir():
        return []
    below = [folder for one in folders_in(root) for folder in (one, *folders_in(one))]
    pairs = [pair for folder in below if (pair := _folder_pair(folder)) is not None]
    return [pair for pair in pairs if _has_masks(pair)]


def _has_masks(folders: MaskFolders) -> bool:
    """Return whether a folder contains a picture with the name of an image, with or without a word for a mask."""
    images = {_compared_name(path, folders.images) for path in files_below(folders.images)}
    pictures = (path for path in files_below(folders.masks) if path.casefold().endswith(ENDINGS))
    names = (_compared_name(path, folders.masks) for path in pictures)
    return any(key in images for name in names for key in (name, *_without_mask_word(name)))


def masks_beside_images(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Return (mask, image) of files in one folder whose names differ only in a word for a mask.

    Example:
        >>> masks_beside_images(["a/x.png", "a/x_mask.png", "b/y_mask.png"])
        [('a/x_mask.png', 'a/x.png')]
    """
    image_of = {without_ending(path).casefold(): path for path in paths}
    pairs = ((path, key) for path in paths for key in _without_mask_word(without_ending(path).casefold()))
    return [(path, image_of[key]) for path, key in pairs if key in image_of]


def pair_masks(
    images: Sequence[str], root: Path, masks: Path, skip_bad: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Return the mask of each image: the file of the same name, whatever its ending, in the same sub-folder.

    A word may stand before or behind the name: `case1_mask.png`, `case1_segmentation.png`.

    Args:
        images: The files. root: Their folder. masks: That of the masks.
        skip_bad: Whether images without a mask, and masks without an image, are left out.

    Returns:
        Image -> mask, and sentences for the user.

    Raises:
        DataError: Images without a mask, masks without an image, or several masks of one image; all named at once. With
            `skip_bad` only the last, or if no mask is left.
    """
    of_image: dict[str, list[str]] = {}
    for path in images:
        of_image.setdefault(_compared_name(path, root), []).append(path)
    matches, extra = dict[str, list[str]](), list[str]()
    for path in files_below(masks):
        # The name as it is comes first, so that an image called "x_mask" is found under its full name.
        name = _compared_name(path, masks)
        known = [key for key in (name, *_without_mask_word(name)) if key in of_image]
        if known:
            matches.setdefault(known[0], []).append(path)
        else:
            extra.append(path)
    missing = [path for name, paths in of_image.items() if name not in matches for path in paths]
    doubled = [own[0] for own in (*matches.values(), *of_image.values()) if len(own) > 1]
    problems = [
        text for text in (
            _listed_files(missing, root, "has no mask", "have no mask"),
            _listed_files(extra, masks, "of the mask folder has no image", "of the mask folder have no image"),
            _listed_files(doubled, masks, "has the same name as another file", "have the same names as other files"),
        ) if text
    ]  # fmt: skip
    if (problems and not skip_bad) or doubled or not matches:
        raise DataError(
            f"{'; '.join(problems) or f'No image of {root} has a mask in {masks}'}. Expected one mask for "
            "each image, with the name of the image and any ending. Add the missing files. The mask of an "
            "image without the rare class contains only zeros. Or leave such files out with skip_bad=True "
            "(--skip-bad)."
        )
    return {of_image[name][0]: own[0] for name, own in matches.items()}, [f"Left out: {text}." for text in problems]


def _compared_name(path: str, root: Path) -> str:
    """Return the path from `root` in small letters, without its ending: the name by which files are paired."""
    return without_ending(Path(path).relative_to(root).as_posix()).casefold()


def _without_mask_word(name: str) -> list[str]:
    """Return a name without a word for a mask behind it, and without one before it.

    Each of the two is left out if there is no such word.
    """
    folder, _, own = name.rpartition("/")
    start = folder + "/" if folder else ""
    behind = re.fullmatch(rf"(.+?){_MASK_WORD.pattern}", own, re.IGNORECASE)
    before = re.fullmatch(rf"{_MASK_WORD.pattern}[ _.-]+(.+)", own, re.IGNORECASE)
    return [start + match[number] for match, number in ((behind, 1), (before, 2)) if match]


def _listed_files(paths: Sequence[str], root: Path, one: str, several: str) -> str:
    """Return number and first names of files for a message; "" for no files.

    `one` or `several` is what the message says of them.
    """
    if not paths:
        return ""
    names = [os.path.relpath(path, root) for path in paths[:MOST_NAMED]]
    shown = ", ".join(names) + (f", ... ({len(paths):,} in all)" if len(paths) > MOST_NAMED else "")
    return f"{len(paths):,} {'file' if len(paths) == 1 else 'files'} ({shown}) {one if len(paths) == 1 else several}"


class Masks(NamedTuple):
    """Masks that were read.

    Attributes:
        labels: Codes int (N, height, width), -1 where a pixel counts nowhere; of two classes the rarer is 1.
        bad: (path, what is wrong with it) of masks that cannot be used.
        notes: Sentences for the user.
    """

    labels: Labels
    bad: tuple[tuple[str, str], ...]
    notes: list[str]


def read_masks(
    masks: Mapping[str, str], sides: Mapping[str, tuple[int, int]], size: tuple[int, int], aspect: str,
    ignore: Sequence[int] = (),
) -> Masks:  # fmt: skip
    """Return the masks of images, read in several threads and resized as the images are.

    Args:
        masks: Image -> mask.
        sides: (height, width) of images; a mask must have those of its image.
        size: (height, width) that is wanted. aspect: As images are brought to it.
        ignore: Values whose pixels count nowhere.

    Returns:
        The masks, in the order of the images; those that are bad have code -1 everywhere.

    Raises:
        DataError: values that are no classes.
    """
    paths = list(masks.values())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = list(pool.map(partial(read_mask, size=size, aspect=aspect), paths))
    faults = [
        (path, _mask_fault(mask, sides.get(image))) for (image, path), mask in zip(masks.items(), read, strict=True)
    ]
    sound = [number for number, (_, fault) in enumerate(faults) if not fault]
    plain, notes = plain_masks([read[number] for number in sound], [paths[number] for number in sound], ignore)
    total: dict[int, int] = {}
    for mask in plain:
        for value, pixels in mask.counts.items():
            total[value] = total.get(value, 0) + pixels
    classes = [value for value in sorted(total) if value not in (OUTSIDE, *ignore)]
    codes = np.full((len(paths), *size), -1, np.min_scalar_type(-max(2, len(classes))))
    for number, mask in zip(sound, plain, strict=True):
        codes[number] = _class_codes(mask.values, classes)
    labels = rarer_last(Labels(codes, tuple(classes), kind="elements"))
    notes += _notes_on_lost_classes(plain, codes[sound], classes)
    return Masks(labels, tuple((path, fault) for path, fault in faults if fault), notes)


def _mask_fault(mask: Mask, sides: tuple[int, int] | None) -> str:
    """Return why a mask cannot be used, or "".

    `sides` are (height, width) of its image; None if they are not known.
    """
    if mask.fault or sides in (None, mask.sides):
        return mask.fault
    (h, w), (height, width) = mask.sides, sides or (0, 0)
    return f"{w} x {h} pixels, but its image has {width} x {height}"


def _class_codes(values: Array, classes: Sequence[int]) -> Array:
    """Return values as codes among sorted classes, of the same shape; -1: none of them.

    The classes are the values of all masks together (see `read_masks`).

    Example:
        >>> _class_codes(np.array([0, 255, 3, -1]), [0, 255]).tolist()
        [0, 1, -1, -1]
    """
    known = np.array([*classes, 2**40])  # one above all values, so that every position exists
    code = np.searchsorted(known, values)
    return np.where(known[code] == values, code, -1)


def _notes_on_lost_classes(masks: Sequence[Mask], codes: Array, classes: Sequence[int]) -> list[str]:
    """Return a list of one sentence on classes that images lost by resizing, or an empty one.

    `codes` int (N, height, width) are those of `masks` in the wanted size.
    """
    lost = {value: sum(value in m.counts and not (own == c).any() for m, own in zip(masks, codes, strict=True))
            for c, value in enumerate(classes)}  # fmt: skip
    shown = [f"class {value} in {images:,} masks" for value, images in lost.items() if images]
    if not shown:
        return []
    size = " x ".join(map(str, codes.shape[1:]))
    return [
        f"Of {len(codes):,} masks, some lost all pixels of a class when they were resized to {size}: "
        f"{', '.join(shown[:8])}. Use a larger size= (--size) to keep small regions."
    ]
