"""The public function `diagnose`: read, measure, show; and the look at the rows that comes before a comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from counterpoise.core.checks import check_choice
from counterpoise.core.examples import Examples
from counterpoise.core.label_names import warn_look_alikes
from counterpoise.data.image_rows import examples_of
from counterpoise.data.image_set import ImageSet
from counterpoise.data.read import read
from counterpoise.diagnosis.measure import measure
from counterpoise.diagnosis.show import Diagnosis


def diagnose(
    x: Any, y: Any = None, groups: Any = None, time: Any = None, *, folds: int = 5, quick: bool = True, **options: Any
) -> Diagnosis:
    """Measure the imbalance of some data and advise what to do about it.

    A look at the rows, and with `quick` a scikit-learn model inside folds on at most 8,000 of them: seconds, however
    many rows there are. No network is trained.

    Args:
        x: A path to CSV or Parquet, a frame, arrays, images (`cp.images`), or `Examples` that were read before.
        y: Labels (N,), or the name of the label column.
        groups: Column name or (N,) values: rows that belong together.
        time: Column name or (N,) times.
        folds: Folds that a comparison would use.
        quick: Whether to train that model: overlap of the classes, labels that look wrong, whether twice the
            positives would help; and whether to look for nearly equal images and texts.
        **options: Further arguments of `counterpoise.data.read.read`: target, positive, drop, kinds, ...

    Returns:
        A `Diagnosis`: print it, or use `.record`, `.advice`, `.checks`, `.check()` and `.to_dict()`.

    Raises:
        DataError: The data cannot be used (column, class or row named).

    Example:
        >>> diagnosis = diagnose({"age": [30, 40, 50, 60]}, ["well", "well", "ill", "well"])
        >>> diagnosis.record.minority, diagnosis.record.imbalance_ratio
        ('ill', 3.0)
    """
    if isinstance(x, ImageSet):
        x = examples_of(x, **options)
    examples = x if isinstance(x, Examples) else read(x, y=y, groups=groups, time=time, **options)
    warn_look_alikes(examples.classes)
    return Diagnosis(measure(examples, folds, quick))


def before_comparison(examples: Examples, folds: int, duplicates: str, leaks: str) -> Diagnosis:
    """Facts about the rows before training, with the leakage checks.

    Args:
        examples: The rows.
        folds, duplicates: As in `compare`.
        leaks: "warn", or "error" to refuse rows that may leak.

    Raises:
        LeakError: leaks="error", and something asks for a look; each finding is named.
    """
    check_choice(leaks, "leaks", ("warn", "error"))
    if examples.y.ndim == 1:
        warn_look_alikes(examples.classes)
    record = measure(examples, folds, near=True)
    grouped = record.duplicates_grouped or duplicates in ("group", "drop")
    diagnosis = Diagnosis(replace(record, duplicates_grouped=grouped))
    return diagnosis.check() if leaks == "error" else diagnosis
