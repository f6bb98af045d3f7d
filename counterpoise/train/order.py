"""Step numbers to row numbers: which rows step k of a job trains on.

Both engines read the same order, so they see the same batches. An epoch of a plan is cut into batches; its last
batch may be smaller; the next epoch is drawn afresh. A step's rows are a pure function of (seed, place, step).
"""

from __future__ import annotations

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.records import Job

Array = np.ndarray


class Order:
    """The batches of one job.

    Args:
        job: Whose plan, training rows, seed and batch size count.

    Attributes:
        steps_per_epoch: ceil(rows drawn per epoch / batch size).
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.batch_size = job.limits.batch_size
        self.steps_per_epoch = -(-len(job.plan) // self.batch_size)
        self._seed = seeds.integer(job.seed, "plan", *job.place)
        self._first, self._weights = job.plan.first_weights(), job.plan.weights()
        self._switch = round(job.plan.deferred * job.limits.steps)
        self._epoch = -1
        self._drawn = np.empty(0, np.int64)

    def epoch(self, number: int) -> Array:
        """Positions in `job.train` that one epoch draws, in training order."""
        if number != self._epoch:
            self._epoch, self._drawn = number, self.job.plan.rows(number, self._seed)
        return self._drawn

    def step(self, number: int) -> tuple[Array, Array]:
        """Row numbers (of the examples) and loss weights, float32, of one step."""
        epoch, batch = divmod(number, self.steps_per_epoch)
        drawn = self.epoch(epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]
        return self.job.train[drawn], (self._first if number < self._switch else self._weights)[drawn]

    def rows_seen(self, steps: int) -> int:
        """Rows drawn in the first `steps` steps."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return epochs * len(self.job.plan) + min(rest * self.batch_size, len(self.job.plan))
