"""Measures the imbalance. `show` prints the numbers, `advise` gives advice, and `leak_checks` checks for leaks.

All rows are seen here, test rows too, because nothing is trained that a comparison uses. The fields of the record are
the keys of `Diagnosis.to_dict` and of `counterpoise diagnose --json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.checks import check_int
from counterpoise.core.duplicates import count_duplicates
from counterpoise.core.examples import IMAGE, Examples
from counterpoise.core.folds import largest_folds
from counterpoise.core.fork_guard import use
from counterpoise.core.leaks import LEAK_ROC_AUC, leak_scores
from counterpoise.core.proportions import wilson
from counterpoise.core.seeds import generator
from counterpoise.core.structure import subset
from counterpoise.data.cycles import named_parts
from counterpoise.diagnosis.features import texts_of
from counterpoise.diagnosis.near import near_duplicates
from counterpoise.diagnosis.neighbors import minority_kinds
from counterpoise.diagnosis.quick import QuickLook, quick_look

Array = np.ndarray

#: The recall at which the width of intervals is reported.
RECALL = 0.8
#: Columns that are each compared with the label; wider arrays are more like images.
MOST_COLUMNS = 2_000
#: Images or texts that are compared with each other.
MOST_COMPARED = 20_000
#: Kind of a column that is left out -> the reason in words.
_WHY_EXCLUDED = {
    "identifier": "looks like an identifier",
    "text": "is free text",
    "constant": "has one value",
    "missing": "has no value",
}


@dataclass(frozen=True)
class ClassCount:
    """One class: its label as text, its rows, and its share of all rows.

    Of a class per element the rows that contain it, and its share of all elements.
    """

    label: str
    count: int
    share: float


@dataclass(frozen=True)
class DiagnosisRecord:
    """The result of `measure`.

    Attributes:
        source: Where the rows come from.
        rows: Number of rows.
        columns: Number of columns (tables) or of inputs.
        classes: Count and share per class, in the order of the codes.
        minority: Label of the class of interest: the positive of two, else the rarest.
        imbalance_ratio: Largest class count / smallest class count.
        majority_accuracy: Accuracy of always naming the largest class.
        used: Names of the columns that are learned from.
        excluded: Column -> why it is left out.
        missing: Column -> number of missing values, where there are any.
        duplicates: Rows that repeat an earlier row (label left out); None when they cannot be compared.
        conflicting: Rows that have a duplicate with another label; None likewise.
        folds: Number of folds that the next three are for.
        positives_per_fold: Expected rows of the minority in one test fold.
        half_width_fold: Half-width of the 95% Wilson interval of a recall of 0.8 in one fold.
        half_width_total: The same over all folds together.
        largest_folds: Most folds that the rarest class supports (one row of it in each test fold, two in
            the training rows of each fold); below 2 when it supports none.
        kinds: Minority rows by neighborhood: safe, borderline, rare, outlier; or None (see `minority_kinds`).
        leaks: Column -> ROC AUC of that column alone, where above 0.99; a column of an array is called `x[:, 3]`. None
            where there are no columns to test.
        groups: Number of groups, or None.
        time: Whether rows have a time.
        warnings: What was noticed while reading.
        duplicates_grouped: Whether equal rows are one group.
        near: Rows that repeat an earlier row, and images or texts that are nearly equal to an earlier one. The latter
            are counted among `compared` rows. None where rows are neither images nor texts.
        near_grouped: Whether nearly equal rows are always in one group.
        quick: What a quick model reports (see `quick_look`), or None.
        per_element: Whether there is a class per element (pixel or step). `share`, `imbalance_ratio`, and
            `majority_accuracy` are then of elements, and `count` and the folds of rows that contain a class.
    """

    source: str
    rows: int
    columns: int
    classes: tuple[ClassCount, ...]
    minority: str
    imbalance_ratio: float
    majority_accuracy: float
    used: tuple[str, ...]
    excluded: Mapping[str, str]
    missing: Mapping[str, int]
    duplicates: int | None
    conflicting: int | None
    folds: int
    positives_per_fold: float
    half_width_fold: float
    half_width_total: float
    largest_folds: int
    kinds: Mapping[str, int] | None
    leaks: Mapping[str, float] | None
    groups: int | None = None
    time: bool = False
    warnings: tuple[str, ...] = ()
    duplicates_grouped: bool = False
    near: int | None = None
    near_grouped: bool = False
    quick: QuickLook | None = None
    per_element: bool = False

    @property
    def prior(self) -> tuple[float, ...]:
        """Shares of the classes, in the order of the codes."""
        return tuple(c.share for c in self.classes)

    @property
    def compared(self) -> int:
        """Number of images or texts that are compared with each other: at most `MOST_COMPARED`, randomly drawn."""
        return min(self.rows, MOST_COMPARED)

    @property
    def minority_count(self) -> int:
        """Number of rows of the class `minority`."""
        return next(c.count for c in self.classes if c.label == self.minority)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the prior as values that JSON can contain."""
        plain = asdict(self)
        plain["classes"] = [asdict(c) for c in self.classes]
        return {**plain, "used": list(self.used), "warnings": list(self.warnings), "prior": list(self.prior)}


