"""What belongs to the rows beside their features: labels, groups, time, weights, and what each row is to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_weights, rows_text
from counterpoise.core.errors import ColumnError, DataError, did_you_mean
from counterpoise.core.examples import TEST, TRAIN, VALIDATION
from counterpoise.core.labels import Labels
from counterpoise.core.masked import unmasked
from counterpoise.data.dates import days, parse_dates
from counterpoise.data.frames import to_frame
from counterpoise.data.labels import read_target


@dataclass(frozen=True)
class Side:
    """What belongs to the rows beside features: labels (code -1: missing), groups, time, weights, and what each does.

    `target` is what messages call the labels.
    """

    y: Labels
    groups: pl.Series | None = None
    time: pl.Series | None = None
    weight: pl.Series | None = None
    split: pl.Series | None = None
    target: str = "y"

    def having(self, **changes: Any) -> Side:
        """The same with some fields changed."""
        return replace(self, **changes)

    def where(self, kept: Any) -> Side:
        """Those of the rows that are kept, bool (N,)."""
        return self.at(np.flatnonzero(np.asarray(kept, bool)))

    def at(self, rows: np.ndarray) -> Side:
        """Those of some rows, in their order."""
        fields = {name: getattr(self, name) for name in ("groups", "time", "weight", "split")}
        chosen: dict[str, Any] = {name: None if one is None else one.gather(rows) for name, one in fields.items()}
        return replace(self, y=self.y.at(rows), **chosen)


def metadata_of(frame: pl.DataFrame, y: Any, beside: dict[str, Any]) -> Side:
    """Collect labels, groups, time, weights and split; a name stands for a column of the frame.

    Raises:
        DataError: Something is not one value per row.
    """

    def series(value: Any, name: str) -> pl.Series | None:
        if value is None:
            return None
        return frame[value] if isinstance(value, str) else _vector(value, name, frame.height)

    target = y.name if isinstance(y, pl.Series) and y.name in frame.columns else "y"
    labels = read_target(y, target, missing=True)
    if len(labels) != frame.height:
        raise DataError(f"y has {len(labels):,} labels for {frame.height:,} rows; give one label per row.")
    weight = series(beside["sample_weight"], "sample_weight")
    groups, time, split = (series(beside[name], name) for name in ("groups", "time", "split"))
    return Side(labels, groups, time, weight, split, target)


def _vector(values: Any, name: str, n: int) -> pl.Series:
    """One value per row as a series; a column (N, 1) counts as (N,)."""
    values = unmasked(values)
    shape = np.shape(values)
    if len(shape) == 2 and shape[1] == 1:
        values = np.asarray(values)[:, 0]
    elif len(shape) != 1:
        raise DataError(f"{name} has shape {shape}; expected one value per row ({n:,},).")
    if len(values) != n:
        raise DataError(f"{name} has {len(values):,} entries for {n:,} rows; give one per row.")
    if isinstance(values, pl.Series):
        return values.alias(name)
    return to_frame({name: values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)})[0][name]


def skip_rows(features: pl.DataFrame, side: Side) -> tuple[pl.DataFrame, Side, list[str]]:
    """Leave out rows without a label and rows with infinite numbers; say how many."""
    unlabeled = pl.Series((side.y.codes.reshape(len(side.y), -1) < 0).all(axis=1))
    floats = [c for c in features.columns if features[c].dtype.is_float()]
    infinite = pl.Series(np.zeros(len(side.y), dtype=bool))
    for column in floats:
        infinite = infinite | features[column].is_infinite().fill_null(False)
    keep = ~(unlabeled | infinite)
    told = []
    if unlabeled.any():
        told.append(f"Left out {rows_text(unlabeled.arg_true())} without a label.")
    if infinite.any():
        told.append(f"Left out {rows_text(infinite.arg_true())} with infinite numbers.")
    return features.filter(keep), side.where(keep.to_numpy()), told


def group_codes(values: pl.Series) -> np.ndarray:
    """int64 (N,) codes of the groups; every row needs one."""
    missing = values.is_null().arg_true()
    if len(missing):
        raise ColumnError(f"groups {values.name!r} is missing in {rows_text(missing)}; give every row a group.")
    return values.cast(pl.String).rank("dense").cast(pl.Int64).to_numpy() - 1


#: How rows say what they do.
ROLES = {
    "train": TRAIN, "training": TRAIN,
    "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION, "dev": VALIDATION,
    "test": TEST, "testing": TEST,
}  # fmt: skip


def roles(values: pl.Series) -> np.ndarray:
    """int8 (N,): `TRAIN`, `VALIDATION` or `TEST` of each row, from the words of `ROLES` in any capitals.

    Example:
        >>> roles(pl.Series("split", ["train", "Val", "TEST"])).tolist()
        [0, 1, 2]
    """
    missing = values.is_null().arg_true()
    if len(missing):
        raise ColumnError(f"split {values.name!r} is missing in {rows_text(missing)}; write train, validation or test.")
    words = values.cast(pl.String).str.strip_chars().str.to_lowercase()
    odd = (~words.is_in(list(ROLES))).arg_true()
    if len(odd):
        raise ColumnError(
            f"split {values.name!r} is {values[odd[0]]!r} in {rows_text(odd)}; expected train, validation (valid, val, "
            f"dev) or test.{did_you_mean(str(values[odd[0]]), ROLES)}"
        )
    return words.replace_strict(ROLES, return_dtype=pl.Int8).to_numpy()


def times(values: pl.Series) -> np.ndarray:
    """(N,) numbers that sort as the times do: numbers as they are, dates as days since 1970-01-01."""
    if values.dtype == pl.String:
        parsed = parse_dates(values)
        odd = (parsed.is_null() & values.is_not_null()).arg_true()
        if len(odd):
            raise ColumnError(
                f"time {values.name!r} is {values[odd[0]]!r} in {rows_text(odd)}; expected numbers or dates "
                "written as 2024-12-31 or 2024-12-31 23:59:59."
            )
        values = parsed
    missing = values.is_null().arg_true()
    if len(missing):
        raise ColumnError(f"time {values.name!r} is missing in {rows_text(missing)}; give every row a time.")
    if values.dtype.is_temporal():
        return days(values).to_numpy()
    if not values.dtype.is_numeric():
        raise ColumnError(f"time {values.name!r} holds {values.dtype}; expected numbers or dates.")
    return values.to_numpy()


def _spells_numbers(text: pl.Series) -> bool:
    return text.cast(pl.Float64, strict=False).null_count() == text.null_count()


def weights(values: pl.Series) -> np.ndarray:
    """float32 (N,) weights: finite, none negative, not all zero."""
    if values.dtype == pl.String:  # as it stands in a file
        values = values.cast(pl.Float64, strict=False) if _spells_numbers(values) else values
    if not values.dtype.is_numeric():
        raise ColumnError(f"sample_weight {values.name!r} holds {values.dtype}, expected numbers.")
    missing = values.is_null().arg_true()
    if len(missing):
        raise DataError(f"sample_weight is missing or NaN in {rows_text(missing)}; use 0 or more.")
    return check_weights(values.to_numpy(), len(values)).astype(np.float32)
