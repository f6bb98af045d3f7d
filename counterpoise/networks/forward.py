"""Rows through trained networks, batch by batch: for classifiers, frozen bodies, and whole rows of the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from counterpoise.networks.weights import note_backend_use

Array = np.ndarray


def forward(members: keras.Model) -> Callable[[Any], list[Array]]:
    """Return a function that computes the raw logits of each member for one batch.

    The batch contains encoded rows. The result is a list with float32 (N, units) for each member, or (N, ..., units)
    with a class per element.

    On TensorFlow the function is traced once for batches of any length, because Keras' `predict_on_batch` warns of
    repeated traces when a process has used five models.
    """
    predict = _traced(members) if keras.backend.backend() == "tensorflow" else members.predict_on_batch

    def logits(batch: Any) -> list[Array]:
        """Return the logits of one batch, one array per member."""
        note_backend_use()
        out = predict(keras.tree.map_structure(keras.ops.convert_to_tensor, batch))
        return [np.asarray(z) for z in (out if isinstance(out, (list, tuple)) else [out])]

    return logits


def no_logits(model: keras.Model) -> Array:
    """Return the logits of zero rows, float32 (0, ..., units)."""
    return np.empty((0, *model.output.shape[1:]), np.float32)


def _traced(members: keras.Model) -> Callable[[Any], Any]:
    """Return the members as one TensorFlow function, traced once for each form of a batch.

    The form is the structure, shapes and dtypes, without the number of rows.
    """
    import tensorflow as tf

    run = tf.function(lambda batch: members(batch, training=False), autograph=False)
    traces: dict[str, Any] = {}

    def call(batch: Any) -> Any:
        """Return the outputs for one batch, by the trace of its form."""
        form = tf.nest.map_structure(lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype), batch)
        if repr(form) not in traces:
            traces[repr(form)] = run.get_concrete_function(form)
        return traces[repr(form)](batch)

    return call
