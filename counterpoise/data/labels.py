"""Label values -> class codes, and which class is the positive one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import OptionError, TargetError, did_you_mean
from counterpoise.core.fork_guard import use

#: More distinct labels than this are a number to predict, when they come as floats.
MOST_FLOAT_CLASSES = 50


@dataclass(frozen=True)
class Labels:
    """y: int32 (N,) codes. classes: `classes[y[i]]` is the label of row i."""

    y: np.ndarray
    classes: tuple[Any, ...]

    @property
    def counts(self) -> np.ndarray:
        return np.bincount(self.y, minlength=len(self.classes))


def encode_labels(
    values: pl.Series,
    positive: Any = None,
    one_vs_rest: Any = None,
    merge_rare: Sequence[Any] = (),
    written: bool = False,
) -> Labels:
    """Turn labels into class codes.

    Order of work: type the labels, merge `merge_rare` into one class named 'L1+L2+...', merge all but
    `one_vs_rest` into 'not L', put the positive class of two last. Merged classes turn all labels into text.
    A label is found by its value or by its text: "1" finds 1, and "true" finds True.

    Args:
        values: One label per row, null where missing.
        positive: The class of interest of two (code 1). Default: `one_vs_rest`, else the rarer one.
        one_vs_rest: The class to hold against all others.
        merge_rare: Two or more classes to merge.
        written: The labels are the text of a file: whole numbers and True/False get their type back.

    Raises:
        TargetError: Labels are missing, of one class only, or numbers rather than classes; an unknown label.
        OptionError: `positive` with more than two classes, or fewer than two classes to merge.

    Example:
        >>> found = encode_labels(pl.Series("y", ["no", "yes", "no"]))
        >>> found.classes, found.y.tolist()
        (('no', 'yes'), [0, 1, 0])
    """
    use("Polars")
    name = values.name or "y"
    _refuse_missing(values, name)
    labels = _factorize(_typed(values, name, written), name)
    if len(labels.classes) < 2:
        raise TargetError(f"Target {name!r} has one class only ({labels.classes[0]!r}); at least two are needed.")
    if merge_rare:
        labels = _merge(labels, merge_rare, name)
    if one_vs_rest is not None:
        labels = _one_vs_rest(labels, one_vs_rest, name)
        positive = labels.classes[1] if positive is None else positive
    return _positive_last(labels, positive, name)


def find_label(label: Any, classes: Sequence[Any]) -> int | None:
    """Position of a label among classes: by value, else by text, else by text without case, else as a number.

    Example:
        >>> find_label("1", (0, 1)), find_label("TRUE", (False, True)), find_label("2", (0, 1))
        (1, 1, None)
    """
    ways: tuple[Any, ...] = (lambda v: (type(v) is bool, v), str, lambda v: str(v).strip().casefold(), _as_number)
    for way in ways:
        wanted = way(label)
        hits = [i for i, c in enumerate(classes) if wanted is not None and way(c) == wanted]
        if len(hits) == 1:
            return hits[0]
    return None


def _as_number(label: Any) -> float | None:
    try:
        return float(label)
    except (TypeError, ValueError):
        return None


def _refuse_missing(values: pl.Series, name: str) -> None:
    rows = values.is_null().arg_true()
    if len(rows):
        raise TargetError(
            f"Target {name!r} is missing in {rows_text(rows)}. Fill in the labels, or leave these rows out "
            "with skip_bad (--skip-bad)."
        )


def _typed(values: pl.Series, name: str, written: bool) -> pl.Series:
    """Labels as whole numbers, booleans or text."""
    if values.dtype.is_float():
        return _whole(values, name)
    if values.dtype.is_temporal():
        raise TargetError(f"Target {name!r} holds dates; expected classes.")
    if values.dtype == pl.Categorical:
        return values.cast(pl.String)
    return _retype_written(values, name) if written and values.dtype == pl.String else values


def _retype_written(values: pl.Series, name: str) -> pl.Series:
    distinct = values.unique()
    if all(t in ("True", "False") for t in distinct):  # other spellings stay text, to be written as they were
        return values == "True"
    whole = distinct.cast(pl.Int64, strict=False)
    if not whole.null_count():
        # '01' is a code whose zero matters; it stays text.
        return values.cast(pl.Int64) if bool((whole.cast(pl.String) == distinct).all()) else values
    numbers = values.cast(pl.Float64, strict=False)
    return values if numbers.null_count() else _whole(numbers, name)


def _whole(values: pl.Series, name: str) -> pl.Series:
    """Whole floats as integers."""
    odd = (~values.is_finite() | (values != values.round(0)) | (values.abs() >= 2.0**53)).arg_true()
    distinct = values.n_unique()
    if len(odd) or distinct > MOST_FLOAT_CLASSES:
        what = f"for example {values[odd[0]]!r} in {rows_text(odd[:1])}" if len(odd) else f"{distinct:,} different ones"
        raise TargetError(
            f"Target {name!r} holds numbers that are not classes ({what}). Turn it into classes first, for example "
            f"{name} > limit, or cut it into ranges."
        )
    return values.cast(pl.Int64)


def _factorize(values: pl.Series, name: str) -> Labels:
    classes = values.unique().sort()
    if len(classes) > MOST_FLOAT_CLASSES and len(classes) > len(values) / 2:
        raise TargetError(
            f"Target {name!r} has {len(classes):,} different values in {len(values):,} rows: no class repeats. "
            "Is this the right column?"
        )
    codes = values.replace_strict(classes, pl.Series(range(len(classes)), dtype=pl.Int32), return_dtype=pl.Int32)
    return Labels(codes.to_numpy(), tuple(classes.to_list()))


def _place(label: Any, labels: Labels, name: str, option: str) -> int:
    place = find_label(label, labels.classes)
    if place is None:
        raise TargetError(f"{option} {label!r} is no class of target {name!r}.{did_you_mean(label, labels.classes)}")
    return place


def _merge(labels: Labels, wanted: Sequence[Any], name: str) -> Labels:
    places = [_place(label, labels, name, "merge_rare") for label in wanted]
    if len(set(places)) < 2:
        raise OptionError(f"merge_rare names {len(set(places))} class; name at least two (--merge-rare A,B).")
    merged = "+".join(str(labels.classes[p]) for p in dict.fromkeys(places))
    keep = [i for i in range(len(labels.classes)) if i not in places[1:]]
    code = {old: new for new, old in enumerate(keep)}
    table = np.array([code.get(i, code[places[0]]) for i in range(len(labels.classes))], dtype=np.int32)
    classes = tuple(merged if i == places[0] else str(labels.classes[i]) for i in keep)
    if len(classes) < 2:
        raise TargetError(f"merge_rare leaves one class only of target {name!r} ({merged!r}); leave one class out.")
    return Labels(table[labels.y], classes)


def _one_vs_rest(labels: Labels, wanted: Any, name: str) -> Labels:
    place = _place(wanted, labels, name, "one_vs_rest")
    label = str(labels.classes[place])
    return Labels((labels.y == place).astype(np.int32), (f"not {label}", label))


def _positive_last(labels: Labels, positive: Any, name: str) -> Labels:
    if len(labels.classes) > 2:
        if positive is not None:
            shown = ", ".join(str(c) for c in labels.classes[:20])
            raise OptionError(
                f"positive={positive!r} needs two classes, but target {name!r} has {len(labels.classes)}: {shown}. "
                f"Use one_vs_rest (--one-vs-rest {positive}) to hold one against the others."
            )
        return labels
    counts = labels.counts
    place = _place(positive, labels, name, "positive") if positive is not None else int(counts[1] <= counts[0])
    return labels if place == 1 else replace(labels, y=1 - labels.y, classes=labels.classes[::-1])
