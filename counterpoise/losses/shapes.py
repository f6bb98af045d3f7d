"""Which targets fit which logits, and the tensors that every loss makes of them: targets, logits, weights, masks.

Logits always have a last axis of units. One unit means two classes, with log-odds z of class 1; it is
read as the pair (0, z), so that every formula over classes is valid for it too. Nothing is computed in NumPy: all
functions work inside a graph. `decide.layer` uses `class_logits` and `log_odds` in the saved model.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from counterpoise.core.errors import ModelError

Tensor = Any

#: How far a share may be outside 0 to 1 because of rounding.
_TOLERANCE = 1e-3


def static_shape(x: Tensor) -> tuple[int | None, ...]:
    """Return the shape as far as it is known while a graph is traced; None stands for any length."""
    return tuple(x.shape)


def units_of(z: Tensor) -> int:
    """Return the length of the last axis of the logits (1 = two classes on one unit).

    Raises:
        ModelError: The logits have no last axis of units, or its length is not known.
    """
    shape = static_shape(z)
    if len(shape) < 2 or shape[-1] is None or shape[-1] < 1:
        raise ModelError(
            f"The model's output has shape {shape}. Expected (N, units) or (N, ..., units) with a known number "
            "of units. End the model with Dense(1) for two classes or Dense(n_classes)."
        )
    return int(shape[-1])


def same_axes(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> bool:
    """Return whether two shapes have equal rank and agree wherever both are known."""
    return len(a) == len(b) and all(i is None or j is None or i == j for i, j in zip(a, b, strict=True))


def are_codes(y: Tensor, z: Tensor) -> bool:
    """Whether `y` contains one class code per element of `z` (True) or one number per unit (False).

    Raises:
        ModelError: It is neither; nothing is squeezed or repeated to make it fit.
    """
    units, wanted, got = units_of(z), static_shape(z)[:-1], static_shape(y)
    if same_axes(got, wanted) or (same_axes(got, (*wanted, 1)) and got[-1] == 1):
        return True
    if units > 1 and same_axes(got, (*wanted, units)) and got[-1] == units:
        return False
    dense = f" or one number per unit {(*wanted, units)}" if units > 1 else ""
    raise ModelError(
        f"Labels of shape {got} do not fit outputs of shape {static_shape(z)}. Expected one label per element, "
        f"{wanted} or {(*wanted, 1)}{dense}. Check the number of units of the last layer."
    )


def codes_of(y: Tensor, z: Tensor) -> Tensor:
    """Return codes in the shape of `z` without its units: a last axis of length 1 is dropped."""
    return ops.squeeze(y, axis=-1) if len(static_shape(y)) == len(static_shape(z)) else y


def class_logits(z: Tensor) -> Tensor:
    """Return logits over classes (..., K): one unit z becomes (0, z), more units stay as they are."""
    return ops.concatenate([ops.zeros_like(z), z], axis=-1) if units_of(z) == 1 else z


def class_targets(y: Tensor, z: Tensor) -> Tensor:
    """Return target shares over classes (..., K) for exclusive classes, K = 2 for one unit.

    A row is NaN if its label is invalid: a code that is not 0..K-1, or shares that are negative or do not sum to 1.

    Args:
        y: Class codes (...) or (..., 1), or shares per class (..., C). On one unit shares between 0 and 1
            of class 1 are allowed.
        z: Logits (..., C) or (..., 1).
    """
    units = units_of(z)
    if not are_codes(y, z):
        shares = ops.logical_and(
            ops.all(y >= -_TOLERANCE, axis=-1), ops.abs(ops.sum(y, axis=-1) - 1) <= 10 * _TOLERANCE
        )
        return _nan_unless(shares, y)
    if units == 1:
        share = share_of_class_1(y, z)
        return ops.stack([1 - share, share], axis=-1)
    hot = _one_hot(codes_of(y, z), units)
    return _nan_unless(ops.sum(hot, axis=-1) > 0, hot)


def share_of_class_1(y: Tensor, z: Tensor) -> Tensor:
    """Return the share of class 1 (...) of codes or shares `y` (...) or (..., 1) on one unit.

    It is NaN where `y` is not between 0 and 1. Labels of another shape raise a ModelError.
    """
    are_codes(y, z)  # raises the error; on one unit the result is always True
    codes = codes_of(y, z)
    return ops.where(_is_share(codes), codes, float("nan"))


def label_targets(y: Tensor, z: Tensor) -> Tensor:
    """Return one 0/1 target per unit (..., L): codes become one-hot rows, multi-hot rows stay.

    NaN where an entry does not lie between 0 and 1; a row of NaN where a code is none of 0..L-1.
    """
    if are_codes(y, z):
        if units_of(z) > 1:
            hot = _one_hot(codes_of(y, z), units_of(z))
            return _nan_unless(ops.sum(hot, axis=-1) > 0, hot)
        y = ops.expand_dims(codes_of(y, z), -1)
    return ops.where(_is_share(y), y, float("nan"))


def nan_if_unknown(losses: Tensor, t: Tensor) -> Tensor:
    """Return `losses`, with NaN for every element whose target is NaN.

    The axes of `losses` are the first axes of `t`: one number for all targets, one per image, element or label.
    """
    unknown = ops.isnan(t)
    axes = tuple(range(len(static_shape(losses)), len(static_shape(t))))
    return ops.where(ops.any(unknown, axis=axes) if axes else unknown, float("nan"), losses)


def _is_share(y: Tensor) -> Tensor:
    """Return where numbers are between 0 and 1, up to rounding."""
    return ops.logical_and(y >= -_TOLERANCE, y <= 1 + _TOLERANCE)


def _nan_unless(known: Tensor, t: Tensor) -> Tensor:
    """Return `t` (..., K), with a row of NaN where `known` (...) is False."""
    return ops.where(ops.expand_dims(known, -1), t, float("nan"))


def _one_hot(codes: Tensor, depth: int) -> Tensor:
    """Return codes (...) as one-hot rows (..., depth); zeros for a code outside 0..depth-1."""
    return ops.cast(ops.equal(ops.expand_dims(codes, -1), ops.arange(depth, dtype=codes.dtype)), codes.dtype)


def log_odds(z: Tensor) -> Tensor:
    """Return log p_c / (1 - p_c) of softmax(z), without ever forming 1 - p_c.

    Formula: s_c = z_c - log sum_{j != c} exp z_j. For all but the largest logit p_c <= 1/2, so the log-sum is
    lse + log(1 - p_c); for the largest it is summed without it. Shapes (..., K) to (..., K), K >= 2.
    """
    top = ops.cast(ops.one_hot(ops.argmax(z, axis=-1), z.shape[-1]), "bool")
    lse = ops.logsumexp(z, axis=-1, keepdims=True)
    others = ops.logsumexp(ops.where(top, -1e30, z), axis=-1, keepdims=True)
    share = ops.where(top, 0.0, ops.exp(z - lse))  # at the largest logit 1 - p may round to 0: never taken
    return ops.where(top, z - others, z - lse - ops.log1p(-share))


def from_probabilities(p: Tensor) -> Tensor:
    """Return logits of probabilities (..., units), clipped 1e-7 (float64: 1e-15) away from 0 and 1."""
    low = 1e-15 if str(p.dtype).endswith("float64") else 1e-7
    p = ops.clip(p, low, 1 - low)
    return ops.log(p) - ops.log1p(-p) if units_of(p) == 1 else ops.log(p)


def element_weights(weight: Tensor | None, z: Tensor, name: str = "Sample weights") -> Tensor:
    """Return weights of shape (...) for logits (..., units): ones, or `weight` spread over missing last axes.

    Raises:
        ModelError: `weight` fits neither the elements nor their leading axes.
    """
    ones = ops.ones_like(z[..., 0])
    if weight is None:
        return ones
    weight = ops.cast(ops.convert_to_tensor(weight), z.dtype)
    shape, wanted = static_shape(weight), static_shape(z)[:-1]
    if len(shape) == len(wanted) + 1 and shape[-1] == 1:
        weight, shape = ops.squeeze(weight, axis=-1), shape[:-1]
    if len(shape) > len(wanted) or not all(
        i in (1, None) or j is None or i == j for i, j in zip(shape, wanted, strict=False)
    ):
        raise ModelError(
            f"{name} of shape {static_shape(weight)} do not fit outputs of shape {static_shape(z)}. Expected one "
            f"weight per element, {wanted}, or per row, {wanted[:1]}."
        )
    for _ in range(len(wanted) - len(shape)):
        weight = ops.expand_dims(weight, -1)
    return ones * weight


def not_ignored(y: Tensor, z: Tensor, ignore: int | None) -> Tensor:
    """Return 1 where the label of an element counts and 0 where it is `ignore`, shape (...) for logits (..., units).

    Raises:
        ModelError: `ignore` with one number per unit, which is no label that could be ignored.
    """
    if ignore is None:
        return ops.ones_like(z[..., 0])
    if not are_codes(y, z):
        raise ModelError(
            "ignore_class= requires labels that are class codes, one code per element. These labels have one number "
            "per unit of the last layer. Pass class codes."
        )
    return ops.cast(ops.not_equal(codes_of(y, z), ignore), z.dtype)


def neutral_if_uncounted(y: Tensor, z: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Return `y` and `z` with a neutral label and logits of 0 where `counted` (...) is False.

    The neutral label is code 0, or equal shares of one number per unit.
    A label that is unknown, or a logit that is NaN, would otherwise spoil a sum in which it has weight 0.
    """
    kept = ops.expand_dims(counted, -1)
    blank = 0.0 if are_codes(y, z) else 1.0 / units_of(z)
    return ops.where(kept if len(static_shape(y)) == len(static_shape(z)) else counted, y, blank), ops.where(
        kept, z, 0.0
    )
