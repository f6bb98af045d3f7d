"""The field `review` of a rule: when a row goes to a human instead of being decided.

`decide/review.py` chooses and applies it. Saved in model files (`decide/rule_fields.py` checks the
fields), with the decision `HUMAN` in the Keras layer of the rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

#: The decision of a row that goes to a human, as a code and as a label.
HUMAN, REVIEW = -1, "review"


@dataclass(frozen=True)
class Review:
    """Which rows a rule leaves to a human: by `floors`, or by `margin`.

    Attributes:
        floors: float64 (C,): class c is possible where its probability is at least floors[c]. A row with several
            possible classes goes to a human, a row with one is decided for it, a row with none is decided by the rule.
            None: by margin.
        margin: Rows whose decision is closer than this to another one go to a human (see `decide.review.margins`).
            None: by floors.
        alpha: Highest share of each class's rows that are decided wrongly (floors).
        budget: (k, n): at most k of n rows go to a human (margin).
        rows: Number of rows that it was chosen on.
        kept_out: Whether those rows were used for nothing else.

    Example:
        >>> Review(margin=0.4, budget=(50, 1000), rows=2000).text()
        'At most 50 of 1,000 rows go to a human: rows where a small change of the probability would
        change the decision. The limit was chosen on 2,000 rows.'
    """

    floors: Array | None = None
    margin: float | None = None
    alpha: float | None = None
    budget: tuple[float, float] | None = None
    rows: int = 0
    kept_out: bool = False

    def text(self) -> str:
        """Return the sentences for the model card."""
        if self.budget is not None:
            k, n = self.budget
            return (
                f"At most {k:,.10g} of {n:,.10g} rows go to a human: rows where a small change of the "
                f"probability would change the decision. The limit was chosen on {self.rows:,} rows."
            )
        used = (
            "that were used for nothing else"
            if self.kept_out
            else "that were also used to fit the correction. The percentage is therefore only an estimate"
        )
        return (
            "A row that could belong to several classes goes to a human. On average, at most "
            f"{100 * (self.alpha or 0):g}% of the rows of each class are decided wrongly. The limits come from "
            f"{self.rows:,} rows {used}."
        )
