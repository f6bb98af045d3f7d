"""Labels as they come, from any library: the index of each element's value among the distinct values.

Everything that is decided about labels is decided on the distinct values (see `core.labels`); here the values of
millions of rows become numbers, each library by its own fast way. pandas, polars and pyarrow are recognized, never
imported. Labels of equal values must give equal levels whatever library they come from.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import TargetError

Array = np.ndarray

#: Elements that are processed together: enough to be fast, few enough to stay in the cache of the processor.
CHUNK = 1 << 16

#: Whole numbers that lie closer together than this are counted instead of sorted.
_TABLE_SPAN = 1 << 16

#: Floats of this size and more are not distinct whole numbers.
_EXACT = 2.0**53


@dataclass(frozen=True)
class LabelSource:
    """Labels as the user passed them, value by value.

    Attributes:
        codes: int32, the shape of what was given: the index of each element's value in `levels`; -1: there is none.
        levels: The distinct values, in any order, a missing one among them as None or NaN. Of an array of floats all
            that are no whole numbers share one.
        columns: Names of the columns of a frame, or None.
    """

    codes: Array
    levels: list[Any]
    columns: tuple[Any, ...] | None = None


def library_of(value: Any) -> str:
    """Return the package that the type of a value comes from.

    Example:
        >>> library_of(np.arange(2))
        'numpy'
    """
    return type(value).__module__.split(".")[0]


def label_source(y: Any, name: str = "y") -> LabelSource:
    """Read the values of labels from arrays, lists, series and frames of pandas and polars, Arrow, or tensors.

    `name` is what messages call them.

    Raises:
        TargetError: Rows of different lengths, or a value that is no single label.

    Example:
        >>> source = label_source(["b", None, "a", "b"])
        >>> source.codes.tolist(), source.levels
        ([0, 1, 2, 0], ['b', None, 'a'])
    """
    if isinstance(y, (str, bytes, Mapping, set, frozenset)) or y is None:
        if isinstance(y, Mapping):
            refuse_counts(y, name)
        raise _no_labels_error(y, name)
    if hasattr(y, "row_splits") or hasattr(y, "nested_row_splits"):
        raise ragged_error(name)
    library, rank = library_of(y), len(getattr(y, "shape", ()))
    if library == "polars":
        y = y.collect() if hasattr(y, "collect") else y
        return _read_frame(y, y.columns, name) if hasattr(y, "columns") else _read_polars(y, name)
    if library == "pandas":
        refuse_counts(y, name)
        return _read_frame(y, list(y.columns), name) if rank == 2 else _read_pandas(y, name)
    if library == "pyarrow":
        names = getattr(y, "column_names", None) or getattr(getattr(y, "schema", None), "names", None)
        return _read_arrow(y, name) if names is None else _read_frame(y, names, name)
    if hasattr(y, "toarray"):
        y = y.toarray()
    mask = np.ma.getmaskarray(y) if isinstance(y, np.ma.MaskedArray) else None
    array = _as_array(np.ma.getdata(y) if mask is not None else y, name)
    if array.dtype == object and not array.ndim:  # a generator, a view of a dict: one thing to NumPy
        raise _no_labels_error(y, name)
    source = _read_array(array, name)
    return source if mask is None else LabelSource(np.where(mask, np.int32(-1), source.codes), source.levels)


def _no_labels_error(y: Any, name: str) -> TargetError:
    """Return the error for an object that cannot contain one label per row."""
    return TargetError(f"{name} is {type(y).__name__}. Expected one label per row, as an array, list or series.")


def refuse_counts(y: Any, name: str = "y") -> None:
    """Raise a `TargetError` if `y` has one number for each class: a dict or Counter, or `Series.value_counts()`.

    Counts that are read as labels would give wrong weights without an error. A pandas series counts as counts by its
    name, its distinct index and its falling values.
    """
    if isinstance(y, Mapping):
        counts = any(np.isscalar(value) and not isinstance(value, (str, bytes)) for value in y.values())
    else:
        named = library_of(y) == "pandas" and getattr(y, "name", None) in ("count", "proportion")
        counts = named and type(y.index).__name__ != "RangeIndex" and y.index.is_unique and y.is_monotonic_decreasing
    if counts:
        raise TargetError(
            f"{name} is a {type(y).__name__} with one number per class. Expected one label per row. Pass the "
            "labels that were counted."
        )


def ragged_error(name: str) -> TargetError:
    """Return the error for rows of different lengths, or for lists instead of labels."""
    return TargetError(
        f"{name} contains sequences of different lengths. Expected one label per row, or labels of one shape "
        "(N, T). Pad the sequences to one length: keras.utils.pad_sequences(y, padding='post', value=-1). To "
        "give the padding no weight, use ignore=-1 or mask=. For lists of several labels per row, pass "
        "cp.labels(y)."
    )


def _as_array(y: Any, name: str) -> Array:
    """Return labels as an array; missing labels and numbers among text keep their type.

    Rows of different lengths raise a TargetError.
    """
    if isinstance(y, np.ndarray):
        return y
    try:
        if not isinstance(y, (list, tuple)):
            return np.asarray(y)
        # NumPy would write a missing label, or a number among text, out as text.
        text = bool(y) and isinstance(y[0], (str, bytes))
        array = np.array(y, dtype=object if text else None)
        return np.array(y, dtype=object) if array.dtype.kind in "US" else array
    except ValueError:
        raise ragged_error(name) from None


def _read_array(array: Array, name: str) -> LabelSource:
    """Read a NumPy array of any shape by its kind of values; other kinds raise a TargetError.

    All dates share one level, because `labels` refuses them by an example and needs no others.
    """
    kind = array.dtype.kind
    if kind in "iub":
        return _read_integers(array)
    if kind == "f":
        return _read_floats(array)
    if kind == "M" or kind == "m":
        return LabelSource(np.zeros(array.shape, np.int32), [array.flat[0]] if array.size else [])
    if kind not in "OUST":
        raise TargetError(f"{name} has the type {array.dtype}. Expected text, whole numbers or booleans.")
    return _read_by_hash(array, name)


def _read_by_hash(array: Array, name: str) -> LabelSource:
    """Read text and objects by hashing: equal values get one code.

    Values that are lists are stacked into an array with one more axis. If the values mix text with 0 or 1, True and 1
    become two levels.
    """
    flat = array.reshape(-1)
    try:
        codes, levels = _codes_and_levels(flat)
        if any(isinstance(level, str) for level in levels) and any(map(_is_zero_or_one, levels)):
            # True and 1 are equal, but as text they are not.
            codes, keys = _codes_and_levels(flat, key=lambda value: (isinstance(value, (bool, np.bool_)), value))
            levels = [value for _, value in keys]
    except TypeError:  # lists and arrays have no hash
        return _read_array(_stack_rows(flat, name), name)
    return LabelSource(codes.reshape(array.shape), levels)


def _is_zero_or_one(level: Any) -> bool:
    """Return whether a level is a number or boolean that equals 0 or 1."""
    # NA of pandas is equal to nothing, and raises a TypeError.
    return isinstance(level, (numbers.Number, np.generic)) and level in (0, 1)


def _codes_and_levels(flat: Array, key: Callable[[Any], Any] | None = None) -> tuple[Array, list[Any]]:
    """Return the index of each value or its key, int32 (N,), and the distinct values.

    The distinct ones are in order of first appearance. Values without a hash raise a TypeError.
    """
    code_of, codes = _CodesByAppearance(), np.empty(len(flat), np.int32)
    for start in range(0, len(flat), CHUNK):
        values = flat[start : start + CHUNK].tolist()
        keys = values if key is None else map(key, values)
        codes[start : start + CHUNK] = np.fromiter(map(code_of.__getitem__, keys), np.int32, len(values))
    return codes, list(code_of)


def _stack_rows(rows: Array, name: str) -> Array:
    """Return N rows that are lists or arrays themselves as one array (N, ...).

    Objects of other types without a hash, and rows of different lengths, raise a TargetError.
    """
    odd = next((v for v in rows if getattr(v, "__hash__", None) is None), rows[0])
    if not isinstance(odd, (list, np.ndarray)):
        raise TargetError(f"{name} contains {type(odd).__name__} objects. Expected text, whole numbers or booleans.")
    array = _as_array(rows.tolist(), name)
    if array.ndim < 2:
        raise ragged_error(name)
    return array


class _CodesByAppearance(dict[Any, int]):
    """value -> its index in the order of first appearance."""

    def __missing__(self, value: Any) -> int:
        self[value] = code = len(self)
        return code


def _read_integers(array: Array) -> LabelSource:
    """Read integers and booleans, with levels in rising order.

    If the span of the values is below `_TABLE_SPAN`, a table finds the levels in one pass. Otherwise the values are
    sorted.
    """
    flat = array.reshape(-1)
    if not flat.size:
        return LabelSource(np.zeros(array.shape, np.int32), [])
    back: Any = bool if flat.dtype.kind == "b" else int
    flat = flat.view(np.uint8) if flat.dtype.kind == "b" else flat
    low, high = int(flat.min()), int(flat.max())
    if high - low >= _TABLE_SPAN:
        levels, inverse = np.unique(flat, return_inverse=True)
        return LabelSource(inverse.astype(np.int32).reshape(array.shape), levels.tolist())
    # Differences of narrow types may wrap: -128..127 spans 255.
    wide: Any = np.int64 if flat.dtype.itemsize < 8 or high < 2**63 else np.uint64
    codes, starts = np.empty(flat.size, np.int32), range(0, flat.size, CHUNK)
    present = np.zeros(high - low + 1, bool)
    for start in starts:
        offsets = flat[start : start + CHUNK].astype(wide) - wide(low)
        codes[start : start + CHUNK] = offsets
        present[offsets] = True
    return LabelSource(
        _close_gaps(codes, present).reshape(array.shape), [back(low + int(k)) for k in np.flatnonzero(present)]
    )


def _read_floats(array: Array) -> LabelSource:
    """Read floats: whole numbers are levels, NaN is missing (-1), others share one level.

    This level is the first of them. They cannot be classes, so one example is enough for the error message.
    """
    values = array.astype(np.float32) if array.dtype.itemsize < 4 else array
    missing = np.isnan(values)
    whole = (values == np.round(values)) & (np.abs(values) < _EXACT)
    strange = ~(whole | missing)
    source = _read_integers(np.where(whole, values, 0).astype(np.int64))
    codes, levels = source.codes, [float(v) for v in source.levels]
    if strange.any():
        codes, levels = np.where(strange, np.int32(len(levels)), codes), [*levels, float(values[strange][0])]
    return LabelSource(np.where(missing, np.int32(-1), codes) if missing.any() else codes, levels)


def _close_gaps(codes: Array, present: Array) -> Array:
    """Renumber codes (N,) so that absent values leave no gaps.

    `codes` is changed in place and returned. `present` is bool, whether each number of the range occurs.
    """
    if not present.all():
        code_of = np.cumsum(present, dtype=np.int32) - 1
        for start in range(0, len(codes), CHUNK):
            codes[start : start + CHUNK] = code_of[codes[start : start + CHUNK]]
    return codes


def _read_pandas(series: Any, name: str) -> LabelSource:
    """Read a Series, Index, Categorical or array of pandas, missing values as -1.

    Series of NumPy's numbers, booleans and objects are read as NumPy arrays, and lists of Arrow as a Python list.
    """
    kind = getattr(series.dtype, "kind", "O")
    if isinstance(series.dtype, np.dtype) and kind in "iufbO":
        return _read_array(np.asarray(series), name)
    try:
        codes, levels = series.factorize()
    except NotImplementedError:  # lists of Arrow have no distinct values
        return _read_array(_as_array(series.tolist(), name), name)
    return LabelSource(np.asarray(codes, np.int32), list(levels))


def _read_polars(series: Any, name: str) -> LabelSource:
    """Read a polars series by its distinct values, null as -1.

    Numbers without nulls are read as a NumPy array; nested types, objects and 128-bit integers as a Python list.
    """
    kind = str(series.dtype)
    if series.dtype.is_nested() or kind in ("Object", "Int128", "UInt128"):  # NumPy has no such integers
        return _read_array(_as_array(series.to_list(), name), name)
    if series.dtype.is_numeric() and not kind.startswith("Decimal") and not series.null_count():
        return _read_array(series.to_numpy(), name)
    if kind.startswith(("Categorical", "Enum")):
        series = series.cast(str)
    levels = series.drop_nulls().unique().to_list()
    if not levels:
        return LabelSource(np.full(len(series), -1, np.int32), [])
    codes = series.replace_strict(levels, list(range(len(levels))), default=-1)
    return LabelSource(codes.to_numpy().astype(np.int32), levels)


def _read_arrow(array: Any, name: str) -> LabelSource:
    """Read an Arrow array by its dictionary of distinct values, null as -1.

    A type that has no dictionary is read as a Python list.
    """
    array = array.combine_chunks() if hasattr(array, "combine_chunks") else array
    try:
        encoded = array if hasattr(array, "dictionary") else array.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    except Exception:  # lists and structures have no dictionary, and chunks may be too large to join
        return _read_array(_as_array(array.to_pylist(), name), name)
    return LabelSource(codes.astype(np.int32), encoded.dictionary.to_pylist())


def _read_frame(frame: Any, columns: Any, name: str) -> LabelSource:
    """Read a frame of pandas, polars or Arrow: codes (N, columns) over common levels.

    The codes of a single column are (N,). Two columns of one name raise a TargetError.
    """
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if list(columns).count(column) > 1)
        raise TargetError(f"{name} has two columns {twice!r}. Expected columns of different names. Rename one of them.")
    by_position = frame.iloc if library_of(frame) == "pandas" else None
    sources = [
        label_source(frame[column] if by_position is None else by_position[:, j], name)
        for j, column in enumerate(columns)
    ]
    if len(sources) == 1:
        return sources[0]
    kinds = _CodesByAppearance()
    # A level is its value and its type: True in one column and 1 in another are put together when levels are typed.
    tables = [[kinds[type(v), v] for v in source.levels] + [-1] for source in sources]
    codes = [np.array(table, np.int32)[source.codes] for table, source in zip(tables, sources, strict=True)]
    stacked = np.stack(codes, axis=1) if codes else np.zeros((len(frame), 0), np.int32)
    return LabelSource(stacked, [value for _, value in kinds], tuple(columns))
