"""The public function `diagnose`: read, measure, show; and the look at the rows that comes before a comparison."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.core.checks import check_choice
from counterpoise.core.examples import Examples
from counterpoise.core.label_columns import as_labels_if_several, split_off_labels, target_columns
from counterpoise.core.label_names import warn_look_alikes
from counterpoise.data.frames import is_table
from counterpoise.data.image_rows import image_examples
from counterpoise.data.image_set import ImageSet
from counterpoise.data.read import read
from counterpoise.data.split import without_rare_labels
from counterpoise.diagnosis.measure import measure
from counterpoise.diagnosis.show import Diagnosis


def diagnose(
    x: Any, y: Any = None, groups: Any = None, time: Any = None, *, folds: int = 5, quick: bool = True, **options: Any
) -> Diagnosis:
    """Measure the imbalance of some data and advise what to do about it.

    The diagnosis takes seconds, even for many rows. No network is trained. With `quick`, a scikit-learn model is
    cross-validated on at most 8,000 rows.

    Args:
        x: A path to a CSV or Parquet file, a frame, arrays, images (`cp.images`), or `Examples` that were read before.
        y: Labels (N,), or the name of the label column. Several labels per row as in `fit`.
        groups: Column name or values (N,) of groups, such as patients. Rows of one group belong together.
        time: Column name or times (N,).
        folds: Number of folds that a comparison would use.
        quick: Whether to train a quick model. It measures the overlap of the classes, finds labels that look wrong, and
            estimates the benefit of twice as many positives. `quick` also looks for nearly equal images and texts.
        **options: Other arguments of `counterpoise.data.read.read`, such as target, positive, drop, and kinds. Rows of
            weight 0 (`sample_weight`) are left out. All other rows count once, and a warning states this.

    Returns:
        A `Diagnosis`. Print it, or use `.record`, `.advice`, `.checks`, `.check()` and `.to_dict()`.

    Raises:
        DataError: The data cannot be used. The message names the column, class or row.

    Example:
        >>> diagnosis = diagnose({"age": [30, 40, 50, 60]}, ["well", "well", "ill", "well"])
        >>> diagnosis.record.minority, diagnosis.record.imbalance_ratio
        ('ill', 3.0)
    """
    if isinstance(x, ImageSet):
        x = image_examples(x, **options)
    examples = x.counted() if isinstance(x, Examples) else _read(x, y, groups=groups, time=time, **options)
    if examples.sample_weight is not None and len(np.unique(examples.sample_weight)) > 1:
        warnings.warn(
            "diagnose counts each row once, although sample_weight= gives the rows unequal weights. Weighted scores "
            "are from cp.compare and cp.evaluate.",
            UserWarning,
            stacklevel=2,
        )
    warn_look_alikes(examples.classes)
    return Diagnosis(measure(examples, folds, quick))


def _read(x: Any, y: Any, target: Any = None, **options: Any) -> Examples:
    """Return rows as `fit` reads them, without labels that are too rare for a split; `target` is a column, or columns.

    Raises:
        DataError: The rows cannot be used.
    """
    if target is None:
        x, y = split_off_labels(x, y)
        target = None if isinstance(y, str) else target_columns(y, is_table(x, table=True))
        y = y if target is None else None
    else:
        target = target_columns(target, table=True) or target
    return without_rare_labels(read(x, target, y, pick=as_labels_if_several, **options))


def before_comparison(examples: Examples, folds: int, duplicates: str, leaks: str) -> Diagnosis:
    """Return facts about the rows before the training of `compare`, with the leakage checks.

    Args:
        examples: The rows.
        folds, duplicates: As in `compare`.
        leaks: "warn", or "error" to refuse rows that may leak.

    Raises:
        LeakError: leaks="error", and a check found something; each finding is named.
    """
    check_choice(leaks, "leaks", ("warn", "error"))
    if examples.y.ndim == 1:
        warn_look_alikes(examples.classes)
    record = measure(examples, folds, near=True)
    grouped = record.duplicates_grouped or duplicates in ("group", "drop")
    diagnosis = Diagnosis(replace(record, duplicates_grouped=grouped))
    return diagnosis.check() if leaks == "error" else diagnosis
