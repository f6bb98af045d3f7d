"""Plans: what each epoch draws and what each row weighs (`cp.plans`)."""

from counterpoise.plans.plan import (
    Plan,
    class_weight,
    cost,
    effective_number,
    oversample,
    power,
    to_prior,
    undersample,
    uniform,
)
from counterpoise.plans.schedule import deferred

__all__ = [
    "Plan",
    "class_weight",
    "cost",
    "deferred",
    "effective_number",
    "oversample",
    "power",
    "to_prior",
    "undersample",
    "uniform",
]
