"""A schema as a plain dict for model files, and new rows encoded as the schema prescribes.

Fixed: model files keep the keys and values of `schema_to_dict`. `encode_rows` gives
new rows the numbers and ids that training had; the layer `data.columns.RawColumns` gives the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_finite, check_lengths
from counterpoise.core.errors import ArtifactError, ColumnError, DataError, did_you_mean
from counterpoise.core.file_checks import boolean, choice, integer, list_of, nullable, number, record, string
from counterpoise.core.label_names import first_look_alike
from counterpoise.core.masked import unmasked
from counterpoise.core.schema import KINDS, Column, Schema, TextFormat
from counterpoise.core.sources import Source
from counterpoise.data.frames import FRAME_LIBRARIES, is_table, to_frame
from counterpoise.data.inputs import check_no_gap, is_text
from counterpoise.data.levels import level_text
from counterpoise.data.number_parsing import is_plain, may_be_thousands
from counterpoise.data.series import library
from counterpoise.data.values import level_ids, numeric_values

#: Columns with fewer known values give no warning of new levels: one row may well show one.
LEAST_KNOWN = 5
#: New levels of a column of which at most so many are compared with those of training.
MOST_COMPARED = 1_000

#: Checks of what model files hold: a text format, a column, and a schema. A new field has to be optional here, because
#: files of earlier versions lack it.
WRITTEN = record(
    {
        "decimal": choice((".", ",")),
        "group": choice(("", ",", ".", " ", "'")),
        "affix": string(20),
        "words": list_of(string()),
        "order": choice(("", "day first", "month first")),
    }
)
COLUMN = record(
    {
        "name": string(), "kind": choice(KINDS), "levels": list_of(string()), "missing": integer(),
        "numeric_levels": boolean, "unit": choice(("", "date", "time", "duration", "seconds")), "offset": number(),
        "cycles": list_of(number(0, 1e8), 10),
        "written": nullable(WRITTEN),
    }
)  # fmt: skip
LABEL_OPTIONS = record({}, {name: string() for name in ("column", "missing", "uncertain", "separator")})
SCHEMA = record({"target": string(), "columns": list_of(COLUMN)}, {"label_options": LABEL_OPTIONS})


def schema_to_dict(schema: Schema) -> dict[str, Any]:
    """Return the schema as plain JSON values; `schema_from_dict` is the inverse.

    Example:
        >>> schema = Schema((Column("age", "numeric", missing=2),), "ill")
        >>> schema_from_dict(schema_to_dict(schema)) == schema
        True
    """
    return {"target": schema.target, "columns": [_column_to_dict(c) for c in schema.columns]}


def _column_to_dict(column: Column) -> dict[str, Any]:
    """Return a column as plain JSON values, with lists for tuples."""
    return {
        "name": column.name,
        "kind": column.kind,
        "levels": list(column.levels),
        "missing": int(column.missing),
        "numeric_levels": bool(column.numeric_levels),
        "unit": column.unit,
        "offset": float(column.offset),
        "cycles": list(column.cycles),
        "written": None if column.written is None else {**asdict(column.written), "words": list(column.written.words)},
    }


def schema_from_dict(plain: Mapping[str, Any]) -> Schema:
    """Return the schema that `schema_to_dict` wrote.

    Raises:
        ArtifactError: The dict was not written by `schema_to_dict`; the message names the field.
    """
    checked = SCHEMA(plain, "the schema")
    columns = tuple(map(_column_from_dict, checked["columns"]))
    for column in columns:
        if len(set(column.levels)) < len(column.levels):
            raise ArtifactError(f"the schema lists a category of the column {column.name!r:.80} twice.")
        if column.levels and column.kind == "numeric":
            raise ArtifactError(f"the schema has categories for the column {column.name!r:.80}, which is numeric.")
    if len({column.name for column in columns}) < len(columns):
        raise ArtifactError("the schema has two columns with the same name.")
    return Schema(columns, checked["target"])


def _column_from_dict(plain: Mapping[str, Any]) -> Column:
    """Return the column that `_column_to_dict` wrote."""
    written = plain["written"]
    return Column(
        **{
            **plain,
            "levels": tuple(plain["levels"]),
            "cycles": tuple(plain["cycles"]),
            "written": None if written is None else TextFormat(**{**written, "words": tuple(written["words"])}),
        }
    )


def encode_rows(schema: Schema | None, source: Any, name: str | None = None) -> Any:
    """Return new rows in the form of `Examples.x`.

    Columns are found by name; others, the target among them, are ignored. A level that is not in the
    schema gets id len(levels) + 1 ("unseen"), a missing one id 0. Numbers may come as text.

    Args:
        schema: The schema of the rows that were learned from; None for arrays, which pass unchanged.
        source: Anything that `read` takes.
        name: What to call the rows in a message; None: what they are.

    Returns:
        {"numeric": float32 (N, dn), "categorical": int32 (N, dc)}, a key without columns left out; or the arrays.

    Raises:
        ColumnError: A column is absent, or a value is not a number (row and column named).
        DataError: The file cannot be read.

    Example:
        >>> schema = Schema((Column("age", "numeric"), Column("sex", "categorical", ("m", "f"))))
        >>> encode_rows(schema, {"age": ["31", ""], "sex": ["f", "d"]})["categorical"].tolist()
        [[2], [3]]
    """
    if schema is None:
        return _checked_arrays(source)
    _check_width(schema, source)
    numeric = _numbers_without_frame(schema, source)
    if numeric is not None:
        return {"numeric": numeric}
    if not is_table(source):
        raise ColumnError(
            f"The rows are of type {type(source).__name__}. Expected a table with the columns "
            f"{_used_names_text(schema)}."
        )
    # Levels stay as they are written: '007' would become 7 in a file where all are numbers.
    wanted = {c.name: None for c in schema.columns if c.used}
    frame, found_name, _ = to_frame(source, as_text=text_columns(schema), unused=lambda name: name not in wanted)
    given = set(frame.columns)
    absent = [n for n in wanted if n not in given]
    if absent:
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        hint = did_you_mean(absent[0], frame.columns)
        raise ColumnError(f"{name or found_name} lacks the column {absent[0]!r}{more}.{hint}")
    x = encode_frame(schema, frame)
    _warn_of_unseen(schema, x, frame)
    _warn_of_shares(schema, frame)
    _warn_of_thousands(schema, frame)
    return x


def text_columns(schema: Schema | None) -> tuple[str, ...]:
    """Return the used columns to read as text: levels, and numbers written in a text format."""
    if schema is None:
        return ()
    return tuple(c.name for c in schema.columns if c.used and (c.kind != "numeric" or c.written is not None))


def _warn_of_unseen(schema: Schema, x: Mapping[str, np.ndarray], frame: pl.DataFrame) -> None:
    """Warn of each categorical column where most levels are new, or where one is a training level in another spelling.

    Columns with fewer than `LEAST_KNOWN` values are judged by their spelling alone.
    """
    for j, column in enumerate(schema.categorical):
        ids = x["categorical"][:, j]
        new = ids > len(column.levels)
        known, unseen = int((ids > 0).sum()), int(new.sum())
        if known >= LEAST_KNOWN and unseen > known / 2:
            shown = ", ".join(map(repr, column.levels[:5])) + (", ..." if len(column.levels) > 5 else "")
            warnings.warn(
                f"Column {column.name!r} contains new categories in {unseen:,} of {known:,} rows. The "
                f"training rows contained {shown}. Write the categories as in training.",
                UserWarning,
                stacklevel=3,
            )
        elif unseen:
            texts = level_text(frame[column.name].filter(new)).unique().sort().head(MOST_COMPARED).to_list()
            if (alike := first_look_alike(texts, column.levels)) is not None:
                warnings.warn(
                    f"Column {column.name!r} contains {alike[0]!r}, which is read as a new category. The training rows "
                    f"contained {alike[1]!r}. If they mean the same, write the category as in training.",
                    UserWarning,
                    stacklevel=3,
                )


def _warn_of_shares(schema: Schema, frame: pl.DataFrame) -> None:
    """Warn of each column with numbers from -1 to 1 that had percent signs in training.

    They may be shares, because spreadsheets store 12% as 0.12. Columns with fewer than `LEAST_KNOWN` numbers are not
    judged.
    """
    for column in schema.numeric:
        if column.written is None or column.written.affix != "%" or not frame[column.name].dtype.is_float():
            continue
        known = frame[column.name].drop_nulls()
        if len(known) >= LEAST_KNOWN and known.is_between(-1, 1).all():
            warnings.warn(
                f"Column {column.name!r} contains only numbers from -1 to 1, but percentages such as '12%' in "
                "training. They are read as percent, so 0.12 is read as '0.12%'. If they are shares, multiply them by "
                "100.",
                UserWarning,
                stacklevel=3,
            )


def _warn_of_thousands(schema: Schema, frame: pl.DataFrame) -> None:
    """Warn of each column of text whose points may separate thousands, although training had none such.

    A number is read without the other rows, so 1.200 is 1.2 here. In training, such a column is read as thousands.
    Columns with fewer than `LEAST_KNOWN` values are not judged.
    """
    for column in schema.numeric:
        if column.unit or not (column.written is None or is_plain(column.written)):
            continue
        if frame[column.name].dtype != pl.String:
            continue
        known = frame[column.name].str.strip_chars().drop_nulls()
        if len(known) < LEAST_KNOWN or not may_be_thousands(known):
            continue
        number = known.filter(known.str.contains(".", literal=True))[0]
        warnings.warn(
            f"Column {column.name!r} contains numbers such as {number!r} and whole numbers below 1,000, so its "
            f"points may separate thousands. They are read as decimal points, as in training: {number!r} is read as "
            f"{float(number):g}. If they separate thousands, remove them from the numbers.",
            UserWarning,
            stacklevel=3,
        )


def _numbers_without_frame(schema: Schema, source: Any) -> np.ndarray | None:
    """Return the numeric part, float32 (N, dn), of a float array (N, d), as a frame would give it but faster.

    The columns are named x0, x1, .... None if a frame is needed: for any other source, levels, absent columns, no rows,
    and infinite values.
    """
    source = unmasked(source)
    if not isinstance(source, np.ndarray) or source.ndim != 2 or source.dtype not in (np.float32, np.float64):
        return None
    position_of = {f"x{j}": j for j in range(source.shape[1])}
    indexes = [position_of[c.name] for c in schema.numeric if c.name in position_of]
    if not len(source) or not indexes or schema.categorical or len(indexes) < len(schema.numeric):
        return None
    # An array that has exactly these columns in this order is not copied.
    same = indexes == list(position_of.values())
    values = source if same else source[:, indexes]
    offsets = np.array([c.offset for c in schema.numeric])
    with np.errstate(over="ignore"):
        values = (values - offsets if offsets.any() else values).astype(np.float32, copy=False)
    return None if np.isinf(values).any() else values


def _check_width(schema: Schema, source: Any) -> None:
    """Raise a `DataError` if an array has more columns than the array of training.

    Its columns have no names of their own, so one that was added in front would move all others. A whole table,
    with the column of the target as in training, is not checked.
    """
    if library(source) in FRAME_LIBRARIES or isinstance(source, (str, Path, Mapping)):
        return
    shape: tuple[int, ...] = getattr(source, "shape", None) or (np.shape(source) if is_table(source) else ())
    if len(shape) != 2:
        return
    names, given = {c.name for c in schema.columns}, {f"x{j}" for j in range(shape[1])}
    if schema.target in given:  # training had a whole table as an array, with columns that are no features
        return
    more = given - names
    if more and names == {f"x{j}" for j in range(len(names))}:
        raise DataError(
            f"The rows have {shape[1]} columns, but the model was trained on {len(names)}. Expected the same "
            "columns in the same order. Leave out the columns that training did not have."
        )


def _used_names_text(schema: Schema) -> str:
    """Return the first 8 used column names as text for a message."""
    names = [c.name for c in schema.columns if c.used]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _checked_arrays(source: Any) -> Any:
    """Return arrays, each one checked, in their structure: a dict, a tuple or one array.

    Raises:
        DataError: As `_checked_array`, or several inputs have different lengths.
    """
    if isinstance(source, Mapping):
        arrays = {str(key): _checked_array(array, str(key)) for key, array in source.items()}
        check_lengths(arrays)
        return arrays
    if isinstance(source, tuple):
        several = tuple(_checked_array(array, f"input {i}") for i, array in enumerate(source))
        check_lengths({f"input {i}": array for i, array in enumerate(several)})
        return several
    return _checked_array(source, "x")


def _checked_array(values: Any, name: str) -> Any:
    """Return an array of finite numbers or text; rows outside memory (`Source`) pass as they are.

    Raises:
        DataError: Rows differ in length, a number is not finite, or values are neither numbers nor text.
    """
    if isinstance(values, Source):
        return values
    try:
        array = np.asarray(unmasked(values))
    except ValueError:
        raise DataError(f"{name} has rows of different lengths. Expected an array of shape (N, ...).") from None
    check_finite(array, name)
    if array.dtype.kind in "cMm":  # networks would cut complex numbers, and cannot take dates
        raise DataError(f"{name} contains {array.dtype}. Expected an array of numbers or of text. Convert {name}.")
    if array.dtype.kind == "O" and not is_text(array):
        check_no_gap(array, name)
        odd = next(v for v in array.ravel() if not isinstance(v, str))
        raise DataError(
            f"{name} mixes objects (for example {odd!r:.40}). Expected an array of numbers or of text. From a "
            f"frame, pass one column."
        )
    return array


def encode_frame(schema: Schema, frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return `Examples.x` of a frame that has every used column, for training and new rows alike.

    It is {"numeric": float32 (N, dn), "categorical": int32 (N, dc)}, a key without columns left out.
    """
    x: dict[str, np.ndarray] = {}
    if schema.numeric:
        x["numeric"] = np.empty((frame.height, len(schema.numeric)), dtype=np.float32)
        for j, column in enumerate(schema.numeric):
            x["numeric"][:, j] = numeric_values(column, frame[column.name])
    if schema.categorical:
        x["categorical"] = np.empty((frame.height, len(schema.categorical)), dtype=np.int32)
        for j, column in enumerate(schema.categorical):
            x["categorical"][:, j] = level_ids(column, frame[column.name])
    return x
