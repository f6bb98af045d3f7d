"""What plans make of the user's labels and weights: class codes, rows sorted by class, checked weights.

Tables may be larger than memory, so no copy is wider than the labels. Feeds read labels with `codes_of` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import check_weights
from counterpoise.core.label_names import warn_look_alikes
from counterpoise.core.label_sources import CHUNK
from counterpoise.core.labels import class_labels, codes_among

Array = np.ndarray

#: More classes than this do not fit into 16-bit keys.
_KEYS = 1 << 16


def codes_of(y: Any, classes: Sequence[Any] | None = None) -> tuple[Array, tuple[Any, ...]]:
    """Return class codes int32 (n,) and the labels that they stand for.

    `y` has one label per row: (n,), (n, 1) or one-hot (n, C) (see `core.labels`). With `classes`, the codes are
    positions in these.

    Raises:
        TargetError: No rows, missing labels, numbers or dates that are no classes, multi-hot rows, unknown classes.

    Example:
        >>> codes_of(["no", "yes", "no"])
        (array([0, 1, 0], dtype=int32), ('no', 'yes'))
    """
    labels = class_labels(y, several=" For several labels per row use the multi-label plans, such as weigh_labels.")
    warn_look_alikes(labels.classes)
    if classes is None:
        return labels.codes, labels.classes
    return codes_among(labels, classes), tuple(classes)


def by_class(codes: Array, counts: Array, kind: type[np.signedinteger]) -> Array:
    """Return row numbers (n,) sorted by class, in file order within a class.

    The result has the type `kind`, and `counts` contains the number of rows of each class (C,). Rows are sorted in
    chunks, so little memory is needed in addition to the result.

    Example:
        >>> by_class(np.array([1, 0, 1, 0]), np.array([2, 2]), np.int32)
        array([1, 3, 0, 2], dtype=int32)
    """
    out = np.empty(len(codes), kind)
    end = np.cumsum(counts) - counts  # where the next row of each class is written
    few = len(counts) <= 4
    for start in range(0, len(codes), CHUNK):
        chunk = codes[start : start + CHUNK]
        size = np.bincount(chunk, minlength=len(counts))
        if few:
            for code in np.flatnonzero(size):
                out[end[code] : end[code] + size[code]] = np.flatnonzero(chunk == code) + start
        else:
            # 16-bit keys sort by radix, in linear time.
            order = np.argsort(chunk.astype(np.uint16) if len(counts) < _KEYS else chunk, kind="stable")
            first = end - (np.cumsum(size) - size)
            out[first[chunk[order]] + np.arange(len(chunk))] = order + start
        end += size
    return out


def user_weights(sample_weight: Any, n: int) -> Array | None:
    """Check the user's weights, and return them as float64 (n,), or None if there are none.

    Weights must be 0 or more, finite, and not all 0.
    """
    return None if sample_weight is None else check_weights(sample_weight, n)
