"""Numbers per class (counts, weights, shares), however they come: in the order of the classes, or by label.

`Series.value_counts()` sorts by size, so its values are in no order of the classes. Whatever names its labels is
therefore read by them: a pandas series, a dict or Counter, a frame of two columns (labels, numbers) as polars'
`value_counts` gives. Lists and arrays are in the order of the classes. Plans, losses, heads of networks and
`Classifier.predict_proba(prior=)` read such arguments here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.label_names import find_label
from counterpoise.core.label_sources import library_of
from counterpoise.core.label_values import plain_label

#: Options of plans that take numbers by label.
_BY_LABEL = ("scheme", "rows", "prior", "costs")


def in_class_order(values: Any, name: str, classes: Sequence[Any] | None = None, fill: float | None = None) -> Any:
    """Return numbers per class as an array in the order of the classes.

    Values without labels stay unchanged.

    Args:
        values: Numbers with labels, such as a dict or a pandas series, or without labels (see the module).
        name: What messages call it.
        classes: The labels in order; None: the class codes 0, 1, ...
        fill: The number of a class that is not named; None: that is an error.

    Raises:
        OptionError: A label that is no class, is named twice or is missing, or a class that is not named.

    Example:
        >>> in_class_order({1: 90, 0: 10}, "counts").tolist()
        [10, 90]
        >>> in_class_order({"ok": 0.9, "ill": 0.1}, "prior", classes=("ill", "ok")).tolist()
        [0.1, 0.9]
    """
    pairs = label_number_pairs(values)
    if pairs is None:
        return values
    numbers: dict[int, Any] = {}
    for label, number in pairs:
        code = _class_code(label, name, classes)
        if code in numbers:
            raise OptionError(f"{name} names class {label!r} twice. Pass one number for each class.")
        numbers[code] = number
    size = len(classes) if classes is not None else max(numbers, default=-1) + 1
    for code in range(size):
        if code not in numbers and fill is None:
            label = code if classes is None else classes[code]
            raise OptionError(f"{name} has no number for class {label!r}. Pass one number for each class.")
    return np.array([numbers.get(code, fill) for code in range(size)])


def by_code(options: Mapping[str, Any], classes: Sequence[Any]) -> dict[str, Any]:
    """Return options of a plan whose dicts by label are dicts by class code.

    The plans of a run get class codes as labels. An option of `_BY_LABEL` may be anything that names its labels, and
    needs a number for each class. Any other dict is translated if all of its keys are labels.

    Raises:
        OptionError: As in `in_class_order`.

    Example:
        >>> by_code({"scheme": {"ill": 9, "ok": 1}, "bins": 5}, classes=("ok", "ill"))
        {'scheme': {0: 1, 1: 9}, 'bins': 5}
    """
    return {name: _with_codes_as_keys(name, value, classes) for name, value in options.items()}


def _with_codes_as_keys(name: str, value: Any, classes: Sequence[Any]) -> Any:
    """Return the value of an option by class code if it is by label, otherwise unchanged (see `by_code`)."""
    if name in _BY_LABEL and label_number_pairs(value) is not None:
        return dict(enumerate(in_class_order(value, name, classes).tolist()))
    codes = [find_label(key, classes) for key in value] if isinstance(value, Mapping) else [None]
    return value if None in codes else dict(zip(codes, value.values(), strict=True))


def in_unit_order(values: Any, name: str) -> Any:
    """Return numbers per label (several per row) in the order of the units of the model.

    Keys of text are names of columns, as in `frame.sum()`, so the numbers stay in their order. Keys that are codes sort
    the numbers; a code without a number gets 0. Numbers without keys are returned unchanged.

    Example:
        >>> in_unit_order({"dog": 3, "cat": 1}, "counts"), in_unit_order({1: 3, 0: 1}, "counts").tolist()
        ([3, 1], [1, 3])
    """
    pairs = label_number_pairs(values) or []
    if any(isinstance(label, str) and not label.isdecimal() for label, _ in pairs):
        return [number for _, number in pairs]
    return in_class_order(values, name, fill=0)


def label_number_pairs(values: Any) -> list[tuple[Any, Any]] | None:
    """Return a (label, number) pair for each class that `values` names.

    Return None if it names no classes.

    Labels are named by a mapping, a pandas series, a frame of two columns (pandas or polars), or Arrow structs of two
    fields. A pandas frame of one column counts as a series.

    Example:
        >>> label_number_pairs({"a": 1}), label_number_pairs([1, 2])
        ([('a', 1)], None)
    """
    if isinstance(values, Mapping):
        return list(values.items())
    library, rank = library_of(values), len(getattr(values, "shape", ()))
    if library == "pandas" and rank == 1 and hasattr(values, "index"):
        return list(zip(map(_without_tuple, values.index), values.to_list(), strict=True))
    if library == "pandas" and rank == 2 and values.shape[1] == 1:
        return label_number_pairs(values.iloc[:, 0])
    if library == "pandas" and rank == 2 and values.shape[1] == 2:
        return list(values.itertuples(index=False, name=None))
    if library == "polars" and rank == 2 and values.shape[1] == 2:
        return list(values.rows())
    if library == "pyarrow" and hasattr(values, "to_pylist"):
        rows = values.to_pylist()
        if rows and all(isinstance(row, Mapping) and len(row) == 2 for row in rows):
            return [tuple(row.values()) for row in rows]
    return None


def table_by_label(values: Any, classes: Sequence[Any] | None = None) -> dict[Any, dict[Any, Any]] | None:
    """Return a table of numbers as {label of the row: {label of the column: number}}, or None if it names no classes.

    Only a frame of pandas has labels for its rows. If rows and columns are 0, 1, ... they are in the order of the
    classes, unless these are numbers too. `classes` are the labels; None: the class codes.

    Raises:
        OptionError: A frame of polars or Arrow, which has labels for its columns alone.

    Example:
        >>> import pandas as pd
        >>> table_by_label(pd.DataFrame([[0, 9], [1, 0]], ["ill", "ok"], ["ill", "ok"]), ["ok", "ill"])
        {'ill': {'ill': 0, 'ok': 9}, 'ok': {'ill': 1, 'ok': 0}}
        >>> table_by_label(pd.DataFrame([[0, 9], [1, 0]]), ["ok", "ill"])
    """
    library = library_of(values)
    if library in ("polars", "pyarrow"):
        raise OptionError(
            f"costs= is a table of {library}, whose rows have no labels. Pass {{true label: {{decided label: cost}}}}, "
            "or an array in the order of the classes."
        )
    if library != "pandas" or len(getattr(values, "shape", ())) != 2:
        return None
    numbers = list(range(len(values)))
    if list(values.index) == list(values.columns) == numbers:
        known = numbers if classes is None else classes
        if any(find_label(number, known) is None for number in numbers):
            return None
    return {
        true: dict(zip(values.columns, row, strict=True))
        for true, row in zip(values.index, values.to_numpy().tolist(), strict=True)
    }


def _without_tuple(label: Any) -> Any:
    """Return the label of an entry of an index; pandas gives a tuple of one for an index of one level."""
    return label[0] if isinstance(label, tuple) and len(label) == 1 else label


def _class_code(label: Any, name: str, classes: Sequence[Any] | None) -> int:
    """Return the class code of a label.

    Without `classes`, the label must be the code, as a number or as digits.

    Raise an OptionError for a missing label, or one that is no class or no code.
    """
    value = plain_label(label)
    if value is None:
        raise OptionError(f"{name} has a missing label. Remove it, as value_counts does by default.")
    if classes is not None:
        code = find_label(value, classes)
        if code is None:
            raise OptionError(f"{name} names {value!r}, which is not a class.{did_you_mean(value, classes)}")
        return code
    code = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(code, int) or code < 0:
        raise OptionError(
            f"{name} uses the label {value!r} as a key, but a model identifies classes by their codes 0, 1, "
            ".... Pass a list of numbers in the order of the codes, or count the codes instead of the labels."
        )
    return int(code)
