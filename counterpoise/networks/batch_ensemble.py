"""Several networks in one: layers whose members share most weights, and one output that pools them.

A network of k *members* sends each row through k members that share their matrices and differ in scales and biases
(Wen, Tran and Ba 2020, "BatchEnsemble"; Gorishniy et al. 2025, "TabM"). While it trains, its output is the logits of
every member, (N, k, units), and the loss is the mean over members, so that the members differ. Otherwise its
output is one row of logits, (N, units): each member's training shift is removed, and their probabilities are averaged.

Kept: saved models contain the names of the four registered classes, their `get_config`, and the order of their weights.
`networks.member_outputs` does the same as `PoolMembers.pooled` in NumPy, one strategy at a time.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from counterpoise.losses.base import BatchLoss

Tensor = Any


@keras.saving.register_keras_serializable(package="counterpoise")
class MemberDense(keras.layers.Layer):
    """A dense layer of k members that share one matrix: s_v * (W x) + b_v.

    Args:
        units: Width of the output.
        members: k.
        scales: "random" draws s_v from {-1, 1}, which makes the members differ; "ones" starts them alike.

    Shapes: (N, d), the same rows for every member, or (N, k, d); gives (N, k, units).
    """

    def __init__(self, units: int, members: int, scales: str = "ones", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.members, self.scales = int(units), int(members), scales

    def build(self, shape: Any) -> None:
        """Make the shared matrix (d, units), and the scale and bias of each member (k, units)."""
        width, spread = int(shape[-1]), 1.0 / math.sqrt(int(shape[-1]))
        uniform = keras.initializers.RandomUniform(-spread, spread)
        start = RandomSigns() if self.scales == "random" else "ones"
        self.kernel = self.add_weight(name="kernel", shape=(width, self.units), initializer=uniform)
        self.scale = self.add_weight(name="scale", shape=(self.members, self.units), initializer=start)
        self.bias = self.add_weight(name="bias", shape=(self.members, self.units), initializer=uniform)

    def call(self, x: Tensor) -> Tensor:
        """Return the output of each member, (N, k, units)."""
        h = ops.matmul(x, self.kernel)
        h = ops.expand_dims(h, 1) if len(x.shape) == 2 else h  # (N, 1, units), the same for all members
        return h * self.scale + self.bias

    def compute_output_shape(self, shape: Any) -> tuple[Any, int, int]:
        return (shape[0], self.members, self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "members": self.members, "scales": self.scales}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="counterpoise")
class MemberHead(keras.layers.Layer):
    """Logits of k members, each with a matrix of its own: (N, k, d) to (N, k, units)."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = int(units)

    def build(self, shape: Any) -> None:
        """Make the matrix (k, d, units) and the bias (k, units) of all members."""
        members, width = int(shape[1]), int(shape[2])
        uniform = keras.initializers.RandomUniform(-1.0 / math.sqrt(width), 1.0 / math.sqrt(width))
        self.kernel = self.add_weight(name="kernel", shape=(members, width, self.units), initializer=uniform)
        self.bias = self.add_weight(name="bias", shape=(members, self.units), initializer="zeros")

    def call(self, x: Tensor) -> Tensor:
        """Return the logits of each member, (N, k, units), from its own features (N, k, d)."""
        return ops.einsum("nkd,kdu->nku", x, self.kernel) + self.bias

    def compute_output_shape(self, shape: Any) -> tuple[Any, int, int]:
        return (shape[0], shape[1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="counterpoise")
class PoolMembers(keras.layers.Layer):
    """The last layer of a batch ensemble: while it trains every member's logits, else one row of pooled logits.

    Pooled: member v's logits less its training shift, log p_v; then log of the mean over v of p_v. One unit gives
    log p - log(1 - p).

    The shifts (k, C), of labels (k, L, 2), are a variable that is set when the plans of the members are known, never by
    gradient.

    Args:
        independent: Whether the units are sigmoids, one for each label.

    Attributes:
        separate: True puts out the logits of the members in any case, to look at them one by one.
    """

    separate = False

    def __init__(self, independent: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.independent = bool(independent)

    def build(self, shape: Any) -> None:
        """Make the variable of the training shifts, at first 0; one unit stands for two classes."""
        self.n_members, units = int(shape[1]), int(shape[2])
        classes = (units, 2) if self.independent else (max(2, units),)
        self.log_shifts = self.add_weight(
            name="log_shifts", shape=(self.n_members, *classes), initializer="zeros", trainable=False
        )

    def call(self, z: Tensor, training: bool = False) -> Tensor:
        """Return z, the logits (N, k, units), in training or if `separate`, else the pooled ones (N, units)."""
        return z if training or self.separate else self.pooled(z)

    def pooled(self, z: Tensor) -> Tensor:
        """Return the logits (N, units) of the mean probability of the members.

        `z` contains the logits of the members, (N, k, units).
        The training shift of each member is removed first. Calculation is in float32.
        """
        z, shift = ops.cast(z, "float32"), ops.cast(self.log_shifts, "float32")
        if self.independent or z.shape[-1] == 1:
            z = z - ops.reshape(shift[..., 1] - shift[..., 0], (self.n_members, -1))
            # log sum_v p_v and log sum_v (1 - p_v); their difference is the logit of the mean.
            up, down = (ops.logsumexp(ops.log_sigmoid(side), axis=1) for side in (z, -z))
            return up - down
        return ops.logsumexp(ops.log_softmax(z - shift, axis=-1), axis=1) - math.log(self.n_members)

    def compute_output_shape(self, shape: Any) -> tuple[Any, int]:
        return (shape[0], shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "independent": self.independent}


@keras.saving.register_keras_serializable(package="counterpoise")
class RandomSigns(keras.initializers.RandomUniform):
    """The initializer of the scales of `MemberDense`: -1 or 1, each with probability one half."""

    def __init__(self, minval: float = -1.0, maxval: float = 1.0, seed: Any = None) -> None:
        super().__init__(minval, maxval, seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        return ops.where(super().__call__(shape, dtype) < 0, -1.0, 1.0)


class BatchEnsembleLoss(keras.losses.Loss):
    """A loss on the logits of members (N, k, units): each member learns every row; the mean over members counts.

    Args:
        inner: A loss of `counterpoise.losses` for rows (N,) and logits (N, units).
        independent: Whether the units are labels, y (N, L).

    Sample weights are one per row, (N,), or one per row and member, (N, k); of labels (N, L) or (N, k, L). Pooled
    logits (N, units), which Keras looks at before it trains on JAX and PyTorch, have the loss of one row each, with its
    mean weight.
    """

    def __init__(self, inner: Any, independent: bool = False) -> None:
        super().__init__(name=inner.name, reduction=inner.reduction, dtype=inner.dtype)
        self.inner, self.independent = inner, independent

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss, after labels and weights of rows are repeated for each member.

        A loss that needs whole batches (`BatchLoss`) is computed for each member alone, and then averaged.
        """
        if len(y_pred.shape) == 2:
            as_given = sample_weight is None or self.independent
            return self.inner(y_true, y_pred, sample_weight if as_given else _mean_over_members(sample_weight))
        n_members = y_pred.shape[1]
        if self.independent:
            y, w = (
                None if values is None else _per_member_and_label(values, n_members)
                for values in (y_true, sample_weight)
            )
            return self.inner(y, y_pred, w)
        w = None if sample_weight is None else _per_member(sample_weight, n_members)
        if isinstance(self.inner, BatchLoss):
            losses = [self.inner(y_true, y_pred[:, v], None if w is None else w[:, v]) for v in range(n_members)]
            return sum(losses) / n_members
        soft = len(y_true.shape) == 2 and y_true.shape[-1] == y_pred.shape[-1] > 1  # shares of the classes
        y = ops.repeat(ops.expand_dims(y_true, 1), n_members, axis=1) if soft else _per_member(y_true, n_members)
        return self.inner(y, y_pred, w)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss as `__call__` does without weights; Keras requires this method."""
        return self(y_true, y_pred)


def _per_member(values: Any, n_members: int) -> Tensor:
    """Return values (N,), (N, 1) or (N, k) as a tensor (N, k).

    If needed, they are repeated for each of the k members.
    """
    values = ops.convert_to_tensor(values)
    wide = len(values.shape) == 2 and values.shape[-1] == n_members
    return values if wide else ops.repeat(ops.reshape(values, (-1, 1)), n_members, axis=1)


def _mean_over_members(weights: Any) -> Tensor:
    """Return weights (N,), (N, 1) or (N, k) as a tensor (N,), the mean over the members."""
    weights = ops.convert_to_tensor(weights)
    return weights if len(weights.shape) == 1 else ops.mean(weights, axis=1)


def _per_member_and_label(values: Any, n_members: int) -> Tensor:
    """Return values (N, L) or (N, k, L) as a tensor (N, k, L).

    If needed, they are repeated for each of the k members.
    """
    values = ops.convert_to_tensor(values)
    return values if len(values.shape) == 3 else ops.repeat(ops.expand_dims(values, 1), n_members, axis=1)


def per_row(loss: Any) -> Any:
    """Return the loss of rows with one output each.

    This is the inner loss of a `BatchEnsembleLoss`, or else the loss itself.
    """
    return loss.inner if isinstance(loss, BatchEnsembleLoss) else loss


def pool_of(model: Any) -> PoolMembers | None:
    """Return the `PoolMembers` layer of a network, also from inner models.

    The result is None if the network is not a batch ensemble.
    """
    if isinstance(model, PoolMembers):
        return model
    pools = (pool_of(layer) for layer in getattr(model, "layers", []))
    return next((layer for layer in pools if layer is not None), None)


def n_members(model: Any) -> int:
    """Return the number of members of a network; 1 if it is not a batch ensemble."""
    pool = pool_of(model)
    return 1 if pool is None else pool.n_members
