"""Losses of a class per element by their names in jobs; elements of code -1 are left out of all of them.

The names and constants are part of a job, and so of its id. The losses themselves are in `losses/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from counterpoise.losses.base import BatchLoss, Tensor, class_numbers
from counterpoise.losses.best_constant import best_constant
from counterpoise.losses.pointwise import CrossEntropy, Focal
from counterpoise.losses.prior import LogitAdjusted, Reweighted
from counterpoise.losses.region import Combo, Tversky
from counterpoise.losses.shapes import class_targets

Array = np.ndarray

#: Code of an element without a class.
IGNORED = -1


class Weighted(Reweighted):
    """Another loss, each element weighted by its class, with weights that the compiled program may set.

    Args:
        weights: Weight of each class (C,), above 0.
        loss: A loss with one value per element.

    Example:
        >>> round(float(Weighted([0.5, 5.0], CrossEntropy())([[1]], [[[0.0]]])), 4)  # 5 log 2
        3.4657
    """

    def __init__(self, weights: Any, loss: Any) -> None:
        """Check the class weights; the compiled program may replace `weights` later."""
        super().__init__(loss)
        self.weights = class_numbers(weights, "weights")

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the losses (...) of the elements, each multiplied by the weight of its class."""
        t = class_targets(y_true, y_pred)
        return self.loss.call(y_true, y_pred) * ops.sum(t * self.constant(self.weights, t), axis=-1)


def _element_loss_maker(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of a loss with one value per element, which class weights may multiply.

    Elements of code `IGNORED` are left out. `make` is the class of the loss.
    """

    def loss(weights: Any = None, **constants: Any) -> Any:
        """Return the loss of these constants, multiplied by `weights` (C,) if there are some."""
        plain = make(ignore_class=IGNORED, **constants)
        return plain if weights is None else Weighted(weights, plain)

    return loss


def _row_loss_maker(make: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """Return a maker of a loss with one value per row.

    `fixed` are constants that the caller of the maker may replace.
    """
    return lambda **constants: make(**{**fixed, "ignore_class": IGNORED, **constants})


#: name -> Keras loss taking (y codes (N, ...), logits (N, ..., units)), made of the constants.
LOSSES: dict[str, Callable[..., Any]] = {
    "cross_entropy": _element_loss_maker(CrossEntropy),
    "focal": _element_loss_maker(Focal),
    "logit_adjusted": _element_loss_maker(LogitAdjusted),
    "balanced_softmax": _element_loss_maker(LogitAdjusted),
    "dice": _row_loss_maker(Tversky, cost_fn=0.5, cost_fp=0.5),
    "tversky": _row_loss_maker(Tversky),
    "dice_cross_entropy": _row_loss_maker(Combo),
}
#: Those that class weights cannot multiply, a model's own loss included.
UNWEIGHTED = ("dice", "tversky", "dice_cross_entropy", "model")


def start(loss: Any, shares: Array, units: int) -> Array | None:
    """Return the constant logits, float64 (units,), that minimize a loss at these shares.

    `shares` (C,) are those of elements. A loss of whole rows has no best constant: if it contains a cross-entropy, the
    constant of the cross-entropy is returned, otherwise None.
    """
    if not isinstance(loss, BatchLoss):
        return best_constant(loss, shares, units)
    return best_constant(CrossEntropy(), shares, units) if isinstance(loss, Combo) and loss.mix > 0 else None
