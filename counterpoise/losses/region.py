"""Overlap losses for segmentation: Tversky (focal, too), generalized Dice and combo.

Sums are over the pixels of each image, so outputs (N, H, W, units) give one loss per image, (N,). Outputs (N, units)
have no pixels, so the sums are over the rows of the batch and give one number. Sample weights per pixel (N, H, W) and
masks are part of the sums. Weights per image (N,) multiply the loss of the image. With one unit, the overlap is for
class 1 (the lesion). With C units, it is the mean over all classes.
Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops, saving

from counterpoise.core.checks import check_range
from counterpoise.losses.base import BatchLoss, Tensor
from counterpoise.losses.shapes import class_logits, log_odds, static_shape, units_of


class RegionLoss(BatchLoss):
    """A loss of sums over regions, for subclasses with `region_loss(t, z, w)`.

    `region_loss` returns (N,) or one number.

    Args:
        smooth: Number of pixels added to numerator and denominator, so an empty image has an overlap.
    """

    def __init__(self, smooth: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.smooth = check_range(smooth, "smooth", low=0.0, bounds="(]")

    def region_loss(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the loss per region of targets `t`, logits `z`, and pixel weights `w`."""
        raise NotImplementedError

    def losses(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return `region_loss`, under the name that `BatchLoss` calls."""
        return self.region_loss(t, z, w)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss; weights per pixel enter the sums, weights per image multiply it."""
        elements = self._counted_elements(*self._as_tensors(y_true, y_pred), sample_weight)
        if sample_weight is None or not static_shape(elements.z)[1:-1] or np.ndim(sample_weight) > 1:
            return self._reduce(self.weighted(elements, elements.sum_weight), None)
        valid_pixels = elements.valid if elements.valid is not None else ops.ones_like(elements.weight)
        return self._reduce(self.weighted(elements, valid_pixels), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smooth": self.smooth}


def pixel_sums(x: Tensor, w: Tensor) -> Tensor:
    """Return the sums of w x over pixels: (N, ..., K) to (N, K), or over rows: (N, K) to (K,)."""
    axes = tuple(range(1, len(x.shape) - 1)) or (0,)
    return ops.sum(x * ops.expand_dims(w, -1), axis=axes)


def foreground(x: Tensor, z: Tensor) -> Tensor:
    """Return all classes (..., C), or only class 1 (..., 1) if the network has one unit."""
    return x[..., 1:] if units_of(z) == 1 else x


def _soft_counts(t: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return soft true positives, false negatives and false positives, each as of `pixel_sums`."""
    return pixel_sums(t * p, w), pixel_sums(t * (1 - p), w), pixel_sums((1 - t) * p, w)


@saving.register_keras_serializable(package="counterpoise")
class Tversky(RegionLoss):
    """One minus the Tversky index: Dice with weights for missed and false elements.

    Formula: L = mean_c (1 - (TP_c + smooth) / (TP_c + cost_fn FN_c + cost_fp FP_c + smooth))^(1 / gamma), with
    TP = sum t p, FN = sum t (1 - p), FP = sum (1 - t) p. cost_fn = cost_fp = 0.5 is Dice. gamma above 1 is the focal
    Tversky loss: classes with little overlap count more.

    Shapes: y (N, H, W), (N, H, W, 1) or one-hot (N, H, W, C); outputs (N, H, W, 1) or (N, H, W, C); loss (N,).

    Not proper: outputs are scores and need calibration.

    Args:
        cost_fn: Weight of missed cases (false negatives), 0 or more.
        cost_fp: Weight of false positives, 0 or more.
        gamma: Above 0; 1 to 3 in the paper on the focal form, with 4/3 for its results.

    Example:
        >>> loss = Tversky(cost_fn=0.7, cost_fp=0.3, smooth=1.0)
        >>> round(float(loss([[1, 0]], [[[0.0], [0.0]]])), 4)  # 1 - 1.5 / (0.5 + 0.35 + 0.15 + 1)
        0.25
        >>> round(float(Tversky(cost_fn=0.7, cost_fp=0.3, gamma=2.0)([[1, 0]], [[[0.0], [0.0]]])), 4)  # sqrt(0.25)
        0.5

    Reference: Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional deep
    networks" (MLMI 2017); Abraham and Khan, "A Novel Focal Tversky Loss Function with Improved Attention U-Net for
    Lesion Segmentation" (ISBI 2019).
    """

    def __init__(self, cost_fn: float = 0.7, cost_fp: float = 0.3, gamma: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.cost_fn, self.cost_fp = check_range(cost_fn, "cost_fn", low=0.0), check_range(cost_fp, "cost_fp", low=0.0)
        self.gamma = check_range(gamma, "gamma", low=0.0, bounds="(]")

    def region_loss(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the losses (N,), or one number, of targets, logits, and pixel weights."""
        return ops.mean(self.gap(t, z, w), axis=-1)

    def gap(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return one minus the index of each class, to the power 1 / gamma, (N, K) or (K,)."""
        p = ops.softmax(class_logits(z), axis=-1)
        hits, missed, false = _soft_counts(foreground(t, z), foreground(p, z), w)
        errors = self.cost_fn * missed + self.cost_fp * false
        gap = errors / (hits + errors + self.smooth)
        if self.gamma == 1:
            return gap
        # For gamma > 1 the slope at perfect overlap is infinite; below 1e-7 it is cut to 0.
        return ops.maximum(gap, 1e-7) ** (1 / self.gamma)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cost_fn": self.cost_fn, "cost_fp": self.cost_fp, "gamma": self.gamma}


@saving.register_keras_serializable(package="counterpoise")
class GeneralizedDice(RegionLoss):
    """Generalized Dice loss: one overlap over all classes.

    Each class is weighted by its inverse squared volume.

    Formula: L = 1 - 2 sum_c v_c sum t p / sum_c v_c sum (t + p), v_c = 1 / (sum t)^2. A class that is absent
    from an image has v_c = 0; an image without any counted pixel has loss 0.

    Shapes: y (N, H, W), (N, H, W, 1) or one-hot (N, H, W, C); outputs (N, H, W, 1) or (N, H, W, C); loss (N,).
    One unit is taken as two classes. `smooth` is not used.

    Not proper: outputs are scores and need calibration.

    Example:
        >>> float(GeneralizedDice()([[1, 0]], [[[0.0], [0.0]]]))  # 1 - 2 (0.5 + 0.5) / (2 + 2)
        0.5

    Reference: Sudre et al., "Generalized Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced
    Segmentations" (DLMIA 2017).
    """

    def region_loss(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the losses (N,), or one number, of targets, logits, and pixel weights."""
        p = ops.softmax(class_logits(z), axis=-1)
        volume = pixel_sums(t, w)
        present = volume > 0
        # Scaled by the least volume present, since 1 / volume^2 alone is tiny in float32.
        # 1e30: an absent class is never the least.
        least = ops.min(ops.where(present, volume, 1e30), axis=-1, keepdims=True)
        weight = ops.where(present, (least / ops.where(present, volume, 1.0)) ** 2, 0.0)
        both, either = ops.sum(weight * pixel_sums(t * p, w), -1), ops.sum(weight * pixel_sums(t + p, w), -1)
        return ops.where(either > 0, 1 - 2 * both / ops.where(either > 0, either, 1.0), 0.0)


@saving.register_keras_serializable(package="counterpoise")
class Combo(RegionLoss):
    """Weighted cross-entropy per pixel plus Dice per image.

    Formula: L = mix CE + (1 - mix) (1 - Dice), CE the mean over pixels (and classes) of
    -(beta t log p + (1 - beta) (1 - t) log(1 - p)), Dice = (2 sum t p + smooth) / (sum t + sum p + smooth).
    (The paper subtracts Dice; the constant makes a perfect output cost 0.)

    Shapes: y (N, H, W), (N, H, W, 1) or one-hot (N, H, W, C); outputs (N, H, W, 1) or (N, H, W, C); loss (N,).

    Not proper: outputs are scores and need calibration. mix = 1, beta = 0.5 is half the binary cross-entropy.

    Args:
        mix: Share of the cross-entropy, 0 to 1. beta: Above 0.5, missed cases weigh more than false positives.

    Example:
        >>> loss = Combo(mix=1.0, beta=0.5)
        >>> round(float(loss([[1, 0]], [[[0.0], [0.0]]])), 4)  # 0.5 log 2
        0.3466

    Reference: Taghanaki et al., "Combo loss: Handling input and output imbalance in multi-organ segmentation"
    (Computerized Medical Imaging and Graphics 2019).
    """

    def __init__(self, mix: float = 0.5, beta: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.mix = check_range(mix, "mix", low=0.0, high=1.0)
        self.beta = check_range(beta, "beta", low=0.0, high=1.0)

    def region_loss(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the losses (N,), or one number, of targets, logits, and pixel weights."""
        full = class_logits(z)
        t, odds, p = (foreground(x, z) for x in (t, log_odds(full), ops.softmax(full, axis=-1)))
        pixel = self.beta * t * ops.softplus(-odds) + (1 - self.beta) * (1 - t) * ops.softplus(odds)
        entropy = ops.divide_no_nan(pixel_sums(pixel, w), pixel_sums(ops.ones_like(pixel), w))
        dice = (2 * pixel_sums(t * p, w) + self.smooth) / (pixel_sums(t, w) + pixel_sums(p, w) + self.smooth)
        return ops.mean(self.mix * entropy + (1 - self.mix) * (1 - dice), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mix": self.mix, "beta": self.beta}
