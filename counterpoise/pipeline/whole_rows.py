"""Decisions for whole test rows that have a class per element, a few rows at a time, and what is kept of them.

Members hold the outputs of sampled elements alone. Here their networks look at the test rows again, so that overlaps
and regions are those of whole rows and no array has all elements of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.folds import Fold
from counterpoise.core.job import Member
from counterpoise.core.region_result import RegionResult
from counterpoise.core.structure import chunks, take
from counterpoise.metrics.regions import decided_regions, foreground_of, joined_regions
from counterpoise.networks.forward import forward
from counterpoise.networks.network import Network
from counterpoise.networks.weights import set_state
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def region_result(
    strategy: Strategy, trainer: Trainer, fold: Fold, members: Sequence[Member], rule: Any
) -> RegionResult | None:
    """Decide the test rows of a fold as wholes; None where rows have no elements."""
    examples, target = trainer.examples, target_of(trainer.examples)
    if not target.per_element:
        return None
    foreground = foreground_of(target.counts(examples.y, len(examples.classes)))
    learners = [trainer.learners[single.model] for single in strategy.singles]
    parts = []
    for rows in chunks(examples.x, fold.test):
        log_p = [
            target.log_p(_logits(learner.model, member, take(learner.examples.x, rows)), member.log_shift, member.gamma)
            for learner, member in zip(learners, members, strict=True)
        ]
        decided = target.apply(rule, np.stack(log_p))
        parts.append(decided_regions(examples.y[rows], decided.proba, decided.decision, foreground))
    return joined_regions(parts)


def _logits(network: Network, member: Member, x: Any) -> Array:
    """Raw logits of whole rows by one member; a network is built once and set to the weights of each."""
    if "whole rows" not in network.cache:
        made = network.fresh(0)
        network.cache["whole rows"] = made, forward(made)
    model, run = network.cache["whole rows"]
    set_state(model, member.weights)
    (logits,) = run(x)
    return np.asarray(logits)
