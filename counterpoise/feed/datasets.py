"""A feed as a `tf.data.Dataset`: step numbers, then rows, then a gather; several steps are made at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from counterpoise.core.checks import check_int
from counterpoise.core.errors import OptionError
from counterpoise.feed.sources import in_memory, whole

if TYPE_CHECKING:
    from counterpoise.feed.batching import Feed

_FOREVER = np.iinfo(np.int64).max


def dataset_of(feed: Feed, epochs: int | None, start: int, extras: bool) -> Any:
    """See `Feed.as_dataset`."""
    check_int(start, "start", 0)
    steps, first = feed.num_batches, feed.epoch
    end = _FOREVER if epochs is None else check_int(epochs, "epochs") * steps
    if start >= end:
        raise OptionError(f"start is step {start}, but {epochs} epochs have only {end} steps.")
    make = _gathered if feed.augmenter is None and _all_in_memory(feed) else _computed
    numbers = tf.data.Dataset.range(start, end)
    out = numbers.map(make(feed, first, extras), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    if epochs is None:
        out = out.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return out.prefetch(tf.data.AUTOTUNE)


def _all_in_memory(feed: Feed) -> bool:
    parts = [feed.x, *([] if feed.y is None else [feed.y]), *feed.extras.values()]
    return all(in_memory(part) for part in parts)


def _gathered(feed: Feed, first: int, extras: bool) -> Any:
    """step -> batch, gathered by TensorFlow from tensors in memory."""
    kind = np.int32 if len(feed.x) < 2**31 else np.int64
    everything = tf.nest.map_structure(tf.convert_to_tensor, _elements(feed, extras, whole))

    def rows_of_step(step: np.ndarray) -> np.ndarray:
        epoch, place = divmod(int(step), feed.num_batches)
        return feed.rows(first + epoch, place).astype(kind, copy=False)

    def batch(step: Any) -> Any:
        rows = tf.numpy_function(rows_of_step, [step], kind, stateful=False)
        rows.set_shape([_static_size(feed)])
        return tf.nest.map_structure(lambda part: tf.gather(part, rows), everything)

    return batch


def _elements(feed: Feed, extras: bool, get: Any) -> tuple[Any, ...]:
    """(x[, y[, weight]][, extras]) of a whole feed."""
    out: tuple[Any, ...] = (get(feed.x),)
    if feed.y is not None:
        out += (get(feed.y),)
        out += () if feed.weights is None else (feed.weights,)
    return (*out, {k: get(part) for k, part in feed.extras.items()}) if extras else out


def _computed(feed: Feed, first: int, extras: bool) -> Any:
    """step -> batch, made by NumPy."""

    def made(step: Any) -> tuple[Any, ...]:
        epoch, place = divmod(int(step), feed.num_batches)
        batch = feed.batch(first + epoch, place)
        return (*batch.for_keras(), dict(batch.extras)) if extras else batch.for_keras()

    sample = tf.nest.map_structure(tf.convert_to_tensor, made(0))
    kinds = [part.dtype for part in tf.nest.flatten(sample)]
    shapes = [[_static_size(feed), *part.shape[1:]] for part in tf.nest.flatten(sample)]

    def flat(step: np.ndarray) -> list[np.ndarray]:
        parts = tf.nest.flatten(made(step))
        return [np.asarray(part).astype(k.as_numpy_dtype, copy=False) for part, k in zip(parts, kinds, strict=True)]

    def batch(step: Any) -> Any:
        parts = tf.numpy_function(flat, [step], kinds, stateful=False)
        for part, shape in zip(parts, shapes, strict=True):
            part.set_shape(shape)
        return tf.nest.pack_sequence_as(sample, parts)

    return batch


def _static_size(feed: Feed) -> int | None:
    """Rows of every batch, or None when the last one may be smaller."""
    return feed.batch_size if feed.drop_last or len(feed.plan) % feed.batch_size == 0 else None
