"""Equal neighbors in ordered rows of numbers, for ROC AUC and average precision.

The leakage check (`core.leaks`) and the metrics (`metrics/ranking.py`) treat ties in the same way.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def ties(ordered: Array) -> tuple[Array, Array]:
    """Return the positions of the first and of the last number that equals each number of a row.

    `ordered` (R, B) has ascending numbers in each row. Both results are int64 (R, B).

    Example:
        >>> first, last = ties(np.array([[1, 1, 2, 3, 3]]))
        >>> first.tolist(), last.tolist()
        ([[0, 0, 2, 3, 3]], [[1, 1, 2, 4, 4]])
    """
    size = ordered.shape[1]
    fresh = np.ones(ordered.shape, bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    start = np.maximum.accumulate(np.where(fresh, np.arange(size), 0), axis=1)
    last = np.ones(ordered.shape, bool)
    last[:, :-1] = fresh[:, 1:]
    end = np.minimum.accumulate(np.where(last, np.arange(size), size)[:, ::-1], axis=1)[:, ::-1]
    return start, end
