"""Several plans on shared batches: each row has, for each member, the weight of the member's own plan.

A batch ensemble (see `networks.batch_ensemble`) can follow one plan per member in a single pass. In epoch e, plan v
counts row i as p_v(i), its draws times their loss weights, scaled to mean 1 over the rows. Rows are drawn by the mean
of the p_v over the members, q(i), and count p_v(i) / q(i) for member v: over an epoch each member sees its own plan, in
expectation exactly, and no weight exceeds the number of members (the balance heuristic of Veach and Guibas 1995). A
rare class that two plans of three bring to half of their rows is then a third of every batch. Uniform batches with
weights would contain a few of its rows, with weights of 50 and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import OptionError
from counterpoise.plans import rows as draws
from counterpoise.plans.plan import Plan

Array = np.ndarray

#: Most epochs of a member's plan in one epoch of all members.
MOST_EPOCHS = 4


@dataclass(frozen=True)
class MemberPlans(Plan):
    """One plan per member of a network; see the module and `joined_member_plans`.

    An epoch draws as many rows as there are. The shift of each member is removed inside the network, so that of the
    whole is 0.

    Attributes:
        of_members: The plan of each member, (k,).
    """

    of_members: tuple[Plan, ...] = ()

    @property
    def multiplicity(self) -> Array:
        """Ones, float64 (C,): the plan as a whole repeats no class more than another."""
        return np.ones(len(self.classes))

    def epoch(self, number: int = 0, seed: int = 0) -> tuple[Array, Array]:
        """Return the row numbers (n,) of an epoch in training order, and each member's loss weights, float32 (n, k)."""
        shares = np.stack([self._counts_for_member(v, number, seed) for v in range(len(self.of_members))], axis=1)
        mean = shares.mean(axis=1)
        by_class = self._rows_by_class
        drawn = np.repeat(by_class, self._times_drawn(mean, number, seed)[by_class])
        draws.shuffle(drawn, seeds.generator(seed, "order", number))
        return drawn, (shares[drawn] / mean[drawn, None]).astype(np.float32)

    def with_weights(self, sample_weight: Any) -> Self:
        """Return the same plan with the user's weights (n,), in every member's plan too."""
        weighted = super().with_weights(sample_weight)
        return replace(weighted, of_members=tuple(plan.with_weights(sample_weight) for plan in self.of_members))

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the row numbers of an epoch, int64 (n,)."""
        return self.epoch(number, seed)[0]

    def _weights_of(self, rows: Any) -> Array:
        """Loss weight of each row, the mean over the members: 1 in every epoch."""
        return np.ones(len(self.codes), np.float32)[rows]

    def _counts_for_member(self, member: int, number: int, seed: int) -> Array:
        """Return what each row counts for a member in an epoch, float64 (n,), mean 1.

        A plan that draws few rows in each epoch goes through as many of its epochs as it would draw n rows in, so that
        its member sees what a network of its own would see in as many steps.
        """
        plan, n = self.of_members[member], len(self.codes)
        own = seeds.integer(seed, "view", member)  # each member draws its rows with a seed of its own
        epochs = min(MOST_EPOCHS, max(1, round(n / len(plan)))) if plan.redraw else 1
        drawn = [plan.rows(epoch, own) for epoch in range(number * epochs, (number + 1) * epochs)]
        times = np.bincount(np.concatenate(drawn), minlength=n)
        return times * (n / (epochs * len(plan))) * plan.weights()

    def _times_drawn(self, mean: Array, number: int, seed: int) -> Array:
        """Return how often an epoch draws each row, int64 (n,), with sum n and on average `mean`.

        Rows are shuffled within their class, and counts are rounded along the sum of `mean`: one random number decides
        for all, so that every class gets its share of draws up to one.
        """
        rng = seeds.generator(seed, "views", number)
        order = np.concatenate([rng.permutation(self._rows_of_class(code)) for code in range(len(self.classes))])
        upto = np.cumsum(mean[order])
        upto *= len(order) / upto[-1]
        upto[-1] = len(order)  # exactly, in spite of rounding
        ends = np.floor(upto + rng.random(dtype=np.float32)).astype(np.int64)
        times = np.empty(len(order), np.int64)
        times[order] = np.diff(ends, prepend=0)
        return times


def joined_member_plans(plans: Sequence[Plan], n_members: int) -> MemberPlans:
    """Join plans over the same rows into one for a batch ensemble: member v follows plans[v mod len(plans)].

    Raises:
        OptionError: no plan, more plans than members, or plans over other rows, with new rows or with stages.

    Example:
        >>> from counterpoise.plans import oversample, uniform
        >>> plan = joined_member_plans([uniform([0, 0, 0, 1]), oversample([0, 0, 0, 1])], n_members=2)
        >>> rows, weights = plan.epoch(0, seed=0)
        >>> weights[rows == 3][0].round(2)
        array([0.67, 1.33], dtype=float32)
    """
    if not 1 <= len(plans) <= n_members:
        raise OptionError(
            f"There are {len(plans)} plans for {n_members} members. Give at least one plan, and at most one per member."
        )
    first = plans[0]
    if any(not np.array_equal(plan.codes, first.codes) or plan.needs_features or plan.deferred for plan in plans):
        raise OptionError(
            "Ensemble members that share batches need plans for the same rows. These plans cannot create rows or have "
            "two stages. Choose other plans, or train the members one by one."
        )
    return MemberPlans(
        " + ".join(dict.fromkeys(plan.name for plan in plans)), first.codes, first.classes, first.counts,
        np.ones(len(first.classes)), sample_weight=first.sample_weight,
        needs_calibration=any(plan.needs_calibration for plan in plans),
        of_members=tuple(plans[v % len(plans)] for v in range(n_members)),
    )  # fmt: skip
