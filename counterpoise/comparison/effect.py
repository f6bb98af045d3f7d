"""What a change of strategy means for the people concerned: cases found, false alarms, money."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.comparison import words
from counterpoise.comparison.verdict import Verdict
from counterpoise.core.errors import OptionError
from counterpoise.strategies.select import Strategy

Array = np.ndarray

#: Cases that effects and costs are told for.
PER = 10_000


@dataclass(frozen=True)
class Costs:
    """Cost of a false alarm and of a missed case, in any one unit.

    Raises:
        OptionError: a cost that is not above 0 and finite.
    """

    false_alarm: float
    missed: float

    def __post_init__(self) -> None:
        if not all(0 < cost < math.inf for cost in (self.false_alarm, self.missed)):
            raise OptionError(f"costs are {self.false_alarm} and {self.missed}; expected numbers above 0.")

    @classmethod
    def of(cls, given: Any, binary: bool = True) -> Costs | None:
        """Costs from None, a pair (false alarm, missed case) or `Costs`.

        Example:
            >>> Costs.of((1, 20))
            Costs(false_alarm=1.0, missed=20.0)
        """
        if given is None or isinstance(given, cls):
            costs = given
        else:
            try:
                false_alarm, missed = (float(value) for value in given)
            except (TypeError, ValueError):
                wanted = "two numbers, the cost of a false alarm and that of a missed case"
                raise OptionError(f"costs is {given!r}; expected {wanted}.") from None
            costs = cls(false_alarm, missed)
        if costs is not None and not binary:
            raise OptionError("costs are for two classes; name one class to hold against all others (one_vs_rest).")
        return costs

    def aimed(self, strategies: Sequence[Strategy]) -> list[Strategy]:
        """The strategies, those that tune a threshold now for least expected cost."""
        aim = f"cost({self.false_alarm:.12g}, {self.missed:.12g})"
        return [replace(s, aim=aim) if s.aim == "f1" else s for s in strategies]

    def total(self, matrix: Array) -> float:
        """Cost per `PER` cases of decisions with this confusion matrix [true, decided].

        Example:
            >>> Costs(1, 20).total(np.array([[90, 5], [2, 3]]))
            4500.0
        """
        _, false_alarms = words.rates(matrix)
        missed = float(matrix[1, 0] / matrix.sum())
        return PER * (false_alarms * self.false_alarm + missed * self.missed)


def with_effect(
    verdict: Verdict, matrices: Mapping[str, Array], rival: str, costs: Costs | None, classes: Sequence[Any],
    positive: int = 1,
) -> Verdict:  # fmt: skip
    """The verdict, followed by what its winner (or, where that is `none`, the best rival) would change.

    Args:
        verdict: The verdict.
        matrices: strategy -> confusion counts (C, C) [true, decided] at its own rule, summed over the folds.
        rival: The strategy with the best mean of those that are not `none`.
        costs: What errors cost, or None.
        classes: The C labels.
        positive: Code of the class that the sentence is about; every class has its line in `effect["classes"]`.
    """
    to = rival if verdict.winner == "none" else verdict.winner
    if to == "none" or "none" not in matrices or to not in matrices:
        return verdict
    new, old = matrices[to], matrices["none"]
    found, alarms = _change(new, old, positive)
    more: dict[str, Any] = {}
    if costs is not None:
        more = {"cost_missed": costs.missed, "cost_false_alarm": costs.false_alarm}
    if len(classes) > 2:
        right = float(np.trace(new) / new.sum() - np.trace(old) / old.sum())
        more = {"label": str(classes[positive]), "right": right}
    told = words.effect_in_words(found, alarms, per=PER, **more)
    effect: dict[str, Any] = {
        "strategy": to, "against": "none", "per": PER, "label": str(classes[positive]), "found": PER * found,
        "false_alarms": PER * alarms, "cost": None if costs is None else costs.total(new) - costs.total(old),
        "classes": _by_class(new, old, classes) if len(classes) > 2 else [], "text": told,
    }  # fmt: skip
    sentence = f"With the rule of {words.called(to)} in place of that of the untouched model, {told}."
    return replace(verdict, text=f"{verdict.text} {sentence}", effect=effect)


def _change(new: Array, old: Array, code: int) -> tuple[float, float]:
    """Cases of a class found, and false alarms of it, per case judged: new minus old."""
    (found, alarms), (found_before, alarms_before) = words.rates(new, code), words.rates(old, code)
    return found - found_before, alarms - alarms_before


def _by_class(new: Array, old: Array, classes: Sequence[Any]) -> list[dict[str, Any]]:
    changes = [_change(new, old, code) for code in range(len(classes))]
    return [
        {"label": str(label), "found": PER * found, "false_alarms": PER * alarms}
        for label, (found, alarms) in zip(classes, changes, strict=True)
    ]
