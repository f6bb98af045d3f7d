"""The base classes of all losses: which elements count, checks, and saving.

    Loss                 one loss per element, then weights, masks and the mean
    ├── ClassLoss        exclusive classes: codes or shares per class; one unit or C units
    └── LabelLoss        independent labels: multi-hot rows; L sigmoids
    BatchLoss            one number for a whole batch or image; weights enter inside

A subclass only defines a formula on logits. The base class determines which elements count:

- The mask of the outputs (`Embedding(mask_zero=True)`, `Masking`) and `ignore_class` exclude elements. The mean is over
  the other elements, as in Keras. An element of weight 0 adds nothing, but stays in the mean.
- The label and the output of an excluded element have no effect on the loss.
- If an element counts, but its label is not one of the classes, the loss is NaN.

`engines.objective` relies on `additive` and `needs_calibration` to correct the logits of a trained network.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from keras.src.backend import get_keras_mask  # on JAX the mask is no attribute of the tensor; Keras alone finds it

from counterpoise.core.checks import check_finite
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.per_class import in_class_order
from counterpoise.losses import shapes

Tensor = Any
Array = np.ndarray


def compute_dtype(dtype: Any) -> str:
    """Return "float64" if requested or the Keras default, and "float32" otherwise."""
    policy = keras.dtype_policies.get(dtype or keras.config.floatx())
    return "float64" if policy.compute_dtype == "float64" else "float32"


def class_numbers(values: Any, name: str) -> Array:
    """Return numbers per class as float64 (C,), each above 0.

    A dict or a series of counts is read by its labels, which are class codes (see `core.per_class`).
    """
    numbers = check_finite(np.asarray(in_class_order(values, name, fill=0), dtype=np.float64), name)
    if numbers.ndim != 1 or len(numbers) < 1:
        raise OptionError(f"{name} has shape {numbers.shape}. Expected one number per class, (C,).")
    low = np.flatnonzero(numbers <= 0)
    if len(low):
        raise OptionError(
            f"{name} is {numbers[low[0]]:g} for class {low[0]}. Expected more than 0 for every class. "
            "Leave out classes without rows, or merge them."
        )
    return numbers


def normalized(p: Array) -> Array:
    """Return numbers (..., C), scaled so that they sum to 1 over the last axis."""
    return p / p.sum(axis=-1, keepdims=True)


def array_if_list(x: Any) -> Any:
    """Return a list or tuple as an array, because Keras would read it as several outputs; other values unchanged."""
    return np.asarray(x) if isinstance(x, (list, tuple)) else x


class Loss(keras.losses.Loss):
    """A loss on logits that describes its effect on probabilities.

    Args:
        from_logits: Whether the model's outputs are logits; probabilities are turned into logits first.
        ignore_class: Label of elements that are excluded from the loss and from the mean. Any other label outside the
            classes makes the loss NaN, so the error is visible. With multi-hot rows of independent labels, it marks
            missing entries.
        reduction: As in Keras: "sum_over_batch_size", "mean_with_sample_weight", "sum" or None.
        name: Name shown by Keras.
        dtype: "float64" computes in float64. Any other value computes in float32, whatever the type of the model.

    Attributes:
        proper: Whether the expected loss has its minimum where softmax(z + a) equals the class probabilities.
        needs_calibration: Whether the outputs are scores, which need a fitted calibrator to become probabilities.

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
        # The arguments of the constructor; their names are saved in model files.
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "dtype": self.dtype,
        }

    def additive(self, prior: Any) -> Array | None:
        """Return the term a_c that the loss adds in its softmax, float64 (C,), or None.

        At the minimum of the loss, softmax(z + a) gives the class probabilities of the drawn rows at x. With one unit,
        this is sigmoid(z + a_1 - a_0).

        Args:
            prior: Class proportions of the drawn rows, (C,). They determine the number of classes. A loss that was
                built with counts adds the term of these counts.
        """
        return np.zeros(len(class_numbers(prior, "prior"))) if self.proper and not self.needs_calibration else None

    def inverse(self, proba: Any) -> Array | None:
        """Return class proportions, float64 (N, C), given softmax(z) (N, C); None if unknown."""
        q = np.asarray(proba, dtype=np.float64)
        a = self.additive(np.ones(q.shape[-1]))
        return None if a is None else normalized(q * np.exp(a))

    def logits(self, y_pred: Tensor) -> Tensor:
        """Return the outputs as logits (..., units)."""
        return y_pred if self.from_logits else shapes.from_probabilities(y_pred)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss of labels and outputs, reduced as `reduction` says.

        Without a mask, weights and an ignored class, Keras computes it. Otherwise the mean is over valid elements.
        """
        y, z, mask = self._as_tensors(y_true, y_pred)
        if mask is None and sample_weight is None and self.ignore_class is None:
            return super().__call__(y, z)
        counted = self._counted_elements(y, z, mask, sample_weight)
        return self._reduce(*self._losses_and_weights(counted))

    def _as_tensors(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return labels and outputs as tensors of the dtype, and the mask of the outputs or None.

        The mask is read from the outputs as they were passed, because a converted tensor may lose it.
        """
        y_true, y_pred = array_if_list(y_true), array_if_list(y_pred)
        y, z = (ops.convert_to_tensor(x, dtype=self.dtype) for x in (y_true, y_pred))
        return y, z, get_keras_mask(y_pred)

    def _counted_elements(
        self, y: Tensor, z: Tensor, mask: Tensor | None, sample_weight: Tensor | None
    ) -> CountedElements:
        """Return labels and outputs with neutral values, and how much each element counts.

        Values are neutral where the mask or `ignore_class` excludes an element, and where its weight is 0. An element
        with weight 0 stays in the mean.
        """
        weight = shapes.element_weights(sample_weight, z)
        if mask is None and self.ignore_class is None:
            return CountedElements(*shapes.neutral_if_uncounted(y, z, weight != 0), None, weight)
        valid = shapes.element_weights(mask, z, "The mask") * shapes.not_ignored(y, z, self.ignore_class)
        return CountedElements(*shapes.neutral_if_uncounted(y, z, valid * weight != 0), valid, weight)

    def _losses_and_weights(self, elements: CountedElements) -> tuple[Tensor, Tensor]:
        """Return the losses of the elements and the weights for their mean, both (...)."""
        return self.call(elements.y, elements.z), self._mean_weights(elements)

    def _mean_weights(self, elements: CountedElements) -> Tensor:
        """Return weights (...) with which the mean of Keras is a mean over the valid elements only.

        Keras divides by the number of all elements, so the weights are scaled. Sums and single losses are not divided.
        """
        if elements.valid is None:
            return elements.weight
        if self.reduction not in ("sum_over_batch_size", "mean"):
            return elements.sum_weight
        # 1e-30 avoids 0 / 0 if no element is valid; the loss is then 0.
        return elements.sum_weight / ops.maximum(ops.mean(elements.valid), 1e-30)

    def _reduce(self, losses: Tensor, weight: Tensor | None) -> Tensor:
        """Return losses (...) with weights, reduced by Keras as `reduction` says."""
        # Keras checks labels against outputs; the labels are not needed any more, so both are the losses.
        return _KerasReduction(reduction=self.reduction, dtype=self.dtype, name=self.name)(losses, losses, weight)


