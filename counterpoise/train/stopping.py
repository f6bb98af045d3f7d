"""When a job ends and which of its rounds is kept: the same for every engine, NumPy only."""

from __future__ import annotations

import numpy as np

from counterpoise.core import logits as lg
from counterpoise.core.records import Job
from counterpoise.train.objective import Objective
from counterpoise.train.order import first_steps

Array = np.ndarray


class Stopper:
    """Keeps the best round of one job by its stopping score, and says when patience is over.

    The first stage of a deferred plan has a best round and patience of its own; what counts in the end are the rounds
    of the last stage.

    Args:
        job: Whose limits count.
        objective: Where the stopping score comes from.
        y: int32 (S,), classes of the stopping rows; without any, the last round is the best and nothing stops.

    Attributes:
        best_step: The step of the best round so far.
        steps: Steps taken so far.
        over: Whether training should end before its limit.
        turned: Whether the first stage ended with this round: the last one goes on from the best round so far.
        slower: Whether the learning rate should be halved now (see `Limits.plateau`).
        history: "step", "loss" (mean over the round's rows), "stop_loss" and "recall C" for each class code C (share of
            its stopping rows that the corrected output finds most probable), one number per round.
    """

    def __init__(self, job: Job, objective: Objective, y: Array) -> None:
        self.limits, self.objective, self.y = job.limits, objective, y
        self.best, self.best_step, self.steps, self.over = np.inf, 0, 0, False
        self.slower, self._slowed_at = False, 0
        self.turned, self._first = False, first_steps(job)
        self.history: dict[str, list[float]] = {"step": [], "loss": [], "stop_loss": []}

    def enter(self, steps: int, loss: float) -> None:
        """Note the end of a round: steps taken so far and its mean loss."""
        self.steps = steps
        self.history["step"].append(float(steps))
        self.history["loss"].append(float(loss))
        if not len(self.y):
            self.best_step = steps

    def improved(self, logits: Array) -> bool:
        """Whether this round, with these logits of the stopping rows, is the best so far; may set `over`."""
        score = self.objective.stopping_score(logits, self.y)
        self.history["stop_loss"].append(score)
        self._note_recall(logits)
        better = bool(score < self.best)
        if better:
            self.best, self.best_step = score, self.steps
        spent = not better and self.limits.patience is not None and self.steps - self.best_step >= self.limits.patience
        self.turned = bool(self._first) and (spent or self.steps >= self._first)
        self.over = spent and not self.turned
        if self.turned:
            self.best, self._first = np.inf, 0
        plateau, since = self.limits.plateau, max(self.best_step, self._slowed_at)
        self.slower = plateau is not None and not better and self.steps - since >= plateau
        if self.slower:
            self._slowed_at = self.steps
        return better

    def _note_recall(self, logits: Array) -> None:
        found = lg.log_proba(logits, self.objective.log_shift).argmax(axis=1) == self.y
        for code in np.unique(self.y):
            self.history.setdefault(f"recall {code}", []).append(float(found[self.y == code].mean()))


def round_ends(job: Job) -> range:
    """Step numbers at which the rounds of a job end; the last may be a short one (see `Limits`).

    Use `min(end, job.limits.steps)` for the last.
    """
    size = job.limits.round_steps
    return range(size, job.limits.steps + size, size)
