"""Inputs of any structure: an array or a `Source`, or a dict, tuple or list of inputs.

All code that selects, joins or counts rows of `Examples.x` calls these functions, because tables, images and inputs of
users differ in structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core import sources
from counterpoise.core.errors import DataError
from counterpoise.core.sources import JoinedSource, Source, SubsetSource


def mapped(function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """Return the same structure with `function` on every array of `x`, and on the matching ones of `others`.

    Example:
        >>> mapped(lambda a, b: a + b, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
        {'a': 11, 'b': (22, 33)}
    """
    if isinstance(x, Mapping):
        return {key: mapped(function, inner, *(other[key] for other in others)) for key, inner in x.items()}
    if isinstance(x, (tuple, list)):
        inputs = [mapped(function, inner, *(other[i] for other in others)) for i, inner in enumerate(x)]
        # A named tuple takes its items as separate arguments.
        return type(x)(*inputs) if hasattr(x, "_fields") else type(x)(inputs)
    return function(x, *others)


def leaves(x: Any) -> list[Any]:
    """Return the arrays and sources of an input, in order.

    Example:
        >>> leaves({"a": 1, "b": (2, 3)})
        [1, 2, 3]
    """
    if isinstance(x, Mapping):
        return [leaf for inner in x.values() for leaf in leaves(inner)]
    if isinstance(x, (tuple, list)):
        return [leaf for inner in x for leaf in leaves(inner)]
    return [x]


def take(x: Any, rows: np.ndarray | slice) -> Any:
    """Return rows of an input as arrays in memory, in the structure of the input.

    Example:
        >>> take({"a": np.array([1, 2, 3])}, np.array([2, 0]))["a"].tolist()
        [3, 1]
    """
    return mapped(lambda array: array[rows], x)


def join(inputs: Sequence[Any]) -> Any:
    """Join inputs of the same structure along the axis of rows.

    Sources are joined without reading them.

    Example:
        >>> join([(np.array([1]), np.array([2])), (np.array([3]), np.array([4]))])[1].tolist()
        [2, 4]
    """
    return mapped(_join_arrays, *inputs)


def _join_arrays(*arrays: Any) -> Any:
    """Return arrays joined along their first axis; with sources among them, a `JoinedSource`."""
    return JoinedSource(arrays) if any(isinstance(array, Source) for array in arrays) else np.concatenate(arrays)


def subset(x: Any, rows: np.ndarray) -> Any:
    """Return some rows as a new input.

    Rows of a `Source` are not read, but become a `SubsetSource`.

    Example:
        >>> subset(np.array([1, 2, 3]), np.array([2, 0])).tolist()
        [3, 1]
    """
    return mapped(lambda array: SubsetSource(array, rows) if isinstance(array, Source) else array[rows], x)


def rows_at_once(x: Any, rows: np.ndarray, purpose: str) -> Any:
    """Return rows of an input in memory.

    `purpose` names what needs all at once, such as "SMOTE".

    Raises:
        DataError: The rows of sources together are larger than `sources.IN_MEMORY`.
    """
    need = sum(array.nbytes // max(1, len(array)) * len(rows) for array in leaves(x) if isinstance(array, Source))
    if need > sources.IN_MEMORY:
        raise DataError(
            f"{purpose} needs all of {len(rows):,} rows in memory at once. Together, they are "
            f"{need / 2**20:,.0f} MB. Expected at most {sources.IN_MEMORY / 2**20:,.0f} MB. Do without "
            f"{purpose}, or use smaller images (size=, --size)."
        )
    return take(x, rows)


def outside_memory(x: Any) -> bool:
    """Return whether an array of an input is a `Source`, which is read when rows are taken.

    Example:
        >>> outside_memory({"a": np.zeros(3)})
        False
    """
    return any(isinstance(array, Source) for array in leaves(x))


#: Values of one chunk of rows when a network is only evaluated.
CHUNK_VALUES = 4_194_304


def chunk_rows(x: Any) -> int:
    """Return how many rows are evaluated at once, 64 to 8192; fewer for large rows.

    Example:
        >>> chunk_rows(np.zeros((2, 30))), chunk_rows({"a": np.zeros((2, 128, 128, 3), np.uint8)})
        (8192, 85)
    """
    values = sum(int(np.prod(array.shape[1:])) for array in leaves(x))
    return int(np.clip(CHUNK_VALUES // max(1, values), 64, 8192))


def chunks(x: Any, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield row numbers in chunks that are evaluated at once.

    Example:
        >>> [chunk.tolist() for chunk in chunks(np.zeros(9), np.array([4, 2]))]
        [[4, 2]]
    """
    size = chunk_rows(x)
    yield from (rows[start : start + size] for start in range(0, len(rows), size))


def rows_in(x: Any) -> int:
    """Return how many rows an input has.

    Example:
        >>> rows_in({"a": np.zeros((3, 2))})
        3
    """
    return len(leaves(x)[0])
