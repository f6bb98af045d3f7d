"""Labels of new rows as codes among the classes, or the labels, of a classifier that is already trained.

`OneOf.codes` and `Labels.codes` call these functions, for example for `cp.evaluate`. `core.labels` and
`core.label_columns` read the labels of training, which define the classes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from counterpoise.core.errors import TargetError, did_you_mean
from counterpoise.core.label_columns import LabelColumns, as_labels_if_several, labels
from counterpoise.core.label_names import find_label
from counterpoise.core.labels import Labels, class_labels

Array = np.ndarray


def label_codes(given: Any, classes: Array) -> Array:
    """Return the codes of labels, int64 (N,), compared as text: "1" is 1.

    A class that training merged takes the labels that it was merged from.

    Raises:
        TargetError: a label that is none of the classes.

    Example:
        >>> label_codes(["1", 0, "0"], np.array([0, 1])).tolist()
        [1, 0, 0]
    """
    read = class_labels(given, "y")
    known = classes.tolist()
    codes = [_code_of_label(label, known) for label in read.classes]
    unknown = [label for label, code in zip(read.classes, codes, strict=True) if code is None]
    if unknown:
        row = int(np.argmax(read.codes == read.classes.index(unknown[0])))
        raise TargetError(
            f"y is {unknown[0]!r} in row {row + 1}. Expected one of the classes of the classifier: "
            f"{', '.join(map(str, known[:8]))}. Correct the label, or leave the row out."
        )
    return np.array(codes, np.int64)[read.codes]


def _code_of_label(label: Any, known: list[Any]) -> int | None:
    """Return the code of a label by its value or text, or None if it is unknown.

    A class "A+B" that training merged also takes "A" and "B". If the classes are "not L" and "L", "not L" takes all
    other labels.
    """
    code = find_label(label, known)
    if code is not None:
        return code
    # The label between "+" or the ends of the name. A "+" at its end belongs to the name: "C" is not a part of "C++".
    part = re.compile(rf"(?:^|\+){re.escape(str(label))}(?:$|\+(?=[^+]))")
    merged = [code for code, name in enumerate(known) if label != "" and isinstance(name, str) and part.search(name)]
    rest = [code for code in (0, 1) if len(known) == 2 and known[code] == f"not {known[1 - code]}"]
    return next(iter([*merged, *rest]), None)


def several_codes(given: Any, classes: Array) -> Array:
    """Return several labels per row, int32 (N, L), in the order of a classifier.

    Each is 1, 0 or -1 (not known). Labels with names are sorted into this order. Lists and separated text name the
    labels that are present. Arrays without names must have the order of the classifier.

    Raises:
        TargetError: another number of labels, or a name that is unknown or absent.

    Example:
        >>> several_codes([["mass"], []], np.array(["edema", "mass"])).tolist()
        [[0, 1], [0, 0]]
    """
    known = tuple(str(name) for name in classes.tolist())
    if _are_name_lists(given):
        given = labels(given, names=known)
    elif not isinstance(given, (Labels, LabelColumns)):
        given = as_labels_if_several(given)
        given = given if isinstance(given, Labels) else labels(given)
    several = given.read(given.target) if isinstance(given, LabelColumns) else given
    names = tuple(str(name) for name in several.classes)
    # An array without names: its labels are called label_0, label_1, ...
    if several.codes.ndim == 2 and names == tuple(f"label_{i}" for i in range(len(known))):
        return several.codes
    strange = [name for name in names if name not in known]
    absent = [name for name in known if name not in names]
    if several.codes.ndim != 2 or strange or absent:
        what = f"the label {strange[0]!r}" if strange else f"no label {absent[0]!r}" if absent else "one class per row"
        hint = did_you_mean(strange[0], known) if strange else ""
        raise TargetError(
            f"y has {what}. Expected one column for each of {', '.join(known[:8])}.{hint} Correct the columns."
        )
    return several.codes[:, [names.index(name) for name in known]]


def _are_name_lists(given: Any) -> bool:
    """Return whether labels come as one list of names per row; empty rows are allowed."""
    rows = given if isinstance(given, (list, tuple)) else ()
    lists = all(isinstance(row, (list, tuple, set, frozenset)) for row in rows)
    return bool(rows) and lists and all(isinstance(name, str) for row in rows for name in row)
