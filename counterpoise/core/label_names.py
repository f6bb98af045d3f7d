"""Labels by name: the class that a label means, and doubts about classes that look alike or mean a missing label.

`find_label` decides which class a label from the command line, a dict or a scored table means. A new way to match may
change what such a label means.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np


def find_label(label: Any, classes: Sequence[Any]) -> int | None:
    """Return the position of a label among classes: by value, text, text without case, or number.

    These ways are tried in this order. A way counts only if exactly one class matches. None if no way does.

    Example:
        >>> find_label("1", (0, 1)), find_label("TRUE", (False, True)), find_label("2", (0, 1))
        (1, 1, None)
    """
    # By value, True is not 1. The later ways compare text and numbers.
    ways: tuple[Any, ...] = (lambda v: (type(v) is bool, v), str, _comparable_text, _as_number)
    for form_of in ways:
        wanted = form_of(label)
        matches = [i for i, c in enumerate(classes) if wanted is not None and form_of(c) == wanted]
        if len(matches) == 1:
            return matches[0]
    return None


#: Texts of truth values, and answers that are truth values among them, -> their number.
_TRUTHS = {"true": 1, "false": 0}
_ANSWERS = {"yes": 1, "no": 0, "y": 1, "n": 0, "t": 1, "f": 0}
#: Words for a missing value that are hardly the name of a class, without capitals.
_MISSING = frozenset(("-", "--", ".", "?", "n/a", "n.a.", "#n/a", "<na>", "nan", "null"))
#: Words that may mean a missing label among numbers; among words they are often a class.
_MISSING_AMONG_NUMBERS = frozenset(("na", "none", "missing", "unknown", "unlabeled", "unlabelled"))


def look_alike_doubt(
    classes: Sequence[Any], name: str = "y", merge: bool = True, words: tuple[str, str] = ("labels", "classes")
) -> str | None:  # fmt: skip
    """Return a sentence about classes that look alike, or None.

    They differ only in case, blanks or the encoding of accents, or are one number or truth value ('1', '01', '1.0',
    'True'). `merge` is whether classes can be merged, which several labels per row cannot. `words` are what the
    sentence calls the texts, and what they are read as: the categories of a column are no labels.

    Example:
        >>> look_alike_doubt(["ill", "Ill ", "well"])
        "y has the labels 'Ill ' and 'ill', which differ only in case or blanks. They are read as different classes.
        If they mean the same, write them in the same way, or merge them with merge_rare=['Ill ', 'ill']."
    """
    groups: dict[str | Decimal, list[str]] = {}
    texts = sorted(c for c in classes if isinstance(c, str))
    for label, key in zip(texts, _comparable_values(texts), strict=True):
        groups.setdefault(key, []).append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return None
    more = f" ({len(alike) - 1} more such groups)" if len(alike) > 1 else ""
    shown, differ = _writer_and_difference(alike[0])
    return (
        f"{name} has the {words[0]} {' and '.join(map(shown, alike[0]))}{more}, which differ only {differ}. They "
        f"are read as different {words[1]}. If they mean the same, write them in the same way"
        + (f", or merge them with merge_rare=[{', '.join(map(shown, alike[0]))}]." if merge else ".")
    )


def first_look_alike(texts: Sequence[str], known: Sequence[str]) -> tuple[str, str] | None:
    """Return the first text that looks like a known label, and this label, or None (see `look_alike_doubt`).

    Example:
        >>> first_look_alike(["Bern", "bonn"], ["Bonn", "Ulm"]), first_look_alike(["Bern"], ["Bonn"])
        (('bonn', 'Bonn'), None)
    """
    keys = _comparable_values([*known, *texts])
    label_of = dict(zip(keys[: len(known)], known, strict=True))
    return next(
        ((text, label_of[key]) for text, key in zip(texts, keys[len(known) :], strict=True) if key in label_of), None
    )


def missing_label_doubt(classes: Sequence[Any], name: str = "y") -> str | None:
    """Return a sentence about a class that may mean a missing label, or None.

    Such a class is a word for a missing value; "none" and "unknown" only where all other classes are numbers. Two
    classes are both taken as they are, and so is "-" next to "+".

    Example:
        >>> missing_label_doubt(["ill", "n/a", "well"])
        "y has the label 'n/a', which is read as a class. If this label means that the true label is missing, leave
        these rows out."
        >>> missing_label_doubt(["+", "-"]) is missing_label_doubt(["+", "++", "-"]) is None
        True
    """
    label = next((c for c in classes if isinstance(c, str) and _comparable_text(c) in _MISSING), None)
    words = [c for c in classes if isinstance(c, str) and _as_number(c) is None]
    if label is None and len(words) == 1 and _comparable_text(words[0]) in _MISSING_AMONG_NUMBERS:
        label = words[0]
    if label is None or len(classes) < 3 or (label == "-" and "+" in classes):
        return None
    return (
        f"{name} has the label {label!r}, which is read as a class. If this label means that the true label "
        "is missing, leave these rows out."
    )


def warn_look_alikes(classes: Sequence[Any], name: str = "y") -> None:
    """Warn of classes that `look_alike_doubt` and `missing_label_doubt` name (`UserWarning`)."""
    for sentence in label_doubts(classes, name):
        warnings.warn(sentence, UserWarning, stacklevel=3)


def label_doubts(classes: Sequence[Any], name: str = "y") -> list[str]:
    """Return the sentences of `look_alike_doubt` and `missing_label_doubt` about classes, for the user.

    Example:
        >>> label_doubts(["ill", "well"])
        []
    """
    return [text for text in (look_alike_doubt(classes, name), missing_label_doubt(classes, name)) if text is not None]


def _writer_and_difference(alike: Sequence[str]) -> tuple[Callable[[str], str], str]:
    """Return a function that writes labels that look alike, and in words what differs.

    The function is `repr`, or `ascii` if the difference is invisible.
    """
    if len(set(map(compose_accents, alike))) == 1:
        return ascii, "in how accents are encoded"
    if len({" ".join(label.split()).casefold() for label in alike}) == 1:
        return repr, "in case or blanks"
    if len(set(map(_comparable_text, alike))) > 1:
        return repr, "in how a value is written"
    return ascii, "in invisible characters or in how letters are encoded"


def _comparable_values(texts: Sequence[str]) -> list[str | Decimal]:
    """Return the number of each label that is a number or a truth value, and the comparable text of the others.

    Truth values are true and false. Yes, no and the first letters of all four are truth values only if there are no
    other labels than truth values, and not only letters: F and N are codes of something else.
    """
    plain = [_comparable_text(text) for text in texts]
    numbers = [_as_number(text) for text in plain]
    answers = _TRUTHS | _ANSWERS
    only = all(text in answers or number in (0, 1) for text, number in zip(plain, numbers, strict=True))
    truths = answers if only and not all(text.isalpha() and len(text) == 1 for text in plain) else _TRUTHS
    values = [Decimal(truths[text]) if text in truths else number for text, number in zip(plain, numbers, strict=True)]
    return [text if value is None else value for text, value in zip(plain, values, strict=True)]


def _comparable_text(label: Any) -> str:
    """Return a label as text in one form, to compare it with others.

    Case, extra blanks, invisible characters and the encoding of letters do not count.
    """
    letters = unicodedata.normalize("NFKC", compose_accents(label))
    visible = "".join(c for c in letters if unicodedata.category(c) != "Cf")
    return " ".join(visible.split()).casefold()


def compose_accents(label: Any) -> str:
    """Return a label as text in which each accented letter is one character (Unicode form NFC).

    Some systems write such a letter as two characters, the letter and its accent.
    """
    return unicodedata.normalize("NFC", str(label))


def _as_number(label: Any) -> Decimal | None:
    """Return a label as a finite number, or None. All digits count: as floats, two long numbers would be equal."""
    try:
        number = Decimal(str(int(label) if isinstance(label, (bool, np.bool_)) else label))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
