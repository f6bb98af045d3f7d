"""Targets of a feed: labels of any library as numbers or class codes, other targets as they are.

A target need not be labels: numbers to predict, several outputs and arrays on disk pass unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import TargetError
from counterpoise.core.label_sources import label_source, library_of
from counterpoise.core.label_values import plain_label
from counterpoise.core.labels import read_labels
from counterpoise.feed.sources import ArrayRows, Rows, all_rows, rows_of
from counterpoise.plans.labels import codes_of
from counterpoise.plans.weights import output_names

Array = np.ndarray


def labels_as_list(y: Any) -> Any:
    """Return a tuple or range of single labels as a list, because a tuple means several outputs.

    Example:
        >>> labels_as_list(("a", "b")), labels_as_list(range(2)), labels_as_list(([0, 1], [1, 0]))
        (['a', 'b'], [0, 1], ([0, 1], [1, 0]))
    """
    alone = isinstance(y, (tuple, range)) and all(isinstance(v, (str, bytes)) or not hasattr(v, "__len__") for v in y)
    return list(y) if alone else y


def readable_labels(y: Any) -> Any:
    """Return labels of other libraries and types (nullable, Arrow, categories, objects) as NumPy numbers or text.

    Numbers of NumPy, several outputs and arrays on disk pass unchanged.
    """
    array = getattr(y, "values", None) if library_of(y) == "pandas" else y
    plain = isinstance(array, np.ndarray) and array.dtype.kind in "iufb" and not isinstance(array, np.ma.MaskedArray)
    several = isinstance(y, Mapping) or output_names(y) is not None
    if plain or several or not (isinstance(y, (list, np.ndarray)) or library_of(y) in ("pandas", "polars", "pyarrow")):
        return y
    source = label_source(y)
    if any(type(plain_label(level)) is float for level in source.levels):
        return y  # a number to predict
    return read_labels(source).values


def text_as_codes(y: Rows | None, classes: tuple[Any, ...] | None) -> Rows | None:
    """Return text labels as codes, because Keras takes numbers; other targets as they are.

    Codes are positions in `classes`, or in the sorted labels. Missing numbers among labels raise a TargetError.
    """
    if isinstance(y, ArrayRows) and y.array.dtype.kind == "f" and y.array[0].size == 1:
        _check_none_missing(y.array.ravel(), classes is not None)
    sample = None if y is None else y.take(np.arange(1))
    if y is None or not isinstance(sample, np.ndarray) or sample.dtype.kind not in "USOT" or sample.size != 1:
        return y
    return rows_of(codes_of(all_rows(y), classes)[0])


def labels_like(y: Rows, classes: Sequence[Any], codes: Array) -> Array:
    """Return labels of new rows, with these class codes (n,), in the form of `y`: (n, C), (n, 1) or (n,).

    The form is one-hot, a column, or a vector. The dtype is that of `y`, and `classes` are the labels by code.
    """
    sample = y.take(np.arange(1))
    if sample.ndim == 2 and sample.shape[1] > 1:
        return np.eye(sample.shape[1], dtype=sample.dtype)[codes]
    labels = np.array(classes)[codes].astype(sample.dtype)
    return labels[:, None] if sample.ndim == 2 else labels


def _check_none_missing(y: Array, classes: bool) -> None:
    """Raise a `TargetError` where labels are missing: of a plan's classes, or among whole numbers."""
    gaps = np.isnan(y)
    if gaps.any() and (classes or np.all(y[~gaps] == np.round(y[~gaps]))):
        rows = rows_text(np.flatnonzero(gaps))
        raise TargetError(f"y is missing in {rows}. Fill in the labels, or leave these rows out.")
