"""Keras callbacks for rare classes (`cp.callbacks`)."""

from __future__ import annotations

from counterpoise.callbacks.loss_schedules import Deferred, GammaDecay
from counterpoise.callbacks.per_class import PerClass
from counterpoise.core.lazy import public_names as _shown

__all__ = ["Deferred", "GammaDecay", "PerClass"]

__dir__ = _shown(__name__)
