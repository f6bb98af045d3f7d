"""Rows through trained networks, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Array = np.ndarray


def forward(members: keras.Model) -> Callable[[Any], list[Array]]:
    """A function of one batch of encoded rows to the raw logits of each member, float32 (N, units).

    On TensorFlow it is traced once, for batches of any length; Keras' `predict_on_batch` warns of traces
    when a process has used five models.
    """
    call: Callable[[Any], Any] = members.predict_on_batch
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        call = tf.function(lambda batch: members(batch, training=False), reduce_retracing=True, autograph=False)

    def logits(batch: Any) -> list[Array]:
        out = call(keras.tree.map_structure(keras.ops.convert_to_tensor, batch))
        return [np.asarray(z) for z in (out if isinstance(out, (list, tuple)) else [out])]

    return logits
