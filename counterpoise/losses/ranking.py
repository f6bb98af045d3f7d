"""Losses of the order of scores: ROC AUC, partial ROC AUC and average precision.

These losses compare the rows of a batch, so each batch should contain rows of both classes. A batch with one class has
the loss 0. The score of class c is its log-odds log q_c - log(1 - q_c); two classes (one or two units) have one score.
With more classes, each class is compared with all others, and the loss is the mean over classes with rows on both
sides. Outputs order the rows but are not probabilities: they need calibration, and no loss of this module is proper.
Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

from keras import ops, saving

from counterpoise.core.checks import check_range
from counterpoise.losses.base import BatchLoss, Tensor
from counterpoise.losses.shapes import log_odds


class RankingLoss(BatchLoss):
    """The base class of ranking losses; a subclass defines `rank_loss(s, pos, neg)`."""

    def rank_loss(self, s: Tensor, pos: Tensor, neg: Tensor) -> Tensor:
        """Return losses (K,) of scores `s` and weights of positives and negatives, all (N, K)."""
        raise NotImplementedError

    def batch_loss(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the mean of `rank_loss` over classes with rows on both sides, otherwise 0.

        Args:
            t: Shares (..., C) of the true classes. z: Logits (..., C). w: Weights (...).
        """
        s, t, w = log_odds(z), ops.reshape(t, (-1, t.shape[-1])), ops.reshape(w, (-1, 1))
        s = ops.reshape(s, (-1, s.shape[-1]))
        first = 1 if s.shape[-1] == 2 else 0  # two classes have one score, that of class 1
        pos, neg = (w * t)[:, first:], (w * (1 - t))[:, first:]
        one_side = ops.logical_or(ops.sum(pos, axis=0) <= 0, ops.sum(neg, axis=0) <= 0)
        both = ops.logical_not(one_side)  # so that NaN, an unknown label, gets through to the loss
        losses = ops.where(both, self.rank_loss(s[:, first:], pos, neg), 0.0)
        return ops.sum(losses) / ops.maximum(ops.sum(ops.cast(both, losses.dtype)), 1.0)


def weighted_mean(x: Tensor, w: Tensor) -> Tensor:
    """Return the mean of `x` over the first axis, weighted by `w`.

    It is 0 if all weights are 0.
    """
    return ops.divide_no_nan(ops.sum(w * x, axis=0), ops.sum(w, axis=0))


def _pair_hinge(s: Tensor, margin: float) -> Tensor:
    """Return max(0, margin - (s_i - s_j))^2 as (i, j, K)."""
    return ops.relu(margin - (s[:, None, :] - s[None, :, :])) ** 2


@saving.register_keras_serializable(package="counterpoise")
class PairwiseAUC(RankingLoss):
    """Squared hinge loss over all positive-negative pairs, a substitute for 1 - ROC AUC.

    Formula: L = mean over i positive, j negative of max(0, margin - (s_i - s_j))^2, pairs weighted w_i w_j.

    Shapes: y (N,) or (N, 1) codes, or (N, C) one-hot; outputs (N, 1) or (N, C); loss one number. Memory N^2 C.

    Not proper: outputs are scores and need calibration. There is no additive term.

    Args:
        margin: Log-odds by which a positive should score above a negative, above 0.

    Example:
        >>> float(PairwiseAUC(margin=1.0)([1, 0, 0], [[0.5], [0.0], [1.0]]))  # (0.5^2 + 1.5^2) / 2
        1.25

    Reference: Gao and Zhou, "On the Consistency of AUC Pairwise Optimization" (IJCAI 2015).
    """

    def __init__(self, margin: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.margin = check_range(margin, "margin", low=0.0, bounds="(]")

    def rank_loss(self, s: Tensor, pos: Tensor, neg: Tensor) -> Tensor:
        """Return the losses (K,) of scores and weights of positives and negatives (N, K)."""
        # The hinge as (negatives, positives, K), because `weighted_mean` reduces the first axis.
        per_positive = weighted_mean(ops.swapaxes(_pair_hinge(s, self.margin), 0, 1), neg[:, None, :])
        return weighted_mean(per_positive, pos)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}


