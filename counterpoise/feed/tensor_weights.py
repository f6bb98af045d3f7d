"""`WeightTable.of` in TensorFlow, inside or outside a graph: the same weights, the same refusals.

`WeightMap` uses it in `dataset.map`. tests/feed/test_weighting.py compares it with the NumPy form: change both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from counterpoise.core.label_sources import ragged_error
from counterpoise.plans.weight_table import WeightTable

Tensor = Any
#: Index of a label that is not in the table, and of a label in `ignore`.
UNKNOWN, IGNORED = -1, -2


def tensor_weights(table: WeightTable, y: Tensor, existing: Tensor | None = None) -> Tensor:
    """Return the weights of the elements of `y`, float32, times `existing`; ignored elements have the weight 0.

    Raises:
        tf.errors.InvalidArgumentError: a label without a weight, or rows that are not of the table's kind.
    """
    if isinstance(y, tf.RaggedTensor):
        raise ragged_error("the target")
    if table.kind == "multi_label":
        return _multi_label_weights(table, y, existing)
    if table.kind == "one_hot":
        return _one_hot_weights(table, y, existing)
    codes = y[..., 0] if table.squeezed and y.shape.rank and y.shape[-1] == 1 else y
    index = _table_indices(table, codes)
    # Ignored labels weigh 0. A label without a weight is refused only where its element counts.
    counted = _multiplied(tf.ones_like(index, dtype=tf.float32), existing) * tf.where(index == IGNORED, 0.0, 1.0)
    weighed = ((index != UNKNOWN) & _is_whole(codes)) | (counted == 0)
    weight = counted * tf.gather(tf.constant(table.weights, tf.float32), tf.maximum(index, 0))
    return _asserted(weight, weighed, "A label has no weight (Keras would take 1 without a warning):", codes)


def _multi_label_weights(table: WeightTable, y: Tensor, existing: Tensor | None) -> Tensor:
    """Return weights (..., L) of multi-hot rows (..., L); refuse other values than 0 and 1 where they count."""
    present = tf.cast(y, tf.float32)
    missing = (
        tf.reduce_any([tf.equal(present, float(mark)) for mark in table.ignore], axis=0) if table.ignore else False
    )
    # Column 0 of the weights is for absent labels, column 1 for present ones.
    weight = tf.where(present > 0.5, *(tf.constant(table.weights[:, k], tf.float32) for k in (1, 0)))
    weight = _multiplied(tf.where(missing, 0.0, weight), existing)
    weighed = (present == 0) | (present == 1) | (weight == 0)
    return _asserted(weight, weighed, "A multi-label target has other values than 0 and 1:", y)


def _one_hot_weights(table: WeightTable, y: Tensor, existing: Tensor | None) -> Tensor:
    """Return weights (...) of one-hot rows (..., C); refuse others where they count."""
    values = tf.cast(y, tf.float32)
    # The number of ones in a row; -1 if it has other values than 0 and 1.
    ones = tf.where(tf.reduce_all((values == 0) | (values == 1), axis=-1), tf.reduce_sum(values, axis=-1), -1.0)
    weight = tf.gather(tf.constant(table.weights, tf.float32), tf.argmax(y, axis=-1))
    weight = _multiplied(weight, existing)
    return _asserted(
        weight, (ones == 1) | (weight == 0), "Rows are not one-hot. Rows with another number of ones:", ones
    )


def _table_indices(table: WeightTable, codes: Tensor) -> Tensor:
    """Return the index of each label in the table, int32, or `IGNORED` or `UNKNOWN`."""
    by_label = {k: i for i, k in enumerate(table.labels)} | dict.fromkeys(table.ignore, IGNORED)
    text = codes.dtype == tf.string
    pairs = [(k if text else int(k), v) for k, v in by_label.items() if isinstance(k, str) == text]
    # A table needs at least one key. If no label has the type of the codes, it is one that leads to `UNKNOWN`.
    keys, values = zip(*pairs, strict=True) if pairs else (("",) if text else (0,), (UNKNOWN,))
    initial = tf.lookup.KeyValueTensorInitializer(
        np.array(keys), np.array(values, np.int32), tf.string if text else tf.int64, tf.int32
    )
    lookup = tf.lookup.StaticHashTable(initial, default_value=UNKNOWN)
    return lookup.lookup(codes if text else tf.cast(codes, tf.int64))


def _is_whole(codes: Tensor) -> Tensor:
    """Return where numbers are whole, because a cast would turn 0.5 into 0."""
    return tf.equal(codes, tf.round(codes)) if codes.dtype.is_floating else tf.ones_like(codes, dtype=tf.bool)


def _multiplied(weight: Tensor, existing: Tensor | None) -> Tensor:
    """Return the weight times existing weights, which may lack the last axes of `weight`."""
    if existing is None:
        return weight
    own = tf.cast(existing, tf.float32)
    if len(own.shape) == len(weight.shape) + 1 and own.shape[-1] == 1:
        own = own[..., 0]
    for _ in range(len(weight.shape) - len(own.shape)):
        own = own[..., None]
    return weight * own


def _asserted(weight: Tensor, good: Tensor, message: str, shown: Tensor) -> Tensor:
    """Return the weight, with an assertion that every element is `good` (bool).

    Otherwise the run stops with the message and the first of the `shown` values that are not good.
    """
    data = [message, tf.boolean_mask(tf.reshape(shown, [-1]), tf.reshape(~good, [-1]))]  # also of a single element
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(good), data, summarize=5)]):
        return tf.identity(weight)
