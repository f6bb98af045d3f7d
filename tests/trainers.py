"""Trainers of one model for tests, and what is asked of them, in one call each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold, Holdout
from counterpoise.core.job import Job, Limits, Member
from counterpoise.data.given_split import Split
from counterpoise.engines.run import Executor
from counterpoise.pipeline import jobs as of_pipeline
from counterpoise.pipeline import order
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.resolve import resolved
from counterpoise.strategies.strategy import Single, Strategy


class AnyNetwork:
    """Where a job is looked at but not trained, the network does not matter."""

    kind, label, stops_early, refit_rows = "network", "any", True, 0

    def content(self) -> str:
        return ""

    def limits(self, given: Limits, steps: int | None, early_stopping: bool) -> Limits:
        return given


def trainer_of(examples: Examples, settings: Settings, network: Any = None, **how: Any) -> Trainer:
    return Trainer.of(examples, AnyNetwork() if network is None else network, settings, **how)


def jobs_of(
    strategy: Strategy, examples: Examples, fold: Fold | Holdout, settings: Settings, network: Any = None,
    labeled: Examples | None = None,
) -> list[Job]:  # fmt: skip
    trainer = trainer_of(examples, settings, network)
    return of_pipeline.jobs_of(resolved(strategy, trainer.models), trainer, fold, labeled)


def job_of(single: Single, examples: Examples, fold: Fold, settings: Settings, member: int = 0) -> Job:
    return of_pipeline.job_of(single, trainer_of(examples, settings), fold, member)


def cross_validate(
    examples: Examples, strategies: Sequence[Strategy], network: Any, settings: Settings, folds: int = 5,
    repeats: int = 1, duplicates: str = "warn", **how: Any,
) -> order.Outcome:  # fmt: skip
    trainer = trainer_of(examples, settings, network, **how)
    split = Split(folds=folds, repeats=repeats, duplicates=duplicates, seed=settings.seed)
    return order.cross_validate(trainer, [resolved(s, trainer.models) for s in strategies], split.of(examples))


def train_all(jobs: Iterable[Job], examples: Examples, network: Any, settings: Settings) -> dict[str, Member]:
    return trainer_of(examples, settings, network).train(jobs)


def by(train: Callable[[Iterable[Job]], dict[str, Member]]) -> Executor:
    """A function from jobs to members as an executor."""

    def executor(jobs: Iterable[Job], examples: Examples, model: Any, **how: Any) -> Any:
        yield from train(list(jobs)).items()

    return executor


def with_executor(trainer: Trainer, train: Callable[[Iterable[Job]], dict[str, Member]]) -> Trainer:
    return replace(trainer, executor=by(train))
