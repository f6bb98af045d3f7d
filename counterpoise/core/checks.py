"""Checks of arguments and arrays that users pass, and the text by which messages name rows.

A check takes the value and its name in messages. It returns the value in the form that its callers need, or raises an
error of `core.errors` with what was passed, what was expected, and what to do. Nothing is repaired silently. Values
that were read from a file have checks of their own (`core.file_checks`).
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from counterpoise.core.errors import DataError, OptionError, did_you_mean
from counterpoise.core.masked import unmasked

T = TypeVar("T")

#: Rows that a message names.
MOST_NAMED = 5


def rows_text(rows: Iterable[int]) -> str:
    """Return the text by which a message names rows; `rows` count from 0, and the text counts from 1.

    Example:
        >>> rows_text([0])
        'row 1'
        >>> rows_text(range(9))
        'rows 1, 2, 3, 4, 5, ... (9 rows)'
    """
    numbers = [int(r) + 1 for r in rows]
    if len(numbers) == 1:
        return f"row {numbers[0]}"
    shown = ", ".join(str(n) for n in numbers[:MOST_NAMED])
    return f"rows {shown}" + (f", ... ({len(numbers):,} rows)" if len(numbers) > MOST_NAMED else "")


def check_choice(value: T, name: str, choices: Iterable[T]) -> T:
    """Return `value` if it is one of `choices`, compared by `==`.

    Raises:
        OptionError: It is not; the message names the nearest choice.

    Example:
        >>> check_choice("soft", "vote", ["soft", "log", "hard"])
        'soft'
    """
    known = list(choices)
    if any(value is k or value == k for k in known):
        return value
    raise OptionError(f"{name} is {value!r}, which is not one of the choices.{did_you_mean(value, known)}")


def check_int(value: Any, name: str, minimum: int = 1) -> int:
    """Return a whole number of at least `minimum` as int, or raise an OptionError.

    Booleans and floats are refused, even if the float is a whole number.

    Example:
        >>> check_int(np.int64(5), "folds", minimum=2)
        5
    """
    if isinstance(value, (bool, np.bool_)):
        raise OptionError(f"{name} is {value!r}. Expected a whole number of at least {minimum}.")
    try:
        number = operator.index(value)
    except TypeError:
        raise OptionError(f"{name} is {value!r}. Expected a whole number of at least {minimum}.") from None
    if number < minimum:
        raise OptionError(f"{name} is {number}. Expected a whole number of at least {minimum}.")
    return number


def _range_text(low: float, high: float, bounds: str) -> str:
    """Return a range in words, with a space before it; "" for a range without ends.

    Example:
        >>> _range_text(0, 1, "[)"), _range_text(0, math.inf, "()")
        (' of at least 0 and below 1', ' above 0')
    """
    ends = [] if low == -math.inf else [f"{'of at least' if bounds[0] == '[' else 'above'} {low:g}"]
    ends += [] if high == math.inf else [f"{'at most' if bounds[1] == ']' else 'below'} {high:g}"]
    return "".join(f" {'and ' * (i > 0)}{end}" for i, end in enumerate(ends))


def check_range(value: Any, name: str, low: float = -math.inf, high: float = math.inf, bounds: str = "[]") -> float:
    """Return a finite number within low..high as float, or raise an OptionError.

    Booleans and text are refused.

    Args:
        value: What was given.
        name: The user's name for it.
        low: The lower end. high: The upper end.
        bounds: "[" or "]" at an end that belongs to the range, "(" or ")" at one that does not.

    Example:
        >>> check_range(1, "share", 0, 1, bounds="(]")
        1.0
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    above = number >= low if bounds[0] == "[" else number > low
    below = number <= high if bounds[1] == "]" else number < high
    if isinstance(value, (bool, np.bool_, str)) or not (math.isfinite(number) and above and below):
        raise OptionError(f"{name} is {value!r}. Expected a finite number{_range_text(low, high, bounds)}.")
    return number


#: Bytes that the name of a file or folder may have on the usual file systems.
LONGEST_NAME = 255


def check_path(value: Any, name: str = "path") -> Path:
    """Return the name of a file or folder (text, bytes, or a path object) as `Path`.

    Raise an OptionError for another type, an empty name, a null character, or a part of more than 255 bytes. The file
    need not exist.

    Example:
        >>> check_path(b"model.keras").name
        'model.keras'
        >>> check_path(None)
        Traceback (most recent call last):
        counterpoise.core.errors.OptionError: path is None. Expected the name of a file or folder, as "m.keras".
    """
    try:
        text = os.fsdecode(value)
    except TypeError:
        what = "None" if value is None else f"of the type {type(value).__name__}"
        raise OptionError(f'{name} is {what}. Expected the name of a file or folder, as "m.keras".') from None
    if not text or "\0" in text:
        raise OptionError(f"{name} is {text!r}, which cannot be a file name. Use another name.")
    if max(map(len, os.fsencode(text).split(os.sep.encode()))) > LONGEST_NAME:
        raise OptionError(f"{name} is {text[:40]!r}..., which is too long for a file name. Use a shorter name.")
    return Path(text)


