"""All scores of rows by the probabilities and decisions of a strategy, for any kind of target.

One function for the folds of a comparison (`comparison.tally`) and for trials (`tuning`), so that they score alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from counterpoise.core.examples import Examples
from counterpoise.core.target import Problem
from counterpoise.core.threads import map_in_threads
from counterpoise.metrics.scores import score_all
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def scores_of(examples: Examples, rows: Array, proba: Array, raw: Array, decision: Array) -> dict[str, float]:
    """Return metric key -> score of some rows: that of their one problem, or the mean over several (`core.target`).

    Args:
        examples: The rows.
        rows: int64 (T,), which of them.
        proba: (T, C) or (T, L), corrected. raw: The same, of the uncorrected output.
        decision: (T,) or (T, L), class codes. With a class per element, all three have an axis of elements after T.
    """
    target, y, weights = target_of(examples), examples.scored_labels(rows), examples.scored_weights(rows)

    def score(p: Problem) -> dict[str, float]:
        """Return the scores of one problem."""
        outputs, own = (p.proba(proba), p.proba(raw), p.decision(decision)), p.of_rows(weights)
        return score_all(p.y, *outputs, n_classes=len(p.classes), positive=1, sample_weight=own)

    each = map_in_threads(score, [p for p in target.problems(y, examples.classes) if len(p.rows)])
    # Scores over all problems at once, such as micro averages, are added.
    return mean_scores(each) | target.joint_scores(y, proba, decision, weights)


def mean_scores(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score where it is finite; nan where it is finite in none.

    Example:
        >>> mean_scores([{"recall": 1.0}, {"recall": 0.5}, {"recall": float("nan")}])
        {'recall': 0.75}
    """
    if len(each) == 1:
        return dict(each[0])
    table = {key: np.array([one[key] for one in each]) for key in each[0]}
    return {key: float(v[np.isfinite(v)].mean()) if np.isfinite(v).any() else float("nan") for key, v in table.items()}
