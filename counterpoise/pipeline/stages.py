"""Round after round: members of an ensemble that follow one another wait for what those before them say.

A round holds the jobs of all strategies and folds whose plans can be made by then, so that folds and strategies are
trained side by side. Without such members there is one round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from counterpoise.core import logits as lg
from counterpoise.core.errors import ModelError, error_text
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.engines.finishing import finished
from counterpoise.engines.run import having
from counterpoise.networks.member_outputs import score_members
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import Key, member_numbers
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.resolve import resolved
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def train_in_stages(
    jobs: Mapping[Key, Sequence[Job]],
    strategies: Mapping[Key, Strategy],
    trainer: Trainer,
    failures: dict[str, str] | None = None,
) -> tuple[dict[Key, list[Job]], dict[str, Member]]:
    """Train the jobs of strategies on folds.

    Args:
        jobs: One job per member (see `jobs.jobs_of`). That of a member that follows others is a first guess: once those
            are trained, it is planned anew and asked about its training rows besides its test rows; or, if it is warm,
            it begins with the weights of the one before.
        strategies: What the jobs belong to, as its models train it (see `strategies.resolve`).
        trainer: Trains the jobs of one round.
        failures: Where to write why a strategy could not be planned on; it is left out then. None: raise it.

    Returns:
        The jobs that were trained, and their members by job id.
    """
    planned, members = {key: list(group) for key, group in jobs.items()}, dict[str, Member]()
    for number in range(max((part.sequence for s in strategies.values() for part in s.parts()), default=0) or 1):
        wave: list[Job] = []  # equal jobs of two strategies are one
        for key, group in list(planned.items()):
            try:
                wave += _ready(group, strategies[key], number, trainer.examples, members)
            except Exception as error:  # a user's own plan may raise anything; the others race on
                if failures is None:
                    raise
                failures[key[0]] = error_text(error)
        planned = {key: group for key, group in planned.items() if key[0] not in (failures or {})}
        members |= trainer.train(wave)
    return planned, members


def _ready(
    group: list[Job], strategy: Strategy, number: int, examples: Examples, members: Mapping[str, Member]
) -> list[Job]:
    """The jobs of round `number`; those of members that follow others are put into `group`."""
    parts, ready = strategy.parts(), list[Job]()
    for i, (part, count) in enumerate(zip(parts, member_numbers(strategy), strict=True)):
        if number != (count % part.sequence if part.sequence else 0):
            continue
        before = [group[j] for j in range(i) if _alike(parts[j], part)][count - number :] if part.sequence else []
        check_trained(before, members)
        if part.warm and before:
            group[i] = having(group[i], start=members[before[-1].id].weights)
        elif part.sequence and not part.warm:
            proba = [_on_training_rows(job, members[job.id]) for job in before]
            group[i] = _planned(part, group[i], examples, np.array(proba))
        ready.append(group[i])
    return ready


def _alike(one: Strategy, other: Strategy) -> bool:
    return (one.model, one.name) == (other.model, other.name)


def check_trained(jobs: Iterable[Job], members: Mapping[str, Member]) -> None:
    """Raise a ModelError with the reason of the first job that failed."""
    if reason := next((members[job.id].error for job in jobs if members[job.id].error), ""):
        raise ModelError(reason)


def _planned(part: Strategy, job: Job, examples: Examples, before: Array) -> Job:
    """The job under the plan that follows from what the members before it say, (i, n, C)."""
    informed = replace(part, options={**part.options, "before": before})
    classes, weights = len(examples.classes), examples.weights_of(job.train)
    plan = informed.make_plan(target_of(job), examples.y[job.train], classes, weights)
    return having(job, plan=plan, score=np.concatenate([job.score, job.train]))


def _on_training_rows(job: Job, member: Member) -> Array:
    """Probabilities (n, C) for the class shares that the member has seen."""
    return np.exp(lg.log_proba(member.logits[-len(job.train) :]))


def trained_members(
    strategy: Strategy, jobs: Sequence[Job], members: Mapping[str, Member], trainer: Trainer
) -> list[Member]:
    """The members of a strategy's jobs, each after the finishing step of its part; what they say of their test rows.

    A network that was trained for several member strategies also tells what each of them says.

    Raises:
        ModelError: a training failed.
    """
    check_trained(jobs, members)
    done = []
    for part, job in zip(resolved(strategy, trainer.models).parts(), jobs, strict=True):
        member, learner = _on_test_rows(part, job, members[job.id]), trainer.learner(job)
        if isinstance(learner.model, Network):
            member = finished(part.finish, member, job, learner.examples, learner.model)
        done.append(member)
    several, first = len(strategy.parts()), trainer.learner(jobs[0])
    if len(done) < several and len(jobs[0].score):
        return [replace(done[0], member_outputs=score_members(done[0], jobs[0], first.examples, first.model, several))]
    return done


def _on_test_rows(part: Strategy, job: Job, member: Member) -> Member:
    asked = part.sequence and not part.warm  # about the training rows too
    return replace(member, logits=member.logits[: len(job.score) - len(job.train)]) if asked else member
