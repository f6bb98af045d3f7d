"""The `fit` engine on training rows that stay on disk; rows in memory teach the encoder, stop training, and are scored.

`pipeline.scan` makes the engine and the streams. A stream draws what the plan draws by the seed word "plan", so an
epoch's batches do not depend on earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import CounterpoiseError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.engines.batch_order import Order
from counterpoise.engines.keras_fit import FitEngine, Progress
from counterpoise.feed.disk_stream import Stream
from counterpoise.networks.network import Network

Array = np.ndarray

#: Makes the stream of a job from (job, seed): batches (x, y[, weight]) of the rows that its plan draws.
MakeStream = Callable[[Job, int], Stream]


class StreamEngine(FitEngine):
    """Trains jobs whose training rows are on disk, while early-stopping and score rows are in memory.

    Args:
        examples: The rows, of which some are in memory.
        sample: Numbers of training rows in memory, from which the encoder learns.
        stream: Makes the stream of a job.
        network: The recipe of the network.
        callbacks: Keras callbacks.

    Raises:
        OptionError: a model with its own training step, which wants rows in memory.
    """

    def __init__(
        self, examples: Examples, sample: Array, stream: MakeStream, network: Network, callbacks: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(examples, network, callbacks)
        if network.custom_train_step is not None:
            raise OptionError(
                f"The model has its own {network.custom_train_step}, which needs rows in memory, but the rows are read "
                "from disk. Pass a table that fits in memory."
            )
        self._sample, self._stream = sample, stream
        self._fault: CounterpoiseError | None = None

    def train(self, job: Job, progress: Progress | None = None) -> Member:
        """Train as on rows in memory; an error of a row on disk is raised as it is."""
        try:
            return super().train(job, progress)
        except Exception:
            if self._fault is not None:
                raise self._fault from None  # TensorFlow wraps what a generator raises
            raise

    def _keep_fault(self, fault: CounterpoiseError) -> None:
        """Keep the error of a row, which `train` raises in place of TensorFlow's."""
        self._fault = fault

    def _make_batches(self, job: Job) -> StreamBatches:
        """Return the batches of a job from its stream, in the place of `keras_fit.Batches`."""
        return StreamBatches(job, self._stream, self._keep_fault)

    def _encoder_rows(self, job: Job) -> Array:
        """Return the rows in memory, from which the encoder learns for every job."""
        return self._sample


class StreamBatches(keras.utils.PyDataset):
    """The steps of one job, epoch after epoch; a call of `fit` starts at step `start` and continues from there.

    `order` only counts rows seen; which rows a batch has is up to the stream.
    """

    num_batches = None

    def __init__(self, job: Job, make: MakeStream, on_fault: Callable[[CounterpoiseError], None]) -> None:
        super().__init__()
        self._on_fault = on_fault
        self.job, self.order, self.start = job, Order(job), 0
        self._stream = make(job, seeds.integer(job.seed, "plan", *job.counters))
        self._steps: Iterator[Any] = iter(())

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return the next batch (Keras asks in order); index 0 starts at step `start`.

        Raises:
            CounterpoiseError: A row cannot be used. `on_fault` gets this error too.
        """
        if index == 0:
            self._steps = self._steps_from(self.start)
        try:
            return next(self._steps)
        except CounterpoiseError as fault:
            self._on_fault(fault)
            raise

    def _steps_from(self, start: int) -> Iterator[Any]:
        """Yield the batches from step `start` on, epoch after epoch, without end."""
        epoch, skipped = divmod(start, self._stream.num_batches)
        while True:
            for number, batch in enumerate(self._stream.of_epoch(epoch)):
                if number >= skipped:
                    yield batch
            epoch, skipped = epoch + 1, 0
