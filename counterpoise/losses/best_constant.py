"""The best constant output of a loss: the logits that minimize it for a network without inputs.

A network whose output bias starts there spends no steps on learning how rare the classes are (`Target.start`, which
`engines.objective` calls). So a change here changes the results of every training. The loss object itself is minimized
over one vector of logits, on one row per class that weighs the share of its class.
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

#: Logits, the distance from the start within which the minimum is searched: what is further away is not finite.
FARTHEST = 25.0
#: A constant counts as a minimum if the loss rises by this share of itself within one unit to either side.
RISE = 1e-6
#: A constant where the loss, relative to that at the start, is no steeper than this is not improved further.
FLAT = 1e-8
#: Most constants in the cache; a full cache is emptied.
REMEMBERED = 4096
_constants: dict[tuple[Any, ...], Any] = {}
_NOT_CACHED = object()


def best_constant(loss: Any, shares: Array, units: int) -> Array | None:
    """Return the constant logits, float64 (units,), that minimize a loss on rows with these class shares.

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
    return None if np.any(shares <= 0) else _cached_by_config(_minimize_for_classes, loss, shares, units)


def _cached_by_config(compute: Callable[..., Array | None], loss: Any, *arguments: Any) -> Array | None:
    """Return a copy of `compute(loss, *arguments)`, computed once for each configuration of a loss of ours.

    A loss of others, or one whose configuration is no JSON, is computed each time.
    """
    try:
        config = json.dumps(_without_names(loss.get_config()), default=_json_value) if _is_ours(loss) else ""
    except (TypeError, ValueError):
        config = ""
    if not config:
        return compute(loss, *arguments)
    hashable = tuple(one.tobytes() if isinstance(one, np.ndarray) else one for one in arguments)
    key = (compute, type(loss), config, keras.backend.backend(), *hashable)
    constant = _constants.get(key, _NOT_CACHED)
    if constant is _NOT_CACHED:
        constant = compute(loss, *arguments)
        if len(_constants) >= REMEMBERED:
            _constants.clear()
        _constants[key] = constant
    return None if constant is None else constant.copy()


def _without_names(config: Any) -> Any:
    """Return a configuration without the names of losses, which Keras numbers."""
    return {k: _without_names(v) for k, v in config.items() if k != "name"} if isinstance(config, dict) else config


def _json_value(value: Any) -> Any:
    """Return a value that JSON lacks, such as an array, as a list or a number."""
    return np.asarray(value).tolist()


def _is_ours(loss: Any) -> bool:
    """Return whether a loss and all its parts are of this package.

    Its configuration then contains everything that determines what it computes.
    """
    parts = [one for one in vars(loss).values() if isinstance(one, keras.losses.Loss) or callable(one)]
    return type(loss).__module__.startswith("counterpoise.losses.") and all(_is_ours(one) for one in parts)


def _minimize_for_classes(loss: Any, shares: Array, units: int) -> Array | None:
    """Return `best_constant` of shares that add up to 1, none of which is 0."""
    start = _start_logits(loss, shares, units)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX has no float64 unless it is switched on
        loss_at = _on_one_row_per_class(_in_float64(loss, start), shares, units)
        first, slope = _loss_and_gradient(loss_at, start)  # at the start
        # Without a gradient, or with a loss that is not above 0, there is nothing to minimize.
        if slope is None or not np.isfinite(first) or first <= 0:
            return None
        # One unit takes the share of class 1 alone as the scale.
        constant = start + _step_to_minimum(loss_at, start, first, slope, np.sqrt(shares[-units:]))
        return constant if _is_minimum(loss_at, constant) else None


def best_label_constants(loss: Any, shares: Array) -> Array | None:
    """Return the constant logits of L independent labels that minimize a loss, float64 (L,), as `best_constant`.

    The loss of a label does not depend on the other labels, so one search gives the constants of all.

    Args:
        loss: A loss on labels (N, L) and logits (N, L).
        shares: Shares of rows without and with each label, float (L, 2), above 0.

    Example:
        >>> from counterpoise.losses import MultiLabelFocal
        >>> best_label_constants(MultiLabelFocal(0.0), np.array([[0.9, 0.1], [0.5, 0.5]])).round(3).tolist()
        [-2.197, 0.0]
    """
    shares = np.asarray(shares, dtype=np.float64) / np.sum(shares, axis=1, keepdims=True)
    return None if np.any(shares <= 0) else _cached_by_config(_minimize_for_labels, loss, shares)


