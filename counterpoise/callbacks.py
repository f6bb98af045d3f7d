"""Keras callbacks for rare classes (`cp.callbacks`)."""

from __future__ import annotations

from counterpoise.train.callbacks import Deferred, GammaDecay, LossWarmup
from counterpoise.train.per_class import PerClass

__all__ = ["Deferred", "GammaDecay", "LossWarmup", "PerClass"]
