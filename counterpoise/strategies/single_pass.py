"""Members that a batch ensemble trains in one pass: each member of the shared batches follows a member's plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterpoise.networks.network import Network
from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan
from counterpoise.plans.member_plans import MemberPlans, joined
from counterpoise.strategies.strategy import Strategy

#: Plans whose shift follows from the class counts and that can weigh rows of a batch which others share.
CLASS_WISE = (
    plans.uniform, plans.oversample, plans.undersample, plans.class_weight, plans.power, plans.effective_number,
    plans.to_prior, plans.cost,
)  # fmt: skip
#: Losses whose whole effect on a member's logits is a constant per class, so that each member can be corrected by
#: itself.
ADDITIVE = ("cross_entropy", "balanced_softmax", "logit_adjusted")


@dataclass(frozen=True)
class MemberPlansOf:
    """Makes one plan for a batch ensemble from the plans of several strategies; a plan function like `oversample`.

    Attributes:
        parts: Strategies whose plans the members follow in turn.
        n_members: Members of the network.
    """

    parts: tuple[Strategy, ...]
    n_members: int

    def __call__(self, y: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> MemberPlans:
        return joined([self._plan(part, y, sample_weight, classes) for part in self.parts], self.n_members)

    def _plan(self, part: Strategy, y: Any, sample_weight: Any, classes: Sequence[Any] | None) -> Plan:
        return part.plan(y, sample_weight=sample_weight, classes=classes, **part.options)


def in_single_pass(strategy: Strategy, network: Network) -> Strategy:
    """The strategy with its members as those of one batch ensemble, where that can be; else the strategy as it is.

    It can where the network has a member for each of them, the members differ in class-wise plans alone, or in the
    subset that each keeps, and no weights of the vote are given or learned: members are averaged evenly.
    """
    parts = strategy.members
    if network.target.independent:  # their members weigh labels, and not rows
        return strategy
    if not (strategy.single_pass and 1 < len(parts) <= network.n_members and network.custom_train_step is None):
        return strategy
    if strategy.vote != "soft" or strategy.weights is not None or not _differ_in_plans_alone(parts):
        return strategy
    first = parts[0]
    return replace(
        strategy, plan=MemberPlansOf(parts, network.n_members), loss=first.loss, constants=first.constants, members=()
    )


def _differ_in_plans_alone(parts: tuple[Strategy, ...]) -> bool:
    first = parts[0]
    alike = all(part.loss == first.loss and part.constants is first.constants for part in parts)
    return alike and all(map(_plain, parts)) and first.loss in ADDITIVE and _differ(parts)


def _plain(part: Strategy) -> bool:
    return part.plan in CLASS_WISE and not (part.finish or part.mix or part.sequence or part.is_external)


def _differ(parts: tuple[Strategy, ...]) -> bool:
    """Whether the members see different rows: equal ones are networks of their own, told apart by their start."""
    kept = any(part.options.get("redraw") is False for part in parts)
    return kept or any((part.plan, dict(part.options)) != (parts[0].plan, dict(parts[0].options)) for part in parts)
