"""Masks that a model decides for the images of a folder: a PNG file for each, and a table of areas and regions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.cli.rows import picture_form
from counterpoise.cli.terminal import print_line, write_data
from counterpoise.core.errors import ArtifactError, DataError, OptionError
from counterpoise.core.files import check_folder, drafts
from counterpoise.core.structure import chunks

#: The table in the folder of the masks.
TABLE = "areas.csv"
#: Values of pixels that no class has, for what a crop left out of an image.
VOID = (255, 254)


def predict_masks(clf: Any, data: Path, prior: float | None, out: Path | None, skip_bad: bool) -> None:
    """Write a mask for each image of a folder in the image's own size, or without `out` the table alone.

    Pixels have the classes' own values where these are whole numbers from 0 to 255, otherwise their numbers 0, 1, ...
    """
    import polars as pl

    from counterpoise.data.mask_sizes import restored_mask
    from counterpoise.data.masked_images import image_sides

    images = _images(clf, data, skip_bad)
    values, classes = _values(clf.classes_.tolist()), np.arange(len(clf.classes_))
    void = next(value for value in VOID if value not in values)
    if out is not None:
        _check_out(out, data)
    tables, names = [], [os.path.relpath(path, images.root) for path in images.paths]
    masks: dict[str, bytes] = {}
    for rows in chunks(images, np.arange(len(images))):
        decided = _codes(clf, images.take(rows), prior)
        for row, codes in zip(rows.tolist(), decided, strict=True):
            mask = restored_mask(codes, image_sides(images.paths[row]), images.form.aspect)
            tables.append(_areas(clf, names[row], mask, classes))
            masks[str(Path(names[row]).with_suffix(".png"))] = _png(np.where(mask < 0, void, values[mask]))
    if len(masks) < len(names) and out is not None:
        raise DataError(
            "Two images have the same name with different endings, so their masks would have the same "
            "name. Rename one of them."
        )
    table = pl.DataFrame(tables)
    if out is None:
        write_data(table.write_csv())
        return
    _write(out, masks, table.write_csv())
    legend = ", ".join(f"{value} is {label!r}" for value, label in zip(values, clf.classes_.tolist(), strict=True))
    print_line(
        f"saved {out}: {len(masks):,} masks and {TABLE}, which lists the areas. Pixel values: {legend}", error=True
    )


def _codes(clf: Any, pixels: Any, prior: float | None) -> Any:
    """Class codes of images (N, height, width)."""
    labels = clf.predict(pixels, prior=prior)
    return np.stack([labels == label for label in clf.classes_], axis=-1).argmax(axis=-1)


def _images(clf: Any, data: Path, skip_bad: bool) -> Any:
    """The images of a folder, in the form that the model takes; of a folder with masks its images."""
    from counterpoise.data.images import unlabeled
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
    return unlabeled(folders[0].images if folders else data, *picture_form(clf), skip_bad)


def _values(classes: Sequence[Any]) -> Any:
    """The value that each class has in a file."""
    plain = all(isinstance(label, int) and 0 <= label <= 255 for label in classes)
    return np.array([int(label) for label in classes] if plain else range(len(classes)))


def _areas(clf: Any, name: str, mask: Any, classes: Any) -> dict[str, Any]:
    """Pixels of each class, and regions of each but the first."""
    from counterpoise.metrics.lesions import region_counts

    labels = clf.classes_.tolist()
    areas = {f"pixels_{label}": int((mask == code).sum()) for code, label in zip(classes, labels, strict=True)}
    regions = {f"regions_{labels[code]}": int(region_counts(mask[None] == code)[0]) for code in classes[1:]}
    return {"path": name, **areas, **regions}


def _png(mask: Any) -> bytes:
    from counterpoise.report.thumbnails import png

    return png(mask.astype(np.uint8)[..., None])


def _check_out(out: Path, data: Path) -> None:
    if out.suffix and not out.is_dir():
        raise OptionError(
            f"--out {out} looks like a file, but masks are written into a folder. Pass a folder name without an ending."
        )
    check_folder(out)
    if out.resolve() == data.resolve() or data.resolve() in out.resolve().parents:
        raise ArtifactError(f"--out {out} is inside {data}, the folder of the images. Name another folder.")


def _write(out: Path, masks: dict[str, bytes], table: str) -> None:
    with drafts(out) as draft:
        for name, content in masks.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (draft / TABLE).write_text(table, encoding="utf-8")
