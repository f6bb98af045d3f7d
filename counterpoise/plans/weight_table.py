"""The class weights of one target: counted batch by batch (`Tally`), computed once, looked up for any rows.

`feed.tensor_weights` is the form of `WeightTable.of` in TensorFlow; tests/feed/test_weighting.py compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError, TargetError, did_you_mean
from counterpoise.core.label_names import warn_look_alikes
from counterpoise.core.per_class import in_class_order, label_number_pairs
from counterpoise.plans.elements import Elements, read_elements
from counterpoise.plans.schemes import scheme_weights

Array = np.ndarray

_WEIGHED = "classes that have a weight"


@dataclass(frozen=True)
class WeightTable:
    """The weight of each class of one target, computed once and looked up for any rows.

    Attributes:
        kind: "codes", "one_hot" or "multi_label" (see `elements`).
        labels: The classes (C,), or the labels (L,) of a multi-label target.
        weights: float64 (C,), or (L, 2): weight of absent and present.
        ignore: Labels whose elements weigh 0; of a multi-label target the marks of a missing answer.
        squeezed: Whether targets end in an axis of length 1.
    """

    kind: str
    labels: tuple[Any, ...]
    weights: Array
    ignore: tuple[Any, ...] = ()
    squeezed: bool = False

    def of(self, y: Any, mask: Any = None, sample_weight: Any = None) -> Array:
        """Return the weights of the elements of `y`, float32, times `sample_weight`.

        Elements that are masked or ignored have the weight 0.

        Raises:
            TargetError: a label that has no weight (Keras would take 1), or another number of classes.
        """
        elements = read_elements(y, self.kind, mask, sample_weight, self.ignore)
        return (elements.weight * self._look_up(elements)).astype(np.float32)

    def to_dict(self) -> dict[Any, Any]:
        """Return label -> weight, or for a multi-label target label -> {0: weight, 1: weight}."""
        if self.kind == "multi_label":
            return {k: {0: float(w[0]), 1: float(w[1])} for k, w in zip(self.labels, self.weights, strict=True)}
        return {k: float(w) for k, w in zip(self.labels, self.weights, strict=True)}

    def _look_up(self, elements: Elements) -> Array:
        """Return the weight of each element, float64 in the shape of its codes.

        Elements that do not count have the weight 0.
        Named columns of a multi-label target are matched with the table by their names.
        """
        if self.kind == "multi_label":
            _check_width(elements.codes.shape[-1], len(self.labels), "labels")
            weights = self.weights
            if elements.columns is not None and set(elements.columns) == set(self.labels):
                weights = weights[[self.labels.index(name) for name in elements.columns]]
            return np.where(elements.codes == 1, weights[:, 1], weights[:, 0])
        if self.kind == "one_hot":
            elements = replace(elements, classes=_column_labels(elements, self.labels))
        codes = codes_among(elements, self.labels)
        return np.where(codes < 0, 0.0, self.weights[np.maximum(codes, 0)])


def _column_labels(elements: Elements, labels: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the label of each column of a one-hot target.

    These are the names of the columns. If the columns have no names, or the labels are numbers, they are `labels`.
    """
    if elements.columns is not None and not all(isinstance(label, int) for label in labels):
        return elements.columns
    _check_width(len(elements.classes), len(labels), "columns")
    return labels


def _check_width(got: int, wanted: int, word: str) -> None:
    """Raise a `TargetError` if the target and the weights have different widths.

    `word` is what the numbers count, columns or labels.
    """
    if got != wanted:
        raise TargetError(
            f"The target has {got} {word}, but the weights were made for {wanted}. Pass targets of the same form."
        )


def codes_among(elements: Elements, labels: Sequence[Any], known: str = _WEIGHED) -> Array:
    """Return the position of each element's label in `labels`, int32.

    It is -1 for elements that do not count.
    `known` describes these labels in the error message.

    Raises:
        TargetError: an element that counts has another label.
    """
    code_of = {label: code for code, label in enumerate(labels)}
    table = np.array([*(code_of.get(label, -1) for label in elements.classes), -1], np.int32)
    counted = elements.weight > 0
    codes = table[elements.codes]
    strange = counted & (codes < 0)
    if strange.any():
        label = elements.classes[int(elements.codes[strange].flat[0])]
        raise TargetError(
            f"Label {label!r} is not one of the {known}. It occurs in {int(strange.sum()):,} elements."
            f"{did_you_mean(label, labels)} Leave such elements out with ignore=, or pass all labels as classes=."
        )
    return np.where(counted, codes, -1)


