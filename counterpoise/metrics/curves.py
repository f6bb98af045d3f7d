"""Curves for figures: precision-recall, ROC, calibration."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from counterpoise.core.proportions import wilson
from counterpoise.metrics.arrays import Array, one_class
from counterpoise.metrics.bins import binned


class PRCurve(NamedTuple):
    """Precision and recall when alarms are raised at score >= threshold; the last point has no threshold (inf)."""

    precision: Array
    recall: Array
    threshold: Array


class ROCCurve(NamedTuple):
    """False and true positive rate at score >= threshold; the first point (0, 0) has threshold inf."""

    fpr: Array
    tpr: Array
    threshold: Array


class CalibrationCurve(NamedTuple):
    """Per bin, from low to high: mean probability, observed share with its interval, rows."""

    mean_proba: Array
    observed: Array
    low: Array
    high: Array
    rows: Array


def thin(x: Array, y: Array, points: int | None) -> Array:
    """Choose at most `points` places of a curve, evenly along its length, both ends included.

    Example:
        >>> thin(np.array([0., .01, .02, 1.]), np.zeros(4), 2).tolist()
        [0, 3]
    """
    if points is None or len(x) <= points:
        return np.arange(len(x))
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    return np.unique(np.searchsorted(length, np.linspace(0, length[-1], max(2, points)), side="left"))


def pr_curve(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None, points: int | None = None) -> PRCurve:
    """Precision-recall curve of one class, from everything alarmed (recall 1) to nothing (precision 1, recall 0).

    Args:
        y: int (N,), class codes.
        proba: float (N, C), probabilities.
        points: Keep at most this many points, evenly along the curve; None = all.

    Returns:
        Three float64 (T,). Empty when there is no positive row.

    Example:
        >>> pr_curve([0, 1], [[.9, .1], [.2, .8]]).precision.tolist()
        [0.5, 1.0, 1.0]
    """
    target, score, w = one_class(y, proba, sample_weight, positive)
    if w[target].sum() == 0:
        return PRCurve(np.empty(0), np.empty(0), np.empty(0))
    from sklearn.metrics import precision_recall_curve

    precision, recall, threshold = precision_recall_curve(target, score, sample_weight=w)
    keep = thin(recall, precision, points)
    return PRCurve(precision[keep], recall[keep], np.append(threshold, np.inf)[keep])


def roc_curve(
    y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None, points: int | None = None
) -> ROCCurve:
    """ROC curve of one class, corners only. Empty when positives or negatives are missing.

    Example:
        >>> roc_curve([0, 1], [[.9, .1], [.2, .8]]).tpr.tolist()
        [0.0, 1.0, 1.0]
    """
    target, score, w = one_class(y, proba, sample_weight, positive)
    if w[target].sum() == 0 or w[~target].sum() == 0:
        return ROCCurve(np.empty(0), np.empty(0), np.empty(0))
    from sklearn.metrics import roc_curve as by_threshold

    fpr, tpr, threshold = by_threshold(target, score, sample_weight=w)
    keep = thin(fpr, tpr, points)
    return ROCCurve(fpr[keep], tpr[keep], threshold[keep])


def calibration_curve(
    y: Any, proba: Any, *, bins: int = 10, by: str = "positives", positive: int = 1, level: float = 0.95
) -> CalibrationCurve:
    """Observed share against mean probability in bins of equal numbers, with Wilson intervals.

    Args:
        bins: How many at most.
        by: Equal numbers of "positives" (the bins of `ece`) or of "rows".
        level: Confidence of the intervals.

    Example:
        >>> curve = calibration_curve([0, 1, 1, 0], [[.5, .5]] * 4)
        >>> curve.observed.tolist(), curve.rows.tolist()
        ([0.5], [4.0])
    """
    target, score, w = one_class(y, proba, None, positive)
    b = binned(target, score, w, bins, by=by)
    low, high = wilson(b.weight * b.observed, b.weight, level)
    return CalibrationCurve(b.mean_proba, b.observed, low, high, b.weight)
