"""From a column of any library to a polars series of numbers, text, booleans, categories or dates.

What a value becomes depends on the value and the type of its column, never on the other rows, so that some rows of a
frame are read as all are (tests/data/test_laws.py). Training and prediction read by it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.errors import ColumnError
from counterpoise.core.label_values import is_missing
from counterpoise.core.panics import without_panics
from counterpoise.data.levels import level_text

_DROP = "Leave the column out (--drop)."
_ADVICE = f"Expected numbers, text, booleans, dates or categories. {_DROP}"


def library(source: Any) -> str:
    """Return the top package that defines the type of an object, such as "pandas"."""
    return type(source).__module__.split(".")[0]


def to_series(title: str, column: Any, name: str, keep_types: bool = False, lists: bool = False) -> pl.Series:
    """Return a column as a polars series of a standard type.

    Args:
        title: What the column is called.
        column: A series of polars or pandas, an array of NumPy or Arrow, a list.
        name: The table, for messages.
        keep_types: Categories keep the type of their values instead of becoming levels.
        lists: A column of lists of polars or Arrow is returned unchanged.

    Raises:
        ColumnError: It holds lists, objects, complex numbers or anything else that no table holds.

    Example:
        >>> to_series("a", [1, "x", 2.0, None], "the data").to_list()
        ['1', 'x', '2', None]
    """
    source = library(column)
    try:
        if source == "polars":
            series = pl.Series(title, column)
            if series.dtype == pl.Object:
                series = _from_objects(title, series.to_list(), name)
        elif source == "pandas":
            series = _from_pandas(title, column, name, keep_types)
        elif source == "pyarrow":
            series = _from_arrow(title, column, name)
        else:
            series = _from_array(title, _to_array(column), name)
        return series if lists and isinstance(series.dtype, pl.List) else _standard_type(series, name)
    except UnicodeError as fault:
        raise ColumnError(f"Column {title!r} of {name} contains text that is not UTF-8: {fault}. {_DROP}") from None
    except pl.exceptions.PolarsError as fault:
        raise ColumnError(f"Column {title!r} of {name} cannot be read: {str(fault).splitlines()[0]}. {_DROP}") from None


def _to_array(column: Any) -> np.ndarray:
    """Return a column as an array of rank 1.

    Lists and masked arrays become object arrays, whose items keep their types. Masked items become None.
    """
    if isinstance(column, np.ma.MaskedArray):
        items = np.asarray(column.data, dtype=object)
        items[np.ma.getmaskarray(column)] = None
        return items
    if isinstance(column, (list, tuple)):
        items = np.empty(len(column), dtype=object)
        items[:] = column
        return items
    return np.asarray(column)


def _from_pandas(title: str, column: Any, name: str, keep_types: bool) -> pl.Series:
    """Return a pandas column of any type as a series; a categorical becomes levels.

    With `keep_types`, a categorical becomes a series of its values instead.
    """
    import pandas as pd

    column = pd.Series(column)
    kind = str(column.dtype)
    if kind == "category" and not keep_types:
        return _categorical_of_codes(
            title, _from_pandas(title, column.cat.categories, name, True), column.cat.codes.to_numpy()
        )
    if isinstance(column.dtype, pd.ArrowDtype):
        return _from_arrow(title, column.array.__arrow_array__(), name)
    if kind.startswith("period"):
        column = column.dt.to_timestamp()
    if kind.startswith("Sparse"):
        column = column.sparse.to_dense()
    if kind.startswith("interval") or kind == "category" or column.dtype == object:
        return _from_array(title, column.astype(object).to_numpy(), name)
    return _convert_to_polars(title, name, lambda: pl.from_pandas(column.reset_index(drop=True)))


def _categorical_of_codes(title: str, values: pl.Series, codes: np.ndarray) -> pl.Series:
    """Return a categorical series from the codes (N,) of its levels.

    Code k is the level `values[k]`, and -1 is missing.
    """
    indexes = pl.Series(codes).cast(pl.Int64)
    names = level_text(values).gather(indexes.set(indexes < 0, None))
    return names.alias(title).cast(pl.Categorical)


def _from_arrow(title: str, column: Any, name: str) -> pl.Series:
    """Return an Arrow column of any type as a series; a dictionary column becomes levels."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(whole, pa.ChunkedArray):  # no rows
            whole = pa.array([], kind)
        codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return _categorical_of_codes(title, _from_arrow(title, whole.dictionary, name), codes)
    return _convert_to_polars(title, name, lambda: pl.from_arrow(_known_to_polars(column)))