class CountedElements(NamedTuple):
    """The elements of a batch, with neutral labels and outputs where they do not count, and how much they count.

    Attributes:
        y: Labels. z: Outputs (..., units).
        valid: (...), 0 for elements that the mask or `ignore_class` excludes, else 1; None: all are valid.
        weight: (...), sample weights, or ones.
    """

    y: Tensor
    z: Tensor
    valid: Tensor | None
    weight: Tensor

    @property
    def sum_weight(self) -> Tensor:
        """Return what each element counts in a sum, (...): its weight, or 0 if it is not valid."""
        return self.weight if self.valid is None else self.weight * self.valid


class _KerasReduction(keras.losses.Loss):
    """The reduction of Keras for losses that were computed before, which are passed as `y_pred`."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred


class ClassLoss(Loss):
    """A loss over exclusive classes, for subclasses with `per_element(t, z)`.

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

    def losses(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of target shares `t` (..., K) and logits `z` (..., units)."""
        return self.per_element(t, shapes.class_logits(z))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the losses (...), NaN for elements whose label is not one of the classes."""
        z = self.logits(y_pred)
        t = shapes.class_targets(y_true, z)
        return shapes.nan_if_unknown(self.losses(t, z), t)

    def constant(self, values: Array, z: Tensor) -> Tensor:
        """Return one number per class as a tensor (K,) of the type of the loss.

        A formula uses its class counts and weights only through this method, equally often in each call:
        `engines.loss_constants` replaces the method, so that one trace serves the counts of every fold.

        Raises:
            ModelError: The loss was built for another number of classes.
        """
        if len(values) != z.shape[-1]:
            raise ModelError(
                f"{type(self).__name__} was built for {len(values)} classes but the model has {z.shape[-1]} outputs. "
                "Give the loss one number per class of the model."
            )
        return ops.convert_to_tensor(values, dtype=self.dtype)


class LabelLoss(Loss):
    """A loss over independent labels: the mean over labels of `per_label(t, z)`.

    Example:
        >>> class Squared(LabelLoss):
        ...     def per_label(self, t, z):
        ...         return ops.square(t - ops.sigmoid(z))
        >>> float(Squared()(np.array([[1, 0]]), np.array([[0.0, 0.0]])))
        0.25
    """

    def logits(self, y_pred: Tensor) -> Tensor:
        """Return the outputs as log-odds of each label (..., L); probabilities are clipped first."""
        if self.from_logits:
            return y_pred
        p = ops.clip(y_pred, 1e-7, 1 - 1e-7)
        return ops.log(p) - ops.log1p(-p)

    def per_label(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (..., L) of 0/1 targets `t` and logits `z`, both (..., L)."""
        raise NotImplementedError

    def labels(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the losses (..., L), label by label."""
        z = self.logits(y_pred)
        t = shapes.label_targets(y_true, z)
        return shapes.nan_if_unknown(self.per_label(t, z), t)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the losses (...), the mean over the labels of each element."""
        return ops.mean(self.labels(y_true, y_pred), axis=-1)

    def _counted_elements(
        self, y: Tensor, z: Tensor, mask: Tensor | None, sample_weight: Tensor | None
    ) -> CountedElements:
        """Return what counts as in `Loss`, but label by label if weights or labels ask for it.

        This is so for weights (..., L), and for `ignore_class` with multi-hot labels. Each label of an element becomes
        an element with one unit: weights and validity are (..., L).
        """
        multi_hot = shapes.units_of(z) > 1 and not shapes.are_codes(y, z)
        weight = None if sample_weight is None else ops.convert_to_tensor(sample_weight)
        weight_per_label = weight is not None and shapes.same_axes(shapes.static_shape(weight), shapes.static_shape(z))
        if not (multi_hot and (weight_per_label or self.ignore_class is not None)):
            return super()._counted_elements(y, z, mask, weight)
        elements = super()._counted_elements(y, ops.expand_dims(z, -1), mask, weight)
        return elements._replace(z=elements.z[..., 0])

    def _losses_and_weights(self, elements: CountedElements) -> tuple[Tensor, Tensor]:
        """Return the losses of the elements and their weights, both (...).

        With weights (..., L), the loss of an element is the weighted mean over its labels, and its weight is the mean
        of their weights.
        """
        weight = self._mean_weights(elements)
        if len(shapes.static_shape(weight)) < len(shapes.static_shape(elements.z)):
            return self.call(elements.y, elements.z), weight
        total = ops.mean(weight, axis=-1)
        return ops.divide_no_nan(ops.mean(weight * self.labels(elements.y, elements.z), axis=-1), total), total

    def constant(self, values: Array, z: Tensor) -> Tensor:
        """Return one number per label as a tensor (L,), as `ClassLoss.constant`."""
        return ClassLoss.constant(self, values, z)


class BatchLoss(Loss):
    """A loss of a whole batch, for subclasses with `batch_loss(t, z, w)`.

    `reduction` does not apply, because the loss is one number (or one number per image). Sample weights and the mask of
    the model are part of the sums: a row with weight 2 counts twice, and a row with weight 0 is left out.

    Example:
        >>> class SoftAccuracy(BatchLoss):
        ...     def batch_loss(self, t, z, w):
        ...         return 1 - ops.sum(w[:, None] * t * ops.softmax(z)) / ops.sum(w)
        >>> float(SoftAccuracy()(np.array([1, 0]), np.array([[0.0, 0.0], [0.0, 0.0]])))
        0.5
    """

    def batch_loss(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the loss of target shares `t`, class logits `z`, and element weights `w`.

        `t` and `z` are (..., K), and `w` is (...).
        """
        raise NotImplementedError

    def losses(self, t: Tensor, z: Tensor, w: Tensor) -> Tensor:
        """Return the loss of target shares `t`, model logits `z`, and element weights `w`.

        `t` is (..., K), `z` (..., units), and `w` (...).
        """
        return self.batch_loss(t, shapes.class_logits(z), w)

    def weighted(self, elements: CountedElements, w: Tensor) -> Tensor:
        """Return the loss at weights `w` (...), or NaN if a counted label is invalid."""
        z = self.logits(elements.z)
        t = shapes.class_targets(elements.y, z)
        return shapes.nan_if_unknown(self.losses(t, z, w), t)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss of the whole batch; masked and ignored elements have weight 0."""
        elements = self._counted_elements(*self._as_tensors(y_true, y_pred), sample_weight)
        return self.weighted(elements, elements.sum_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of the batch without weights, as Keras asks for it."""
        return self(y_true, y_pred)
