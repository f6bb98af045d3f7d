"""Rows of any input as one matrix of numbers, as trees and estimators of scikit-learn's kind take them.

What is learned (medians, which levels there are) is learned from the training rows alone. `row_layer.TreeRows` is the
same in Keras, for files: change both (tests/forests/test_row_layer.py compares them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError
from counterpoise.core.examples import Examples
from counterpoise.core.structure import rows_at_once
from counterpoise.data.cycles import cycle_columns, phases
from counterpoise.data.encode import MAX_LEVELS
from counterpoise.forests.target_encoding import LevelMeans, cross_fitted, level_means, parts_of, targets_of

Array = np.ndarray


class FlatRows:
    """Lays out rows of `examples` as a matrix float32 (n, d), by what it learned from training rows.

    Args:
        examples: The data.
        rows: Row numbers to learn from.
        keep_nan: Whether missing numbers stay NaN; else they become the median of `rows`, with an indicator for each
            column that lacks some there.
        integer_levels: Most levels of a column that becomes one column of integers (missing is NaN); columns with
            more, and all of them with 0, are one-hot: missing, and each of the `MAX_LEVELS` commonest levels.
        seed: If given, the one-hot columns are also encoded by the labels of `rows` (see `target_encoding`).

    Attributes:
        categorical: Positions of the integer columns in the matrix.
        cycles: (Position of a number, period) of each cycle of a time stamp.
        fill: float32 (dn,), what replaces a missing number unless these stay NaN.
        indicated: int64, positions of the numbers with an indicator of missing values.
        integers: int64, positions of the level columns that become integers.
        kept: (Position of a level column, its level numbers that get a column of their own) for the others.
        encoding: Target encoding of the columns in `kept`; None if there are none, or without `seed`.

    Raises:
        DataError: an input is not numeric.

    Example:
        >>> x = {"numeric": np.array([[1.0], [3.0], [np.nan]]), "categorical": np.array([[1], [2], [2]])}
        >>> flat = FlatRows(Examples(x, np.array([0, 1, 1]), (0, 1)), np.arange(3))
        >>> flat.matrix(np.array([0, 2])).tolist()
        [[1.0, 0.0, 1.0, 0.0], [2.0, 1.0, 0.0, 1.0]]
    """

    def __init__(
        self, examples: Examples, rows: Array, *, keep_nan: bool = False, integer_levels: int = 0,
        seed: int | None = None,
    ) -> None:  # fmt: skip
        self.x, self.schema, self.keep_nan = examples.x, examples.schema, keep_nan
        numbers, ids = self._numbers_and_levels(rows)
        as_integer = ids.max(axis=0, initial=0) <= integer_levels  # bool (dc,): few levels, one column of integers
        self.cycles = [] if self.schema is None else cycle_columns(self.schema)
        self.integers = np.flatnonzero(as_integer)
        self.categorical = list(range(numbers.shape[1], numbers.shape[1] + len(self.integers)))
        self.kept = [(int(column), _levels_with_column(ids[:, column])) for column in np.flatnonzero(~as_integer)]
        missing = np.isnan(numbers)
        medians = [0.0 if np.isnan(column).all() else np.nanmedian(column) for column in numbers.T]  # 0: none to learn
        self.fill = np.array(medians, np.float32)
        self.indicated = np.flatnonzero(missing.any(axis=0))
        self.encoding: LevelMeans | None = None
        if seed is not None and self.kept:
            self._encode_by_targets(examples, rows, ids, seed)

    def _encode_by_targets(self, examples: Examples, rows: Array, ids: Array, seed: int) -> None:
        """Learn the target encoding of the columns in `kept`, and that of the training rows by other training rows."""
        targets, weights = targets_of(examples.y[rows], len(examples.classes)), examples.weights_of(rows)
        weights = np.ones(len(rows)) if weights is None else weights.astype(np.float64)
        weights = weights * (weights.sum() / (weights @ weights))  # together, as many rows as they are worth (Kish)
        part = parts_of(targets, None if examples.groups is None else examples.groups[rows], seed)
        columns = [column for column, _ in self.kept]
        how = ids, columns, targets, weights, [int(ids[:, column].max(initial=0)) + 2 for column in columns]
        self.encoding = level_means(*how)
        order = np.argsort(rows)
        self._own_encoding = rows[order], cross_fitted(*how, part)[order]

    @property
    def width(self) -> int:
        """d, the number of columns of the matrix."""
        indicators = 0 if self.keep_nan else len(self.indicated)
        encoded = 0 if self.encoding is None else self.encoding.width
        return len(self.fill) + len(self.integers) + indicators + sum(len(of) for _, of in self.kept) + encoded

    def training_matrix(self, rows: Array) -> Array:
        """Return training rows as `matrix` does, but each encoded by the labels of other training rows."""
        matrix = self.matrix(rows)
        if self.encoding is not None:
            numbers, encoded = self._own_encoding
            matrix[:, -self.encoding.width :] = encoded[np.searchsorted(numbers, rows)]
        return matrix

    def matrix(self, rows: Array) -> Array:
        """Return rows as float32 (len(rows), d); any rows may be asked for.

        The columns are numbers, integer levels, indicators of missing numbers, one-hot levels, and target encodings, in
        this order.
        """
        numbers, ids = self._numbers_and_levels(rows)
        blocks = [numbers if self.keep_nan else np.where(np.isnan(numbers), self.fill, numbers)]
        integers = ids[:, self.integers]
        blocks.append(np.where(integers > 0, integers - 1.0, np.nan))  # level numbers from 0, missing as NaN
        if not self.keep_nan:
            blocks.append(np.isnan(numbers[:, self.indicated]))
        blocks += [ids[:, column, None] == levels for column, levels in self.kept]
        blocks += [] if self.encoding is None else [self.encoding.values(ids)]
        return np.concatenate([np.asarray(block, dtype=np.float32) for block in blocks], axis=1)

    def _numbers_and_levels(self, rows: Array) -> tuple[Array, Array]:
        """Return numbers (n, dn) and level numbers (n, dc) of some rows.

        Numbers include the positions of time stamps in their cycles. All rows asked for must fit into memory.
        """
        numbers, ids = _split_input(rows_at_once(self.x, rows, "trees or an external model"))
        if self.schema is None or not self.schema.numeric:
            return numbers, ids
        return np.concatenate([numbers, phases(self.schema, numbers)], axis=1), ids


def _split_input(x: Any) -> tuple[Array, Array]:
    """Return numbers (N, dn) and level numbers, int64 (N, dc), of an input, without cycles of time stamps.

    Arrays of higher rank are flattened. Level numbers exist for an encoded table alone; 0 is a missing value.

    Raises:
        DataError: An input is text.
    """
    if isinstance(x, Mapping) and set(x) <= {"numeric", "categorical"}:
        some = next(iter(x.values()))
        none = np.empty((len(some), 0), np.float32)
        return x.get("numeric", none), np.asarray(x.get("categorical", none), dtype=np.int64)
    arrays = [np.asarray(leaf) for leaf in arrays_of(x)]
    if any(array.dtype.kind not in "fiub" for array in arrays):
        raise DataError(
            "The rows are text. Expected numbers or a table, because trees and external models do not take text."
        )
    flat = np.concatenate([a.reshape(len(a), math.prod(a.shape[1:])).astype(np.float32) for a in arrays], axis=1)
    return flat, np.empty((len(flat), 0), np.int64)


def arrays_of(x: Any) -> list[Any]:
    """Return the arrays of an input, those of a dict in the order of its sorted keys, which is the order of columns."""
    if isinstance(x, Mapping):
        return [leaf for key in sorted(x) for leaf in arrays_of(x[key])]
    return [leaf for item in x for leaf in arrays_of(item)] if isinstance(x, (tuple, list)) else [x]


def _levels_with_column(ids: Array) -> Array:
    """Return the level numbers that get a one-hot column, int64, ascending.

    They are missing (0) if it occurs in `ids` (N,) of the training rows, and the `MAX_LEVELS` commonest levels.
    """
    seen = np.bincount(ids)
    common = np.argsort(-seen[1:], kind="stable")[:MAX_LEVELS] + 1
    return np.array([*([0] if seen[:1].any() else []), *np.sort(common[seen[common] > 0])], dtype=np.int64)
