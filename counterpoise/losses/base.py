"""What every loss of Counterpoise shares: how it is called, what it says about itself, how it is saved.

    Loss                 one loss per element; weights and masks are applied by Keras afterwards
    ├── ClassLoss        exclusive classes: codes or shares per class; one unit or C units
    └── LabelLoss        independent labels: multi-hot rows; L sigmoids
    BatchLoss            one number for a whole batch or image; weights enter inside

A subclass writes one formula on logits and nothing else.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.checks import check_finite
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.losses import shapes

Tensor = Any
Array = np.ndarray


def compute_dtype(dtype: Any) -> str:
    """Return "float64" when asked for (or set as Keras' default), else "float32": halves are widened."""
    policy = keras.dtype_policies.get(dtype or keras.config.floatx())
    return "float64" if policy.compute_dtype == "float64" else "float32"


def class_numbers(values: Any, name: str, minimum: float = 0.0) -> Array:
    """Return numbers per class as float64 (C,), each above `minimum`; else an `OptionError` says which is not."""
    numbers = check_finite(np.asarray(values, dtype=np.float64), name)
    if numbers.ndim != 1 or len(numbers) < 1:
        raise OptionError(f"{name} has shape {numbers.shape}; expected one number per class, (C,).")
    low = np.flatnonzero(numbers <= minimum)
    if len(low):
        raise OptionError(
            f"{name} is {numbers[low[0]]:g} for class {low[0]}; expected more than {minimum:g} for every class. "
            "Leave out classes without rows, or merge them."
        )
    return numbers


def normalized(p: Array) -> Array:
    """Scale the last axis to sum to 1."""
    return p / p.sum(axis=-1, keepdims=True)


def as_array(x: Any) -> Any:
    """Return plain lists as arrays (Keras would take them for several outputs); leave anything else."""
    return np.asarray(x) if isinstance(x, (list, tuple)) else x


class Loss(keras.losses.Loss):
    """A loss on logits that says what it does to probabilities.

    Args:
        from_logits: Whether the model's outputs are logits; probabilities are turned into logits first.
        ignore_class: A label whose elements do not count: no loss, and not part of the mean. Any other label
            outside the classes makes the loss NaN, so that it cannot pass unseen.
        reduction: As in Keras: "sum_over_batch_size", "mean_with_sample_weight", "sum" or None.
        name: Name shown by Keras.
        dtype: "float64" computes in float64; anything else in float32, whatever the model's own type.

    Attributes:
        proper: Whether the loss is least, in expectation, where softmax(z + a) is the true class shares.
        needs_calibration: Whether the outputs are scores that only a fitted calibrator makes probabilities.

    Example:
        >>> from counterpoise.losses import Focal
        >>> loss = Focal(2.0)
        >>> loss.proper, loss.needs_calibration
        (False, False)
    """

    proper: bool = False
    needs_calibration: bool = True

    def __init__(
        self,
        *,
        from_logits: bool = True,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=compute_dtype(dtype))
        self.from_logits = bool(from_logits)
        self.ignore_class = None if ignore_class is None else int(ignore_class)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "dtype": self.dtype,
        }

    def additive(self, prior: Any) -> Array | None:
        """Return the term a_c that the loss adds inside its softmax, float64 (C,), or None if it has none.

        The outputs z of the minimizer satisfy softmax(z + a) = class shares of the rows drawn given x. On one
        unit this reads sigmoid(z + a_1 - a_0).

        Args:
            prior: Class shares of the rows drawn, (C,). It fixes the number of classes; a loss that was built
                with counts adds the term of those counts.
        """
        return np.zeros(len(class_numbers(prior, "prior"))) if self.proper and not self.needs_calibration else None

    def inverse(self, proba: Any) -> Array | None:
        """Return the class shares of the rows drawn, given probabilities softmax(z) (N, C); None if unknown."""
        q = np.asarray(proba, dtype=np.float64)
        a = self.additive(np.ones(q.shape[-1]))
        return None if a is None else normalized(q * np.exp(a))

    def logits(self, y_pred: Tensor) -> Tensor:
        """Return the outputs as logits (..., units)."""
        return y_pred if self.from_logits else shapes.from_probabilities(y_pred)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        y_true, y_pred = as_array(y_true), as_array(y_pred)
        if sample_weight is not None or self.ignore_class is not None:
            sample_weight = self._weights(y_true, y_pred, sample_weight)
        return super().__call__(y_true, y_pred, sample_weight)

    def _weights(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None) -> Tensor:
        z = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        weight = shapes.element_weights(sample_weight, z)
        if self.ignore_class is None:
            return weight
        y = ops.convert_to_tensor(y_true)
        if not shapes.are_codes(y, z):
            raise ModelError("ignore_class needs one class code per element; got one number per unit.")
        valid = ops.cast(ops.not_equal(shapes.codes_of(y, z), self.ignore_class), self.dtype)
        if self.reduction in ("sum_over_batch_size", "mean"):
            valid = valid / ops.maximum(ops.mean(valid), 1e-30)  # Keras divides by all elements
        return weight * valid


