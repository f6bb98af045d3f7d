"""Arrays, one or several inputs -> Examples.

The part of `read` for rows without columns: they pass unchanged, and have no schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.masked import unmasked
from counterpoise.core.sources import Source
from counterpoise.core.structure import leaves
from counterpoise.data.inputs import check_no_gap, is_text
from counterpoise.data.read_options import ReadOptions, complete_examples
from counterpoise.data.reading_notes import digit_notes
from counterpoise.data.row_metadata import metadata_of
from counterpoise.data.schema import encode_rows


def read_arrays(source: Any, y: Any, options: ReadOptions) -> Examples:
    """Return labeled rows of arrays as `Examples` (see `read`).

    Raises:
        DataError: There are no rows, or the inputs have different lengths. OptionError: An option names a column.
    """
    notes: list[str] = []
    if options.inputs is not None and options.inputs.takes(source):
        source, notes = options.inputs.rows(source)
    if not isinstance(source, (Mapping, tuple, Source)):
        _check_array(source)
    x = encode_rows(None, source)
    arrays = leaves(x)
    if not arrays or not len(arrays[0]):
        raise DataError("x has no rows. Expected at least one row. Check how x is made.")
    names = [f"{key}={value!r}" for key, value in options.metadata.items() if isinstance(value, str)]
    names += [f"by={name!r}" for name, value in (options.metadata.get("by") or {}).items() if isinstance(value, str)]
    if names:
        raise OptionError(
            f"{names[0]} names a column, but the data are arrays without columns. Pass one value per row instead."
        )
    # The frame only carries the number of rows; its values are not read.
    metadata = metadata_of(pl.DataFrame({"row": np.zeros(len(arrays[0]), dtype=np.uint8)}), y, options.metadata)
    labels = options.encoded(metadata)
    examples = Examples(
        x, labels.codes, labels.classes, source="arrays", kind=labels.kind, label_options=labels.options
    )
    return complete_examples(examples, metadata, [*notes, *digit_notes(x)], options)


def _check_array(source: Any) -> None:
    """Raise a `DataError` unless the rows have a form that can be read.

    Rows are text (N,) without gaps, or numbers (N, ...) of rank 2 or more.
    """
    if hasattr(source, "toarray"):
        raise DataError("x is a sparse matrix. Expected a dense array. Pass x.toarray().")
    try:
        array = np.asarray(unmasked(source))
    except ValueError:
        raise DataError(
            "x has rows of different lengths. Expected an array of shape (N, ...). Pad the rows to one length."
        ) from None
    text = is_text(array)
    if not text:
        check_no_gap(array)
    if (array.dtype.kind == "O" and not text) or array.ndim < 1 or (array.ndim == 1 and not text):
        raise DataError(
            f"x has shape {array.shape} and type {array.dtype}. Expected numbers of shape (N, ...), or text "
            "of shape (N,). Pass one feature as x[:, None]. Pass columns of different types as a frame or a "
            "dict of columns."
        )
