"""The batches of a plan, epoch after epoch, as a Keras `PyDataset`, made by `cp.batches`.

A batch depends only on (seed, epoch, step). Feeds are pickled for the worker processes of Keras.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int
from counterpoise.feed.augmenting import Augmenter
from counterpoise.feed.blocks import BLOCK_BYTES, Blocks
from counterpoise.feed.blocks import Batch as Batch
from counterpoise.feed.sources import Rows, arrays_in, in_memory
from counterpoise.plans.class_plans import Plan

Array = np.ndarray


class Feed(keras.utils.PyDataset):
    """The batches of a plan, made by `batches`.

    `feed[k]` is batch k of the current epoch (Keras starts the next epoch itself). Use `endless` when you pass
    `steps_per_epoch`, and `as_dataset` for tf.data.

    Attributes:
        plan: The plan, realized on the rows.
        batch_size: Rows of a full batch.
        seed: Seed of the draws.
        epoch: The epoch that `feed[0]` belongs to.

    Example:
        >>> from counterpoise import plans
        >>> from counterpoise.feed.batching import batches
        >>> x, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> feed = batches(x, y, plans.oversample(y), batch_size=4)
        >>> feed.num_batches, feed[0][0].shape, feed.batch(0, 0).rows.dtype.name
        (3, (4, 1), 'int32')
    """

    def __init__(
        self,
        x: Rows,
        y: Rows | None,
        plan: Plan,
        *,
        batch_size: int,
        seed: int,
        drop_last: bool,
        extras: Mapping[str, Rows],
        epoch: int,
        augmenter: Augmenter | None,
        **workers: Any,
    ) -> None:
        super().__init__(**workers)
        self.x, self.y, self.plan, self.extras, self.augmenter = x, y, plan, extras, augmenter
        self.batch_size, self.seed, self.drop_last, self.epoch = batch_size, seed, drop_last, epoch
        self.weights = _none_if_equal(plan.weights())
        whole_batches, rest = divmod(len(plan), batch_size)
        self._num_batches = whole_batches + (rest > 0 and not drop_last)
        self._epoch_begun = False
        self._drawn: dict[int, Array] = {}
        self._lock = threading.Lock()
        self._blocks = self._blocks_or_none()

    @property
    def num_batches(self) -> int:
        """Number of batches in an epoch."""
        return self._num_batches

    @property
    def needs_calibration(self) -> bool:
        """Whether the shift of the plan does not fully correct the probabilities (see `Plan`)."""
        return self.plan.needs_calibration or bool(self.augmenter and self.augmenter.only_repeats)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return batch `index` for Keras; beyond the current epoch, it is of a later one."""
        later, step = divmod(int(index), self.num_batches)
        return self.batch(self.epoch + later, step).for_keras()

    def on_epoch_begin(self) -> None:
        """Note that Keras has begun the epoch, so that `on_epoch_end` goes to the next one."""
        self._epoch_begun = True

    def on_epoch_end(self) -> None:
        """Go to the next epoch, if this one was begun by `on_epoch_begin`."""
        # Keras also ends an epoch that it never began, when it resets its iterator.
        self.epoch += self._epoch_begun
        self._epoch_begun = False

    def rows(self, epoch: int, step: int) -> Array:
        """Return the row numbers of one batch."""
        return self._epoch_rows(epoch)[step * self.batch_size : (step + 1) * self.batch_size]

    def batch(self, epoch: int, step: int) -> Batch:
        """Return one batch with its extras. It depends only on (seed, epoch, step)."""
        return self._single_batch(epoch, step) if self._blocks is None else self._blocks.batch(epoch, step)

    def endless(self, start: int = 0) -> Endless:
        """Return the same batches without end, from step `start` on.

        Use it for `fit(..., steps_per_epoch=...)` and for resuming.
        """
        return Endless(self, start)

    def as_dataset(self, epochs: int | None = None, start: int = 0, extras: bool = False) -> Any:
        """Return the batches as a `tf.data.Dataset`.

        Args:
            epochs: Number of epochs of the plan. None: without end (pass steps_per_epoch=feed.num_batches to `fit`).
            start: First step, counted from the epoch of the feed, for example to resume a run.
            extras: Whether elements end with the dict of extras.

        Each epoch is drawn again. TensorFlow gathers arrays in memory, and NumPy gathers other inputs.
        """
        from counterpoise.feed.datasets import dataset_of

        return dataset_of(self, epochs, start, extras)

    def _single_batch(self, epoch: int, step: int) -> Batch:
        """Return the batch of a step, gathered alone, and augmented if there is an augmenter."""
        batch = self._gathered_batch(self.rows(epoch, step))
        if self.augmenter is None:
            return batch
        seed = seeds.integer(self.seed, "augment", epoch, step)
        return replace(batch, x=self.augmenter.apply(batch.x, self._drawn_before(epoch, step), seed))

    def _gathered_batch(self, rows: Array) -> Batch:
        """Gather the batch of these row numbers (B,), without augmentation."""
        return Batch(
            rows,
            self.x.take(rows),
            None if self.y is None else self.y.take(rows),
            None if self.weights is None else self.weights[rows],
            {name: values.take(rows) for name, values in self.extras.items()},
        )

    def _blocks_or_none(self) -> Blocks | None:
        """Return what gathers several batches at once, or None if each batch is gathered alone.

        It is None with augmentation, with rows that are not in memory, and if `BLOCK_BYTES` hold only one batch.
        """
        sources = [self.x, *([] if self.y is None else [self.y]), *self.extras.values()]
        if self.augmenter is not None or not all(in_memory(source) for source in sources):
            return None
        # Bytes of one row in all inputs together.
        row = sum(source.nbytes // len(source) for source in arrays_in(sources))
        together = BLOCK_BYTES // max(1, row * self.batch_size)
        return (
            Blocks(self._epoch_rows, self._gathered_batch, self.batch_size, self.num_batches, together)
            if together > 1
            else None
        )

    def _epoch_rows(self, epoch: int) -> Array:
        """Return the row numbers of an epoch in training order, drawn once.

        They are kept with those of the epoch before. A lock protects them, as Keras may use several threads.
        """
        with self._lock:
            if epoch not in self._drawn:
                # Workers may still be busy with the epoch before.
                self._drawn = {k: v for k, v in self._drawn.items() if k == epoch - 1}
                self._drawn[epoch] = self.plan.rows(epoch, self.seed)
            return self._drawn[epoch]

    def _drawn_before(self, epoch: int, step: int) -> Array | None:
        """Return which rows of a batch the epoch has drawn before, bool (B,).

        None if no augmenter needs it (see `Augmenter.only_repeats`).
        """
        if not (self.augmenter and self.augmenter.only_repeats):
            return None
        drawn = self._epoch_rows(epoch)
        again = np.ones(len(drawn), bool)
        again[np.unique(drawn, return_index=True)[1]] = False
        return again[step * self.batch_size : (step + 1) * self.batch_size]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lock, the drawn rows and the blocks, which `__setstate__` makes again."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_drawn", "_blocks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state in another process, with a new lock and new blocks."""
        self.__dict__.update(state, _lock=threading.Lock(), _drawn={})
        self._blocks = self._blocks_or_none()


class Endless(keras.utils.PyDataset):
    """A feed without end whose item k is step `start` + k, made by `Feed.endless`."""

    num_batches = None

    def __init__(self, feed: Feed, start: int = 0) -> None:
        """Start at step `start` of the current epoch of `feed`, with its options for workers."""
        how = {k: getattr(feed, k) for k in ("workers", "use_multiprocessing", "max_queue_size")}
        super().__init__(**how)
        self.feed, self.start = feed, check_int(start, "start", 0)
        self.epoch = feed.epoch

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return the batch of step `start` + `index`, counted from the epoch `self.epoch`."""
        epoch, step = divmod(self.start + int(index), self.feed.num_batches)
        return self.feed.batch(self.epoch + epoch, step).for_keras()


def _none_if_equal(weights: Array) -> Array | None:
    """Return the weights, or None if all are equal, so that they need no place in batches."""
    return None if np.ptp(weights) == 0 else weights
