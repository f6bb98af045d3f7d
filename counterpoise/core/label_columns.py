"""The one reader of several labels per row: columns, arrays, lists and separated text to 1, 0 and -1 (not known).

In addition, what decides that a target has several labels at all (`as_labels_if_several`, `target_columns`), or a class
per element. `fit`, `compare`, `evaluate`, `wrap` and the scikit-learn estimator all call it, so that the same `y` is
the same kind of target everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.checks import check_choice, rows_text
from counterpoise.core.element_labels import ElementLabels, are_elements, elements
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.label_sources import LabelSource, label_source, library_of
from counterpoise.core.label_values import is_missing, plain_label
from counterpoise.core.labels import Labels

Array = np.ndarray

#: Words for a label that is present, and for one that is not, in lower case; numbers are compared as numbers.
YES, NO = frozenset({"true", "yes", "y", "t"}), frozenset({"false", "no", "n", "f"})
#: What may separate the labels of one text.
SEPARATORS = ("|", ";", ",", "/")
#: Types of rows that list names of labels.
_LISTS = (list, tuple, set, frozenset, np.ndarray)


@dataclass(frozen=True)
class LabelColumns:
    """Where several labels per row stand, and how they are read; made by `labels`.

    Attributes:
        target: Names of columns; the name of one column of lists or of separated text; or the labels themselves.
        names: Names of the labels, where the values bring none.
        missing: "ignore" or "absent"; None: "absent" for lists and text, else "ignore".
        uncertain: "ignore", "zero" or "one".
        separator: What stands between the labels of one text; None: the labels are no text.
    """

    target: Any
    names: tuple[str, ...] | None = None
    missing: str | None = None
    uncertain: str = "ignore"
    separator: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a table that contain the labels; () if the labels are arrays."""
        if isinstance(self.target, str):
            return (self.target,)
        return tuple(self.target) if are_names(self.target) else ()

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """How the labels are read, if not in the default way, as pairs of a name and a value."""
        column = self.target if isinstance(self.target, str) else None
        uncertain = None if self.uncertain == "ignore" else self.uncertain
        given = {"column": column, "missing": self.missing, "uncertain": uncertain, "separator": self.separator}
        return tuple((name, value) for name, value in given.items() if value is not None)

    def read(self, values: Any) -> Labels:
        """Read labels as codes int32 (N, L), each 1, 0 or -1 (not known).

        Args:
            values: A frame of the columns, or what was given as labels.

        Raises:
            TargetError: values that are no labels, no rows, or two labels of one name.
        """
        one_cell = isinstance(self.target, str) or self.separator is not None
        lists = one_cell or are_lists_of_names(values)
        labels_read = self._read_name_lists(values) if lists else self._read_columns(values)
        _check_label_names(labels_read)
        return replace(labels_read, options=self.options)

    def _read_columns(self, values: Any) -> Labels:
        """Read labels with one column each.

        Their names are those of the user, else of the columns, else `label_0`, `label_1`, and so on.
        """
        source = label_source(values)
        if source.codes.ndim != 2 or source.codes.shape[1] < 2 or not len(source.codes):
            raise TargetError(
                f"The labels have shape {source.codes.shape}. Expected one column per label, (N, L), and two "
                "labels or more. If there is only one label, pass its column alone."
            )
        count = source.codes.shape[1]
        given = self.names or source.columns or self.columns or tuple(f"label_{i}" for i in range(count))
        names = tuple(str(name) for name in given)
        if len(names) != count:
            raise OptionError(f"names= has {len(names)} entries. Expected one for each of {count} labels.")
        return Labels(self._cell_codes(source, names), names, kind="labels")

    def _cell_codes(self, source: LabelSource, names: Sequence[str]) -> Array:
        """Return the code of each cell, int32 (N, L): 1, 0, or -1 (not known).

        `missing` determines the code of an empty cell, and `uncertain` the code of a -1.

        Raises:
            TargetError: A cell contains another value.
        """
        gap = 0 if self.missing == "absent" else -1
        unsure = {"ignore": -1, "zero": 0, "one": 1}[self.uncertain]
        # source.codes are indices into the distinct values; index -1 (an empty cell) is the last entry, the gap.
        table = [_code_of_level(level, gap, unsure) for level in source.levels] + [gap]
        for number, code in enumerate(table):
            if code is None and (rows := np.argwhere(source.codes == number)).size:
                row, column = rows[0]
                raise TargetError(
                    f"Label {names[column]!r} is {source.levels[number]!r} in {rows_text([row])}. Expected 1, "
                    "0, -1 (uncertain), yes, no, true, false, or an empty cell. Leave the column out of the "
                    "target, or convert its values."
                )
        return np.array([-1 if code is None else code for code in table], np.int32)[source.codes]

    def _read_name_lists(self, values: Any) -> Labels:
        """Read labels from one cell per row that contains the names of all its labels.

        An empty cell means that the row has no label, or with `missing="ignore"` that none is known.

        Raises:
            TargetError: A label is not among `names`.
        """
        cells = _cells_of_column(values)
        rows = [self._names_in_cell(value) for value in cells]
        known = [row for row in rows if row is not None]
        names = self.names or tuple(sorted({name for row in known for name in row}))
        texts = [cell for cell in cells if isinstance(cell, str)]
        if self.names is None and texts and not any(self.separator and self.separator in text for text in texts):
            self._check_separator(names)
        column_of = {name: i for i, name in enumerate(names)}
        codes = np.zeros((len(rows), len(names)), np.int32)
        for number, row in enumerate(rows):
            if row is None:
                codes[number] = -1 if self.missing == "ignore" else 0
                continue
            strange = [name for name in row if name not in column_of]
            if strange:
                raise TargetError(f"The label {strange[0]!r} in {rows_text([number])} is not among names=.")
            codes[number, [column_of[name] for name in row]] = 1
        return Labels(codes, names, kind="labels", listed=True)

    def _check_separator(self, names: Sequence[str]) -> None:
        """Raise an OptionError if a name is made of other names and a separator, which then was not passed."""
        known = set(names)
        for name in names:
            for mark in SEPARATORS:
                parts = [part.strip() for part in name.split(mark)]
                if len(parts) > 1 and known.issuperset(parts):
                    raise OptionError(
                        f"The label {name!r} contains {mark!r} between other labels, but separator= is "
                        f"{self.separator!r}. To read several labels from one text, pass separator={mark!r}. If it is "
                        "one label, pass names=."
                    )

    def _names_in_cell(self, value: Any) -> tuple[str, ...] | None:
        """Return the different labels in the cell of one row.

        The result is None if the cell is empty (None or NaN), or a list of missing values alone. Missing values among
        others in a list are no labels.
        """
        if is_missing(value):
            return None
        if isinstance(value, str):
            names: list[Any] = value.split(self.separator) if self.separator else [value]
        elif isinstance(value, Iterable):
            names = list(value)
        else:
            raise TargetError(
                f"A row has the labels {value!r:.60}. Expected a list of labels, or text. If each label has its own "
                f"column, name these columns."
            )
        given = [plain_label(name) for name in names if not is_missing(name)]
        if names and not given:
            return None
        return tuple(dict.fromkeys(str(label).strip() for label in given if label is not None))


