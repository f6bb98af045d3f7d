"""Inputs of `cp.batches` as rows: arrays, frames, sparse matrices, files on disk, several inputs; no copy is made.

`rows_of(x)` wraps an input; `take(rows)` then returns these rows, in this order, repeats included, as NumPy. Objects
with `takes_rows`, such as `cp.images`, are such sources already (see `data.image_set`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from counterpoise.core.checks import check_lengths
from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.masked import unmasked

Array = np.ndarray


class Rows(Protocol):
    """A source of N rows; `take(rows)` returns these rows as NumPy, in the given order."""

    def __len__(self) -> int: ...

    def take(self, rows: Array) -> Any:
        """Return the rows with these numbers (n,), in this order; numbers may repeat."""


class ArrayRows:
    """A NumPy array in memory (or mapped from a file)."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def take(self, rows: Array) -> Array:
        # np.take is faster than indexing; np.asarray turns a memory map into a plain array.
        return np.take(np.asarray(self.array), rows, axis=0)


class SeveralRows:
    """Several inputs: a dict, tuple or list of `Rows`, which must have equal lengths."""

    def __init__(self, inputs: Any) -> None:
        self.inputs = inputs
        check_lengths({f"input {k!r}": part for k, part in self.named_inputs()})

    def __len__(self) -> int:
        return next((len(one) for _, one in self.named_inputs()), 0)

    def take(self, rows: Array) -> Any:
        """Return these rows of every input, in the structure of the inputs."""
        taken = [(k, rows_of_input.take(rows)) for k, rows_of_input in self.named_inputs()]
        return (
            dict(taken)
            if isinstance(self.inputs, Mapping)
            else type(self.inputs)(rows_of_input for _, rows_of_input in taken)
        )

    def named_inputs(self) -> Any:
        """Return pairs of (key or position, `Rows`) of the inputs, in order."""
        return self.inputs.items() if isinstance(self.inputs, Mapping) else enumerate(self.inputs)


class SparseRows:
    """A SciPy sparse matrix; `take` returns dense rows."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix.tocsr()

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def take(self, rows: Array) -> Array:
        """Return these rows as a dense array."""
        return self.matrix[rows].toarray()


class StoredRows:
    """An HDF5-like array, which can only be indexed by sorted and distinct row numbers."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __len__(self) -> int:
        return int(self.store.shape[0])

    def take(self, rows: Array) -> Array:
        distinct, back = np.unique(rows, return_inverse=True)  # `back` restores order and repeats
        return np.asarray(self.store[distinct])[back]


class LoadedRows:
    """Items, for example file paths, each turned into an array by a function."""

    def __init__(self, items: Sequence[Any], load: Callable[[Any], Any]) -> None:
        self.items, self.load = items, load

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: Array) -> Array:
        """Load these items, and stack them (n, ...); different shapes raise a DataError."""
        loaded = [np.asarray(self.load(self.items[int(i)])) for i in rows]
        shapes = {one.shape for one in loaded}
        if len(shapes) > 1:
            raise DataError(
                f"load returned arrays of shapes {sorted(shapes)}. Expected the same shape for every item of a batch."
            )
        return np.stack(loaded)


class JoinedRows:
    """Rows of a first source, followed by rows of a second one with the same structure.

    Rows of the second source have the numbers from len(first) on.
    """

    def __init__(self, first: Rows, second: Rows) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def take(self, rows: Array) -> Any:
        """Return these rows of both sources, in the given order."""
        later = np.flatnonzero(rows >= len(self.first))
        if not len(later):
            return self.first.take(rows)
        if len(later) == len(rows):
            return self.second.take(rows - len(self.first))
        new = self.second.take(rows[later] - len(self.first))
        # Row 0 stands in for the rows of the second source, which are then written over it.
        return _overwrite_rows(self.first.take(np.where(rows < len(self.first), rows, 0)), new, later)


def _overwrite_rows(old: Any, new: Any, where: Array) -> Any:
    """Return `old` with new rows at positions `where`, in the same structure.

    Its arrays are written in place; tuples and lists are made again.
    """
    if isinstance(old, Mapping):
        return {k: _overwrite_rows(old[k], new[k], where) for k in old}
    if isinstance(old, (tuple, list)):
        return type(old)(_overwrite_rows(a, b, where) for a, b in zip(old, new, strict=True))
    old[where] = new
    return old


