"""Scores of the order alone: average precision, area under the ROC curve, partial area.

scikit-learn is imported only for the partial area: a saved classifier is loaded and asked without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.metrics.arrays import Array, one_class, table
from counterpoise.metrics.ranking import Ranking, mean_scores, rankings

NAN = float("nan")


def _has_both(target: Array, weight: Array) -> bool:
    return bool(weight[target].sum() > 0 and weight[~target].sum() > 0)


def _alone(target: Array, score: Array, weight: Array) -> tuple[float, float]:
    """Average precision and area under the ROC curve of one class."""
    ap, auc = Ranking(target.astype(np.int64), score[:, None], np.array([1])).scores(weight)
    return float(ap[0]), float(auc[0])


def average_precision(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the exact average precision, with ties counted together.

    It is the sum over thresholds of (R_k - R_{k-1}) P_k.

    Two classes: of the positive. More: mean over the classes present of one against the rest. A constant
    score gives the share of positives. nan when there is no positive row.

    Args:
        y: int (N,), class codes.
        proba: float (N, C), probabilities.
        positive: Code of the positive class, used with two classes.
        sample_weight: float (N,); a weight of 2 counts as the row twice.

    Example:
        >>> average_precision([0, 1, 0, 1], [[.9, .1], [.6, .4], [.65, .35], [.2, .8]])
        1.0
    """
    y, p, w = table(y, proba, sample_weight, positive)
    if p.shape[1] == 2:
        return _alone(y == positive, p[:, positive], w)[0]
    return mean_scores(rankings(y, p), w)[0]


def roc_auc(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the area under the ROC curve.

    It equals P(score of a positive > of a negative) + half of P(equal).

    Two classes: of the positive. More: mean over the classes present of one against the rest. A constant
    score gives 0.5. nan when a side is missing.

    Example:
        >>> roc_auc([0, 1, 0, 1], [[.9, .1], [.6, .4], [.5, .5], [.2, .8]])
        0.75
    """
    y, p, w = table(y, proba, sample_weight, positive)
    if p.shape[1] == 2:
        return _alone(y == positive, p[:, positive], w)[1]
    return mean_scores(rankings(y, p), w)[1]


def partial_auc(y: Any, proba: Any, max_fpr: float, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the standardized ROC AUC up to a false-positive rate.

    0.5 is random guessing, and 1 is perfect.

    With A the raw area and f = max_fpr: (1 + (A - f^2/2) / (f - f^2/2)) / 2 (McClish, Medical Decision
    Making 9, 1989). nan when a side is missing.

    Raises:
        OptionError: max_fpr is not in (0, 1].

    Example:
        >>> partial_auc([0, 0, 1, 1], [[.9, .1], [.6, .4], [.3, .7], [.2, .8]], 0.1)
        1.0
    """
    if not 0 < max_fpr <= 1:
        raise OptionError(f"max_fpr={max_fpr}. Expected a rate above 0 and at most 1.")
    target, score, weight = one_class(y, proba, sample_weight, positive)
    if not _has_both(target, weight):
        return NAN
    from sklearn.metrics import roc_auc_score

    return float(np.clip(roc_auc_score(target, score, sample_weight=weight, max_fpr=max_fpr), 0.0, 1.0))
