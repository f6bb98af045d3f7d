"""How many rows each class or label has, as records and reports list it, for any kind of target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.proportions import shares_of_classes
from counterpoise.core.target import Target


def shares_of(
    target: Target, y: np.ndarray, classes: Sequence[Any], weights: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Return a dict with label, count and share of each class, in the order of `classes`.

    With several labels per row, the count is the number of rows with the label. The share is among the rows where the
    label is known, and their number is the additional key "known". With `weights` of the rows (N,), the additional key
    "weighted_share" is the share among rows that count as often as they weigh, as in all scores.

    Example:
        >>> from counterpoise.targets.kinds import target_of
        >>> y = np.array([[1, 0], [0, -1], [0, 1], [0, 1]], np.int32)
        >>> [round(row["share"], 2) for row in shares_of(target_of("labels"), y, ("a", "b"))]
        [0.25, 0.67]
    """
    one = target.problems(y[:0], classes)[0].index is None
    if one:
        entries = shares_of_classes(classes, target.counts(y, len(classes)))
    else:
        entries = [
            {"label": p.name, "count": int(p.y.sum()), "share": float(p.y.mean()) if len(p.y) else 0.0}
            | {"known": len(p.y)}
            for p in target.problems(y, classes)
        ]
    if weights is None:
        return entries
    mass = np.asarray(target.counts(y, len(classes), weights), dtype=np.float64)
    # Of each class, its sum of weights and the sum of all; of each label, those with the label and all that are known.
    own, total = (mass, np.full(len(mass), mass.sum())) if one else (mass[:, 1], mass.sum(axis=1))
    shares = np.divide(own, total, out=np.zeros(len(own)), where=total > 0)
    return [{**entry, "weighted_share": float(share)} for entry, share in zip(entries, shares, strict=True)]


def scored_share(entry: Mapping[str, Any]) -> float:
    """Return the share of a class that scores are for: the weighted share if rows have weights.

    Example:
        >>> scored_share({"label": "a", "count": 1, "share": 0.5, "weighted_share": 0.1})
        0.1
    """
    return float(entry.get("weighted_share", entry["share"]))
