"""A hash of plain values and arrays: equal for equal content, in any process.

The ids of jobs are such hashes (`core.job`). If a value gets another hash, finished trainings in the stores of users
are not found again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """Return the hash of nested tuples, lists, mappings and arrays, 32 hexadecimal digits.

    Other values are hashed by their `repr`, which must not contain an address.

    Example:
        >>> digest({"a": 1, "b": (2, 3)}) == digest({"b": (2, 3), "a": 1}) != digest({"a": 1, "b": (2, 4)})
        True
    """
    hasher = hashlib.blake2b(digest_size=16)
    for piece in _hashed_bytes(value):
        hasher.update(piece)
        hasher.update(b"|")
    return hasher.hexdigest()


def _hashed_bytes(value: Any) -> Iterator[Any]:
    """Yield the bytes of a value that are hashed.

    They are type, shape and content of an array, and length and entries of a list. Mappings are sorted by key, so their
    order does not matter. Arrays of objects are hashed by their `repr`.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        yield f"{value.dtype.str}{value.shape}".encode()
        yield np.ascontiguousarray(value).data if value.size else b""
    elif isinstance(value, Mapping):
        yield from _hashed_bytes(tuple(sorted(value.items())))
    elif isinstance(value, (tuple, list)):
        yield f"({len(value)}".encode()
        for each in value:
            yield from _hashed_bytes(each)
    else:
        yield repr(value).encode()
