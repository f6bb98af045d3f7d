"""Class weights inside the loss, for training and validation. `sample_weight` remains free.

Both losses contain a number `mix` from 0 (all weights are 1) to 1 (the given weights). Callbacks can change it during
training (`cp.callbacks.Deferred`); the model is not traced again.
Strategies for a class per element weigh by `targets.element_losses.Weighted` instead. Names of classes and of their
arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops, saving

from counterpoise.core.errors import OptionError
from counterpoise.losses.base import Array, LabelLoss, Loss, Tensor, class_numbers
from counterpoise.losses.pointwise import CrossEntropy
from counterpoise.losses.prior import Reweighted
from counterpoise.losses.shapes import class_targets


def _mix_variable() -> keras.Variable:
    """Return the variable `mix` with the value 1, which callbacks can change without tracing the model again."""
    return keras.Variable(1.0, trainable=False, dtype="float32", name="mix")


@saving.register_keras_serializable(package="counterpoise")
class ClassWeighted(Reweighted):
    """A wrapped loss, with each element weighted by its class.

    Formula: L = (1 + mix (w_y - 1)) * loss(y, z).

    Shapes: as in the wrapped loss, for exclusive classes: y (...), (..., 1) or (..., C); loss (...).

    Proper if the wrapped loss is proper. The additive term is the additive term of the wrapped loss minus log w_c, and
    `inverse` divides by w_c (both at mix = 1).

    Args:
        weights: Weight of each class (C,), above 0; for one unit (w_0, w_1). A dict of `cp.class_weight` works too, and
            its mean over the rows is 1. The weights are not scaled. `cp.class_weight(y, "effective_number(0.999)")`
            gives the class-balanced loss of Cui et al. (CVPR 2019).
        loss: A loss of this package with one value per element; None is cross-entropy.

    Example:
        >>> loss = ClassWeighted([0.5, 5.0])
        >>> round(float(loss([1], [[0.0]])), 4)  # 5 log 2
        3.4657

    Reference: King and Zeng, "Logistic Regression in Rare Events Data" (2001).
    """

    def __init__(self, weights: Any, loss: Loss | None = None, **options: Any) -> None:
        super().__init__(CrossEntropy(**options) if loss is None else loss, **options)
        self.weights, self.mix = class_numbers(weights, "weights"), _mix_variable()

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the wrapped loss of each element times the weight of its class, shape (...)."""
        t = class_targets(y_true, y_pred)
        factor = ops.sum(t * self.constant(self.weights, t), axis=-1)
        return self.loss.call(y_true, y_pred) * (1 + ops.cast(self.mix, factor.dtype) * (factor - 1))

    def get_config(self) -> dict[str, Any]:
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "weights": self.weights.tolist(), "loss": loss}


@saving.register_keras_serializable(package="counterpoise")
class LabelWeighted(LabelLoss):
    """Binary cross-entropy of independent labels, weighted by label and presence.

    Formula: L = mean_l v(w_l1) y_l log(1 + exp(-z_l)) + v(w_l0) (1 - y_l) log(1 + exp(z_l)), v(w) = 1 + mix (w - 1).

    Shapes: y (..., L) multi-hot; outputs (..., L); loss (...). Rows without any label are ordinary rows.

    Proper in z_l - (log w_l1 - log w_l0), for each label.

    Args:
        weights: (L, 2), the weights of each label if it is absent and if it is present, above 0.

    Example:
        >>> loss = LabelWeighted([[0.5, 2.0], [1.0, 1.0]])
        >>> round(float(loss([[1.0, 0.0]], [[0.0, 0.0]])), 4)  # (2 log 2 + log 2) / 2
        1.0397

    Reference: King and Zeng, "Logistic Regression in Rare Events Data" (2001), per label.
    """

    proper = True
    needs_calibration = False

    def __init__(self, weights: Any, **options: Any) -> None:
        super().__init__(**options)
        pairs = np.asarray(weights, dtype=np.float64)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise OptionError(
                f"weights have shape {pairs.shape}. Expected (labels, 2): one weight if the label is absent, and one "
                "if it is present."
            )
        class_numbers(pairs.ravel(), "weights")
        self.weights, self.mix = pairs, _mix_variable()

    def per_label(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the weighted loss of each label, (..., L), for targets t and logits z (..., L)."""
        weight = t * self.constant(self.weights[:, 1], z) + (1 - t) * self.constant(self.weights[:, 0], z)
        loss = t * ops.softplus(-z) + (1 - t) * ops.softplus(z)
        return loss * (1 + ops.cast(self.mix, z.dtype) * (weight - 1))

    def additive(self, prior: Any) -> Array | None:
        """Return None: the shift is per label, log w_l1 - log w_l0."""
        return None

    def inverse(self, proba: Any) -> Array | None:
        """Return the shares of positives (..., L), given probabilities sigmoid(z) (..., L)."""
        s = np.asarray(proba, dtype=np.float64)
        present, absent = s / self.weights[:, 1], (1 - s) / self.weights[:, 0]
        return present / (present + absent)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": self.weights.tolist()}
