"""Class constants: the class counts, or class weights, of a fold inside a loss, kept out of the program's trace.

A loss built with counts or weights uses them through `constant(values, z)` (see `losses.base`). In the program these
values are variables, set for each job like its weights, so that one trace serves the counts of every fold. A loss must
therefore use them in the same number and order at each evaluation.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import ModelError
from counterpoise.networks.batch_ensemble import per_row

Array = np.ndarray


def class_constants_of(loss: Any, units: int) -> list[Array]:
    """Return the arrays that a loss passes to `constant` for `units` outputs, in order of use.

    The list is empty for a loss without class counts or weights. The loss is evaluated once, on one row of zeros.
    These are the values that a job's slot gets for `ClassConstants.variables`.
    """
    loss = per_row(loss)
    if not (hasattr(loss, "constant") and (hasattr(loss, "counts") or hasattr(loss, "weights"))):
        return []
    used: list[Array] = []
    plain = loss.constant

    def record(values: Any, z: Any) -> Any:
        """Store the values, and return what the loss itself would."""
        used.append(np.asarray(values, loss.dtype))
        return plain(values, z)

    # The attribute of the instance hides the method of the class until it is deleted below.
    loss.constant = record
    try:
        loss(np.zeros(1, "int32"), np.zeros((1, units), "float32"))
    finally:
        del loss.constant  # the method of the class is visible again
    return used


class ClassConstants:
    """Variables in the place of a loss's class constants while it is traced.

    Call `restart` before each evaluation of the loss: the variables are used in their order.

    Attributes:
        variables: One for each number or list that the loss uses, in order of use.
    """

    def __init__(self, loss: Any, units: int) -> None:
        """Make the variables; from now on, `loss` itself calls `_next_constant` instead of its own `constant`."""
        values = class_constants_of(loss, units)
        self.variables = [keras.Variable(v, trainable=False, dtype=v.dtype.name) for v in values]
        self._next = 0
        if self.variables:
            per_row(loss).constant = self._next_constant

    def restart(self) -> None:
        """Begin a new evaluation of the loss: its first constant is the first variable."""
        self._next = 0

    def _next_constant(self, values: Any, z: Any) -> Any:
        """Return the next variable; the arguments are those of the loss's `constant`, and are not used.

        Raise a ModelError if the loss uses more constants than in the first evaluation.
        """
        if self._next >= len(self.variables):
            raise ModelError("the loss does not use the same number of class constants in each evaluation")
        self._next += 1
        return self.variables[self._next - 1].value
