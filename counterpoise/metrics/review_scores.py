"""Scores of a rule with rows for a human: their share, and the error on the other rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.review import HUMAN
from counterpoise.metrics.group_scores import share_with_interval

Array = np.ndarray


def review_scores(
    y: Array, decision: Array, classes: Sequence[Any], *, groups: Any = None, sample_weight: Any = None
) -> dict[str, Any]:
    """Score the decisions of a rule with a review.

    Args:
        y: int (N,), class codes. decision: int (N,), class codes or -1 for a human.
        classes: The labels. groups, sample_weight: (N,) or None, see `group_scores`.

    Returns:
        `share` of the rows that go to a human, `error` (share of wrong decisions among the decided rows), and
        `classes`: for each `label`, `share` that goes to a human and share that is `missed` (decided as another class).
        Each has `value`, `low`, `high` at 95%.

    Example:
        >>> scores = review_scores(np.array([0, 0, 1, 1]), np.array([0, -1, 0, 1]), ("no", "yes"))
        >>> scores["share"]["value"], round(scores["error"]["value"], 3), scores["classes"][1]["missed"]["value"]
        (0.25, 0.333, 0.5)
    """
    human = decision == HUMAN
    wrong = ~human & (decision != y)

    def share(counted: Array, among: Array) -> dict[str, float]:
        """Return the share of `counted` rows among others, with its interval."""
        return share_with_interval(counted, among, groups=groups, sample_weight=sample_weight)

    return {
        "share": share(human, np.ones(len(y), bool)),
        "error": share(wrong, ~human),
        "classes": [
            {"label": str(label), "share": share(human & (y == c), y == c), "missed": share(wrong & (y == c), y == c)}
            for c, label in enumerate(classes)
        ],
    }
