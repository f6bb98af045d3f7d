"""A schema as a plain dict, and new rows in the form that a schema prescribes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_finite
from counterpoise.core.errors import ArtifactError, ColumnError, DataError, did_you_mean
from counterpoise.core.masked import unmasked
from counterpoise.core.records import Column, Schema
from counterpoise.data.csv_text import MISSING
from counterpoise.data.frames import is_table, to_frame
from counterpoise.data.inputs import TRUTH, check_no_gap, is_text
from counterpoise.data.kinds import level_text, numbers


def schema_to_dict(schema: Schema) -> dict[str, Any]:
    """The schema as plain JSON values; `schema_from_dict` is the inverse.

    Example:
        >>> schema = Schema((Column("age", "numeric", missing=2),), "ill")
        >>> schema_from_dict(schema_to_dict(schema)) == schema
        True
    """
    columns = [
        {
            "name": c.name,
            "kind": c.kind,
            "levels": list(c.levels),
            "missing": int(c.missing),
            "numeric_levels": bool(c.numeric_levels),
        }
        for c in schema.columns
    ]
    return {"target": schema.target, "columns": columns}


def schema_from_dict(plain: Mapping[str, Any]) -> Schema:
    """The schema that `schema_to_dict` wrote.

    Raises:
        ArtifactError: The dict was not written by `schema_to_dict`.
    """
    try:
        columns = tuple(
            Column(c["name"], c["kind"], tuple(c["levels"]), int(c["missing"]), bool(c["numeric_levels"]))
            for c in plain["columns"]
        )
        return Schema(columns, plain["target"])
    except (KeyError, TypeError, ValueError) as fault:
        raise ArtifactError(f"This is not a stored schema: {type(fault).__name__} {fault}.") from None


def encode_rows(schema: Schema | None, source: Any, name: str | None = None) -> Any:
    """Bring new rows into the form of `Examples.x`.

    Columns are found by name; others, the target among them, are ignored. A level that the schema does not
    know gets id len(levels) + 1 ("unseen"), a missing one id 0. Numbers may come as text.

    Args:
        schema: The schema of the rows that were learned from; None for arrays, which pass untouched.
        source: Anything that `read` takes.
        name: What to call the rows in a message; None: what they are.

    Returns:
        {"numeric": float32 (N, dn), "categorical": int32 (N, dc)}, a part without columns left out; or the arrays.

    Raises:
        ColumnError: A column is absent, or a value is not a number (row and column named).
        DataError: The file cannot be read.

    Example:
        >>> schema = Schema((Column("age", "numeric"), Column("sex", "categorical", ("m", "f"))))
        >>> encode_rows(schema, {"age": ["31", ""], "sex": ["f", "d"]})["categorical"].tolist()
        [[2], [3]]
    """
    if schema is None:
        return _arrays(source)
    numeric = _plain_numbers(schema, source)
    if numeric is not None:
        return {"numeric": numeric}
    if not is_table(source):
        raise ColumnError(f"Expected a table with the columns {_names(schema)}; got {type(source).__name__}.")
    # Levels stay as they are written: '007' would become 7 in a file where all are numbers.
    frame, found, _ = to_frame(source, as_text=tuple(c.name for c in schema.categorical))
    wanted = [c.name for c in schema.columns if c.used]
    absent = [n for n in wanted if n not in frame.columns]
    if absent:
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        hint = did_you_mean(absent[0], frame.columns)
        raise ColumnError(f"{name or found} lacks the column {absent[0]!r}{more}.{hint}")
    return build_parts(schema, frame)


def _plain_numbers(schema: Schema, source: Any) -> np.ndarray | None:
    """The numeric part of an array of floats, without a frame between; None where a frame has more to say."""
    source = unmasked(source)
    if not isinstance(source, np.ndarray) or source.ndim != 2 or source.dtype not in (np.float32, np.float64):
        return None
    given = {f"x{j}": j for j in range(source.shape[1])}
    places = [given[c.name] for c in schema.numeric if c.name in given]
    if not len(source) or not places or schema.categorical or len(places) < len(schema.numeric):
        return None
    whole = places == list(given.values())
    with np.errstate(over="ignore"):
        values = (source if whole else source[:, places]).astype(np.float32, copy=False)
    return None if np.isinf(values).any() else values


def _names(schema: Schema) -> str:
    names = [c.name for c in schema.columns if c.used]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _arrays(source: Any) -> Any:
    if isinstance(source, Mapping):
        return {str(key): _array(part, str(key)) for key, part in source.items()}
    if isinstance(source, tuple):
        return tuple(_array(part, f"input {i}") for i, part in enumerate(source))
    return _array(source, "x")


def _array(part: Any, name: str) -> np.ndarray:
    """Finite numbers or text."""
    array = check_finite(part, name)
    if array.dtype.kind == "O" and not is_text(array):
        check_no_gap(array, name)
        odd = next(v for v in array.ravel() if not isinstance(v, str))
        raise DataError(
            f"{name} mixes objects (for example {odd!r:.40}); expected an array of numbers or of text. Of a frame "
            "pass the column."
        )
    return array


def build_parts(schema: Schema, frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """The parts of `Examples.x` from a frame that has every used column."""
    x: dict[str, np.ndarray] = {}
    if schema.numeric:
        x["numeric"] = np.empty((frame.height, len(schema.numeric)), dtype=np.float32)
        for j, column in enumerate(schema.numeric):
            x["numeric"][:, j] = numbers(_blank_is_missing(frame[column.name])).to_numpy()
    if schema.categorical:
        x["categorical"] = np.empty((frame.height, len(schema.categorical)), dtype=np.int32)
        for j, column in enumerate(schema.categorical):
            x["categorical"][:, j] = level_ids(column, frame[column.name])
    return x


def _blank_is_missing(series: pl.Series) -> pl.Series:
    if series.dtype != pl.String:
        return series
    clean = series.str.strip_chars()
    return clean.set(clean.is_in(MISSING).fill_null(False), None)


def level_ids(column: Column, series: pl.Series) -> np.ndarray:
    """int32 (N,) ids: 0 missing, k for `column.levels[k-1]`, len(levels) + 1 for a level not seen.

    Levels that were numbers or booleans are compared by value: 3.0, "3" and 3 are one level.
    """
    keys, values = pl.Series(column.levels, dtype=pl.String), level_text(series)
    if column.numeric_levels:
        values, keys = _by_value(values), _by_value(keys)
    ids = values.replace_strict(
        keys,
        pl.Series(range(1, len(keys) + 1), dtype=pl.Int32),
        default=len(keys) + 1,
        return_dtype=pl.Int32,
    )
    return ids.set(series.is_null(), 0).to_numpy()


def _by_value(texts: pl.Series) -> pl.Series:
    """Text of numbers and booleans as float64; other text becomes infinity, which is no level."""
    truth = texts.str.to_lowercase().replace(TRUTH)
    return truth.cast(pl.Float64, strict=False).fill_null(float("inf"))
