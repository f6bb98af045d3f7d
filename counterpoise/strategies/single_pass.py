"""Ensembles whose members a batch ensemble (such as `tabular`) trains in one pass.

Each network in the batch ensemble follows the plan of one member, on shared batches. `networks.member_outputs`
separates the outputs of the members again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.per_class import by_code
from counterpoise.core.target import Target
from counterpoise.networks.network import Network
from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan
from counterpoise.plans.member_plans import MemberPlans, joined_member_plans
from counterpoise.strategies.ensemble import Ensemble
from counterpoise.strategies.strategy import Single, Strategy

Array = np.ndarray

#: Plans whose shift follows from the class counts and that can weight rows of a batch which others share.
CLASS_WISE = (
    plans.uniform, plans.oversample, plans.undersample, plans.class_weight, plans.power, plans.effective_number,
    plans.to_prior, plans.cost,
)  # fmt: skip
#: Losses whose whole effect on a member's logits is a constant per class, so that each member can be corrected by
#: itself.
ADDITIVE = ("cross_entropy", "balanced_softmax", "logit_adjusted")


@dataclass(frozen=True)
class MemberPlansOf:
    """A plan function like `oversample`: makes one plan for a batch ensemble from the plans of several strategies.

    Attributes:
        strategies: Whose plans the members follow in turn.
        n_members: Members of the network.
    """

    strategies: tuple[Single, ...]
    n_members: int

    def __call__(self, y: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> MemberPlans:
        """Return the joined plan for labels y, made of the plans of all strategies."""
        how = {"sample_weight": sample_weight, "classes": classes}
        return joined_member_plans(
            [single.plan(y, **how, **single.options) for single in self.strategies], self.n_members
        )


@dataclass(frozen=True)
class SinglePass(Single):
    """An ensemble as one batch ensemble trains it: one job, whose plan joins those of the members.

    Attributes:
        members: The members of the ensemble.
    """

    members: tuple[Single, ...] = ()

    @property
    def member_names(self) -> tuple[str, ...]:
        return tuple(single.name for single in self.members)

    def make_plan(self, target: Target, y: Array, classes: Sequence[Any], sample_weight: Array | None = None) -> Plan:
        """Make the joined plan (see `Single.make_plan`); options of the members are by label."""
        plan = self.plan
        assert isinstance(plan, MemberPlansOf)
        coded = tuple(replace(single, options=by_code(single.options, classes)) for single in plan.strategies)
        result: Plan = target.plan(replace(plan, strategies=coded), y, len(classes), sample_weight)
        return result


def in_single_pass(strategy: Strategy, network: Network) -> Strategy:
    """Return an ensemble as a strategy that one batch ensemble trains, or the strategy itself if that cannot be.

    It can if the network has a member for each of them, the members differ in class-wise plans alone, or in the
    subset that each keeps, and no weights of the vote are given or learned: members are averaged evenly.
    """
    if not isinstance(strategy, Ensemble) or network.target.independent:  # labels' members weigh labels, and not rows
        return strategy
    members = tuple(member for member in strategy.members if type(member) is Single)
    if len(members) < len(strategy.members) or strategy.pooling != ("soft", None):
        return strategy
    if not (strategy.single_pass and 1 < len(members) <= network.n_members and network.custom_train_step is None):
        return strategy
    if not _differ_in_plans_alone(members):
        return strategy
    first = members[0]
    return SinglePass(
        strategy.name, strategy.idea, aim=strategy.aim, plan=MemberPlansOf(members, network.n_members),
        loss=first.loss, constants=first.constants, model=first.model, members=members,
    )  # fmt: skip


def _differ_in_plans_alone(members: tuple[Single, ...]) -> bool:
    """Return whether members differ only in class-wise plans or in kept subsets.

    They have the same loss and constants, and the loss is one of `ADDITIVE`.
    """
    first = members[0]
    alike = all(single.loss == first.loss and single.constants is first.constants for single in members)
    return alike and all(map(_only_class_wise, members)) and first.loss in ADDITIVE and _see_different_rows(members)


def _only_class_wise(single: Single) -> bool:
    """Return whether a member has a class-wise plan, and no finishing step or mixing of rows."""
    return single.plan in CLASS_WISE and not (single.finish or single.mix)


def _see_different_rows(members: tuple[Single, ...]) -> bool:
    """Return whether the members see different rows.

    Members with equal plans differ only in their initial weights, for which they need separate networks. A subset
    that is drawn once (`redraw=False`) is another one for each member.
    """
    kept = any(single.options.get("redraw") is False for single in members)
    first, *others = (
        (single.plan, {k: np.asarray(v).tolist() for k, v in single.options.items()}) for single in members
    )
    return kept or any(other != first for other in others)
