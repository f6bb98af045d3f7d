"""The calibration curve (`cp.metrics.calibration_curve`): observed shares and mean probabilities in bins."""

from __future__ import annotations

from typing import Any, NamedTuple

from counterpoise.core.proportions import wilson
from counterpoise.metrics.arrays import Array, one_class
from counterpoise.metrics.bins import binned


class CalibrationCurve(NamedTuple):
    """Per bin, from low to high: mean probability, observed share with its interval, rows."""

    mean_proba: Array
    observed: Array
    low: Array
    high: Array
    rows: Array


def calibration_curve(
    y: Any, proba: Any, *, bins: int = 10, by: str = "positives", positive: int = 1, level: float = 0.95
) -> CalibrationCurve:
    """Compute observed share and mean probability in bins, with Wilson intervals.

    The bins contain equal numbers of rows of the positive class (see `by`).

    Args:
        bins: Maximum number of bins.
        by: Bins with equal numbers of "positives" (the bins of `ece`) or of "rows".
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
