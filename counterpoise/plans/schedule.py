"""Plans that change while a network trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError
from counterpoise.plans.plan import Plan


def deferred(plan: Plan, at: float = 0.8) -> Plan:
    """The same plan, its class weights switched on after a share of the steps.

    A plan again: its shift and prior are those of the last stage, where training ends. What a network keeps of the
    first stage is not known, so its probabilities need a calibrator.

    Args:
        plan: A plan of weights (every row once an epoch).
        at: Share of the steps, above 0 and below 1, that are taken with plain weights.

    Raises:
        OptionError: a plan that draws rows, or a share out of range.

    Example:
        >>> from counterpoise.plans.plan import class_weight
        >>> plan = deferred(class_weight([0, 0, 0, 1]), at=0.5)
        >>> plan.first_weights().tolist()
        [1.0, 1.0, 1.0, 1.0]
        >>> plan.weights()
        array([0.6666667, 0.6666667, 0.6666667, 2.       ], dtype=float32)

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss" (NeurIPS 2019),
    section 3.3.
    """
    share = check_range(at, "at", low=0.0, high=1.0, bounds="()")
    if np.any(plan.drawn != plan.counts):
        raise OptionError(f"plan {plan.name!r} draws rows; only class weights can be deferred.")
    return replace(plan, name=f"{plan.name}, deferred to {share:g}", deferred=share, needs_calibration=True)
