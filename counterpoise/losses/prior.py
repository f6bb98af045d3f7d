"""Losses that change the prior of the outputs by class counts: logit adjustment, and the base of weighted losses.

Each loss reports the term a_c that it leaves in the outputs, so the term can be corrected after training. With one
unit, the counts are (n_0, n_1), and the single logit moves by a_1 - a_0.
Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import saving

from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError
from counterpoise.losses.base import Array, ClassLoss, LabelLoss, Loss, Tensor, class_numbers, normalized
from counterpoise.losses.pointwise import cross_entropy


def log_prior(counts: Array) -> Array:
    """Return log(n_c / n), float64 (C,)."""
    return np.log(counts / counts.sum())


def check_classes(prior: Any, counts: Array) -> None:
    """Raise an `OptionError` if prior and counts have different numbers of classes."""
    got = len(class_numbers(prior, "prior"))
    if got != len(counts):
        raise OptionError(f"prior has {got} classes, but the loss was built with counts of {len(counts)} classes.")


@saving.register_keras_serializable(package="counterpoise")
class LogitAdjusted(ClassLoss):
    """Cross-entropy with tau * log prior added to the logits.

    The outputs learn a margin for rare classes.

    Formula: L = -log softmax(z + tau log pi)_y, pi_c = n_c / n.

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Proper in softmax(z + a), with the additive term a_c = tau log pi_c; tau = 0 is cross-entropy, and tau = 1 is
    balanced softmax, L = -log (n_y exp z_y / sum_j n_j exp z_j).

    Args:
        counts: Number of rows of each class used for training, (C,), above 0; for one unit (n_0, n_1).
        tau: Strength. With tau = 1, softmax(z) gives the probabilities for balanced data.

    Example:
        >>> loss = LogitAdjusted([90, 10], tau=1.0)
        >>> round(float(loss([1], [[0.0]])), 4)  # -log 0.1
        2.3026
        >>> np.round(loss.additive([0.9, 0.1]), 4)
        array([-0.1054, -2.3026])

    Reference: Menon et al., "Long-tail learning via logit adjustment" (ICLR 2021); for tau = 1 Ren et al., "Balanced
    Meta-Softmax for Long-Tailed Visual Recognition" (NeurIPS 2020).
    """

    proper = True
    needs_calibration = False

    def __init__(self, counts: Any, tau: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.counts = class_numbers(counts, "counts")
        self.tau = check_range(tau, "tau")

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of shares `t` and logits `z`, both (..., C)."""
        return cross_entropy(t, z + self.constant(self.tau * log_prior(self.counts), z))

    def additive(self, prior: Any) -> Array | None:
        """Return tau log pi_c of the counts, float64 (C,).

        `prior` must have as many classes as the counts.
        """
        check_classes(prior, self.counts)
        return self.tau * log_prior(self.counts)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "counts": self.counts.tolist(), "tau": self.tau}


class Reweighted(ClassLoss):
    """The base of losses that multiply a wrapped loss by a weight per class: how the prior of their outputs moves.

    A subclass (`ClassWeighted`, `targets.element_losses.Weighted`) sets `weights` and multiplies in `call`.

    Attributes:
        loss: The wrapped loss.
        weights: float64 (C,), weight of each class.
    """

    weights: Array

    def __init__(self, loss: Loss, **options: Any) -> None:
        # A loss that was saved is its configuration, a dict.
        inner = keras.saving.deserialize_keras_object(loss) if isinstance(loss, dict) else loss
        if not isinstance(inner, (ClassLoss, LabelLoss)):
            raise OptionError(
                f"loss={inner!r} is not supported. Expected a loss of counterpoise.losses with one value per element."
            )
        # Options of the wrapped loss hold, unless others are given: then it is made again with these, because it reads
        # the outputs. `ignore_class=None` is none given.
        options = {name: value for name, value in options.items() if name != "ignore_class" or value is not None}
        pushed = {name: options[name] for name in ("from_logits", "dtype") if options.get(name) is not None}
        if any(getattr(inner, name) != value for name, value in pushed.items()):
            inner = inner.from_config({**inner.get_config(), **pushed})
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
