"""Inputs of networks: the names that users gave them, tensors passed by name, and new inputs like others.

Saved models and exports keep these names, and callers pass rows by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from counterpoise.networks.input_spec import OWN_LAYERS

#: Names of inputs that Keras 2 and 3 make up.
MADE_UP = re.compile(r"(keras_tensor|input_layer|input_\d+)(_\d+)?")


def own_name(tensor: Any) -> str | None:
    """Return the name that somebody gave an input, or None if Keras made it up.

    Example:
        >>> own_name(keras.Input((2,), name="pixels")), own_name(keras.Input((2,)))
        ('pixels', None)
    """
    return None if MADE_UP.fullmatch(tensor.name) else str(tensor.name)


def like(tensors: Any, taken: Sequence[str] = ()) -> Any:
    """Return new symbolic inputs with the shapes, dtypes and names of `tensors`, but without names that are `taken`."""
    if isinstance(tensors, Mapping):
        return {k: like(t, taken) for k, t in tensors.items()}
    if isinstance(tensors, (list, tuple)):
        return tuple(like(t, taken) for t in tensors)
    name = None if tensors.name in taken else tensors.name
    return keras.Input(tensors.shape[1:], dtype=tensors.dtype, name=name)


def input_names(model: keras.Model) -> list[str | None]:
    """Return the name that the user gave each input of a model, or None.

    Names that layers around the model bear are None too, because no two layers may have one name.
    """
    return [
        None if name in (model.name, *OWN_LAYERS) else name
        for name in map(own_name, getattr(model, "inputs", None) or ())
    ]


def by_name(model: keras.Model, h: Any) -> Any:
    """Return tensors by name in the structure of a model's own inputs: a dict, list or tuple.

    Keras takes another structure only when it computes. `h` stays as it is unless it is a dict of all these names.
    """
    wanted = getattr(model, "_inputs_struct", None)
    if not isinstance(h, dict) or not isinstance(wanted, (dict, list, tuple)):
        return h
    names = list(wanted) if isinstance(wanted, dict) else [tensor.name for tensor in wanted]
    if not set(names) <= set(h):
        return h
    return type(wanted)({name: h[name] for name in names} if isinstance(wanted, dict) else [h[name] for name in names])
