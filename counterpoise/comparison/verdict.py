"""Records of a judged comparison, as they stand in leaderboard.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def _number(value: float) -> float | None:
    """JSON has no nan: what is not defined becomes null."""
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True)
class Interval:
    """Mean of a metric over the folds, its interval, and the folds' scores (repeat after repeat)."""

    mean: float
    low: float
    high: float
    folds: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """`{"mean", "low", "high", "folds"}`.

        Example:
            >>> Interval(0.5, float("nan"), float("nan"), (0.5,)).to_dict()
            {'mean': 0.5, 'low': None, 'high': None, 'folds': [0.5]}
        """
        ends = {"mean": _number(self.mean), "low": _number(self.low), "high": _number(self.high)}
        return ends | {"folds": [_number(f) for f in self.folds]}


@dataclass(frozen=True)
class VsNone:
    """Strategy minus untouched model, in the metric's own unit.

    Attributes:
        difference: Mean of the paired differences (its sign is the metric's: negative is good for a loss).
        low, high: 95 % interval.
        p: Two-sided p value; 1 for identical scores.
        p_holm: The same, corrected for the number of strategies.
    """

    difference: float
    low: float
    high: float
    p: float
    p_holm: float

    def to_dict(self) -> dict[str, Any]:
        """`{"difference", "low", "high", "p", "p_holm"}`, undefined numbers as None."""
        names = ("difference", "low", "high", "p", "p_holm")
        return {name: _number(getattr(self, name)) for name in names}


@dataclass(frozen=True)
class Verdict:
    """Which strategy to take, and how sure that is.

    Attributes:
        winner: The strategy recommended: the simplest of those that are as good as can be told, and where nothing is
            told apart, the simplest that is not likely to lie behind; an `external:` entrant only where it is shown
            better than the best network.
        word: "better" (than the untouched model, shown), "equivalent" (shown to differ by less than
            matters) or "inconclusive".
        tied_with: Other strategies that the scores do not tell from the best, simplest first.
        text: The reasons in plain words, with numbers.
        more_repeats: For "inconclusive": how many more repeats would about decide; None when no number would.
        effect: What the winner (where that is `none`: the best of the others) changes against `none`, at their own
            rules: {"strategy", "against", "per", "label", "found", "false_alarms", "cost", "classes", "text"};
            `classes` lists label, found and false_alarms of each where there are more than two.
        chosen_among: How many strategies were judged: the best of many looks a little better than it is.
        model: The recommended network, of which `model.keras` is made; the winner unless that is external.
    """

    winner: str
    word: str
    tied_with: tuple[str, ...]
    text: str
    more_repeats: int | None = None
    model: str = ""
    effect: Mapping[str, Any] | None = None
    chosen_among: int = 1

    def __post_init__(self) -> None:
        if not self.model:
            object.__setattr__(self, "model", self.winner)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Verdict:
        """The verdict that `to_dict` wrote."""
        return cls(**{**said, "tied_with": tuple(said["tied_with"])})

    def to_dict(self) -> dict[str, Any]:
        """`{"winner", "word", "tied_with", "text", "more_repeats", "model", "chosen_among", "effect"}`."""
        return {
            "winner": self.winner,
            "word": self.word,
            "tied_with": list(self.tied_with),
            "text": self.text,
            "more_repeats": self.more_repeats,
            "model": self.model,
            "chosen_among": self.chosen_among,
            "effect": None if self.effect is None else dict(self.effect),
        }


@dataclass(frozen=True)
class Judgment:
    """Everything that the judge says about one data set.

    Attributes:
        metric: The key that strategies are ranked by.
        ranking: Strategies, best mean first (ties: simplest first; without a score: last).
        scores: strategy -> metric -> Interval.
        vs_none: strategy -> metric -> VsNone; the untouched model itself is left out.
        verdict: The verdict.
    """

    metric: str
    ranking: tuple[str, ...]
    scores: dict[str, dict[str, Interval]]
    vs_none: dict[str, dict[str, VsNone]]
    verdict: Verdict

    def row(self, strategy: str) -> dict[str, Any]:
        """The judge's part of a leaderboard row: rank, scores and vs_none."""
        return {
            "rank": self.ranking.index(strategy) + 1,
            "scores": {key: value.to_dict() for key, value in self.scores[strategy].items()},
            "vs_none": {key: value.to_dict() for key, value in self.vs_none.get(strategy, {}).items()},
        }
