"""Plans that change while a network trains."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError
from counterpoise.plans.class_plans import Plan

P = TypeVar("P", bound=Plan)


def deferred(plan: P, at: float = 0.8) -> P:
    """Train on every row once an epoch first, and follow the plan in the last steps.

    The network learns what it sees from the data as they are; the last stage moves the boundary. Goes with class
    weights (deferred re-weighting), with oversampling and undersampling (deferred re-sampling), and with rows that a
    plan makes.

    A plan again: its rows, weights, prior and shift are those of the last stage, where training ends. What a network
    keeps of the first stage is not known, so its probabilities need a calibrator.

    Args:
        plan: What the last stage follows.
        at: Share of the steps, above 0 and below 1, after which it begins, cut to whole epochs of the first stage. With
            early stopping it begins as soon as the first stage has run out of patience, from its best round; rounds of
            the first stage are never what is kept, unless no step of the last one was taken.

    Returns:
        The plan, with what comes before it in `first`. `stages` has both.

    Raises:
        OptionError: a share out of range, or a plan that is deferred already.

    Example:
        >>> from counterpoise.plans.class_plans import oversample
        >>> plan = deferred(oversample([0, 0, 0, 1]), at=0.5)
        >>> {stage.name: len(stage) for stage in plan.stages}
        {'uniform': 4, 'oversample, deferred to 0.5': 6}

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss" (NeurIPS 2019).
    """
    share = check_range(at, "at", low=0.0, high=1.0, bounds="()")
    if plan.deferred:
        raise OptionError(f"Plan {plan.name!r} is already deferred. Pass the original plan.")
    name = f"{plan.name}, deferred to {share:g}"
    return replace(plan, name=name, deferred=share, first=_each_row_once(plan), needs_calibration=True)


def _each_row_once(plan: Plan) -> Plan:
    """Every given row of a plan once an epoch, with the user's weights alone."""
    user = None if plan.sample_weight is None else plan.sample_weight[: plan.given]
    even = np.ones(len(plan.classes))
    return Plan("uniform", plan.codes[: plan.given], plan.classes, plan.counts, even, sample_weight=user)


def check_single(plan: Plan) -> None:
    """Raise for a deferred plan where the number of steps is not known."""
    if plan.deferred:
        raise OptionError(
            f"Plan {plan.name!r} has two stages, but a feed cannot determine when the second stage begins. Use the "
            "plan in cp.fit. To train by hand, use a feed of plan.first, and then a feed of the original plan."
        )
