"""Images with their metadata -> `Examples`: pixels, and the columns that come with them.

In training and prediction: the columns are encoded by the same schema (`encode_image_set`, `encode_pictures`).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.duplicates import find_duplicates
from counterpoise.core.errors import ColumnError, DataError
from counterpoise.core.examples import IMAGE, TRAIN, Examples, Pictures
from counterpoise.core.schema import Schema
from counterpoise.data.image_set import ImageSet, left_out_notes
from counterpoise.data.kinds import infer_column
from counterpoise.data.labels import encode_with_options
from counterpoise.data.reading_notes import blank_label_notes, column_notes
from counterpoise.data.row_metadata import RowMetadata, group_codes, joined_groups
from counterpoise.data.schema import encode_rows
from counterpoise.data.unit_columns import with_units

Array = np.ndarray
#: Where the largest of pixels from 0 to 255 never is: below this in images that are not black, and above this.
LOW, HIGH = 4.0, 510.0


def image_examples(
    images: ImageSet, *, positive: Any = None, one_vs_rest: Any = None, merge_rare: Sequence[Any] = ()
) -> Examples:
    """Return the images as `Examples`, their pixels in memory where they fit (see `ImageSet.rows`).

    Images with equal pixels become one group, together with the groups (patients) that they are from, so that no split
    separates copies. If the images have a split already, or times, their groups stay. Options are those of
    `encode_labels`.
    """
    metadata = images.labeled_metadata
    options = {"positive": positive, "one_vs_rest": one_vs_rest, "merge_rare": merge_rare}
    labels = encode_with_options(metadata.y, options, written=True, name=metadata.target)
    arrays: dict[str, Any] = metadata.arrays()
    schema, more = schema_of_features(images.features, arrays["split"], metadata.target)
    x = encode_image_set(images, schema)
    duplicate_ids = find_duplicates(x if schema is None else x[IMAGE])
    # None would mean rows that cannot be compared; images always can.
    assert duplicate_ids is not None
    notes = [*more, *left_out_notes(images.bad)]
    copies = len(duplicate_ids) - len(np.unique(duplicate_ids))
    if copies:
        divided_by_rows = metadata.split is None and metadata.time is None  # groups cannot be combined with time
        together = "; copies stay on the same side of each split" if divided_by_rows else ""
        notes.append(f"{copies:,} of {len(duplicate_ids):,} images are copies of an earlier image{together}.")
        if divided_by_rows:
            groups = arrays["groups"]
            arrays["groups"] = duplicate_ids if groups is None else joined_groups(groups, duplicate_ids)
    notes += blank_label_notes(labels.codes, labels.classes) if labels.kind == "labels" else []
    column = (("column", metadata.target),) if images.names is not None and labels.kind == "one_of" else ()
    examples = Examples(
        x, labels.codes, labels.classes, schema, **arrays, duplicate_ids=duplicate_ids,
        names=names_below(images.root, images.paths), kind=labels.kind, label_options=labels.options or column,
        source=Path(images.root).resolve().name, warnings=(*images.notes, *notes), pictures=images.form,
    )  # fmt: skip
    return with_units(examples, images.units)


def examples_without_pixels(metadata: RowMetadata, names: Array, labels: Mapping[str, Any]) -> Examples:
    """Return the rows as `Examples` without pixels, to check labels and split before images are decoded.

    `names` are the names of the images (N,). `labels` are the options of labels (see `data.labels`).
    """
    read = encode_with_options(metadata.y, labels, written=True, name=metadata.target)
    return Examples({}, read.codes, read.classes, **metadata.arrays(), names=names, kind=read.kind)


def names_below(root: str | Path, paths: Sequence[str]) -> Array:
    """Return the name of each image, text (N,): its path below the folder `root`."""
    return np.array([os.path.relpath(path, root) for path in paths])


def schema_of_features(
    features: pl.DataFrame | None, split: Array | None, target: str
) -> tuple[Schema | None, list[str]]:
    """Return the schema of the columns that come with images, learned from the training rows, and notes.

    Without a `split` (codes of roles (N,)), all rows are training rows. Without columns the schema is None.

    Raises:
        ColumnError: none of them can be used.
    """
    if features is None:
        return None, []
    learn = features if split is None else features.filter(pl.Series(split == TRAIN))
    columns = [infer_column(learn[name], None) for name in learn.columns]
    schema = Schema(tuple(inferred.column for inferred in columns), target)
    if not any(column.used for column in schema.columns):
        reasons = " ".join(note for inferred in columns for note in inferred.notes)
        raise ColumnError(f"No column of features= can be used. {reasons} Remove features= (--features).")
    return schema, column_notes(columns)


def encode_image_set(images: ImageSet, schema: Schema | None) -> Any:
    """Return images as `Examples.x`: pixels, or with a schema a dict of pixels and encoded columns.

    For training, validation and prediction.

    Raises:
        DataError: columns that the model takes are absent, or there are some and it takes none.
    """
    if schema is None:
        if images.features is not None:
            raise DataError("The model was trained on images without features. Remove features= (--features).")
        return images.rows()
    if images.features is None:
        names = ", ".join(column.name for column in schema.columns if column.used)
        raise DataError(
            f"The model needs the columns {names} for each image. Expected a table of images with these "
            "columns. Pass their names: cp.images(..., features=[...])."
        )
    return {IMAGE: images.rows(), **encode_rows(schema, images.features, "the table of images")}


def encode_pictures(schema: Schema, x: Any, name: str | None = None) -> dict[str, Any]:
    """Return arrays of pixels and columns in the form of `Examples.x` (see `encode_image_set`).

    `x` is what a user passes to predict. `name` is that of the rows in messages.

    Raises:
        DataError: `x` is not a dict with the pixels under "image".
    """
    if not isinstance(x, Mapping) or IMAGE not in x:
        raise DataError(
            f"x is {type(x).__name__}. Expected images with columns. Pass cp.images(..., features=[...]). Or "
            f"pass a dict with the pixels under {IMAGE!r} and the columns under their names."
        )
    columns = {key: values for key, values in x.items() if key != IMAGE}
    return {IMAGE: np.asarray(x[IMAGE]), **encode_rows(schema, columns, name)}


def warn_of_shared_images(train: ImageSet, validation: ImageSet) -> None:
    """Warn if training images and validation images have groups in common, or else files.

    Groups are compared only if both have them.
    """
    files = [{os.path.abspath(path) for path in images.paths} for images in (train, validation)]
    shared, what = len(files[0] & files[1]), "file"
    groups = [None if images.metadata is None else images.metadata.groups for images in (train, validation)]
    if groups[0] is not None and groups[1] is not None:
        codes = group_codes(pl.concat([groups[0].cast(pl.String), groups[1].cast(pl.String)]))
        in_both = len(np.intersect1d(codes[: len(train)], codes[len(train) :]))
        shared, what = (in_both, "group") if in_both else (shared, what)
    if shared:
        other = "images of other groups, such as other patients" if what == "group" else "other images"
        warnings.warn(
            f"The training images and the validation images have {shared:,} {what}{'s' * (shared != 1)} in common. "
            f"Scores on the validation images are then too high. Pass {other} as validation=.",
            UserWarning,
            stacklevel=3,
        )


def read_as_trained(images: ImageSet, pictures: Pictures | None) -> ImageSet:
    """Return images in the form of training; warn if this form is not known, because `pictures` is None."""
    if pictures is not None:
        return images.read_as(pictures)
    warnings.warn(
        "The model was trained on arrays, so how its images were read is not known. The pixels of files are 0 to 255. "
        "If training used another scale, such as 0 to 1, pass arrays on this scale instead of cp.images.",
        UserWarning,
        stacklevel=3,
    )
    return images


def warn_of_other_scale(pictures: Pictures | None, x: Any) -> None:
    """Warn if arrays (N, height, width, channels) are on another scale than the images of training, 0 to 255.

    They are if all values are below `LOW` and not whole (such as 0 to 1), or if a value is above `HIGH`. `pictures` is
    how the images were read; without it, or if black and white were learned, the scale is not known.
    """
    arrays = isinstance(x, np.ndarray) and x.ndim == 4 and x.size > 0 and x.dtype.kind in "iuf"
    if not arrays or pictures is None or pictures.learned:
        return
    highest = x.max()
    if highest > HIGH or (highest < LOW and np.any(x % 1)):
        warnings.warn(
            "The arrays contain pixels on another scale than in training. The model was trained on images in files, "
            "whose pixels are 0 to 255. Pass the files with cp.images, or scale the arrays to 0 to 255.",
            UserWarning,
            stacklevel=3,
        )
