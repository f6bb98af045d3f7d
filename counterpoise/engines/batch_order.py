"""Step numbers to row numbers: which rows step k of a job trains on.

Both engines read the same order, so they see the same batches. An epoch of a plan is cut into batches; its last
batch may be smaller; the next epoch has its own draw. A step's rows are a pure function of (seed, place, step), and
for a deferred plan of the step at which its last stage begins. The words "plan" and "last stage" enter the seeds: to
change them, or the order of rows, changes the results of a job whose id stays the same.
"""

from __future__ import annotations

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.job import Job
from counterpoise.plans.plan import Plan

Array = np.ndarray


def first_stage_steps(job: Job) -> int:
    """Return the most steps of the first stage of a deferred plan; 0 for a plan of one stage.

    Early stopping may end the stage before (see `Order.start_last_stage`). The number is rounded down to whole rounds,
    except if it is less than one round.

    Example:
        >>> from counterpoise.core.job import Limits
        >>> from counterpoise.plans import deferred, undersample
        >>> plan, none = deferred(undersample([0, 0, 0, 1]), at=0.5), np.empty(0, np.int64)
        >>> rounds = {"round_steps": 4, "patience": None, "batch_size": 1}
        >>> [first_stage_steps(Job("", plan, none, none, none, ("", {}), 0, (0, 0, 0), Limits(steps=steps, **rounds)))
        ...  for steps in (2, 10, 40)]
        [1, 4, 20]
    """
    steps = round(job.plan.deferred * job.limits.steps)
    return steps - steps % job.limits.round_steps or steps


class Stage:
    """The batches of one plan, which is one stage of a job; steps are counted from its beginning.

    Rows are positions in `Job.train` here; `Order` turns them into row numbers.
    """

    def __init__(self, plan: Plan, batch_size: int, seed: int) -> None:
        self.plan, self.batch_size, self.seed = plan, batch_size, seed
        self.steps_per_epoch = -(-len(plan) // batch_size)
        # The epoch that was drawn last, its positions, and their loss weights; -1: no epoch yet.
        self._epoch_number, self._positions, self._weights = -1, np.empty(0, np.int64), np.empty(0, np.float32)

    def epoch(self, number: int) -> Array:
        """Positions that one epoch draws, in training order."""
        if number != self._epoch_number:
            self._positions, self._weights = self.plan.epoch(number, self.seed)
            self._epoch_number = number
        return self._positions

    def rows_of_steps(self, start: int, steps: int) -> tuple[Array, Array]:
        """Return positions and loss weights, float32 (rows,), of at most `steps` steps from `start` on.

        Fewer steps are returned if the epoch ends before. A plan of members, or of labels, has weights (rows, members)
        or (rows, labels).
        """
        epoch, batch = divmod(start, self.steps_per_epoch)
        span = slice(batch * self.batch_size, (batch + steps) * self.batch_size)
        # `epoch` is called first, because it also sets `_weights`.
        return self.epoch(epoch)[span], self._weights[span]

    def rows_seen(self, steps: int) -> int:
        """Rows drawn in the first `steps` steps."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return epochs * len(self.plan) + min(rest * self.batch_size, len(self.plan))


class Order:
    """The batches of one job.

    Args:
        job: Whose plan, training rows, seed and batch size count.

    Attributes:
        switch: The step at which the last (or only) stage begins.
        steps_per_epoch: Of the last stage: ceil(rows drawn per epoch / batch size).
    """

    def __init__(self, job: Job) -> None:
        self.job, self.switch = job, first_stage_steps(job)
        # Until the switch a deferred job is that of its first plan, row by row.
        self._stages = [
            Stage(plan, job.limits.batch_size, seeds.integer(job.seed, word, *job.counters))
            for plan, word in zip(job.plan.stages, ("plan", "last stage"), strict=False)
        ]
        self.steps_per_epoch = self._stages[-1].steps_per_epoch

    def epoch(self, number: int) -> Array:
        """Positions in `job.train` that one epoch of the last stage draws, in training order."""
        return self._stages[-1].epoch(number)

    def step(self, number: int) -> tuple[Array, Array]:
        """Return row numbers (of the examples) and loss weights, float32, of one step; steps in any order."""
        return self.rows_of_steps(number, 1)

    def rows_of_steps(self, start: int, steps: int) -> tuple[Array, Array]:
        """Return row numbers and loss weights of at most `steps` steps from `start` on, one after the other.

        All are of one epoch and one stage. They are the rows that `step` returns for each of these steps.
        """
        if start < self.switch:
            drawn, weights = self._stages[0].rows_of_steps(start, min(steps, self.switch - start))
        else:
            drawn, weights = self._stages[-1].rows_of_steps(start - self.switch, steps)
        return self.job.train[drawn], weights

    def start_last_stage(self, step: int) -> None:
        """Let the last stage begin at `step`, if it has not begun before.

        Both engines call it after the round in which early stopping ends the first stage.
        """
        self.switch = min(self.switch, step)

    def rows_seen(self, steps: int) -> int:
        """Rows drawn in the first `steps` steps."""
        first = min(steps, self.switch)
        return self._stages[0].rows_seen(first) + self._stages[-1].rows_seen(steps - first)