class Tally:
    """Counts of each class, added up batch by batch.

    Args:
        kind, ignore: As in `read_elements`.
        classes: All labels, or their number if they are 0, 1, ...; None: the labels that occur.
    """

    def __init__(self, kind: str = "auto", ignore: Any = (), classes: Any = None) -> None:
        self.kind, self.ignore = kind, _as_tuple(ignore)
        classes = range(classes) if isinstance(classes, (int, np.integer)) else classes
        self.classes = None if classes is None else tuple(classes)
        self.mass: dict[Any, float] = {}  # class -> weight of its elements
        self.row_mass: dict[Any, float] = {}  # class -> weight of the rows that contain it; {} if rows are one element
        self.pairs: Array | None = None  # (L, 2), weight of absent and present labels
        self.columns: tuple[Any, ...] | None = None
        self.counted: Any = 0  # number of elements that count; of labels (L,)
        self.squeezed = False

    def add(self, y: Any, mask: Any = None, sample_weight: Any = None) -> None:
        """Count the elements of one batch, or of all rows.

        Call this function before `table`, which uses the counts.
        """
        elements = read_elements(y, self.kind, mask, sample_weight, self.ignore)
        self.kind, self.squeezed = elements.kind, elements.squeezed
        if elements.kind == "multi_label":
            self._add_labels(elements)
        else:
            if elements.kind == "one_hot":
                self.classes = self.classes or elements.columns or elements.classes
                elements = replace(elements, classes=_column_labels(elements, self.classes))
            self._add_classes(elements)

    def table(self, scheme: Any) -> WeightTable:
        """Return the weights that a scheme gives to the counted classes.

        They are scaled to the mean 1 over all elements. Call `add` first.

        Raises:
            TargetError: No element counts. OptionError: A class of rows gets the weight 0.
        """
        if self.kind == "multi_label":
            return self._label_table(scheme)
        labels = self.classes if self.classes is not None else tuple(sorted(self.mass, key=_sort_key))
        warn_look_alikes(labels, "the target")
        mass = np.array([self.mass.get(k, 0.0) for k in labels])
        if not mass.sum() > 0:
            raise TargetError(
                "Cannot compute class weights, because every target element is masked, ignored, or has weight 0. "
                "Check mask=, ignore=, and sample_weight=."
            )
        raw = scheme_weights(scheme, mass, labels, self._frequency(labels, mass))
        lost = np.flatnonzero((mass > 0) & (raw == 0))
        if len(lost) and not self.row_mass:  # in sequences and masks a weight of 0 leaves out a class on purpose
            raise OptionError(
                f"The weight of class {labels[lost[0]]!r} is 0, which removes the class. Expected a weight above 0 for "
                "each class. To leave out rows, drop them or name their label with ignore=."
            )
        weights = raw * self.counted / np.dot(raw, mass)
        return WeightTable(self.kind, labels, weights, self.ignore, self.squeezed)

    def _frequency(self, labels: Sequence[Any], mass: Array) -> Array | None:
        """Return the share of each class in the rows where it occurs (C,).

        The result is None if each row is one element.
        """
        if not self.row_mass:
            return None
        row_mass = np.array([self.row_mass.get(k, 0.0) for k in labels])
        return np.divide(mass, row_mass, out=np.zeros_like(mass), where=row_mass > 0)

    def _add_classes(self, elements: Elements) -> None:
        """Add the weights of a batch to the sums of each class.

        `mass` is the weight of the class, and `row_mass` is the weight of the rows that contain it.

        Raises:
            TargetError: A label is not among the given classes.
        """
        counted = elements.weight > 0
        weight, codes = elements.weight[counted], elements.codes[counted]
        self.counted += int(counted.sum())
        present = np.bincount(codes, minlength=len(elements.classes)) > 0
        names = elements.classes
        keys = [key for key, seen in zip(names, present.tolist(), strict=True) if seen]
        if self.classes is not None and (strange := [k for k in keys if k not in self.classes]):
            raise TargetError(
                f"Label {strange[0]!r} is not one of the classes given.{did_you_mean(strange[0], self.classes)}"
            )
        _add_to_sums(self.mass, keys, np.bincount(codes, weight, len(names))[present])
        if elements.codes.ndim > 1:
            _add_to_sums(self.row_mass, keys, _mass_of_rows_with(elements, counted, codes, len(names))[present])

    def _add_labels(self, elements: Elements) -> None:
        """Add the total weights (L, 2) of absent and present labels to `pairs`.

        Named columns are in the order of `classes`, or of the first batch.
        """
        axes = tuple(range(elements.codes.ndim - 1))
        present = (elements.weight * elements.codes).sum(axis=axes)
        pairs = np.stack([elements.weight.sum(axis=axes) - present, present], axis=1)
        if self.pairs is not None:
            _check_width(len(pairs), len(self.pairs), "labels")
        counted = (elements.weight > 0).sum(axis=axes)
        named, known = elements.columns, self.classes or self.columns
        if named is not None and known is not None and set(named) == set(known):
            order = [named.index(name) for name in known]
            named, pairs, counted = tuple(known), pairs[order], counted[order]
        self.pairs, self.columns = pairs if self.pairs is None else self.pairs + pairs, named
        self.counted = self.counted + counted

    def _label_table(self, scheme: Any) -> WeightTable:
        """Return the weights (L, 2) of absent and present, scaled to the mean 1 for each label."""
        pairs = np.asarray(self.pairs)
        labels = self.classes or self.columns or tuple(range(len(pairs)))
        _check_width(len(pairs), len(labels), "labels")
        raw = np.stack(list(_pair_weights(scheme, pairs, labels)))
        scale = self.counted / np.maximum((raw * pairs).sum(axis=1), np.finfo(float).tiny)
        return WeightTable(self.kind, labels, raw * scale[:, None], self.ignore)


