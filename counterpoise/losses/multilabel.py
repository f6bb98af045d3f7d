"""Losses of independent labels: focal, asymmetric and distribution-balanced.

Targets are multi-hot rows (..., L). Class codes are supported too: one unit is one label, and with C units a code is
the one-hot row of C sigmoids. The weighted binary cross-entropy is in `weighted` (`LabelWeighted`).
Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops, saving

from counterpoise.core.checks import check_finite, check_range
from counterpoise.core.errors import OptionError
from counterpoise.core.per_class import in_unit_order
from counterpoise.losses.base import Array, LabelLoss, Tensor, class_numbers
from counterpoise.losses.pointwise import focal, focal_inverse


@saving.register_keras_serializable(package="counterpoise")
class MultiLabelFocal(LabelLoss):
    """Focal loss on L sigmoids: the mean over the labels.

    Formula: L = mean_l -a_l y_l (1 - s_l)^gamma log s_l - (1 - a_l) (1 - y_l) s_l^gamma log(1 - s_l),
    s = sigmoid(z); without alpha both factors are 1.

    Shapes: y (..., L) multi-hot, or codes (...) or (..., 1); outputs (..., L); loss (...).

    Not proper, but `inverse` computes the probabilities of each label. With gamma = 0 and without alpha, the loss is
    binary cross-entropy.

    Args:
        gamma: Strength of the focus on hard elements, 0 or more.
        alpha: Weight of positives, between 0 and 1: one number, or one for each label (L,). None: no weights.

    Example:
        >>> round(float(MultiLabelFocal(gamma=2.0)([[1.0, 0.0]], [[0.0, 0.0]])), 4)  # 0.25 * log 2
        0.1733

    Reference: Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017).
    """

    needs_calibration = False

    def __init__(self, gamma: float = 2.0, alpha: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.gamma = check_range(gamma, "gamma", low=0.0)
        self.alpha = None if alpha is None else check_finite(np.asarray(alpha, dtype=np.float64), "alpha")
        if self.alpha is not None and not np.all((self.alpha > 0) & (self.alpha < 1)):
            raise OptionError(f"alpha is {alpha}. Expected weights of positive labels, each above 0 and below 1.")

    def per_label(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (..., L) of targets `t` and logits `z`, both (..., L)."""
        positive, negative = t * focal(z, self.gamma), (1 - t) * focal(-z, self.gamma)
        if self.alpha is None:
            return positive + negative
        alpha = self.constant(np.broadcast_to(self.alpha, (z.shape[-1],)) if self.alpha.ndim == 0 else self.alpha, z)
        return alpha * positive + (1 - alpha) * negative

    def inverse(self, proba: Any) -> Array | None:
        """Return the shares of positives (..., L), given probabilities sigmoid(z) (..., L)."""
        s = np.asarray(proba, dtype=np.float64)
        pair = focal_inverse(np.stack([1 - s, s], axis=-1), self.gamma)
        odds = pair[..., 1] if self.alpha is None else pair[..., 1] / self.alpha
        rest = pair[..., 0] if self.alpha is None else pair[..., 0] / (1 - self.alpha)
        return odds / (odds + rest)

    def get_config(self) -> dict[str, Any]:
        alpha = None if self.alpha is None else self.alpha.tolist()
        return {**super().get_config(), "gamma": self.gamma, "alpha": alpha}


def _power_flat_at_zero(base: Tensor, gamma: float) -> Tensor:
    """Return base ** gamma for base >= 0, with gradient 0 (not infinite) at base = 0."""
    inside = base > 0
    return ops.where(inside, ops.where(inside, base, 1.0) ** gamma, 0.0 if gamma else 1.0)


