"""Losses that use the class counts: logit adjustment, balanced softmax and class-balanced weights.

Each loss reports the term a_c that it leaves in the outputs, so the term can be corrected after training. With one
unit, the counts are (n_0, n_1), and the single logit moves by a_1 - a_0.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops, saving

from counterpoise.core.checks import check_choice, check_range
from counterpoise.core.errors import OptionError
from counterpoise.losses.base import Array, ClassLoss, LabelLoss, Loss, Tensor, class_numbers, normalized
from counterpoise.losses.pointwise import cross_entropy
from counterpoise.losses.shapes import class_targets


def log_prior(counts: Array) -> Array:
    """Return log(n_c / n), float64 (C,)."""
    return np.log(counts / counts.sum())


def check_classes(prior: Any, counts: Array) -> None:
    """Raise an error if the prior and the counts of the loss have different numbers of classes."""
    got = len(class_numbers(prior, "prior"))
    if got != len(counts):
        raise OptionError(f"prior has {got} classes, but the loss was built with counts of {len(counts)} classes.")


@saving.register_keras_serializable(package="counterpoise")
class LogitAdjusted(ClassLoss):
    """Cross-entropy with tau * log prior added to the logits.

    The outputs learn a margin for rare classes.

    Formula: L = -log softmax(z + tau log pi)_y, pi_c = n_c / n.

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Proper in softmax(z + a): add the additive term a_c = tau log pi_c to the outputs z to get probabilities. The
    loss is cross-entropy if tau = 0.

    Args:
        counts: Number of rows of each class used for training, (C,), above 0; for one unit (n_0, n_1).
        tau: Strength. With tau = 1, softmax(z) gives the probabilities for balanced data.

    Example:
        >>> loss = LogitAdjusted([90, 10], tau=1.0)
        >>> round(float(loss([1], [[0.0]])), 4)  # -log 0.1
        2.3026
        >>> np.round(loss.additive([0.9, 0.1]), 4)
        array([-0.1054, -2.3026])

    Reference: Menon et al., "Long-tail learning via logit adjustment" (ICLR 2021).
    """

    proper = True
    needs_calibration = False

    def __init__(self, counts: Any, tau: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.counts = class_numbers(counts, "counts")
        self.tau = check_range(tau, "tau")

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        return cross_entropy(t, z + self.constant(self.tau * log_prior(self.counts), z))

    def additive(self, prior: Any) -> Array | None:
        """Return tau log pi_c of the counts, float64 (C,).

        `prior` must have as many classes as the counts.
        """
        check_classes(prior, self.counts)
        return self.tau * log_prior(self.counts)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "counts": self.counts.tolist(), "tau": self.tau}


@saving.register_keras_serializable(package="counterpoise")
class BalancedSoftmax(LogitAdjusted):
    """Softmax weighted by the class counts: logit adjustment at tau = 1.

    Formula: L = -log (n_y exp z_y / sum_j n_j exp z_j).

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Proper in softmax(z + a): add the additive term a_c = log(n_c / n) to the outputs z to get probabilities.

    Args:
        counts: Number of rows of each class used for training, (C,), above 0; for one unit (n_0, n_1).

    Example:
        >>> round(float(BalancedSoftmax([3, 1])([0], [[0.0, 0.0]])), 4)  # -log 0.75
        0.2877

    Reference: Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition" (NeurIPS 2020).
    """

    def __init__(self, counts: Any, **options: Any) -> None:
        super().__init__(counts, tau=1.0, **options)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["tau"]
        return config


def effective_weights(counts: Array, beta: float, mean_over: str = "rows") -> Array:
    """Return (1 - beta) / (1 - beta^n_c) per class, scaled to mean 1.

    Example:
        >>> effective_weights(np.array([9.0, 1.0]), beta=0.0)
        array([1., 1.])
    """
    # expm1 and log keep beta near 1 exact: 1 - beta ** n = -expm1(n log beta).
    raw = np.ones(len(counts)) if beta == 0 else -(1 - beta) / np.expm1(counts * np.log(beta))
    mean = np.average(raw, weights=counts if mean_over == "rows" else None)
    return raw / mean


class Reweighted(ClassLoss):
    """A wrapped loss, multiplied by a weight per class, with the resulting class proportions.

    Attributes:
        loss: The wrapped loss.
        weights: float64 (C,), weight of each class.
    """

    weights: Array

    def __init__(self, loss: Loss, **options: Any) -> None:
        inner = keras.saving.deserialize_keras_object(loss) if isinstance(loss, dict) else loss
        if not isinstance(inner, (ClassLoss, LabelLoss)):
            raise OptionError(f"loss is {inner!r}. Expected a loss of counterpoise.losses with one value per element.")
        kept = {name: getattr(inner, name) for name in ("dtype", "from_logits", "ignore_class", "reduction")}
        super().__init__(**{**kept, **options})
        self.loss = inner
        self.proper, self.needs_calibration = inner.proper, inner.needs_calibration

    def additive(self, prior: Any) -> Array | None:
        """Return the additive term of the wrapped loss minus log w_c, float64 (C,), or None."""
        check_classes(prior, self.weights)
        inner = self.loss.additive(prior)
        return None if inner is None else inner - np.log(self.weights)

    def inverse(self, proba: Any) -> Array | None:
        """Return the class proportions of drawn rows (..., C): the wrapped inverse over w_c."""
        inner = self.loss.inverse(proba)
        return None if inner is None else normalized(inner / self.weights)


@saving.register_keras_serializable(package="counterpoise")
class ClassBalanced(Reweighted):
    """A wrapped loss, weighted by the effective number of rows of the class of each element.

    Formula: L = w_y * loss(y, z), w_c proportional to (1 - beta) / (1 - beta^n_c).

    Shapes: as in the wrapped loss, for exclusive classes: y (...), (..., 1) or (..., C); loss (...). Shares per class
    (soft labels) get the weight sum_c t_c w_c.

    Proper if the wrapped loss is proper. The additive term is the additive term of the wrapped loss minus log w_c, and
    `inverse` divides by w_c. With beta = 0, the loss equals the wrapped loss.

    Args:
        loss: A loss of this package with one value per element, for example `Focal(2.0)`.
        counts: Rows of each class, (C,), above 0; for one unit (n_0, n_1).
        beta: From 0 (all weights 1) to below 1 (towards weights 1 / n_c).
        mean_over: "rows": the mean weight over the rows is 1, which keeps the step size. "classes": the weights sum to
            C, as in the paper. The two differ only by one factor.

    Example:
        >>> from counterpoise.losses.pointwise import CrossEntropy
        >>> loss = ClassBalanced(CrossEntropy(), counts=[2, 1], beta=0.5, mean_over="classes")
        >>> loss.weights  # 1 / 1.5 and 1, scaled to sum 2
        array([0.8, 1.2])

    Reference: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (CVPR 2019).
    """

    def __init__(self, loss: Loss, counts: Any, beta: float = 0.999, mean_over: str = "rows", **options: Any) -> None:
        super().__init__(loss, **options)
        self.counts = class_numbers(counts, "counts")
        self.beta = check_range(beta, "beta", low=0.0, high=1.0, bounds="[)")
        self.mean_over = check_choice(mean_over, "mean_over", ("rows", "classes"))
        self.weights = effective_weights(self.counts, self.beta, self.mean_over)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        t = class_targets(y_true, y_pred)
        return self.loss.call(y_true, y_pred) * ops.sum(t * self.constant(self.weights, t), axis=-1)

    def get_config(self) -> dict[str, Any]:
        loss = keras.saving.serialize_keras_object(self.loss)
        own = {"loss": loss, "counts": self.counts.tolist(), "beta": self.beta, "mean_over": self.mean_over}
        return {**super().get_config(), **own}
