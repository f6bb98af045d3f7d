"""Images in files with their labels: a folder by classes, or a table of names; checked at once, decoded when drawn.

`images` is public. The CLI and `read_images` list by `list_images`, so that a model gets the form that it was trained
for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.examples import Examples, Pictures
from counterpoise.core.label_columns import LabelColumns
from counterpoise.core.target import TargetColumns
from counterpoise.data.frames import is_table
from counterpoise.data.image_checks import image_notes, learns_range, sound_files
from counterpoise.data.image_files import files_below, labeled_files
from counterpoise.data.image_form import ASPECTS, CHANNELS, check_sides, check_span
from counterpoise.data.image_names import check_pattern
from counterpoise.data.image_names import groups_from as groups_in_names
from counterpoise.data.image_rows import examples_without_pixels, image_examples, names_below
from counterpoise.data.image_set import ImageSet
from counterpoise.data.image_table import read_image_table
from counterpoise.data.kept_pixels import KeptPixels
from counterpoise.data.labels import read_target
from counterpoise.data.mask_files import masks_beside_images
from counterpoise.data.masked_images import masked_files
from counterpoise.data.pixel_types import Range
from counterpoise.data.pixels import decoder as decoder
from counterpoise.data.row_metadata import RowMetadata
from counterpoise.data.unit_columns import check_aggregate, units_of

Array = np.ndarray

logger = logging.getLogger("counterpoise")


def images(
    source: Any,
    size: int | tuple[int, int],
    *,
    masks: str | os.PathLike[str] | None = None,
    ignore: int | Sequence[int] = (),
    images: str | None = None,
    root: str | os.PathLike[str] | None = None,
    target: str | Sequence[str] | TargetColumns | None = None,
    features: Sequence[str] = (),
    groups: str | None = None,
    unit: str | Sequence[str] | None = None,
    aggregate: str | None = None,
    time: str | None = None,
    split: str | None = None,
    sample_weight: str | None = None,
    groups_from: str | None = None,
    color_mode: str = "auto",
    range: Range | None = None,
    aspect: str = "stretch",
    augment: Any = None,
    skip_bad: bool = False,
    cache: bool | str | os.PathLike[str] = True,
) -> ImageSet:
    """List the labeled images of a folder or table, and check every file by decoding it.

    A folder has one sub-folder for each class. Or it has the folders `train`, `validation` and `test` with such
    sub-folders, which are then used for training, early stopping, and scoring. A table has one row for each image. In a
    folder with sub-folders `images` and `masks`, every pixel has a class. A mask has the name of its image, and any
    ending.

    The formats are PNG, JPEG, TIFF, BMP, GIF, WebP and DICOM (pip install 'counterpoise[dicom]'). Pixels are 0 to 255,
    as in `keras.utils.image_dataset_from_directory`, for all types of files. Values with 12 or 16 bits, and float
    values from 0 to 1, are scaled from the range of their type and keep their levels. DICOM values are scaled from the
    window of the file. Transparent pixels become white. Images are rotated to the orientation of the camera.

    Args:
        source: The folder, or the table: a CSV or Parquet file, or a frame. Sub-folders of a class are read too, and
            hidden files are ignored.
        size: Side of the images in pixels, or (height, width). Images are resized to this size (see `aspect`).
        masks: The folder of the masks, with one mask for each image of `source`, of the same size. The values of the
            masks are the classes: 0 and 255, 0 and 1, class codes, or the entries of a palette. Masks are resized to
            the nearest pixel. Default: the sub-folder of masks beside the sub-folder of images, if
            there are both.
        ignore: Value of the masks, or several, whose pixels count nowhere. For example, 255 (void).
        images: Column of the table with the names of the images, with or without ending and sub-folder. Several rows
            of one image count as one row. They need the same value in every named column.
        root: The folder of the named images, including its sub-folders. Default: the folder of the table.
        target: Column of the table with the class. Or several columns of 0 and 1. If exactly one of them is 1 in every
            row, their names are the classes. Otherwise, they are several labels per image. For the meaning of empty
            cells and of -1, pass `cp.labels([...], missing=..., uncertain=...)`. None: the images have no labels, for
            `predict`.
        features: Columns of the table that the model gets in addition to the image, such as ["age", "sex"].
        groups: Column of groups, such as patients. All images of a group stay on one side of each split.
        unit: Column of units, or several columns, such as "study_id" or ["patient_id", "laterality"]. Each unit gets
            one decision, instead of each image. A unit is positive if any of its images is positive. All images of a
            unit belong to one group.
        aggregate: "mean" (default) or "max" of the probabilities of the images of a unit.
        time: Column of times. Training rows are then earlier than all others.
        split: Column that contains train, validation or test for each image.
        sample_weight: Column of weights. An image with weight w counts as w images.
        groups_from: Regular expression that finds the group in the name of a file, for example
            "(?P<patient>[^_]+)_". If the expression contains a slash, it is matched with the path below the folder.
        color_mode: "grayscale", "rgb", or "auto" (grayscale if all images are gray).
        range: (low, high), the stored values that mean black and white in files of more than 8 bits, for example
            (-1000, 400). Values outside are cut off. The model file keeps the range. Default: the range of the type or
            window of each file. Signed and 32-bit integers, and float values outside 0 to 1, have no such range. For
            these, each fold and the model learn the 0.5th and the 99.5th percentile of the training images.
        aspect: Treatment of images with another shape than `size`: "stretch", "crop" (to the middle), or "pad" (with
            black).
        augment: Random changes of the images in training: "auto" (a small rotation, shift and zoom), a Keras
            augmentation layer, or a list of layers. The changes are new each time, so a repeated image never looks the
            same. For `batches`, ("repeats", layers) changes only repeated images, for comparison.
        skip_bad: Whether to leave out damaged and foreign files (listed in `.bad`), and rows of a table without a file
            or label, instead of raising an error.
        cache: Whether to keep decoded pixels in a file, so that each image is decoded only once. True: a temporary
            file. A folder: a file in this folder, which later runs use too. False: no file. The file takes at most half
            of the free space. If it does not fit, images are decoded each time. Results do not depend on `cache`.

    Raises:
        DataError: The folder does not exist or has no sub-folders. Or files are absent or cannot be decoded, and the
            message names all of them. Or some files define their range and other files do not.
        ColumnError: A column is absent, or one image has two values in a column, such as two labels or groups.
        TargetError: Fewer than two classes have images.
        MissingExtraError: Pillow is not installed, or pydicom for DICOM files.

    Example:
        >>> import os, tempfile
        >>> from PIL import Image
        >>> here = tempfile.mkdtemp()
        >>> for path in ("ill/a.png", "well/b.png", "well/c.png"):
        ...     os.makedirs(os.path.dirname(os.path.join(here, path)), exist_ok=True)
        ...     Image.new("L", (8, 8)).save(os.path.join(here, path))
        >>> scans = images(here, size=4)
        >>> scans.classes, scans.counts.tolist()
        (('ill', 'well'), [1, 2])
        >>> rows = {"scan": ["a", "b", "c"], "dx": [1, 0, 0], "patient": [7, 8, 8]}
        >>> images(rows, 4, images="scan", root=here, target="dx", groups="patient").counts.tolist()
        [2, 1]
        >>> for path in ("seg/images/a.png", "seg/masks/a.png"):
        ...     os.makedirs(os.path.dirname(os.path.join(here, path)), exist_ok=True)
        ...     Image.linear_gradient("L").point(lambda v: 255 * (v > 200)).save(os.path.join(here, path))
        >>> scans = images(os.path.join(here, "seg"), size=4)
        >>> scans.y[0].tolist(), scans.classes
        ([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], (0, 255))
    """
    listed = _images_unlogged(
        source, size, range=range, groups=groups, time=time, split=split, sample_weight=sample_weight,
        color_mode=color_mode, aspect=aspect, skip_bad=skip_bad, augment=augment, images=images, root=root,
        target=target, groups_from=groups_from, features=features, unit=unit, aggregate=aggregate, masks=masks,
        ignore=ignore, cache=cache,
    )  # fmt: skip
    for note in listed.notes:
        logger.warning("%s", note)
    return listed


def _images_unlogged(
    source: Any, size: Any, *, range: Any = None, groups: Any = None, time: Any = None, split: Any = None,
    sample_weight: Any = None, **options: Any,
) -> ImageSet:  # fmt: skip
    """Return the images as `images` does, without logging the notes.

    The notes are in `ImageSet.notes`.
    """
    columns = {"groups": groups, "time": time, "split": split, "sample_weight": sample_weight}
    span = check_span(range)
    listed = list_images(source, size, span=span, columns=columns, **options)
    if span and not listed.deep:
        raise OptionError(
            f"range= is for images of more than 8 bits, but all images in {listed.root} have 8 bits or fewer. "
            "Remove range=."
        )
    return listed


def list_images(
    source: Any,
    size: int | tuple[int, int],
    *,
    color_mode: str = "auto",
    span: Range | None = None,
    aspect: str = "stretch",
    learned: bool | None = None,
    skip_bad: bool = False,
    augment: Any = None,
    images: str | None = None,
    root: Any = None,
    target: Any = None,
    columns: dict[str, str | None] | None = None,
    groups_from: str | None = None,
    features: Sequence[str] = (),
    as_text: Sequence[str] = (),
    unit: Any = None,
    aggregate: str | None = None,
    masks: Any = None,
    ignore: Any = (),
    cache: Any = True,
    check: Callable[[RowMetadata, Array], None] | None = None,
) -> ImageSet:
    """Return images as `images` does, for the form that a model needs, without logging notes.

    `learned` is whether the model learned black and white from its images. With None, there is no model yet, and the
    files decide. `as_text` names features that are read as text. `check` is called with the metadata and the names of
    the files before any file is decoded, to raise errors early. It is not called if the labels are in masks.
    """
    features, units = _split_names(features), () if unit is None else _split_names(unit)
    aggregate = check_aggregate(unit, aggregate)
    if groups_from is not None:
        check_pattern(groups_from)
    # `table`: extra columns (features and units) of a table of images; `written`: the names of its images.
    table = written = None
    sides = check_sides(size)
    check_choice(color_mode, "color_mode", ("auto", *CHANNELS))
    check_choice(aspect, "aspect", ASPECTS)
    metadata: RowMetadata | None
    if images is None:
        given = {"root": root, "target": target, **(columns or {}), "unit": unit, "features": features or None}
        _check_folder_options(source, given)
    masked = masked_files(source, masks, skip_bad, table=images is not None, augment=augment, ignore=ignore)
    if masked is not None:
        paths, metadata, home, notes = list(masked.masks), None, masked.root, list(masked.notes)
    elif images is None:
        paths, metadata, home, notes = _read_class_folders(Path(source))
    else:
        more = tuple(dict.fromkeys((*features, *units)))
        rows = read_image_table(source, images, root, target, columns or {}, skip_bad, more, as_text)
        if units:
            units_of(rows.columns.select(units), aggregate)  # raises before files are decoded
        paths, metadata, home, notes, table = rows.paths, rows.metadata, rows.root, rows.notes, rows.columns
        written = rows.names
    if groups_from is not None:
        if masked is None and (metadata is None or metadata.groups is not None):
            raise OptionError(
                "groups_from= cannot be combined with groups=, or with images without labels. Remove groups_from=."
            )
        if metadata is not None and not skip_bad:  # names of files that are left out need not match
            metadata = metadata.having(groups=groups_in_names(groups_from, paths, home))
    if metadata is not None:
        _check_classes(metadata, home)
        if check is not None:
            check(metadata, names_below(home, paths))
    kept = KeptPixels.of(paths, sides, color_mode, aspect, cache)
    good, bad = sound_files(paths, skip_bad, span, kept)
    sound = [path in good for path in paths]
    if masked is not None:
        metadata, bad_masks, added = masked.metadata(good, sides, aspect, skip_bad)
        fits = [masked.masks[path] not in dict(bad_masks) for path in good]
        good = {path: info for (path, info), fit in zip(good.items(), fits, strict=True) if fit}
        metadata, bad, notes = metadata.where(fits), (*bad, *bad_masks), [*notes, *added]
        sound = [path in good for path in paths]
    elif bad and metadata is not None:
        metadata = metadata.where(sound)
    kept = kept and kept.at(np.flatnonzero(sound))
    table = table.filter(sound) if bad and table is not None and table.width else table
    if metadata is not None:  # checked again: damaged files may have been all files of a class
        _check_classes(metadata, home)
        if groups_from is not None and metadata.groups is None:
            metadata = metadata.having(groups=groups_in_names(groups_from, good, home))
    deep = any(info.deep for info in good.values())
    if color_mode == "auto":
        color_mode = "grayscale" if all(info.gray for info in good.values()) else "rgb"
    read_as = target.options if isinstance(target, LabelColumns) else ()
    form = Pictures(color_mode, span, aspect, learns_range(good, span, learned), read_as)
    # The form of a model was chosen in training, with notes on the training images.
    all_notes = (*notes, *(image_notes(list(good.values()), form, sides) if learned is None else ()))
    return ImageSet(
        tuple(good), metadata, sides, form, augment, bad, str(home), deep, all_notes, kept,
        features=None if table is None or not features else table.select(features),
        unit=None if table is None or not units else table.select(units),
        names=None if written is None else written.filter(sound), aggregate=aggregate, keeps=cache is not False,
    )  # fmt: skip


def _check_classes(metadata: RowMetadata, home: Path) -> None:
    """Raise a `TargetError` if the images have fewer than two classes.

    `home` is the folder of the images, for the message.
    """
    if len(metadata.y.classes) < 2:
        only = f"all of one class ({metadata.y.classes[0]!r})" if metadata.y.classes else "without a class"
        raise TargetError(
            f"The images of {home} are {only}. Expected two classes or more. Add images of another class, or correct "
            "the labels."
        )


def _split_names(given: Any) -> tuple[str, ...]:
    """Return names of columns, given as a sequence or as one text with commas ("a,b")."""
    names = given.split(",") if isinstance(given, str) else given
    return tuple(str(name).strip() for name in names)


def _check_folder_options(source: Any, given: dict[str, Any]) -> None:
    """Raise an error unless `source` is a folder and no option for tables is given.

    `given` maps the options that are only for tables to their values; None means not given.
    """
    if not isinstance(source, (str, os.PathLike)) or (is_table(source) and Path(source).is_file()):
        raise OptionError(
            'The data are a table, but no column of image names was given. Pass images="COLUMN" (--images).'
        )
    for name, value in given.items():
        if value is not None:
            raise OptionError(
                f"{name}= is for a table of images, but {source} is a folder with one sub-folder per class. "
                f'Remove {name}=, or pass the table and images="COLUMN" (--images).'
            )


def _read_class_folders(root: Path) -> tuple[list[str], RowMetadata, Path, list[str]]:
    """Return the files of a folder with a sub-folder per class, their labels and split, the folder, and notes.

    Labels and split are one `RowMetadata`. Notes are sentences for the user.
    """
    layout = labeled_files(root)
    labels = read_target(pl.Series("folder", layout.labels), "folder")
    metadata = RowMetadata(
        labels, split=None if layout.split is None else pl.Series("split", layout.split), target="folder"
    )
    notes = [f"The sub-folder {name!r} has no files, so it is not used as a class." for name in layout.empty]
    if pairs := masks_beside_images(layout.paths):
        mask, image = pairs[0]
        notes.append(
            f"{len(pairs):,} {'file looks' if len(pairs) == 1 else 'files look'} like masks of other images, such as "
            f"{mask} for {image}, but are read as images of a class. If they are masks, move them to another folder."
        )
    if layout.inside:
        names = ", ".join(dict.fromkeys(layout.labels))
        notes.append(
            f"The classes are {names}. Each of these folders contains the same sub-folders "
            f"({', '.join(layout.inside[:4])}{', ...' * (len(layout.inside) > 4)}). If the sub-folders are the real "
            f"classes, the folders {names} are parts of a split. In this case, pass one of these folders, or rename "
            "the folders to train, validation, and test."
        )
    if layout.split is not None:
        parts = ", ".join(dict.fromkeys(layout.split))
        notes.append(
            f"{root} contains the parts of a split ({parts}). Test images are used only for scoring, and validation "
            f"images for early stopping. To split the images again, put all of them into one folder with a sub-folder "
            f"for each class."
        )
    return layout.paths, metadata, root, notes


def read_images(
    source: Any,
    size: int | tuple[int, int],
    *,
    check: Callable[[Examples], object] | None = None,
    positive: Any = None,
    one_vs_rest: Any = None,
    merge_rare: Sequence[Any] = (),
    **options: Any,
) -> Examples:
    """Return images as `Examples`: x (N, height, width, channels), 0 to 255.

    The arguments and errors are the same as in `images` and, for the labels, in `read`. Notes become warnings of the
    `Examples`.

    `check` raises an error if the rows cannot be used. It is called before any file is decoded, with rows that have no
    pixels, unless the labels are in files too.
    """
    labels = {"positive": positive, "one_vs_rest": one_vs_rest, "merge_rare": merge_rare}

    def checked(metadata: RowMetadata, names: Array) -> None:
        """Make rows without pixels, which checks the labels, and pass them to `check`."""
        rows = examples_without_pixels(metadata, names, labels)
        if check is not None:
            check(rows)

    return image_examples(_images_unlogged(source, size, check=checked, **options), **labels)


def list_unlabeled(
    folder: str | os.PathLike[str], size: tuple[int, int], form: Pictures, skip_bad: bool = False
) -> ImageSet:
    """Return all images below a folder, for prediction by a model; `form` is the one that it was trained for.

    Raises:
        DataError: No images, files that cannot be decoded, or files whose range is not known.
    """
    paths = files_below(Path(folder))
    kept = KeptPixels.of(paths, size, form.color_mode, form.aspect, True)
    good, bad = sound_files(paths, skip_bad, form.range, kept)
    kept = kept and kept.at(np.flatnonzero([path in good for path in paths]))
    if not good:
        raise DataError(f"{folder} contains no images. Expected one image file or more. Check the folder.")
    learns_range(good, form.range, form.learned)  # raises an error if the range of a file is not known
    deep = any(info.deep for info in good.values())
    return ImageSet(tuple(good), None, size, form, bad=bad, root=str(folder), deep=deep, kept=kept)
