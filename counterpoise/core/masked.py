"""Masked arrays of NumPy as plain arrays in which masked values are missing.

Everything that reads arrays of users calls `unmasked` first, because NumPy drops a mask silently.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Whole numbers up to this size are floats without loss.
EXACT = 2**53


def unmasked(values: Any) -> Any:
    """Return a masked array as a plain array with missing values; other values unchanged.

    Structured arrays lose their mask only, because no reader accepts them.

    Returns:
        Numbers as floats with NaN; text, booleans, dates and whole numbers beyond `EXACT` as objects with None.

    Example:
        >>> unmasked(np.ma.array([1, 2, 3], mask=[0, 1, 0])).tolist()
        [1.0, nan, 3.0]
        >>> unmasked(np.ma.array(["a", "b"], mask=[0, 1])).tolist()
        ['a', None]
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if values.dtype.names or not np.ma.is_masked(values):
        return values.data
    kind, known = values.dtype.kind, values.compressed()
    if kind == "f":
        return values.filled(np.nan)
    if kind in "iu" and all(abs(int(end)) <= EXACT for end in (known.min(initial=0), known.max(initial=0))):
        return np.where(np.ma.getmaskarray(values), np.nan, values.data)
    gaps = values.data.astype(object)
    gaps[np.ma.getmaskarray(values)] = None
    return gaps
