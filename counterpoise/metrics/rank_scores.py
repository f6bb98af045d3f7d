"""Scores of the order of rows: average precision, area under the ROC curve, partial area.

`ranking` sorts and sums for them. `bootstrap` scores resamples without rows, with the same handling of ties.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.metrics.arrays import Array, checked_rows, one_class
from counterpoise.metrics.ranking import Ranking, mean_scores, rankings

NAN = float("nan")


def rank_scorer(y: Array, proba: Array, positive: int) -> Callable[[Array], dict[str, float]]:
    """Return a function of weights (N,) to {"average_precision", "roc_auc"}.

    The rows are sorted only once.

    `y` and `proba` (N, C) must be checked. With more than two classes, `positive` is not used.
    """
    keys = ("average_precision", "roc_auc")
    if proba.shape[1] > 2:
        orders = list(rankings(y, proba))
        return lambda w: dict(zip(keys, mean_scores(orders, w), strict=True))
    target = y == positive
    order = Ranking(target.astype(np.int64), proba[:, [positive]], np.array([1]))

    def scores(w: Array) -> dict[str, float]:
        """Return both scores for these weights; the ROC AUC is nan without both classes."""
        ap, auc = order.scores(w)
        return dict(zip(keys, (float(ap[0]), float(auc[0]) if _has_both(target, w) else NAN), strict=True))

    return scores


def _has_both(target: Array, weight: Array) -> bool:
    """Return whether positives and negatives both have a positive weight."""
    return bool(weight[target].sum() > 0 and weight[~target].sum() > 0)


def rank_scores(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> dict[str, float]:
    """Compute {"average_precision", "roc_auc"} (see the functions of these names), with the rows sorted once.

    Example:
        >>> rank_scores([0, 1, 0, 1], [[.9, .1], [.6, .4], [.5, .5], [.2, .8]])["roc_auc"]
        0.75
    """
    y, p, w = checked_rows(y, proba, sample_weight, positive)
    return rank_scorer(y, p, positive)(w)


def average_precision(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the exact average precision, with ties counted together.

    It is the sum over thresholds of (R_k - R_{k-1}) P_k.

    With two classes, the score is for the positive class. With more classes, it is the mean over the classes present,
    each against all others. A constant score gives the share of positives. The result is nan if no row is positive.

    Args:
        y: int (N,), class codes.
        proba: float (N, C), probabilities.
        positive: Code of the positive class, used with two classes.
        sample_weight: float (N,). A row with weight 2 counts as two rows.

    Example:
        >>> average_precision([0, 1, 0, 1], [[.9, .1], [.6, .4], [.65, .35], [.2, .8]])
        1.0
    """
    return rank_scores(y, proba, positive=positive, sample_weight=sample_weight)["average_precision"]


def roc_auc(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the area under the ROC curve.

    It equals P(score of a positive > of a negative) + half of P(equal).

    With two classes, the area is for the positive class. With more classes, it is the mean over the classes present,
    each against all others. A constant score gives 0.5. The result is nan without positives or without negatives.

    Example:
        >>> roc_auc([0, 1, 0, 1], [[.9, .1], [.6, .4], [.5, .5], [.2, .8]])
        0.75
    """
    return rank_scores(y, proba, positive=positive, sample_weight=sample_weight)["roc_auc"]


def partial_auc(y: Any, proba: Any, max_fpr: float, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the standardized ROC AUC up to a false-positive rate.

    0.5 is random guessing, and 1 is perfect.

    With A the raw area and f = max_fpr: (1 + (A - f^2/2) / (f - f^2/2)) / 2 (McClish, Medical Decision Making 9, 1989).
    The result is nan without positives or without negatives.

    Raises:
        OptionError: max_fpr is not in (0, 1].

    Example:
        >>> partial_auc([0, 0, 1, 1], [[.9, .1], [.6, .4], [.3, .7], [.2, .8]], 0.1)
        1.0
    """
    if not 0 < max_fpr <= 1:
        raise OptionError(f"max_fpr={max_fpr}. Expected a rate above 0 and at most 1.")
    target, score, weight = one_class(y, proba, sample_weight, positive)
    return partial_scorer(target, score, max_fpr)(weight)


def partial_scorer(target: Array, score: Array, max_fpr: float) -> Callable[[Array], float]:
    """Return a function of weights (N,) to `partial_auc`, nan without both classes.

    The rows are sorted only once.

    `target` is bool (N,), True for positives, and `score` float (N,).
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])  # the last of each run of rows with equal scores
    positive = target[order]

    def area(weight: Array) -> float:
        """Return the standardized area, from 0 to 1, or nan without both classes."""
        if not _has_both(target, weight):
            return NAN
        w = weight[order]
        hits, alarms = (np.r_[0.0, np.cumsum(w * one)[last]] for one in (positive, ~positive))
        tpr, fpr = hits / hits[-1], alarms / alarms[-1]
        inside = np.searchsorted(fpr, max_fpr, side="right")
        # The curve up to max_fpr, with an interpolated last point; its area by trapezoids.
        x, y = np.r_[fpr[:inside], max_fpr], np.r_[tpr[:inside], np.interp(max_fpr, fpr, tpr)]
        least, below = max_fpr**2 / 2, float(np.diff(x) @ (y[1:] + y[:-1])) / 2
        scaled = 0.5 * (1.0 + (below - least) / (max_fpr - least))
        return min(max(scaled, 0.0), 1.0)

    return area