def check_classifier(value: Any, function: str) -> None:
    """Raise an OptionError if `value` is not a `Classifier`, which `function` takes as its first argument.

    Classifiers are recognized by their attributes, because `core` cannot import the class.

    Example:
        >>> check_classifier({}, "evaluate")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoise.core.errors.OptionError: The first argument of evaluate is dict. Expected a classifier. ...
    """
    if not hasattr(value, "rule") or not hasattr(value, "predict_proba"):
        fitted = getattr(value, "classifier_", None)
        advice = "its classifier_" if fitted is not None else "the classifier that cp.fit, cp.load or cp.wrap returns"
        raise OptionError(
            f"The first argument of {function} is {type(value).__name__}. Expected a classifier. Pass {advice}."
        )


def check_lengths(columns: Mapping[str, Any]) -> int:
    """Return the number of rows that all columns share; 0 without columns.

    Raises:
        DataError: The lengths differ; all of them are named.

    Example:
        >>> check_lengths({"x": [1, 2], "y": [0, 1]})
        2
    """
    lengths = {name: (getattr(c, "shape", None) or (len(c),))[0] for name, c in columns.items()}  # sparse: no len
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {n:,}" for name, n in lengths.items())
        raise DataError(
            f"The lengths do not match ({shown}). Expected the same number of rows in all inputs. Correct the inputs."
        )
    return next(iter(lengths.values()), 0)


def check_finite(array: Any, name: str) -> np.ndarray:
    """Return `array` as a NumPy array, or raise a DataError that names the first bad row.

    NaN and infinite values are bad. Arrays that are neither float nor complex are not checked.
    """
    got = np.asarray(unmasked(array))
    if got.dtype.kind not in "fc":
        return got
    bad = ~np.isfinite(got)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        inside = f" at position {index[1:]}" if len(index) > 1 else ""
        word = "NaN" if np.isnan(got[index]) else "an infinite value"
        raise DataError(
            f"{name} contains {word} in {rows_text([index[0]])}{inside} ({int(bad.sum()):,} such values in total). "
            f"Fill in or leave out these entries first."
        )
    return got


def check_weights(weights: Any, n: int) -> np.ndarray:
    """Return weights as float64 (n,), or raise a DataError.

    Weights must be finite and 0 or more, and at least one must be positive.

    A weight w means that the row counts as w examples.

    Example:
        >>> check_weights([1, 2], 2).tolist()
        [1.0, 2.0]
    """
    try:
        got = np.asarray(unmasked(weights), dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"sample_weight is {weights!r:.60}. Expected numbers, one per row.") from None
    if got.shape != (n,):
        raise DataError(f"sample_weight has shape {got.shape}. Expected one number for each of the {n:,} rows.")
    check_finite(got, "sample_weight")
    negative = np.flatnonzero(got < 0)
    if len(negative):
        raise DataError(
            f"sample_weight is negative ({got[negative[0]]:g}) in {rows_text(negative)}. Expected weights of "
            "0 or more. Correct these rows."
        )
    if n and not got.sum() > 0:
        raise DataError(
            "sample_weight sums to zero. Expected a positive weight in at least one row. Correct the weights."
        )
    return got


def check_no_class_lost(
    codes: np.ndarray, weights: np.ndarray | None, classes: Sequence[Any], name: str = "sample_weight"
) -> None:
    """Raise a `DataError` when the weights of rows remove a class: every row of it weighs 0.

    Args:
        codes: Class code of each row, (N,), 0 or more. With several labels per row (N, L): 0, 1, or -1 if unknown.
        weights: float (N,). None: nothing is checked.
        classes: The label of each code; with several labels per row, the name of each label.
        name: What to call the weights.

    Example:
        >>> check_no_class_lost(np.array([0, 1]), np.array([1.0, 0.0]), ("fine", "fraud"))
        Traceback (most recent call last):
        counterpoise.core.errors.DataError: sample_weight is 0 in every row of class 'fraud', which removes the class.
        Expected a weight above 0 in at least one of these rows. Correct the weights, or leave out all rows of the
        class.
    """
    if weights is None:
        return
    if codes.ndim > 1:
        for label, column in zip(classes, codes.T, strict=True):
            both = (f"without {label}", f"with {label}")
            check_no_class_lost(column[column >= 0], weights[column >= 0], both, name)
        return
    present = np.bincount(codes, minlength=len(classes)) > 0
    lost = np.flatnonzero(present & ~(np.bincount(codes, weights > 0, minlength=len(classes)) > 0))
    if len(lost):
        raise DataError(
            f"{name} is 0 in every row of class {classes[lost[0]]!r}, which removes the class. Expected a "
            "weight above 0 in at least one of these rows. Correct the weights, or leave out all rows of the "
            "class."
        )


def row_weights(sample_weight: Any, rows: int) -> np.ndarray:
    """Return weights as `check_weights` does; None counts every row once.

    Example:
        >>> row_weights(None, 2).tolist()
        [1.0, 1.0]
    """
    return np.ones(rows) if sample_weight is None else check_weights(sample_weight, rows)
