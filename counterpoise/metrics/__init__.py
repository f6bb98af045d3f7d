"""Metrics (`cp.metrics`): exact scores and intervals on the host, and Keras metrics for display while training.

The host functions are NumPy and SciPy; the Keras metrics are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from counterpoise.core.saved_names import SAVED
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


#: Keras metric -> module that holds it.
_SHOWN = {name: module for module in ("display", "display_scores") for name in SAVED[f"metrics.{module}"]}


def __getattr__(name: str) -> Any:
    if name not in _SHOWN:
        raise AttributeError(f"module 'counterpoise.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"counterpoise.metrics.{_SHOWN[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_SHOWN])
