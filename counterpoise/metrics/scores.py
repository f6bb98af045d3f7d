"""All metric keys of the leaderboard from labels, probabilities and decisions (exact, on the host).

`measured` gives them intervals. The other names of `__all__` are collected here for callers of many scores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import OptionError
from counterpoise.metrics.arrays import Array, checked_rows, codes, probabilities
from counterpoise.metrics.calibration_scores import (
    calibration_intercept,
    calibration_slope,
    debiased_calibration_error,
    ece,
    ece_of_rows,
    intercept_of_log_proba,
    slope_of_log_proba,
)
from counterpoise.metrics.catalog import DECISION_KEYS, METRICS, Metric
from counterpoise.metrics.curves import calibration_curve
from counterpoise.metrics.decision_scores import (
    confusion,
    confusion_of_rows,
    decision_scores,
    default_decision,
    default_of_rows,
    expected_cost,
    net_benefit,
    per_class,
)
from counterpoise.metrics.proba_scores import (
    brier,
    brier_decomposition,
    brier_of_rows,
    log_loss,
    log_proba,
    mean_loss,
    skill,
    skill_of_loss,
)
from counterpoise.metrics.rank_scores import average_precision, partial_auc, partial_scorer, rank_scorer, roc_auc

__all__ = [
    "DECISION_KEYS",
    "METRICS",
    "Metric",
    "average_precision",
    "brier",
    "brier_decomposition",
    "calibration_curve",
    "calibration_intercept",
    "calibration_slope",
    "confusion",
    "debiased_calibration_error",
    "decision_scores",
    "default_decision",
    "ece",
    "expected_cost",
    "log_loss",
    "net_benefit",
    "partial_auc",
    "partial_scorer",
    "per_class",
    "rank_scorer",
    "roc_auc",
    "score_all",
    "skill",
]


def score_all(
    y: Any,
    proba: Any,
    raw: Any,
    decision: Any,
    *,
    n_classes: int,
    positive: int = 1,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Compute every metric of `METRICS`, in its order.

    With two classes, ranking, recall, precision and F1 are for `positive`. With more classes, they are means over the
    classes present in `y`, each against all others. `brier` is then the sum over classes, and `ece` is for the most
    probable class. A score that cannot be defined on these rows (for example recall
    without positives, or the slope of separated classes) is nan, without a warning.

    Args:
        y: int (N,), class codes.
        proba: float (N, C), corrected probabilities.
        raw: float (N, C), probabilities of the uncorrected output.
        decision: int (N,), decided class codes.
        n_classes: C.
        positive: Code of the positive class with two classes.
        sample_weight: float (N,). A row with weight 2 counts as two rows.

    Raises:
        DataError: Shapes or codes do not fit.
        ModelError: Probabilities are not finite.
        OptionError: Logits were passed, but probabilities were expected.

    Example:
        >>> p = [[.9, .1], [.2, .8], [.6, .4]]
        >>> scores = score_all([0, 1, 0], p, p, [0, 1, 1], n_classes=2)
        >>> scores["recall"], scores["precision"], scores["precision_default"]
        (1.0, 0.5, 1.0)
    """
    return scorer(y, proba, raw, decision, n_classes=n_classes, positive=positive)(sample_weight)


def scorer(
    y: Any, proba: Any, raw: Any, decision: Any, *, n_classes: int, positive: int = 1, calibration: bool = True
) -> Callable[[Any], dict[str, float]]:
    """Return a function from weights (N,) to the result of `score_all`.

    Args:
        y, proba, raw, decision, n_classes, positive: As in `score_all`.
        calibration: False leaves out slope and intercept, which take long if there are many classes.

    Raises:
        DataError, ModelError, OptionError: As in `score_all`.
    """
    y = codes(y, n_classes)
    proba, raw = probabilities(proba, len(y)), probabilities(raw, len(y), "raw")
    if proba.shape[1] != n_classes or raw.shape != proba.shape:
        raise OptionError(
            f"proba has shape {proba.shape} and raw has shape {raw.shape}. Expected ({len(y)}, {n_classes})."
        )
    ranks = rank_scorer(*checked_rows(y, proba, None, positive)[:2], positive)
    # The checks of rows and the logarithms are done once for all scores and weights.
    decision, log_p, log_raw = codes(decision, n_classes, "decision"), log_proba(proba), log_proba(raw)
    if len(decision) != len(y):
        raise OptionError(
            f"decision has {len(decision)} rows, but y has {len(y)}. Expected one decision for each row of y."
        )

    def scores(sample_weight: Any) -> dict[str, float]:
        """Return all scores by key for these weights (N,); None: all weights are 1."""
        w = row_weights(sample_weight, len(y))
        loss = mean_loss(y, log_p, w)
        of_probabilities = {
            "log_loss": loss,
            "brier": brier_of_rows(y, proba, w, positive),
            "skill": skill_of_loss(y, loss, n_classes, w),
            **(_calibration_scores(y, proba, log_p, w, positive) if calibration else {}),
            "ece": ece_of_rows(y, proba, w, positive),
            "log_loss_uncorrected": mean_loss(y, log_raw, w),
        }
        return ranks(w) | of_probabilities | _scores_of_decisions(y, proba, raw, decision, positive, w)

    return scores


def _calibration_scores(y: Array, proba: Array, log_p: Array, w: Array, positive: int) -> dict[str, float]:
    """Return calibration slope and intercept; rows of weight 0 take no part. `log_p` are the logarithms of `proba`."""
    seen = w > 0
    rows = (y, log_p, w) if seen.all() else (y[seen], log_proba(proba[seen]), w[seen])
    return {
        "calibration_slope": slope_of_log_proba(*rows, positive),
        "calibration_intercept": intercept_of_log_proba(*rows, positive),
    }


def _scores_of_decisions(
    y: Array, proba: Array, raw: Array, decision: Array, positive: int, w: Array
) -> dict[str, float]:
    """Return the scores of the rule's decisions, and of two default decisions.

    "_default" is for the corrected probabilities `proba`, and "_uncorrected" for those of the uncorrected output `raw`.
    """
    by_rule = {
        "": decision,
        "_default": default_of_rows(proba, positive),
        "_uncorrected": default_of_rows(raw, positive),
    }
    scores: dict[str, float] = {}
    for suffix, decided in by_rule.items():
        # Each table has its own sums: with weights, sums in another order could make a recall larger than 1.
        matrix = confusion_of_rows(y, decided, proba.shape[1], w)
        scores |= {key + suffix: value for key, value in decision_scores(matrix, positive=positive).items()}
    return scores
