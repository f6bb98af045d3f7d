"""A batch, and blocks of batches that are gathered at once: for small rows, the calls take longer than copying.

`Feed` uses `Blocks` for arrays in memory. Batches are the same as those made one by one (tests/feed/test_blocks.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray

#: Bytes that are gathered at once: few enough to stay in the cache of a core until they are used.
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Batch:
    """One batch.

    Attributes:
        rows: Row numbers (B,).
        x: The inputs of these rows. y: Their targets, or None.
        weight: float32 (B,), loss weights, or None if all weights are 1.
        extras: Dict from name to values of these rows.

    Example:
        >>> x, y, ids = np.array([[0.0], [1.0], [2.0]]), np.array([0, 0, 1]), np.array(["a", "b", "c"])
        >>> rows = np.array([2, 0])
        >>> batch = Batch(rows, x[rows], y[rows], None, {"id": ids[rows]})
        >>> batch.extras["id"].tolist()
        ['c', 'a']
    """

    rows: Array
    x: Any
    y: Any
    weight: Array | None
    extras: Mapping[str, Any]

    def for_keras(self) -> tuple[Any, ...]:
        """Return (x,), (x, y) or (x, y, weight)."""
        if self.y is None:
            return (self.x,)
        return (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)

    def between(self, start: int, end: int) -> Batch:
        """Return rows start..end-1 of the batch, as views."""
        extras = (
            {name: _rows_between(values, start, end) for name, values in self.extras.items()} if self.extras else {}
        )
        return Batch(
            self.rows[start:end],
            _rows_between(self.x, start, end),
            None if self.y is None else _rows_between(self.y, start, end),
            None if self.weight is None else self.weight[start:end],
            extras,
        )


def _rows_between(tree: Any, start: int, end: int) -> Any:
    """Take rows start..end-1 of each array in a structure of dicts and tuples, as views."""
    if isinstance(tree, np.ndarray):
        return tree[start:end]
    if isinstance(tree, Mapping):
        return {k: _rows_between(v, start, end) for k, v in tree.items()}
    return type(tree)(_rows_between(v, start, end) for v in tree)


class Blocks:
    """Prepares blocks of batches for consecutive steps.

    A step out of order is prepared alone.

    Each batch is handed out once and shares no row with another, so it may be written to.

    Args:
        rows_of: epoch -> its row numbers.
        make: row numbers -> their batch.
        batch_size: Rows of a batch.
        steps: Batches of an epoch.
        together: Batches that are made at once.
    """

    def __init__(
        self,
        rows_of: Callable[[int], Array],
        make: Callable[[Array], Batch],
        batch_size: int,
        steps: int,
        together: int,
    ) -> None:
        self.rows_of, self.make = rows_of, make
        self.batch_size, self.steps, self.together = batch_size, steps, together
        # The last epoch, the step of the first waiting batch, and the step that should come next; -1: none yet.
        self._epoch, self._first, self._expected = -1, 0, -1
        self._waiting: list[Batch | None] = []
        self._lock = threading.Lock()

    def batch(self, epoch: int, step: int) -> Batch:
        """Return the batch of one step of an epoch; safe to call from several threads."""
        with self._lock:
            batch = self._waiting_at(epoch, step)
            if batch is None:
                # The first step asked for, and any that does not follow the last one, comes alone.
                count = self.together if (epoch, step) == (self._epoch, self._expected) or step == 0 else 1
                self._waiting, self._first = self._computed(epoch, step, count), step
                batch = self._waiting[0]
                self._waiting[0] = None
            self._epoch, self._expected = epoch, step + 1
            assert batch is not None
            return batch

    def _waiting_at(self, epoch: int, step: int) -> Batch | None:
        """Take a batch out of the prepared ones; None if it is no longer among them."""
        index = step - self._first
        if epoch != self._epoch or not 0 <= index < len(self._waiting):
            return None
        batch, self._waiting[index] = self._waiting[index], None
        return batch

    def _computed(self, epoch: int, step: int, count: int) -> list[Batch | None]:
        """Make `count` batches from `step` on (fewer at the end of an epoch) in one call."""
        size, end = self.batch_size, min(self.steps, step + count)
        rows = self.rows_of(epoch)[step * size : end * size]
        block = self.make(rows)
        return [block] if count == 1 else [block.between(i, i + size) for i in range(0, len(rows), size)]
