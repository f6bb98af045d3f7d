"""Labels to class codes, and counting them, without a copy wider than the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import check_weights
from counterpoise.core.errors import TargetError
from counterpoise.core.masked import unmasked

Array = np.ndarray

#: Elements looked at together: big enough to be fast, small enough to stay in the cache.
CHUNK = 1 << 16

#: Whole-number labels that lie closer together than this are counted instead of sorted.
_SPAN = 1 << 16


def codes_of(y: Any, classes: Sequence[Any] | None = None) -> tuple[Array, tuple[Any, ...]]:
    """Class codes int32 (n,) and labels of a 1-D label vector (or (n, 1), or one-hot (n, C) of 0 and 1).

    Raises:
        TargetError: for an empty vector, missing labels, fractional labels, multi-hot rows, unknown classes.

    Example:
        >>> codes_of(["no", "yes", "no"])
        (array([0, 1, 0], dtype=int32), ('no', 'yes'))
    """
    labels = np.asarray(unmasked(y))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        labels = _from_one_hot(labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise TargetError(f"labels have shape {np.shape(y)}; expected one class label per row, and at least one row.")
    if labels.dtype.kind == "f" and not np.all(labels == np.round(labels)):
        bad = int(np.flatnonzero(labels != np.round(labels))[0])
        raise TargetError(f"the label of row {bad + 1} is {labels[bad]}; expected text, integers or booleans.")
    found, codes = _distinct(labels)
    if classes is None:
        return codes, tuple(found.tolist())
    place = {label: code for code, label in enumerate(classes)}
    unknown = [label for label in found.tolist() if label not in place]
    if unknown:
        raise TargetError(f"label {unknown[0]!r} is not one of the classes {list(classes)}.")
    return np.array([place[label] for label in found.tolist()], np.int32)[codes], tuple(classes)


def count_codes(codes: Array, size: int) -> Array:
    """Rows per class, int64 (size,): `numpy.bincount` in chunks, because it widens its input to 64 bits."""
    total = np.zeros(size, np.int64)
    for start in range(0, len(codes), CHUNK):
        total += np.bincount(codes[start : start + CHUNK], minlength=size)
    return total


def by_class(codes: Array, counts: Array, kind: type[np.signedinteger]) -> Array:
    """Row numbers sorted by class, in file order within a class; the only memory is the result and a chunk.

    Example:
        >>> by_class(np.array([1, 0, 1, 0]), np.array([2, 2]), np.int32)
        array([1, 3, 0, 2], dtype=int32)
    """
    out = np.empty(len(codes), kind)
    end = np.cumsum(counts) - counts
    few = len(counts) <= 4
    for start in range(0, len(codes), CHUNK):
        part = codes[start : start + CHUNK]
        size = np.bincount(part, minlength=len(counts))
        if few:
            for code in np.flatnonzero(size):
                out[end[code] : end[code] + size[code]] = np.flatnonzero(part == code) + start
        else:
            # 16-bit keys sort by radix, in linear time.
            order = np.argsort(part.astype(np.uint16) if len(counts) < _SPAN else part, kind="stable")
            first = end - (np.cumsum(size) - size)
            out[first[part[order]] + np.arange(len(part))] = order + start
        end += size
    return out


def _distinct(labels: Array) -> tuple[Array, Array]:
    """Sorted distinct labels, and the place of each label among them, int32."""
    if labels.dtype.kind == "b":
        labels, back = labels.view(np.uint8), bool
    else:
        back = labels.dtype.type
    if labels.dtype.kind in "iu":
        low, high = int(labels.min()), int(labels.max())
        if high - low < _SPAN:
            found, codes = _counted(labels, low, high)
            return found.astype(back), codes
    found, inverse = np.unique(labels, return_inverse=True)
    return found, inverse.astype(np.int32)


def _counted(labels: Array, low: int, high: int) -> tuple[Array, Array]:
    # Differences of narrow types may wrap: -128..127 spans 255.
    wide = np.int64 if labels.dtype.itemsize < 8 or high < 2**63 else np.uint64
    codes = np.empty(len(labels), np.int32)
    present = np.zeros(high - low + 1, bool)
    for start in range(0, len(labels), CHUNK):
        part = labels[start : start + CHUNK].astype(wide) - wide(low)
        codes[start : start + CHUNK] = part
        present[part] = True
    found = np.flatnonzero(present)
    if len(found) < len(present):
        place = np.cumsum(present, dtype=np.int32) - 1
        for start in range(0, len(codes), CHUNK):
            codes[start : start + CHUNK] = place[codes[start : start + CHUNK]]
    return found.astype(wide) + wide(low), codes


def _from_one_hot(labels: Array) -> Array:
    is_binary = np.all((labels == 0) | (labels == 1))
    if not is_binary or not np.all(labels.sum(axis=1) == 1):
        raise TargetError(
            f"labels have shape {labels.shape} but are not one-hot (one 1 in each row); "
            "for multi-label targets use the multi-label plans."
        )
    return labels.argmax(axis=1)


def user_weights(sample_weight: Any, n: int) -> Array | None:
    """The user's weights as float64 (n,), or None; 0 or more, finite, not all 0."""
    return None if sample_weight is None else check_weights(sample_weight, n)