def _known_to_polars(column: Any) -> Any:
    """Return an Arrow column whose type polars lacks in a type that it has.

    Decimals of 256 bits become floats, UUIDs become text, and times with a time zone are in UTC. Other columns stay.
    """
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if pa.types.is_decimal256(kind):
        return column.cast(pa.float64())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return column.cast(pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_run_end_encoded(kind):
        return compute.run_end_decode(column)
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
        stored = column.cast(kind.storage_type)
        return stored.cast(pa.bool_()) if kind.extension_name == "arrow.bool8" else stored
    return column


def _convert_to_polars(title: str, name: str, work: Any) -> pl.Series:
    """Return the series that a conversion (`work`) gives; any failure becomes a `ColumnError`.

    Polars panics for some types (a crash in its Rust code), which is a failure too.
    """
    try:
        with without_panics:
            return pl.Series(title, work())
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as fault:  # a panic is no Exception
        raise ColumnError(f"Column {title!r} of {name} cannot be read ({type(fault).__name__}). {_ADVICE}") from None


def _from_array(title: str, values: np.ndarray, name: str) -> pl.Series:
    """Return a NumPy array (N,) of any type as a series.

    Bytes become text, and float and date types that polars lacks are converted.

    Raises:
        ColumnError: The values are complex numbers or records.
    """
    kind = values.dtype.kind  # S bytes, c complex, V records, f float, m durations, M dates, O objects
    if kind == "S":
        values = np.char.decode(values, "utf-8")
    if kind in "cV":
        raise ColumnError(f"Column {title!r} of {name} contains {values.dtype}. {_ADVICE}")
    if kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype("f4" if values.dtype.itemsize < 4 else "f8")
    if kind in "mM" and np.datetime_data(values.dtype)[0] not in ("ns", "us", "ms"):
        values = values.astype(f"{kind}8[us]")
    return _from_objects(title, values.tolist(), name) if kind == "O" else pl.Series(title, values)


def _from_objects(title: str, values: list[Any], name: str) -> pl.Series:
    """Return a series of Python objects.

    Numbers, booleans, bytes (as text) or items of one type that polars has keep their type. Items of several types
    become text: each item gets the text that it would have in a column of its own type.
    """
    items = [None if is_missing(v) else _plain_item(v) for v in values]
    kinds = {type(v) for v in items if v is not None}
    if kinds <= {int, float} or kinds == {bool}:
        return pl.Series(title, items, strict=False) if kinds else pl.Series(title, items, dtype=pl.Null)
    if kinds <= {bytes}:
        return pl.Series(title, [None if v is None else v.decode("utf-8") for v in items], dtype=pl.String)
    if len(kinds) == 1 and str not in kinds:
        with suppress(TypeError):  # tuples of several types, which are refused below
            series = pl.Series(title, items)
            if series.dtype != pl.Object:
                return series
    names: dict[Any, str] = {}
    for value in items:
        key = (type(value), value if _hashable(value) else None)
        if value is not None and key not in names:
            names[key] = _item_text(value, title, kinds, name)
    return pl.Series(title, [None if v is None else names[type(v), v] for v in items], dtype=pl.String)


def _plain_item(value: Any) -> Any:
    """Return an item in a plain type of Python.

    NumPy scalars, pandas periods, decimals and very large integers are converted. Other items stay.
    """
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return value.astype(f"{value.dtype.kind}8[us]").item()  # of nanoseconds, NumPy makes an integer
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (int, Decimal)) and not isinstance(value, (bool, Enum)):
        return _int_or_float(value)
    return value.to_timestamp() if library(value) == "pandas" and hasattr(value, "to_timestamp") else value


def _int_or_float(value: Any) -> int | float:
    """Return an int if the value is whole and fits into 128 bits, else a float.

    The float is infinite if the value is too large.
    """
    if abs(value) < 2**127 and value == int(value):
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _item_text(value: Any, title: str, kinds: set[type], name: str) -> str:
    """Return the text of one item of a column with items of several types.

    An interval of pandas becomes a text such as "[0, 1)". `kinds` contains all types of the column, for the message.

    Raises:
        ColumnError: The item is a container, a complex number, or an object without a text of its own.
    """
    if isinstance(value, str):
        return str(value)
    container = isinstance(value, (list, tuple, set, frozenset, dict, complex)) or not _hashable(value)
    if container or (type(value).__str__ is object.__str__ and type(value).__repr__ is object.__repr__):
        shown = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ColumnError(f"Column {title!r} of {name} contains objects ({shown}). {_ADVICE}")
    if library(value) == "pandas" and hasattr(value, "closed_left"):
        ends = ", ".join(_item_text(end, title, kinds, name) for end in (value.left, value.right))
        return f"{'[' if value.closed_left else '('}{ends}{']' if value.closed_right else ')'}"
    alone = pl.Series([value], strict=False)
    return str(value) if alone.dtype == pl.Object else str(level_text(alone)[0])


def _hashable(value: Any) -> bool:
    """Return whether a value can be a key of a dictionary."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _standard_type(column: pl.Series, name: str) -> pl.Series:
    """Return a series of numbers, booleans, text, categories or dates in its standard type.

    Decimals become integers or floats, enumerations become categories, and NaN and blank text become null.

    Raises:
        ColumnError: The column has any other type, such as lists.
    """
    kind = column.dtype
    if kind == pl.Binary:
        text = column.cast(pl.String, strict=False)
        column, kind = (text, pl.String()) if text.null_count() == column.null_count() else (column, kind)
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Int128 if kind.scale == 0 else pl.Float64)
    if kind.is_float():
        column = column if kind in (pl.Float32, pl.Float64) else column.cast(pl.Float32)
        # NumPy sees NaN sooner than polars, which counts in tables of thousands of columns.
        return column.fill_nan(None) if np.isnan(column.to_numpy()).any() else column
    if kind in (pl.String, pl.Categorical, pl.Enum):
        # Blank text is missing everywhere; words such as NA are missing in CSV files and among numbers only.
        text = column.cast(pl.String)
        text = text.set((text.str.strip_chars() == "").fill_null(False), None)
        return text if kind == pl.String else text.cast(pl.Categorical)
    if kind.is_integer() or kind.is_temporal() or kind in (pl.Boolean, pl.Null):
        return column
    raise ColumnError(f"Column {column.name!r} of {name} contains {kind}. {_ADVICE}")
