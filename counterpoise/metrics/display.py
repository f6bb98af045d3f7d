"""Keras metrics of decisions, for the training log and for early stopping (imports Keras).

All metrics keep one weighted confusion matrix (rows: true class, columns: decision), so they are exact over an epoch.
The decision is the class with the largest output; with two classes, class 1 if its probability is at least 0.5. Classes
that do not occur are left out of means. 0 / 0 is 0, as in scikit-learn.

Names and configs of the classes are saved in Keras files (`core.saved_names`).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, saving

from counterpoise.core.checks import check_int
from counterpoise.core.errors import ModelError
from counterpoise.metrics.display_inputs import WIDE, read_codes, read_weights, snake_case

Tensor = Any


class ConfusionMetric(keras.metrics.Metric):
    """A metric of the weighted confusion matrix, for subclasses with `of(matrix)`.

    Args:
        num_classes: C, 2 or more. A model with one unit has 2.
        from_logits: Whether outputs are logits. This matters only with one unit.
        name: As in Keras.
        dtype: As in Keras.
    """

    def __init__(self, num_classes: int = 2, from_logits: bool = True, name: str | None = None, dtype: Any = None):
        """Create the confusion matrix, which is reset before each epoch."""
        super().__init__(name=name or snake_case(type(self).__name__), dtype=dtype)
        self.num_classes, self.from_logits = check_int(num_classes, "num_classes", 2), bool(from_logits)
        shape = (self.num_classes, self.num_classes)
        self.matrix = self.add_variable(shape=shape, initializer="zeros", dtype=WIDE, name="matrix")

    def of(self, matrix: Tensor) -> Tensor:
        """Return the metric of a confusion matrix (C, C)."""
        raise NotImplementedError

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Count labels (...), (..., 1) or one-hot (..., C) and outputs (..., units)."""
        y, z = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        self._check_units(z)
        codes = read_codes(y, z)
        weights = ops.cast(read_weights(sample_weight, z, codes, self.num_classes), WIDE)
        truth = ops.one_hot(codes, self.num_classes, dtype=WIDE) * ops.expand_dims(weights, -1)
        decided = ops.one_hot(self._decide(z), self.num_classes, dtype=WIDE)
        self.matrix.assign(self.matrix + ops.matmul(ops.transpose(truth), decided))

    def _check_units(self, z: Tensor) -> None:
        """Raise a ModelError unless there is one unit per class, or one unit for two classes."""
        units = z.shape[-1] if len(z.shape) > 1 else None
        if units != self.num_classes and (units != 1 or self.num_classes != 2):
            raise ModelError(
                f"{self.name} was built for {self.num_classes} classes but got outputs of shape {tuple(z.shape)}. "
                "Set num_classes= to the number of units (2 for one unit)."
            )

    def _decide(self, z: Tensor) -> Tensor:
        """Return the decided class of each element (n,), of outputs (..., units).

        With one unit, class 1 needs a logit of 0 or a probability of 0.5. A tie of two units goes to class 1.
        """
        flat = ops.reshape(z, (-1, z.shape[-1]))
        if z.shape[-1] == 1:
            return ops.cast(flat[:, 0] >= (0.0 if self.from_logits else 0.5), "int32")
        if z.shape[-1] == 2:
            return ops.cast(flat[:, 1] >= flat[:, 0], "int32")
        return ops.argmax(flat, axis=-1)

    def result(self) -> Tensor:
        """Return the metric of all rows of the epoch so far."""
        return self.of(ops.convert_to_tensor(self.matrix))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, which Keras saves in files."""
        return {**super().get_config(), "num_classes": self.num_classes, "from_logits": self.from_logits}


def recalls(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the recall of each class (C,) and whether it occurs (C,) as 0/1."""
    rows = ops.sum(matrix, axis=1)
    return ops.divide_no_nan(ops.diagonal(matrix), rows), ops.cast(rows != 0, matrix.dtype)


def mean_over(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mean of `values` (C,) over counted classes, or 0 without any."""
    return ops.divide_no_nan(ops.sum(values * counted), ops.sum(counted))


@saving.register_keras_serializable(package="counterpoise")
class BalancedAccuracy(ConfusionMetric):
    """Mean recall over the classes that occur.

    Example:
        >>> metric = BalancedAccuracy()
        >>> metric.update_state([0, 0, 0, 1], [[-1.0], [-1.0], [1.0], [1.0]])
        >>> round(float(metric.result()), 4)  # (2/3 + 1) / 2
        0.8333
    """

    def of(self, matrix: Tensor) -> Tensor:
        """Return the mean recall of a confusion matrix (C, C)."""
        return mean_over(*recalls(matrix))


@saving.register_keras_serializable(package="counterpoise")
class MCC(ConfusionMetric):
    """Matthews correlation of labels and decisions for C classes.

    It is 0 if the labels or the decisions are constant.

    Formula: (n tr M - t.d) / sqrt((n^2 - d.d)(n^2 - t.t)), t and d the row and column sums of M, n its sum.

    Example:
        >>> metric = MCC()
        >>> metric.update_state([0, 0, 1, 1], [[-1.0], [-1.0], [1.0], [-1.0]])
        >>> round(float(metric.result()), 4)
        0.5774

    Reference: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient" (2004).
    """

    def of(self, matrix: Tensor) -> Tensor:
        """Return the Matthews correlation of a confusion matrix (C, C)."""
        shares = ops.divide_no_nan(matrix, ops.sum(matrix))
        t, d = ops.sum(shares, axis=1), ops.sum(shares, axis=0)
        spread = (1 - ops.sum(t * t)) * (1 - ops.sum(d * d))
        constant = ops.logical_or(self._one_class(t), self._one_class(d))
        root = ops.sqrt(ops.where(constant, ops.ones_like(spread), spread))
        return ops.where(constant, ops.zeros_like(root), (ops.sum(ops.diagonal(shares)) - ops.sum(t * d)) / root)

    def _one_class(self, shares: Tensor) -> Tensor:
        """Return whether at most one class has a share above 0."""
        return ops.sum(ops.cast(shares == 0, "int32")) >= self.num_classes - 1
