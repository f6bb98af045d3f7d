"""The constant that a loss asks for: what the best network without inputs would put out for every row.

A network that starts there spends no steps on learning how rare the classes are. The constant is computed by minimizing
the loss object itself over one vector of logits, on one row per class that weighs the share of its class.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.optimize import minimize

from counterpoise.losses.base import Loss

Array = np.ndarray

#: How far from the start the minimum is looked for: what is further away is not a finite minimum.
FARTHEST = 25.0
#: A constant counts as a minimum if the loss rises by this share of itself within one unit to either side.
RISE = 1e-6
#: A constant where the loss, relative to that at the start, is no steeper than this is not improved further.
FLAT = 1e-8
#: Constants that are remembered.
REMEMBERED = 4096
_constants: dict[tuple[Any, ...], Any] = {}
_UNKNOWN = object()


def best_constant(loss: Any, shares: Array, units: int) -> Array | None:
    """The constant logits, float64 (units,), that minimize a loss on rows with these class shares.

    Cross-entropy: the log of the shares (one unit: the log odds). A loss with an additive term a in its softmax: the
    log of the shares less a, which is 0 for balanced softmax. Any other loss: computed numerically.

    Args:
        loss: A loss of `counterpoise.losses`, or another Keras loss on class codes (N,) and logits (N, units).
        shares: What each class weighs, float (C,), above 0; C is 2 for one unit.
        units: Width of the output.

    Returns:
        None if all constants have the same loss (losses of the order of scores) or the loss falls for ever (pure
        overlap losses, expected costs, absolute errors).

    Example:
        >>> from counterpoise.losses import CrossEntropy, Focal, LogitAdjusted, SmoothAP
        >>> shares = np.array([0.9, 0.1])
        >>> [best_constant(loss, shares, 1).round(3).tolist() for loss in (CrossEntropy(), LogitAdjusted([90, 10]))]
        [[-2.197], [0.0]]
        >>> best_constant(Focal(2.0), shares, 1).round(3).tolist(), best_constant(SmoothAP(), shares, 1)
        ([-0.82], None)
    """
    shares = np.asarray(shares, dtype=np.float64) / np.sum(shares)
    return None if np.any(shares <= 0) else _cached(_best, loss, shares, units)


def _cached(compute: Callable[..., Array | None], loss: Any, *of: Any) -> Array | None:
    """Return `compute(loss, *of)`, computed once for each configuration of a loss of ours.

    A loss of others, or one whose configuration is no JSON, is computed each time.
    """
    try:
        config = json.dumps(_unnamed(loss.get_config()), default=_as_list) if _ours(loss) else ""
    except (TypeError, ValueError):
        config = ""
    if not config:
        return compute(loss, *of)
    shares = tuple(one.tobytes() if isinstance(one, np.ndarray) else one for one in of)
    key = (compute, type(loss), config, keras.backend.backend(), *shares)
    value = _constants.get(key, _UNKNOWN)
    if value is _UNKNOWN:
        value = compute(loss, *of)
        if len(_constants) >= REMEMBERED:
            _constants.clear()
        _constants[key] = value
    return None if value is None else value.copy()


def _unnamed(config: Any) -> Any:
    """Return a configuration without the names of losses, which Keras numbers."""
    return {k: _unnamed(v) for k, v in config.items() if k != "name"} if isinstance(config, dict) else config


def _as_list(value: Any) -> Any:
    """Return a value that JSON does not know, such as an array, as a list or a number."""
    return np.asarray(value).tolist()


def _ours(loss: Any) -> bool:
    """Return whether a loss and all its parts are of this package.

    Its configuration then says all that decides what it computes.
    """
    parts = [one for one in vars(loss).values() if isinstance(one, keras.losses.Loss) or callable(one)]
    return type(loss).__module__.startswith("counterpoise.losses.") and all(_ours(one) for one in parts)


def _best(loss: Any, shares: Array, units: int) -> Array | None:
    """Compute `best_constant` of shares that add up to 1, none of which is 0."""
    start = _start(loss, shares, units)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX has no float64 unless it is switched on
        value = _on_one_row_per_class(_in_float64(loss, start), shares, units)
        first, slope = _with_gradient(value, start)  # loss and gradient at the start
        # Without a gradient, or with a loss that is not above 0, there is nothing to minimize.
        if slope is None or not np.isfinite(first) or first <= 0:
            return None
        # One unit takes the share of class 1 alone as the scale.
        constant = start + _step(value, start, first, slope, np.sqrt(shares[-units:]))
        return constant if _is_minimum(value, constant) else None


def best_label_constants(loss: Any, shares: Array) -> Array | None:
    """Compute `best_constant` for L independent labels: float64 (L,), one logit each.

    What a label loses does not depend on the others, so that one search gives the constants of all.

    Args:
        loss: A loss on labels (N, L) and logits (N, L).
        shares: Shares of rows without and with each label, float (L, 2), above 0.

    Example:
        >>> from counterpoise.losses import MultiLabelFocal
        >>> best_label_constants(MultiLabelFocal(0.0), np.array([[0.9, 0.1], [0.5, 0.5]])).round(3).tolist()
        [-2.197, 0.0]
    """
    shares = np.asarray(shares, dtype=np.float64) / np.sum(shares, axis=1, keepdims=True)
    return None if np.any(shares <= 0) else _cached(_best_of_labels, loss, shares)


def _best_of_labels(loss: Any, shares: Array) -> Array | None:
    """Compute `best_label_constants` of shares that add up to 1, none of which is 0."""
    start = np.log(shares[:, 1]) - np.log(shares[:, 0])
    # One row without any label and one with all of them; weights bring each label to its shares.
    wide, codes = _in_float64(loss, start), np.repeat([[0.0], [1.0]], len(shares), axis=1)

    def value(z: Any) -> Any:
        # The loss of the constants `z` (L,), summed over the two rows.
        return ops.sum(wide(codes, ops.broadcast_to(ops.expand_dims(z, 0), codes.shape), 2.0 * shares.T))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, slope = _with_gradient(value, start)
        if slope is None or not np.isfinite(first) or first <= 0:
            return None
        constants = start + _step(value, start, first, slope, np.sqrt(shares[:, 1]))
        here, above, below = (float(value(ops.convert_to_tensor(constants + by, "float64"))) for by in (0, 1, -1))
    return constants if min(above, below) > here + RISE * abs(here) else None


def _step(value: Callable[[Any], Any], start: Array, first: float, slope: Array, scale: Array) -> Array:
    """Return what to add to the start, float64 (units,), to reach the minimum of a loss.

    Args:
        value: The loss as a function of the constant. start: Where it starts, (units,). first, slope: Loss and gradient
            there. scale: Square root of the shares, (units,): a class bends the loss about as much as its share.
    """
    if np.max(np.abs(slope / (scale * first))) <= FLAT:  # as of every proper loss: the start is its minimum
        return np.zeros_like(start)

    def of(step: Array) -> tuple[float, Array]:
        loss, slope = _with_gradient(value, start + step / scale)
        return loss / first, slope / (scale * first)

    bounds = [(-FARTHEST * one, FARTHEST * one) for one in scale]
    how = {"ftol": 1e-13, "gtol": FLAT, "maxiter": 200}
    minimum = minimize(of, np.zeros_like(start), jac=True, method="L-BFGS-B", bounds=bounds, options=how)
    return np.asarray(minimum.x) / scale


def _in_float64(loss: Any, logits: Array) -> Any:
    """Return the loss computing in float64 if it is one of ours and can, otherwise unchanged.

    `logits` (units,) are put through it once, as a test.
    """
    if not isinstance(loss, Loss):
        return loss
    try:
        wide = type(loss).from_config({**loss.get_config(), "dtype": "float64"})
        wide(np.zeros(1, np.int32), ops.convert_to_tensor(logits[None], "float64"))
    except Exception:  # a subclass of the user's may be written for float32 alone
        return loss
    return wide


def _start(loss: Any, shares: Array, units: int) -> Array:
    """Return the log of the shares less the term that a proper loss adds, float64 (units,).

    This is the minimum of a proper loss already, and near that of any other.
    """
    additive = loss.additive(shares) if isinstance(loss, Loss) else None
    logits = np.log(shares) - (0.0 if additive is None else np.asarray(additive, dtype=np.float64))
    return logits[1:] - logits[:1] if units == 1 else logits


def _on_one_row_per_class(loss: Any, shares: Array, units: int) -> Callable[[Any], Any]:
    """Return the loss as a function of a constant (units,), a Keras tensor.

    Its mean over rows becomes the mean over class shares.
    """
    codes, weight = np.arange(len(shares), dtype=np.int32), shares * len(shares)

    def value(z: Any) -> Any:
        return ops.sum(loss(codes, ops.broadcast_to(ops.expand_dims(z, 0), (len(codes), units)), weight))

    return value


def _is_minimum(value: Callable[[Any], Any], z: Array) -> bool:
    """Return whether the loss rises on both sides of `z`, float64 (units,).

    The line through `z` raises and lowers classes in turn, because a constant added to all of them may change nothing.
    """
    way = np.resize([1.0, -1.0], len(z))
    way -= way.mean() if len(z) > 1 else 0.0
    here, above, below = (float(value(ops.convert_to_tensor(z + step * way, "float64"))) for step in (0, 1, -1))
    return min(above, below) > here + RISE * abs(here)


def _with_gradient(value: Callable[[Any], Any], z: Array) -> tuple[float, Any]:
    """Return value and gradient, float64 (units,) or None, of a function of one vector.

    The backend of Keras differentiates. None means that the value does not depend on `z`.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        at = tf.constant(z, tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(at)
            out = value(at)
        gradient = tape.gradient(out, at)
    elif name == "jax":
        import jax

        out, gradient = jax.value_and_grad(value)(ops.convert_to_tensor(z, "float32"))
    else:
        at = ops.convert_to_tensor(z, "float64").detach().clone().requires_grad_()
        out = value(at)
        out.backward()
        gradient = at.grad
    at_once = None if gradient is None else np.asarray(ops.convert_to_numpy(gradient), dtype=np.float64)
    return float(ops.convert_to_numpy(out)), at_once
