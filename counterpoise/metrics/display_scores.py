"""Average precision as a Keras metric, for the training log and for early stopping (imports Keras).

The exact value needs every score of the epoch. The metric keeps up to `capacity` scores and refuses more; it does not
round scores to a grid. It equals `rank_scores.average_precision` of one class against all others.

The name of the class and its config are saved in Keras files (`core.saved_names`).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, saving

from counterpoise.core.checks import check_int
from counterpoise.core.errors import OptionError
from counterpoise.metrics.display_inputs import WIDE, read_codes, read_scores, read_weights, snake_case

Tensor = Any


@saving.register_keras_serializable(package="counterpoise")
class AveragePrecision(keras.metrics.Metric):
    """Exact average precision of one class against all others.

    Rows with equal scores share one threshold. Without positives, the score is 0.

    Formula: sum over thresholds of (recall_k - recall_{k-1}) precision_k, as in scikit-learn.

    Args:
        capacity: Maximum number of rows in an epoch. More rows are an error. In eager mode, the error is raised at
            once. In a compiled step, the value is NaN, and the error is raised with the result at the end of the epoch.
        class_id: The class that counts as positive.
        from_logits: Whether outputs are logits.
        name: As in Keras.
        dtype: As in Keras.

    Example:
        >>> metric = AveragePrecision(capacity=4)
        >>> metric.update_state([1, 0, 1, 0], [[2.0], [1.0], [0.0], [-1.0]])
        >>> round(float(metric.result()), 4)  # (1 + 2/3) / 2
        0.8333
    """

    def __init__(
        self, capacity: int, class_id: int = 1, from_logits: bool = True, name: str | None = None, dtype: Any = None
    ) -> None:
        """Create room for `capacity` scores, labels and weights."""
        super().__init__(name=name or snake_case(type(self).__name__), dtype=dtype)
        self.capacity, self.class_id = check_int(capacity, "capacity"), check_int(class_id, "class_id", 0)
        self.from_logits = bool(from_logits)
        self.seen = self.add_variable(shape=(), initializer="zeros", dtype="int32", name="seen")
        self.scores, self.positive, self.weights = (
            self.add_variable(shape=(self.capacity,), initializer="zeros", dtype=WIDE, name=kind)
            for kind in ("scores", "positive", "weights")
        )

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Append a batch to the kept rows.

        Labels are (...), (..., 1) or one-hot (..., C), and outputs are (..., units).
        Rows beyond the capacity overwrite the last place, so the result is then not valid (see `capacity`).
        """
        y, z = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        codes = read_codes(y, z)
        w = ops.cast(read_weights(sample_weight, z, codes, max(int(z.shape[-1]), 2)), WIDE)
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
        """Raise an error if more rows were passed than there is room for.

        Inside a compiled step, do nothing.
        """
        seen = _value_now(self.seen)
        if seen is not None and seen > self.capacity:
            raise OptionError(
                f"{self.name} was given {seen} rows, but has room for capacity={self.capacity}. Set capacity= to the "
                "number of rows of an epoch, or compute the score after the epoch from all predictions."
            )

    def result(self) -> Tensor:
        """Return the average precision of the kept rows.

        In a compiled step, the result is NaN if there were too many rows.
        """
        self._refuse_overflow()
        order = ops.argsort(-ops.convert_to_tensor(self.scores))  # free places weigh 0, wherever they sort
        buffers = (self.scores, self.positive, self.weights)
        scores, positive, w = (ops.take(ops.convert_to_tensor(buffer), order) for buffer in buffers)
        # Equal scores are one threshold: each row sees the sums up to the last of its equals.
        last = ops.searchsorted(-scores, -scores, side="right") - 1
        hits = w * positive
        tp, n = (ops.take(ops.cumsum(values), last) for values in (hits, w))
        value = ops.divide_no_nan(ops.sum(hits * ops.divide_no_nan(tp, n)), ops.sum(hits))
        return ops.where(ops.convert_to_tensor(self.seen) > self.capacity, float("nan"), value)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, which Keras saves in files."""
        own = {"capacity": self.capacity, "class_id": self.class_id, "from_logits": self.from_logits}
        return {**super().get_config(), **own}


def _value_now(x: Tensor) -> int | None:
    """Return the value of an integer tensor, or None inside a traced function.

    Tensors have no values there.
    """
    try:
        return int(ops.convert_to_numpy(x))
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None
