"""Decisions for whole rows that have a class per element (masks, sequences), a few rows at a time.

Members have only the outputs of sampled elements. Here their networks predict the rows again, so that overlaps, regions
and lesions are those of whole rows. No array may have all elements of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from counterpoise.core.folds import Fold
from counterpoise.core.job import Member
from counterpoise.core.region_result import RegionResult
from counterpoise.core.structure import chunks, take
from counterpoise.decide.lesion_threshold import VOTES, lesion_cuts, pooled_log_odds
from counterpoise.metrics.lesions import lesion_counts
from counterpoise.metrics.regions import decided_regions, foreground_of, joined_regions
from counterpoise.networks.forward import forward
from counterpoise.networks.network import Network
from counterpoise.networks.weights import set_state
from counterpoise.pipeline.fold_results import FittingPart
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def region_result(
    strategy: Strategy, trainer: Trainer, fold: Fold, members: Sequence[Member], rule: Any
) -> RegionResult | None:
    """Return counts and regions of the whole test rows of a fold by its rule; None if rows have no elements."""
    examples, target = trainer.examples, target_of(trainer.examples)
    if not target.per_element:
        return None
    foreground = foreground_of(target.counts(examples.y, len(examples.classes)))
    parts = []
    for rows, log_p in _scores_of_whole_rows(strategy, trainer, fold.test, members):
        decided = target.apply(rule, log_p)
        parts.append(decided_regions(examples.y[rows], decided.proba, decided.decision, foreground))
    return joined_regions(parts)


def lesion_tables(strategy: Strategy, trainer: Trainer, parts: Sequence[FittingPart]) -> list[Array | None]:
    """Count the lesions that each threshold finds in whole rows (see `decide.lesion_threshold`), part by part.

    None for each part if rows have no elements of two classes, or if the pool of the members depends on labels.

    Args:
        strategy: The strategy of the members.
        trainer: Its trainer, with the rows.
        parts: See `fold_results.fitting_parts`.

    Returns:
        A table float64 (G, 5) for each part, all with the same cuts: cut, lesions hit, false positives, lesions missed,
        and images. Each image counts with its weight.
    """
    examples, (vote, shares) = trainer.examples, strategy.pooling
    sample = examples.sample
    if sample is None or len(examples.classes) > 2 or vote not in VOTES:
        return [None] * len(parts)

    def odds(log_p: Array) -> Array:
        """Return the pooled log-odds (n, ...) of scores (M, n, ..., 2)."""
        flat = pooled_log_odds(
            list(log_p.reshape(len(log_p), -1, 2)), vote, None if shares is None else np.array(shares)
        )
        return flat.reshape(log_p.shape[1:-1])

    sampled = np.concatenate([odds(log_p).ravel() for _, _, log_p in parts])
    weights = np.concatenate([sample.weights[rows].ravel() for rows, _, _ in parts])
    cuts = lesion_cuts(sampled, weights)
    tables: list[Array | None] = []
    for own, members, _ in parts:
        total = np.zeros((len(cuts), 4))
        for rows, log_p in _scores_of_whole_rows(strategy, trainer, own, members):
            user = examples.weights_of(rows)
            weight = np.ones(len(rows)) if user is None else user.astype(np.float64)
            counts = lesion_counts(examples.y[rows], odds(log_p), cuts)
            total[:, :3] += np.einsum("n,gnk->gk", weight, counts)
            total[:, 3] += weight.sum()
        tables.append(np.column_stack([cuts, total]))
    return tables


def summed_lesion_tables(tables: Sequence[Array | None]) -> Array | None:
    """Return the tables of several parts as one, with their counts added; None without any."""
    known = [table for table in tables if table is not None]
    return np.column_stack([known[0][:, 0], sum(table[:, 1:] for table in known)]) if known else None


def _scores_of_whole_rows(
    strategy: Strategy, trainer: Trainer, rows: Array, members: Sequence[Member]
) -> Iterator[tuple[Array, Array]]:
    """Yield numbers of a few rows, and corrected scores (M, n, ..., C) of all elements."""
    examples, target = trainer.examples, target_of(trainer.examples)
    learners = [trainer.learners[single.model] for single in strategy.singles]
    for some in chunks(examples.x, rows):
        log_p = [
            target.log_p(_member_logits(own.model, member, take(own.examples.x, some)), member.log_shift, member.gamma)
            for own, member in zip(learners, members, strict=True)
        ]
        yield some, np.stack(log_p)


def _member_logits(network: Network, member: Member, x: Any) -> Array:
    """Return raw logits of whole rows by one member.

    The network is built once, stays in its cache, and gets the weights of each member.
    """
    if "whole rows" not in network.cache:
        made = network.fresh(0)
        network.cache["whole rows"] = made, forward(made)
    model, run = network.cache["whole rows"]
    set_state(model, member.weights)
    (logits,) = run(x)
    return np.asarray(logits)
