"""Target encoding of columns with many levels: each level becomes the smoothed mean of the labels of its training rows.

The mean of a level with n rows is moved towards the mean p of all rows, (n mean + m p) / (n + m), with m = p (1 - p) /
v. The variance v between the levels is estimated by the method of moments (Micci-Barreca, SIGKDD Explorations 3, 2001;
Searle, Casella and McCulloch, Variance Components, 1992). If the levels do not differ more than by chance, v is 0, and
all levels get p.

The mean of a level contains the labels of its own rows, so trees that are grown on it would trust it too much. Training
rows therefore get means of the other parts of the training rows. All other rows get the means of all training rows.
`row_layer.TreeRows` reads the same means from a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterpoise.core.seeds import generator

Array = np.ndarray
#: Parts of the training rows; each part is encoded by the means of the others.
PARTS = 5


@dataclass(frozen=True)
class LevelMeans:
    """The mean of K targets at each level of some columns.

    Attributes:
        columns: Positions of the level columns.
        sizes: Level numbers of each column. The last one has no training row, and larger numbers count as the last one.
        means: float32 (sum of sizes, K), the levels of one column after those of another.
    """

    columns: tuple[int, ...]
    sizes: tuple[int, ...]
    means: Array

    @property
    def width(self) -> int:
        """Return the number of columns of `values`."""
        return len(self.columns) * self.means.shape[1]

    def values(self, ids: Array) -> Array:
        """Return the means at the levels of rows, float32 (N, width), the K targets of one column after another.

        `ids` is int (N, dc), the level numbers of all columns.
        """
        sizes = np.array(self.sizes)
        places = np.minimum(ids[:, self.columns], sizes - 1) + np.cumsum(sizes) - sizes
        return self.means[places].reshape(len(ids), self.width)


def targets_of(y: Array, classes: int) -> Array:
    """Return what is averaged, float64 (N, K): K is 1 for two classes, else their number, or the number of labels.

    Args:
        y: int (N,) class codes, or (N, L) labels, each 1, 0 or -1 (not known; NaN in the result).
        classes: Number of classes.

    Example:
        >>> targets_of(np.array([0, 1]), 2).tolist(), targets_of(np.array([[1, -1]]), 2).tolist()
        ([[0.0], [1.0]], [[1.0, nan]])
    """
    if y.ndim == 2:
        return np.where(y < 0, np.nan, y)
    codes = np.arange(1, classes) if classes == 2 else np.arange(classes)
    return np.asarray(y[:, None] == codes, dtype=np.float64)


def level_means(ids: Array, columns: Sequence[int], targets: Array, weights: Array, sizes: Sequence[int]) -> LevelMeans:
    """Return the smoothed means of training rows at each level of some columns.

    Args:
        ids: int (N, dc), level numbers. columns: Which columns of them.
        targets: float64 (N, K), NaN where not known. weights: float64 (N,), 0 or more.
        sizes: Level numbers of each column; larger ones count as the last.

    Example:
        >>> ids, y = np.array([[1]] * 8 + [[2]] * 8), np.array([[1.0]] * 8 + [[0.0]] * 8)
        >>> [round(float(mean), 2) for mean in level_means(ids, [0], y, np.ones(16), [4]).means.ravel()]
        [0.5, 0.97, 0.03, 0.5]
    """
    known = np.where(np.isnan(targets), 0.0, weights[:, None])
    values = np.nan_to_num(targets)
    tables = []
    for column, size in zip(columns, sizes, strict=True):
        at = np.minimum(ids[:, column], size - 1)
        count, total = (
            np.stack([np.bincount(at, one, minlength=size) for one in of.T], axis=1) for of in (known, known * values)
        )
        tables.append(_smoothed(count, total))
    return LevelMeans(tuple(columns), tuple(sizes), np.concatenate(tables).astype(np.float32))


def _smoothed(count: Array, total: Array) -> Array:
    """Return the smoothed means of levels, float64 (S, K), from their rows and positives (S, K)."""
    rows = count.sum(axis=0)
    overall = total.sum(axis=0) / np.maximum(rows, 1e-12)
    mean = total / np.maximum(count, 1e-12)
    within = overall * (1 - overall)
    # The levels' means differ by chance alone by (levels - 1) times `within`, weighted by their rows.
    spread = (count * (mean - overall) ** 2).sum(axis=0) - ((count > 0).sum(axis=0) - 1) * within
    scale = rows - (count**2).sum(axis=0) / np.maximum(rows, 1e-12)
    between = np.maximum(spread / np.maximum(scale, 1e-12), 0.0)
    # The share of a level's own mean, n / (n + m) with m = within / between, written so that `between` may be 0.
    own = count * between / np.maximum(count * between + within, 1e-12)
    return np.asarray(own * mean + (1 - own) * overall)


def cross_fitted(
    ids: Array, columns: Sequence[int], targets: Array, weights: Array, sizes: Sequence[int], part: Array
) -> Array:
    """Return training rows encoded by the means of the other parts, float32 (N, columns * K).

    `part` is int (N,), the part of each row; the other arguments are as in `level_means`.
    """
    encoded = np.empty((len(ids), len(columns) * targets.shape[1]), np.float32)
    for number in range(PARTS):
        held = part == number
        others = level_means(ids[~held], columns, targets[~held], weights[~held], sizes)
        encoded[held] = others.values(ids[held])
    return encoded


def parts_of(targets: Array, groups: Array | None, seed: int) -> Array:
    """Return a random part from 0 to `PARTS` - 1 for each training row, int (N,).

    Rows of equal targets are spread over the parts; rows of one group stay together.
    """
    rng = generator(seed, "target encoding parts")
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1].ravel()
        return np.asarray(rng.permutation(codes.max(initial=0) + 1)[codes] % PARTS)
    order = rng.permutation(len(targets))
    order = order[np.lexsort(targets[order].T)]
    part = np.empty(len(targets), np.int64)
    part[order] = np.arange(len(targets)) % PARTS
    return part
