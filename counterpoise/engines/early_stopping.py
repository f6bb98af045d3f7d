"""When the training of a network ends and which of its rounds is kept: the same for every engine, NumPy only.

Only the early-stopping rows (`Job.stop`) are seen here. Trees and external models stop by their own libraries. The
history is saved in stores of `compare` and drawn in the report, so its names are fixed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.job import Job
from counterpoise.core.target import Target
from counterpoise.engines.batch_order import first_stage_steps
from counterpoise.engines.objective import Objective

Array = np.ndarray

#: Last share of the steps, over which `Stopper.late_gain` is measured.
LATE_SHARE = 0.2


#: (log-probabilities, labels, weights (S,) or None) -> values by name.
Metrics = Callable[[Array, Array, Array | None], Mapping[str, Any]]


@dataclass(frozen=True)
class Score:
    """The score of a round on the stopping rows; lower is better.

    Stopping on "log_loss": each row's log loss. On "both": each row's log loss over that of the rows' own class shares,
    plus `missed` = 1 - average precision; each term is about 1 for an output without information, 0 for a perfect one.

    Attributes:
        losses: float64 (S,), one per row, times its weight (mean 1) where rows have weights.
        missed: One for all of them.
    """

    losses: Array
    missed: float = 0.0

    @classmethod
    def of(cls, target: Target, log_p: Array, y: Array, on: str, weights: Array | None = None) -> Score:
        """Return the score of log-probabilities of rows with labels `y` and the user's weights (S,).

        `on` is `Limits.stop_on`.
        """
        return cls(*target.stopping(log_p, y, on, weights))

    @classmethod
    def mean(cls, scores: Sequence[Score]) -> Score:
        """Return the mean of several rounds' scores, row by row."""
        return cls(np.mean([s.losses for s in scores], axis=0), float(np.mean([s.missed for s in scores])))

    def beats(self, other: Score, margin: float) -> bool:
        """Return whether this is lower by more than `margin` standard errors of the mean difference over rows.

        Example:
            >>> before, now = Score(np.array([1.0, 1.0, 1.0, 1.0])), Score(np.array([0.0, 1.0, 1.0, 1.0]))
            >>> now.beats(before, 0.9), now.beats(before, 1.1)  # better by 0.25, with a standard error of 0.25
            (True, False)
        """
        gained = other.losses - self.losses
        error = np.std(gained, ddof=1) / math.sqrt(len(gained)) if margin and len(gained) > 1 else 0.0
        return bool(gained.mean() + other.missed - self.missed > margin * error)