def labels(
    target: Any, *, names: Sequence[str] | None = None, missing: str | None = None, uncertain: str = "ignore",
    separator: str | None = None,
) -> LabelColumns:  # fmt: skip
    """Describe a target with several labels per row, and how the labels are written.

    Pass the result as the target of `fit` or `compare`.

    You do not need this function for a list of column names, or for an array (N, L) of zeros and ones that is not
    one-hot. Pass these directly.

    Args:
        target: One of three things. The names of the label columns of a table. The name of one column that contains
            lists of labels, or text with a `separator`. Or the labels themselves: an array or frame (N, L) of 0, 1 and
            missing, or N lists of labels.
        names: Names of the labels of an array. For lists and text, `names` can add labels that no row has.
        missing: Meaning of an empty cell: "ignore" (not known, so the cell counts nowhere) or "absent" (0). Default:
            "absent" if a cell contains all labels of a row (lists, separated text), "ignore" if each label has its own
            column.
        uncertain: Meaning of -1: "ignore", "zero" or "one".
        separator: Separator of the labels in a text, for example "|".

    Returns:
        A value to pass as `y`.

    Raises:
        OptionError: an unknown word for `missing` or `uncertain`, or names that are not text.

    Example:
        >>> tags = labels(["a|b", "b", "", "a"], separator="|").read(["a|b", "b", "", "a"])
        >>> tags.classes, tags.codes.tolist()
        (('a', 'b'), [[1, 1], [0, 1], [0, 0], [1, 0]])
    """
    check_choice(missing, "missing", (None, "ignore", "absent"))
    check_choice(uncertain, "uncertain", ("ignore", "zero", "one"))
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise OptionError(f'separator is {separator!r}. Expected text, for example "|".')
    if names is not None and (isinstance(names, str) or len(set(names)) < 2):
        raise OptionError(f"names= is {names!r}. Expected a list of two different names or more.")
    return LabelColumns(target, None if names is None else tuple(map(str, names)), missing, uncertain, separator)


