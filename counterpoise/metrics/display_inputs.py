"""Reading of labels, outputs and weights by all Keras metrics of Counterpoise (imports Keras).

`WIDE`, the type of sums over an epoch, and the names that Keras shows are here, because all metrics share them.
"""

from __future__ import annotations

import re
from typing import Any

import keras
from keras import ops

from counterpoise.core.errors import ModelError

Tensor = Any


def wide_float() -> str:
    """Return "float64", or "float32" if JAX is set to compute without float64.

    A float32 sum of more than 2 ** 24 rows no longer changes when one row is added.
    """
    if keras.backend.backend() != "jax":
        return "float64"
    import jax

    return "float64" if jax.config.jax_enable_x64 else "float32"


#: Type of everything that is summed over an epoch.
WIDE = wide_float()


def snake_case(name: str) -> str:
    """Return the name under which Keras shows a class.

    Example:
        >>> snake_case("BalancedAccuracy"), snake_case("MCC")
        ('balanced_accuracy', 'mcc')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def read_codes(y: Tensor, z: Tensor) -> Tensor:
    """Return class codes as int32 (N,) from codes (...), (..., 1) or one-hot rows (..., C).

    Raises:
        ModelError: The labels do not fit outputs of shape (..., units).
    """
    got, wanted = tuple(y.shape), tuple(z.shape)
    if len(got) == len(wanted) and got[-1] == wanted[-1] and wanted[-1] > 1:
        y = ops.argmax(y, axis=-1)
    elif not (len(got) == len(wanted) - 1 or (len(got) == len(wanted) and got[-1] == 1)):
        raise ModelError(
            f"Labels of shape {got} do not fit outputs of shape {wanted}. Expected labels of shape {wanted[:-1]}."
        )
    lengths = zip(got[: len(wanted) - 1], wanted[:-1], strict=True)
    if any(a is not None and b is not None and a != b for a, b in lengths):
        raise ModelError(
            f"Labels of shape {got} do not fit outputs of shape {wanted}. Expected labels of shape {wanted[:-1]}."
        )
    return ops.cast(ops.reshape(y, (-1,)), "int32")


def read_weights(weight: Tensor | None, z: Tensor, codes: Tensor, n_classes: int) -> Tensor:
    """Return one weight per element, float (N,): ones, or `weight` spread over last axes.

    An element with a weight gets NaN if its code is not one of the `n_classes` classes, so that the error shows.
    """
    ones = ops.ones_like(z[..., 0])
    if weight is not None:
        weight = ops.cast(ops.convert_to_tensor(weight), z.dtype)
        rank = len(ones.shape)
        if len(weight.shape) == rank + 1 and weight.shape[-1] == 1:
            weight = ops.squeeze(weight, axis=-1)
        while len(weight.shape) < rank:
            weight = ops.expand_dims(weight, -1)
        ones = ones * weight
    flat = ops.reshape(ones, (-1,))
    known = ops.logical_and(codes >= 0, codes < n_classes)
    return ops.where(ops.logical_or(known, flat == 0), flat, float("nan"))


def read_scores(z: Tensor, class_id: int, from_logits: bool) -> Tensor:
    """Return scores (N,) that order the elements as the probability of class `class_id` does.

    Logits are not turned into probabilities where possible, because these are rounded to 0 or 1.

    Raises:
        ModelError: `class_id` is not a class of the outputs `z` (..., units).
    """
    flat = ops.reshape(z, (-1, z.shape[-1]))
    units = z.shape[-1]
    if not 0 <= class_id < max(units, 2):
        raise ModelError(f"class_id={class_id}. Expected 0 to {max(units, 2) - 1} for a model with {units} units.")
    if units == 1:
        return flat[:, 0] if class_id == 1 else -flat[:, 0]
    if units == 2 and from_logits:
        return flat[:, class_id] - flat[:, 1 - class_id]
    return (ops.log_softmax(flat, axis=-1) if from_logits else flat)[:, class_id]