def rows_of(x: Any, load: Callable[[Any], Any] | None = None) -> Rows:
    """Wrap an input so that rows can be taken from it.

    Args:
        x: An array or memory map of any rank; a dict, tuple or list of arrays (several inputs); a pandas or polars
            frame (one array when all columns are numbers, else a dict of columns); a SciPy sparse matrix; an
            HDF5-like object with a shape and row indexing; with `load` a list of items, for example file paths.
        load: item -> array, called when the item is drawn.

    Raises:
        DataError: something without rows, or inputs of different lengths.

    Example:
        >>> rows_of({"a": np.arange(3), "b": [[1.0], [2.0], [3.0]]}).take(np.array([2, 0]))
        {'a': array([2, 0]), 'b': array([[3.],
               [1.]])}
    """
    if load is not None:
        if not callable(load):
            raise OptionError(f"load={load!r}. Expected a function from one item to an array.")
        return LoadedRows(_loadable_items(x), load)
    if hasattr(x, "take") and hasattr(x, "__len__") and getattr(x, "takes_rows", False):  # already like `Rows`
        return x
    library = type(x).__module__.split(".")[0]
    if library in ("pandas", "polars"):
        return _frame_rows(x)
    if isinstance(x, Mapping):
        return SeveralRows({k: rows_of(one) for k, one in x.items()})
    if isinstance(x, tuple) or (isinstance(x, list) and x and all(hasattr(one, "shape") for one in x)):
        return SeveralRows(type(x)(rows_of(one) for one in x))
    if hasattr(x, "tocsr"):
        return SparseRows(x)
    if isinstance(x, np.ndarray) or not hasattr(x, "shape") or library in ("tensorflow", "jax", "jaxlib"):
        return _array_rows(x)
    if len(x.shape) and hasattr(x, "__getitem__"):
        return StoredRows(x)
    raise DataError(
        f"x is {type(x).__name__}. Expected an array, a frame, a dict or tuple of arrays, or file paths with load=."
    )


def in_memory(rows: Rows) -> bool:
    """Return whether all inputs are NumPy arrays in memory, and not mapped from a file."""
    if isinstance(rows, SeveralRows):
        return all(in_memory(one) for _, one in rows.named_inputs())
    return isinstance(rows, ArrayRows) and not isinstance(rows.array, np.memmap)


def arrays_in(sources: Iterable[Rows]) -> Iterator[Array]:
    """Yield the arrays of `ArrayRows`, also inside several inputs; skip other sources."""
    for rows in sources:
        if isinstance(rows, SeveralRows):
            yield from arrays_in(one for _, one in rows.named_inputs())
        elif isinstance(rows, ArrayRows):
            yield rows.array


def all_rows(rows: Rows) -> Any:
    """Return all rows at once in the structure of the input; arrays in memory are not copied."""
    if isinstance(rows, ArrayRows):
        return rows.array
    if isinstance(rows, SeveralRows):
        arrays = [(k, all_rows(one)) for k, one in rows.named_inputs()]
        return dict(arrays) if isinstance(rows.inputs, Mapping) else type(rows.inputs)(one for _, one in arrays)
    return rows.take(np.arange(len(rows)))


def _loadable_items(x: Any) -> Any:
    """Return the items that `load` reads: a sequence as it is, a series as an array.

    Text, and what has no length or no items, raises a DataError.
    """
    if isinstance(x, (str, bytes)) or not hasattr(x, "__len__") or not hasattr(x, "__getitem__"):
        raise DataError(f"x is {type(x).__name__}. Expected a list of items (file paths), because load= was given.")
    return np.asarray(x) if type(x).__module__.split(".")[0] in ("pandas", "polars") else x


def _array_rows(x: Any) -> ArrayRows:
    """Wrap an array, or what NumPy can make one of; raise a DataError if it has no rows."""
    x = unmasked(x)
    try:
        array = x if isinstance(x, np.ndarray) else np.asarray(x)
    except ValueError:
        raise DataError("x has rows of different lengths. Expected an array of shape (N, ...).") from None
    if array.ndim == 0:
        raise DataError(f"x is {type(x).__name__} without rows. Expected an array of shape (N, ...).")
    return ArrayRows(array)


def _frame_rows(frame: Any) -> Rows:
    """Wrap a series, a frame of numbers as one array, or any other frame as a dict of columns."""
    if len(frame.shape) == 1:
        return ArrayRows(frame.to_numpy())
    columns = {str(name): frame[name].to_numpy() for name in frame.columns}
    if all(column.dtype.kind in "iufb" for column in columns.values()):
        return ArrayRows(frame.to_numpy())
    return SeveralRows({name: ArrayRows(column) for name, column in columns.items()})
