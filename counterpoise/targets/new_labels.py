"""Labels of new rows as codes among the classes, or the labels, of a classifier that is already trained.

`OneOf.codes` and `Labels.codes` call these functions, for example for `cp.evaluate`. `core.labels` and
`core.label_columns` read the labels of training, which define the classes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import TargetError, did_you_mean
from counterpoise.core.label_columns import LabelColumns, are_lists_of_names, as_labels_if_several, labels
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

    Each is 1, 0 or -1 (not known). Labels with names are sorted into this order, and a warning names those that the
    classifier does not have. Of lists and separated text, labels that no row names are absent. Arrays without names
    must have the order of the classifier.

    Raises:
        TargetError: another number of labels, or the column of a label is absent.

    Example:
        >>> several_codes([["mass"], []], np.array(["edema", "mass"])).tolist()
        [[0, 1], [0, 0]]
    """
    known = tuple(str(name) for name in classes.tolist())
    if _are_name_lists(given):
        given = labels(given)
    elif not isinstance(given, (Labels, LabelColumns)):
        given = as_labels_if_several(given)
        given = given if isinstance(given, Labels) else labels(given)
    several = given.read(given.target) if isinstance(given, LabelColumns) else given
    names = tuple(str(name) for name in several.classes)
    if several.codes.ndim != 2:
        raise TargetError(
            f"y has one class per row. Expected one column for each of {', '.join(known[:8])}. Correct the columns."
        )
    # An array without names: its labels are called label_0, label_1, ...
    if names == tuple(f"label_{i}" for i in range(len(names))) and not several.listed and not set(known) <= set(names):
        if len(names) == len(known):
            return several.codes
        raise TargetError(
            f"y has {len(names)} columns without names, but the classifier has {len(known)} labels: "
            f"{', '.join(known[:8])}. Pass one column for each label in this order, or a frame with these names."
        )
    strange = [name for name in names if name not in known]
    absent = [] if several.listed else [name for name in known if name not in names]
    if absent or (strange and not set(known) & set(names)):
        what = f"the label {strange[0]!r}" if strange else f"no label {absent[0]!r}"
        hint = did_you_mean(strange[0], known) if strange else ""
        raise TargetError(
            f"y has {what}. Expected one column for each of {', '.join(known[:8])}.{hint} Correct the columns."
        )
    if strange:
        _warn_not_among(strange, known)
    # Of lists a row is known as a whole or not at all; a label that is in no list is absent in the known rows.
    nowhere = np.where((several.codes < 0).any(axis=1), -1, 0).astype(np.int32)
    columns = [several.codes[:, names.index(name)] if name in names else nowhere for name in known]
    return np.stack(columns, axis=1)


def _warn_not_among(strange: list[str], known: Sequence[str]) -> None:
    """Warn of labels of new rows that a classifier does not have (`UserWarning`)."""
    some = ", ".join(map(repr, strange[:5])) + (" ..." if len(strange) > 5 else "")
    warnings.warn(
        f"The rows have labels that the classifier does not have: {some}. They were left out."
        f"{did_you_mean(strange[0], known)} If a name is misspelled, correct it.",
        UserWarning,
        stacklevel=2,
    )


def _are_name_lists(given: Any) -> bool:
    """Return whether labels come as one list of names per row; empty rows are allowed."""
    rows = given if isinstance(given, (list, tuple)) else ()
    lists = all(isinstance(row, (list, tuple, set, frozenset)) for row in rows)
    texts = bool(rows) and lists and all(isinstance(name, str) for row in rows for name in row)
    return texts or (not isinstance(given, (str, Labels, LabelColumns)) and are_lists_of_names(given))