def _minimize_for_labels(loss: Any, shares: Array) -> Array | None:
    """Return `best_label_constants` of shares that add up to 1 per label, none of which is 0."""
    start = np.log(shares[:, 1]) - np.log(shares[:, 0])
    # One row without any label and one with all of them; weights bring each label to its shares.
    loss64, codes = _in_float64(loss, start), np.repeat([[0.0], [1.0]], len(shares), axis=1)

    def loss_at(z: Any) -> Any:
        # The loss of the constants `z` (L,), summed over the two rows.
        return ops.sum(loss64(codes, ops.broadcast_to(ops.expand_dims(z, 0), codes.shape), 2.0 * shares.T))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, slope = _loss_and_gradient(loss_at, start)
        if slope is None or not np.isfinite(first) or first <= 0:
            return None
        constants = start + _step_to_minimum(loss_at, start, first, slope, np.sqrt(shares[:, 1]))
        here, above, below = (float(loss_at(ops.convert_to_tensor(constants + by, "float64"))) for by in (0, 1, -1))
    return constants if min(above, below) > here + RISE * abs(here) else None


def _step_to_minimum(loss_at: Callable[[Any], Any], start: Array, first: float, slope: Array, scale: Array) -> Array:
    """Return what to add to the start, float64 (units,), to reach the minimum of a loss.

    Args:
        loss_at: The loss as a function of the constant. start: Where it starts, (units,). first, slope: Loss and
            gradient there. scale: Square root of the shares, (units,): the curvature of the loss in the logit of a
            class is about proportional to its share.
    """
    if np.max(np.abs(slope / (scale * first))) <= FLAT:  # as of every proper loss: the start is its minimum
        return np.zeros_like(start)

    def scaled_loss(step: Array) -> tuple[float, Array]:
        loss, slope = _loss_and_gradient(loss_at, start + step / scale)
        return loss / first, slope / (scale * first)

    bounds = [(-FARTHEST * one, FARTHEST * one) for one in scale]
    how = {"ftol": 1e-13, "gtol": FLAT, "maxiter": 200}
    minimum = minimize(scaled_loss, np.zeros_like(start), jac=True, method="L-BFGS-B", bounds=bounds, options=how)
    return np.asarray(minimum.x) / scale


def _in_float64(loss: Any, logits: Array) -> Any:
    """Return the loss computing in float64 if it is one of ours and can, otherwise unchanged.

    `logits` (units,) are put through it once, as a test.
    """
    if not isinstance(loss, Loss):
        return loss
    try:
        loss64 = type(loss).from_config({**loss.get_config(), "dtype": "float64"})
        loss64(np.zeros(1, np.int32), ops.convert_to_tensor(logits[None], "float64"))
    except Exception:  # a subclass of the user's may be written for float32 alone
        return loss
    return loss64


def _start_logits(loss: Any, shares: Array, units: int) -> Array:
    """Return the logits where the search starts: log shares less the additive term of the loss, float64 (units,).

    This is already the minimum of a proper loss, and near the minimum of any other loss.
    """
    additive = loss.additive(shares) if isinstance(loss, Loss) else None
    logits = np.log(shares) - (0.0 if additive is None else np.asarray(additive, dtype=np.float64))
    return logits[1:] - logits[:1] if units == 1 else logits


def _on_one_row_per_class(loss: Any, shares: Array, units: int) -> Callable[[Any], Any]:
    """Return the loss as a function of a constant (units,), a Keras tensor.

    There is one row per class, weighted by the share of the class.
    """
    codes, weight = np.arange(len(shares), dtype=np.int32), shares * len(shares)

    def loss_at(z: Any) -> Any:
        return ops.sum(loss(codes, ops.broadcast_to(ops.expand_dims(z, 0), (len(codes), units)), weight))

    return loss_at


def _is_minimum(loss_at: Callable[[Any], Any], z: Array) -> bool:
    """Return whether the loss rises on both sides of `z`, float64 (units,).

    The line through `z` raises and lowers classes in turn, because a constant added to all of them may change nothing.
    """
    direction = np.resize([1.0, -1.0], len(z))
    direction -= direction.mean() if len(z) > 1 else 0.0
    points = (ops.convert_to_tensor(z + step * direction, "float64") for step in (0, 1, -1))
    here, above, below = (float(loss_at(point)) for point in points)
    return min(above, below) > here + RISE * abs(here)


def _loss_and_gradient(loss_at: Callable[[Any], Any], z: Array) -> tuple[float, Any]:
    """Return loss and gradient, float64 (units,), at one constant, differentiated by the backend of Keras.

    The gradient is None if the loss does not depend on `z`.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        at = tf.constant(z, tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(at)
            out = loss_at(at)
        gradient = tape.gradient(out, at)
    elif name == "jax":
        import jax

        out, gradient = jax.value_and_grad(loss_at)(ops.convert_to_tensor(z, "float32"))
    else:
        at = ops.convert_to_tensor(z, "float64").detach().clone().requires_grad_()
        out = loss_at(at)
        out.backward()
        gradient = at.grad
    slope = None if gradient is None else np.asarray(ops.convert_to_numpy(gradient), dtype=np.float64)
    return float(ops.convert_to_numpy(out)), slope
