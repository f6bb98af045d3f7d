"""A table with a row for each image -> its files and their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError, DataError, TargetError, did_you_mean
from counterpoise.data.frames import to_frame
from counterpoise.data.image_names import located
from counterpoise.data.row_metadata import RowMetadata, metadata_of

Array = np.ndarray


@dataclass(frozen=True)
class Rows:
    """The images of a table.

    Attributes:
        paths: Their files, each once.
        metadata: Their metadata; None: no column of labels was named.
        root: The folder that their names were looked for in.
        notes: Sentences for the user.
    """

    paths: list[str]
    metadata: RowMetadata | None
    root: Path
    notes: list[str]


def read_rows(
    source: Any, images: str, root: Any, target: Any, columns: Mapping[str, str | None], skip_bad: bool
) -> Rows:
    """Read a table of images (see `images` for the arguments; `columns` are groups, time, split and sample_weight)."""
    asked = {name: column for name, column in columns.items() if column is not None}
    wanted = target if isinstance(target, str) or target is None else tuple(target)
    texts = (images, *((wanted,) if isinstance(wanted, str) else ()))
    frame, name, notes = to_frame(source, texts, skip_bad)
    targets = _target_columns(frame, wanted, name)
    for column in (images, *asked.values()):
        if column not in frame.columns:
            raise ColumnError(f"{column!r} is no column of {name}.{did_you_mean(column, frame.columns)}")
    folder = _root(source, root)
    files, more = located(frame[images], folder, skip_bad)
    notes = [*notes, *more]
    if not targets:
        paths = list(dict.fromkeys(path for path in files if path is not None))
        return Rows(_some(paths, name), None, folder, notes)
    title = ", ".join(targets)
    labels = frame[targets[0]] if len(targets) == 1 else _one_hot(frame, targets)
    metadata = metadata_of(
        frame, labels, {key: columns.get(key) for key in ("groups", "time", "split", "sample_weight")}
    )
    metadata = metadata.having(target=title)
    kept = np.array([path is not None for path in files])
    if (metadata.y.codes < 0).any() and skip_bad:
        notes.append(f"Left out {rows_text(np.flatnonzero(metadata.y.codes < 0))} without a label.")
        kept &= metadata.y.codes >= 0
    elif (metadata.y.codes < 0).any():
        raise TargetError(
            f"Target {title!r} is missing in {rows_text(np.flatnonzero(metadata.y.codes < 0))}. Expected a label in "
            "every row. Fill in the labels, or leave these rows out with skip_bad=True (--skip-bad)."
        )
    paths, first, conflicts = _distinct(np.flatnonzero(kept), files, metadata, frame[images], skip_bad)
    merged = int(kept.sum()) - len(first) - conflicts
    if conflicts:
        notes.append(f"Left out {conflicts:,} rows of images that have two labels, groups or parts of the split.")
    if merged:
        notes.append(f"{merged:,} row{'s repeat an image' if merged > 1 else ' repeats an image'} of an earlier row, "
                     "with the same label; each image counts once.")  # fmt: skip
    return Rows(_some(paths, name), metadata.at(first), folder, notes)


def _some(paths: list[str], name: str) -> list[str]:
    if not paths:
        raise DataError(f"No row of {name} is left that names an image. Check the column of names and root= (--root).")
    return paths


def _root(source: Any, root: Any) -> Path:
    if root is not None:
        return Path(root)
    return Path(source).parent if isinstance(source, (str, Path)) else Path()


def _target_columns(frame: pl.DataFrame, target: Any, name: str) -> list[str]:
    """The columns that hold the class: one, several of 0 and 1 (also as "a,b,c"), or none."""
    if target is None:
        return []
    if isinstance(target, str) and target not in frame.columns and "," in target:
        target = tuple(name.strip() for name in target.split(","))
    columns = [target] if isinstance(target, str) else list(target)
    for column in columns:
        if column not in frame.columns:
            raise TargetError(f"Target {column!r} is no column of {name}.{did_you_mean(column, frame.columns)}")
    return columns


def _one_hot(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The name of the column that is 1 in each row."""
    numbers = np.stack([_truth(frame[column]) for column in columns], axis=1)
    odd = np.flatnonzero(((numbers != 0) & (numbers != 1)).any(axis=1) | (numbers.sum(axis=1) != 1))
    if len(odd):
        row = dict(zip(columns, numbers[odd[0]].tolist(), strict=True))
        raise TargetError(
            f"The columns {', '.join(map(repr, columns))} do not hold one class for each row: {rows_text(odd)} "
            f"({row}). Expected 0 and 1, and a single 1 in each row. Name the one column that you want to predict with "
            "target= (--target), or leave these rows out of the table."
        )
    return pl.Series("class", np.array(columns, object)[numbers.argmax(axis=1)].tolist())


def _truth(column: pl.Series) -> Array:
    numbers = column.cast(pl.String).str.to_lowercase().replace({"true": "1", "false": "0"})
    return numbers.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _distinct(
    rows: Array, files: Sequence[str | None], metadata: RowMetadata, names: pl.Series, skip_bad: bool
) -> tuple[list[str], Array, int]:
    """Each file once, its first row, and how many rows were left out because they contradict each other.

    Raises:
        ColumnError: rows of one image that contradict each other; with `skip_bad` none of these is kept.
    """
    first: dict[str, int] = {}
    odd: dict[str, tuple[str, int, int]] = {}
    values_of: dict[str, Any] = {metadata.target: [metadata.y.classes[code] for code in metadata.y.codes]}
    for series in (metadata.groups, metadata.split):
        if series is not None:
            values_of[series.name] = series.to_list()
    for row in rows.tolist():
        path = str(files[row])
        before = first.setdefault(path, row)
        differing = [column for column, values in values_of.items() if values[before] != values[row]]
        if differing:
            odd.setdefault(path, (differing[0], before, row))
    if odd and not skip_bad:
        column, a, b = next(iter(odd.values()))
        more = f" ({len(odd):,} such images)" if len(odd) > 1 else ""
        raise ColumnError(
            f"Image {names[b]!r} has two values in column {column!r}: {values_of[column][a]!r} in row {a + 1} and "
            f"{values_of[column][b]!r} in row {b + 1}{more}. Expected one. Correct the table, or leave such images "
            "out with skip_bad=True (--skip-bad)."
        )
    lost = sum(str(files[row]) in odd for row in rows.tolist())
    kept = {path: row for path, row in first.items() if path not in odd}
    return list(kept), np.array(list(kept.values()), np.int64), lost
