"""Metrics (`cp.metrics`): exact scores and intervals on the host, and Keras metrics for display while training.

The host functions are NumPy and SciPy; the Keras metrics are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from counterpoise.metrics.bootstrap import ap_interval, cluster_draws, stratified_draws
from counterpoise.metrics.catalogue import METRICS
from counterpoise.metrics.intervals import clopper_pearson, cv_interval, holdout_interval, wilson
from counterpoise.metrics.scores import *
from counterpoise.metrics.scores import __all__ as _scores

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


def __getattr__(name: str) -> Any:
    try:
        display = importlib.import_module("counterpoise.metrics.display")
    except ModuleNotFoundError:
        raise AttributeError(f"module 'counterpoise.metrics' has no attribute {name!r}") from None
    if name in getattr(display, "__all__", ()):
        return getattr(display, name)
    raise AttributeError(f"module 'counterpoise.metrics' has no attribute {name!r}")
