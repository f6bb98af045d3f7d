"""Plans that change while a network trains: deferred plans, which `engines.batch_order` follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError
from counterpoise.plans.class_plans import Plan

P = TypeVar("P", bound=Plan)


def deferred(plan: P, at: float = 0.8) -> P:
    """Train on every row once per epoch first, and use the plan in the last steps.

    In the first stage, the network learns features from the original data. In the last stage, the plan moves the
    decision boundary. The plan can be class weights (deferred re-weighting), oversampling or undersampling (deferred
    re-sampling), or a plan that creates rows.

    The result is a plan too. Its rows, weights, prior and shift are those of the last stage, with which training ends.
    The effect of the first stage on the network is not known, so the probabilities need a calibrator.

    Args:
        plan: The plan of the last stage.
        at: Share of the steps after which the last stage begins, above 0 and below 1, rounded down to whole epochs of
            the first stage. With early stopping, the last stage begins when the first stage runs out of patience, and
            starts from its best round. A round of the first stage is never kept, unless the last stage took no step.

    Returns:
        The plan. `first` is the plan of the first stage, and `stages` contains both.

    Raises:
        OptionError: The share is out of range, or the plan is already deferred.

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
    """Return the plan of the first stage: every given row once an epoch, with only the weights of the user."""
    user = None if plan.sample_weight is None else plan.sample_weight[: plan.given]
    even = np.ones(len(plan.classes))
    return Plan("uniform", plan.codes[: plan.given], plan.classes, plan.counts, even, sample_weight=user)


def check_single(plan: Plan) -> None:
    """Raise an OptionError for a deferred plan, in feeds, which do not know the number of steps."""
    if plan.deferred:
        raise OptionError(
            f"Plan {plan.name!r} has two stages, and only cp.fit can start the second stage. Use the plan in "
            "cp.fit. To train by hand, use a feed of plan.first, and then a feed of the original plan."
        )
