"""Images in files whose target is a mask: which files they are, and what their masks hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from counterpoise.core.checks import check_path
from counterpoise.core.errors import DataError, OptionError
from counterpoise.data import dicom
from counterpoise.data.image_files import files_below
from counterpoise.data.image_set import named
from counterpoise.data.mask_files import MaskFolders, mask_folders, paired, read_masks
from counterpoise.data.pillow_files import opened, sides
from counterpoise.data.row_metadata import RowMetadata


@dataclass(frozen=True)
class MaskedFiles:
    """Images and the files of their masks.

    Attributes:
        masks: Image -> mask.
        root: The folder.
        split: What each image is used for, in this order, or None.
        notes: Sentences for the user.
    """

    masks: Mapping[str, str]
    root: Path
    split: Sequence[str] | None
    notes: Sequence[str]

    def metadata(
        self, good: Iterable[str], size: tuple[int, int], aspect: str, ignore: Any, skip_bad: bool
    ) -> tuple[RowMetadata, tuple[tuple[str, str], ...], list[str]]:
        """Read the masks of sound images: their metadata, masks that are bad, and sentences for the user.

        The images of bad masks have no pixel that counts.

        Raises:
            DataError: masks that cannot be used, if not skipped; all of them are named at once.
        """
        kept = {path: self.masks[path] for path in good}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            of_image = dict(zip(kept, pool.map(image_sides, kept), strict=True))
        labels, bad, notes = read_masks(kept, of_image, size, aspect, _values(ignore))
        if bad and not skip_bad:
            raise DataError(
                f"{len(bad)} {'mask' if len(bad) == 1 else 'masks'} cannot be used: {named(bad)}. Expected one class "
                "code for each pixel of the image. Repair or remove them, or leave them out with skip_bad=True "
                "(--skip-bad)."
            )
        part = None if self.split is None else dict(zip(self.masks, self.split, strict=True))
        split = None if part is None else pl.Series("split", [part[path] for path in kept])
        return RowMetadata(labels, split=split, target="masks"), bad, notes


def masked_files(source: Any, masks: Any, skip_bad: bool) -> MaskedFiles | None:
    """The images of a folder and their masks; None where it has no masks.

    Args:
        source: A folder of images; or one of `images/` and `masks/`, or of such in `train/`, `validation/`, `test/`.
        masks: The folder of the masks; None: as the layout of `source` shows.
        skip_bad: Whether images without a mask are left out.

    Raises:
        DataError: files without a partner; all of them are named at once.
    """
    root = Path(source)
    folders = mask_folders(root) if masks is None else [MaskFolders(root, check_path(masks, "masks"))]
    if not folders:
        return None
    pairs: dict[str, str] = {}
    split, notes = [], list[str]()
    for own in folders:
        inside = own.masks.resolve()
        images = [path for path in files_below(own.images) if inside not in Path(path).resolve().parents]
        if not images:
            raise DataError(f"{own.images} has no image. Expected images, and their masks in {own.masks}.")
        found, more = paired(images, own.images, own.masks, skip_bad)
        pairs |= found
        split += [own.part] * len(found)
        notes += more
    return MaskedFiles(pairs, root, split if folders[0].part else None, notes)


def image_sides(path: str) -> tuple[int, int]:
    """Height and width of an image, as it is seen; of most formats without decoding it."""
    if dicom.is_dicom(path):
        height, width = dicom.read(path).values.shape[:2]
        return int(height), int(width)
    with opened(path) as image:
        return sides(image)


def _values(ignore: Any) -> tuple[int, ...]:
    values = tuple(ignore) if isinstance(ignore, (list, tuple, set, frozenset)) else (ignore,)
    if any(isinstance(value, (bool, str)) or value != int(value) for value in values):
        raise OptionError(f"ignore is {ignore!r}. Expected a value of the masks whose pixels count nowhere, as 255.")
    return tuple(int(value) for value in values)
