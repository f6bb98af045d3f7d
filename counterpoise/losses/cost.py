"""The loss of cost-sensitive learning: the expected cost at the predicted probabilities.

Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops, saving

from counterpoise.core.checks import check_finite
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.per_class import in_class_order, table_by_label
from counterpoise.losses.base import Array, ClassLoss, Tensor


def cost_table(costs: Any) -> Array:
    """Return a cost matrix as float64 (C, C), entry [true, decided].

    Raise an OptionError if it is not square or has fewer than two classes, and a DataError if a cost is not finite.
    """
    if (named := table_by_label(costs)) is not None:
        costs = in_class_order({true: in_class_order(row, "costs") for true, row in named.items()}, "costs")
    table = check_finite(np.asarray(costs, dtype=np.float64), "costs")
    if table.ndim != 2 or table.shape[0] != table.shape[1] or len(table) < 2:
        raise OptionError(
            f"costs= has shape {table.shape}. Expected a matrix (C, C), with a row per true class and a column per "
            "decision."
        )
    return table


@saving.register_keras_serializable(package="counterpoise")
class ExpectedCost(ClassLoss):
    """Mean cost of a random decision drawn from the predicted probabilities.

    Formula: L = sum_k cost[y, k] softmax(z)_k. With cost 0 on the diagonal and 1 elsewhere, L = 1 - q_y.

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Not proper: the loss is linear in the probabilities, so its minimum puts all probability on the cheapest class. The
    outputs are scores and need calibration. The gradient vanishes if the softmax is close to 0 or 1, so start from a
    trained model.

    Args:
        costs: (C, C), `costs[y, k]` is the cost of deciding k when y is true; for one unit (2, 2).

    Example:
        >>> loss = ExpectedCost([[0, 1], [10, 0]])  # a missed case costs 10, a false positive 1
        >>> float(loss([1], [[0.0]])), float(loss([0], [[0.0]]))
        (5.0, 0.5)

    Reference: Elkan, "The Foundations of Cost-Sensitive Learning" (IJCAI 2001).
    """

    def __init__(self, costs: Any, **options: Any) -> None:
        super().__init__(**options)
        self.costs = cost_table(costs)

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the loss (...) from shares `t` (..., C) and logits `z` (..., C).

        Raise a ModelError if the model has another number of outputs than the matrix has classes.
        """
        if z.shape[-1] != len(self.costs):
            raise ModelError(
                f"costs= is a matrix for {len(self.costs)} classes, but the model has {z.shape[-1]} outputs. "
                "Pass one row and one column per class."
            )
        expected = ops.matmul(t, ops.convert_to_tensor(self.costs, dtype=self.dtype))
        return ops.sum(expected * ops.softmax(z, axis=-1), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "costs": self.costs.tolist()}
