"""Exact Shapley values of boosted trees, from the leaves that mixed rows can reach.

A row that has some columns of the explained row and the others of a background row is in a leaf if each column of the
leaf's path comes from a row that passes the tests of this column. With a columns that only the explained row passes, b
columns that only the background row passes, and no column that neither passes, a leaf of value v adds
v (a - 1)! b! / (a + b)! to each of the first and subtracts v a! (b - 1)! / (a + b)! from each of the second (the
interventional form of Lundberg et al., Nature Machine Intelligence 2, 2020; Laberge and Pequignot, arXiv 2210.14138).

Reads the plain arrays of `forests.tree_layer` and `forests.row_layer`, whose order of numbers it must know.
tests/classifier/test_tree_shapley.py compares the values with an enumeration of all sets of columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

import keras
import numpy as np

from counterpoise.classifier.raw_columns import log_odds
from counterpoise.core.rule import Rule
from counterpoise.forests.row_layer import TreeRows
from counterpoise.forests.tree_layer import TreeEnsemble
from counterpoise.forests.trees import MOST

Array = np.ndarray
#: How far log-odds may be from the scaled sum of the leaves, which is single precision.
CLOSE = 1e-3


@dataclass(frozen=True)
class Paths:
    """Paths to the L leaves as S tests, sorted into K parts: a part has the tests of one leaf and one raw column.

    Attributes:
        column, threshold: (S,), what a test compares. left: bool (S,), whether the path goes left.
        parts: int (K,), first test of each part. raw_column, leaf: int (K,), those of each part.
        leaves: int (L,), first part of each leaf. value: float64 (L,).
    """

    column: Array
    threshold: Array
    left: Array
    parts: Array
    raw_column: Array
    leaf: Array
    leaves: Array
    value: Array

    def passes(self, columns: Array) -> Array:
        """Return whether rows (N, C) pass all tests of each part, bool (N, K).

        A row passes a test if it goes the way that the path to the leaf takes.
        """
        right = (columns[:, self.column] <= self.threshold) == self.left
        return np.logical_and.reduceat(right, self.parts, axis=1)


def tree_effects(clf: Any, rows: Any, base: Any, width: int) -> Array | None:
    """Return the effect of each raw column on the log-odds of class 1, float64 (N, width).

    It is None if the classifier is not one booster of two classes whose log-odds are the sum of its leaves, up to a
    factor and a constant.

    Args:
        clf: The classifier. rows, base: Encoded rows, explained and of the background. width: Raw columns.
    """
    if not isinstance(clf.rule, Rule):
        return None
    # One booster has two layers, and its calibrator one slope; other calibrators have none, so (0, 1) is refused.
    layers = [layer for layer in clf.members._flatten_layers() if isinstance(layer, (TreeRows, TreeEnsemble))]
    calibrator = clf.rule.calibrator or {"slopes": [1.0]}
    if len(layers) != 2 or len(clf.rule.log_shifts) != 1 or len(set(calibrator.get("slopes", (0, 1)))) != 1:
        return None
    tree_rows, trees = sorted(layers, key=lambda layer: isinstance(layer, TreeEnsemble))
    if not isinstance(trees, TreeEnsemble) or trees.link != "logit" or trees.classes * trees.outputs != 1:
        return None
    paths = _leaf_paths(trees, raw_columns_of_numbers(tree_rows), calibrator["slopes"][0] * trees.scale)
    if not len(paths.value):
        return None
    of_rows, of_base = (paths.passes(tested_columns(tree_rows, trees, x)) for x in (rows, base))
    for x, passed in ((rows, of_rows), (base, of_base)):
        sums = np.logical_and.reduceat(passed, paths.leaves, axis=1) @ paths.value
        # The log-odds must be these sums plus a constant; a focal loss or a clipped probability changes that.
        if np.ptp(log_odds(clf, x)[:, 1] - sums) > CLOSE:
            return None
    most = int(np.diff(np.append(paths.leaves, len(paths.raw_column))).max()) + 1  # parts of a leaf, at most, plus 1
    # share[a - 1, b] is the factor (a - 1)! b! / (a + b)! of the module text.
    share = np.array([[factorial(a) * factorial(b) / factorial(a + b + 1) for b in range(most)] for a in range(most)])
    return np.stack([_row_effects(paths, row, of_base, share, width) for row in of_rows])


def _row_effects(paths: Paths, own: Array, base: Array, share: Array, width: int) -> Array:
    """Return the mean effects of the raw columns of one row against M background rows, float64 (width,).

    Args:
        paths: Paths to all leaves.
        own, base: bool (K,) and (M, K), the parts that the row and the background rows pass.
        share: float64 (A, A), entry [a, b] is a! b! / (a + b + 1)!.
        width: Number of raw columns.
    """
    reached = np.logical_and.reduceat(own | base, paths.leaves, axis=1)
    differs = own ^ base
    mine = np.add.reduceat(own & differs, paths.leaves, axis=1, dtype=np.int64)
    other = np.add.reduceat(base & differs, paths.leaves, axis=1, dtype=np.int64)
    # Only parts that exactly one of the two rows passes, in leaves that a mixed row can reach, have an effect.
    row, part = np.nonzero(differs & reached[:, paths.leaf])
    leaf, up = paths.leaf[part], own[part]
    a, b = mine[row, leaf], other[row, leaf]  # counts of columns, as in the module text
    weight = np.where(up, share[np.maximum(a - 1, 0), b], -share[a, np.maximum(b - 1, 0)])
    return np.bincount(paths.raw_column[part], weight * paths.value[leaf], minlength=width) / len(base)


def tested_columns(tree_rows: TreeRows, trees: TreeEnsemble, x: Any) -> Array:
    """Return encoded rows as the columns that the tests of the trees compare, float32 (N, C)."""
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
    return np.asarray(keras.ops.convert_to_numpy(trees.tested_columns(tree_rows(tensors))))


def raw_columns_of_numbers(tree_rows: TreeRows) -> Array:
    """Return the raw column of each number in the row that trees read, int64 (d,).

    The order is that of `TreeRows`. The parts of a time stamp and the indicator of missing values belong to the column
    that they were made from.
    """
    numbers = tree_rows.width - len(tree_rows.cycles)
    of_numbers = [*range(numbers), *(column for column, _ in tree_rows.cycles)]
    of_levels = [numbers + column for column, levels in tree_rows.kept for _ in levels]
    of_means = [numbers + column for column, _ in tree_rows.encoded for _ in range(tree_rows.outputs)]
    integers = [numbers + column for column in tree_rows.integers]
    return np.array(
        [*of_numbers, *integers, *(of_numbers[j] for j in tree_rows.indicated), *of_levels, *of_means], dtype=np.int64
    )


def _leaf_paths(trees: TreeEnsemble, column_of_number: Array, factor: float) -> Paths:
    """Return the paths to all leaves that have a test above them.

    The arrays are empty if no tree has a test. The children of inner node i are the nodes left[i] and left[i] + 1. Leaf
    values are multiplied by `factor`.
    """
    column, threshold, left, value = (
        np.asarray(keras.ops.convert_to_numpy(getattr(trees, name)))
        for name in ("column", "threshold", "left", "value")
    )
    source = np.asarray(keras.ops.convert_to_numpy(trees.source))
    inner = np.flatnonzero(threshold < MOST)  # leaves have the threshold `MOST`
    parent = np.full(len(left), -1)
    parent[left[inner]] = parent[left[inner] + 1] = inner
    leaves = np.flatnonzero((parent >= 0) & (threshold >= MOST))
    node, leaf, tests = leaves, np.arange(len(leaves)), []
    while len(node):  # up to the roots, all leaves at once
        above = parent[node]
        tests.append(np.stack([leaf, above, left[above] == node]))
        climbs = parent[above] >= 0
        node, leaf = above[climbs], leaf[climbs]
    if not tests:
        return Paths(*(np.empty(0, np.int64) for _ in range(8)))
    leaf, test, side = np.concatenate(tests, axis=1)
    raw_column = column_of_number[source[column[test]]]
    order = np.lexsort((raw_column, leaf))  # by leaf, then by raw column, so that each part is one run of tests
    leaf, test, side, raw_column = leaf[order], test[order], side[order], raw_column[order]
    parts = np.flatnonzero(np.append(True, (np.diff(leaf) != 0) | (np.diff(raw_column) != 0)))
    starts = np.flatnonzero(np.append(True, np.diff(leaf[parts]) != 0))
    values = factor * value[leaves, 0].astype(np.float64)
    tests_of_paths = column[test], threshold[test], side.astype(bool)
    return Paths(*tests_of_paths, parts, raw_column[parts], leaf[parts], starts, values)
