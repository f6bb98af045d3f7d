"""Keras metrics of decisions, for the training display and for early stopping (imports Keras).

All keep one weighted confusion matrix (rows: true class, columns: decision), so they are exact over an epoch.
Decisions: the largest output; of two classes class 1 when its probability is at least 0.5. Classes that
do not occur are left out of means; 0 / 0 is 0, as in scikit-learn.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, saving

from counterpoise.core.checks import check_choice, check_int, check_range
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.metrics.display_inputs import WIDE, read_codes, read_weights, snake_case

Tensor = Any
AVERAGES = ("macro", "micro", "minority")


class ConfusionMetric(keras.metrics.Metric):
    """A function of the weighted confusion matrix; subclasses write `of(matrix)`.

    Args:
        num_classes: C, 2 or more. A model with one unit has 2.
        from_logits: Whether outputs are logits; only matters on one unit.
        name: As in Keras.
        dtype: As in Keras.
    """

    def __init__(self, num_classes: int = 2, from_logits: bool = True, name: str | None = None, dtype: Any = None):
        super().__init__(name=name or snake_case(type(self).__name__), dtype=dtype)
        self.num_classes, self.from_logits = check_int(num_classes, "num_classes", 2), bool(from_logits)
        shape = (self.num_classes, self.num_classes)
        self.matrix = self.add_variable(shape=shape, initializer="zeros", dtype=WIDE, name="matrix")

    def of(self, matrix: Tensor) -> Tensor:
        """Return the metric of a confusion matrix (C, C)."""
        raise NotImplementedError

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Count labels (...), (..., 1) or one-hot (..., C) against outputs (..., units)."""
        y, z = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        self._check_units(z)
        codes = read_codes(y, z)
        weights = ops.cast(read_weights(sample_weight, z, codes, self.num_classes), WIDE)
        truth = ops.one_hot(codes, self.num_classes, dtype=WIDE) * ops.expand_dims(weights, -1)
        decided = ops.one_hot(self._decide(z), self.num_classes, dtype=WIDE)
        self.matrix.assign(self.matrix + ops.matmul(ops.transpose(truth), decided))

    def _check_units(self, z: Tensor) -> None:
        units = z.shape[-1] if len(z.shape) > 1 else None
        if units != self.num_classes and (units != 1 or self.num_classes != 2):
            raise ModelError(
                f"{self.name} was built for {self.num_classes} classes but got outputs of shape {tuple(z.shape)}; "
                "set num_classes to the number of units (2 for one unit)."
            )

    def _decide(self, z: Tensor) -> Tensor:
        flat = ops.reshape(z, (-1, z.shape[-1]))
        if z.shape[-1] == 1:
            return ops.cast(flat[:, 0] >= (0.0 if self.from_logits else 0.5), "int32")
        if z.shape[-1] == 2:
            return ops.cast(flat[:, 1] >= flat[:, 0], "int32")
        return ops.argmax(flat, axis=-1)

    def result(self) -> Tensor:
        return self.of(ops.convert_to_tensor(self.matrix))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes, "from_logits": self.from_logits}


def recalls(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the recall of each class (C,) and whether it occurs (C,) as 0/1."""
    rows = ops.sum(matrix, axis=1)
    return ops.divide_no_nan(ops.diagonal(matrix), rows), ops.cast(rows != 0, matrix.dtype)


def mean_over(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mean of `values` (C,) over classes with `counted` 1; 0 when there is none."""
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
        return mean_over(*recalls(matrix))


@saving.register_keras_serializable(package="counterpoise")
class GeometricMean(ConfusionMetric):
    """Geometric mean of the recalls of the classes that occur; 0 when one of them is 0.

    Example:
        >>> metric = GeometricMean()
        >>> metric.update_state([0, 0, 1, 1], [[-1.0], [-1.0], [1.0], [-1.0]])
        >>> round(float(metric.result()), 4)  # sqrt(1 * 0.5)
        0.7071

    Reference: Kubat and Matwin, "Addressing the Curse of Imbalanced Training Sets" (ICML 1997).
    """

    def of(self, matrix: Tensor) -> Tensor:
        recall, present = recalls(matrix)
        missed = ops.any(ops.logical_and(recall == 0, present > 0))
        logs = ops.log(ops.where(recall == 0, ops.ones_like(recall), recall))
        mean = ops.exp(mean_over(logs, present))
        return ops.where(ops.logical_or(missed, ops.sum(present) == 0), ops.zeros_like(mean), mean)


@saving.register_keras_serializable(package="counterpoise")
class MCC(ConfusionMetric):
    """Matthews' correlation of labels and decisions, C classes; 0 when either is constant.

    Formula: (n tr M - t.d) / sqrt((n^2 - d.d)(n^2 - t.t)), t and d the row and column sums of M, n its sum.

    Example:
        >>> metric = MCC()
        >>> metric.update_state([0, 0, 1, 1], [[-1.0], [-1.0], [1.0], [-1.0]])
        >>> round(float(metric.result()), 4)
        0.5774

    Reference: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient" (2004).
    """

    def of(self, matrix: Tensor) -> Tensor:
        shares = ops.divide_no_nan(matrix, ops.sum(matrix))
        t, d = ops.sum(shares, axis=1), ops.sum(shares, axis=0)
        spread = (1 - ops.sum(t * t)) * (1 - ops.sum(d * d))
        constant = ops.logical_or(self._one_class(t), self._one_class(d))
        root = ops.sqrt(ops.where(constant, ops.ones_like(spread), spread))
        return ops.where(constant, ops.zeros_like(root), (ops.sum(ops.diagonal(shares)) - ops.sum(t * d)) / root)

    def _one_class(self, shares: Tensor) -> Tensor:
        return ops.sum(ops.cast(shares == 0, "int32")) >= self.num_classes - 1


@saving.register_keras_serializable(package="counterpoise")
class IBA(ConfusionMetric):
    """Index of balanced accuracy: recall times specificity, leaning towards the class of interest.

    Formula: (1 + alpha (TPR - TNR)) TPR TNR for class `class_id`; without one, the mean over classes that occur.

    Args:
        alpha: Weight of the dominance TPR - TNR, 0 to 1.
        class_id: The positive class, or None for the mean over classes, each against the rest.

    Example:
        >>> metric = IBA()
        >>> metric.update_state([0, 0, 1, 1], [[-1.0], [-1.0], [1.0], [-1.0]])
        >>> float(metric.result())  # (1 + 0.1 * (0.5 - 1)) * 0.5 * 1
        0.475

    Reference: Garcia et al., "Index of Balanced Accuracy: A Performance Measure for Skewed Class Distributions"
    (IbPRIA 2009).
    """

    def __init__(self, num_classes: int = 2, alpha: float = 0.1, class_id: int | None = 1, **options: Any) -> None:
        super().__init__(num_classes, **options)
        self.alpha = check_range(alpha, "alpha", low=0.0, high=1.0)
        self.class_id = check_class(class_id, self.num_classes)

    def of(self, matrix: Tensor) -> Tensor:
        recall, present = recalls(matrix)
        hits, rows = ops.diagonal(matrix), ops.sum(matrix, axis=1)
        rest = ops.sum(matrix) - rows
        specificity = ops.divide_no_nan(rest - (ops.sum(matrix, axis=0) - hits), rest)
        index = (1 + self.alpha * (recall - specificity)) * recall * specificity
        return mean_over(index, present) if self.class_id is None else index[self.class_id]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "class_id": self.class_id}