def measure(examples: Examples, folds: int = 5, quick: bool = False, near: bool | None = None) -> DiagnosisRecord:
    """Measure the imbalance of some rows.

    Args:
        examples: The rows.
        folds: Folds that a later comparison would use.
        quick: Whether to train a quick model: a few seconds.
        near: Whether to look for nearly equal images and texts; None: as `quick`.

    Example:
        >>> rows = Examples(np.arange(100.0)[:, None], np.repeat([0, 1], [90, 10]), ("no", "yes"))
        >>> record = measure(rows)
        >>> record.minority, record.imbalance_ratio, record.positives_per_fold, record.largest_folds
        ('yes', 9.0, 2.0, 10)
    """
    use("scikit-learn")
    check_int(folds, "folds", minimum=2)
    if examples.kind == "elements":
        elements = np.array([np.count_nonzero(examples.y == code) for code in range(examples.n_classes)])
        return _record(
            examples, elements, int(np.argmin(elements)), folds, quick if near is None else near,
            used=(), excluded={}, missing={}, kinds=None, leaks=None, per_element=True,
        )  # fmt: skip
    if examples.y.ndim > 1:
        return _labels_record(examples, folds, quick, near)
    return _classes_record(examples, folds, quick, near, _leaking_columns(examples))


def _classes_record(
    examples: Examples, folds: int, quick: bool, near: bool | None, leaks: Mapping[str, float] | None
) -> DiagnosisRecord:
    """Return the record for rows with one class each; `leaks` is that of `_leaking_columns`."""
    code, schema = examples.positive, examples.schema
    look = quick_look(examples, code) if quick else None
    if look is not None and examples.numbers is not None:
        named = examples.numbers[list(look.suspicion.rows)]
        look = replace(look, suspicion=replace(look.suspicion, rows=tuple(named.tolist())))
    return _record(
        examples, examples.counts, code, folds, quick if near is None else near,
        used=() if schema is None else tuple(c.name for c in schema.columns if c.used),
        excluded={} if schema is None else {c.name: _WHY_EXCLUDED[c.kind] for c in schema.excluded},
        missing={} if schema is None else {c.name: c.missing for c in schema.columns if c.missing},
        kinds=minority_kinds(examples, code), leaks=leaks,
        quick=look,
    )  # fmt: skip


def _record(examples: Examples, sizes: Array, code: int, folds: int, near: bool, **more: Any) -> DiagnosisRecord:
    """Return the record for rows with one class each, or with a class per element.

    Args:
        examples: The rows.
        sizes: (C,), rows or elements of each class.
        code: The class of interest.
        folds: Folds that a later comparison would use.
        near: Whether to look for nearly equal images and texts.
        **more: The other fields of the record, which depend on the kind of rows.
    """
    rows, shares = examples.counts, sizes / sizes.sum()
    duplicates, conflicting = _duplicates(examples)
    near_rows, near_grouped = _near_duplicates(examples) if near else (None, False)
    return DiagnosisRecord(
        source=examples.source,
        rows=len(examples),
        columns=_n_columns(examples),
        classes=tuple(
            ClassCount(str(label), int(n), float(share))
            for label, n, share in zip(examples.classes, rows, shares, strict=True)
        ),
        minority=str(examples.classes[code]),
        imbalance_ratio=float(sizes.max() / max(sizes.min(), 1)),
        majority_accuracy=float(shares.max()),
        duplicates=duplicates,
        conflicting=conflicting,
        folds=folds,
        positives_per_fold=int(rows[code]) / folds,
        half_width_fold=half_width(int(rows[code]) / folds),
        half_width_total=half_width(int(rows[code])),
        largest_folds=largest_folds(int(rows.min())),
        groups=None if examples.groups is None else len(np.unique(examples.groups)),
        time=examples.time is not None,
        warnings=examples.warnings,
        duplicates_grouped=_duplicates_within_groups(examples.groups, examples.duplicate_ids),
        near=near_rows,
        near_grouped=near_grouped,
        **more,
    )


def _duplicates(examples: Examples) -> tuple[int | None, int | None]:
    """Return the number of duplicate rows, and of rows with conflicting labels.

    The first counts rows that repeat an earlier row, the second rows with a duplicate that has another label.
    Both are None if rows cannot be compared.
    """
    return (None, None) if examples.duplicate_ids is None else count_duplicates(examples.duplicate_ids, examples.y)


