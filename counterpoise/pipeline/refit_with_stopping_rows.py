"""Small sets: a fold's models are trained a second time, with their early-stopping rows among the training rows.

A fifth of the training rows only decides when to stop. If rows are few, a second training is better: on all rows of the
fold but its test rows, with as many steps as the best round of the first training had. `order.refit` does the same on
all rows at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from counterpoise.core.folds import Fold
from counterpoise.core.job import Job, Member
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import FoldKey, jobs_of
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Strategy


def jobs_for_steps(strategy: Strategy, trainer: Trainer, fold: Fold, steps: Sequence[int]) -> list[Job]:
    """Return the jobs of a strategy on training and stopping rows of a fold, each for a fixed number of steps.

    `steps` has one number for each job of the strategy, in their order.
    """
    return jobs_of(strategy, trainer, fold.all_training(), steps=steps)


def refit_with_stopping_rows(
    jobs: Mapping[FoldKey, Sequence[Job]],
    members: Mapping[str, Member],
    strategies: Mapping[FoldKey, Strategy],
    trainer: Trainer,
    folds: Sequence[Fold],
) -> tuple[dict[FoldKey, list[Job]], dict[str, Member]]:
    """Train a second time, with stopping rows, on folds of at most `refit_rows` training rows of the model.

    Never trained again: trainings that a limit cuts short; models that stopping rows do not end, or that are trained
    one after the other; and a split of the user, whose validation rows train nothing. The costs of a member include
    those of its first training, and its history is that of the first.

    Returns:
        The jobs with the second ones in their places, and the members of first and second jobs by id.
    """
    kept = {key: list(group) for key, group in jobs.items()}
    if trainer.examples.split is not None or not trainer.settings.early_stopping or trainer.settings.most_steps:
        return kept, dict(members)
    again: dict[str, Job] = {}  # by the id of the first job
    for key, group in jobs.items():
        if strategies[key].n_stages == 1:
            fold, steps = folds[key[1]], [max(1, members[job.id].best_step) for job in group]
            longer = jobs_for_steps(strategies[key], trainer, fold, steps)
            pairs = zip(group, longer, strict=True)
            again |= {job.id: second for job, second in pairs if _is_trained_again(job, trainer, len(fold.train))}
    second = trainer.train(again.values()) if again else {}
    both = dict(members) | {job.id: _with_costs_of_both(members[first], second[job.id]) for first, job in again.items()}
    return {key: [again.get(job.id, job) for job in group] for key, group in kept.items()}, both


def _is_trained_again(job: Job, trainer: Trainer, rows: int) -> bool:
    """Return whether the model of a job is trained a second time on a fold of so many training rows."""
    model = trainer.learner(job).model
    most = trainer.settings.recipe.refit_rows if isinstance(model, Network) else model.refit_rows
    return bool(model.stops_early and rows <= most)


def _with_costs_of_both(first: Member, second: Member) -> Member:
    """Return the second member with the costs of both trainings and the first history."""
    return replace(
        second,
        steps=first.steps + second.steps,
        rows_seen=first.rows_seen + second.rows_seen,
        seconds=first.seconds + second.seconds,
        memory=max(first.memory, second.memory),
        history=first.history,
    )
