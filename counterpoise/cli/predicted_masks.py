"""Masks that a model decides for the images of a folder: a PNG file for each, and a table of areas and regions.

This is `counterpoise predict` for a model with a class per pixel. Users read the names and pixel values of the files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.cli.rows import picture_form, print_image_notes
from counterpoise.cli.terminal import print_line, write_data
from counterpoise.core.errors import ArtifactError, DataError, OptionError
from counterpoise.core.files import check_folder, drafts
from counterpoise.core.structure import chunks

#: Name of the table in the folder of the masks.
TABLE = "areas.csv"
#: Values of pixels that no class has, for what a crop left out of an image.
VOID = (255, 254)


def predict_masks(clf: Any, data: Path, prior: float | None, out: Path | None, skip_bad: bool) -> None:
    """Write a mask for each image of a folder; without `out`, print only the table of areas.

    A mask has the size of its image.
    Pixels have the classes' own values where these are whole numbers from 0 to 255, otherwise their numbers 0, 1, ...
    `prior` is the share of the positive class among these images; None: as in training.
    `skip_bad` leaves out damaged files.

    Raises:
        OptionError, ArtifactError: `data` is not a folder of images, or `out` cannot be the folder of the masks.
        DataError: Two images would write the same mask file.
    """
    import polars as pl

    from counterpoise.data.image_files import without_ending
    from counterpoise.data.mask_sizes import restored_mask
    from counterpoise.data.masked_images import image_sides

    images = _images_to_predict(clf, data, skip_bad)
    values, classes = _mask_values(clf.classes_.tolist()), np.arange(len(clf.classes_))
    # The file value of pixels that a crop left out; their code in `restored_mask` is -1.
    void = next(value for value in VOID if value not in values)
    if out is not None:
        _check_out(out, data)
    tables, names = [], [os.path.relpath(path, images.root) for path in images.paths]
    masks: dict[str, bytes] = {}
    for rows in chunks(images, np.arange(len(images))):
        decided = _decided_codes(clf, images.take(rows), prior)
        for row, codes in zip(rows.tolist(), decided, strict=True):
            mask = restored_mask(codes, image_sides(images.paths[row]), images.form.aspect)
            tables.append(_area_row(clf, names[row], mask, classes))
            masks[without_ending(names[row]) + ".png"] = _mask_png(np.where(mask < 0, void, values[mask]))
    if len(masks) < len(names) and out is not None:
        raise DataError(
            "Two images have the same name with different endings, so their masks would have the same "
            "name. Rename one of them."
        )
    table = pl.DataFrame(tables)
    if out is None:
        write_data(table.write_csv())
        return
    _write_masks(out, masks, table.write_csv())
    legend = ", ".join(f"{value} is {label!r}" for value, label in zip(values, clf.classes_.tolist(), strict=True))
    print_line(
        f"saved {out}: {len(masks):,} masks and {TABLE}, which lists the areas. Pixel values: {legend}", error=True
    )


def _decided_codes(clf: Any, pixels: Any, prior: float | None) -> Any:
    """Return the class codes decided for decoded images, int64 (N, height, width); `predict` returns labels."""
    labels = clf.predict(pixels, prior=prior)
    return np.stack([labels == label for label in clf.classes_], axis=-1).argmax(axis=-1)


def _images_to_predict(clf: Any, data: Path, skip_bad: bool) -> Any:
    """Return the images of a folder as the model takes them; masks are left out.

    Raises:
        OptionError: `data` is not a folder, or contains the parts of a split.
    """
    from counterpoise.data.images import list_unlabeled
    from counterpoise.data.mask_files import mask_folders

    if not data.is_dir():
        raise OptionError(
            f"{data.name} is not a folder. Expected a folder of images, because the model predicts masks."
        )
    folders = mask_folders(data)
    if len(folders) > 1:
        raise OptionError(
            f"{data} contains the parts of a split. Pass the image folder of one part, such as test/images."
        )
    images = list_unlabeled(folders[0].images if folders else data, *picture_form(clf), skip_bad)
    print_image_notes(images)
    return images


def _mask_values(classes: Sequence[Any]) -> Any:
    """Return the value of each class in a mask file, int (C,): its label, or else its code.

    Labels are used if all of them are whole numbers from 0 to 255.
    """
    plain = all(isinstance(label, int) and 0 <= label <= 255 for label in classes)
    return np.array([int(label) for label in classes] if plain else range(len(classes)))


def _area_row(clf: Any, name: str, mask: Any, classes: Any) -> dict[str, Any]:
    """Return one row of the table: path, pixels of each class, regions of all but the first.

    `mask` is int (height, width), with -1 for pixels without a class; `classes` are the class codes (C,).
    """
    from counterpoise.metrics.lesions import region_counts

    labels = clf.classes_.tolist()
    areas = {f"pixels_{label}": int((mask == code).sum()) for code, label in zip(classes, labels, strict=True)}
    regions = {f"regions_{labels[code]}": int(region_counts(mask[None] == code)[0]) for code in classes[1:]}
    return {"path": name, **areas, **regions}


def _mask_png(mask: Any) -> bytes:
    """Return a mask of values 0 to 255, (height, width), as the bytes of a PNG file in gray."""
    from counterpoise.report.thumbnails import png

    return png(mask.astype(np.uint8)[..., None])


def _check_out(out: Path, data: Path) -> None:
    """Check the folder of the masks before anything is predicted.

    Raises:
        OptionError: `out` has the name of a file.
        ArtifactError: `out` is the folder of the images or is inside this folder, or `check_folder` refuses it.
    """
    if out.suffix and not out.is_dir():
        raise OptionError(
            f"--out {out} looks like a file, but masks are written into a folder. Pass a folder name without an ending."
        )
    check_folder(out)
    if out.resolve() == data.resolve() or data.resolve() in out.resolve().parents:
        raise ArtifactError(f"--out {out} is inside {data}, the folder of the images. Name another folder.")


def _write_masks(out: Path, masks: dict[str, bytes], table: str) -> None:
    """Write the masks and the table into `out`.

    `masks`: path below `out` -> PNG. Files appear in `out` when all are complete (see `drafts`).
    """
    with drafts(out) as draft:
        for name, content in masks.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (draft / TABLE).write_text(table, encoding="utf-8")
