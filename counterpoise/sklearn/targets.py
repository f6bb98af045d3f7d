"""Labels of any kind as the arrays that scikit-learn's own checks know."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.label_sources import library_of
from counterpoise.core.labels import class_labels

Array = np.ndarray


def plain_labels(y: Any) -> Any:
    """Labels of nullable, Arrow, categorical and object kinds as numbers, booleans or text; one-hot rows as classes.

    Arrays of numbers pass untouched, for scikit-learn to judge. A series of pandas stays one.

    Raises:
        TargetError: A row without a label, or values that are no classes.

    Example:
        >>> plain_labels(np.array(["b", "a"], object))
        array(['b', 'a'], dtype=object)
    """
    array = np.asarray(y) if isinstance(y, (list, tuple)) and not _has_text(y) else y
    plain = isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray) and array.dtype.kind in "iufb"
    if plain and not np.isnan(array).any() and (array.ndim < 2 or array.shape[1] == 1):
        return array
    labels = class_labels(y)
    text = any(isinstance(c, str) for c in labels.classes) and getattr(y, "dtype", None) != labels.values.dtype
    values = labels.values.astype(object) if text else labels.values
    series = library_of(y) == "pandas" and hasattr(y, "index") and len(y.shape) == 1
    return type(y)(values, index=y.index, name=y.name) if series else values


def _has_text(y: Any) -> bool:
    return any(isinstance(v, (str, bytes)) or v is None for v in y)
