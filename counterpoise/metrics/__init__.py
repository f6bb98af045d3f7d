"""Metrics (`cp.metrics`): exact scores and an interval on the host, and Keras metrics to watch while training.

The host functions are NumPy and SciPy; the Keras metrics are loaded when first used. The modules of this package
contain further scores and intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader
from counterpoise.core.saved_names import SAVED as _SAVED
from counterpoise.metrics.bootstrap import ap_interval
from counterpoise.metrics.calibration_scores import calibration_slope, ece
from counterpoise.metrics.curves import calibration_curve
from counterpoise.metrics.proba_scores import skill
from counterpoise.metrics.scores import score_all

if TYPE_CHECKING:
    from counterpoise.metrics.display import MCC as MCC
    from counterpoise.metrics.display import BalancedAccuracy as BalancedAccuracy
    from counterpoise.metrics.display_scores import AveragePrecision as AveragePrecision

__all__ = [
    "ap_interval",
    "calibration_curve",
    "calibration_slope",
    "ece",
    "score_all",
    "skill",
]

#: Keras metric -> module that contains it.
_SHOWN = {
    name: f"counterpoise.{module}"
    for module in ("metrics.display", "metrics.display_scores")
    for name in _SAVED[module]
}

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _SHOWN)