@saving.register_keras_serializable(package="counterpoise")
class PartialAUC(PairwiseAUC):
    """One-way partial ROC AUC: uses only the negatives with the highest scores.

    This is the range of low false-positive rates.

    Formula: L = mean over i positive of t log( mean over j negative of exp(l_ij / t) ),
    l_ij = max(0, margin - (s_i - s_j))^2. The temperature t goes from `PairwiseAUC` (t to infinity) to the
    single hardest negative (t to 0): the soft form of "the share beta of hardest negatives".

    Shapes: y (N,) or (N, 1) codes, or (N, C) one-hot; outputs (N, 1) or (N, C); loss one number. Memory N^2 C.

    Not proper: outputs are scores and need calibration. There is no additive term.

    Args:
        margin: As in `PairwiseAUC`. temperature: t, above 0.

    Example:
        >>> loss = PartialAUC(temperature=1.0)
        >>> round(float(loss([1, 0, 0], [[0.5], [0.0], [1.0]])), 4)  # log((e^0.25 + e^2.25) / 2)
        1.6838

    Reference: Zhu et al., "When AUC meets DRO: Optimizing Partial AUC for Deep Learning with Non-Convex
    Convergence Guarantee" (ICML 2022): the KL-divergence form (SOPA-s), whole batch as the sample.
    """

    def __init__(self, margin: float = 1.0, temperature: float = 1.0, **options: Any) -> None:
        super().__init__(margin, **options)
        self.temperature = check_range(temperature, "temperature", low=0.0, bounds="(]")

    def rank_loss(self, s: Tensor, pos: Tensor, neg: Tensor) -> Tensor:
        """Return the losses (K,) of scores and weights of positives and negatives (N, K)."""
        share = ops.divide_no_nan(neg, ops.sum(neg, axis=0, keepdims=True))
        # -1e30 leaves rows without weight out. Minus infinity would give nan if no row has a weight.
        log_share = ops.where(share > 0, ops.log(ops.where(share > 0, share, 1.0)), -1e30)
        hardness = _pair_hinge(s, self.margin) / self.temperature + log_share[None, :, :]
        return weighted_mean(self.temperature * ops.logsumexp(hardness, axis=1), pos)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


@saving.register_keras_serializable(package="counterpoise")
class AUCMargin(RankingLoss):
    """Margin loss of ROC AUC (AUCM), with its min-max problem solved within each batch.

    Formula: L = var(h | pos) + var(h | neg) + max(0, margin + mean(h | neg) - mean(h | pos))^2, h = sigmoid(s).
    This is min over a, b and max over alpha >= 0 of
    E[(h - a)^2 | pos] + E[(h - b)^2 | neg] + 2 alpha (margin + E[h | neg] - E[h | pos]) - alpha^2,
    the paper's objective divided by p (1 - p), which changes no solution.

    The loss is computed within each batch, so batches should be large enough for several positives. `MinimaxHead` with
    `AUCMinimax` keeps a, b and alpha as variables instead.

    Shapes: y (N,) or (N, 1) codes, or (N, C) one-hot; outputs (N, 1) or (N, C); loss one number.

    Not proper: outputs are scores and need calibration. There is no additive term.

    Args:
        margin: Wanted distance between the class means, above 0.
        bounded: Whether h = sigmoid(s), in (0, 1) as in the experiments of the paper; otherwise h = s.

    Example:
        >>> loss = AUCMargin(margin=1.0, bounded=False)
        >>> float(loss([1, 1, 0], [[1.0], [0.0], [0.0]]))  # 0.25 + 0 + (1 + 0 - 0.5)^2
        0.5

    Reference: Yuan et al., "Large-scale Robust Deep AUC Maximization: A New Surrogate Loss and Empirical Studies
    on Medical Image Classification" (ICCV 2021).
    """

    def __init__(self, margin: float = 1.0, bounded: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.margin, self.bounded = check_range(margin, "margin", low=0.0, bounds="(]"), bool(bounded)

    def rank_loss(self, s: Tensor, pos: Tensor, neg: Tensor) -> Tensor:
        """Return the losses (K,) of scores and weights of positives and negatives (N, K)."""
        h = ops.sigmoid(s) if self.bounded else s
        a, b = weighted_mean(h, pos), weighted_mean(h, neg)
        spread = weighted_mean((h - a) ** 2, pos) + weighted_mean((h - b) ** 2, neg)
        return spread + ops.relu(self.margin + b - a) ** 2

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin, "bounded": self.bounded}


@saving.register_keras_serializable(package="counterpoise")
class SmoothAP(RankingLoss):
    """One minus a smooth approximation of average precision.

    Formula: L = 1 - mean over i positive of R+(i) / R(i), with soft ranks R+(i) = 1/2 + sum_{j pos} G_ij and
    R(i) = R+(i) + sum_{j neg} G_ij, G_ij = sigmoid((s_j - s_i) / temperature). (G_ii = 1/2 completes the rank
    to 1, and makes weight 2 the row twice.) As the temperature goes to 0, L is 1 - average precision.

    Shapes: y (N,) or (N, 1) codes, or (N, C) one-hot; outputs (N, 1) or (N, C); loss one number. Memory N^2 C.

    Not proper: outputs are scores and need calibration. There is no additive term.

    Args:
        temperature: Width of a comparison in log-odds, above 0. The paper's 0.01 is for cosines in [-1, 1].

    Example:
        >>> loss = SmoothAP(temperature=0.01)
        >>> round(float(loss([1, 0, 1], [[2.0], [1.0], [0.0]])), 4)  # 1 - (1 + 2/3) / 2
        0.1667

    Reference: Brown et al., "Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval" (ECCV 2020).
    """

    def __init__(self, temperature: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.temperature = check_range(temperature, "temperature", low=0.0, bounds="(]")

    def rank_loss(self, s: Tensor, pos: Tensor, neg: Tensor) -> Tensor:
        """Return the losses (K,) of scores and weights of positives and negatives (N, K)."""
        above = ops.sigmoid((s[None, :, :] - s[:, None, :]) / self.temperature)
        among = 0.5 + ops.sum(above * pos[None, :, :], axis=1)
        return 1 - weighted_mean(among / (among + ops.sum(above * neg[None, :, :], axis=1)), pos)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
