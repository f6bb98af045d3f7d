"""Rows of any input as one matrix of numbers, as estimators of scikit-learn's kind take them.

What is learned (medians, which levels there are) is learned from the training rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError
from counterpoise.core.records import Examples
from counterpoise.core.structure import leaves, whole
from counterpoise.data.cycles import phases
from counterpoise.data.encode import MAX_LEVELS

Array = np.ndarray


class FlatRows:
    """Learns from training rows how to lay out rows as float32 (N, d).

    Args:
        examples: The data.
        rows: Row numbers to learn from.
        keep_nan: Whether missing numbers stay NaN; else they become the median of `rows`, with an indicator for each
            column that lacks some there.
        integer_levels: Most levels of a column that stands as one column of integers (missing is NaN); columns with
            more, and all of them with 0, are one-hot: missing, and each of the `MAX_LEVELS` commonest levels.

    Attributes:
        categorical: Positions of the integer columns in the matrix.

    Raises:
        DataError: an input is not numeric.

    Example:
        >>> x = {"numeric": np.array([[1.0], [3.0], [np.nan]]), "categorical": np.array([[1], [2], [2]])}
        >>> flat = FlatRows(Examples(x, np.array([0, 1, 1]), (0, 1)), np.arange(3))
        >>> flat.matrix(np.array([0, 2])).tolist()
        [[1.0, 0.0, 1.0, 0.0], [2.0, 1.0, 0.0, 1.0]]
    """

    def __init__(self, examples: Examples, rows: Array, *, keep_nan: bool = False, integer_levels: int = 0) -> None:
        self.x, self.schema, self.keep_nan = examples.x, examples.schema, keep_nan
        numbers, ids = self._parts(rows)
        self._as_integer = ids.max(axis=0, initial=0) <= integer_levels
        self.categorical = list(range(numbers.shape[1], numbers.shape[1] + int(self._as_integer.sum())))
        self._levels = [_kept(column) for column in ids.T[~self._as_integer]]
        lacking = np.isnan(numbers)
        self._fill = np.array([0.0 if np.isnan(column).all() else np.nanmedian(column) for column in numbers.T])
        self._indicated = np.flatnonzero(lacking.any(axis=0))

    def matrix(self, rows: Array) -> Array:
        """Rows as float32 (len(rows), d)."""
        numbers, ids = self._parts(rows)
        parts = [numbers if self.keep_nan else np.where(np.isnan(numbers), self._fill, numbers)]
        integers = ids[:, self._as_integer]
        parts.append(np.where(integers > 0, integers - 1.0, np.nan))
        if not self.keep_nan:
            parts.append(np.isnan(numbers[:, self._indicated]))
        parts += [column[:, None] == kept for column, kept in zip(ids.T[~self._as_integer], self._levels, strict=True)]
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts], axis=1)

    def _parts(self, rows: Array) -> tuple[Array, Array]:
        """Numbers, places of time stamps in their cycles among them, and level numbers."""
        numbers, ids = _parts(whole(self.x, rows, "an external model"))
        if self.schema is None or not self.schema.numeric:
            return numbers, ids
        return np.concatenate([numbers, phases(self.schema, numbers)], axis=1), ids


def _parts(x: Any) -> tuple[Array, Array]:
    """Numbers (N, dn) and level numbers (N, dc) of an input; arrays of higher rank are flattened."""
    if isinstance(x, Mapping) and set(x) <= {"numeric", "categorical"}:
        some = next(iter(x.values()))
        none = np.empty((len(some), 0))
        return x.get("numeric", none), np.asarray(x.get("categorical", none), dtype=np.int64)
    arrays = [np.asarray(leaf) for leaf in leaves(x)]
    if any(array.dtype.kind not in "fiub" for array in arrays):
        raise DataError("an input holds text; an external entrant takes numbers and tables.")
    flat = np.concatenate([a.reshape(len(a), math.prod(a.shape[1:])).astype(np.float32) for a in arrays], axis=1)
    return flat, np.empty((len(flat), 0), np.int64)


def _kept(ids: Array) -> Array:
    """Level numbers that get a column: missing (0) where it occurs, and the commonest levels."""
    seen = np.bincount(ids)
    common = np.argsort(-seen[1:], kind="stable")[:MAX_LEVELS] + 1
    return np.array([*([0] if seen[:1].any() else []), *np.sort(common[seen[common] > 0])], dtype=np.int64)
