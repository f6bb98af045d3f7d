"""Conversion of values for JSON, which has no NumPy types, no infinities, and no NaN.

Model cards, records of comparisons, reports and outputs of commands are converted here before they are written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def finite_or_none(value: float) -> float | None:
    """Return a number as a Python float, or None for nan and infinities.

    Example:
        >>> finite_or_none(np.float32(0.5)), finite_or_none(float("nan"))
        (0.5, None)
    """
    return float(value) if math.isfinite(value) else None


def jsonable(value: Any) -> Any:
    """Return a value, and all values in it, as JSON has them.

    Keys become text, arrays and sets become lists, and numbers that are not finite become None.

    Example:
        >>> jsonable({"a": np.float32(0.5), "b": (float("nan"), np.int64(3))})
        {'a': 0.5, 'b': [None, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [jsonable(item) for item in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        return jsonable(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
