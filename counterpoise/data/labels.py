"""The classes of a task: labels as they were read, typed, merged, and which class is the positive one.

Training, validation and resampling read labels by it. Model files keep the classes in this order; the positive one of
two is the last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError, TargetError, did_you_mean
from counterpoise.core.label_names import find_label
from counterpoise.core.labels import Labels, class_labels

#: More distinct labels than this are a number to predict, when they come as floats.
MOST_FLOAT_CLASSES = 50
#: Characters of a whole number that 64 bits hold for sure.
MOST_DIGITS = 18
#: Arguments of `encode_labels` that name classes.
LABEL_OPTIONS = ("positive", "one_vs_rest", "merge_rare")

_MISSING_ADVICE = "Fill in the labels, or leave these rows out with skip_bad (--skip-bad)."
#: What to do with targets that are not one class per row.
SEVERAL = (
    " fit and compare take one class per row, several labels per row (zeros and ones (N, L), see cp.labels), or a "
    "class per pixel or step (see cp.elements). For several outputs, compile your own model with cp.compile_balanced."
)
_WHOLE = re.compile(r"[-+]?\d+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def encode_labels(
    values: Any,
    positive: Any = None,
    one_vs_rest: Any = None,
    merge_rare: Sequence[Any] = (),
    written: bool = False,
    name: str = "",
) -> Labels:
    """Return labels as class codes.

    Order of work: read the labels (see `core.labels`), merge `merge_rare` into one class named 'L1+L2+...', merge all
    but `one_vs_rest` into 'not L', put the positive class of two last. Merged classes turn all labels into text.
    A label is found by its value or by its text: "1" finds 1, and "true" finds True.

    Args:
        values: One label per row, or `Labels` that were read before.
        positive: The class of interest of two (code 1). Default: `one_vs_rest`, else the rarer one.
        one_vs_rest: The class to compare with all others.
        merge_rare: Two or more classes to merge.
        written: The labels are the text of a file: whole numbers and True/False get their type back.
        name: What messages call the target; "": the name of the series, or y.

    Raises:
        TargetError: Labels are missing, of one class only, or numbers rather than classes; an unknown label.
        OptionError: `positive` with more than two classes, or fewer than two classes to merge.

    Example:
        >>> labels = encode_labels(["no", "yes", "no"])
        >>> labels.classes, labels.codes.tolist()
        (('no', 'yes'), [0, 1, 0])
    """
    name = name or str(getattr(values, "name", None) or "y")
    labels = read_target(values, name)
    labels = _checked_classes(_with_written_types(labels, name) if written else labels, name)
    if len(labels.classes) < 2:
        raise TargetError(
            f"Target {name!r} has one class only ({labels.classes[0]!r}). Expected two classes or "
            f"more. Pass rows of other classes."
        )
    if merge_rare:
        labels = _merge_classes(labels, merge_rare, name)
    if one_vs_rest is not None:
        labels = _one_vs_rest(labels, one_vs_rest, name)
        positive = labels.classes[1] if positive is None else positive
    return _positive_last(labels, positive, name)


def encode_with_options(labels: Labels, options: Mapping[str, Any], written: bool = False, name: str = "") -> Labels:
    """Return the labels as classes (see `encode_labels`); several labels per row, and elements, as they are.

    Args:
        labels: What was read.
        options: "positive", "one_vs_rest" and "merge_rare" -> what was given.
        written, name: As in `encode_labels`.

    Raises:
        OptionError: an option for one class per row, and several labels. TargetError: lists that name one label only.
    """
    if labels.kind == "one_of":
        return encode_labels(labels, **options, written=written, name=name)
    given = [option for option, value in options.items() if value is not None and value != ()]
    if given:
        what = "several labels" if labels.kind == "labels" else "a class per element (pixel or step)"
        raise OptionError(f"{given[0]}= is for one class per row, but the target has {what}. Remove {given[0]}=.")
    if labels.kind == "labels" and len(labels.classes) < 2:
        raise TargetError(f"The target has {len(labels.classes)} labels. Expected two labels or more.")
    return labels


def read_target(values: Any, name: str, missing: bool = False) -> Labels:
    """Return the labels of a task, one class per row, of any kind (see `core.labels`).

    With `missing`, rows without a label have the code -1; otherwise they raise a TargetError, as does a mapping.
    """
    if isinstance(values, Mapping):
        raise TargetError(f"Target {name!r} is a {type(values).__name__}. Expected one class label per row.{SEVERAL}")
    return class_labels(values, f"Target {name!r}", missing=missing, advice=_MISSING_ADVICE, several=SEVERAL)


def _with_written_types(labels: Labels, name: str) -> Labels:
    """Return text labels as the booleans or the numbers that all of them spell.

    All other labels stay text, such as '01', which a whole number would not be written as.
    """
    classes = labels.classes
    if not all(isinstance(c, str) for c in classes):
        return labels
    if all(c in ("True", "False") for c in classes):  # other spellings stay text, to be written as they were
        return read_target(np.array([c == "True" for c in classes])[labels.codes], name)
    if all(_WHOLE.fullmatch(c) for c in classes):
        # '01' is a code whose zero matters, and a long number would lose digits; they stay text.
        if max(map(len, classes)) > MOST_DIGITS or [str(int(c)) for c in classes] != list(classes):
            return labels
        return read_target(np.array([int(c) for c in classes])[labels.codes], name)
    if all(_NUMBER.fullmatch(c) for c in classes):
        return read_target(np.array([float(c) for c in classes])[labels.codes], name)
    return labels


def _checked_classes(labels: Labels, name: str) -> Labels:
    """Return the labels; raise a TargetError if they are numbers to predict or hardly repeat.

    Both need more than `MOST_FLOAT_CLASSES` distinct labels; labels that hardly repeat are more than half of the rows.
    """
    distinct = len(labels.classes)
    if labels.from_floats and distinct > MOST_FLOAT_CLASSES:
        raise TargetError(
            f"Target {name!r} contains numbers that are not classes ({distinct:,} distinct values). Convert "
            f"the target to classes first, for example {name} > limit, or cut it into ranges."
        )
    if distinct > MOST_FLOAT_CLASSES and distinct > len(labels) / 2:
        raise TargetError(
            f"Target {name!r} has {distinct:,} different values in {len(labels):,} rows, so each class has one row. "
            f"Check that this is the right column."
        )
    return labels


def _code_of(label: Any, labels: Labels, name: str, option: str) -> int:
    """Return the code of a class; raise a TargetError naming the option if there is none."""
    code = find_label(label, labels.classes)
    if code is None:
        raise TargetError(f"{option}={label!r} is not a class of target {name!r}.{did_you_mean(label, labels.classes)}")
    return code


def _merge_classes(labels: Labels, wanted: Sequence[Any], name: str) -> Labels:
    """Return labels with several classes merged into one, named A+B, in the place of A.

    All classes become text. Fewer than two classes to merge raise an OptionError, and all of them a TargetError.
    """
    named = (wanted,) if isinstance(wanted, str) else wanted  # a text is one class, not its letters
    codes = [_code_of(label, labels, name, "merge_rare") for label in named]
    if len(set(codes)) < 2:
        raise OptionError(f"merge_rare= contains {len(set(codes))} class. Pass at least two (--merge-rare A,B).")
    merged = "+".join(str(labels.classes[p]) for p in dict.fromkeys(codes))
    keep = [i for i in range(len(labels.classes)) if i not in codes[1:]]
    code = {old: new for new, old in enumerate(keep)}
    table = np.array([code.get(i, code[codes[0]]) for i in range(len(labels.classes))], dtype=np.int32)
    classes = tuple(merged if i == codes[0] else str(labels.classes[i]) for i in keep)
    if len(classes) < 2:
        raise TargetError(
            f"merge_rare= merges all classes of target {name!r} into one ({merged}). Leave out at least one class."
        )
    return labels.mapped(table, classes)


def _one_vs_rest(labels: Labels, wanted: Any, name: str) -> Labels:
    """Return labels of two classes: 'not L' (code 0) for all others, and L (code 1)."""
    code = _code_of(wanted, labels, name, "one_vs_rest")
    label = str(labels.classes[code])
    return labels.mapped(np.arange(len(labels.classes)) == code, (f"not {label}", label))


def _positive_last(labels: Labels, positive: Any, name: str) -> Labels:
    """Return labels whose positive class of two has code 1: `positive`, else the rarer one.

    More than two classes stay as they are, and `positive` then raises an OptionError.
    """
    if len(labels.classes) > 2:
        if positive is not None:
            shown = ", ".join(str(c) for c in labels.classes[:20])
            raise OptionError(
                f"positive={positive!r} needs two classes, but target {name!r} has {len(labels.classes)}: "
                f"{shown}. Use one_vs_rest= (--one-vs-rest {positive}) to compare one class with all others."
            )
        return labels
    counts = labels.counts
    code = _code_of(positive, labels, name, "positive") if positive is not None else int(counts[1] <= counts[0])
    return labels if code == 1 else labels.mapped(np.array([1, 0]), labels.classes[::-1])
