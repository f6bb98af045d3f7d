"""Which rows train, end training, and test: `Fold` and `Holdout`; and the largest number of folds for a class.

`data/split.py` and `data/given_split.py` make folds, and `pipeline/division.py` makes hold-outs. The test rows of a
fold never train, end or tune a training of this fold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

Array = np.ndarray

#: Rows of each class that training rows must have.
LEAST_TRAIN = 2


@dataclass(frozen=True)
class Fold:
    """Row numbers of one outer fold: training, early-stopping and test rows. Disjoint int64 arrays.

    Raises:
        ValueError: a row has two roles.
    """

    repeat: int
    index: int
    train: Array
    stop: Array
    test: Array

    def __post_init__(self) -> None:
        rows = np.concatenate([self.train, self.stop, self.test])
        if len(np.unique(rows)) < len(rows):
            raise ValueError(f"Fold {self.index + 1} uses a row twice. Expected disjoint train, stop and test rows.")

    @property
    def score(self) -> Array:
        """Rows whose outputs a job returns after training: the test rows."""
        return self.test

    def all_training(self) -> Fold:
        """Return the fold with its early-stopping rows added to the training rows, so without early stopping.

        Example:
            >>> fold = Fold(0, 0, np.array([0, 3]), np.array([1]), np.array([2])).all_training()
            >>> fold.train.tolist(), fold.stop.tolist(), fold.test.tolist()
            ([0, 1, 3], [], [2])
        """
        return replace(self, train=np.sort(np.concatenate([self.train, self.stop])), stop=self.stop[:0])


@dataclass(frozen=True)
class Holdout:
    """Rows of a single training without test rows.

    Attributes:
        train: int64, rows that train.
        held: int64, rows that end training and fit the rule.
    """

    train: Array
    held: Array

    repeat: ClassVar[int] = 0
    index: ClassVar[int] = 0

    @property
    def stop(self) -> Array:
        """The early-stopping rows: the held-out rows."""
        return self.held

    @property
    def score(self) -> Array:
        """Rows whose outputs a job returns after training: the held-out rows, which fit the rule."""
        return self.held

    def all_training(self) -> Holdout:
        """Return the hold-out unchanged, because its held-out rows fit the rule and are never used for training."""
        return self


def has_enough_rows(count: int, folds: int) -> bool:
    """Return whether `count` rows of a class give each fold a test row and `LEAST_TRAIN` training rows."""
    # The largest test part has count / folds rows, rounded up.
    return folds <= count and count - -(-count // folds) >= LEAST_TRAIN


def largest_folds(count: int) -> int:
    """Return the most folds for which a class has enough rows (see `has_enough_rows`); 0 if none.

    Example:
        >>> [largest_folds(n) for n in (2, 3, 5)]
        [0, 3, 5]
    """
    return next((folds for folds in range(count, 1, -1) if has_enough_rows(count, folds)), 0)
