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
from counterpoise.plans.quotas import QuotaPlan, quota
from counterpoise.plans.schedule import deferred

__all__ = [
    "Plan",
    "QuotaPlan",
    "class_weight",
    "cost",
    "deferred",
    "effective_number",
    "oversample",
    "power",
    "quota",
    "to_prior",
    "undersample",
    "uniform",
]
