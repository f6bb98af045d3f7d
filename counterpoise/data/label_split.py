"""Rows with several labels dealt into parts: iterative stratification, whole groups kept together.

Label after label, the rarest first, each row (or group) with the label goes to the part that still lacks most rows with
it. Reference: Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (ECML 2011); of groups, the
label sums count.

`split` divides rows with several labels, or with a class per element, by it. Fixed: folds decide results and the ids of
jobs, so the order of the random draws stays (a permutation of the units, then one choice per tie).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def split_by_labels(y: Array, groups: Array | None, shares: Sequence[float], state: int) -> Array:
    """Return the part of each row, int64 (N,), from 0: parts have similar shares of every label.

    Args:
        y: int (N, L): 1, 0, or -1 where a label is not known, which counts as no label. Rows without a label are dealt
            like rows with it if a part would otherwise have far too few of them.
        groups: int (N,), rows that stay together; None: each row is its own.
        shares: Wanted share of the rows in each part.
        state: Seed.

    Example:
        >>> y = np.array([[1, 0], [1, 1], [1, 0], [1, 1], [0, 0], [0, 0]])
        >>> part_of = split_by_labels(y, None, (0.5, 0.5), state=0)
        >>> [y[part_of == p].sum(axis=0).tolist() for p in (0, 1)]
        [[2, 1], [2, 1]]
    """
    rows = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(rows.max()) + 1
    sizes = np.bincount(rows, minlength=count).astype(float)
    wanted = np.asarray(shares, dtype=float)

    def deal(strata: Array) -> Array:
        """Return the part of each row, dealt by the columns of `strata`, bool (N, ...)."""
        sums = np.stack([np.bincount(rows, weights=column, minlength=count) for column in strata.T], axis=1)
        return _parts_of_units(sums, sizes, wanted, np.random.default_rng(state))[rows]

    part_of = deal(y == 1)
    without = _unevenly_without(y, part_of, wanted / wanted.sum())
    return deal(np.concatenate([y == 1, y[:, without] == 0], axis=1)) if without.any() else part_of


def _unevenly_without(y: Array, part_of: Array, shares: Array) -> Array:
    """Return for each label, bool (L,), whether a part has far less than its share of the rows without it.

    Rows without a label are not dealt by the label. Usually they are many, so that each part has its share. They can be
    few, such as for a label that is seldom recorded as absent. Of a few rows, a part needs its rounded share.
    """
    have = np.stack([(y[part_of == part] == 0).sum(axis=0) for part in range(len(shares))])
    fair = shares[:, None] * have.sum(axis=0)
    return (have < np.where(fair < 4, np.round(fair), fair / 2)).any(axis=0)


def _parts_of_units(sums: Array, sizes: Array, shares: Array, rng: np.random.Generator) -> Array:
    """Return the part of each unit (a row, or a group of rows), int64 (U,).

    Args:
        sums: float64 (U, L), rows of a unit with each label.
        sizes: float64 (U,), rows of a unit.
        shares: float64 (P,), wanted share of each part, scaled here to sum 1.
        rng: Decides the order of equal units, and between equal parts.
    """
    part_of = np.full(len(sums), -1)
    shares = shares / shares.sum()
    lacking, room = shares[:, None] * sums.sum(axis=0), (shares * sizes.sum()).tolist()
    order = rng.permutation(len(sums))
    open_units = sums > 0  # (U, L), units with the label that have no part yet
    # Labels without open units count as len(sums) + 1, so the smallest number is that of the rarest label left.
    while (left := np.where(open_units.any(axis=0), open_units.sum(axis=0), len(sums) + 1)).min() <= len(sums):
        label = int(left.argmin())
        for unit in order[open_units[order, label]]:
            part_of[unit] = index = _neediest_part(lacking[:, label].tolist(), room, rng)
            lacking[index] -= sums[unit]
            room[index] -= sizes[unit]
        open_units[open_units[:, label]] = False
    for unit in order[part_of[order] < 0]:  # units without any label
        part_of[unit] = index = _neediest_part(room, room, rng)
        room[index] -= sizes[unit]
    return part_of


def _neediest_part(lacking: list[float], room: list[float], rng: np.random.Generator) -> int:
    """Return the part that lacks most rows; of equal ones that with most room, then any.

    Numbers that differ by less than 1e-9 count as equal.
    """
    least = max(lacking) - 1e-9
    best = [part for part, lacks in enumerate(lacking) if lacks >= least]
    if len(best) > 1:
        least = max(room[part] for part in best) - 1e-9
        best = [part for part in best if room[part] >= least]
    return best[0] if len(best) == 1 else int(rng.choice(best))


def label_counts(y: Array) -> Array:
    """Return how many rows lack and have each label, int64 (2 L,): without the first, with the first, ...

    Unknown labels (-1) count in neither.

    Example:
        >>> label_counts(np.array([[1, 0], [0, -1]])).tolist()
        [1, 1, 1, 0]
    """
    return np.stack([(y == 0).sum(axis=0), (y == 1).sum(axis=0)], axis=1).ravel()
