"""A job, which describes one training, and the member that it gives.

The names and values of all fields of `Job` and `Limits` are part of a job's id: a new field changes all ids, and stored
trainings are not found again. Fields of `Member` are stored by `comparison/stored_values.py`, which has a check for
each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from counterpoise.core.digest import digest

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a job may train.

    Attributes:
        steps: Most optimizer steps.
        round_steps: Steps between two looks at the stopping score.
        patience: Steps without a better stopping score before training ends; None = never.
        batch_size: Rows per step.
        plateau: Steps without a better stopping score before the learning rate is halved; None = never.
        min_steps: Steps before which no round but the last can be the best.
        smoothing: Rounds whose stopping scores are averaged before they are compared.
        margin: Standard errors by which a later round must be better to take over.
        stop_on: "log_loss", or "both" (log loss and average precision; see `engines.early_stopping.Score`).
        average: Share of the average of weights that the end of a round keeps (see `engines.weight_averaging`); 0: no
            average.
        cosine: Whether the learning rate falls to 0 over the steps, along half a cosine.
    """

    steps: int
    round_steps: int
    patience: int | None
    batch_size: int
    plateau: int | None = None
    min_steps: int = 0
    smoothing: int = 1
    margin: float = 0.0
    stop_on: str = "log_loss"
    average: float = 0.0
    cosine: bool = False


@dataclass(frozen=True)
class Job:
    """One model to train; picklable, and a pure description.

    Attributes:
        id: Content address: jobs with the same id are trained once.
        plan: The plan over `train` (row numbers of the plan are positions in `train`).
        train: int64, rows that are drawn from.
        stop: int64, rows of the stopping score (may be empty).
        score: int64, rows whose logits are wanted at the end.
        loss: Name of the loss family and its constants, for example `("cross_entropy", {})`.
        seed: Seed of this job's initial weights, order and dropout (see `core.seeds`).
        counters: (repeat, fold, member), under which the seeds are drawn.
        limits: How long it may train.
        mix: Name and constants of what mixes the rows of each batch (see `engines.mixing`), or None.
        model: Key of the model that trains it (see `pipeline.trainer`); "" is the first.
        content: What decides what that model does, where it is no network, whose content is that of the run.
        start: Values of the network's variables to begin with; none: drawn from the seed.
        init_bias: Whether the output starts at the constant that minimizes the loss (see `engines.objective`); not
            where there is a `start`.
        kind: The kind of target (see `core.target`).
    """

    id: str
    plan: Any
    train: Array
    stop: Array
    score: Array
    loss: tuple[str, Mapping[str, Any]]
    seed: int
    counters: tuple[int, int, int]
    limits: Limits
    mix: tuple[str, Mapping[str, Any]] | None = None
    model: str = ""
    content: str = ""
    start: tuple[Array, ...] = ()
    init_bias: bool = True
    kind: str = "one_of"

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return a job with these fields, whose id is a hash of all other fields."""
        return cls(id="", **values).having()

    def having(self, **changes: Any) -> Self:
        """Return the job with some fields changed, and the id that follows from its content.

        A plan enters the id by its `content()`, so plans of equal content give the same id.
        """
        changed = replace(self, **changes)
        content = {f.name: getattr(changed, f.name) for f in fields(changed)}
        return replace(changed, id=digest(content | {"id": "", "plan": tuple(changed.plan.content())}))


@dataclass(frozen=True)
class Member:
    """A trained model, or what a fitted estimator of another kind predicted.

    Attributes:
        job: Id of its job.
        weights: The network's variables in Keras order; of trees what `forests.model` makes of them; none for an
            estimator that cannot ship.
        logits: float32 (len(job.score), units), raw (uncorrected) logits on the score rows.
        stop_logits: float32 (len(job.stop), units).
        log_shift: float64 (C,), what has to be subtracted from the logits (design: the training shift).
        best_step: The step whose weights were kept.
        steps: Steps taken. rows_seen: rows drawn.
        seconds: Wall time of this job.
        history: name -> list of numbers, one per round.
        engine: "fit", "program", "trees" or "external".
        needs_calibration: Whether the shift alone does not correct the probabilities.
        gamma: Focusing of the focal loss that trained it, undone before the shift; 0 = none.
        memory: Bytes, the process's highest resident memory while the job was in work (see `core.memory`).
        error: Why the job failed, or ""; a failed job has no logits.
        late_gain: What the stopping loss fell by in the last fifth of the steps, and its standard error over the rows;
            (0, 0) where patience ended the training; None: not known (see `early_stopping.Stopper.late_gain`).
        member_shifts: float64 (members, C), training shift of each member that the network removes itself; None: none.
        member_outputs: float32 (strategies, len(job.score), C), corrected outputs of the members of each member
            strategy alone, if one network was trained for several; None: it was for one.
    """

    job: str
    weights: tuple[Array, ...]
    logits: Array
    stop_logits: Array
    log_shift: Array
    best_step: int
    steps: int
    rows_seen: int
    seconds: float
    history: Mapping[str, list[float]] = field(default_factory=dict)
    engine: str = "fit"
    needs_calibration: bool = False
    gamma: float = 0.0
    memory: int = 0
    error: str = ""
    member_shifts: Array | None = None
    member_outputs: Array | None = None
    late_gain: tuple[float, float] | None = None
