"""Features of any structure as the one matrix that imbalanced-learn's samplers take, and back.

Numbers are scaled by their spread, because distances decide who is a neighbor; missing ones become the median.
Level ids stay whole numbers in columns of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class Part:
    """One array of the input: its place, the shape and type of a row, and whether it holds level ids."""

    key: Any
    shape: tuple[int, ...]
    kind: Any
    levels: bool

    @property
    def width(self) -> int:
        return int(np.prod(self.shape, dtype=int))


@dataclass(frozen=True)
class Layout:
    """How features lie in a matrix; `pack` and `unpack` are inverses up to filled and rounded values.

    Attributes:
        parts: The arrays of the input, numbers first.
        form: dict, tuple, list or None for one array.
        center, scale, fill: float64 (numbers,), learned from the rows that were packed first.
    """

    parts: tuple[Part, ...]
    form: Any
    center: Array
    scale: Array
    fill: Array

    @property
    def numbers(self) -> int:
        """Columns of numbers."""
        return sum(part.width for part in self.parts if not part.levels)

    @property
    def categorical(self) -> list[int]:
        """Columns of level ids."""
        total = sum(part.width for part in self.parts)
        return list(range(self.numbers, total))

    def pack(self, x: Any) -> Array:
        """Features -> float64 (N, columns)."""
        matrix = np.concatenate([_flat(_get(x, part.key), part) for part in self.parts], axis=1)
        numbers = matrix[:, : self.numbers]
        missing = np.isnan(numbers)
        if missing.any():
            numbers[missing] = np.broadcast_to(self.fill, numbers.shape)[missing]
        numbers -= self.center
        numbers /= self.scale
        return matrix

    def unpack(self, matrix: Array) -> Any:
        """float64 (N, columns) -> features in their own structure and types."""
        values = matrix.copy()
        values[:, : self.numbers] = values[:, : self.numbers] * self.scale + self.center
        out, start = {}, 0
        for part in self.parts:
            block = values[:, start : start + part.width].reshape(len(values), *part.shape)
            out[part.key] = _typed(block, part)
            start += part.width
        if self.form is None:
            return out[None]
        if self.form is dict:
            return out
        return self.form(out[i] for i in range(len(out)))


def layout_of(x: Any) -> Layout:
    """Learn the layout from training rows.

    `{"numeric", "categorical"}` is a table of ours; of other inputs whole-number arrays of rank 2 count as numbers.
    """
    table = isinstance(x, Mapping) and set(x) <= {"numeric", "categorical"}
    keys = list(x) if isinstance(x, Mapping) else list(range(len(x))) if isinstance(x, (tuple, list)) else [None]
    parts = [_part(_get(x, key), key, table and key == "categorical") for key in keys]
    parts.sort(key=lambda part: part.levels)
    form = None if keys == [None] else dict if isinstance(x, Mapping) else type(x)
    start = Layout(tuple(parts), form, np.zeros(0), np.ones(0), np.zeros(0))
    numbers = [_flat(_get(x, part.key), part) for part in parts if not part.levels]
    if not numbers:
        return start
    return Layout(tuple(parts), form, *_learned(np.concatenate(numbers, axis=1)))


def _learned(numbers: Array) -> tuple[Array, Array, Array]:
    seen = np.isfinite(numbers)
    if np.isinf(numbers).any():
        raise DataError("The features contain infinite values. Replace them, or leave out these rows.")
    present = seen.any(axis=0)
    safe = np.where(present, numbers, 0.0)  # a column without values has no spread
    median = np.nanmedian(safe, axis=0)
    filled = np.where(np.isnan(safe), median, safe)
    spread = filled.std(axis=0)
    return median, np.where(spread > 0, spread, 1.0), median


def _part(array: Any, key: Any, levels: bool) -> Part:
    array = np.asarray(array)
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"The features have type {array.dtype}. Synthesis and cleaning need numbers or category ids. "
            "Encode them first."
        )
    return Part(key, array.shape[1:], array.dtype, levels)


def _get(x: Any, key: Any) -> Any:
    return x if key is None else x[key]


def _flat(array: Any, part: Part) -> Array:
    return np.asarray(array, dtype=np.float64).reshape(len(array), part.width)


def _typed(block: Array, part: Part) -> Array:
    if part.kind.kind in "iu":
        info = np.iinfo(part.kind)
        return np.clip(np.rint(block), info.min, info.max).astype(part.kind)
    return block > 0.5 if part.kind.kind == "b" else block.astype(part.kind)
