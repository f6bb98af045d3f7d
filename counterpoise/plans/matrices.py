"""Features of any structure as the one matrix that imbalanced-learn's samplers take, and back.

Numbers are scaled by their spread, because distances determine which rows are neighbors; missing numbers become the
median. Level ids (of categories) stay whole numbers in columns of their own. All is learned from the training rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class ArraySpec:
    """One array of the input: its key, the shape and type of a row, and whether it contains level ids."""

    key: Any
    shape: tuple[int, ...]
    kind: Any
    levels: bool

    @property
    def width(self) -> int:
        """Number of columns of the array in the matrix."""
        return int(np.prod(self.shape, dtype=int))


@dataclass(frozen=True)
class Layout:
    """The columns of features in a matrix; `pack` and `unpack` are inverses up to filled and rounded values.

    Attributes:
        arrays: The arrays of the input, numbers first.
        form: dict, tuple, list or None for one array.
        center, scale, fill: float64 (numbers,), learned from the rows that were packed first.
    """

    arrays: tuple[ArraySpec, ...]
    form: Any
    center: Array
    scale: Array
    fill: Array

    @property
    def numbers(self) -> int:
        """Number of columns of numbers, which come before the columns of level ids."""
        return sum(spec.width for spec in self.arrays if not spec.levels)

    @property
    def categorical(self) -> list[int]:
        """Positions of the columns of level ids."""
        total = sum(spec.width for spec in self.arrays)
        return list(range(self.numbers, total))

    def pack(self, x: Any) -> Array:
        """Return features as a matrix, float64 (N, columns): scaled numbers first, then level ids.

        Missing numbers become the median of their column.
        """
        matrix = np.concatenate([_as_columns(_array_under(x, spec.key), spec) for spec in self.arrays], axis=1)
        numbers = matrix[:, : self.numbers]
        missing = np.isnan(numbers)
        if missing.any():
            numbers[missing] = np.broadcast_to(self.fill, numbers.shape)[missing]
        numbers -= self.center
        numbers /= self.scale
        return matrix

    def unpack(self, matrix: Array) -> Any:
        """Return a matrix, float64 (N, columns), as features in the form of the input.

        Types are those of the input, and values of integer arrays are rounded. The matrix itself does not change.
        """
        values = matrix.copy()
        values[:, : self.numbers] = values[:, : self.numbers] * self.scale + self.center
        out, start = {}, 0
        for spec in self.arrays:
            block = values[:, start : start + spec.width].reshape(len(values), *spec.shape)
            out[spec.key] = _in_type_of(block, spec)
            start += spec.width
        if self.form is None:
            return out[None]
        if self.form is dict:
            return out
        return self.form(out[i] for i in range(len(out)))


def layout_of(x: Any) -> Layout:
    """Return the layout of features, learned from training rows.

    Only the array "categorical" of a mapping with the keys "numeric" and "categorical" contains level ids. In all other
    inputs, integers count as numbers.
    """
    table = isinstance(x, Mapping) and set(x) <= {"numeric", "categorical"}
    keys = list(x) if isinstance(x, Mapping) else list(range(len(x))) if isinstance(x, (tuple, list)) else [None]
    specs = [_array_spec(_array_under(x, key), key, table and key == "categorical") for key in keys]
    specs.sort(key=lambda spec: spec.levels)
    form = None if keys == [None] else dict if isinstance(x, Mapping) else type(x)
    start = Layout(tuple(specs), form, np.zeros(0), np.ones(0), np.zeros(0))
    numbers = [_as_columns(_array_under(x, spec.key), spec) for spec in specs if not spec.levels]
    if not numbers:
        return start
    return Layout(tuple(specs), form, *_column_statistics(np.concatenate(numbers, axis=1)))


def _column_statistics(numbers: Array) -> tuple[Array, Array, Array]:
    """Return center, scale and fill of each column, float64 (numbers,) each.

    Missing values do not count. Center and fill are the median, and scale is the standard deviation, or 1 for a
    constant column. Raise a DataError for infinite values.
    """
    seen = np.isfinite(numbers)
    if np.isinf(numbers).any():
        raise DataError("The features contain infinite values. Replace them, or leave out these rows.")
    present = seen.any(axis=0)
    safe = np.where(present, numbers, 0.0)  # a column without values has no spread
    median = np.nanmedian(safe, axis=0)
    filled = np.where(np.isnan(safe), median, safe)
    spread = filled.std(axis=0)
    return median, np.where(spread > 0, spread, 1.0), median


def _array_spec(array: Any, key: Any, levels: bool) -> ArraySpec:
    """Return the description of one array.

    Raise a DataError for text or another type that is no number.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"The features have type {array.dtype}. Synthesis and cleaning need numbers or category ids. "
            "Encode them first."
        )
    return ArraySpec(key, array.shape[1:], array.dtype, levels)


def _array_under(x: Any, key: Any) -> Any:
    """Return the array under a key; the key None means that the input is one array."""
    return x if key is None else x[key]


def _as_columns(array: Any, spec: ArraySpec) -> Array:
    """Return an array as float64 (N, width)."""
    return np.asarray(array, dtype=np.float64).reshape(len(array), spec.width)


def _in_type_of(block: Array, spec: ArraySpec) -> Array:
    """Return float64 values in the type of an array.

    Integers are rounded and clipped to their range. Booleans are True above 0.5.
    """
    if spec.kind.kind in "iu":
        info = np.iinfo(spec.kind)
        return np.clip(np.rint(block), info.min, info.max).astype(spec.kind)
    return block > 0.5 if spec.kind.kind == "b" else block.astype(spec.kind)
