"""Metrics (`cp.metrics`): exact scores and intervals on the host, and Keras metrics for display while training.

The host functions are NumPy and SciPy; the Keras metrics are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader
from counterpoise.core.proportions import wilson
from counterpoise.core.saved_names import SAVED as _SAVED
from counterpoise.metrics.bootstrap import ap_interval, cluster_draws, stratified_draws
from counterpoise.metrics.catalog import METRICS
from counterpoise.metrics.intervals import clopper_pearson, cv_interval, holdout_interval
from counterpoise.metrics.scores import *
from counterpoise.metrics.scores import __all__ as _scores

if TYPE_CHECKING:
    from counterpoise.metrics.display import IBA as IBA
    from counterpoise.metrics.display import MCC as MCC
    from counterpoise.metrics.display import BalancedAccuracy as BalancedAccuracy
    from counterpoise.metrics.display import ClassF1 as ClassF1
    from counterpoise.metrics.display import ClassPrecision as ClassPrecision
    from counterpoise.metrics.display import ClassRecall as ClassRecall
    from counterpoise.metrics.display import GeometricMean as GeometricMean
    from counterpoise.metrics.display_scores import ECE as ECE
    from counterpoise.metrics.display_scores import AveragePrecision as AveragePrecision
    from counterpoise.metrics.display_scores import BrierScore as BrierScore
    from counterpoise.metrics.display_scores import SpecificityAtSensitivity as SpecificityAtSensitivity

__all__ = [
    *_scores,
    "METRICS",
    "ap_interval",
    "clopper_pearson",
    "cluster_draws",
    "cv_interval",
    "holdout_interval",
    "stratified_draws",
    "wilson",
]

#: Keras metric -> module that holds it.
_SHOWN = {
    name: f"counterpoise.{module}"
    for module in ("metrics.display", "metrics.display_scores")
    for name in _SAVED[module]
}

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _SHOWN)
