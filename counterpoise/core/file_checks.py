"""Checks of values that were read from a file: typed and bounded, or an ArtifactError that names the place.

A check takes a value as JSON gives it and its place, and returns it in the form that its callers need. Checks are put
together into a description of a whole file, which writing and reading share. Model files, rules, schemas and the store
of `compare` are described in this way. A stricter check here refuses files that users already have.

    COLUMN = record({"name": string(), "kind": choice(KINDS), "missing": integer(0)})
    columns = list_of(COLUMN)(value, "the columns")
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import ArtifactError

#: Returns the checked value, or raises ArtifactError with where it is.
Check = Callable[[Any, str], Any]

#: Values, and levels of nesting, of a JSON text that is read: a value takes up to a hundred bytes of memory.
MOST_VALUES, DEEPEST = 5_000_000, 200
#: Characters of one text.
LONGEST = 1_000_000


def read_json(content: bytes | str, where: str, finite: bool = True, most: int = MOST_VALUES) -> Any:
    """Read the value of a JSON text of bounded size and depth.

    Args:
        content: The text.
        where: What to call it in a message.
        finite: Whether NaN and infinities, which are no JSON, are refused.
        most: Values that it may hold.

    Raises:
        ArtifactError: It is no JSON, or too large or too deep to be ours.

    Example:
        >>> read_json('{"a": [1, 2]}', "the card")
        {'a': [1, 2]}
        >>> read_json("[" * 500 + "]" * 500, "the card")
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: the card is nested deeper than 200 levels.
    """
    raw = content.encode() if isinstance(content, str) else content
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > most:
        raise ArtifactError(f"{where} contains more than {most:,} values.")
    try:
        value = json.loads(content, parse_constant=_refuse_constant if finite else None)
    except RecursionError:
        raise ArtifactError(f"{where} is nested deeper than {DEEPEST} levels.") from None
    except ValueError as error:
        raise ArtifactError(f"{where} is not JSON ({error}).") from None
    check_depth(value, where)
    return value


def _refuse_constant(name: str) -> Any:
    """Raise a ValueError; `json` calls this for NaN, Infinity and -Infinity."""
    raise ValueError(f"{name} is not a JSON number")


def check_depth(value: Any, where: str) -> None:
    """Raise an ArtifactError if lists and dicts are nested deeper than `DEEPEST`."""
    layer, depth = [value], 0
    while layer:
        if depth > DEEPEST:
            raise ArtifactError(f"{where} is nested deeper than {DEEPEST} levels.")
        inside = [v for v in layer if isinstance(v, (dict, list))]
        layer = [nested for v in inside for nested in (v.values() if isinstance(v, dict) else v)]
        depth += 1


def wrong_value(value: Any, where: str, expected: str) -> ArtifactError:
    """Return the error that names where a value is, the value, and what was expected."""
    shown = f"{value!r:.60}" if isinstance(value, (str, int, float, bool, type(None))) else _type_text(value)
    return ArtifactError(f"{where} is {shown}. Expected {expected}.")


def _entry_name(where: str, key: object) -> str:
    """Return where an entry is: "where.key", or "where['key']" if the key is no identifier."""
    return f"{where}.{key:.60}" if isinstance(key, str) and key.isidentifier() else f"{where}[{key!r:.60}]"


def _type_text(value: Any) -> str:
    """Name the type of a value for a message, such as "a mapping" or "a list"."""
    kinds = ((dict, "a mapping"), ((list, tuple), "a list"), (bytes, "bytes"))
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)


def anything(value: Any, where: str) -> Any:
    """Accept any value unchecked; the code that reads it must check it."""
    return value


def json_value(value: Any, where: str) -> Any:
    """Accept any JSON value, and return it as new dicts and lists; numbers must be finite.

    Example:
        >>> json_value({"a": [1, None]}, "the note")
        {'a': [1, None]}
    """
    if isinstance(value, Mapping):
        return {key: json_value(inner, _entry_name(where, key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(inner, where) for inner in value]
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise wrong_value(value, where, "text, a finite number, true, false, null, or lists and mappings of these")


def string(longest: int = LONGEST) -> Check:
    """Return a check for a text of at most `longest` characters."""

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str):
            raise wrong_value(value, where, "text")
        if len(value) > longest:
            raise ArtifactError(f"{where} is {len(value):,} characters long. Expected at most {longest:,}.")
        return value

    return check


def boolean(value: Any, where: str) -> bool:
    """Accept True or False alone, and no 0 or 1."""
    if not isinstance(value, bool):
        raise wrong_value(value, where, "true or false")
    return value


def integer(low: int = 0, high: int = 2**63 - 1) -> Check:
    """Return a check for a whole number from `low` to `high`; True and False are refused."""

    def check(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            limits = f"of at least {low}" if high == 2**63 - 1 else f"from {low} to {high:,}"
            raise wrong_value(value, where, f"a whole number {limits}")
        return value

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """Return a check for a finite number from `low` to `high`, which it returns as float.

    Example:
        >>> number(0, 1)(float("nan"), "the threshold")
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: the threshold is nan. Expected a finite number from 0 to 1.
    """
    limits = "" if (low, high) == (-math.inf, math.inf) else f" from {low:g} to {high:g}"

    def check(value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise wrong_value(value, where, f"a finite number{limits}")
        try:
            finite = math.isfinite(value)
        except OverflowError:  # a whole number beyond float64
            finite = False
        if not finite:
            raise wrong_value(value, where, f"a finite number{limits}")
        return float(value)

    return check


def choice(choices: Iterable[str]) -> Check:
    """Return a check for one of these texts."""
    known = tuple(choices)

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in known:
            raise wrong_value(value, where, f"one of {', '.join(known)}")
        return value

    return check


def nullable(inner: Check) -> Check:
    """Return a check that accepts null, and everything that `inner` accepts."""
    return lambda value, where: None if value is None else inner(value, where)


def list_of(inner: Check, most: int = MOST_VALUES) -> Check:
    """Return a check for a list of at most `most` entries that `inner` accepts.

    Messages count entries from 1.
    """

    def check(value: Any, where: str) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise wrong_value(value, where, "a list")
        if len(value) > most:
            raise ArtifactError(f"{where} contains {len(value):,} entries. Expected at most {most:,}.")
        return [inner(entry, f"{where}, entry {i}") for i, entry in enumerate(value, 1)]

    return check


def mapping_of(inner: Check) -> Check:
    """Return a check for a mapping from texts to values that `inner` accepts."""

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise wrong_value(value, where, "a mapping from names to values")
        return {key: inner(entry, _entry_name(where, key)) for key, entry in value.items()}

    return check


def record(
    fields: Mapping[str, Check], optional: Mapping[str, Check] | None = None, others: Check | None = None
) -> Check:
    """Return a check for a mapping with these fields.

    Args:
        fields: Check of each required field.
        optional: Check of each field that may be absent.
        others: Check of fields with any other name. None: such fields are refused.

    Example:
        >>> record({"name": string()}, optional={"rows": integer()})({"name": "a"}, "the table")
        {'name': 'a'}
    """
    named = {**fields, **(optional or {})}

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise wrong_value(value, where, "a mapping from names to values")
        for name in fields:
            if name not in value:
                raise ArtifactError(f"{where} lacks {name!r}.")
        checked = {}
        for name, entry in value.items():
            inner = named.get(name, others)
            if inner is None:
                raise ArtifactError(f"{where} contains {name!r:.60}, which is not one of {', '.join(named)}.")
            checked[name] = inner(entry, _entry_name(where, name))
        return checked

    return check


def numbers(shape: Sequence[int | None], low: float = -math.inf, high: float = math.inf) -> Check:
    """Return a check for nested lists of finite numbers from `low` to `high`.

    The check returns them as a float64 array. `shape` is the shape of the array; None stands for any length of at least
    1.

    Example:
        >>> numbers((None, 2))([[0, 1], [2, 3]], "the shifts").shape
        (2, 2)
    """
    wanted = " x ".join("n" if size is None else str(size) for size in shape)
    limits = "" if (low, high) == (-math.inf, math.inf) else f" from {low:g} to {high:g}"

    def check(value: Any, where: str) -> np.ndarray:
        try:
            array = np.asarray(value if isinstance(value, (list, tuple, np.ndarray)) else None)
        except ValueError:  # lists of unequal lengths
            array = np.asarray(None)
        fits = array.ndim == len(shape) and all(
            g > 0 and (s is None or s == g) for s, g in zip(shape, array.shape, strict=False)
        )
        if array.dtype.kind not in "iuf" or not fits:
            raise wrong_value(value, where, f"{wanted} numbers")
        checked = array.astype(np.float64)
        bad = ~(np.isfinite(checked) & (checked >= low) & (checked <= high))
        if bad.any():
            raise wrong_value(float(checked[bad][0]), where, f"{wanted} finite numbers{limits}")
        return checked

    return check
