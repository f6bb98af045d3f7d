"""Rows through trained networks, batch by batch, and inputs for networks that are joined."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from counterpoise.networks.weights import at_work

Array = np.ndarray
#: Names of inputs that Keras 2 and 3 make up.
MADE_UP = re.compile(r"(keras_tensor|input_layer|input_\d+)(_\d+)?")


def forward(members: keras.Model) -> Callable[[Any], list[Array]]:
    """A function of one batch of encoded rows to the raw logits of each member, float32 (N, units).

    On TensorFlow it is traced once, for batches of any length; Keras' `predict_on_batch` warns of traces
    when a process has used five models.
    """
    call = _traced(members) if keras.backend.backend() == "tensorflow" else members.predict_on_batch

    def logits(batch: Any) -> list[Array]:
        at_work()
        out = call(keras.tree.map_structure(keras.ops.convert_to_tensor, batch))
        return [np.asarray(z) for z in (out if isinstance(out, (list, tuple)) else [out])]

    return logits


def own_name(tensor: Any) -> str | None:
    """The name that somebody gave an input; None where Keras made one up.

    Example:
        >>> own_name(keras.Input((2,), name="pixels")), own_name(keras.Input((2,)))
        ('pixels', None)
    """
    return None if MADE_UP.fullmatch(tensor.name) else str(tensor.name)


def like(tensors: Any, taken: Sequence[str] = ()) -> Any:
    """Fresh symbolic inputs with the shapes, dtypes and names of `tensors`, but for names that are `taken`."""
    if isinstance(tensors, Mapping):
        return {k: like(t, taken) for k, t in tensors.items()}
    if isinstance(tensors, (list, tuple)):
        return tuple(like(t, taken) for t in tensors)
    name = None if tensors.name in taken else tensors.name
    return keras.Input(tensors.shape[1:], dtype=tensors.dtype, name=name)


def _traced(members: keras.Model) -> Callable[[Any], Any]:
    import tensorflow as tf

    run = tf.function(lambda batch: members(batch, training=False), autograph=False)
    known: dict[str, Any] = {}

    def call(batch: Any) -> Any:
        form = tf.nest.map_structure(lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), batch)
        if repr(form) not in known:
            known[repr(form)] = run.get_concrete_function(form)
        return known[repr(form)](batch)

    return call
