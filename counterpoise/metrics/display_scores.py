"""Keras metrics of probabilities and scores, for the training display (imports Keras).

Means are summed over batches. Exact average precision and specificity at a sensitivity need every score of the
epoch: they keep up to `capacity` of them and refuse more, rather than rounding scores to a grid.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, saving

from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import OptionError
from counterpoise.metrics.display_inputs import WIDE, read_codes, read_proba, read_scores, read_weights, snake_case

Tensor = Any


class _Shown(keras.metrics.Metric):
    """Shared options: `from_logits`, and a name in snake case."""

    def __init__(self, from_logits: bool = True, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name or snake_case(type(self).__name__), dtype=dtype)
        self.from_logits = bool(from_logits)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits}

    def sums(self, shape: tuple[int, ...], name: str) -> Tensor:
        """Return a variable of zeros of the wide type."""
        return self.add_variable(shape=shape, initializer="zeros", dtype=WIDE, name=name)


def _read(y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes (N,), outputs (..., units) and weights (N,)."""
    y, z = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    codes = read_codes(y, z)
    return codes, z, ops.cast(read_weights(weight, z, codes, max(int(z.shape[-1]), 2)), WIDE)


@saving.register_keras_serializable(package="counterpoise")
class BrierScore(_Shown):
    """Mean squared error of the probabilities.

    Formula: two classes (p_1 - y)^2; more classes sum_c (p_c - [y = c])^2; weighted mean over rows.

    Example:
        >>> metric = BrierScore()
        >>> metric.update_state([0, 1], [[0.0], [0.0]])
        >>> float(metric.result())
        0.25

    Reference: Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.total, self.weight = self.sums((), "total"), self.sums((), "weight")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Add labels (...), (..., 1) or one-hot (..., C) and outputs (..., units)."""
        codes, z, w = _read(y_true, y_pred, sample_weight)
        p = ops.cast(read_proba(z, self.from_logits), WIDE)
        errors = ops.sum((p - ops.one_hot(codes, p.shape[-1], dtype=WIDE)) ** 2, axis=-1)
        errors = errors / 2 if p.shape[-1] == 2 else errors
        self.total.assign(self.total + ops.sum(w * errors))
        self.weight.assign(self.weight + ops.sum(w))

    def result(self) -> Tensor:
        return ops.divide_no_nan(ops.convert_to_tensor(self.total), ops.convert_to_tensor(self.weight))


