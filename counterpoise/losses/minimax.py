"""The min-max form of the ROC AUC margin loss with a, b and alpha as variables of the model.

    head = MinimaxHead()
    training = keras.Model(model.input, head(model.output))     # shares the layers of `model`
    training.compile(optimizer, AUCMinimax(prior=0.05))
    training.fit(x, y)                                          # then use `model` as before

The head reverses the sign of the gradient of alpha. Any Keras optimizer therefore minimizes over the network, a and b,
and maximizes over alpha, in the same step. No special optimizer is needed.
Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, saving

from counterpoise.core.checks import check_range
from counterpoise.core.errors import ModelError
from counterpoise.losses.base import Loss, Tensor
from counterpoise.losses.shapes import class_targets, static_shape


@saving.register_keras_serializable(package="counterpoise")
class MinimaxHead(keras.layers.Layer):
    """Append the variables a, b, and alpha to the output of a binary model.

    It maps (N, 1) to (N, 4) = (z, a, b, alpha).

    alpha stays at 0 or above. Its gradient is reversed, so an optimizer that minimizes the loss maximizes it over
    alpha.

    Example:
        >>> MinimaxHead()(ops.zeros((2, 1))).shape == (2, 4)
        True

    Reference: Yuan et al. (ICCV 2021): the primal-dual step of its optimizer PESG.
    """

    def build(self, input_shape: Any) -> None:
        """Add the variables a, b and alpha, for an input (N, 1)."""
        if input_shape[-1] != 1:
            raise ModelError(f"MinimaxHead got outputs of shape {tuple(input_shape)}. Expected one unit, (N, 1).")
        self.a = self.add_weight(name="a", shape=(), initializer="zeros")
        self.b = self.add_weight(name="b", shape=(), initializer="zeros")
        self.alpha = self.add_weight(name="alpha", shape=(), initializer="zeros", constraint="non_neg")

    def call(self, z: Tensor) -> Tensor:
        """Return (N, 4): z, a, b and alpha, the last with a reversed gradient."""
        # The value is alpha and the gradient is -1: the optimizer's descent becomes an ascent in alpha.
        turned = 2 * ops.stop_gradient(self.alpha) - self.alpha
        extra = [ops.ones_like(z) * ops.cast(v, z.dtype) for v in (self.a, self.b, turned)]
        return ops.concatenate([z, *extra], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], 4)


@saving.register_keras_serializable(package="counterpoise")
class AUCMinimax(Loss):
    """Integrand of the min-max ROC AUC margin loss (AUCM), for outputs of `MinimaxHead`.

    Formula: with p the share of positives and h = sigmoid(z) (or z), per row
    L = (h - a)^2 [y = 1] / p + (h - b)^2 [y = 0] / (1 - p) - alpha^2
        + 2 alpha (margin + h [y = 0] / (1 - p) - h [y = 1] / p),
    the paper's F divided by p (1 - p), which changes no solution. Its mean at the best a, b, alpha over a
    sample with share p is `AUCMargin`.

    Shapes: y (N,) or (N, 1) codes 0 and 1; outputs (N, 4); loss (N,).

    Not proper: outputs are scores and need calibration. There is no additive term.

    Args:
        prior: Share of positives in the rows used for training, between 0 and 1.
        margin: Wanted distance between the class means, above 0.
        bounded: Whether h = sigmoid(z); otherwise h = z.

    Example:
        >>> loss = AUCMinimax(prior=0.5, bounded=False)
        >>> float(loss([1], [[0.5, 1.0, 0.0, 0.0]]))  # (0.5 - 1)^2 / 0.5
        0.5

    Reference: Yuan et al., "Large-scale Robust Deep AUC Maximization" (ICCV 2021).
    """

    def __init__(self, prior: float, margin: float = 1.0, bounded: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.prior = check_range(prior, "prior", low=0.0, high=1.0, bounds="()")
        self.margin, self.bounded = check_range(margin, "margin", low=0.0, bounds="(]"), bool(bounded)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each row, (N,)."""
        if static_shape(y_pred)[-1] != 4 or len(static_shape(y_pred)) != 2:
            raise ModelError(
                f"AUCMinimax got outputs of shape {static_shape(y_pred)}. Expected (N, 4), the output of MinimaxHead."
            )
        z, a, b, alpha = (y_pred[:, k] for k in range(4))
        if static_shape(y_true)[1:] not in ((), (1,)):
            raise ModelError(f"AUCMinimax got labels of shape {static_shape(y_true)}. Expected (N,) or (N, 1).")
        y = class_targets(y_true, y_pred[:, :1])[:, 1]
        h = ops.sigmoid(z) if self.bounded else z
        pos, neg = y / self.prior, (1 - y) / (1 - self.prior)
        spread = pos * (h - a) ** 2 + neg * (h - b) ** 2
        return spread - alpha**2 + 2 * alpha * (self.margin + (neg - pos) * h)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "prior": self.prior, "margin": self.margin, "bounded": self.bounded}
