"""The class of strategies whose models are trained one after the other, each from the earlier ones.

`pipeline.stages` calls `due` once per stage. Later models see only predictions for training rows, or weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from counterpoise.core import logits as lg
from counterpoise.core.checks import check_int
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Limits, Member
from counterpoise.strategies.strategy import Single, Strategy

Array = np.ndarray


@dataclass(frozen=True)
class Successive(Strategy):
    """Models trained one after the other and pooled with equal weights.

    Attributes:
        step: The strategy of each model. Its plan is a function (labels, members=, before=, ...). `members` is `count`.
            `before`, float (i, n, C), contains the probabilities of the n training rows, predicted by the i models
            before (see `plans.self_paced`). If `warm` is True, the plan is an ordinary plan.
        count: Number of models, 2 or more.
        warm: Whether each model starts from the weights of the previous model, while the learning rate falls along half
            a cosine. Together they take as many steps as one network, as in a snapshot ensemble.

    Raises:
        OptionError: `step` has a finishing step or hyperparameters, or `count` is below 2.

    Example:
        >>> from counterpoise import plans
        >>> steps = Successive("snapshots", step=Strategy("one", plan=plans.oversample), count=3, warm=True)
        >>> steps.n_stages, steps.member_names
        (3, ('one', 'one', 'one'))
    """

    step: Single = field(default_factory=lambda: Single("step"))
    count: int = 5
    warm: bool = False

    def __post_init__(self) -> None:
        check_int(self.count, "count", 2)
        if not isinstance(self.step, Single):
            raise OptionError(f"{self.name}: step is a {type(self.step).__name__}. Expected a cp.Strategy.")
        if self.step.finish or self.step.hyperparameters:
            name = "finish" if self.step.finish else "hyperparameters"
            raise OptionError(f"{self.name}: step has {name}, which cannot be combined with Successive.")
        if not self.warm:
            object.__setattr__(self, "step", replace(self.step, options={**self.step.options, "members": self.count}))

    @property
    def singles(self) -> tuple[Single, ...]:
        return (self.step,) * self.count

    @property
    def n_stages(self) -> int:
        return self.count

    def mapped(self, function: Callable[[Single], Single]) -> Successive:
        return replace(self, step=function(self.step))

    def jobs(self, make: Callable[[Single], Job], *, timed: bool = False) -> list[Job]:
        """Make a first version of each job, which `due` replaces after the earlier jobs."""
        of_stages = super().jobs(make)
        pieces = 1 if timed else self.count
        return [job.having(limits=with_cosine(job.limits, pieces)) for job in of_stages] if self.warm else of_stages

    def due(self, stage: int, jobs: Sequence[Job], members: Mapping[str, Member], examples: Examples) -> dict[int, Job]:
        """Return the job of this stage by its index, or {} after the last stage.

        See `Strategy.due`. Its plan or its initial weights follow from the models before. A model before that failed
        is a ModelError.
        """
        if stage >= self.count:
            return {}
        before, job = jobs[:stage], jobs[stage]
        check_trained(before, members)
        if not self.warm:
            return {stage: self._with_new_plan(job, before, members, examples)}
        return {stage: job.having(start=members[before[-1].id].weights) if before else job}

    def outputs(self, jobs: Sequence[Job], members: Mapping[str, Member]) -> list[Member]:
        """Return the members with outputs for the score rows only.

        Outputs for the training rows, which `_with_new_plan` adds for the next model, are cut off.
        """
        outputs = super().outputs(jobs, members)
        if self.warm:
            return outputs
        pairs = zip(outputs, jobs, strict=True)
        return [replace(member, logits=member.logits[: len(job.score) - len(job.train)]) for member, job in pairs]

    def _with_new_plan(self, job: Job, before: Sequence[Job], members: Mapping[str, Member], examples: Examples) -> Job:
        """Return the job with the plan that follows from the models before it.

        Its training rows are scored too, behind the score rows; `outputs` and `_training_row_probabilities` rely on
        this order.
        """
        from counterpoise.targets.kinds import target_of  # imports Keras, which a list of names does not need

        proba = np.array([_training_row_probabilities(other, members[other.id]) for other in before])
        informed = replace(self.step, options={**self.step.options, "before": proba})
        weights = examples.weights_of(job.train)
        plan = informed.make_plan(target_of(job), examples.y[job.train], examples.classes, weights)
        return job.having(plan=plan, score=np.concatenate([job.score, job.train]))


def check_trained(jobs: Iterable[Job], members: Mapping[str, Member]) -> None:
    """Raise a ModelError with the reason of the first job that failed."""
    if reason := next((members[job.id].error for job in jobs if members[job.id].error), ""):
        raise ModelError(reason)


def with_cosine(limits: Limits, pieces: int) -> Limits:
    """Return limits for one of `pieces` equal parts of the steps, in which the learning rate falls to 0."""
    steps = max(1, limits.steps // pieces)
    return replace(limits, steps=steps, round_steps=min(limits.round_steps, steps), cosine=True)


def _training_row_probabilities(job: Job, member: Member) -> Array:
    """Return the probabilities of the n training rows, (n, C), for the class proportions of the training (uncorrected).

    They are the last n rows of the logits (see `Successive._with_new_plan`).
    """
    return np.exp(lg.log_proba(member.logits[-len(job.train) :]))
