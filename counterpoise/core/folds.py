"""How many folds a class carries."""

from __future__ import annotations

#: Rows of each class that a training part must hold.
LEAST_TRAIN = 2


def carries(count: int, folds: int) -> bool:
    """Whether `count` rows of a class leave each of the folds a test row and `LEAST_TRAIN` training rows."""
    return folds <= count and count - -(-count // folds) >= LEAST_TRAIN


def largest_folds(count: int) -> int:
    """Most folds that a class of `count` rows carries; 0 if none.

    Example:
        >>> [largest_folds(n) for n in (2, 3, 5)]
        [0, 3, 5]
    """
    return next((folds for folds in range(count, 1, -1) if carries(count, folds)), 0)
