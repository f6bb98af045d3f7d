"""Losses with a margin per class: LDAM and vector scaling.

Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

from keras import ops, saving

from counterpoise.core.checks import check_range
from counterpoise.losses.base import Array, ClassLoss, Tensor, class_numbers
from counterpoise.losses.pointwise import cross_entropy
from counterpoise.losses.prior import check_classes, log_prior
from counterpoise.losses.shapes import class_logits, units_of


@saving.register_keras_serializable(package="counterpoise")
class LDAM(ClassLoss):
    """Label-distribution-aware margin loss: rarer classes need a larger margin.

    Formula: L = -log softmax(s (z - d_y e_y))_y, d_c = max_margin * (min_j n_j / n_c)^(1/4).

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Not proper: outputs are scores and need calibration. There is no additive term. The loss uses s z, so apply the
    softmax to s z, not to z. The paper uses cosines (normalized features and weights) in [-1, 1]; with an ordinary last
    layer, choose a scale near 1. With max_margin = 0 and scale = 1, the loss is cross-entropy.

    Args:
        counts: Rows of each class, (C,), above 0; for one unit (n_0, n_1).
        max_margin: Margin of the rarest class, 0 or more.
        scale: s, above 0.

    Example:
        >>> loss = LDAM([16, 1], max_margin=0.5, scale=1.0)
        >>> loss.margins
        array([0.25, 0.5 ])
        >>> round(float(loss([1], [[0.5]])), 4)  # the margin eats the logit: log 2
        0.6931

    Reference: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss" (NeurIPS
    2019), held to the authors' code (github.com/kaidic/LDAM-DRW).
    """

    def __init__(self, counts: Any, max_margin: float = 0.5, scale: float = 30.0, **options: Any) -> None:
        super().__init__(**options)
        self.counts = class_numbers(counts, "counts")
        self.max_margin = check_range(max_margin, "max_margin", low=0.0)
        self.scale = check_range(scale, "scale", low=0.0, bounds="(]")
        self.margins = self.max_margin * (self.counts.min() / self.counts) ** 0.25

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of shares `t` and logits `z`, both (..., C)."""
        return cross_entropy(t, self.scale * (z - t * self.constant(self.margins, z)))

    def get_config(self) -> dict[str, Any]:
        own = {"counts": self.counts.tolist(), "max_margin": self.max_margin, "scale": self.scale}
        return {**super().get_config(), **own}


@saving.register_keras_serializable(package="counterpoise")
class VectorScaling(ClassLoss):
    """Vector-scaling loss: an additive and a multiplicative change of the logits per class.

    Formula: L = -log softmax(D z + i)_y, D_c = (n_c / max_j n_j)^gamma, i_c = tau log(n_c / n). On one unit
    L = log(1 + exp(-u)) for y = 1 and log(1 + exp(u)) for y = 0, u = D_y z + i_1 - i_0.

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    With gamma = 0, the loss and its additive term are the same as in `LogitAdjusted(counts, tau)`. Otherwise outputs
    need calibration.

    Args:
        counts: Rows of each class, (C,), above 0; for one unit (n_0, n_1).
        tau: Strength of the additive part.
        gamma: Strength of the multiplicative part, 0 or more.

    Example:
        >>> loss = VectorScaling([4, 1], tau=0.0, gamma=0.5)
        >>> round(float(loss([1], [[2.0]])), 4)  # log(1 + exp(-0.5 * 2))
        0.3133
        >>> loss.needs_calibration, VectorScaling([4, 1], gamma=0.0).needs_calibration
        (True, False)

    Reference: Kini et al., "Label-Imbalanced and Group-Sensitive Classification under Overparameterization"
    (NeurIPS 2021).
    """

    def __init__(self, counts: Any, tau: float = 1.0, gamma: float = 0.15, **options: Any) -> None:
        super().__init__(**options)
        self.counts = class_numbers(counts, "counts")
        self.tau = check_range(tau, "tau")
        self.gamma = check_range(gamma, "gamma", low=0.0)
        self.proper, self.needs_calibration = self.gamma == 0, self.gamma != 0

    def losses(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of target shares `t` (..., K) and logits `z` (..., units)."""
        factor = self.constant((self.counts / self.counts.max()) ** self.gamma, t)
        if units_of(z) == 1:  # the factor is that of the label: one unit has no class to carry its own
            factor = ops.sum(t * factor, axis=-1, keepdims=True)
        shift = self.constant(self.tau * log_prior(self.counts), t)
        return cross_entropy(t, class_logits(z * factor) + shift)

    def additive(self, prior: Any) -> Array | None:
        """Return tau log pi_c of the counts, float64 (C,), or None if gamma is not 0."""
        check_classes(prior, self.counts)
        return None if self.gamma else self.tau * log_prior(self.counts)

    def get_config(self) -> dict[str, Any]:
        own = {"counts": self.counts.tolist(), "tau": self.tau, "gamma": self.gamma}
        return {**super().get_config(), **own}
