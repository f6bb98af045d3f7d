"""Draws: which row numbers one epoch shows, without copying a row.

Three ways to take `size` rows out of the `n` rows of a class, each a pure function of the seed words:

- `repeated`: every row floor(size / n) times, the remainder without replacement (even oversampling);
- `walked`: a block of a seeded permutation; after e epochs the share of rows seen is min(1, e size / n);
- `replaced`: independent draws with replacement (scikit-learn's `resample`).
"""

from __future__ import annotations

import numpy as np

from counterpoise.core import seeds

Array = np.ndarray


def index_type(n: int) -> type[np.signedinteger]:
    """int32 below 2**31 rows, else int64."""
    return np.int32 if n < 2**31 else np.int64


def walked(n: int, size: int, epoch: int, seed: int, stage: str) -> Array:
    """Positions of block `epoch` in a walk through `n` rows, `size` (at most n) at a time.

    One pass takes ceil(n / size) epochs through one permutation; its last block ends at the last row, so a
    pass sees every row and no epoch holds a row twice. Each pass has a permutation of its own.

    Example:
        >>> blocks = [walked(10, 4, e, 0, "doc") for e in range(3)]
        >>> sorted({int(i) for b in blocks for i in b}) == list(range(10))
        True
    """
    if size == 0:
        return np.empty(0, index_type(n))
    epochs_per_pass = -(-n // size)
    turn, block = divmod(epoch, epochs_per_pass)
    order = permutation(n, seed, stage, turn)
    end = min(n, (block + 1) * size)
    return order[end - size : end]


def repeated(n: int, size: int, epoch: int, seed: int, stage: str) -> Array:
    """Every one of `n` rows floor(size / n) times, and a walked remainder."""
    whole, rest = divmod(size, n)
    kind = index_type(n)
    out = np.empty(size, kind)
    if whole:
        out[: whole * n].reshape(whole, n)[:] = np.arange(n, dtype=kind)
    if rest:
        out[whole * n :] = walked(n, rest, epoch, seed, stage)
    return out


def replaced(n: int, size: int, epoch: int, seed: int, stage: str) -> Array:
    """`size` independent draws from `n` rows."""
    return seeds.generator(seed, stage, epoch).integers(0, n, size, dtype=index_type(n))


def permutation(n: int, seed: int, stage: str, *index: int) -> Array:
    """A seeded permutation of range(n) in the smallest index type."""
    order = np.arange(n, dtype=index_type(n))
    seeds.generator(seed, stage, *index).shuffle(order)
    return order
