"""Decisions for whole test rows that have a class per element, a few rows at a time, and what is kept of them.

Members hold the outputs of sampled elements alone. Here their networks look at the test rows again, so that overlaps
and regions are those of whole rows and no array has all elements of all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from counterpoise.core.folds import Fold
from counterpoise.core.job import Member
from counterpoise.core.region_result import RegionResult
from counterpoise.core.structure import chunks, take
from counterpoise.decide.rule import Decision
from counterpoise.metrics.lesions import find_lesions, join_lesions
from counterpoise.metrics.region_scores import dice, pixel_counts
from counterpoise.networks.forward import forward
from counterpoise.networks.network import Network
from counterpoise.networks.weights import set_state
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Rows of each fold whose decisions are kept for pictures: the worst, and those around the median.
WORST, MEDIAN = 4, 4
#: Probability from which on a decided element is part of a region: any.
DECIDED = 1e-12


def region_result(
    strategy: Strategy, trainer: Trainer, fold: Fold, members: Sequence[Member], rule: Any
) -> RegionResult | None:
    """Decide the test rows of a fold as wholes; None where rows have no elements."""
    examples, target = trainer.examples, target_of(trainer.examples)
    if not target.per_element:
        return None
    n, counts, regions, maps = len(examples.classes), [], [], []
    totals = target.counts(examples.y, n)
    foreground = tuple(code for code in range(n) if code != int(totals.argmax()))
    for rows, decided in _decisions(strategy, trainer, fold.test, members, rule):
        truth = examples.y[rows]
        counts.append(pixel_counts(truth, decided.decision, n))
        regions.append([_regions(truth, decided, code) for code in foreground])
        maps.append(decided.decision.astype(np.uint8))
    counted = np.concatenate(counts)
    shown = _shown(counted[:, list(foreground)])
    lesions = tuple(join_lesions(own) for own in zip(*regions, strict=True))
    return RegionResult(counted, foreground, lesions, shown, np.concatenate(maps)[shown])


def _regions(truth: Array, decided: Decision, code: int) -> Any:
    """The regions of one class: those of the truth, and those that were decided, each with its largest probability."""
    proba = np.where(decided.decision == code, np.maximum(decided.proba[..., code], DECIDED), 0.0)
    return find_lesions(truth, proba, DECIDED, positive=code)


def _decisions(
    strategy: Strategy, trainer: Trainer, rows: Array, members: Sequence[Member], rule: Any
) -> Iterator[tuple[Array, Decision]]:
    """Row numbers and decisions, chunk by chunk."""
    target, x = target_of(trainer.examples), trainer.examples.x
    models = [trainer.learners[single.model] for single in strategy.singles]
    for chunk in chunks(x, rows):
        log_p = [
            target.log_p(
                _logits(learner.model, member, take(learner.examples.x, chunk)), member.log_shift, member.gamma
            )
            for learner, member in zip(models, members, strict=True)
        ]
        yield chunk, target.apply(rule, np.stack(log_p))


def _logits(network: Network, member: Member, x: Any) -> Array:
    """Raw logits of whole rows by one member; a network is built once and set to the weights of each."""
    if "whole rows" not in network.cache:
        made = network.fresh(0)
        network.cache["whole rows"] = made, forward(made)
    model, run = network.cache["whole rows"]
    run_once: Callable[[Any], list[Array]] = run
    set_state(model, member.weights)
    (logits,) = run_once(x)
    return logits


def _shown(counts: Array) -> Array:
    """Numbers of the rows with the lowest Dice coefficient, and of those around the median, among rows with regions."""
    some = np.flatnonzero(counts.sum(axis=(1, 2)) > 0)
    order = some[np.argsort(dice(counts[some]).mean(axis=1), kind="stable")]
    middle = max(0, len(order) // 2 - MEDIAN // 2)
    return np.unique(np.concatenate([order[:WORST], order[middle : middle + MEDIAN]])).astype(np.int64)
