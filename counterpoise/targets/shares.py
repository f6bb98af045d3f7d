"""How many rows each class or label has, as records and reports list it, for any kind of target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.proportions import shares_of_classes
from counterpoise.core.target import Target


def shares_of(target: Target, y: np.ndarray, classes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return a dict with label, count and share of each class, in the order of `classes`.

    With several labels per row, the count is the number of rows with the label. The share is among the rows where the
    label is known, and their number is the additional key "known".

    Example:
        >>> from counterpoise.targets.kinds import target_of
        >>> y = np.array([[1, 0], [0, -1], [0, 1], [0, 1]], np.int32)
        >>> [round(row["share"], 2) for row in shares_of(target_of("labels"), y, ("a", "b"))]
        [0.25, 0.67]
    """
    if target.problems(y[:0], classes)[0].index is None:
        return shares_of_classes(classes, target.counts(y, len(classes)))
    problems = target.problems(y, classes)
    return [
        {"label": p.name, "count": int(p.y.sum()), "share": float(p.y.mean()) if len(p.y) else 0.0, "known": len(p.y)}
        for p in problems
    ]
