"""The aim of a threshold, as a small value that can be printed and parsed.

The text of an aim is saved in rules, and so in model files: `Aim.parse` must read every text that `str` has written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.titles import metric_name

#: name, as saved in rules -> (what a new class prior does to its threshold, smallest and largest number of values).
#: "moves": recall and specificity stay, so the threshold moves with the probabilities.
#: "stays": the same probability is right under every prior. "again": it is chosen again on the stored scores.
AIMS: dict[str, tuple[str, int, int]] = {
    "argmax": ("stays", 0, 0),
    "given": ("stays", 0, 0),
    "cost": ("stays", 2, 10_000),
    "costs": ("stays", 0, 0),
    "balanced_accuracy": ("moves", 0, 0),
    "youden": ("moves", 0, 0),
    "g_mean": ("moves", 0, 0),
    "recall_floor": ("moves", 1, 10_000),
    "lesion_false_positives": ("moves", 1, 1),
    "f1": ("again", 0, 0),
    "f_beta": ("again", 1, 1),
    "mcc": ("again", 0, 0),
    "precision_floor": ("again", 1, 1),
    "alerts": ("again", 2, 2),
}
#: Names of aims of whole rows with a class per element: their thresholds are chosen on connected regions.
WHOLE_ROW_AIMS = ("lesion_false_positives",)


@dataclass(frozen=True)
class Aim:
    """The aim of a threshold: a name from `AIMS` and its numbers.

    argmax: the most probable class (with two classes, the threshold 0.5). given: a threshold set by hand. cost(fp, fn):
    the lowest expected cost. With C values, cost gives the cost of missing each class. balanced_accuracy and youden:
    the highest mean recall of the classes. g_mean: the highest geometric mean of their recalls. recall_floor(r): the
    fewest alerts with a recall of at least r. With C values, recall_floor gives one recall per class (0 for none), and
    the decision is as near to f1 as these recalls allow. f1, f_beta(b), mcc: the highest value of this score.
    precision_floor(p): the highest recall with a precision of at least p. alerts(k, n): at most k alerts per n rows.
    lesion_false_positives(f): for a class per pixel, the most lesions found with at most f false positives per image.

    Raises:
        OptionError: The name is unknown, the number of values is wrong, or a value is out of range.

    Example:
        >>> str(Aim.parse("recall_floor(0.95)"))
        'recall_floor(0.95)'
        >>> Aim.parse("cost(1, 20)").values
        (1.0, 20.0)
    """

    name: str
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise an OptionError for an unknown name, or for values that do not fit it."""
        if self.name not in AIMS:
            raise OptionError(f"There is no aim {self.name!r}." + did_you_mean(self.name, AIMS))
        _, low, high = AIMS[self.name]
        if not low <= len(self.values) <= high:
            wanted = str(low) if low == high else f"{low} or more"
            shown = ", ".join(f"{value:g}" for value in self.values) or "none"
            if self.name == "alerts":
                raise OptionError(f"alerts is {shown}. Expected k alerts per n rows, for example (50, 1000).")
            raise OptionError(f"{self.name} was given {len(self.values)} values ({shown}). Expected {wanted}.")
        _check_values(self.name, self.values)

    @classmethod
    def parse(cls, text: str | Aim) -> Aim:
        """Read an aim from "name" or "name(value, ...)".

        An Aim is returned unchanged.

        Raises:
            OptionError: The text has another form, or is not a valid aim.
        """
        if isinstance(text, Aim):
            return text
        call = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", str(text))
        if call is None:
            hint = did_you_mean(text, AIMS)
            raise OptionError(f"The aim {text!r} is not of the form name or name(value, ...).{hint}")
        try:
            values = tuple(float(v) for v in (call[2] or "").split(",") if v.strip())
        except ValueError:
            raise OptionError(f"The values of the aim {text!r} must be numbers.") from None
        return cls(call[1], values)

    @property
    def under_new_prior(self) -> str:
        """The effect of a new class prior on the threshold: "stays", "moves" or "again" (see `AIMS`)."""
        return AIMS[self.name][0]

    def __str__(self) -> str:
        """Return the text that `parse` reads, as it is saved in rules."""
        return f"{self.name}({', '.join(f'{v:.12g}' for v in self.values)})" if self.values else self.name


