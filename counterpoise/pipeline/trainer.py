"""`Trainer`: what jobs are trained with, namely the rows and models of a run, its settings, and the executor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.model import Model
from counterpoise.core.progress import Progress
from counterpoise.engines.run import Executor, run
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.strategy import Strategy

Array = np.ndarray


@dataclass(frozen=True)
class Learner:
    """A model, and the rows in the form that it takes.

    Attributes:
        model: See `core.model`.
        examples: The rows; with a frozen body, its outputs for the rows.
    """

    model: Any
    examples: Examples


@dataclass(frozen=True)
class Trainer:
    """Trains jobs; every stage of `pipeline.order` gets one.

    Attributes:
        examples: The rows that jobs number, with their labels.
        learners: Key -> model and rows. Jobs and strategies name a key, which is part of job ids; "" is the first.
        settings: How models are trained.
        executor: What trains, and where (see `engines.run`). A store or a limit wraps it.
        progress: Called with a text, steps done and steps in all.
        callbacks: Keras callbacks of the user.
    """

    examples: Examples
    learners: Mapping[str, Learner]
    settings: Settings
    executor: Executor = run
    progress: Progress | None = None
    callbacks: Sequence[Any] = ()

    @classmethod
    def of(cls, examples: Examples, model: Model, settings: Settings, **how: Any) -> Self:
        """Return a trainer of one model with the key "", on rows that the model takes as they are."""
        return cls(examples, {"": Learner(model, examples)}, settings, **how)

    @property
    def models(self) -> dict[str, Any]:
        """Return key -> model."""
        return {key: learner.model for key, learner in self.learners.items()}

    @property
    def network(self) -> Network | None:
        """The first network of the run, or None."""
        return next((model for model in self.models.values() if isinstance(model, Network)), None)

    @property
    def label(self) -> str:
        """Return the names of the models of the run, without external models, joined by commas."""
        return ", ".join(learner.model.label for learner in self.learners.values() if learner.model.kind != "external")

    def label_of(self, strategy: Strategy) -> str:
        """Return the names of the models of a strategy, each once, joined by "+"."""
        return "+".join(dict.fromkeys(self.models[single.model].label for single in strategy.singles))

    def learner(self, job: Job) -> Learner:
        """Return the model that trains a job, with its rows."""
        return self.learners[job.model]

    def of_rows(self, rows: Array) -> Trainer:
        """Return the trainer for some of the rows, numbered from 0, without progress."""
        learners = {key: Learner(own.model, own.examples.subset(rows)) for key, own in self.learners.items()}
        return replace(self, examples=self.examples.subset(rows), learners=learners, progress=None)

    def train(self, jobs: Iterable[Job]) -> dict[str, Member]:
        """Train jobs, each id once, model by model, and return the member of each job id.

        Progress is reported as steps done of all jobs.
        """
        distinct = {job.id: job for job in jobs}
        total = sum(job.limits.steps for job in distinct.values())
        done = dict.fromkeys(distinct, 0)
        members: dict[str, Member] = {}

        def report(job_id: str, step: int, most: int) -> None:
            """Store the steps done of a job, and report those of all jobs; `most` is not used."""
            done[job_id] = step
            if self.progress:
                self.progress(f"{len(members)} of {len(distinct)} models", sum(done.values()), total)

        for key in dict.fromkeys(job.model for job in distinct.values()):
            learner, own = self.learners[key], [job for job in distinct.values() if job.model == key]
            how: dict[str, Any] = {"engine": self.settings.engine, "callbacks": self.callbacks, "progress": report}
            with closing(self.executor(own, learner.examples, learner.model, **how)) as trained:
                for job_id, member in trained:  # an interrupt ends workers elsewhere too
                    members[job_id] = member
                    report(job_id, distinct[job_id].limits.steps, total)  # one that stopped early is done
        return members
