"""The column of free text that the network 'text' reads from a table.

The name of the column stays with the model (`Examples.text_column`), which reads new rows from a column of this name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.errors import ColumnError, did_you_mean
from counterpoise.data.frames import to_frame

Array = np.ndarray
#: Types of columns that contain text; pandas and polars store repeated text as categories.
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def text_column(frame: pl.DataFrame, name: str) -> tuple[str, list[str]]:
    """Return the name of the text column with the longest mean length.

    The second result contains a sentence about the columns that are left out.

    Raises:
        ColumnError: no column holds text.

    Example:
        >>> text_column(pl.DataFrame({"id": ["a", "b"], "message": ["see you", "call me"]}), "the data")[0]
        'message'
    """
    texts = {c: frame[c].cast(pl.String) for c, kind in frame.schema.items() if kind in _TEXT}
    lengths = {c: values.str.len_chars().mean() or 0 for c, values in texts.items()}
    if not lengths:
        raise ColumnError(f"{name} has no column of text. Expected one for the network 'text'. Use 'mlp' for a table.")
    column = str(max(lengths, key=lambda c: float(lengths[c])))  # type: ignore[arg-type]
    others = [repr(c) for c in frame.columns if c != column]
    note = f"The network 'text' uses only the column {column!r}. Other columns are left out: {', '.join(others[:5])}"
    return column, [note + (", ..." if len(others) > 5 else ".")] if others else []


def texts_of(frame: pl.DataFrame, column: str) -> Array:
    """Return a column of text as an array (N,) of str; missing is the empty text.

    For training and prediction.
    """
    return frame[column].cast(pl.String).fill_null("").to_numpy().astype(object)


def texts_of_table(source: Any, column: str) -> Array:
    """Return the texts of new rows, from the column of a table with the training's name: (N,) of str, "" for missing.

    Raises:
        ColumnError: The column is absent.
    """
    frame, name, _ = to_frame(source, as_text=(column,))
    if column not in frame.columns:
        raise ColumnError(f"{name} lacks the column {column!r}.{did_you_mean(column, frame.columns)}")
    return texts_of(frame, column)
