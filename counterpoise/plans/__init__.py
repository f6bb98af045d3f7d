"""Plans: what each epoch draws and what each row weighs (`cp.plans`).

Plans see labels of training rows only, and features where a plan asks for them (`Plan.realize`).
"""

from counterpoise.core.lazy import public_names as _shown
from counterpoise.plans.chaining import chain
from counterpoise.plans.class_plans import (
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
from counterpoise.plans.groups import per_group
from counterpoise.plans.hardness import cascade, self_paced
from counterpoise.plans.multilabel import clone_labels, label_sets, weigh_labels
from counterpoise.plans.quotas import quota
from counterpoise.plans.schedule import deferred
from counterpoise.plans.synthesis import clean, synthesize

__all__ = [
    "Plan",
    "cascade",
    "chain",
    "class_weight",
    "clean",
    "clone_labels",
    "cost",
    "deferred",
    "effective_number",
    "label_sets",
    "oversample",
    "per_group",
    "power",
    "quota",
    "self_paced",
    "synthesize",
    "to_prior",
    "undersample",
    "uniform",
    "weigh_labels",
]

__dir__ = _shown(__name__)
