"""The only reader of labels: from labels of any type to codes and classes. NumPy only.

`sample_weight`, `class_weight`, the plans, `batches`, `weight_map`, `make_imbalanced`, `PerClass`, `diagnose`, `fit`,
`compare`, `evaluate`, `wrap`, `scan` and the scikit-learn classes all read labels here, so that the same labels are the
same classes everywhere. It is in `core` because both `plans` and `data` need it. The order of the classes is the order
of codes in models and files. The rules:

- None, NaN, NaT, NA, nulls of Arrow and polars, masked entries and blank text are missing: an error that names the
  rows, unless they are masked out.
- Whole floats and decimals are whole numbers, bytes are text, a category or a member of an enum is its value. Numbers
  among text are text.
- Fractions, infinite numbers, dates and lists are no classes: an error that names the first.
- (N, 1) is (N,); one-hot rows are their class: the number of the column, or the name that a frame gives it.
- Classes are in sorted order, as scikit-learn's LabelEncoder has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import TargetError, did_you_mean
from counterpoise.core.label_sources import CHUNK, LabelSource, label_source
from counterpoise.core.label_values import label_fault, plain_label

Array = np.ndarray

_LEAVE_OUT = "Fill in the labels, or leave these rows out."


@dataclass(frozen=True)
class Labels:
    """Labels that were read.

    Attributes:
        codes: int32 (N,), or the shape of the elements: `classes[codes[i]]` is the label of element i; -1: it has none,
            or does not count.
        classes: Distinct labels, sorted: whole numbers, booleans or text.
        from_floats: Whether the labels came as floating-point numbers.
        columns: Names of the columns of a frame, or None.
        kind: The kind of target (see `core.target`). Of "labels", several per row, codes are (N, L), each 1, 0, or -1
            where it is not known, and `classes` are their names.
        listed: Whether each row listed the names of its labels, so that a label that no row names is absent.
        options: How several labels per row were read (see `label_columns.LabelColumns.options`).
    """

    codes: Array
    classes: tuple[Any, ...]
    from_floats: bool = False
    columns: tuple[Any, ...] | None = None
    kind: str = "one_of"
    listed: bool = False
    options: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def counts(self) -> Array:
        """Return the rows of each class, int64 (C,)."""
        return count_codes(self.codes.reshape(-1), len(self.classes))

    @property
    def values(self) -> Array:
        """Return the labels themselves, in the shape of the codes (text as objects).

        Every element must have a label: code -1 would give the last class.
        """
        text = any(isinstance(c, str) for c in self.classes)
        return np.array(self.classes, dtype=object if text else None)[self.codes]

    def at(self, rows: Array) -> Labels:
        """Return the labels of some rows; `rows` are row numbers, or bool (N,).

        With one label per row, classes without a row are removed. With more axes, all classes stay.
        """
        if self.codes.ndim > 1:
            return replace(self, codes=self.codes[rows])
        return replace(_with_sorted_classes(self.codes[rows], list(self.classes)), from_floats=self.from_floats)

    def mapped(self, table: Array, classes: Sequence[Any]) -> Labels:
        """Return the elements under other classes: code c becomes `table[c]`, -1 stays -1."""
        return replace(self, codes=np.append(table, -1).astype(np.int32)[self.codes], classes=tuple(classes))


def read_labels(
    y: Any, name: str = "y", counted: Array | None = None, *, missing: bool = False, advice: str = _LEAVE_OUT
) -> Labels:
    """Read the label of every element.

    Args:
        y: Anything that holds labels (see `label_sources.label_source`), of any shape, or a `LabelSource` read before.
        name: What messages call it.
        counted: bool, the shape of the elements: elements that do not count are not read. None: all count.
        missing: Whether a missing label is code -1; otherwise it is an error.
        advice: What to do about missing labels.

    Raises:
        TargetError: A counted element whose label is missing or no class.

    Example:
        >>> labels = read_labels(np.array([3.0, 1.0, np.nan]), missing=True)
        >>> labels.codes.tolist(), labels.classes
        ([1, 0, -1], (1, 3))
    """
    source = y if isinstance(y, LabelSource) else label_source(y, name)
    codes = source.codes if counted is None else np.where(counted, source.codes, np.int32(-1))
    present = count_codes(codes.reshape(-1), len(source.levels)) > 0
    # A level that no element has is not checked, and becomes None.
    levels = [plain_label(level) if seen else None for level, seen in zip(source.levels, present.tolist(), strict=True)]
    text = any(isinstance(level, str) for level in levels)
    for code, level in enumerate(levels):
        fault = label_fault(level) if isinstance(level, (str, bytes)) or not text else None
        if fault is not None:
            what, advice_on_fault = fault
            raise TargetError(f"{name} {what}, in {_first_row_text(codes == code)}. {advice_on_fault}")
    labels = _with_sorted_classes(codes, [str(v) if text and v is not None else v for v in levels])
    if not missing:
        _refuse_missing(labels.codes, counted, name, advice)
    # NaN, which is not equal to itself, marks a missing label and is no sign of floats.
    floats = any(isinstance(level, float) and level == level for level in source.levels)
    return replace(labels, from_floats=floats and not text, columns=source.columns)


def class_labels(
    y: Any, name: str = "y", *, missing: bool = False, advice: str = _LEAVE_OUT, several: str = ""
) -> Labels:
    """Read one class per row: (N,), (N, 1), or one-hot (N, C) as an array or a frame.

    Args:
        y: See `read_labels`.
        name: What messages call it.
        missing: As in `read_labels`. A `Labels` record is returned unchanged after this check.
        advice: As in `read_labels`.
        several: Advice at the end of the error message if `y` has several columns that are not one-hot.

    Raises:
        TargetError: As `read_labels`; no rows, or another shape.

    Example:
        >>> class_labels([[0, 1], [1, 0], [0, 1]]).codes.tolist()
        [1, 0, 1]
    """
    if isinstance(y, Labels):
        if not missing:
            _refuse_missing(y.codes, None, name, advice)
        return y
    source = label_source(y, name)
    shape = source.codes.shape
    if len(shape) == 2 and shape[1] == 1:
        source = LabelSource(source.codes[:, 0], source.levels)
    elif len(shape) == 2 and shape[1] > 1 and shape[0]:
        return _labels_of_one_hot(source, name, missing, advice, several)
    if source.codes.ndim != 1 or not len(source.codes):
        hint = (several if len(shape) > 1 else "") or " Pass one label for each row."
        raise TargetError(f"{name} has shape {shape}. Expected one class label per row, and at least one row.{hint}")
    return read_labels(source, name, missing=missing, advice=advice)


def _labels_of_one_hot(source: LabelSource, name: str, missing: bool, advice: str, several: str) -> Labels:
    """Return one label per row of one-hot rows (N, C).

    A label is the name of the column, or its number if the columns have no names of text. A row that is not one-hot
    raises a TargetError. With `missing`, a row with a missing value gets code -1.
    """
    labels = read_labels(source, name, missing=missing, advice=advice)
    hot = zeros_and_ones(labels)
    known = (labels.codes >= 0).all(axis=1)
    if hot is None or not np.all(hot[known].sum(axis=1) == 1):
        raise TargetError(
            f"{name} has shape {labels.codes.shape}, but its rows are not one-hot (one 1, and 0 elsewhere)."
            f"{several or ' Give one class label per row.'}"
        )
    names = labels.columns
    columns = names if names and all(isinstance(c, str) for c in names) else range(hot.shape[1])
    codes = np.where(known, hot.argmax(axis=1), -1).astype(np.int32)
    return _with_sorted_classes(codes, list(columns))


def zeros_and_ones(labels: Labels) -> Array | None:
    """Return the elements as int8 zeros and ones; None if there are labels other than 0 and 1.

    Elements without a label become 0.

    Example:
        >>> zeros_and_ones(read_labels([True, False])).tolist(), zeros_and_ones(read_labels(["0", "1"]))
        ([1, 0], None)
    """
    if any(isinstance(c, str) or c not in (0, 1) for c in labels.classes):
        return None
    return np.array([*labels.classes, 0], np.int8)[labels.codes]


def codes_among(labels: Labels, classes: Sequence[Any], name: str = "y") -> Array:
    """Return the codes of labels among given classes, int32; -1 where there is no label.

    Raises:
        TargetError: A label that is none of the classes.

    Example:
        >>> codes_among(read_labels(["b", "a"]), ("b", "a", "c")).tolist()
        [0, 1]
    """
    code_of = {label: code for code, label in enumerate(classes)}
    unknown = [label for label in labels.classes if label not in code_of]
    if unknown:
        hint = did_you_mean(unknown[0], classes)
        raise TargetError(f"{name} has the label {unknown[0]!r}. Expected one of the classes.{hint}")
    return labels.mapped(np.array([code_of[label] for label in labels.classes], np.int32), classes).codes


def count_codes(codes: Array, size: int) -> Array:
    """Return the number of rows of each class, int64 (size,).

    `codes` are (N,), and code -1 is not counted.
    """
    # In chunks, because `bincount` widens its input to 64 bits.
    total = np.zeros(size + 1, np.int64)
    # Codes are moved up by 1, so that -1 is counted first and then dropped.
    for start in range(0, len(codes), CHUNK):
        total += np.bincount(codes[start : start + CHUNK] + 1, minlength=size + 1)
    return total[1:]


def _first_row_text(where: Array) -> str:
    """Return the row of the first True of a bool array, as text for a message."""
    return rows_text(np.argwhere(where)[0][:1] if where.ndim else [0])


def _refuse_missing(codes: Array, counted: Array | None, name: str, advice: str) -> None:
    """Raise a TargetError that names the rows with code -1.

    Only elements where the bool array `counted` is True are checked; None: all.
    """
    gaps = codes < 0 if counted is None else (codes < 0) & counted
    if gaps.any():
        rows = np.flatnonzero(gaps.reshape(len(gaps), -1).any(axis=1)) if gaps.ndim else [0]
        raise TargetError(f"{name} is missing in {rows_text(rows)}. {advice}")


def _with_sorted_classes(codes: Array, levels: list[Any]) -> Labels:
    """Return labels whose classes are the distinct levels that some element has, sorted.

    `codes` are numbers of `levels`. An element of a level None gets code -1. Booleans among numbers become 0 and 1.
    """
    present = count_codes(codes.reshape(-1), len(levels)) > 0
    used = [v for v, seen in zip(levels, present.tolist(), strict=True) if seen and v is not None]
    if any(isinstance(v, bool) for v in used) and not all(isinstance(v, bool) for v in used):
        used = [int(v) if isinstance(v, bool) else v for v in used]
    classes = sorted(set(used))
    code_of = {label: code for code, label in enumerate(classes)}
    table = [code_of.get(v, -1) for v in levels]
    if table == list(range(len(classes))):
        return Labels(codes, tuple(classes))
    return Labels(codes, ()).mapped(np.array(table, np.int32), classes)
