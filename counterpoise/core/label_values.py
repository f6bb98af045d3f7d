"""One distinct value of a label: the plain Python value that it is, or why it is no class."""

from __future__ import annotations

import datetime
import decimal
import enum
import numbers
from typing import Any

import numpy as np


def plain_label(level: Any) -> Any:
    """A distinct value as str, bool, int or float; None where it is missing; dates and the like as they are."""
    if isinstance(level, (np.datetime64, np.timedelta64)):
        return None if np.isnat(level) else level
    value = level.item() if isinstance(level, np.generic) else level
    value = value.value if isinstance(value, enum.Enum) else value
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return None
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, str):
        return str(value) if value.strip() else None
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        number = float(value)
        if number.is_integer() and abs(number) < 2.0**53:
            return int(number)
        return None if number != number else number
    return value if label_fault(value) else str(value)


def label_fault(level: Any) -> str | None:
    """What is wrong with a distinct value as a class."""
    if isinstance(level, float):
        return f"holds numbers that are not classes (for example {level!r})"
    if isinstance(level, (np.datetime64, np.timedelta64, datetime.date, datetime.timedelta, datetime.time)):
        return f"holds dates (for example {level!s})"
    nameless = type(level).__str__ is object.__str__ and type(level).__repr__ is object.__repr__
    if isinstance(level, (tuple, frozenset, complex)) or nameless:
        return f"holds {type(level).__name__} objects (for example {level!r:.40})"
    return None
