"""Plans: what each epoch draws and what each row weighs (`cp.plans`)."""

from counterpoise.plans.chaining import chain
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
from counterpoise.plans.synthesis import clean, synthesize

__all__ = [
    "Plan",
    "QuotaPlan",
    "chain",
    "class_weight",
    "clean",
    "cost",
    "deferred",
    "effective_number",
    "oversample",
    "power",
    "quota",
    "synthesize",
    "to_prior",
    "undersample",
    "uniform",
]