def _as_tuple(ignore: Any) -> tuple[Any, ...]:
    """Return labels as a tuple, given as None, one label, or several."""
    if ignore is None:
        return ()
    return tuple(ignore) if isinstance(ignore, (tuple, list, set, np.ndarray)) else (ignore,)


def _sort_key(label: Any) -> tuple[bool, Any]:
    """Return a key that sorts numbers before text, which cannot be compared."""
    return isinstance(label, str), label


def _add_to_sums(sums: dict[Any, float], keys: Sequence[Any], values: Array) -> None:
    """Add values to the sums of their keys, in place."""
    for key, value in zip(keys, values.tolist(), strict=True):
        sums[key] = sums.get(key, 0.0) + value


def _mass_of_rows_with(elements: Elements, counted: Array, codes: Array, classes: int) -> Array:
    """Return for each class the total weight (C,) of the rows that contain it.

    `counted` is a mask of the elements whose weight is above 0, and `codes` are the classes of these elements only.
    """
    row = np.nonzero(counted)[0]
    total = np.bincount(row, elements.weight[counted])
    pairs = np.unique(row * classes + codes)
    return np.bincount(pairs % classes, total[pairs // classes], classes)


def _pair_weights(scheme: Any, pairs: Array, labels: Sequence[Any]) -> Any:
    """Yield (weight of absent, weight of present) of each label, float64 (2,), not yet scaled.

    `pairs` (L, 2) are the total weights of absent and present. A scheme that is no text contains the weights of
    present; those of absent are then 1.

    Raises:
        TargetError: A label is always or never present, so the scheme cannot compute its weight.
    """
    if scheme is not None and not isinstance(scheme, str):
        positive = _positive_weights(scheme, labels)
        yield from (np.array([1.0, w]) for w in positive)
        return
    for pair, label in zip(pairs, labels, strict=True):
        if np.any(pair <= 0) and scheme not in (None, "none"):
            word = "is never present" if pair[1] <= 0 else "is always present"
            raise TargetError(
                f"Label {label!r} {word}, so its weight cannot be computed. Leave the label out, or pass weights."
            )
        yield scheme_weights(scheme, pair, (f"{label} absent", f"{label} present"))


def _positive_weights(scheme: Any, labels: Sequence[Any]) -> Array:
    """Return the weight of each label's presence, float64 (L,).

    `scheme` is a dict by label, or a sequence in the order of the labels.

    Raises:
        OptionError: There is not one weight per label, or a weight is not finite and above 0.
    """
    named = None if label_number_pairs(scheme) is None else dict(label_number_pairs(scheme) or ())
    values = list(np.ravel(scheme)) if named is None else [named.get(k) for k in labels]
    given = len(values) if named is None else len(named)
    if given != len(labels) or any(v is None for v in values):
        raise OptionError(
            f"scheme= contains {given} weights. Pass one positive weight for each of the labels {list(labels)}."
        )
    out = np.asarray(values, dtype=float)
    if not np.all(np.isfinite(out) & (out > 0)):
        raise OptionError(f"The positive weights are {out.tolist()}. Each must be a finite number above 0.")
    return out


def weights_from_counts(counts: Any, scheme: Any = "balanced", rows: float | None = None) -> Array:
    """Return weights of mean 1 from counts: float64 (C,), or with `rows` (L, 2).

    The second form is for independent labels: the weights of absent and present.

    Args:
        counts: Elements of each class (C,), in code order or by code (see `core.per_class`); with `rows`, rows in
            which each label is present (L,).
        scheme: As in `scheme_weights`; a dict is by code.
        rows: Number of rows, for independent labels.

    Example:
        >>> weights_from_counts([90, 10]).round(4).tolist()
        [0.5556, 5.0]
        >>> weights_from_counts([10], rows=100).round(4).tolist()
        [[0.5556, 5.0]]
    """
    most = np.inf if rows is None else check_range(rows, "rows", 1)
    try:
        n = np.asarray(in_class_order(counts, "counts", fill=0), dtype=np.float64)
    except (TypeError, ValueError):  # labels instead of counts
        n = np.array([np.nan])  # fails the check below
    if n.ndim != 1 or len(n) == 0 or not np.all(np.isfinite(n) & (n >= 0) & (n <= most)):
        limit = "" if rows is None else f" and {rows:g} at most"
        raise OptionError(f"counts is {counts!r:.80}. Give one number per class, 0 or more{limit}.")
    codes = tuple(range(len(n)))
    if rows is None:
        raw = scheme_weights(scheme, n, codes)
        return raw * n.sum() / np.dot(raw, n)
    pairs = np.stack([rows - n, n], axis=1)
    raw = np.stack(list(_pair_weights(scheme, pairs, codes)))
    return raw * (rows / (raw * pairs).sum(axis=1))[:, None]
