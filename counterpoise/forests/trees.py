"""Fitted trees of any library as plain arrays, for `tree_layer`; every test is `column <= threshold`.

Missing values and categories are taken out of the tests: a row is first widened to *columns*, each a number of the
row with NaN replaced by a fixed value (the smallest goes left at every test, the largest goes right), or 0 or 1 for
whether a category is in a set. The trees then contain thresholds alone, which is what makes one fast layer possible.

A float32 number is at most a float64 threshold t if and only if it is at most the largest float32 that is not above
t. Thresholds are rounded down to it, so every float32 row reaches the leaf that the library sends it to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray

#: The largest float32: rows are held to it, so that no runtime compares infinities.
MOST = np.finfo(np.float32).max


@dataclass(frozen=True)
class Tree:
    """One tree of n nodes as a library hands it over, the root first.

    Attributes:
        left, right: int (n,), node numbers of the children; -1 at leaves.
        feature: int (n,), the number of the row that a node tests.
        threshold: float64 (n,); a row goes left where its number is not above it.
        missing: float (n,), what NaN counts as: -inf goes left, inf goes right, 0 is compared like any number.
        members: node -> the categories that go left, for nodes that test a category; NaN and all others go right.
        values: float (n, P), what a leaf adds to the output.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing: Array
    members: Mapping[int, frozenset[int]]
    values: Array


@dataclass(frozen=True)
class Trees:
    """T trees of at most M nodes over the columns of a row (d,).

    Nodes are numbered from the root, 0; the children of a node are neighbors, and come after it. A leaf is a node
    whose threshold is `MOST` and whose `left` is itself; trees of fewer nodes are filled up with leaves.

    Attributes:
        source: int32 (C,), the number of the row that a column looks at.
        fill: float32 (C - S,), what a column contains where the number is NaN.
        sets: float32 (S, levels + 1), for each of the last S columns: 0 for categories in the set, 1 for all others
            and, in the last place, for NaN.
        column: int32 (T, M), the column that a node tests.
        threshold: float32 (T, M); a row goes left where its column is not above it.
        left: int32 (T, M), the left child; the right one is `left + 1`.
        values: float32 (T, M, P), what a leaf adds to the output.
        width: d, numbers in a row.
    """

    source: Array
    fill: Array
    sets: Array
    column: Array
    threshold: Array
    left: Array
    values: Array
    width: int

    @property
    def inner(self) -> Array:
        """bool (T, M), nodes that test something."""
        return np.asarray(self.threshold < MOST)

    @property
    def depth(self) -> int:
        """Most tests on the way from a root to a leaf."""
        below = np.zeros(self.left.shape, np.int64)
        # Children have higher numbers than their parents, so one pass in order of the nodes is enough.
        for node, tests in enumerate(self.inner.T):
            trees = np.flatnonzero(tests)
            for side in (0, 1):
                below[trees, self.left[trees, node] + side] = below[trees, node] + 1
        return int(below.max(initial=0))


def round_down(threshold: Array) -> Array:
    """Round each float64 value down to the largest float32 that is not above it.

    Example:
        >>> t = np.array([0.1, 0.5])
        >>> bool((round_down(t) <= t).all()), bool(round_down(t)[1] == 0.5)
        (True, True)
    """
    wide = np.asarray(threshold, dtype=np.float64)
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32)
    above = narrow.astype(np.float64) > wide
    return np.where(above, np.nextafter(narrow, np.float32(-np.inf)), narrow).astype(np.float32)


def assembled(trees: Sequence[Tree], width: int) -> Trees:
    """Return the trees of a library as one set of arrays; equal tests share a column.

    Args:
        trees: At least one.
        width: Numbers in a row.

    Example:
        >>> stump = Tree(np.array([1, -1, -1]), np.array([2, -1, -1]), np.zeros(3, int), np.array([0.5, 0, 0]),
        ...              np.full(3, np.inf), {}, np.array([[0.0], [-1.0], [1.0]]))
        >>> both = assembled([stump, stump], width=1)
        >>> both.left.tolist(), both.depth
        ([[1, 1, 2], [1, 1, 2]], 1)
    """
    numbers: dict[tuple[int, float], int] = {}
    sets: dict[tuple[int, frozenset[int]], int] = {}
    for tree in trees:
        for node, key in _tests(tree).items():
            if node in tree.members:
                sets.setdefault(key, len(sets))
            else:
                numbers.setdefault(key, len(numbers))
    nodes, outputs = max(len(tree.left) for tree in trees), trees[0].values.shape[1]
    shape = (len(trees), nodes)
    column, threshold = np.zeros(shape, np.int32), np.full(shape, MOST, np.float32)
    left = np.tile(np.arange(nodes, dtype=np.int32), (len(trees), 1))
    values = np.zeros((*shape, outputs), np.float32)
    for t, tree in enumerate(trees):
        # Nodes are renumbered so that siblings are neighbors. Thresholds of inner nodes stay below `MOST`, which marks
        # leaves.
        order, number_of = _siblings_together(tree)
        values[t, : len(order)] = tree.values[order]
        tests, children = _tests(tree), tree.left.tolist()
        rounded = np.minimum(round_down(tree.threshold), np.nextafter(MOST, np.float32(0)))
        for node, key in tests.items():
            new = number_of[node]
            left[t, new] = number_of[children[node]]
            if node in tree.members:
                # Columns of sets come after those of numbers. They are 0 or 1, and 0 (in the set) goes left.
                column[t, new], threshold[t, new] = len(numbers) + sets[key], 0.5
            else:
                column[t, new], threshold[t, new] = numbers[key], rounded[node]
    source = np.array([feature for feature, _ in (*numbers, *sets)], np.int32)
    fill = np.clip(np.array([missing for _, missing in numbers], np.float64), -MOST, MOST).astype(np.float32)
    return Trees(source, fill, _excluded_by_set([s for _, s in sets]), column, threshold, left, values, width)


def _tests(tree: Tree) -> dict[int, tuple[int, Any]]:
    """Return what each inner node tests: its feature, and a set or a missing value.

    The set has the categories that go left. Other tests have what a missing value counts as (see `Tree.missing`).
    """
    features, missing = tree.feature.tolist(), tree.missing.tolist()
    inner = np.flatnonzero(tree.left >= 0).tolist()
    return {node: (features[node], tree.members.get(node, missing[node])) for node in inner}


def _siblings_together(tree: Tree) -> tuple[list[int], dict[int, int]]:
    """Return the node numbers in their new order, level by level, and old -> new number."""
    left, right = tree.left.tolist(), tree.right.tolist()
    order = [0]
    for node in order:  # grows while it is walked
        if left[node] >= 0:
            order += [left[node], right[node]]
    return order, {node: new for new, node in enumerate(order)}


def _excluded_by_set(sets: Sequence[frozenset[int]]) -> Array:
    """Return float32 (sets, levels + 1): 0 for the levels in a set, and 1 for all others.

    The last column is 1: it is for missing values and unknown levels.
    """
    levels = max((max(s, default=-1) for s in sets), default=-1) + 1
    rows = np.ones((len(sets), levels + 1), np.float32)
    for row, members in zip(rows, sets, strict=True):
        row[list(members)] = 0.0
    return rows
