"""Metadata of rows: labels, groups, time, weights, units, and what each row is used for.

From columns or values of the user to the arrays of `Examples`. Rows are divided, weighed and scored by them, so a fault
is an error that names the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_weights, rows_text
from counterpoise.core.errors import ColumnError, DataError, OptionError, did_you_mean
from counterpoise.core.examples import TEST, TRAIN, VALIDATION
from counterpoise.core.labels import Labels
from counterpoise.core.masked import unmasked
from counterpoise.core.schema import Schema
from counterpoise.data.amounts import amounts_of
from counterpoise.data.date_text import date_order, parse_dates
from counterpoise.data.dates import days
from counterpoise.data.frames import to_frame
from counterpoise.data.labels import read_target
from counterpoise.data.numbers import read_numbers
from counterpoise.data.series import library


@dataclass(frozen=True)
class RowMetadata:
    """Facts about rows in addition to their features.

    Attributes:
        y: Labels; code -1: missing.
        groups: Group of each row, or None.
        time: Time of each row, or None.
        weight: Weight of each row, or None.
        amount: What a missed case of each row costs, or None.
        by: Name -> values of each row, which are scored separately.
        split: A word of `ROLES` for each row, or None.
        unit: Columns that name what is decided, or None.
        target: What messages call the labels.
    """

    y: Labels
    groups: pl.Series | None = None
    time: pl.Series | None = None
    weight: pl.Series | None = None
    amount: pl.Series | None = None
    split: pl.Series | None = None
    unit: pl.DataFrame | None = None
    by: Mapping[str, pl.Series] = field(default_factory=dict)
    target: str = "y"

    def having(self, **changes: Any) -> RowMetadata:
        """Return the same metadata with some fields changed."""
        return replace(self, **changes)

    def where(self, kept: Any) -> RowMetadata:
        """Return the metadata of the rows where `kept`, bool (N,), is true."""
        return self.at(np.flatnonzero(np.asarray(kept, bool)))

    def at(self, rows: np.ndarray) -> RowMetadata:
        """Return the metadata of the rows with these numbers, int (n,), in their order."""
        columns = {name: getattr(self, name) for name in ("groups", "time", "weight", "amount", "split")}
        taken: dict[str, Any] = {name: None if c is None else c.gather(rows) for name, c in columns.items()}
        by = {name: values.gather(rows) for name, values in self.by.items()}
        unit = None if self.unit is None else self.unit[rows]
        return replace(self, y=self.y.at(rows), by=by, unit=unit, **taken)

    def arrays(self, schema: Schema | None = None) -> dict[str, Any]:
        """Return groups, time, sample_weight, amount and split as the arrays of `Examples`, by the names of its fields.

        Amounts are read as they will be read in new rows, with the columns `schema` of a table (see `amounts_of`).

        Raises:
            ColumnError, DataError, OptionError: a row has no value, or one of another kind; the rows are named.
        """
        return {
            "groups": None if self.groups is None else group_codes(self.groups),
            "time": None if self.time is None else times(self.time),
            "sample_weight": None if self.weight is None else weights(self.weight),
            "amount": None if self.amount is None else amounts_of(self.amount, self.amount.name, schema),
            "by": {name: _as_numpy(values) for name, values in self.by.items()} or None,
            "split": None if self.split is None else roles(self.split),
        }


def _as_numpy(values: pl.Series) -> np.ndarray:
    """Return values as an array (N,); whole numbers of 128 bits, which NumPy lacks, as int64, or else as float64.

    Such numbers come from decimals without a fraction, as databases write them, and from very long numbers in a CSV
    file.
    """
    if values.dtype not in (pl.Int128, pl.UInt128):
        return values.to_numpy()
    narrow = values.cast(pl.Int64, strict=False)
    return (narrow if narrow.null_count() == values.null_count() else values.cast(pl.Float64)).to_numpy()


def metadata_of(frame: pl.DataFrame, y: Any, given: Mapping[str, Any]) -> RowMetadata:
    """Return the metadata of the rows of a frame, as columns or values of the user.

    Args:
        frame: The rows.
        y: Their labels.
        given: "groups", "time", "sample_weight", "split" and, if there are costs, "cost_column": name of a column of
            the frame, values (N,), or None; "by", `{name: column or values}`; and "unit": names of columns, values
            (N,), or None.

    Raises:
        DataError: Something is not one value per row. ColumnError: A column of `unit` is absent.
    """

    def series(name: str) -> pl.Series | None:
        # The values of one field as a series: a column of the frame, values (N,), or None if it was not given.
        values = given.get(name)
        if values is None:
            return None
        return frame[values] if isinstance(values, str) else value_series(values, name, frame.height)

    target = y.name if isinstance(y, pl.Series) and y.name in frame.columns else "y"
    _check_not_names(y, frame)
    labels = read_target(y, target, missing=True)
    if len(labels) != frame.height:
        raise DataError(
            f"y has {len(labels):,} labels for {frame.height:,} rows. Expected one label per row. Pass y in "
            "the order of the rows."
        )
    return RowMetadata(
        labels, series("groups"), series("time"), series("sample_weight"), amount=series("cost_column"),
        split=series("split"), unit=unit_table(frame, given.get("unit")),
        by={name: frame[one] if isinstance(one, str) else value_series(one, name, frame.height)
            for name, one in (given.get("by") or {}).items()}, target=target,
    )  # fmt: skip


def _check_not_names(y: Any, frame: pl.DataFrame) -> None:
    """Raise an OptionError if the labels are names of columns of the frame that name no target.

    Two different names or more are the columns of several labels; they do not come here.
    """
    names = list(y) if isinstance(y, (list, tuple)) else []
    if len(names) == frame.height or not names or not all(isinstance(n, str) and n in frame.columns for n in names):
        return
    if len(names) == 1:
        raise OptionError(
            f"y is {y!r}, a list with one column name. If this column contains the labels, pass {names[0]!r}."
        )
    twice = next(name for name in names if names.count(name) > 1)
    raise OptionError(f"y names the column {twice!r} twice. Name each label column once.")


def unit_table(frame: pl.DataFrame, unit: Any) -> pl.DataFrame | None:
    """Return the columns of a unit, (N, columns), or None without a unit.

    Args:
        frame: The rows. unit: A tuple of names of its columns, values (N,) that become one column "unit", or None.

    Raises:
        ColumnError: A column is absent. DataError: The values are not one per row.
    """
    if unit is None:
        return None
    if isinstance(unit, tuple):
        absent = [name for name in unit if name not in frame.columns]
        if absent:
            raise ColumnError(f"unit={absent[0]!r} is not a column.{did_you_mean(absent[0], frame.columns)}")
        return frame.select(unit)
    return pl.DataFrame([value_series(unit, "unit", frame.height)])


def value_series(values: Any, name: str, n: int) -> pl.Series:
    """Return one value per row as a series called `name`; a column (N, 1) counts as (N,).

    Raises:
        DataError: The values have another shape or are not `n`.
    """
    values = unmasked(values)
    shape = np.shape(values)
    if len(shape) == 2 and shape[1] == 1:
        values = _as_array(values)[:, 0]
    elif len(shape) != 1:
        raise DataError(f"{name} has shape {shape}. Expected one value per row, ({n:,},). Pass one column of values.")
    if len(values) != n:
        raise DataError(
            f"{name} has {len(values):,} values for {n:,} rows. Expected one value per row. Correct {name}."
        )
    if isinstance(values, pl.Series):
        return values.alias(name)
    if library(values) != "pyarrow":  # `to_series` reads Arrow columns, and `to_numpy` only those of numbers
        values = values.to_numpy() if hasattr(values, "to_numpy") else _as_array(values)
    return to_frame({name: values})[0][name]


def _as_array(values: Any) -> np.ndarray:
    """Return values of any type as an array; a list of text stays objects, because NumPy makes text of NaN and None."""
    array = np.asarray(values)
    listed = array.dtype.kind in "US" and isinstance(values, (list, tuple))
    return np.asarray(values, dtype=object) if listed else array


def skip_rows(features: pl.DataFrame, metadata: RowMetadata) -> tuple[pl.DataFrame, RowMetadata, list[str]]:
    """Return features and metadata without the rows that have no label or infinite numbers, and notes.

    There is one sentence for each reason that occurs, with the rows.
    """
    # A row with several labels, or a class per element, has no label if all of its codes are -1.
    unlabeled = pl.Series((metadata.y.codes.reshape(len(metadata.y), -1) < 0).all(axis=1))
    infinite = pl.Series(np.zeros(len(metadata.y), dtype=bool))
    for column in features.get_columns():
        if column.dtype.is_float():
            infinite = infinite | column.is_infinite().fill_null(False)
    keep = ~(unlabeled | infinite)
    reasons = {"because the label is missing": unlabeled, "because a number is infinite": infinite}
    notes = [f"Left out {rows_text(rows.arg_true())}, {reason}." for reason, rows in reasons.items() if rows.any()]
    return features.filter(keep), metadata.where(keep.to_numpy()), notes


def _argument(argument: str, values: pl.Series) -> str:
    """Return how messages call an argument of the user: with a column that was named, else alone."""
    return f"{argument}=" if values.name == argument else f"{argument}={values.name!r}"


def _check_complete(values: pl.Series, argument: str, advice: str) -> None:
    """Raise a `ColumnError` that ends with `advice` if a row has no value."""
    missing = values.is_null().arg_true()
    if len(missing):
        raise ColumnError(
            f"{_argument(argument, values)} has no value in {rows_text(missing)}. Expected a value in every row. "
            f"{advice}"
        )


def group_codes(values: pl.Series) -> np.ndarray:
    """Return the groups as codes, int64 (N,); every row needs one."""
    return column_codes(values, "groups", "a group")


def column_codes(values: pl.Series, argument: str, what: str) -> np.ndarray:
    """Return each value as its number among the sorted distinct values, int64 (N,), from 0.

    Values are compared as text without surrounding blanks, which CSV files lose too. `what` says in messages what a row
    lacks, such as "a group". Equal values have equal codes; groups and units are compared by them.

    Raises:
        ColumnError: A row has no value.
    """
    names = values.cast(pl.String).str.strip_chars().replace("", None)
    _check_complete(names, argument, f"Give every row {what}, or leave these rows out.")
    return names.rank("dense").cast(pl.Int64).to_numpy() - 1


def decimal_name_notes(metadata: RowMetadata) -> list[str]:
    """Return a note for each column of groups or units that has numbers with decimals, which may be names.

    Names such as 1.1 and 1.10 are then one number, and so one group.
    """
    columns = [("groups", metadata.groups), *(("unit", c) for c in ([] if metadata.unit is None else metadata.unit))]
    fractions = [
        (argument, c, c.filter((c != c.round(0)).fill_null(False)))
        for argument, c in columns
        if c is not None and c.dtype.is_float()
    ]
    return [
        f"{_argument(argument, c)} contains numbers with decimals ({odd[0]!r}), which are compared as numbers. If they "
        "are names, 1.1 and 1.10 are the same. Then write them with a letter, for example P1.10."
        for argument, c, odd in fractions
        if len(odd)
    ]


def joined_groups(*codes: np.ndarray) -> np.ndarray:
    """Return the groups of rows that share a group in any division, int64 (N,), numbered from 0.

    They may also share it through other rows. Each of `codes` is (N,), the group of each row in one division. So
    patients, units and copies are never separated by a split.

    Example:
        >>> joined_groups(np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7])).tolist()
        [0, 0, 0, 1]
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    # A graph whose nodes are the rows, then the groups of each division; an edge joins a row and its group.
    numbered = [np.unique(code, return_inverse=True)[1].reshape(-1) for code in codes]
    n, start, ends = len(codes[0]), len(codes[0]), []
    for code in numbered:
        ends.append(start + code)
        start += int(code.max(initial=-1)) + 1
    rows, columns = np.tile(np.arange(n), len(codes)), np.concatenate(ends)
    graph = sparse.coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (start, start))
    components = csgraph.connected_components(graph, directed=False)[1][:n]
    return np.unique(components, return_inverse=True)[1].reshape(-1).astype(np.int64)


