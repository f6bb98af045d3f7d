"""Targets of a feed: labels of any library as numbers or class codes, other targets as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import TargetError
from counterpoise.core.label_sources import library_of, source_of
from counterpoise.core.label_values import plain_label
from counterpoise.core.labels import read_labels
from counterpoise.feed.blocks import Batch as Batch
from counterpoise.feed.sources import ArrayRows, Rows, all_rows, rows_of
from counterpoise.plans.labels import codes_of
from counterpoise.plans.weights import output_names

Array = np.ndarray


def labels_as_list(y: Any) -> Any:
    """A tuple or range of single labels as a list: a tuple of arrays is several outputs.

    Example:
        >>> listed(("a", "b")), listed(range(2)), listed(([0, 1], [1, 0]))
        (['a', 'b'], [0, 1], ([0, 1], [1, 0]))
    """
    alone = isinstance(y, (tuple, range)) and all(isinstance(v, (str, bytes)) or not hasattr(v, "__len__") for v in y)
    return list(y) if alone else y


def readable_labels(y: Any) -> Any:
    """Labels of other kinds than NumPy's numbers (nullable, Arrow, categories, objects) as numbers or text.

    Numbers, several outputs and what is on disk pass unchanged: a target need not be labels.
    """
    array = getattr(y, "values", None) if library_of(y) == "pandas" else y
    plain = isinstance(array, np.ndarray) and array.dtype.kind in "iufb" and not isinstance(array, np.ma.MaskedArray)
    several = isinstance(y, Mapping) or output_names(y) is not None
    if plain or several or not (isinstance(y, (list, np.ndarray)) or library_of(y) in ("pandas", "polars", "pyarrow")):
        return y
    source = source_of(y)
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


def _check_none_missing(y: Array, classes: bool) -> None:
    """Raise a `TargetError` where labels are missing: of a plan's classes, or among whole numbers."""
    gaps = np.isnan(y)
    if gaps.any() and (classes or np.all(y[~gaps] == np.round(y[~gaps]))):
        rows = rows_text(np.flatnonzero(gaps))
        raise TargetError(f"y is missing in {rows}. Fill in the labels, or leave these rows out.")
