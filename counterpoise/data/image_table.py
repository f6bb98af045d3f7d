"""A table with a row for each image -> its files and their metadata.

`images` reads tables by it. Rows are checked before any file is decoded, and messages count them as the table does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError, DataError, TargetError, did_you_mean
from counterpoise.core.examples import IMAGE
from counterpoise.core.label_columns import labels
from counterpoise.core.target import TargetColumns
from counterpoise.data.frames import to_frame
from counterpoise.data.image_names import locate_images
from counterpoise.data.row_metadata import RowMetadata, metadata_of
from counterpoise.data.unit_columns import columns_of_names

Array = np.ndarray
#: What `metadata_of` reads.
METADATA = ("groups", "time", "split", "sample_weight")
#: Share of rows that may be mistakes in columns of one class.
FEW_MISTAKES = 0.05


@dataclass(frozen=True)
class TableImages:
    """The images of a table, each once.

    Attributes:
        paths: Their files, each once.
        metadata: Their metadata; None: no column of labels was named.
        root: The folder that their names were looked for in.
        notes: Sentences for the user.
        columns: Columns that are neither names nor metadata, a row for each image.
        names: The names of the images, as the table has them.
    """

    paths: list[str]
    metadata: RowMetadata | None
    root: Path
    notes: list[str]
    columns: pl.DataFrame
    names: pl.Series


def read_image_table(
    source: Any, images: str, root: Any, target: Any, columns: Mapping[str, str | None], skip_bad: bool,
    more: Sequence[str] = (), as_text: Sequence[str] = (), units: Sequence[str] = (),
) -> TableImages:  # fmt: skip
    """Read a table of images.

    Args:
        source, images, root, target, skip_bad: As in `images`.
        columns: Those of groups, time, split and sample_weight.
        more: Further columns to keep. as_text: Those of them that are read as text from a file. units: Those that name
            units.

    Returns:
        The images, each once. Rows without a file, without a label, or that contradict another row of the same image
        are left out with `skip_bad` (a note tells so), and raise an error without it.

    Raises:
        ColumnError, TargetError, DataError: A column is absent or reserved, or rows are left out without `skip_bad`.
    """
    asked = {name: column for name, column in columns.items() if column is not None}
    wanted = () if target is None else _target_names(target)
    texts = (images, *wanted, *as_text, *columns_of_names(columns.get("groups"), tuple(units)))
    frame, name, notes = to_frame(source, texts, skip_bad)
    targets = _target_columns(frame, target, name)
    for column in (images, *asked.values(), *more):
        if column not in frame.columns:
            raise ColumnError(f"{column!r} is not a column of {name}.{did_you_mean(column, frame.columns)}")
    if IMAGE in more or set(more) & {*targets, images}:
        name = IMAGE if IMAGE in more else next(iter(set(more) & {*targets, images}))
        raise ColumnError(
            f"Column {name!r} cannot be a feature or a unit. It is the target or the column of image names, or "
            f"it has the reserved name {IMAGE!r}. Remove it from features= or unit=, or rename it."
        )
    folder = _image_folder(source, root)
    files, absent = locate_images(frame[images], folder, skip_bad)
    notes = [*notes, *absent]
    kept = np.array([path is not None for path in files])
    metadata = None
    if targets:
        title = ", ".join(targets)
        metadata = metadata_of(
            frame, _read_labels(frame, targets, target), {key: columns.get(key) for key in METADATA}
        ).having(target=title)  # fmt: skip
        _check_metadata(metadata, kept)
        notes += _notes_on_odd_rows(targets, metadata, target)
        unlabeled = (metadata.y.codes.reshape(frame.height, -1) < 0).all(axis=1)
        if unlabeled.any() and not skip_bad and metadata.y.kind == "one_of":
            raise TargetError(
                f"Target {title!r} is missing in {rows_text(np.flatnonzero(unlabeled))}. Expected a label in every "
                "row. Fill in the labels, or leave these rows out with skip_bad=True (--skip-bad)."
            )
        if unlabeled.any() and skip_bad:
            notes.append(f"Left out {rows_text(np.flatnonzero(unlabeled))}, because the label is missing there.")
            kept &= ~unlabeled
    table = frame.select(more)
    paths, first, odd = _distinct_images(np.flatnonzero(kept), files, metadata, table, frame[images], skip_bad)
    merged = int(kept.sum()) - len(first) - len(odd)
    if len(odd):
        notes.append(f"Left out {rows_text(odd)}, because rows of the same image have different values in a column.")
    if merged:
        same = "" if metadata is None else " with the same label"
        notes.append(f"{merged:,} row{'s repeat the image' if merged > 1 else ' repeats the image'} of an earlier row"
            f"{same}. Each image is used once.")  # fmt: skip
    metadata = None if metadata is None else metadata.at(first)
    columns_kept = table[first] if more else table
    return TableImages(_check_any_found(paths, name), metadata, folder, notes, columns_kept, frame[images][first])


def _check_metadata(metadata: RowMetadata, kept: Array) -> None:
    """Raise errors of groups, times, weights, or split, before any file is decoded.

    Rows that are not `kept` (bool (N,)) are replaced by the first kept row. So they cause no error, and messages have
    the row numbers of the table.
    """
    rows = np.flatnonzero(kept)
    if len(rows):
        metadata.at(np.where(kept, np.arange(len(kept)), rows[0])).arrays()


def _check_any_found(paths: list[str], name: str) -> list[str]:
    """Return the paths; raise a DataError if there are none. `name` is that of the table."""
    if not paths:
        raise DataError(
            f"None of the images that {name} lists exists. Check the column of image names, and root= (--root)."
        )
    return paths


def _image_folder(source: Any, root: Any) -> Path:
    """Return the given root folder, or the folder of a table file, or else the current folder."""
    if root is not None:
        return Path(root)
    return Path(source).parent if isinstance(source, (str, Path)) else Path()


def _target_names(target: Any) -> tuple[str, ...]:
    """Return the column names in a target: one name, several names, or `TargetColumns`."""
    if isinstance(target, TargetColumns):
        return target.columns
    return (target,) if isinstance(target, str) else tuple(target)


def _target_columns(frame: pl.DataFrame, target: Any, name: str) -> list[str]:
    """Return the columns of the target: one, several (also as "a,b,c"), or none for None.

    A column that is not in the frame raises a TargetError. `name` is that of the table in the message.
    """
    if target is None:
        return []
    if isinstance(target, str) and target not in frame.columns and "," in target:
        target = tuple(name.strip() for name in target.split(","))
    columns = list(_target_names(target))
    for column in columns:
        if column not in frame.columns:
            raise TargetError(f"Target {column!r} is not a column of {name}.{did_you_mean(column, frame.columns)}")
    return columns


def _read_labels(frame: pl.DataFrame, columns: Sequence[str], target: Any) -> Any:
    """Return the labels in these columns: one class per row, or several labels.

    Several columns of which exactly one is 1 in every row are read as one class per row, named by the column.
    """
    if len(columns) == 1 and not isinstance(target, TargetColumns):
        return frame[columns[0]]
    if len(columns) > 1 and (classes := _classes_of_one_hot(frame, columns)) is not None:
        return classes
    reader = target if isinstance(target, TargetColumns) else labels(list(columns))
    return reader.read(frame.select(columns))


def _classes_of_one_hot(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series | None:
    """Return the name of the column that is 1 in each row, or None if the columns are not one-hot.

    They are not if a row does not have exactly one 1, or if a value is neither 0 nor 1.
    """
    numbers = np.stack([_truth_as_numbers(frame[column]) for column in columns], axis=1)
    if not (((numbers == 0) | (numbers == 1)).all() and (numbers.sum(axis=1) == 1).all()):
        return None
    return pl.Series("class", np.array(columns, object)[numbers.argmax(axis=1)].tolist())


def _notes_on_odd_rows(columns: Sequence[str], metadata: RowMetadata, target: Any) -> list[str]:
    """Return a note if nearly all rows have exactly one label, so that others may be mistakes.

    The list is empty otherwise: for one class per row, for `TargetColumns`, and if more than `FEW_MISTAKES` of the rows
    differ.
    """
    if metadata.y.kind == "one_of" or isinstance(target, TargetColumns):
        return []
    other = (metadata.y.codes == 1).sum(axis=1) != 1
    if other.mean() > FEW_MISTAKES:
        return []
    return [
        f"{int(other.sum()):,} of {len(other):,} rows have a 1 in none or in several of the columns "
        f"{', '.join(columns)}: {rows_text(np.flatnonzero(other))}. These columns are therefore read as "
        "several labels per row. If each row should have one class, correct these rows."
    ]


def _truth_as_numbers(column: pl.Series) -> Array:
    """Return a column as float64 (N,): true and false as 1 and 0, NaN for what is no number."""
    numbers = column.cast(pl.String).str.to_lowercase().replace({"true": "1", "false": "0"})
    return numbers.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _distinct_images(
    rows: Array, files: Sequence[str | None], metadata: RowMetadata | None, table: pl.DataFrame, names: pl.Series,
    skip_bad: bool,
) -> tuple[list[str], Array, list[int]]:  # fmt: skip
    """Return each file once, its first row int64, and the rows that contradict each other.

    Rows of one image contradict each other if they differ in labels, metadata, or a column of `table`.

    Raises:
        ColumnError: rows of one image that contradict each other; with `skip_bad` none of these is kept.
    """
    values_of = {name: table[name].to_list() for name in table.columns} | _compared_values(metadata)
    first: dict[str, int] = {}
    odd: dict[str, tuple[str, int, int]] = {}
    for row in rows.tolist():
        path = str(files[row])
        before = first.setdefault(path, row)
        if before == row:
            continue
        differing = [column for column, values in values_of.items() if values[before] != values[row]]
        if differing:
            odd.setdefault(path, (differing[0], before, row))
    if odd and not skip_bad:
        column, a, b = next(iter(odd.values()))
        more = f" ({len(odd):,} such images)" if len(odd) > 1 else ""
        raise ColumnError(
            f"Image {names[b]!r} has two values in column {column!r}: {values_of[column][a]!r} in row {a + 1} "
            f"and {values_of[column][b]!r} in row {b + 1}{more}. Expected one value for each image. Correct "
            "the table, or leave such images out with skip_bad=True (--skip-bad)."
        )
    lost = [row for row in rows.tolist() if str(files[row]) in odd]
    kept = {path: row for path, row in first.items() if path not in odd}
    return list(kept), np.array(list(kept.values()), np.int64), lost


def _compared_values(metadata: RowMetadata | None) -> dict[str, list[Any]]:
    """Return column -> its value in each row, for labels, groups, time, split and weights; {} for None."""
    if metadata is None:
        return {}
    y = metadata.y
    if y.codes.ndim > 1:
        values_of: dict[str, list[Any]] = {str(name): y.codes[:, i].tolist() for i, name in enumerate(y.classes)}
    else:
        values_of = {metadata.target: [y.classes[code] if code >= 0 else None for code in y.codes]}
    columns = (metadata.groups, metadata.time, metadata.split, metadata.weight)
    given = [series for series in columns if series is not None]
    return values_of | {series.name: series.to_list() for series in given}
