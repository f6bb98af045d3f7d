"""Rows of an input that need not be in memory: code takes the rows that it needs, a batch at a time.

A `Source` stands where an array would: it has a shape and a type, and `source[rows]` are rows in memory. Nothing makes
an array of it unasked: `np.asarray(source)` raises, `structure.rows_at_once` checks whether the rows fit. Here are the
interface, and the sources that are made of other sources or of arrays; `data/` has those that read files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError

Array = np.ndarray

#: Bytes of rows that are kept in memory at most: a network, its gradients and TensorFlow itself come on top.
IN_MEMORY = 512 * 2**20


class Source:
    """Rows of one input; a subclass defines how they are taken. It can be pickled, and a worker opens it again.

    Attributes:
        shape: (N, ...), known without reading.
        dtype: The NumPy type of the rows.

    Example:
        >>> class Squares(Source):
        ...     shape, dtype = (5, 1), np.dtype("float32")
        ...     def take(self, rows):
        ...         return (rows[:, None] ** 2).astype("float32")
        >>> Squares()[np.array([3, 0])].ravel().tolist(), len(Squares()), Squares()[-2:].ravel().tolist()
        ([9.0, 0.0], 5, [9.0, 16.0])
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def take(self, rows: Array) -> Array:
        """Return rows by their numbers, int64 (k,), in this order, as a new array (k, ...)."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Return a text that is equal for equal rows, to compare a resumed run with its data."""
        digest = hashlib.blake2b(repr((self.shape, str(self.dtype))).encode(), digest_size=16)
        for start in range(0, len(self), 1024):
            digest.update(np.ascontiguousarray(self[start : start + 1024]).tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        """Return rows as an array in memory.

        `rows` is any index of the first axis, such as a number, a slice or an array.
        """
        # One number gives one row without the axis of rows, as with an array.
        numbers = _row_numbers(rows, len(self))
        return self.take(np.atleast_1d(numbers)) if np.ndim(numbers) else self.take(numbers[None])[0]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """Raise a DataError, so that no operation reads all rows into memory unasked."""
        raise DataError(
            f"{self.nbytes / 2**20:,.0f} MB of rows are not in memory, but this operation needs all of them "
            f"there. Expected at most {IN_MEMORY / 2**20:,.0f} MB. Use fewer rows or smaller images (size=, "
            "--size)."
        )

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def _row_numbers(rows: Any, n: int) -> Array:
    """Return the row numbers, 0 to n - 1, that an index of any NumPy form means.

    Negative numbers count from the end.

    An array of row numbers is converted without an array of all n rows.
    """
    plain = isinstance(rows, np.ndarray) and rows.ndim == 1 and rows.dtype.kind in "iu" and len(rows) > 0
    if plain and -n <= int(rows.min()) and int(rows.max()) < n:
        return np.where(rows < 0, rows.astype(np.int64) + n, rows)
    return np.arange(n)[rows]


class SubsetSource(Source):
    """Some rows of a source as a new source, numbered from 0; nothing is read before rows are taken."""

    def __init__(self, source: Source, rows: Array) -> None:
        """Select `rows` of the source: row numbers, or any other index of its first axis."""
        self.source, self.rows = source, np.arange(len(source))[rows]
        self.shape, self.dtype = (len(self.rows), *source.shape[1:]), source.dtype

    def take(self, rows: Array) -> Array:
        """Return rows by their numbers in this selection."""
        return self.source.take(self.rows[rows])


class InMemoryRows(Source):
    """Some rows of a larger input, in memory under the numbers that they have there; other rows cannot be taken.

    Args:
        values: (K, ...), the rows.
        numbers: int64 (K,), their numbers in the larger input, rising.
        n: Rows of the larger input.

    Example:
        >>> source = InMemoryRows(np.array([[0.5], [0.7]]), np.array([3, 8]), 10)
        >>> len(source), source[np.array([8, 3])].ravel().tolist()
        (10, [0.7, 0.5])
    """

    def __init__(self, values: Array, numbers: Array, n: int) -> None:
        self.values, self.numbers = values, numbers
        self.shape, self.dtype = (n, *values.shape[1:]), values.dtype

    def take(self, rows: Array) -> Array:
        """Return rows by their numbers in the larger input.

        Raise a DataError for a row that is not in memory.
        """
        # A number above all others is clipped, so that it is compared and reported as absent.
        places = np.minimum(np.searchsorted(self.numbers, rows), len(self.numbers) - 1)
        absent = rows[self.numbers[places] != rows]
        if len(absent):
            raise DataError(
                f"Row {absent[0]:,} is not in memory. Only {len(self.numbers):,} of {len(self):,} rows are in memory. "
                f"Take only these rows."
            )
        return self.values[places]


class JoinedSource(Source):
    """Sources and arrays with rows of the same shape, one after the other, as one source."""

    def __init__(self, inputs: Sequence[Any]) -> None:
        """Join one or more inputs; the common dtype can hold the values of all."""
        # `starts`: number of the first row of each input, and at the end the number of all rows.
        self.inputs = tuple(inputs)
        self.starts = np.cumsum([0, *map(len, self.inputs)])
        self.shape = (int(self.starts[-1]), *self.inputs[0].shape[1:])
        self.dtype = np.result_type(*(source.dtype for source in self.inputs))

    def take(self, rows: Array) -> Array:
        """Return rows in the order of `rows`, each from the input that contains it."""
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        input_of_row = np.searchsorted(self.starts, rows, side="right") - 1
        for number, source in enumerate(self.inputs):
            here = input_of_row == number
            if here.any():
                out[here] = source[rows[here] - self.starts[number]]
        return out
