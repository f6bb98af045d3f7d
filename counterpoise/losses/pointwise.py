"""Cross-entropy and the focal loss: one loss per element, without class counts.

Other losses are built from `cross_entropy` and `focal`. `decide.prior.focal_log_proba` inverts the focal loss as
`focal_inverse` does here, when a trained network predicts.
Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops, saving

from counterpoise.core.checks import check_range
from counterpoise.core.per_class import label_number_pairs
from counterpoise.losses.base import Array, ClassLoss, Tensor, class_numbers, normalized
from counterpoise.losses.shapes import log_odds, share_of_class_1, units_of


def cross_entropy(t: Tensor, z: Tensor) -> Tensor:
    """Return -sum_c t_c log softmax(z)_c, shapes (..., K) to (...)."""
    return -ops.sum(t * ops.log_softmax(z, axis=-1), axis=-1)


@saving.register_keras_serializable(package="counterpoise")
class CrossEntropy(ClassLoss):
    """Cross-entropy (log loss) of exclusive classes, on one unit or on C units.

    Formula: L = -log softmax(z)_y; on one unit -log sigmoid(z) for y = 1 and -log sigmoid(-z) for y = 0.

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Strictly proper: outputs need no correction (the additive term is zero).

    Example:
        >>> loss = CrossEntropy()
        >>> round(float(loss([0, 1], [[0.0], [0.0]])), 4)
        0.6931
        >>> round(float(loss([2, 0], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])), 4)
        1.0986

    Reference: Good, "Rational Decisions" (1952): the logarithmic score.
    """

    proper = True
    needs_calibration = False

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each element, with a faster formula for one unit."""
        z = self.logits(y_pred)
        if units_of(z) > 1:
            return super().call(y_true, y_pred)
        # The same value as of the logits (0, z), in a quarter of the time; in small networks the loss takes most of it.
        return ops.binary_crossentropy(share_of_class_1(y_true, z), z[..., 0], from_logits=True)

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of shares `t` and logits `z`, both (..., C)."""
        return cross_entropy(t, z)


def focal_inverse(proba: Array, gamma: float) -> Array:
    """Return the class shares (..., C) whose focal-loss minimizer is `proba` (..., C).

    Formula: p_c proportional to h(q_c), h(v) = v / ((1 - v)^g - g (1 - v)^(g - 1) v log v).

    Example:
        >>> focal_inverse(np.array([0.7, 0.3]), gamma=0.0)
        array([0.7, 0.3])

    Reference: Charoenphakdee et al., "On Focal Loss for Class-Posterior Probability Estimation" (CVPR 2021).
    """
    tiny = np.finfo(np.float64).tiny
    v = np.clip(np.asarray(proba, dtype=np.float64), tiny, None)
    rest = np.clip(v.sum(axis=-1, keepdims=True) - v, np.finfo(np.float64).eps, None)
    log_h = np.log(v) - (gamma - 1) * np.log(rest) - np.log(rest - gamma * v * np.log(np.minimum(v, 1.0)))
    return normalized(np.exp(log_h - log_h.max(axis=-1, keepdims=True)))


@saving.register_keras_serializable(package="counterpoise")
class Focal(ClassLoss):
    """Focal loss of exclusive classes: reduces the loss of easy elements.

    This class supports binary, sparse, and one-hot labels.

    Formula: L = -alpha_y (1 - q_y)^gamma log q_y with q = softmax(z); on one unit q = (1 - s, s), s = sigmoid(z).

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Not proper (probabilities are too close to 1/C), but `inverse` corrects them. With gamma = 0, the loss is
    cross-entropy. For independent labels, use `MultiLabelFocal`.

    Args:
        gamma: Strength of the focus on hard elements, 0 or more.
        alpha: Weight of each class (C,). For two classes, also one number between 0 and 1: the weight of class 1, with
            the weight 1 - alpha for class 0. None: all weights are 1.

    Example:
        >>> round(float(Focal(gamma=2.0)([1], [[0.0]])), 4)  # 0.25 * log 2
        0.1733

    Reference: Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017).
    """

    needs_calibration = False

    def __init__(self, gamma: float = 2.0, alpha: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.gamma = check_range(gamma, "gamma", low=0.0)
        self.alpha = class_alpha(alpha)

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of shares `t` and logits `z`, both (..., C)."""
        weighted = t if self.alpha is None else t * self.constant(self.alpha, z)
        return ops.sum(weighted * focal(log_odds(z), self.gamma), axis=-1)

    def inverse(self, proba: Any) -> Array | None:
        """Return class proportions (..., C), given probabilities softmax(z) (..., C)."""
        shares = focal_inverse(np.asarray(proba, dtype=np.float64), self.gamma)
        return shares if self.alpha is None else normalized(shares / self.alpha)

    def get_config(self) -> dict[str, Any]:
        alpha = None if self.alpha is None else self.alpha.tolist()
        return {**super().get_config(), "gamma": self.gamma, "alpha": alpha}


def class_alpha(alpha: Any) -> Array | None:
    """Return the focal weights of the classes (C,), or None.

    One number a between 0 and 1 means (1 - a, a).
    """
    if alpha is None:
        return None
    if np.ndim(alpha) == 0 and label_number_pairs(alpha) is None:
        share = check_range(alpha, "alpha", low=0.0, high=1.0, bounds="()")
        return np.array([1.0 - share, share])
    return class_numbers(alpha, "alpha")


def focal(odds: Tensor, gamma: float) -> Tensor:
    """Return -(1 - q)^gamma log q for the log-odds `odds` of q, stable for any size."""
    # log q and log (1 - q) come from the odds, so neither the power nor its gradient meets 0 ** (gamma - 1).
    return ops.exp(-gamma * ops.softplus(odds)) * ops.softplus(-odds)
