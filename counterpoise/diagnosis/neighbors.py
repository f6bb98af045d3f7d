"""The neighbors of rare rows by class (Napierala and Stefanowski 2016, section 3.1), and rows as points.

`diagnosis.features` uses the same points. Each draw has its own number or name, so that none depends on another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from counterpoise.core.examples import IMAGE, Examples
from counterpoise.core.seeds import generator
from counterpoise.core.sources import Source

NEIGHBORS = 5
#: Rows among which neighbors are searched, for each of class and others; and rows whose neighbors are counted.
MOST_OTHERS = 20_000
MOST_MINORITY = 2_000
#: More levels than this do not get a dummy column of their own.
_MOST_LEVELS = 30
#: More levels than this are free text or codes: no distance is taken from them.
_TEXT_LEVELS = 500
#: Wider points are projected, to this many numbers.
_MOST_WIDTH = 512
_PROJECTED = 128


def minority_kinds(examples: Examples, code: int, seed: int = 0) -> dict[str, int] | None:
    """Count the rows of one class by how many of their 5 nearest neighbors belong to it.

    4 or 5: safe; 2 or 3: borderline; 1: rare; 0: outlier. Distances are Euclidean over standardized numbers
    (missing = mean) and one-hot levels; wide rows (images) are projected at random to 128 numbers, which
    keeps distances approximately (Johnson and Lindenstrauss 1984).

    Args:
        examples: The rows. At most 20,000 rows of the other classes and 2,000 of this one are looked at,
            drawn with a seed; sampling the others makes this class look safer than it is.
        code: The class.
        seed: Seed of the samples and of the projection.

    Returns:
        {"safe", "borderline", "rare", "outlier"} -> rows; None when rows have no distance (text) or the class
        has no more than 5 rows.

    Example:
        >>> x = np.r_[np.zeros((40, 1)), np.full((10, 1), 5.0)] + np.linspace(0, 1, 50)[:, None]
        >>> minority_kinds(Examples(x, np.repeat([0, 1], [40, 10]), (0, 1)), 1)
        {'safe': 10, 'borderline': 0, 'rare': 0, 'outlier': 0}
    """
    mine = _sampled_rows(np.flatnonzero(examples.y == code), MOST_OTHERS, seed, 0)
    others = _sampled_rows(np.flatnonzero(examples.y != code), MOST_OTHERS, seed, 1)
    if len(mine) <= NEIGHBORS or not len(others):
        return None
    points = points_of(examples, np.concatenate([mine, others]), seed)
    if points is None:
        return None
    queried = _sampled_rows(np.arange(len(mine)), MOST_MINORITY, seed, 2)
    # Shuffled, so that among equal rows no class comes first.
    order = generator(seed, "neighbors", 3).permutation(len(points))
    search = NearestNeighbors(n_neighbors=NEIGHBORS + 1, algorithm="brute").fit(points[order])
    return _kind_counts(order[search.kneighbors(points[queried], return_distance=False)], queried, len(mine))


def _kind_counts(near: np.ndarray, queried: np.ndarray, n_mine: int) -> dict[str, int]:
    """Count the rows of each kind by how many neighbors are of the class.

    Args:
        near: int (K, 6), positions of the nearest points of K rows. A row is usually one of its own nearest points.
        asked: int (K,), positions of these rows.
        n_mine: Rows of the class, which have the first positions.
    """
    itself = near == queried[:, None]
    # Among many equal rows, a row may be missing from its own neighbors: then the last one is left out.
    itself[~itself.any(axis=1), -1] = True
    friends = ((near < n_mine) & ~itself).sum(axis=1)
    bounds = {"safe": (4, 5), "borderline": (2, 3), "rare": (1, 1), "outlier": (0, 0)}
    return {kind: int(((friends >= low) & (friends <= high)).sum()) for kind, (low, high) in bounds.items()}


def _sampled_rows(rows: np.ndarray, most: int, seed: int, which: int) -> np.ndarray:
    """Draw at most `most` of the rows, sorted; `which` numbers the stream of draws."""
    if len(rows) <= most:
        return rows
    return np.sort(generator(seed, "neighbors", which).choice(rows, most, replace=False))


def points_of(examples: Examples, rows: np.ndarray, seed: int) -> np.ndarray | None:
    """Return rows as points whose axes are comparable, float32 (len(rows), d).

    None: the rows have no distance, because no column is left or an input is not numeric. Wide points are projected.
    """
    x = examples.x
    if examples.schema is not None:
        blocks = [_standardize(x["numeric"][rows])] if "numeric" in x else []
        blocks += [
            _one_hot(x["categorical"][rows, j])
            for j, column in enumerate(examples.schema.categorical)
            if len(column.levels) <= _TEXT_LEVELS
        ]
        blocks += [_flat_points(x[IMAGE], rows, seed)] if IMAGE in x else []
        return _projected(np.concatenate(blocks, axis=1), seed) if blocks else None
    inputs: list[Any] = list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, tuple) else [x]
    arrays: list[Any] = [values if isinstance(values, Source) else np.asarray(values) for values in inputs]
    if any(a.dtype.kind not in "biuf" for a in arrays):
        return None
    return np.concatenate([_flat_points(a, rows, seed) for a in arrays], axis=1)


def _standardize(values: np.ndarray) -> np.ndarray:
    """Scale columns (n, d) to mean 0 and deviation 1, float32; missing values become 0."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0, dtype=np.float64) / count
    centered = np.where(known, values - mean, 0.0)
    spread = np.sqrt((centered**2).sum(axis=0) / count)
    return (centered / np.where(spread > 0, spread, 1.0)).astype(np.float32)


def _one_hot(ids: np.ndarray) -> np.ndarray:
    """Return dummy columns for ids (n,), with distance 1 between two levels.

    Ids are in the order of frequency, and those beyond the 30 most frequent levels share one column.
    """
    capped = np.minimum(ids, _MOST_LEVELS + 1)
    return np.eye(int(capped.max()) + 1, dtype=np.float32)[capped] * np.float32(np.sqrt(0.5))


def _projected(points: np.ndarray, seed: int) -> np.ndarray:
    """Return points (n, d), projected at random to (n, 128) if they are wider than 512."""
    return points if points.shape[1] <= _MOST_WIDTH else points @ _projection(points.shape[1], seed)


def _projection(width: int, seed: int) -> np.ndarray:
    """Return a random matrix (width, 128); products with it keep distances approximately."""
    drawn = generator(seed, "projection").standard_normal((width, _PROJECTED), dtype=np.float32)
    return drawn / np.float32(np.sqrt(_PROJECTED))


def _flat_points(array: Any, rows: np.ndarray, seed: int) -> np.ndarray:
    """Flatten the selected rows of an array (N, ...) to points, float32 (len(rows), d).

    Narrow rows are standardized. Wide ones are projected at random, 256 rows at a time, so that images need little
    memory.
    """
    width = int(np.prod(array.shape[1:]))
    if width <= _MOST_WIDTH:
        return _standardize(array[rows].reshape(len(rows), width).astype(np.float64))
    matrix = _projection(width, seed)
    blocks = [array[rows[i : i + 256]].reshape(-1, width).astype(np.float32) @ matrix for i in range(0, len(rows), 256)]
    return np.concatenate(blocks)