@saving.register_keras_serializable(package="counterpoise")
class Asymmetric(LabelLoss):
    """Asymmetric loss: reduces the loss of easy negatives more than of easy positives.

    The easiest negatives are ignored.

    Formula: with s = sigmoid(z) and m = max(s - clip, 0),
    L = mean_l -y_l (1 - s_l)^gamma_pos log s_l - (1 - y_l) m_l^gamma_neg log(1 - m_l).

    Shapes: y (..., L) multi-hot, or codes (...) or (..., 1); outputs (..., L); loss (...).

    Not proper: outputs are scores and need calibration. If both gammas and clip are 0, the loss is the mean binary
    cross-entropy. (The paper sums over labels; the mean differs by the factor L.)

    Args:
        gamma_neg: Strength of the focus on hard negatives, 0 or more.
        gamma_pos: Strength of the focus on hard positives, 0 or more.
        clip: Probability margin, from 0 to below 1. Negatives with a probability below this margin have the loss 0.

    Example:
        >>> loss = Asymmetric(gamma_neg=2.0, gamma_pos=0.0, clip=0.0)
        >>> round(float(loss([[1.0, 0.0]], [[0.0, 0.0]])), 4)  # (log 2 + 0.25 log 2) / 2
        0.4332
        >>> float(Asymmetric(clip=0.05)([[0.0]], [[-5.0]]))
        0.0

    Reference: Ridnik, Ben-Baruch et al., "Asymmetric Loss For Multi-Label Classification" (ICCV 2021),
    held to the authors' code (github.com/Alibaba-MIIL/ASL).
    """

    def __init__(self, gamma_neg: float = 4.0, gamma_pos: float = 1.0, clip: float = 0.05, **options: Any) -> None:
        super().__init__(**options)
        self.gamma_neg = check_range(gamma_neg, "gamma_neg", low=0.0)
        self.gamma_pos = check_range(gamma_pos, "gamma_pos", low=0.0)
        self.clip = check_range(clip, "clip", low=0.0, high=1.0, bounds="[)")

    def per_label(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (..., L) of targets `t` and logits `z`, both (..., L)."""
        return t * focal(z, self.gamma_pos) + (1 - t) * self._absent_losses(z)

    def _absent_losses(self, z: Tensor) -> Tensor:
        """Return the loss of each label as if it were absent, like `z` (..., L)."""
        if self.clip == 0:
            return focal(-z, self.gamma_neg)
        shifted = ops.relu(ops.sigmoid(z) - self.clip)
        return -_power_flat_at_zero(shifted, self.gamma_neg) * ops.log1p(-shifted)  # 1 - shifted >= clip > 0

    def get_config(self) -> dict[str, Any]:
        own = {"gamma_neg": self.gamma_neg, "gamma_pos": self.gamma_pos, "clip": self.clip}
        return {**super().get_config(), **own}


@saving.register_keras_serializable(package="counterpoise")
class DistributionBalanced(LabelLoss):
    """Distribution-balanced loss for labels that occur together.

    Its weights correct for labels that occur together, and the loss of negatives is reduced.

    Formula: with positives n_l of n rows,
    r_l = (1 / n_l) / sum_{j: y_j = 1} (1 / n_j), w_l = shift + sigmoid(slope (r_l - center)),
    v_l = kappa log(n / n_l - 1),
    L = mean_l w_l [y_l log(1 + exp(-(z_l - v_l))) + (1 - y_l) log(1 + exp(scale (z_l - v_l))) / scale].
    A row without any label has r = infinity, hence w = shift + 1 (for slope 0: shift + 0.5).

    Shapes: y (..., L) multi-hot, or codes (...) or (..., 1); outputs (..., L); loss (...).

    Not proper: outputs are scores and need calibration. With kappa = 0, scale = 1, slope = 0 and shift = 0.5, the loss
    is the mean binary cross-entropy.

    Args:
        counts: Rows in which each label is present, (L,), above 0 and below `rows`.
        rows: Number of rows n.
        shift: Least weight (alpha in the paper). slope: Steepness (beta). center: Middle (mu).
        scale: Leniency for negatives (lambda), above 0.
        kappa: Strength of the class-specific bias.

    Example:
        >>> loss = DistributionBalanced([50], rows=100, shift=0.5, slope=0.0, scale=1.0)
        >>> round(float(loss([[1.0]], [[0.0]])), 4)
        0.6931

    Reference: Wu et al., "Distribution-Balanced Loss for Multi-Label Classification in Long-Tailed Datasets"
    (ECCV 2020), held to the authors' code (github.com/wutong16/DistributionBalancedLoss), which writes kappa as
    init_bias / neg_scale.
    """

    def __init__(
        self,
        counts: Any,
        rows: float,
        shift: float = 0.1,
        slope: float = 10.0,
        center: float = 0.2,
        scale: float = 5.0,
        kappa: float = 0.05,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        counts = in_unit_order(counts, "counts")
        self.counts, self.rows = class_numbers(counts, "counts"), check_range(rows, "rows", low=0.0, bounds="(]")
        if self.counts.max() >= self.rows:
            raise OptionError(
                f"A label is present in {self.counts.max():g} of {self.rows:g} rows. "
                "Leave out labels that are present in all rows."
            )
        self.shift, self.slope = check_range(shift, "shift", low=0.0), check_range(slope, "slope")
        self.center, self.kappa = check_range(center, "center"), check_range(kappa, "kappa")
        self.scale = check_range(scale, "scale", low=0.0, bounds="(]")

    def per_label(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (..., L) of targets `t` and logits `z`, both (..., L)."""
        bias = self.constant(self.kappa * np.log(self.rows / self.counts - 1), z)
        moved = z - bias
        negative = ops.softplus(self.scale * moved) / self.scale
        return self._label_weights(t, z) * (t * ops.softplus(-moved) + (1 - t) * negative)

    def _label_weights(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the weight w_l of each label (..., L), from the labels of its row `t` (..., L)."""
        rarity = self.constant(self.counts.min() / self.counts, z)  # scaled by the least count: no tiny numbers
        present = ops.sum(t * rarity, axis=-1, keepdims=True)
        bare = present == 0
        ratio = rarity / ops.where(bare, ops.ones_like(present), present)
        limit = 0.5 + 0.5 * float(np.sign(self.slope))  # of the sigmoid for r = infinity
        return self.shift + ops.where(bare, limit, ops.sigmoid(self.slope * (ratio - self.center)))

    def get_config(self) -> dict[str, Any]:
        names = ("rows", "shift", "slope", "center", "scale", "kappa")
        return {**super().get_config(), "counts": self.counts.tolist(), **{k: getattr(self, k) for k in names}}
