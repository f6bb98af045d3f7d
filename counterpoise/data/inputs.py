"""Rows of any structure (array, dict, tuple): whether they are text, and whether they fit a network's inputs.

Readers and `predict` check arrays by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError, did_you_mean
from counterpoise.core.structure import leaves


def is_text(array: Any) -> bool:
    """Return whether an array holds text and nothing else.

    Example:
        >>> is_text(np.array(["a", "b"])), is_text(np.array(["a", None]))
        (True, False)
    """
    return array.dtype.kind in "SU" or (array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel()))


def beyond_int32(array: Any) -> bool:
    """Return whether an array has integers that 32 bits cannot hold, such as times in nanoseconds.

    Example:
        >>> beyond_int32(np.array([3_000_000_000])), beyond_int32(np.array([3, 4]))
        (True, False)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.dtype.itemsize < 4 or not array.size:
        return False
    limits = np.iinfo(np.int32)
    return array.dtype != np.int32 and bool(array.max() > limits.max or array.min() < limits.min)


def as_inputs(x: Any, inputs: Sequence[Any] | None = None, rows: int | None = None) -> Any:
    """Return a list with one array for each input of a model as a tuple, or one array; anything else as it is.

    Keras takes such lists. A list of rows is no such list: it has as many entries as there are rows.

    Args:
        x: What was passed.
        inputs: The inputs of the model, in order, with a `shape`; None: not known.
        rows: Number of rows, if the inputs are not known.

    Example:
        >>> a, b = np.zeros((5, 3)), np.zeros((5, 2))
        >>> type(as_inputs([a, b], rows=5)), as_inputs([a], rows=5).shape, type(as_inputs(list(a), rows=5))
        (<class 'tuple'>, (5, 3), <class 'list'>)
    """
    if not isinstance(x, list) or not x or not all(len(getattr(part, "shape", ())) for part in x):
        return x
    if inputs is not None:
        each = len(x) == len(inputs) and (len(x) > 1 or len(x[0].shape) == len(inputs[0].shape))
    else:
        each = rows is not None and len(x) != rows and any(part.shape[0] == rows for part in x)
    return x if not each else tuple(x) if len(x) > 1 else x[0]


def check_no_gap(array: np.ndarray, name: str = "x") -> None:
    """Raise a `DataError` if an object array (N,) has text in some rows, but not in all.

    The message names the first row without text. Arrays of other types or shapes pass.

    Example:
        >>> check_no_gap(np.array([1.5, None], dtype=object))
        >>> check_no_gap(np.array(["a", None], dtype=object))
        Traceback (most recent call last):
        counterpoise.core.errors.DataError: x contains text, but row 2 contains None. Expected text in every row.
        Use '' for missing text.
    """
    if array.dtype.kind == "O" and array.ndim == 1 and any(isinstance(v, str) for v in array):
        row, odd = next((i, v) for i, v in enumerate(array) if not isinstance(v, str))
        raise DataError(
            f"{name} contains text, but row {row + 1} contains {odd!r:.40}. Expected text in every row. Use "
            "'' for missing text."
        )


def check_inputs(x: Any, inputs: Any) -> None:
    """Raise a `DataError` unless there are rows and they have the shapes and types that a network takes.

    Called before rows are predicted. Numbers beyond 32 bits are refused where the network takes 32-bit integers.

    Args:
        x: Rows, first axis N.
        inputs: What the network takes, in the same structure: anything with a `shape` whose first axis is open, and
            perhaps a `dtype`.

    As in Keras, a last axis of length 1 may be left out or be too much.
    """
    if isinstance(inputs, Mapping) and not isinstance(x, Mapping):
        names = ", ".join(map(repr, list(inputs)[:5])) + (", ..." if len(inputs) > 5 else "")
        raise DataError(
            f"x is {type(x).__name__}, but this classifier has named inputs. Pass a dict or frame of {names}."
        )
    if isinstance(x, Mapping) and isinstance(inputs, Mapping):
        absent = [name for name in inputs if name not in x]
        if absent:
            raise DataError(f"x lacks the input {absent[0]!r}.{did_you_mean(absent[0], x)}")
        x = {name: x[name] for name in inputs}
    arrays, wanted = leaves(x), leaves(inputs)
    if len(arrays) != len(wanted):
        raise DataError(f"x has {len(arrays)} inputs, but this classifier needs {len(wanted)}.")
    for array, tensor in zip(arrays, wanted, strict=True):
        _check_shape(np.shape(array), tuple(tensor.shape[1:]))
        if str(getattr(tensor, "dtype", "")) == "int32" and beyond_int32(array):
            largest = max(int(array.max()), int(array.min()), key=abs)
            raise DataError(
                f"x contains the integer {largest:,}, but this classifier takes integers of 32 bits, as the training "
                "rows had. Pass numbers in the units of the training rows."
            )
        _check_type(array, str(getattr(tensor, "dtype", "")))


def _check_type(array: Any, wanted: str) -> None:
    """Raise a `DataError` if an input of numbers gets text, or an input of text gets numbers.

    `wanted` is the type of the input, "" if it is not known.
    """
    kind = getattr(getattr(array, "dtype", None), "kind", "")
    text = kind in tuple("OSUT")
    if kind and wanted and text != (wanted == "string"):
        raise DataError(
            f"x contains {'text' if text else 'numbers'} ({array.dtype}), but this classifier needs "
            f"{'numbers' if text else 'text'} ({wanted}). Convert x."
        )


def _check_shape(shape: tuple[int, ...], row: tuple[int | None, ...]) -> None:
    """Raise a `DataError` unless there are rows of shape `row` (None: any length).

    A last axis of length 1 may be missing or added.
    """
    if not shape or not shape[0]:
        raise DataError(f"x has shape {shape}, so it has no rows. Pass at least one row.")
    given = shape[1:]
    if not any(_fits(seen, row) for seen in (given, (*given, 1), given[:-1] if given[-1:] == (1,) else given)):
        shown = ", ".join("any" if n is None else str(n) for n in row)
        raise DataError(f"x has shape {shape}, but this classifier needs shape (N, {shown}).")


def _fits(shape: tuple[int, ...], row: tuple[int | None, ...]) -> bool:
    """Return whether rows of a shape fit a network's row, None for any length."""
    return len(shape) == len(row) and all(n in (None, m) for m, n in zip(shape, row, strict=True))
