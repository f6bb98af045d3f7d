"""The budget of steps: trainings that it cut off are detected, and it is extended for all strategies alike.

Only stopping rows are looked at. A training was cut off if it reached its limit while the loss of its stopping rows
still fell, over the last fifth of its steps, by more than one standard error, paired over the rows. If the user named
no number of epochs, all networks may then take `MOST_EXTENSION` times the steps. Networks that patience had ended would
end there again, and are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.core.job import Job, Member
from counterpoise.core.model import Model
from counterpoise.engines.run import Executor, Trained
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import FoldKey, jobs_by_fold, leave_out_failed
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.stages import train_in_stages
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Strategy

#: How many times the default budget an extended one is.
MOST_EXTENSION = 4


@dataclass(frozen=True)
class TrainingLength:
    """How long the networks of a strategy could train.

    Attributes:
        limit: Most steps of each.
        cut_off: Whether the strategy still improved at that limit; None: not known.
        network: Whether any model of the strategy is a network: other kinds of models take no steps.
    """

    limit: int
    cut_off: bool | None
    network: bool = True


def train_within_budget(
    strategies: Sequence[Strategy],
    versions: Mapping[FoldKey, Strategy],
    trainer: Trainer,
    folds: Sequence[Fold],
) -> tuple[dict[FoldKey, list[Job]], dict[str, Member], dict[str, str], Settings]:
    """Train strategies on folds; train them again for longer if one was cut off and the budget may be extended.

    Args:
        versions: (strategy name, fold number) -> the strategy with the settings that it has in this fold.

    Returns:
        The jobs and their members by id, why strategies failed, and the settings that the budget was taken from.
    """

    def train_once(trainer: Trainer) -> tuple[dict[FoldKey, list[Job]], dict[str, Member], dict[str, str]]:
        # One run over all folds: train, and drop the jobs and members of strategies that failed.
        jobs, failures = jobs_by_fold(strategies, trainer, folds, versions)
        jobs, members = train_in_stages(jobs, versions, trainer, failures)
        leave_out_failed(jobs, members, failures)
        return jobs, members, failures

    jobs, members, failures = train_once(trainer)
    if longer := extended_settings(trainer.settings, training_lengths(jobs, members, trainer)):
        executor = keeping_finished(trainer.executor, members)
        return *train_once(replace(trainer, settings=longer, executor=executor)), longer
    return jobs, members, failures, trainer.settings


def training_lengths(
    jobs: Mapping[FoldKey, Sequence[Job]], members: Mapping[str, Member], trainer: Trainer
) -> dict[str, TrainingLength]:
    """Return how long the models of each strategy trained over its folds, by strategy name."""
    by_name: dict[str, list[Sequence[Job]]] = {}
    for (name, _), group in jobs.items():
        by_name.setdefault(name, []).append(group)
    return {
        name: TrainingLength(
            limit_of([job for group in groups for job in group], trainer),
            still_falling([[members[job.id].late_gain for job in group] for group in groups]),
            any(isinstance(trainer.learner(job).model, Network) for group in groups for job in group),
        )
        for name, groups in by_name.items()
    }


def limit_of(jobs: Sequence[Job], trainer: Trainer) -> int:
    """Return the most steps of a network among jobs; without networks, the most rounds or trees."""
    networks = [job for job in jobs if isinstance(trainer.learner(job).model, Network)]
    return max(job.limits.steps for job in networks or jobs)


def still_falling(gains: Iterable[Sequence[Sequence[float] | None]]) -> bool | None:
    """Return whether the early-stopping loss still fell over the networks of all folds.

    True if the known gains fall by more than one standard error. Otherwise None if some gains are unknown, else False.

    Args:
        gains: Fold by fold `Member.late_gain` of each network. Networks of one fold share their stopping rows, so that
            their errors do not average out; those of different folds do.

    Example:
        >>> still_falling([[(0.010, 0.004)], [(0.0, 0.0)]]), still_falling([[(0.004, 0.010)], [None]])
        (True, None)
    """
    folds = list(gains)  # they are gone through several times
    known = [[gain for gain in fold if gain is not None] for fold in folds]
    # Within a fold gains and errors are averaged; over the folds, which are independent, errors add up as squares.
    means = [(sum(g for g, _ in fold) / len(fold), sum(e for _, e in fold) / len(fold)) for fold in known if fold]
    gained, error = sum(gain for gain, _ in means), math.sqrt(sum(error**2 for _, error in means))
    if means and gained > error:
        return True
    return None if any(gain is None for fold in folds for gain in fold) else False


def extended_settings(settings: Settings, trained: Mapping[str, TrainingLength]) -> Settings | None:
    """Return settings with an extended budget if a training was cut off, otherwise None.

    It may be extended once, if neither the user nor a limit of the comparison fixed the number of steps.
    """
    may = settings.extend and settings.most_steps is None and settings.extension == 1
    return replace(settings, extension=MOST_EXTENSION) if may and any(t.cut_off for t in trained.values()) else None


def keeping_finished(executor: Executor, before: Mapping[str, Member]) -> Executor:
    """Return an executor that keeps the models whose training ended by itself, and has `executor` train the others.

    `before` are the members of the first budget by job id. A kept member gets the id of the new job.
    """

    def run(jobs: Iterable[Job], examples: Examples, model: Any, **how: Any) -> Trained:
        # A generator as `engines.run.run`: kept members come first, under the id of the new job.
        left = []
        for job in jobs:
            old = _finished_member(job, model, before)
            if old is None:
                left.append(job)
            else:
                yield job.id, replace(old, job=job.id)
        if left:
            yield from executor(left, examples, model, **how)

    return run


def _finished_member(job: Job, model: Model, before: Mapping[str, Member]) -> Member | None:
    """Return the member of the first budget, or None if the job must be trained again.

    A network is kept if patience ended it and its plan does not depend on the limit. Other models have no such budget,
    so that their jobs are the same.
    """
    if not isinstance(model, Network):
        return before.get(job.id)
    # The job under the first budget had a share of 1 / `MOST_EXTENSION` of the steps.
    first = job.having(limits=replace(job.limits, steps=job.limits.steps // MOST_EXTENSION))
    member = before.get(first.id)
    if member is None:
        return None
    # A late gain of (0, 0) says that patience ended the training (see `core.job.Member`).
    return member if not job.plan.deferred and tuple(member.late_gain or ()) == (0.0, 0.0) else None
