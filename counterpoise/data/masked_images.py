"""Images in files whose target is a mask: which files they are, and what their masks hold.

`images` uses it for folders with masks; the CLI asks for the sides of images to restore decided masks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_path
from counterpoise.core.errors import DataError, OptionError
from counterpoise.data import dicom
from counterpoise.data.image_files import files_below
from counterpoise.data.image_set import bad_files_text
from counterpoise.data.mask_files import MaskFolders, inner_mask_folders, mask_folders, pair_masks, read_masks
from counterpoise.data.pillow_files import has_orientation, opened, sides
from counterpoise.data.row_metadata import RowMetadata


@dataclass(frozen=True)
class MaskedFiles:
    """Images and the files of their masks.

    Attributes:
        masks: Image -> mask.
        root: The folder.
        split: What each image is used for, in this order, or None.
        notes: Sentences for the user.
        ignore: Values of the masks whose pixels count nowhere.
    """

    masks: Mapping[str, str]
    root: Path
    split: Sequence[str] | None
    notes: Sequence[str]
    ignore: tuple[int, ...] = ()

    def metadata(
        self, good: Iterable[str], size: tuple[int, int], aspect: str, skip_bad: bool
    ) -> tuple[RowMetadata, tuple[tuple[str, str], ...], list[str]]:
        """Return the metadata of images that could be read, with their masks; masks that are bad; and sentences.

        `good` are the paths of the images that could be read; their order is the order of the rows. `size` and `aspect`
        are the form that masks are brought to. The images of bad masks have no pixel that counts.

        Raises:
            DataError: masks that cannot be used, if not skipped; all of them are named at once.
        """
        kept = {path: self.masks[path] for path in good}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            of_image = dict(zip(kept, pool.map(image_sides, kept), strict=True))
        labels, bad, notes = read_masks(kept, of_image, size, aspect, self.ignore)
        if bad and not skip_bad:
            raise DataError(
                f"{len(bad)} {'mask' if len(bad) == 1 else 'masks'} cannot be used: {bad_files_text(bad)}. Expected "
                "one class code for each pixel of the image. Repair or remove them, or leave them out with "
                "skip_bad=True (--skip-bad)."
            )
        notes += _notes_on_rotation({image: mask for image, mask in kept.items() if mask not in dict(bad)})
        part_of = None if self.split is None else dict(zip(self.masks, self.split, strict=True))
        split = None if part_of is None else pl.Series("split", [part_of[path] for path in kept])
        return RowMetadata(labels, split=split, target="masks"), bad, notes


def masked_files(
    source: Any, masks: Any, skip_bad: bool, *, table: bool = False, augment: Any = None, ignore: Any = ()
) -> MaskedFiles | None:
    """Return the images of a folder and their masks; None where it has no masks.

    Args:
        source: A folder of images; or one of `images/` and `masks/`, or of such in `train/`, `validation/`, `test/`.
        masks: The folder of the masks; None: as the layout of `source` shows.
        skip_bad: Whether images without a mask are left out.
        table: Whether `source` is a table, which has no masks.
        augment: What changes images, which masks do not go with.
        ignore: Value of the masks, or several, whose pixels count nowhere.

    Raises:
        DataError: files without a partner; all of them are named at once.
        OptionError: an option that does not go with masks, or that needs them.
    """
    folders, ignored = list[MaskFolders](), _ignored_values(ignore)
    if not table:
        root = Path(source)
        folders = mask_folders(root) if masks is None else [MaskFolders(root, check_path(masks, "masks"))]
    if not folders:
        if ignored and masks is None:
            raise OptionError(
                f"ignore= is a value of masks, but {source} has no masks. Remove ignore=, or name the folder "
                "of the masks with masks=."
            )
        if masks is not None:
            raise OptionError(
                "A table of images with masks is not supported. Pass the folder of the images instead of the "
                "table, and remove images=."
            )
        if not table:
            _refuse_inner_masks(root)
        return None
    if augment is not None:
        raise OptionError(
            "augment= would change the images, but not their masks. Remove augment=. To augment, change "
            "images and masks together, and pass them as arrays."
        )
    pairs: dict[str, str] = {}
    split, notes = [], list[str]()
    for own in folders:
        matches, more = _pair_folders(own, skip_bad)
        pairs |= matches
        split += [own.part] * len(matches)
        notes += more
    return MaskedFiles(pairs, root, split if folders[0].part else None, notes, ignored)


def _refuse_inner_masks(root: Path) -> None:
    """Raise a DataError if the classes of a folder would contain masks: `CLASS/images/` and `CLASS/masks/`."""
    inner = inner_mask_folders(root)
    if not inner:
        return
    first = inner[0]
    more = f" ({len(inner):,} such sub-folders)" if len(inner) > 1 else ""
    raise DataError(
        f"{first.masks} contains masks of the images in {first.images}{more}. These masks would be read as images of a "
        f"class. Expected no masks in the folders of classes. To predict a class for each image, move the masks out of "
        f"{root}. To predict a class for each pixel, move all images to {root / 'images'} and all masks to "
        f"{root / 'masks'}, with the same sub-folders, or pass only {first.images.parent}."
    )


def _pair_folders(folders: MaskFolders, skip_bad: bool) -> tuple[dict[str, str], list[str]]:
    """Return image -> mask for the files of two folders, and sentences for the user.

    The folder of the masks may be inside that of the images, whose list then leaves it out.
    """
    inside = folders.masks.resolve()
    if inside in (folders.images.resolve(), *folders.images.resolve().parents):
        raise DataError(
            f"masks= is {folders.masks}, which also contains the images. Expected a folder with only masks. Move "
            "the masks to a separate folder."
        )
    images = [path for path in files_below(folders.images) if inside not in Path(path).resolve().parents]
    if not images:
        raise DataError(f"{folders.images} contains no images. Expected images, with their masks in {folders.masks}.")
    return pair_masks(images, folders.images, folders.masks, skip_bad)


def image_sides(path: str) -> tuple[int, int]:
    """Return height and width of an image as it is displayed; most formats need not be decoded for this.

    Decided masks are restored to this size.
    """
    if dicom.is_dicom(path):
        height, width = dicom.read(path).values.shape[:2]
        return int(height), int(width)
    with opened(path) as image:
        return sides(image)


def _notes_on_rotation(masks: Mapping[str, str]) -> list[str]:
    """Return a list of one sentence on images that a tag rotates, and whose masks have no such tag, or an empty one.

    `masks` are image -> mask, of files that can be read.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rotated = [image for image, tag in zip(masks, pool.map(_is_rotated, masks), strict=True) if tag]
    alone = [image for image in rotated if not _is_rotated(masks[image])]
    if not alone:
        return []
    return [
        f"{len(alone):,} {'image is' if len(alone) == 1 else 'images are'} rotated or mirrored by the orientation in "
        f"the file (EXIF), but the masks are not (for example {alone[0]}). Check that the masks were drawn on the "
        "rotated images. Otherwise, remove the EXIF orientation from these images."
    ]


def _is_rotated(path: str) -> bool:
    """Return whether a tag of an image file rotates or mirrors the image."""
    if dicom.is_dicom(path):
        return False
    with opened(path) as image:
        return has_orientation(image)


def _ignored_values(ignore: Any) -> tuple[int, ...]:
    """Return the mask values to ignore as a tuple of ints; any other value is an OptionError.

    `ignore` is one whole number, several, or None for no value.
    """
    if ignore is None:
        return ()
    values = (ignore,) if isinstance(ignore, str) or not isinstance(ignore, Iterable) else tuple(ignore)
    whole = [not isinstance(v, (bool, np.bool_)) and isinstance(v, Real) and float(v).is_integer() for v in values]
    if not all(whole):
        raise OptionError(f"ignore= is {ignore!r}. Expected a value of mask pixels to ignore, such as 255.")
    return tuple(int(value) for value in values)