class ClassLoss(Loss):
    """A loss over exclusive classes; subclasses write `per_element(t, z)` on class logits (..., K).

    Example:
        >>> class Squared(ClassLoss):
        ...     def per_element(self, t, z):
        ...         return ops.sum(ops.square(t - ops.softmax(z)), axis=-1)
        >>> float(Squared()(np.array([1]), np.array([[0.0, 0.0]])))
        0.5
    """

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of target shares `t` and class logits `z`, both (..., K)."""
        raise NotImplementedError

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        z = self.logits(y_pred)
        return self.per_element(shapes.class_targets(y_true, z, self.ignore_class), shapes.class_logits(z))

    def constant(self, values: Array, z: Tensor) -> Tensor:
        """Return one number per class as a tensor of the type of `z`.

        Raises:
            ModelError: The loss was built for another number of classes.
        """
        if len(values) != z.shape[-1]:
            raise ModelError(
                f"{type(self).__name__} was built for {len(values)} classes but the model puts out {z.shape[-1]}; "
                "give it one number per class of the model."
            )
        return ops.convert_to_tensor(values, dtype=self.dtype)


class LabelLoss(Loss):
    """A loss over independent labels: the mean over labels of `per_label(t, z)`, both (..., L).

    Example:
        >>> class Squared(LabelLoss):
        ...     def per_label(self, t, z):
        ...         return ops.square(t - ops.sigmoid(z))
        >>> float(Squared()(np.array([[1, 0]]), np.array([[0.0, 0.0]])))
        0.25
    """

    def logits(self, y_pred: Tensor) -> Tensor:
        """Return the outputs as log-odds label by label, whatever their number."""
        if self.from_logits:
            return y_pred
        p = ops.clip(y_pred, 1e-7, 1 - 1e-7)
        return ops.log(p) - ops.log1p(-p)

    def per_label(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (..., L) of 0/1 targets `t` and logits `z`."""
        raise NotImplementedError

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        z = self.logits(y_pred)
        t = shapes.label_targets(y_true, z, self.ignore_class)
        losses = ops.mean(self.per_label(t, z), axis=-1)
        if self.ignore_class is None:
            return losses
        ignored = ops.equal(shapes.codes_of(y_true, z), self.ignore_class)
        return ops.where(ignored, ops.zeros_like(losses), losses)

    def constant(self, values: Array, z: Tensor) -> Tensor:
        """Return one number per label as a tensor; an error when the model has another number of units."""
        return ClassLoss.constant(self, values, z)


class BatchLoss(Loss):
    """A loss of a whole batch; subclasses write `batch_loss(t, z, w)` with weights inside.

    `reduction` does not apply, since there is one number (or one per image). Sample weights and the model's
    mask enter the sums, so that weight 2 is the row twice and weight 0 is a row left out.

    Example:
        >>> class SoftAccuracy(BatchLoss):
        ...     def batch_loss(self, t, z, w):
        ...         return 1 - ops.sum(w[:, None] * t * ops.softmax(z)) / ops.sum(w)
        >>> float(SoftAccuracy()(np.array([1, 0]), np.array([[0.0, 0.0], [0.0, 0.0]])))
        0.5
    """

    def batch_loss(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the loss of target shares `t`, class logits `z` (..., K) and element weights `w` (...)."""
        raise NotImplementedError

    def prepare(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return target shares (..., K), logits (..., units) and 0/1 of the elements that count (...)."""
        mask = getattr(y_pred, "_keras_mask", None)
        z = self.logits(ops.convert_to_tensor(y_pred, dtype=self.dtype))
        y = ops.convert_to_tensor(y_true, dtype=self.dtype)
        counted = shapes.element_weights(mask, z)
        if self.ignore_class is not None and shapes.are_codes(y, z):
            counted = counted * ops.cast(ops.not_equal(shapes.codes_of(y, z), self.ignore_class), self.dtype)
        return shapes.class_targets(y, z, self.ignore_class), z, counted

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        t, z, counted = self.prepare(y_true, y_pred)
        return self.batch_loss(t, shapes.class_logits(z), counted * shapes.element_weights(sample_weight, z))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self(y_true, y_pred)
