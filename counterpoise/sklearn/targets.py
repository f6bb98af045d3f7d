"""Labels of any kind as the arrays that scikit-learn's own checks accept, for the estimator and the sampler.

The labels are read by `core.labels`, so classes and errors are those of `cp.fit`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.label_sources import label_source, library_of
from counterpoise.core.labels import class_labels, read_labels, zeros_and_ones

Array = np.ndarray


def plain_labels(y: Any) -> Any:
    """Return labels of any kind as numbers, booleans or text, (N,); of one-hot rows, their classes.

    Arrays of numbers pass unchanged, for scikit-learn to judge. A series of pandas stays one.

    Raises:
        TargetError: A row without a label, or values that are no classes.

    Example:
        >>> plain_labels(np.array(["b", "a"], object))
        array(['b', 'a'], dtype=object)
    """
    # One number per row and none missing: scikit-learn can judge the array itself.
    plain = isinstance(y, np.ndarray) and not isinstance(y, np.ma.MaskedArray) and y.dtype.kind in "iufbc"
    if plain and not np.isnan(y).any() and (y.ndim < 2 or y.shape[1] == 1):
        return y
    values = class_labels(y).values
    if isinstance(y, np.ndarray) and y.dtype.kind == "U":
        values = values.astype(y.dtype)
    # A series stays one, with its index and name.
    series = library_of(y) == "pandas" and hasattr(y, "index") and len(y.shape) == 1
    return type(y)(values, index=y.index, name=y.name) if series else values


def one_hot_array(y: Any) -> Array | None:
    """Return rows of zeros and ones (N, C), C above 1, as an int8 array; None for other labels.

    Example:
        >>> one_hot_array([[True, False]]).tolist(), one_hot_array([0, 1])
        ([[1, 0]], None)
    """
    source = label_source(y)
    if source.codes.ndim != 2 or source.codes.shape[1] == 1:
        return None
    return zeros_and_ones(read_labels(source))