class Stopper:
    """Finds the best round of one job by its stopping score, and ends training when patience is over.

    Engines call `record_round`, then `improved`, once per round, and keep the weights themselves.

    The score of a handful of positives jumps from round to round, and its lowest value is luck. So rounds may be
    compared by the mean of their last few scores, a later one may have to be better beyond the noise of the rows, and
    an early one may not count (see `Limits`).

    The first stage of a deferred plan has a best round and patience of its own; what counts in the end are the rounds
    of the last stage.

    Args:
        job: Whose limits count.
        objective: Where the stopping score comes from.
        y: int32 (S,) or (S, L), labels of the stopping rows; without any, the last round is the best and nothing stops.
        weights: float (S,), the user's weights of these rows: a row of weight 2 counts as two; None: all alike.
        rate_ends_near_zero: Whether a schedule takes the learning rate to nearly 0 by the end; `late_gain` is then not
            known.
        metrics: Further scores of the corrected output, noted in the history as "val_NAME"; they decide nothing.

    Attributes:
        best: The score of the best round so far; None before there is one that a later round must beat.
        best_step: The step of the best round so far.
        steps: Steps taken so far.
        over: Whether training should end before its limit.
        first_stage_ended: Whether the first stage ended with this round: the engine then loads the best round so far
            and begins the last stage (see `batch_order.Order.start_last_stage`).
        rate: What the learning rate of the next round is of the first one's (see `Limits.plateau` and `Limits.cosine`).
        history: "step", "loss" (mean over the round's rows), "stop_loss" and "recall C" for each class code C (share of
            its stopping rows that the corrected output finds most probable), and "val_NAME" of each of the metrics,
            one number per round.
    """

    def __init__(
        self, job: Job, objective: Objective, y: Array, weights: Array | None = None, rate_ends_near_zero: bool = False,
        metrics: Metrics | None = None,
    ) -> None:  # fmt: skip
        self.metrics = metrics
        self.limits, self.objective, self.y = job.limits, objective, y
        self.weights = None if weights is None or not weights.sum() else np.asarray(weights, dtype=np.float64)
        self._rate_ends_near_zero = rate_ends_near_zero or job.limits.cosine
        self.best: Score | None = None
        self.best_step, self.steps, self.over = 0, 0, False
        self.rate, self._halvings, self._slowed_at = 1.0, 0, 0
        self.first_stage_ended, self._first_stage_limit = False, first_stage_steps(job)
        self._recent_scores: deque[Score] = deque(maxlen=job.limits.smoothing)
        self._late_from_step = (1.0 - LATE_SHARE) * job.limits.steps
        self._losses_before_late: Array | None = None
        self._latest_losses: Array | None = None
        self.history: dict[str, list[Any]] = {"step": [], "loss": [], "stop_loss": []}

    @property
    def late_gain(self) -> tuple[float, float] | None:
        """Return how much the early-stopping loss fell in the last fifth of the steps, and its paired standard error.

        It becomes `Member.late_gain`, from which a comparison finds out whether more epochs would help. (0, 0) if
        patience ended the training. None if that is not known: there are no stopping rows, no round ended before the
        last fifth, or the learning rate fell to 0 by then, so that nothing moved any more.
        """
        if self.over:
            return 0.0, 0.0
        before, now = self._losses_before_late, self._latest_losses
        if before is None or now is None or now is before or self._rate_ends_near_zero:
            return None
        gained = before - now
        error = np.std(gained, ddof=1) / math.sqrt(len(gained)) if len(gained) > 1 else 0.0
        return float(gained.mean()), float(error)

    def record_round(self, steps: int, loss: float) -> None:
        """Record the steps and the mean training loss at the end of a round.

        Call it before `improved`, which reads `steps`.
        """
        self.steps, self.first_stage_ended = steps, False
        self.history["step"].append(float(steps))
        self.history["loss"].append(float(loss))

    def improved(self, logits: Array) -> bool:
        """Judge a round by raw logits (S, units) of the early-stopping rows; return whether it is the best so far.

        May set `over` and `first_stage_ended`, and updates `rate` and `history`. Call it once per round, after
        `record_round`. Without early-stopping rows, every round is the best, being the last.
        """
        better = self._judge_round(logits)
        done = self.steps / self.limits.steps if self.limits.cosine else 0.0
        self.rate = 0.5**self._halvings * 0.5 * (1.0 + math.cos(math.pi * done))
        return better

    def _judge_round(self, logits: Array) -> bool:
        """Do what `improved` does, except for `rate`; set how often the learning rate was halved.

        If the first stage ends, the best score is forgotten, because only rounds of the last stage count.
        """
        if not len(self.y):
            self.best_step = self.steps
            return True
        better = self._is_new_best(self._smoothed_score(logits))
        self._record_recall(logits)
        spent = not better and self.limits.patience is not None and self.steps - self.best_step >= self.limits.patience
        self.first_stage_ended = bool(self._first_stage_limit) and (spent or self.steps >= self._first_stage_limit)
        self.over = spent and not self.first_stage_ended
        if self.first_stage_ended:
            self.end_first_stage()
        plateau, since = self.limits.plateau, max(self.best_step, self._slowed_at)
        if plateau is not None and not better and self.steps - since >= plateau:
            self._halvings, self._slowed_at = self._halvings + 1, self.steps
        return better

    @property
    def in_first_stage(self) -> bool:
        """Whether the next round belongs to the first of two stages."""
        return self.steps < self._first_stage_limit

    def end_first_stage(self) -> None:
        """End the first stage with this round, and forget the best score, because only later rounds count."""
        self.first_stage_ended, self.best, self._first_stage_limit = True, None, 0
        self._recent_scores.clear()
        self._late_from_step = self.steps + (1.0 - LATE_SHARE) * (self.limits.steps - self.steps)
        self._losses_before_late = self._latest_losses = None

    def _smoothed_score(self, logits: Array) -> Score:
        """Return the mean score of the last `smoothing` rounds, this one included.

        The log loss and the metrics of this round alone are noted in `history`.
        """
        log_p = self.objective.stopping_log_p(logits, self.y, self.weights)
        self.history["stop_loss"].append(self.objective.target.log_loss(log_p, self.y, self.weights))
        for name, value in self.metrics(log_p, self.y, self.weights).items() if self.metrics else ():
            self.history.setdefault(f"val_{name}", []).append(value)
        self._recent_scores.append(Score.of(self.objective.target, log_p, self.y, self.limits.stop_on, self.weights))
        self._latest_losses = self._recent_scores[-1].losses
        if self.steps <= self._late_from_step:
            self._losses_before_late = self._latest_losses
        return Score.mean(self._recent_scores)

    def _is_new_best(self, score: Score) -> bool:
        """Return whether a score is the best so far, and set `best` and `best_step` if so.

        A score that is not finite is never the best. Of rounds before `min_steps` only the step is kept, so that the
        next round always beats them.
        """
        if not np.isfinite(score.losses).all():
            return False
        better = self.best is None or score.beats(self.best, self.limits.margin)
        if better:
            # Before `min_steps` a round is kept only until the next one comes.
            self.best, self.best_step = None if self.steps < self.limits.min_steps else score, self.steps
        return better

    def _record_recall(self, logits: Array) -> None:
        """Append the recall of each class on the stopping rows to `history`."""
        with np.errstate(invalid="ignore"):  # of a training that diverged
            log_p = self.objective.target.log_p(logits, self.objective.log_shift)
        for code, recall in self.objective.target.recalls(log_p, self.y, self.weights).items():
            self.history.setdefault(f"recall {code}", []).append(recall)


def round_ends(job: Job) -> range:
    """Return the step numbers at which the rounds of a job end, one per round.

    The last number may be above `job.limits.steps`, at which a shorter last round ends: use the smaller of the two.
    """
    size = job.limits.round_steps
    return range(size, job.limits.steps + size, size)
