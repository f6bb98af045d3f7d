"""Resamples as counts per row: for scores that have no short way, for weighted rows and for groups of rows.

A resample is a weight per row, so that nothing is copied: how often the row was drawn, times what it weighs. Draws
follow from the seed, and their order decides the intervals. `bootstrap` is faster for average
precision, ROC AUC and log loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from counterpoise.core.checks import check_int
from counterpoise.core.errors import DataError
from counterpoise.core.seeds import generator

Array = np.ndarray
Scores = dict[str, float]

#: Rows per class that are resampled one by one; a larger class is thinned and its rows weigh more.
ENOUGH = 4000


def row_draws(
    prepare: Callable[[Array], Callable[[Array], Scores]],
    y: Array,
    *,
    sample_weight: Array | None = None,
    groups: Any = None,
    resamples: int = 200,
    seed: int = 0,
    most: int = ENOUGH,
    fixed_shares: bool = True,
) -> dict[str, Array]:
    """Return scores of resamples of rows, or of whole groups. Rows of weight 0 take no part.

    Args:
        prepare: A function of row numbers (K,) that returns a function of their weights (K,) to scores by name.
        y: int (N,), class codes.
        sample_weight: float (N,): row i counts as w_i rows; None means 1.
        groups: (N,), group of each row: groups are drawn with replacement, their rows come together.
        resamples: B. seed: Of the draws. most: Rows per class that are drawn one by one.
        fixed_shares: Whether rows are drawn class by class, so that the shares of the classes stay as they are. False:
            from all rows, for scores that depend on these shares. Groups are always drawn from all.

    Returns:
        name -> float64 (B,); nan where a resample does not define the score. Where a large class was thinned the draws
        are moved to the score of all rows.

    Raises:
        DataError: `groups` are not one per row, or a single group. OptionError: `resamples` is not 1 or more.

    Example:
        >>> y = np.array([0, 0, 1, 1])
        >>> draws = row_draws(lambda rows: lambda w: {"share": float(w @ y[rows] / w.sum())}, y, resamples=3)
        >>> draws["share"].tolist()
        [0.5, 0.5, 0.5]
    """
    check_int(resamples, "resamples")
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    rng = generator(seed, "evaluation rows")
    # `more`: how many rows each row stands for, 1 unless its class was thinned.
    counted = np.flatnonzero(weight > 0)
    if groups is not None:
        rows, more = counted, np.ones(len(counted))
        counts = _draw_groups(groups, counted, len(y), rng)
    else:
        kept, more = _thinned_rows(y[counted], seed, most)
        rows = counted[kept]
        counts = _draw_within_classes(y[rows] if fixed_shares else np.zeros(len(rows), np.int64), rng)
    score = prepare(rows)
    drawn = [score(next(counts) * more * weight[rows]) for _ in range(resamples)]
    draws = {key: np.array([one[key] for one in drawn]) for key in drawn[0]}
    if len(rows) == len(counted):
        return draws
    of_all, of_drawn = prepare(counted)(weight[counted]), score(more * weight[rows])
    return {key: values + of_all[key] - of_drawn[key] for key, values in draws.items()}


def _thinned_rows(y: Array, seed: int, most: int) -> tuple[Array, Array]:
    """Return row numbers, int64 (K,), and how many rows each stands for, float64 (K,).

    There are at most `most` rows per class.
    """
    rng = generator(seed, "evaluation thinning")
    rows, stands_for = [], []
    for c in np.unique(y):
        mine = np.flatnonzero(y == c)
        kept = mine if len(mine) <= most else np.sort(rng.choice(mine, most, replace=False))
        rows.append(kept)
        stands_for.append(np.full(len(kept), len(mine) / len(kept)))
    return np.concatenate(rows), np.concatenate(stands_for)


def _draw_within_classes(y: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Yield how often each row comes in a resample within classes, float64 (N,), without end."""
    order = np.argsort(y, kind="stable")
    sizes = np.unique(y, return_counts=True)[1]
    # In the order of classes: where the class of each row begins, and its size; so one draw serves all classes.
    start, size = np.repeat(np.cumsum(sizes) - sizes, sizes), np.repeat(sizes, sizes)
    while True:
        yield np.bincount(order[start + rng.integers(0, size)], minlength=len(y)).astype(np.float64)


def _draw_groups(groups: Any, rows: Array, n: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield how often each of `rows` comes in a resample of their groups, float64 (len(rows),), forever.

    `groups` are those of all `n` rows.

    Raises:
        DataError: The groups are not one per row, or a single group.
    """
    given = np.asarray(groups)
    if given.shape != (n,):
        raise DataError(f"groups has shape {given.shape}. Expected one group for each of the {n} rows.")
    group = np.unique((given.astype(str) if given.dtype == object else given)[rows], return_inverse=True)[1]
    count = int(group.max()) + 1
    if count < 2:
        raise DataError("All rows are in one group. An interval needs at least 2 groups, and about 20 to be reliable.")
    while True:
        yield np.bincount(rng.integers(0, count, count), minlength=count)[group].astype(np.float64)
