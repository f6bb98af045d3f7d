"""One distinct value of a label: the plain Python value that it is, whether it is missing, or why it is no class.

All readers of labels share these functions (`core.labels`, `core.element_labels`, `core.label_columns`, plans,
feeds). What they return are the classes that model files contain.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError

#: Types of dates and times, which are not classes; and the advice for values that are not.
_TEMPORAL = (np.datetime64, np.timedelta64, datetime.date, datetime.timedelta, datetime.time)
_CLASSES = "Expected text, whole numbers or booleans. Turn the values into classes first, for example y > limit."


def plain_label(level: Any) -> Any:
    """Return a distinct value of a label as str, bool, int or float, or None if it is missing.

    Bytes are read as UTF-8. Whole numbers below 2**53 become int. A value that cannot be a label (see `label_fault`)
    is returned as it is, and any other object as its text.
    """
    if isinstance(level, (np.datetime64, np.timedelta64)):
        return None if np.isnat(level) else level
    value = level.item() if isinstance(level, np.generic) else level
    value = value.value if isinstance(value, enum.Enum) else value
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return None
    if isinstance(value, (bytes, bytearray)):
        try:
            value = bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return bytes(value)
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


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: None, NaN (float or decimal), NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    return isinstance(value, (float, np.floating, np.datetime64, np.timedelta64)) and value != value


def ignored_levels(levels: Iterable[Any], ignore: tuple[Any, ...]) -> list[int]:
    """Return the positions of the distinct values that `ignore` names.

    Raises:
        OptionError: A value is a number, and `ignore` has this number as text.

    Example:
        >>> ignored_levels([0, 1, 255.0], (255,))
        [2]
    """
    plain, texts = [plain_label(level) for level in levels], {mark for mark in ignore if isinstance(mark, str)}
    for level in plain:
        if not isinstance(level, str) and str(level) in texts and level not in ignore:
            raise OptionError(
                f"ignore= names the text {str(level)!r}, but the labels are numbers. Pass the number: ignore={level}."
            )
    return [code for code, level in enumerate(plain) if level in ignore]


def label_fault(level: Any) -> tuple[str, str] | None:
    """Return why a plain value cannot be a class, and how to fix it, or None if it can be one.

    Example:
        >>> label_fault("ill"), label_fault(0.5)[0]
        (None, 'contains numbers that are not classes (for example 0.5)')
    """
    if isinstance(level, str):
        if "\0" not in level:
            return None
        return (
            f"contains text with a NUL character ({level!r:.40})",
            "Expected text without NUL, because NumPy and saved models cut text there. Remove the character.",
        )
    if isinstance(level, bytes):
        return (
            f"contains bytes that are not UTF-8 ({level!r:.40})",
            "Expected text. Decode the bytes first: [b.decode(...) for b in y].",
        )
    if isinstance(level, float):
        return f"contains numbers that are not classes (for example {level!r})", _CLASSES
    if isinstance(level, _TEMPORAL):
        return f"contains dates (for example {level!s})", _CLASSES
    nameless = type(level).__str__ is object.__str__ and type(level).__repr__ is object.__repr__
    if isinstance(level, (tuple, frozenset, complex)) or nameless:
        return f"contains {type(level).__name__} objects (for example {level!r:.40})", _CLASSES
    return None
