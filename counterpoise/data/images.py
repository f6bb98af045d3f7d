"""Images in files with their labels: a folder by classes, or a table of names; checked at once, decoded when drawn."""

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
from counterpoise.core.target import TargetColumns
from counterpoise.data.frames import is_table
from counterpoise.data.image_checks import learns_range, reading_notes, sound_files
from counterpoise.data.image_files import files_below, labeled_files
from counterpoise.data.image_form import ASPECTS, CHANNELS, check_sides, check_span
from counterpoise.data.image_names import check_pattern
from counterpoise.data.image_names import groups_from as groups_in_names
from counterpoise.data.image_rows import examples_of, labeled_rows, names_below
from counterpoise.data.image_set import ImageSet
from counterpoise.data.image_table import read_rows
from counterpoise.data.kept_pixels import KeptPixels
from counterpoise.data.labels import read_target
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
    """List labeled images, of a folder or of a table, and check every file by decoding it.

    A folder has one sub-folder for each class, or `train`, `validation` and `test` with such sub-folders: these parts
    then train, end training, and judge. A table has a row for each image. In a folder of `images` and `masks` every
    pixel has a class: masks have the names of their images, and any ending.

    PNG, JPEG, TIFF, BMP, GIF, WebP and DICOM (pip install 'counterpoise[dicom]'). Pixels are 0 to 255, as in
    `keras.utils.image_dataset_from_directory`, whatever the type that a file stores: 12 and 16 bits and float from 0 to
    1 are scaled from the range of their type and keep their levels; DICOM from its window. Transparent pixels are
    white, and images are turned the way their camera was held.

    Args:
        source: The folder, in whose sub-folders images may lie deeper (hidden files do not count); or the table: a CSV
            or Parquet file, or a frame.
        size: Pixels of the side, or (height, width); images are resized to it (see `aspect`).
        masks: The folder of the masks, one for each image of `source`, of the same size. Their values are the classes:
            0 and 255, 0 and 1, class codes, or the entries of a palette. They are resized by the nearest pixel. None:
            as the folder shows.
        ignore: Value of the masks, or several, whose pixels count nowhere: 255 (void), for example.
        images: Column of the table with the names of the images, with or without ending and sub-folder. Several rows of
            one image with one label are one.
        root: The folder that the names are looked for in, sub-folders included. None: that of the table.
        target: Column of the table with the class. Or several columns of 0 and 1: their names are the classes if one is
            1 in every row, otherwise several labels per image; `cp.labels([...], missing=..., uncertain=...)` names the
            meaning of empty cells and of -1. None: the images have no labels, for `predict`.
        features: Columns of the table that the model is given with the image, such as ["age", "sex"].
        groups: Column of the table: images of one group (a patient) are never on two sides of a split.
        unit: Column of the table, or several, of what is decided if not each image, such as "study_id" or
            ["patient_id", "laterality"]: a unit is positive if any of its images is. Images of one unit are of one
            group.
        aggregate: "mean" (default) or "max" of the probabilities of a unit's images.
        time: Column of the table. Training rows are then earlier than all others.
        split: Column of the table with what each image is used for: train, validation or test.
        sample_weight: Column of the table; an image of weight w counts as w.
        groups_from: Regular expression that finds the group in the name of a file, for example
            "(?P<patient>[^_]+)_"; in its path below the folder where the expression has a slash.
        color_mode: "grayscale", "rgb", or "auto": grayscale when all images are gray.
        range: (low, high), the stored values that are black and white in files of more than 8 bits, for example
            (-1000, 400); values beyond are cut off. It goes into the model's file. None: the range of each file's type
            or window; where no file has it (signed and 32-bit integers, float beyond 0..1), the 0.5th and the 99.5th
            percentile of the training images, which each fold and the model learn.
        aspect: What happens to images of another shape than `size`: "stretch"; "crop" to their middle; or "pad" with
            black.
        augment: What changes images at random in training, differently at every draw, so that a repeated image
            never looks alike: "auto" (a small turn, shift and zoom), a Keras augmentation layer, or a list of these.
            For `batches` also ("repeats", layers), on repeats alone, for comparison.
        skip_bad: Leave damaged and foreign files out (they are listed in `.bad`), and rows of a table without a file or
            a label, instead of raising.
        cache: Decoded pixels are kept in a file, so that nothing is decoded twice: True, a temporary file; a folder, a
            file in it that later runs use too; False, no file. It takes at most half of the free space; otherwise
            images are decoded at every draw. Results do not depend on it.

    Raises:
        DataError: No such folder; no sub-folders; files that are absent or cannot be decoded: all of them are named at
            once; files whose range is known among others whose range is not.
        ColumnError: A column is absent, or one image has two labels, groups or parts of the split.
        TargetError: Fewer than two classes with images.
        MissingExtraError: Pillow, or pydicom for DICOM files, is not installed.

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
    listed = _checked(
        source, size, range=range, groups=groups, time=time, split=split, sample_weight=sample_weight,
        color_mode=color_mode, aspect=aspect, skip_bad=skip_bad, augment=augment, images=images, root=root,
        target=target, groups_from=groups_from, features=features, unit=unit, aggregate=aggregate, masks=masks,
        ignore=ignore, cache=cache,
    )  # fmt: skip
    for note in listed.notes:
        logger.warning("%s", note)
    return listed


def _checked(
    source: Any, size: Any, *, range: Any = None, groups: Any = None, time: Any = None, split: Any = None,
    sample_weight: Any = None, **options: Any,
) -> ImageSet:  # fmt: skip
    """As `images`, without logging the notes."""
    columns = {"groups": groups, "time": time, "split": split, "sample_weight": sample_weight}
    span = check_span(range)
    listed = list_images(source, size, span=span, columns=columns, **options)
    if span and not listed.deep:
        raise OptionError(
            f"range is for images of more than 8 bits, but all images in {listed.root} have 8 bits or fewer. "
            "Leave range out."
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
    """List images as `images` does, for the form that a model needs, without notes.

    `range` may not apply to these images.

    `learned` is whether the model learned what is black and white; None: it is to be decided by the files. `as_text`
    are features that a file has as text. `check` is called with the metadata and the names of the files, before
    any of these is decoded, to raise what is wrong; not where labels are in masks.
    """
    features, units = _column_names(features), () if unit is None else _column_names(unit)
    aggregate = check_aggregate(unit, aggregate)
    if groups_from is not None:
        check_pattern(groups_from)
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
        paths, metadata, home, notes = _of_folder(Path(source))
    else:
        more = tuple(dict.fromkeys((*features, *units)))
        rows = read_rows(source, images, root, target, columns or {}, skip_bad, more, as_text)
        if units:
            units_of(rows.columns.select(units), aggregate)  # raises before files are decoded
        paths, metadata, home, notes, table = rows.paths, rows.metadata, rows.root, rows.notes, rows.columns
        written = rows.names
    if groups_from is not None:
        if masked is None and (metadata is None or metadata.groups is not None):
            raise OptionError(
                "groups_from cannot be combined with groups, or with images without labels. Leave groups_from out."
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
    if metadata is not None:
        _check_classes(metadata, home)
        if groups_from is not None and metadata.groups is None:
            metadata = metadata.having(groups=groups_in_names(groups_from, good, home))
    deep = any(info.deep for info in good.values())
    if color_mode == "auto":
        color_mode = "grayscale" if all(info.gray for info in good.values()) else "rgb"
    form = Pictures(color_mode, span, aspect, learns_range(good, span, learned))
    all_notes = (*notes, *reading_notes(list(good.values()), form, sides))
    return ImageSet(
        tuple(good), metadata, sides, form, augment, bad, str(home), deep, all_notes, kept,
        features=None if table is None or not features else table.select(features),
        unit=None if table is None or not units else table.select(units),
        names=None if written is None else written.filter(sound), aggregate=aggregate, keeps=cache is not False,
    )  # fmt: skip


def _check_classes(metadata: RowMetadata, home: Path) -> None:
    if len(metadata.y.classes) < 2:
        only = f"of one class alone ({metadata.y.classes[0]!r})" if metadata.y.classes else "of no class"
        raise TargetError(
            f"The images of {home} are {only}. Expected two classes or more. Add images of another class, or correct "
            "the labels."
        )


def _column_names(given: Any) -> tuple[str, ...]:
    """Names of columns, which may be written as "a,b"."""
    names = given.split(",") if isinstance(given, str) else given
    return tuple(str(name).strip() for name in names)


def _check_folder_options(source: Any, given: dict[str, Any]) -> None:
    if not isinstance(source, (str, os.PathLike)) or (is_table(source) and Path(source).is_file()):
        raise OptionError(
            'The data are a table, but no column of image names was given. Expected images="COLUMN" (--images).'
        )
    for name, value in given.items():
        if value is not None:
            raise OptionError(
                f"{name} is for a table of images, but {source} is a folder with one sub-folder per class. "
                'Leave it out, or pass the table and images="COLUMN" (--images).'
            )


def _of_folder(root: Path) -> tuple[list[str], RowMetadata, Path, list[str]]:
    """Files of a folder, their metadata, the folder, and sentences for the user."""
    layout = labeled_files(root)
    labels = read_target(pl.Series("folder", layout.labels), "folder")
    metadata = RowMetadata(
        labels, split=None if layout.split is None else pl.Series("split", layout.split), target="folder"
    )
    notes = [f"The sub-folder {name!r} has no files, so it is not a class." for name in layout.empty]
    if layout.inside:
        names = ", ".join(dict.fromkeys(layout.labels))
        notes.append(
            f"The classes are {names}, and each contains the same sub-folders ({', '.join(layout.inside[:4])}"
            f"{', ...' * (len(layout.inside) > 4)}). If the sub-folders are the classes, pass the folder of one "
            f"part, or rename the parts to train, validation, and test."
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
    """Read images into memory as `Examples`: x (N, height, width, channels), 0 to 255.

    The arguments are those of `images` and, for the labels, of `read`. Raises what they raise. Notes are warnings of
    the `Examples`.

    `check` raises what is wrong with the rows. It is called before any file is decoded, with rows that have no pixels,
    unless their labels are in files, too.
    """
    labels = {"positive": positive, "one_vs_rest": one_vs_rest, "merge_rare": merge_rare}

    def checked(metadata: RowMetadata, names: Array) -> None:
        rows = labeled_rows(metadata, names, labels)
        if check is not None:
            check(rows)

    return examples_of(_checked(source, size, check=checked, **options), **labels)


def unlabeled(
    folder: str | os.PathLike[str], size: tuple[int, int], form: Pictures, skip_bad: bool = False
) -> ImageSet:
    """List all images below a folder, for prediction by a model.

    Raises:
        DataError: No images, files that cannot be decoded, or files whose range is not known.
    """
    paths = files_below(Path(folder))
    kept = KeptPixels.of(paths, size, form.color_mode, form.aspect, True)
    good, bad = sound_files(paths, skip_bad, form.range, kept)
    kept = kept and kept.at(np.flatnonzero([path in good for path in paths]))
    if not good:
        raise DataError(f"{folder} contains no images.")
    learns_range(good, form.range, form.learned)
    deep = any(info.deep for info in good.values())
    return ImageSet(tuple(good), None, size, form, bad=bad, root=str(folder), deep=deep, kept=kept)