def check_class(class_id: int | None, num_classes: int) -> int | None:
    """Return a class code within 0..num_classes-1, or None."""
    if class_id is None:
        return None
    code = check_int(class_id, "class_id", 0)
    if code >= num_classes:
        raise OptionError(f"class_id={code}; expected 0 to {num_classes - 1} for {num_classes} classes.")
    return code


class PerClassMetric(ConfusionMetric):
    """A number per class, shown for one class or averaged; subclasses write `per_class(hits, true, decided)`.

    Args:
        class_id: Show this class. None: average.
        average: "macro": mean over classes that occur as label or decision; "micro": over the summed counts;
            "minority": the class with the least weight of labels (the lowest code on a tie).
    """

    def __init__(
        self, num_classes: int = 2, class_id: int | None = None, average: str = "macro", **options: Any
    ) -> None:
        super().__init__(num_classes, **options)
        self.class_id = check_class(class_id, self.num_classes)
        self.average = check_choice(average, "average", AVERAGES)

    def per_class(self, hits: Tensor, true: Tensor, decided: Tensor) -> Tensor:
        """Return the metric from hits, labels and decisions per class; any shape."""
        raise NotImplementedError

    def of(self, matrix: Tensor) -> Tensor:
        hits, true, decided = ops.diagonal(matrix), ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)
        if self.class_id is None and self.average == "micro":
            return self.per_class(ops.sum(hits), ops.sum(true), ops.sum(decided))
        values = self.per_class(hits, true, decided)
        if self.class_id is not None:
            return values[self.class_id]
        if self.average == "minority":
            return values[ops.argmin(ops.where(true > 0, true, float("inf")))]
        return mean_over(values, ops.cast(true + decided != 0, matrix.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_id": self.class_id, "average": self.average}


@saving.register_keras_serializable(package="counterpoise")
class ClassRecall(PerClassMetric):
    """Share of a class's rows that were found.

    Example:
        >>> metric = ClassRecall(class_id=1)
        >>> metric.update_state([0, 1, 1], [[-1.0], [1.0], [-1.0]])
        >>> float(metric.result())
        0.5
    """

    def per_class(self, hits: Tensor, true: Tensor, decided: Tensor) -> Tensor:
        return ops.divide_no_nan(hits, true)


@saving.register_keras_serializable(package="counterpoise")
class ClassPrecision(PerClassMetric):
    """Share of the decisions for a class that were right.

    Example:
        >>> metric = ClassPrecision(class_id=0)
        >>> metric.update_state([0, 1, 1], [[-1.0], [1.0], [-1.0]])
        >>> float(metric.result())
        0.5
    """

    def per_class(self, hits: Tensor, true: Tensor, decided: Tensor) -> Tensor:
        return ops.divide_no_nan(hits, decided)


@saving.register_keras_serializable(package="counterpoise")
class ClassF1(PerClassMetric):
    """Harmonic mean of a class's recall and precision.

    Example:
        >>> metric = ClassF1(average="minority")
        >>> metric.update_state([0, 0, 1], [[-1.0], [1.0], [1.0]])
        >>> round(float(metric.result()), 4)
        0.6667
    """

    def per_class(self, hits: Tensor, true: Tensor, decided: Tensor) -> Tensor:
        return ops.divide_no_nan(2 * hits, true + decided)