@saving.register_keras_serializable(package="counterpoise")
class ECE(_Shown):
    """Expected calibration error over bins of equal width.

    Formula: sum_b (w_b / w) |mean probability_b - observed share_b|. Two classes: of class 1; more classes: of
    the class with the largest probability. Bins are (k/B, (k+1)/B], the first with 0. (`cp.metrics.ece` bins
    by equal counts, which needs all scores at once.)

    Args:
        bins: B, 1 or more.

    Example:
        >>> metric = ECE(bins=1)
        >>> metric.update_state([0, 1, 1, 1], [[0.0], [0.0], [0.0], [0.0]])
        >>> float(metric.result())  # |0.5 - 0.75|
        0.25

    Reference: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017).
    """

    def __init__(self, bins: int = 15, **options: Any) -> None:
        super().__init__(**options)
        self.bins = check_int(bins, "bins")
        self.table = self.sums((self.bins, 3), "table")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Add labels (...), (..., 1) or one-hot (..., C) and outputs (..., units)."""
        codes, z, w = _read(y_true, y_pred, sample_weight)
        p = ops.cast(read_proba(z, self.from_logits), WIDE)
        shown = ops.ones_like(codes) if p.shape[-1] == 2 else ops.cast(ops.argmax(p, axis=-1), "int32")
        score = ops.sum(p * ops.one_hot(shown, p.shape[-1], dtype=WIDE), axis=-1)
        place = ops.clip(ops.cast(ops.ceil(score * self.bins), "int32") - 1, 0, self.bins - 1)
        columns = ops.stack([w, w * score, w * ops.cast(shown == codes, WIDE)], axis=-1)
        spread = ops.transpose(ops.one_hot(place, self.bins, dtype=WIDE))
        self.table.assign(self.table + ops.matmul(spread, columns))

    def result(self) -> Tensor:
        table = ops.convert_to_tensor(self.table)
        return ops.divide_no_nan(ops.sum(ops.abs(table[:, 1] - table[:, 2])), ops.sum(table[:, 0]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins}


def _known(x: Tensor) -> int | None:
    """Return the number of a tensor that exists now, or None inside a traced function."""
    try:
        return int(ops.convert_to_numpy(x))
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


class ScoreBuffer(_Shown):
    """Keeps every score of one class against the rest; subclasses write `of(tp, n)`.

    Args:
        capacity: How many rows an epoch may have. Row `capacity + 1` is an error: at once when run eagerly; in a
            compiled step the value is NaN and the error comes with the result at the end of the epoch.
        class_id: The class whose rows are positive.
    """

    def __init__(self, capacity: int, class_id: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.capacity, self.class_id = check_int(capacity, "capacity"), check_int(class_id, "class_id", 0)
        self.seen = self.add_variable(shape=(), initializer="zeros", dtype="int32", name="seen")
        self.scores, self.positive = self.sums((self.capacity,), "scores"), self.sums((self.capacity,), "positive")
        self.weights = self.sums((self.capacity,), "weights")

    def of(self, tp: Tensor, n: Tensor, hits: Tensor) -> Tensor:
        """Return the metric of sums over rows that score at least as high as each row, and its own positive weight."""
        raise NotImplementedError

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Keep labels (...), (..., 1) or one-hot (..., C) and outputs (..., units)."""
        codes, z, w = _read(y_true, y_pred, sample_weight)
        scores = ops.cast(read_scores(z, self.class_id, self.from_logits), WIDE)
        rows = ops.shape(scores)[0]
        places = ops.convert_to_tensor(self.seen) + ops.arange(rows, dtype="int32")
        self.seen.assign(self.seen + rows)
        self._refuse_overflow()
        places = ops.expand_dims(ops.minimum(places, self.capacity - 1), -1)
        positive = ops.cast(codes == self.class_id, WIDE)
        for buffer, values in ((self.scores, scores), (self.positive, positive), (self.weights, w)):
            buffer.assign(ops.scatter_update(ops.convert_to_tensor(buffer), places, values))

    def _refuse_overflow(self) -> None:
        seen = _known(self.seen)
        if seen is not None and seen > self.capacity:
            raise OptionError(
                f"{self.name} got {seen} rows but has room for capacity={self.capacity}; set capacity to the number "
                "of rows of an epoch, or compute the score after the epoch from all predictions."
            )

    def result(self) -> Tensor:
        self._refuse_overflow()
        order = ops.argsort(-ops.convert_to_tensor(self.scores))  # free places weigh 0, wherever they sort
        scores, positive, w = (ops.take(ops.convert_to_tensor(v), order) for v in self._buffers())
        # Equal scores are one threshold: each row sees the sums up to the last of its equals.
        last = ops.searchsorted(-scores, -scores, side="right") - 1
        tp, n = (ops.take(ops.cumsum(v), last) for v in (w * positive, w))
        value = self.of(tp, n, w * positive)
        return ops.where(ops.convert_to_tensor(self.seen) > self.capacity, float("nan"), value)

    def _buffers(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.scores, self.positive, self.weights

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity, "class_id": self.class_id}


@saving.register_keras_serializable(package="counterpoise")
class AveragePrecision(ScoreBuffer):
    """Exact average precision of one class against the rest, ties as one threshold; 0 without positives.

    Formula: sum over thresholds of (recall_k - recall_{k-1}) precision_k, as in scikit-learn.

    Example:
        >>> metric = AveragePrecision(capacity=4)
        >>> metric.update_state([1, 0, 1, 0], [[2.0], [1.0], [0.0], [-1.0]])
        >>> round(float(metric.result()), 4)  # (1 + 2/3) / 2
        0.8333
    """

    def of(self, tp: Tensor, n: Tensor, hits: Tensor) -> Tensor:
        return ops.divide_no_nan(ops.sum(hits * ops.divide_no_nan(tp, n)), ops.sum(hits))


@saving.register_keras_serializable(package="counterpoise")
class SpecificityAtSensitivity(ScoreBuffer):
    """Largest specificity among the thresholds whose sensitivity is at least the one given; exact.

    Args:
        sensitivity: Above 0, at most 1.

    Example:
        >>> metric = SpecificityAtSensitivity(sensitivity=1.0, capacity=4)
        >>> metric.update_state([1, 0, 1, 0], [[2.0], [1.0], [0.0], [-1.0]])
        >>> float(metric.result())
        0.5
    """

    def __init__(self, sensitivity: float, capacity: int, class_id: int = 1, **options: Any) -> None:
        super().__init__(capacity, class_id, **options)
        self.sensitivity = check_range(sensitivity, "sensitivity", low=0.0, high=1.0, bounds="(]")

    def of(self, tp: Tensor, n: Tensor, hits: Tensor) -> Tensor:
        positives, rows = ops.sum(hits), ops.max(n)
        enough = tp >= self.sensitivity * positives * (1 - (1e-12 if WIDE == "float64" else 1e-6))
        specificity = 1 - ops.divide_no_nan(n - tp, rows - positives)
        found = ops.max(ops.where(enough, specificity, 0.0))
        return ops.where(ops.logical_and(positives > 0, rows > positives), found, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sensitivity": self.sensitivity}
