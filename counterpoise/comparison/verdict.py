"""The records that the judge returns: `Interval`, `VsNone`, `Verdict`, `Judgment`.

Their `to_dict` is saved in leaderboard.json, and the page reads its keys. `Verdict` is public.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterpoise.core.json_values import finite_or_none


@dataclass(frozen=True)
class Interval:
    """Mean of a metric over the folds, its interval, and the score of each fold (repeat after repeat)."""

    mean: float
    low: float
    high: float
    folds: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return `{"mean", "low", "high", "folds"}`.

        Example:
            >>> Interval(0.5, float("nan"), float("nan"), (0.5,)).to_dict()
            {'mean': 0.5, 'low': None, 'high': None, 'folds': [0.5]}
        """
        ends = {"mean": finite_or_none(self.mean), "low": finite_or_none(self.low), "high": finite_or_none(self.high)}
        return ends | {"folds": [finite_or_none(f) for f in self.folds]}


@dataclass(frozen=True)
class VsNone:
    """Strategy minus baseline, in the metric's own unit.

    Attributes:
        difference: Mean of the paired differences, in the direction of the metric: for a loss, negative is good.
        low, high: 95% interval.
        p: Two-sided p-value; 1 for identical scores.
        p_holm: The p-value, corrected for the number of strategies (external models: for their own number).
    """

    difference: float
    low: float
    high: float
    p: float
    p_holm: float

    def to_dict(self) -> dict[str, Any]:
        """Return `{"difference", "low", "high", "p", "p_holm"}`, undefined numbers as None."""
        names = ("difference", "low", "high", "p", "p_holm")
        return {name: finite_or_none(getattr(self, name)) for name in names}


@dataclass(frozen=True)
class Verdict:
    """Which strategy to use, how sure this recommendation is, and what to do next.

    Page, terminal, notebook and record print the same four texts.

    Attributes:
        winner: The recommended strategy: the simplest strategy that is significantly better than the baseline and not
            significantly worse than the best strategy. If no strategy is significantly better, the simplest strategy
            that is not likely worse than the best. An external model is recommended only if it is significantly better
            than the best Counterpoise model.
        word: "better" (significantly better than the baseline), "equivalent" (practically), "inconclusive", or
            "others_worse" (every other strategy is significantly worse).
        headline: The recommendation in at most 12 words.
        recommendation: The recommended strategy compared with the baseline.
        evidence: How sure the recommendation is, and why the top-ranked strategy is not recommended.
        next_step: What to do next.
        not_different_from: Other strategies that are not significantly different from the best, simplest first.
        more_repeats: For "inconclusive": how many more repeats would probably settle the question. None if no number
            up to `significance.MOST_REPEATS` would.
        effect: How the decisions of the winner differ from those of the baseline, each at its own threshold:
            {"strategy", "against", "per", "label", "cases", "found", "false_positives", "cost", "counts", "classes",
            "text"}. If the winner is the baseline, the effect of threshold tuning alone. `counts` maps "none",
            "threshold" and the winner to their own {"found", "false_positives", "cost"}. `classes` lists label, found
            and false_positives of each class if there are more than two.
        chosen_among: How many strategies were judged. The best of many strategies scores a little lower on new data.
        model: The recommended Counterpoise model, which `model.keras` contains. It is the winner, unless the winner is
            an external model.
    """

    winner: str
    word: str
    headline: str
    recommendation: str = ""
    evidence: str = ""
    next_step: str = ""
    not_different_from: tuple[str, ...] = ()
    more_repeats: int | None = None
    model: str = ""
    effect: Mapping[str, Any] | None = None
    chosen_among: int = 1

    def __post_init__(self) -> None:
        if not self.model:
            object.__setattr__(self, "model", self.winner)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    @property
    def text(self) -> str:
        """Deprecated. Use `str(verdict)`."""
        warnings.warn("verdict.text is deprecated. Use str(verdict).", DeprecationWarning, stacklevel=2)
        return str(self)

    def lines(self) -> list[str]:
        """Return the four texts and the effect on decisions, one line each, without those that are empty.

        Example:
            >>> Verdict("none", "equivalent", "Keep the baseline.", "It has the best score.").lines()
            ['Keep the baseline.', 'It has the best score.']
        """
        effect = "" if self.effect is None else self.effect["text"]
        next_step = f"Next: {self.next_step}" if self.next_step else ""
        texts = (self.headline, self.recommendation, self.evidence, effect, next_step)
        return [text for text in texts if text]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Return the verdict that `to_dict` wrote."""
        return cls(**{**values, "not_different_from": tuple(values["not_different_from"])})

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON values."""
        return {
            "winner": self.winner,
            "word": self.word,
            "headline": self.headline,
            "recommendation": self.recommendation,
            "evidence": self.evidence,
            "next_step": self.next_step,
            "not_different_from": list(self.not_different_from),
            "more_repeats": self.more_repeats,
            "model": self.model,
            "chosen_among": self.chosen_among,
            "effect": None if self.effect is None else dict(self.effect),
        }


@dataclass(frozen=True)
class Judgment:
    """Scores, differences and verdict of one comparison.

    Attributes:
        metric: The key that strategies are ranked by.
        ranking: Strategies, best mean first (ties: simplest first; without a score: last).
        scores: strategy -> metric -> Interval.
        vs_none: strategy -> metric -> VsNone; the baseline itself is left out.
        verdict: The verdict.
    """

    metric: str
    ranking: tuple[str, ...]
    scores: dict[str, dict[str, Interval]]
    vs_none: dict[str, dict[str, VsNone]]
    verdict: Verdict

    def row(self, strategy: str) -> dict[str, Any]:
        """Return the judged fields of a leaderboard row: rank, scores and vs_none."""
        return {
            "rank": self.ranking.index(strategy) + 1,
            "scores": {key: value.to_dict() for key, value in self.scores[strategy].items()},
            "vs_none": {key: value.to_dict() for key, value in self.vs_none.get(strategy, {}).items()},
        }
