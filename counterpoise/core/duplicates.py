"""Rows with equal features, recognized by one 64-bit hash per row, whatever the shape.

Reading numbers them (`Examples.duplicate_ids`), splits can keep them together, and the diagnosis counts them.
Two different rows share a hash with probability 2**-64; among a million rows a false duplicate appears
about once in forty million data sets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.sources import Source

_CHUNK_WORDS = 1 << 21


def find_duplicates(x: Any) -> np.ndarray | None:
    """Return the number of the group of equal rows that each row belongs to.

    NaN equals NaN and -0.0 equals 0.0. Labels are not compared.

    Args:
        x: An array (N, ...), or a dict or tuple of them; the first axis is the row.

    Returns:
        int64 (N,), equal numbers for equal rows; None for arrays of Python objects other than text.

    Example:
        >>> find_duplicates(np.array([[1.0, np.nan], [2.0, 3.0], [1.0, np.nan]])).tolist() == [0, 1, 0]
        True
    """
    inputs = list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, (tuple, list)) else [x]
    arrays = [p if isinstance(p, Source) else _text_as_numbers(np.asarray(p)) for p in inputs]
    if any(a.dtype.kind not in "biufcSU" for a in arrays):
        return None
    total = np.zeros(len(arrays[0]), dtype=np.uint64)
    # The number of an input goes into the hash, because the same values may be in another input.
    for number, array in enumerate(arrays):
        total = _mix_bits(total + np.uint64(number + 1)) ^ _hash_rows(array)
    return by_first_appearance(total)  # so that the numbers do not depend on the hash


def by_first_appearance(keys: np.ndarray) -> np.ndarray:
    """Return keys (N,) as numbers, int64 (N,): 0 for the first one, 1 for the next that differs from it, and so on.

    Example:
        >>> by_first_appearance(np.array([7, 3, 7, 9])).tolist()
        [0, 1, 0, 2]
    """
    first, inverse = np.unique(keys, return_index=True, return_inverse=True)[1:]
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse.reshape(-1)]


def count_duplicates(duplicate_ids: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """Return two counts: rows that repeat an earlier row, and rows with a duplicate of another label.

    `duplicate_ids` (N,) comes from `find_duplicates`. `y` has codes, int (N,), or sets of labels (N, L).

    Example:
        >>> count_duplicates(np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1]))
        (2, 3)
    """
    if not len(duplicate_ids):
        return 0, 0
    if y.ndim > 1:  # sets of labels
        y = np.unique(y, axis=0, return_inverse=True)[1].reshape(-1)
    size = int(duplicate_ids.max()) + 1
    low = np.full(size, np.iinfo(np.int64).max)
    high = np.full(size, -1, dtype=np.int64)
    np.minimum.at(low, duplicate_ids, y)
    np.maximum.at(high, duplicate_ids, y)
    return len(duplicate_ids) - len(np.unique(duplicate_ids)), int((low != high)[duplicate_ids].sum())


def _text_as_numbers(array: np.ndarray) -> np.ndarray:
    """Return text that is stored as Python objects as numbers, in the same shape.

    Equal texts get equal numbers. Other arrays stay unchanged.
    """
    if array.dtype.kind != "O" or not all(isinstance(v, str) for v in array.ravel()):
        return array
    return np.unique(array, return_inverse=True)[1].reshape(array.shape)


def _hash_rows(array: Any) -> np.ndarray:
    """Return the hash of each row's bytes, uint64 (N,), in blocks of rows to bound the memory."""
    width = int(np.prod(array.shape[1:]))
    step = max(1, _CHUNK_WORDS // max(1, width * array.dtype.itemsize // 8))
    starts = range(0, len(array), step)
    blocks = [_hash_block(block.reshape(len(block), width)) for i in starts for block in [array[i : i + step]]]
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.uint64)


def _hash_block(block: np.ndarray) -> np.ndarray:
    """Return the hash of each row of a matrix (n, width), uint64 (n,).

    The matrix may have any dtype without objects.
    All NaN become one NaN, and -0.0 becomes 0.0. Each 8-byte word is mixed with a salt of its position.
    """
    if block.dtype.kind in "fc":
        block = np.where(np.isnan(block), np.array(np.nan, block.dtype), block + block.dtype.type(0))
    raw = np.ascontiguousarray(block).view(np.uint8).reshape(len(block), -1)
    # Zero bytes fill each row up to whole words of 8 bytes.
    spare = -raw.shape[1] % 8
    if spare:
        raw = np.pad(raw, ((0, 0), (0, spare)))
    words = np.ascontiguousarray(raw).view(np.uint64)
    salt = _mix_bits(np.arange(1, words.shape[1] + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return _mix_bits(words ^ salt).sum(axis=1, dtype=np.uint64)


def _mix_bits(words: np.ndarray) -> np.ndarray:
    """Return uint64 words of the same shape after the finalizer of splitmix64: every input bit changes all output bits.

    Source: Steele, Lea and Flood 2014, figure 16.
    """
    z = words.copy()
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z