#: Words for what a row is used for, in a column of split=.
ROLES = {
    "train": TRAIN, "training": TRAIN,
    "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION, "dev": VALIDATION,
    "test": TEST, "testing": TEST,
}  # fmt: skip


def roles(values: pl.Series) -> np.ndarray:
    """Return `TRAIN`, `VALIDATION` or `TEST` of each row, int8 (N,), from the words of `ROLES` in any case.

    Raises:
        ColumnError: A row has no value, or a word that is not one of `ROLES`.

    Example:
        >>> roles(pl.Series("split", ["train", "Val", "TEST"])).tolist()
        [0, 1, 2]
    """
    _check_complete(values, "split", "Write train, validation or test.")
    words = values.cast(pl.String).str.strip_chars().str.to_lowercase()
    odd = (~words.is_in(list(ROLES))).arg_true()
    if len(odd):
        raise ColumnError(
            f"{_argument('split', values)} contains {values[odd[0]]!r} in {rows_text(odd)}. Expected train, "
            f"validation (valid, val, dev) or test.{did_you_mean(str(values[odd[0]]), ROLES)}"
        )
    return words.replace_strict(ROLES, return_dtype=pl.Int8).to_numpy()


def times(values: pl.Series) -> np.ndarray:
    """Return numbers (N,) that sort as the times do.

    Numbers stay as they are; dates become days since 1970-01-01. The unit of `label_delay` is that of the result.

    Raises:
        ColumnError: A row has no value, text is no date or of ambiguous order, or the type is none of time.
    """
    if values.dtype == pl.String:
        parsed = parse_dates(values, date_order(values))
        odd = (parsed.is_null() & values.is_not_null()).arg_true()
        if len(odd):
            raise ColumnError(
                f"{_argument('time', values)} contains {values[odd[0]]!r} in {rows_text(odd)}. Expected numbers, or "
                "dates with an unambiguous order of day and month. Write dates as 2024-12-31 or 2024-12-31 "
                "23:59:59."
            )
        values = parsed
    _check_complete(values, "time", "Give every row a time, or leave these rows out.")
    if values.dtype.is_temporal():
        return days(values).to_numpy()
    if not values.dtype.is_numeric():
        raise ColumnError(
            f"{_argument('time', values)} has values of type {values.dtype}. Expected numbers or dates. Convert the "
            "column."
        )
    array = _as_numpy(values)
    infinite = np.flatnonzero(np.isinf(array))
    if len(infinite):
        raise ColumnError(
            f"{_argument('time', values)} contains an infinite value in {rows_text(infinite)}. Expected numbers or "
            "dates. Correct these rows, or leave them out."
        )
    return array


def weights(values: pl.Series) -> np.ndarray:
    """Return weights as float32 (N,): finite, none negative, not all zero.

    Raises:
        ColumnError: The values are not numbers. DataError: A weight is missing or not allowed.
    """
    if values.dtype == pl.String:  # as a file holds it
        numbers = read_numbers(values, asked=True).values
        values = values if numbers is None else numbers
    if not values.dtype.is_numeric():
        raise ColumnError(
            f"{_argument('sample_weight', values)} has values of type {values.dtype}. Expected numbers of 0 or more. "
            "Convert the column."
        )
    missing = values.is_null().arg_true()
    if len(missing):
        raise DataError(
            f"sample_weight is missing or NaN in {rows_text(missing)}. Expected a number of 0 or more in "
            "every row. Fill in the weights, or leave these rows out."
        )
    return check_weights(_as_numpy(values), len(values)).astype(np.float32)
