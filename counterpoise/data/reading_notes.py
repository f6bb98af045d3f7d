"""Sentences for the user about rows that were read: columns, labels, leaks, duplicates, lost digits.

They become `Examples.warnings`. Nothing is decided here, and no row is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.duplicates import count_duplicates
from counterpoise.core.labels import Labels
from counterpoise.core.leaks import LEAK_ROC_AUC, leak_scores
from counterpoise.core.schema import Schema
from counterpoise.data.cycles import named_parts
from counterpoise.data.kinds import InferredColumn
from counterpoise.data.precision import lost_digit_notes

#: Notes on columns that are shown; nobody reads thousands.
MOST_NOTES = 50


def column_notes(columns: Sequence[InferredColumn]) -> list[str]:
    """Return at most `MOST_NOTES` notes on columns, and one more if notes are left out.

    A note that more than three columns share is written once. Notes on constant columns are left out: the schema lists
    these columns among those that are not used.
    """
    names_of: dict[str, list[str]] = {}
    for inferred in columns:
        # A note begins with the name of its column; the rest of the sentence is the key.
        name = inferred.column.name
        if inferred.column.kind == "constant":
            continue
        for note in inferred.notes:
            names_of.setdefault(note.removeprefix(f"Column {name!r} "), []).append(name)
    sentences = []
    for rest, names in names_of.items():
        if len(names) > 3:
            shown = ", ".join(repr(n) for n in names[:3])
            sentences.append(f"Each of {len(names):,} columns ({shown}, ...) {rest}")
        else:
            sentences += [f"Column {name!r} {rest}" for name in names]
    if len(sentences) <= MOST_NOTES:
        return sentences
    more = (
        f"{len(sentences) - MOST_NOTES:,} more notes about columns are not shown. The last of them is: {sentences[-1]}"
    )
    return [*sentences[:MOST_NOTES], more]


def leak_notes(x: Mapping[str, np.ndarray], labels: Labels, schema: Schema) -> list[str]:
    """Return a note for each column of a table that alone nearly gives the label away.

    The scores and the limit are those of `core.leaks`.
    """
    arrays, names = named_parts(schema, x)
    return [
        f"Column {names[group][j]!r} alone predicts {what} almost perfectly (ROC AUC {area:.3f}), which may be a "
        f"leak. Use the column only if it is known before the label. Otherwise leave it out (--drop)."
        for what, scores in leak_scores(arrays, labels.codes, labels.classes)
        for (group, j), area in scores.items()
        if area > LEAK_ROC_AUC
    ]


def blank_label_notes(y: np.ndarray, classes: Sequence[object]) -> list[str]:
    """Return a note for each label whose missing values probably mean that it is absent.

    This is probable if values are missing and more than half of the others are 1.

    Example:
        >>> blank_label_notes(np.array([[1, 0], [1, 0], [-1, 1]]), ("edema", "mass"))[0][:62]
        "The label 'edema' is 1 in 2 of the 2 rows where it is known, a"
    """
    notes = []
    for label, column in zip(classes, y.T if y.ndim > 1 else (), strict=False):
        known, positive = int((column >= 0).sum()), int((column == 1).sum())
        if known < len(column) and positive > known / 2:
            notes.append(
                f"The label {label!r} is 1 in {positive:,} of the {known:,} rows where it is known, and "
                f"missing in {len(column) - known:,} rows. A missing value may mean that the label is absent. "
                'If so, use cp.labels(..., missing="absent").'
            )
    return notes


def rarer_class_notes(
    classes: Sequence[object], rows: Sequence[float], counted: Sequence[float], where: str
) -> list[str]:
    """Return a list with a sentence if the positive one of two classes is the more frequent one, or an empty list.

    Args:
        classes: The labels, the positive one last.
        rows: Number of rows of each class, by which the rarer class became the positive one. If it did not, the user
            chose the positive class, and there is no note.
        counted: How much each class counts.
        where: The begin of the sentence.

    Example:
        >>> rarer_class_notes(["ill", "ok"], [60, 40], [60, 4000], "By weight,")[0]
        "By weight, 'ill' is rarer than the positive class 'ok'. To score 'ill', pass positive='ill' (--positive ill)."
    """
    if len(classes) != 2 or rows[1] > rows[0] or counted[1] <= counted[0] * (1 + 1e-6):  # balanced weights are ties
        return []
    rare, positive = (str(label) for label in classes)
    return [
        f"{where} {rare!r} is rarer than the positive class {positive!r}. To score {rare!r}, "
        f"pass positive={rare!r} (--positive {rare})."
    ]


def duplicate_notes(duplicate_ids: np.ndarray, y: np.ndarray) -> list[str]:
    """Return a note on how many rows repeat the features of an earlier row."""
    repeated, conflicting = count_duplicates(duplicate_ids, y)
    if not repeated:
        return []
    text = f"{repeated:,} of {len(y):,} rows ({100 * repeated / len(y):.1f}%) repeat an earlier row"
    return [text + (f"; {conflicting:,} rows have a duplicate with another label." if conflicting else ".")]


def digit_notes(x: Any) -> list[str]:
    """Return notes on columns of flat arrays with more digits than float32 can store.

    Networks compute in float32. `x` is an array, or a dict or tuple of arrays. Only NumPy arrays (N, d) of float64,
    int64 or uint64 are looked at.
    """
    inputs = x if isinstance(x, Mapping) else dict(enumerate(x)) if isinstance(x, tuple) else {"x": x}
    flat = {name: array for name, array in inputs.items() if array.ndim == 2 and isinstance(array, np.ndarray)}
    wide = {name: array for name, array in flat.items() if array.dtype.name in ("float64", "int64", "uint64")}
    return lost_digit_notes(
        (f"{name}[:, {j}]", column) for name, array in wide.items() for j, column in enumerate(array.T)
    )