def as_in_training(given: Any, options: Iterable[tuple[str, str]]) -> LabelColumns:
    """Return the labels of new rows as `LabelColumns` with the `LabelColumns.options` of the training.

    `given` are labels, or the names of their columns. The separator is for text, in one column or one series.

    Example:
        >>> as_in_training(["edema", "mass"], labels(["edema", "mass"], missing="absent").options).missing
        'absent'
    """
    texts = isinstance(given, list) and all(isinstance(cell, str) for cell in given) and not are_names(given)
    one_cell = isinstance(given, str) or texts or len(getattr(given, "shape", ())) == 1
    kept = ("missing", "uncertain", "separator") if one_cell else ("missing", "uncertain")
    how: dict[str, Any] = {name: value for name, value in options if name in kept}
    return labels(given, **how)


def as_the_training_labels(given: Any, training: LabelColumns) -> LabelColumns:
    """Return the labels of other rows, which are read as the labels of the training rows are.

    A matrix without names has the columns of the training labels, in their order, if it has as many.

    Example:
        >>> as_the_training_labels(np.eye(2), labels(["edema", "mass"])).read(np.eye(2)).classes
        ('edema', 'mass')
    """
    columns, unnamed = training.names or training.columns, _is_matrix(given) and not hasattr(given, "columns")
    width = given.shape[1] if hasattr(given, "shape") and unnamed else len(given[0]) if unnamed else 0
    same = unnamed and len(columns) == width > 1 and not are_lists_of_names(given)
    return replace(training, target=given, names=columns if same else training.names)


def are_names(target: Any) -> bool:
    """Return whether a target is a list of column names: different texts, two or more.

    Class labels would repeat.

    Example:
        >>> are_names(["edema", "mass"]), are_names(["ill", "well", "ill"])
        (True, False)
    """
    texts = isinstance(target, (list, tuple)) and all(isinstance(name, str) for name in target)
    return texts and 1 < len(target) == len(set(target))


def target_columns(y: Any, table: bool) -> str | LabelColumns | None:
    """Return the target column or columns of a table as `data` takes them, or None if the labels are arrays.

    A text is one column. A list of names for a table is read as several label columns.

    Args:
        y: What the user named as target.
        table: Whether the rows are a table.
    """
    if isinstance(y, str):
        return y
    names = list(y) if type(y).__name__ == "Index" and library_of(y) == "pandas" else y
    if table and are_names(names):
        return labels(names)
    return y if isinstance(y, LabelColumns) and y.columns else None


def split_off_labels(data: Any, y: Any) -> tuple[Any, Any]:
    """Split a table in memory into the other columns and the labels of its list column.

    If the target is not such a column, return `data` and `y` unchanged. The reader of tables accepts only one value
    per cell, so call this function before the table is read.
    """
    name = y.target if isinstance(y, LabelColumns) else y
    # Arrow tables and lazy frames have no cells. Like files, the reader of tables reads the lists of their targets.
    table = isinstance(data, Mapping) or any(kind.__name__ == "DataFrame" for kind in type(data).__mro__)
    if not isinstance(name, str) or not table or name not in (data if isinstance(data, Mapping) else data.columns):
        return data, y
    cells = _cells_of_column({name: data[name]})
    first = next((cell for cell in cells if not is_missing(cell)), None)
    if not isinstance(first, _LISTS):
        return data, y
    if isinstance(data, Mapping):
        rest: Any = {key: values for key, values in data.items() if key != name}
    else:
        rest = data.drop(columns=name) if library_of(data) == "pandas" else data.drop(name)
    spec = y if isinstance(y, LabelColumns) else labels(name)
    return rest, spec.read(cells)


