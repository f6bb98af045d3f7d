"""The field `guarantee` of a rule: a floor, its confidence, and the rows that support it.

`decide/guarantee.py` and `decide/floors.py` compute guarantees. Saved in model files: `decide/rule_fields.py` checks
the fields. The texts are part of the model card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Guarantee:
    """A threshold and the floor that it reaches.

    Attributes:
        threshold: Predict the positive class if the score is at least this.
        kind: "recall" or "precision".
        floor: What is guaranteed.
        confidence: 1 - delta, the share of draws of the rows in which the floor is reached.
        rows: Number of rows that support it: positives for a recall, flagged rows for a precision.
        reached: The recall or precision on these rows.
        kept_out: Whether the rows were used for nothing else. Otherwise this is only an estimate.
        of: "rows"; "groups" if rows come in groups, of which each counts once.

    Example:
        >>> print(Guarantee(0.05, "recall", 0.9, 0.95, 100, 0.96))
        Recall is at least 0.9 with 95% confidence at threshold 0.05. This is guaranteed by 100 rows, whose recall is
        0.96.
    """

    threshold: float
    kind: str
    floor: float
    confidence: float
    rows: int
    reached: float
    kept_out: bool = True
    of: str = "rows"

    @property
    def word(self) -> str:
        """ "guarantee" or "estimate"."""
        return _guarantee_or_estimate(self.kept_out)

    def text(self, names: Sequence[str] = ()) -> str:
        """Describe the guarantee in two sentences.

        `names` is ignored, because the floor is for the positive class. `ClassGuarantee.text` needs it.
        """
        return (
            f"{self.kind.capitalize()} is at least {self.floor:g} with {_percent_text(self.confidence)} confidence "
            f"at threshold {self.threshold:.6g}. {_support_text(self.kept_out)} {self.rows:,} {self.of}, whose "
            f"{self.kind} is {self.reached:.4g}{_caveat_text(self.kept_out)}."
        )

    __str__ = text


@dataclass(frozen=True)
class ClassGuarantee:
    """Offsets and the recalls that they reach.

    Attributes:
        offsets: float64 (C,): predict argmax of log p + offsets.
        floors: float64 (C,), 0 if nothing is guaranteed for a class.
        confidence: Share of draws of the rows in which all floors are reached.
        rows: int64 (C,), rows of each class that support it.
        reached: float64 (C,), recalls on these rows.
        kept_out: Whether the rows were used for nothing else. Otherwise this is only an estimate.
        of: "rows"; "groups" if rows come in groups, of which each counts once.
    """

    offsets: Array
    floors: Array
    confidence: float
    rows: Array
    reached: Array
    kept_out: bool = True
    of: str = "rows"

    @property
    def word(self) -> str:
        """ "guarantee" or "estimate"."""
        return _guarantee_or_estimate(self.kept_out)

    def text(self, names: Sequence[str]) -> str:
        """Describe the guarantee in two sentences, with the names of all classes (C,).

        Example:
            >>> two = np.array([0, 0.7]), 0.9, np.array([80, 40]), np.array([0.9, 0.8])
            >>> ClassGuarantee(np.zeros(2), *two).text(["a", "b"])
            'Recall is at least 0.7 for b with 90% confidence. This is guaranteed by 40 rows of b (recall 0.8).'
        """
        named = np.flatnonzero(self.floors > 0).tolist()
        floors = ", ".join(f"{self.floors[c]:g} for {names[c]}" for c in named)
        rows = ", ".join(f"{self.rows[c]:,} {self.of} of {names[c]} (recall {self.reached[c]:.4g})" for c in named)
        confidence = _percent_text(self.confidence)
        return (
            f"Recall is at least {floors} with {confidence} confidence. {_support_text(self.kept_out)} "
            f"{rows}{_caveat_text(self.kept_out)}."
        )


def _guarantee_or_estimate(kept_out: bool) -> str:
    """Return the word for the result: only rows that were kept out of everything else guarantee a floor."""
    return "guarantee" if kept_out else "estimate"


def _percent_text(share: float) -> str:
    """Return a share as a percentage with at most four digits, such as "97.5%"."""
    return f"{100 * share:.4g}%"


def _support_text(kept_out: bool) -> str:
    """Return the beginning of the sentence about the rows that support a floor."""
    return "This is guaranteed by" if kept_out else "This is only an estimate from"


def _caveat_text(kept_out: bool) -> str:
    """Return the end of the sentence about the rows: why an estimate is no guarantee."""
    return "" if kept_out else ". The correction was fitted on the same rows"