def _labels_record(examples: Examples, folds: int, quick: bool, near: bool | None) -> DiagnosisRecord:
    """Return the record for several labels per row.

    Two-class measures are computed for the rarest label, on the rows where it is known. In `classes`, each label has
    its number of positive rows, and their share of the rows where the label is known.
    """
    rarest = int(np.argmin(examples.counts))
    known = examples.y >= 0
    rows, label = np.flatnonzero(known[:, rarest]), str(examples.classes[rarest])
    metadata = {name: getattr(examples, name) for name in ("groups", "time", "sample_weight", "duplicate_ids", "split")}
    of_rows: dict[str, Any] = {name: None if values is None else values[rows] for name, values in metadata.items()}
    rarest_alone = replace(
        examples, x=subset(examples.x, rows), y=examples.y[rows, rarest], classes=(f"not {label}", label),
        kind="one_of", units=None, numbers=rows if examples.numbers is None else examples.numbers[rows], **of_rows,
    )  # fmt: skip
    duplicates, conflicting = _duplicates(examples)
    shares = zip(examples.classes, examples.counts, known.sum(axis=0), strict=True)
    one = _classes_record(rarest_alone, folds, quick, near=False, leaks=_leaking_columns(examples))
    near_rows, near_grouped = _near_duplicates(examples) if (quick if near is None else near) else (None, False)
    return replace(
        one,
        rows=len(examples),
        classes=tuple(ClassCount(str(name), int(n), float(n / max(1, of))) for name, n, of in shares),
        duplicates=duplicates,
        conflicting=conflicting,
        groups=None if examples.groups is None else len(np.unique(examples.groups)),
        duplicates_grouped=_duplicates_within_groups(examples.groups, examples.duplicate_ids),
        near=near_rows,
        near_grouped=near_grouped,
    )


def _duplicates_within_groups(groups: Array | None, duplicate_ids: Array | None) -> bool:
    """Return whether equal rows (equal `duplicate_ids`, (N,)) are always in one group.

    The result is False if either array is None.
    """
    if groups is None or duplicate_ids is None:
        return False
    # If each id occurs with one group only, there are as many different pairs as ids.
    pairs = np.unique(np.stack([duplicate_ids, groups]), axis=1).shape[1]
    return bool(pairs == len(np.unique(duplicate_ids)))


def _near_duplicates(examples: Examples) -> tuple[int | None, bool]:
    """Count the rows that are equal or nearly equal to an earlier row, and return whether these share a group.

    At most `MOST_COMPARED` randomly drawn rows are compared; equal rows are counted among all rows. The result is
    (None, False) if the rows are not images or texts.
    """
    x = examples.x[IMAGE] if examples.schema is not None and IMAGE in examples.x else examples.x
    if isinstance(x, (dict, tuple, list)):
        return None, False
    rows = np.arange(len(examples))
    if len(rows) > MOST_COMPARED:
        rows = np.sort(generator(0, "near rows").choice(rows, MOST_COMPARED, replace=False))
    texts = texts_of(examples, rows)
    near = near_duplicates(texts if texts is not None else subset(x, rows))
    if near is None:
        return None, False
    groups = None if examples.groups is None else examples.groups[rows]
    ids, (equal, _) = examples.duplicate_ids, _duplicates(examples)
    # One of several equal rows, so that only rows that are nearly equal, but not equal, are counted.
    distinct = near if ids is None else near[np.unique(ids[rows], return_index=True)[1]]
    return (equal or 0) + len(distinct) - len(np.unique(distinct)), _duplicates_within_groups(groups, near)


def half_width(n: float) -> float:
    """Return the half-width of the 95% Wilson interval of a recall of 0.8 among n rows.

    It is 0.5 for no rows.

    Example:
        >>> round(half_width(50), 3), round(half_width(1000), 3)
        (0.109, 0.025)
    """
    low, high = wilson(RECALL * n, n)
    return float(high - low) / 2


def _n_columns(examples: Examples) -> int:
    """Return the number of columns of a table, or else the number of inputs."""
    if examples.schema is not None:
        return len(examples.schema.columns)
    return len(examples.x) if isinstance(examples.x, (dict, tuple)) else 1


def _leaking_columns(examples: Examples) -> dict[str, float] | None:
    """Return the name and ROC AUC of each column that alone nearly determines the label.

    The result is None if there are no columns, or more than `MOST_COLUMNS`.
    """
    arrays, names = _testable_columns(examples)
    if not 0 < sum(map(len, names.values())) <= MOST_COLUMNS:
        return None
    return {
        names[key][j]: area
        for _, scores in leak_scores(arrays, examples.y, examples.classes)
        for (key, j), area in scores.items()
        if area > LEAK_ROC_AUC
    }


def _testable_columns(examples: Examples) -> tuple[Mapping[str, np.ndarray], dict[str, list[str]]]:
    """Return arrays (N, d) by name, and for each array the names of its d columns.

    The arrays are the parts of a table, or the numeric inputs with at most two axes as float64.
    """
    schema = examples.schema
    if schema is not None:
        return named_parts(schema, examples.x)
    inputs = {f"input {i}": part for i, part in enumerate(examples.x)} if isinstance(examples.x, tuple) else examples.x
    inputs = inputs if isinstance(inputs, Mapping) else {"x": inputs}
    flat = {str(k): v for k, v in inputs.items() if isinstance(v, np.ndarray) and v.dtype.kind in "fiub" and v.ndim < 3}
    # As float64: float32 would make one value of many, and a leak would not be seen.
    arrays = {name: v.reshape(len(v), -1).astype(np.float64, copy=False) for name, v in flat.items()}
    return arrays, {
        name: [name if flat[name].ndim == 1 else f"{name}[:, {j}]" for j in range(v.shape[1])]
        for name, v in arrays.items()
    }
