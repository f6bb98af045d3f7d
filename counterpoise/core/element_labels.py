"""The reader of a class per element: masks of images and labels of sequences to class codes, -1 where ignored.

It is in `core` because reading (`core.label_columns`, `data/mask_files.py`) and the kind of target above it
(`targets/elements.py`) share it. The order of the classes is the order of the codes that a model learns.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.label_names import find_label
from counterpoise.core.label_sources import LabelSource, label_source
from counterpoise.core.label_values import ignored_levels, plain_label
from counterpoise.core.labels import Labels, count_codes, read_labels

Array = np.ndarray

#: Labels whose elements count nowhere, unless others are named.
VOID = (-1,)
_SHAPE = "one label per element (pixel or step), (N, H, W) or (N, T), or one-hot (N, ..., C)"


@dataclass(frozen=True)
class ElementLabels:
    """Labels of elements and how they are read; made by `elements`.

    Attributes:
        target: The labels.
        ignore: Labels whose elements count nowhere.
        names: Names of the classes, in the order of the sorted labels; None: the labels themselves.
    """

    target: Any
    ignore: tuple[Any, ...] = VOID
    names: tuple[str, ...] | None = None

    def read(self) -> Labels:
        """Return labels as codes (N, ...); the rarer of two classes is 1.

        With `names` the order of the classes is that of the names, whichever is rarer.

        Raises:
            TargetError: Values are no classes, or there are fewer than two classes.
            OptionError: `names` has another length.
        """
        read = _with_class_names(read_element_labels(self.target, self.ignore), self.names)
        read = rarer_last(read) if self.names is None else read  # of named classes the order is the user's
        # The smallest signed dtype that holds the codes and -1: masks are large.
        return replace(read, codes=read.codes.astype(np.min_scalar_type(-max(2, len(read.classes)))))


def elements(target: Any, *, ignore: Any = (), names: Sequence[str] | None = None) -> ElementLabels:
    """Describe a target with a class for each pixel of an image or step of a sequence.

    Pass the result as the target of `fit` or `compare`.

    You do not need this function for masks (N, H, W), (N, H, W, 1) and one-hot masks (N, H, W, C). Pass these directly.
    The same applies to sequences (N, T) with three classes or more, and to sequences for a Keras model with an output
    for each step. An element is a pixel or a step. Elements that are labeled -1, missing, or masked out in a masked
    array count neither in training nor in scores, corrections, and thresholds.

    Args:
        target: The labels, (N, H, W), (N, T) or of any other shape, as integers, booleans or text. Or one-hot.
        ignore: A label, or several, whose elements count nowhere, as for -1. For example, 255 (void).
        names: Names of the classes, in the order of the sorted labels (one-hot: of the columns). Default: the labels.

    Returns:
        A value to pass as `y`.

    Raises:
        OptionError: `names` is a single text, or has fewer than two different names.

    Example:
        >>> masks = elements(np.array([[[0, 0], [1, 255]]], np.uint8), ignore=255, names=["tissue", "lesion"])
        >>> masks.read().codes.tolist(), masks.read().classes
        ([[[0, 0], [1, -1]]], ('tissue', 'lesion'))
    """
    if names is not None and (isinstance(names, str) or len(set(names)) < 2):
        raise OptionError(f"names= is {names!r}. Expected a list of two different names or more.")
    given = tuple(ignore) if isinstance(ignore, (list, tuple, set)) else (ignore,)
    return ElementLabels(target, (*VOID, *given), None if names is None else tuple(map(str, names)))


def are_elements(y: Any, sequences: bool = False) -> bool:
    """Return whether labels have three axes or more, and are therefore for the elements of rows.

    Args:
        y: Labels of any form.
        sequences: Whether two axes are steps, too.

    Example:
        >>> are_elements(np.zeros((2, 8, 8))), are_elements(np.zeros((2, 8))), are_elements(np.zeros((2, 8)), True)
        (True, False, True)
    """
    shape = tuple(getattr(y, "shape", ())) or (np.shape(y) if _has_three_list_levels(y) else ())
    return len(shape) > 2 or (sequences and len(shape) == 2 and shape[1] > 1)


def _has_three_list_levels(y: Any) -> bool:
    """Return whether `y` is a list of lists of lists or arrays, judged by its first entries only."""
    for _ in range(2):
        if not isinstance(y, (list, tuple)) or not len(y):
            return False
        y = y[0]
    return isinstance(y, (list, tuple, np.ndarray))


def read_element_labels(target: Any, ignore: tuple[Any, ...] = VOID) -> Labels:
    """Return labels (N, ...) as codes among the sorted classes.

    The code is -1 where a label is missing or ignored.

    One-hot labels (N, ..., C) become their codes, and a last axis of length 1 is dropped.

    Raises:
        TargetError: Fewer than two axes, no labels, or values that are no classes.
    """
    source = label_source(target, "The target")
    if source.codes.ndim > 2 and source.codes.shape[-1] == 1:
        source = LabelSource(source.codes[..., 0], source.levels)
    if source.codes.ndim < 2 or not source.codes.size:
        raise TargetError(f"The target has shape {source.codes.shape}. Expected {_SHAPE}.")
    hot = _labels_of_one_hot(source)
    if hot is not None:
        return hot
    ignored = ignored_levels(source.levels, ignore)
    counted = ~np.isin(source.codes, ignored) if ignored else None  # bool, False where a label is ignored
    read = read_labels(source, "The target", counted, missing=True)
    return replace(read, kind="elements", columns=None)


def _labels_of_one_hot(source: LabelSource) -> Labels | None:
    """Return one-hot labels (N, ..., C) as codes int32 (N, ...), or None.

    None means that the labels are not one-hot.

    One-hot labels have three axes or more, values of 0 and 1 (or missing), and no element with two ones. Elements
    without a one get the code -1; with half of the elements or more, the labels do not count as one-hot.
    """
    ones = [code for code, level in enumerate(source.levels) if plain_label(level) == 1]
    values = {plain_label(level) for level in source.levels}
    if source.codes.ndim < 3 or source.codes.shape[-1] < 2 or not ones or not values <= {0, 1, None}:
        return None
    hot = np.isin(source.codes, ones)
    sums = hot.sum(axis=-1)
    if sums.max() > 1 or not (sums == 1).mean() > 0.5:
        return None
    codes = np.where(sums == 1, hot.argmax(axis=-1), -1).astype(np.int32)
    return Labels(codes, tuple(range(source.codes.shape[-1])), kind="elements")


def _with_class_names(labels: Labels, names: tuple[str, ...] | None) -> Labels:
    """Return the labels with names for their classes; `names` None leaves these as they are.

    Raises:
        TargetError: There are fewer than two classes. OptionError: `names` has another length than the classes.
    """
    if len(labels.classes) < 2:
        only = f" ({labels.classes[0]!r})" if labels.classes else ""
        raise TargetError(
            f"The elements (pixels or steps) have {len(labels.classes)} "
            f"class{'es' * (not labels.classes)}{only}. Expected two classes or more. Pass rows that also "
            "contain the rare class."
        )
    if names is None:
        return labels
    if len(names) != len(labels.classes):
        raise OptionError(
            f"names= has {len(names)} entries. Expected one for each of the {len(labels.classes)} classes "
            f"{', '.join(map(str, labels.classes[:8]))}."
        )
    return replace(labels, classes=names)


def rarer_last(labels: Labels) -> Labels:
    """Return two-class labels with the rarer class as code 1, the positive class; other labels unchanged.

    Example:
        >>> rarer_last(Labels(np.array([[1, 1, 0, -1]]), ("no", "yes"))).codes.tolist()
        [[0, 0, 1, -1]]
    """
    codes, counts = labels.codes, count_codes(labels.codes.reshape(-1), len(labels.classes))
    if len(counts) != 2 or counts[1] <= counts[0]:
        return labels
    return replace(labels, codes=np.where(codes < 0, codes, 1 - codes), classes=labels.classes[::-1])


def void_doubts(classes: Sequence[Any]) -> list[str]:
    """Return a list of one sentence if 255 among small class codes may mean "no class", or an empty one.

    Example:
        >>> void_doubts([0, 255]), void_doubts([0, 128, 255]), len(void_doubts([0, 1, 255]))
        ([], [], 1)
    """
    others = [label for label in classes if label != 255]
    small = all(isinstance(label, int) and 0 <= label < 64 for label in others)
    if 255 not in classes or len(others) < 2 or not small:
        return []
    return [
        f"The value 255 is read as a class, in addition to {len(others)} classes from {min(others)} to {max(others)}. "
        "If 255 means no class (void), ignore it: pass ignore=255 (--ignore 255) where the masks are read, to "
        "cp.elements or cp.images."
    ]


def element_codes(given: Any, classes: Array) -> Array:
    """Return labels of new rows as codes among the classes of a classifier, int32 (N, ...); -1 where ignored.

    If the classes have names, whole numbers can also be their codes.

    Raises:
        TargetError: A label that is none of the classes.

    Example:
        >>> element_codes(np.array([[[0, 255], [-1, 0]]]), np.array([0, 255])).tolist()
        [[[0, 1], [-1, 0]]]
    """
    known = classes.tolist()
    spec = given if isinstance(given, ElementLabels) else ElementLabels(given)
    read = read_element_labels(spec.target, spec.ignore) if not isinstance(given, Labels) else given
    if spec.names is not None:
        read = _with_class_names(read, spec.names)
    codes = [find_label(label, known) for label in read.classes]  # None: not a class of the classifier
    whole_numbers = all(isinstance(label, int) for label in read.classes)
    if None in codes and whole_numbers and all(isinstance(name, str) for name in known):  # codes of named classes
        codes = [label if 0 <= label < len(known) else None for label in read.classes]
        if None not in codes and 0 not in codes:
            meant = ", ".join(f"{code} is {known[code]!r}" for code in codes)
            warnings.warn(
                f"No element has the label 0. The labels are read as class numbers that start at 0: {meant}. If they "
                "mean other classes, pass the names of the classes as labels.",
                UserWarning,
                stacklevel=2,
            )
    if None in codes:
        raise TargetError(
            f"y has the label {read.classes[codes.index(None)]!r}. Expected one of the classes of the "
            f"classifier: {', '.join(map(str, known[:8]))}. Correct the labels. To ignore "
            "this label, pass ignore= to cp.elements or cp.images (--ignore)."
        )
    return np.array([*codes, -1], np.int32)[read.codes]  # code -1 takes the last entry, and stays -1
