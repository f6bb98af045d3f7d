"""A feed as a `tf.data.Dataset`: step numbers, then row numbers, then a gather, several steps at a time.

The elements are the same batches as in `Feed`, in the same order; tests/feed/test_batching.py compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from counterpoise.core.checks import check_int
from counterpoise.core.errors import OptionError
from counterpoise.feed.sources import all_rows, in_memory

if TYPE_CHECKING:
    from counterpoise.feed.feed import Feed

_FOREVER = np.iinfo(np.int64).max // 2  # steps of a dataset without end
_BLOCK_BYTES = 4 << 20  # bytes of the rows that are gathered at once


def dataset_of(feed: Feed, epochs: int | None, start: int, extras: bool) -> Any:
    """Return the batches of a feed as a `tf.data.Dataset` (see `Feed.as_dataset`).

    Raises:
        OptionError: `start` is not a step of the epochs.
    """
    check_int(start, "start", 0)
    end = _FOREVER if epochs is None else check_int(epochs, "epochs") * feed.num_batches
    if start >= end:
        raise OptionError(f"start= is step {start}, but {epochs} epochs have only {end} steps. Use a smaller start=.")
    # TensorFlow can gather batches itself only from arrays in memory, and only without augmentation.
    make = _gathered_dataset if feed.augmenter is None and _all_in_memory(feed) else _computed_dataset
    out = make(feed, feed.epoch, start, end, extras)
    if epochs is None:
        out = out.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    else:
        out = out.apply(tf.data.experimental.assert_cardinality(end - start))
    return out.prefetch(tf.data.AUTOTUNE)


def _all_in_memory(feed: Feed) -> bool:
    """Return whether inputs, targets and extras of a feed are all arrays in memory."""
    sources = [feed.x, *([] if feed.y is None else [feed.y]), *feed.extras.values()]
    return all(in_memory(source) for source in sources)


def _gathered_dataset(feed: Feed, first: int, start: int, end: int, extras: bool) -> Any:
    """Return a dataset of batches that TensorFlow gathers from tensors in memory, several steps at once.

    Args:
        feed: What to gather. first: The epoch of step 0. start, end: First step, and the one after the last.
        extras: Whether elements end with the dict of extras.
    """
    kind = np.int32 if len(feed.x) < 2**31 else np.int64
    everything = tf.nest.map_structure(tf.convert_to_tensor, _whole_feed(feed, extras, all_rows))
    n_steps = _steps_per_gather(feed, everything)

    def rows_from(step: np.ndarray) -> np.ndarray:
        # Row numbers of `n_steps` steps, one after the other; a step counts through all epochs.
        steps = range(int(step), min(end, int(step) + n_steps))
        steps_of_epochs = (divmod(k, feed.num_batches) for k in steps)
        return np.concatenate(
            [feed.rows(first + epoch, step_of_epoch) for epoch, step_of_epoch in steps_of_epochs]
        ).astype(kind, copy=False)

    def block(step: Any) -> Any:
        # One element with the rows of `n_steps` steps; `rebatch` divides it into batches.
        rows = tf.numpy_function(rows_from, [step], kind, stateful=False)
        rows.set_shape([None])
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), everything)

    numbers = tf.data.Dataset.range(start, end, n_steps)
    blocks = numbers.map(block, num_parallel_calls=2, deterministic=True).prefetch(1)
    return blocks.rebatch(_batch_sizes(feed, start))


def _steps_per_gather(feed: Feed, everything: Any) -> int:
    """Return how many steps are gathered at once, from 1 to 64: about `_BLOCK_BYTES` of rows.

    `everything` are the tensors of the whole feed.
    """
    row = sum(tensor.dtype.size * max(1, int(np.prod(tensor.shape[1:]))) for tensor in tf.nest.flatten(everything))
    return int(np.clip(_BLOCK_BYTES // max(1, row * feed.batch_size), 1, 64))


def _batch_sizes(feed: Feed, start: int) -> list[int] | int:
    """Return the sizes of the batches from step `start` on, as `rebatch` takes them.

    One number if all are equal, otherwise those of one epoch.

    `rebatch` repeats the list, so it is rotated to begin with step `start` of its epoch.
    """
    if _size_of_every_batch(feed):
        return feed.batch_size
    sizes = [feed.batch_size] * (feed.num_batches - 1) + [len(feed.plan) % feed.batch_size]
    turn = start % feed.num_batches
    return sizes[turn:] + sizes[:turn]


def _whole_feed(feed: Feed, extras: bool, get: Any) -> tuple[Any, ...]:
    """Return (x[, y[, weight]][, extras]) of all rows of a feed; `get` turns each source into an array or a tensor."""
    out: tuple[Any, ...] = (get(feed.x),)
    if feed.y is not None:
        out += (get(feed.y),)
        out += () if feed.weights is None else (feed.weights,)
    return (*out, {k: get(values) for k, values in feed.extras.items()}) if extras else out


def _computed_dataset(feed: Feed, first: int, start: int, end: int, extras: bool) -> Any:
    """Return a dataset of batches that `Feed.batch` makes with NumPy, one step at a time.

    The arguments are those of `_gathered_dataset`.
    """

    def arrays_of(step: Any) -> tuple[Any, ...]:
        # The batch of a step as Keras takes it, with the extras as a dict behind it.
        epoch, step_of_epoch = divmod(int(step), feed.num_batches)
        batch = feed.batch(first + epoch, step_of_epoch)
        return (*batch.for_keras(), dict(batch.extras)) if extras else batch.for_keras()

    sample = tf.nest.map_structure(tf.convert_to_tensor, arrays_of(0))
    kinds = [array.dtype for array in tf.nest.flatten(sample)]
    shapes = [[_size_of_every_batch(feed), *array.shape[1:]] for array in tf.nest.flatten(sample)]

    def flat(step: np.ndarray) -> list[np.ndarray]:
        # The same arrays without structure, which is all that `numpy_function` can return.
        arrays = tf.nest.flatten(arrays_of(step))
        return [np.asarray(array).astype(k.as_numpy_dtype, copy=False) for array, k in zip(arrays, kinds, strict=True)]

    def batch(step: Any) -> Any:
        # The same arrays as tensors of known shape, in their structure again.
        arrays = tf.numpy_function(flat, [step], kinds, stateful=False)
        for array, shape in zip(arrays, shapes, strict=True):
            array.set_shape(shape)
        return tf.nest.pack_sequence_as(sample, arrays)

    return tf.data.Dataset.range(start, end).map(batch, num_parallel_calls=2, deterministic=True)


def _size_of_every_batch(feed: Feed) -> int | None:
    """Return the number of rows of every batch, or None if the last batch of an epoch is smaller."""
    return feed.batch_size if feed.drop_last or len(feed.plan) % feed.batch_size == 0 else None
