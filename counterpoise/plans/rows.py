"""Draws of row numbers for an epoch, with which all plans draw; no row is copied.

Three ways to take `size` rows out of the `n` rows of a class, each a pure function of the seed words:

- `repeat_into`: every row floor(size / n) times, the remainder without replacement (even oversampling);
- `walk_block`: a block of a seeded permutation; after e epochs the share of rows seen is min(1, e size / n);
- `with_replacement`: independent draws with replacement (scikit-learn's `resample`).

The algorithms, their constants and types decide which rows a seed draws: a change gives other results.
"""

from __future__ import annotations

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.label_sources import CHUNK

Array = np.ndarray

#: From this many rows on, a block of at most 1 / _SMALL_PART of them is drawn without making the permutation.
_FEW_ROWS, _SMALL_PART = 1 << 14, 16
#: Rounds of the Feistel network in `permutation_part`.
_ROUNDS = 8

#: Most rows that are shuffled by sorting: above it, 8 bytes a row for the keys would be felt.
_KEYED = 1 << 21


def index_type(n: int) -> type[np.signedinteger]:
    """Return the smallest type for row numbers: int32 below 2**31 rows, else int64."""
    return np.int32 if n < 2**31 else np.int64


def walk_block(n: int, size: int, epoch: int, seed: int, stage: str) -> Array:
    """Return block number `epoch` of a walk through `n` rows, `size` (at most n) at a time.

    One pass takes ceil(n / size) epochs through one permutation; its last block ends at the last row, so a
    pass sees every row and no epoch has a row twice. Each pass has a permutation of its own.

    Example:
        >>> blocks = [walk_block(10, 4, e, 0, "doc") for e in range(3)]
        >>> sorted({int(i) for b in blocks for i in b}) == list(range(10))
        True
    """
    if size == 0:
        return np.empty(0, index_type(n))
    epochs_per_pass = -(-n // size)
    turn, block = divmod(epoch, epochs_per_pass)
    end = min(n, (block + 1) * size)
    if n >= _FEW_ROWS and size * _SMALL_PART <= n:
        key = seeds.sequence(seed, stage, turn).generate_state(_ROUNDS, np.uint64)
        return permutation_part(n, end - size, end, key).astype(index_type(n))
    return permutation(n, seed, stage, turn)[end - size : end]


def repeat_into(out: Array, members: Array, epoch: int, seed: int, stage: str) -> None:
    """Fill `out` with each of n members floor(len(out) / n) times, and a remainder.

    The remainder is a block of `walk_block`.
    """
    n = len(members)
    whole, rest = divmod(len(out), n)
    if whole:
        out[: whole * n].reshape(whole, n)[:] = members
    if rest:
        gather(members, walk_block(n, rest, epoch, seed, stage), out[whole * n :])


def gather(members: Array, positions: Array, out: Array) -> None:
    """Write `members[positions]` into `out`, a chunk at a time, which saves memory."""
    for start in range(0, len(out), CHUNK):
        out[start : start + CHUNK] = members[positions[start : start + CHUNK]]


def with_replacement(n: int, size: int, epoch: int, seed: int, stage: str) -> Array:
    """Return the positions of `size` independent draws from `n` rows, with replacement."""
    return seeds.generator(seed, stage, epoch).integers(0, n, size, dtype=index_type(n))


def permutation(n: int, seed: int, stage: str, *index: int) -> Array:
    """Return a seeded permutation of range(n), in the type of `index_type`."""
    order = np.arange(n, dtype=index_type(n))
    seeds.generator(seed, stage, *index).shuffle(order)
    return order


def shuffle(rows: Array, rng: np.random.Generator) -> None:
    """Shuffle row numbers, integers of 0 or more, in place.

    Up to `_KEYED` of them are sorted by random numbers whose last bits are the row numbers themselves: the order of
    keys is uniform but for ties (two keys tie with probability 2 ** (b - 64), b the bits of the largest row number).
    Sorting runs through memory in order, which exchanging single entries does not. It takes 8 bytes a row meanwhile.

    Example:
        >>> rows = np.arange(5, dtype=np.int32)
        >>> shuffle(rows, np.random.default_rng(0))
        >>> sorted(rows.tolist())
        [0, 1, 2, 3, 4]
    """
    if not 1 < len(rows) <= _KEYED:
        rng.shuffle(rows)
        return
    # Ones in all bits that a row number needs.
    last = np.uint64((1 << int(rows.max()).bit_length()) - 1)
    keys = rng.integers(0, 2**64, len(rows), dtype=np.uint64)
    keys &= ~last
    keys |= rows.view(f"u{rows.itemsize}")
    keys.sort()
    keys &= last
    rows[:] = keys


def permutation_part(n: int, start: int, end: int, key: Array) -> Array:
    """Return entries start to end - 1 of a permutation of range(n), uint64.

    `key`, uint64 (rounds,), defines the permutation. Time and memory grow with end - start, not with n.

    A Feistel network permutes 2 ** (2 h) >= n numbers; those that leave range(n) are sent through again until they
    come back ("cycle walking", Black and Rogaway 2002), so that the map stays one to one.

    Example:
        >>> key = np.arange(1, 9, dtype=np.uint64)
        >>> sorted(permutation_part(10, 0, 10, key).tolist()) == list(range(10))
        True
    """
    # Half of the bits of n - 1, rounded up.
    half = np.uint64(max(1, -(-(n - 1).bit_length() // 2)))
    out = _feistel(np.arange(start, end, dtype=np.uint64), half, key)
    outside = np.flatnonzero(out >= n)
    while len(outside):
        out[outside] = _feistel(out[outside], half, key)
        outside = outside[out[outside] >= n]
    return out


def _feistel(values: Array, half: np.uint64, key: Array) -> Array:
    """Return numbers of 2 * half bits, uint64, permuted with one round for each word of `key`.

    Each round exchanges the halves, and mixes one by multiplication with constants of the hash function splitmix64.
    """
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for word in key:
        mixed = (right + word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
    return (left << half) | right
