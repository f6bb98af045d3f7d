"""Trainers of one model for tests, and what is asked of them, in one call each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.core.job import Job, Limits, Member
from counterpoise.engines.run import Executor
from counterpoise.pipeline import jobs as of_pipeline
from counterpoise.pipeline import order
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Strategy


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
    strategy: Strategy, examples: Examples, fold: Fold, settings: Settings, network: Any = None,
    labeled: Examples | None = None,
) -> list[Job]:  # fmt: skip
    return of_pipeline.jobs_of(strategy, trainer_of(examples, settings, network), fold, labeled)


def job_of(part: Strategy, examples: Examples, fold: Fold, settings: Settings, member: int = 0) -> Job:
    return of_pipeline.job_of(part, trainer_of(examples, settings), fold, member)


def cross_validate(
    examples: Examples, strategies: Sequence[Strategy], network: Any, settings: Settings, folds: int = 5,
    repeats: int = 1, duplicates: str = "warn", **how: Any,
) -> order.Outcome:  # fmt: skip
    trainer = trainer_of(examples, settings, network, **how)
    return order.cross_validate(trainer, strategies, folds=folds, repeats=repeats, duplicates=duplicates)


def train_all(jobs: Iterable[Job], examples: Examples, network: Any, settings: Settings) -> dict[str, Member]:
    return trainer_of(examples, settings, network).train(jobs)


def by(train: Callable[[Iterable[Job]], dict[str, Member]]) -> Executor:
    """A function from jobs to members as an executor."""

    def executor(jobs: Iterable[Job], examples: Examples, model: Any, **how: Any) -> Any:
        yield from train(list(jobs)).items()

    return executor


def with_executor(trainer: Trainer, train: Callable[[Iterable[Job]], dict[str, Member]]) -> Trainer:
    return replace(trainer, executor=by(train))
