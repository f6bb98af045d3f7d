"""Small sets: a fold's networks are trained once more, with the rows that stopped them among the training rows.

A fifth of the rows says when to stop and teaches nothing. Where there are few, that costs more than a second training:
as many steps as the best round of the first had, on all rows of the fold but its test rows. `refit` does the same with
all folds at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from counterpoise.core.records import Examples, Fold, Job, Member
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import Key, Settings, TrainAll, job_of, member_numbers, on_network
from counterpoise.strategies.strategy import Strategy


def for_steps(
    strategy: Strategy, examples: Examples, fold: Fold, settings: Settings, network: Network, steps: Sequence[int]
) -> list[Job]:
    """The jobs of a strategy's members on training and stopping rows of a fold, each for its number of steps."""
    ready = on_network(strategy, network)
    return [
        job_of(part, examples, fold.whole(), settings, member, count)
        for part, member, count in zip(ready.parts(), member_numbers(ready), steps, strict=True)
    ]


def train_once_more(
    jobs: Mapping[Key, Sequence[Job]],
    members: Mapping[str, Member],
    strategies: Mapping[Key, Strategy],
    examples: Examples,
    folds: Sequence[Fold],
    settings: Settings,
    network: Network,
    train: TrainAll,
) -> tuple[dict[Key, list[Job]], dict[str, Member]]:
    """Jobs and members after the second training, where the recipe asks for one; the others as they were.

    Asked for it are folds of at most `Recipe.once_more` training rows. Left out are trainings that a limit cuts short,
    entrants that are no networks, members that follow one another, and a given split, whose validation rows train
    nothing. What a member cost includes its first training, and its history is that of the first.
    """
    again: dict[Key, list[Job]] = {}
    if examples.split is not None:
        return {key: list(group) for key, group in jobs.items()}, dict(members)
    for key, group in jobs.items():
        small = len(folds[key[1]].train) <= settings.recipe.once_more and settings.most_steps is None
        if small and settings.early_stopping and not any(p.is_external or p.sequence for p in strategies[key].parts()):
            steps = [max(1, members[job.id].best_step) for job in group]
            again[key] = for_steps(strategies[key], examples, folds[key[1]], settings, network, steps)
    found = train([job for group in again.values() for job in group]) if again else {}
    both = dict(members)
    for key, group in again.items():
        for job, first in zip(group, jobs[key], strict=True):
            both[job.id] = _after(members[first.id], found[job.id])
    return {key: again.get(key, list(group)) for key, group in jobs.items()}, both


def _after(first: Member, second: Member) -> Member:
    """The second member, at the cost of both."""
    return replace(
        second,
        steps=first.steps + second.steps,
        rows_seen=first.rows_seen + second.rows_seen,
        seconds=first.seconds + second.seconds,
        memory=max(first.memory, second.memory),
        history=first.history,
    )
