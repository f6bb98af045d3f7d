"""Scores of each ensemble member alone, and the correlation of the members.

`Classifier.members_` returns this table, and a comparison reports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError
from counterpoise.core.json_values import finite_or_none
from counterpoise.metrics.proba_scores import log_loss, log_proba
from counterpoise.metrics.rank_scores import average_precision

Array = np.ndarray


def member_table(
    names: Sequence[str], proba: Any, y: Any, *, weights: Any = None, sample_weight: Any = None
) -> list[dict[str, Any]]:
    """Return one row per member: its name, its weight in the vote, its own scores, its likeness to the others.

    Args:
        names: M names, what each member was trained with.
        proba: float (M, N, C), corrected probabilities of rows that trained none of them.
        y: int (N,), class codes.
        weights: float (M,), weights in the vote; None: equal.
        sample_weight: float (N,).

    Returns:
        Per member "name", "weight", "average_precision" (more than two classes: mean over one against the rest),
        "log_loss", and "correlation": (M,) with each member, see `score_correlation`.

    Raises:
        DataError: numbers of names, members and rows that do not fit.

    Example:
        >>> p = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
        >>> [(row["name"], row["average_precision"]) for row in member_table(["a", "b"], p, [0, 1])]
        [('a', 1.0), ('b', 1.0)]
    """
    probas = np.asarray(proba, dtype=float)
    if probas.ndim != 3 or len(probas) != len(names) or probas.shape[1] != len(y):
        raise DataError(f"proba has shape {probas.shape}. Expected ({len(names)} members, {len(y)} rows, classes).")
    share = np.full(len(probas), 1 / len(probas)) if weights is None else np.asarray(weights, dtype=float)
    correlation = score_correlation(probas)
    return [
        {
            "name": str(name),
            "weight": float(weight),
            "average_precision": finite_or_none(average_precision(y, own, sample_weight=sample_weight)),
            "log_loss": finite_or_none(log_loss(y, own, sample_weight=sample_weight)),
            "correlation": [finite_or_none(r) for r in row],
        }
        for name, weight, own, row in zip(names, share, probas, correlation, strict=True)
    ]


def mean_table(tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the mean of several tables of the same members, such as one table per label.

    Values that are None are left out of a mean; it is None if all of them are.

    Example:
        >>> one = {"name": "a", "weight": 1.0, "average_precision": 0.5, "log_loss": 0.2, "correlation": [1.0]}
        >>> mean_table([[one], [{**one, "average_precision": None, "log_loss": 0.4}]])[0]["average_precision"]
        0.5
    """
    return [
        {
            "name": rows[0]["name"],
            **{key: _mean_of_known([row[key] for row in rows]) for key in ("weight", "average_precision", "log_loss")},
            "correlation": [_mean_of_known(pairs) for pairs in zip(*(row["correlation"] for row in rows), strict=True)],
        }
        for rows in zip(*tables, strict=True)
    ]


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are not None; None if all of them are."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def score_correlation(proba: Array) -> Array:
    """Return the Pearson correlation of the members' log-odds, (M, M): the lower, the more their average gains.

    Two classes: of log p_1 - log p_0. More: the mean over the classes of that of log p_c - log(1 - p_c). nan where a
    member predicts the same for all rows.

    Args:
        proba: float (M, N, C), probabilities.

    Example:
        >>> a = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])
        >>> score_correlation(np.stack([a, a, a[::-1]])).round(6).tolist()
        [[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]
    """
    p = np.asarray(proba, dtype=float)
    odds = log_proba(p) - log_proba(1 - p)
    columns = [odds[:, :, c] - odds[:, :, c].mean(axis=1, keepdims=True) for c in range(odds.shape[2])]
    with np.errstate(invalid="ignore", divide="ignore"):
        of_class = [c @ c.T / np.sqrt(np.outer((c * c).sum(axis=1), (c * c).sum(axis=1))) for c in columns]
    return np.clip(np.mean(of_class, axis=0), -1.0, 1.0)
