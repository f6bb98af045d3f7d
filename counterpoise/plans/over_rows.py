"""Plans that follow another plan over some of their rows: the base of `realized.Realized`, and plans of `hardness`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from counterpoise.plans.plan import Plan

Array = np.ndarray


@dataclass(frozen=True)
class OverRows(Plan):
    """A plan that draws and weighs as `inner` does, whose row i is row `origin[i]` of this plan.

    Attributes:
        inner: The plan that draws, with classes of its own.
        origin: int64 (k,), the row that each row of `inner` is; the other rows are not drawn.

    Example:
        >>> every = Plan("even", np.array([0, 0, 1]), (0, 1), np.array([2, 1]), np.ones(2))
        >>> inner = Plan("last two", np.array([0, 1]), (0, 1), np.array([1, 1]), np.ones(2))
        >>> plan = OverRows("some", every.codes, (0, 1), inner.drawn, np.ones(2), inner=inner, origin=np.array([1, 2]))
        >>> sorted(plan.rows().tolist())
        [1, 2]
    """

    inner: Plan | None = None
    origin: Array = field(default_factory=lambda: np.empty(0, np.int64))

    def epoch(self, number: int = 0, seed: int = 0) -> tuple[Array, Array]:
        """Return the rows and loss weights that `inner` draws in an epoch.

        The rows are numbers of this plan.
        """
        assert self.inner is not None
        drawn, weights = self.inner.epoch(number, seed)
        return self.origin[drawn].astype(drawn.dtype), weights

    @property
    def batch_size(self) -> int | None:
        """Rows of a batch if `inner` determines it, otherwise None."""
        assert self.inner is not None
        return self.inner.batch_size

    @property
    def _weights_are_fixed(self) -> bool:
        """True: the weights of the user are in `inner`, too."""
        return True

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the row numbers of an epoch, as in `epoch`."""
        return self.epoch(number, seed)[0]

    def _weights_of(self, rows: Any) -> Array:
        """Return the loss weights of `rows` (an index), float32; 1 for rows that are never drawn."""
        assert self.inner is not None
        out = np.ones(len(self.codes), np.float32)
        out[self.origin] = self.inner.weights()
        return out[rows]