def in_words(aim: str | Aim) -> str:
    """Put an aim in words.

    Example:
        >>> in_words("recall_floor(0.95)"), in_words("alerts(50, 10000)")
        ('recall at least 0.95', 'at most 50 alerts per 10,000 rows')
        >>> in_words("cost(1, 20)"), in_words("f1")
        ('a false positive costing 1 and a missed case 20', 'F1')
    """
    goal = Aim.parse(aim)
    values = [f"{v:,.10g}" for v in goal.values]
    if goal.name in ("recall_floor", "precision_floor"):
        by_class = " by class" if len(values) > 1 else ""
        return f"{goal.name.removesuffix('_floor')} at least {', '.join(values)}{by_class}"
    if goal.name == "alerts":
        return f"at most {values[0]} alerts per {values[1]} rows"
    if goal.name == "lesion_false_positives":
        return f"lesion recall, with at most {values[0]} false positives per image"
    if goal.name == "cost" and len(values) == 2:
        return f"a false positive costing {values[0]} and a missed case {values[1]}"
    if goal.name == "cost":
        return f"costs of a missed case for each class: {', '.join(values)}"
    if goal.name == "argmax":
        return "the most probable class"
    return f"F-beta with beta {values[0]}" if values else metric_name(goal.name)


def threshold_text(threshold: float | None, aim: str) -> str:
    """Describe a classifier's decision threshold and what it was chosen for.

    Example:
        >>> threshold_text(0.5, "argmax"), threshold_text(0.0123, "f1")
        ('decision threshold 0.5 (default)', 'decision threshold 0.0123 (chosen for F1)')
        >>> threshold_text(None, "argmax"), threshold_text(None, "f1")
        ('predicts the most probable class', 'class offsets (chosen for F1)')
        >>> threshold_text(None, "costs")
        'predicts the class with the lowest expected cost'
    """
    if threshold is None and aim == "argmax":
        return "predicts the most probable class"
    if threshold is None and aim == "costs":
        return "predicts the class with the lowest expected cost"
    what = "class offsets" if threshold is None else f"decision threshold {threshold:.4g}"
    why = {"argmax": "default", "given": "set by you"}.get(aim) or f"chosen for {in_words(aim)}"
    return f"{what} ({why})"


def _check_values(name: str, values: tuple[float, ...]) -> None:
    """Raise an OptionError for values of an aim that are out of their range."""
    if name in ("recall_floor", "precision_floor") and not (max(values) > 0 and all(0 <= v <= 1 for v in values)):
        shown = ", ".join(f"{v:g}" for v in values)
        raise OptionError(f"{name} is {shown}. Expected a share above 0 and at most 1, for example 0.95.")
    if name == "f_beta" and not 0 < values[0] < float("inf"):
        raise OptionError(f"The beta of f_beta is {values[0]:g}. Expected a finite number above 0, for example 2.")
    if name == "alerts" and not 0 <= values[0] <= values[1] < float("inf"):
        raise OptionError(f"alerts is k = {values[0]:g} of n = {values[1]:g} rows. Expected 0 <= k <= n, both finite.")
    if name == "alerts" and values[1] <= 0:
        raise OptionError("alerts has n = 0. Expected k alerts per n rows, n above 0, for example (50, 1000).")
    if name == "lesion_false_positives" and not 0 <= values[0] < float("inf"):
        raise OptionError(
            f"lesion_false_positives is {values[0]:g}. Expected false positives per image, 0 or more, for example 1."
        )
    if name == "cost" and not all(0 < v < float("inf") for v in values):
        raise OptionError(
            f"A cost is not a finite number above 0: {', '.join(f'{v:g}' for v in values)}. Expected costs above 0."
        )