def as_labels_if_several(y: Any, sequences: bool = False) -> Any:
    """Return labels as `Labels` if a row has more than one; return other labels unchanged.

    Zeros and ones (N, L) are several labels, unless each row has exactly one 1: then they are one-hot. An array with
    three axes or more has a class per element. So has an array with two axes if `sequences` is set, or if it contains
    other classes than 0 and 1.

    Example:
        >>> several, one_hot = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
        >>> as_labels_if_several(several).kind, type(as_labels_if_several(one_hot)).__name__
        ('labels', 'ndarray')
    """
    if isinstance(y, LabelColumns):
        return y.read(y.target)
    if isinstance(y, ElementLabels):
        return y.read()
    if isinstance(y, (str, Labels, LabelSource)):
        return y
    if are_elements(y, sequences):
        return elements(y).read()
    if not _is_matrix(y):
        return y
    source = label_source(y, "y")
    meanings = [_code_of_level(level, -1, -1) for level in source.levels]
    if source.codes.ndim != 2 or source.codes.shape[1] < 2 or not len(source.codes):
        return y
    if None in meanings:
        return elements(y).read() if _are_step_classes(source) else y
    hot = np.array([*meanings, -1], np.int32)[source.codes]
    known = (hot >= 0).all(axis=1)
    return y if known.any() and (hot[known].sum(axis=1) == 1).all() else labels(y).read(y)


def _are_step_classes(source: LabelSource) -> bool:
    """Return whether the values of a matrix (N, T) are classes of steps, not measured numbers.

    Classes are whole numbers or text, and the number of different classes is at most 3 or half the number of rows.
    """
    levels = [plain_label(level) for level in source.levels]
    plain = all(level is None or isinstance(level, (int, str)) for level in levels)
    return plain and len(levels) <= max(3, len(source.codes) // 2)


def _is_matrix(y: Any) -> bool:
    """Return whether labels have two axes: by their shape, or a list by its first entry only."""
    if hasattr(y, "shape"):
        return len(y.shape) == 2
    return isinstance(y, (list, tuple)) and bool(len(y)) and isinstance(y[0], (list, tuple, np.ndarray))


def _code_of_level(level: Any, gap: int, unsure: int) -> int | None:
    """Return the code of a value: 1, 0, `gap` if it is missing, or `unsure` if it is -1.

    The result is None for any other value.
    """
    value = plain_label(level)
    if value is None:
        return gap
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in YES or word in NO:
            return int(word in YES)
        try:
            value = float(word)
        except ValueError:
            return None
    return {1.0: 1, 0.0: 0, -1.0: unsure}.get(float(value)) if isinstance(value, (bool, int, float)) else None


def are_lists_of_names(values: Any) -> bool:
    """Return whether each row is a list or set of label names, not one yes or no per label.

    Rows are lists of names if they differ in length and contain more than zeros and ones, or if a text means neither
    yes nor no. Rows without a value do not count.

    Example:
        >>> are_lists_of_names([["edema"], None, []]), are_lists_of_names([["yes", "no"], ["no", "no"]])
        (True, False)
    """
    arrow = hasattr(values, "to_pylist") and not hasattr(values, "columns")
    one_axis = isinstance(values, (list, tuple)) or arrow or len(getattr(values, "shape", ())) == 1
    cells = _cells_of_column(values) if one_axis else []
    rows = [cell for cell in cells if isinstance(cell, _LISTS) or not is_missing(cell)]
    if not all(isinstance(row, _LISTS) and getattr(row, "ndim", 1) == 1 for row in rows):
        return False
    names = [name for row in rows for name in row if not isinstance(name, _LISTS)]
    texts = {name for name in names if isinstance(name, str)}
    if None in [_code_of_level(text, 0, 0) for text in texts]:
        return True
    ragged = len({len(row) for row in rows}) > 1
    return ragged and (bool(texts) or None in [_code_of_level(name, 0, 0) for name in set(names)])


def _cells_of_column(values: Any) -> list[Any]:
    """Return the cells of one column as a list.

    `values` is a series, a list, or a frame or dict with this column only.
    """
    if library_of(values) == "polars" and hasattr(values, "columns"):
        values = values.to_series()
    if isinstance(values, Mapping) or hasattr(values, "columns"):
        values = next(iter(values.values())) if isinstance(values, Mapping) else values.iloc[:, 0]
    if library_of(values) == "polars" and values.dtype.is_nested():
        return list(values.to_arrow().to_pylist())  # `to_list` of lists that came from Arrow crashes polars 1.34
    if hasattr(values, "to_pylist"):  # Arrow
        return list(values.to_pylist())
    return values.to_list() if hasattr(values, "to_list") else list(values)


def _check_label_names(several: Labels) -> None:
    """Raise a TargetError without rows, or with equal names."""
    if not len(several.codes):
        raise TargetError("The target has no rows. Expected one row or more.")
    twice = [name for name in several.classes if several.classes.count(name) > 1]
    if twice:
        raise TargetError(f"Two labels have the name {twice[0]!r}. Give each label its own name.")
