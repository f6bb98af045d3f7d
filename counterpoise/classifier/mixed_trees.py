"""Logits of trees for many mixed rows at once: rows that have some columns of one row and the others of another.

If two rows pass a test alike, all rows that are mixed from them go the same way. So the mixed rows of two rows walk
down a tree together. They part only at a test that the two rows pass differently: mixed rows with the tested column of
the one go left, and those with the column of the other go right. A few parts reach the leaves, where single mixed rows
would make every test again.

The plain arrays of `forests.tree_layer` and `forests.row_layer` are read, as in `tree_shapley`.
tests/classifier/test_mixed_trees.py compares the logits with those of the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from counterpoise.classifier.tree_shapley import raw_columns_of_numbers, tested_columns
from counterpoise.forests.row_layer import TreeRows
from counterpoise.forests.tree_layer import TreeEnsemble

Array = np.ndarray
#: Parts that start to walk down trees at once.
AT_ONCE = 1 << 16
#: A function of pairs (n,), raw columns (n,), and the two numbers of parts, (n,) each. It returns the numbers of the
#: part with this column of the background row, and then of the part with this column of the explained row. A part whose
#: first number is negative contains no mixed rows.
Division = Callable[[Array, Array, Array, Array], tuple[tuple[Array, Array], tuple[Array, Array]]]


@dataclass(frozen=True)
class MixedTrees:
    """The trees of one output of a network.

    Attributes:
        rows: The layer that makes the rows that trees read. trees: The layer of the trees.
    """

    rows: TreeRows
    trees: TreeEnsemble

    def on_the_way(self, x: Any, base: Any, rank: Array) -> Array:
        """Return the logits of rows whose columns are exchanged one after the other, float64 (N, M, d + 1, units).

        Entry [n, m, k] is background row m after k columns of row n took the places of its own.

        Args:
            x, base: Encoded rows, N and M. rank: int (M, d), how many columns are exchanged before each.
        """
        orders, d = rank.shape

        def divided(pair: Array, column: Array, first: Array, last: Array) -> Any:
            """Divide the steps of each part, from `first` to `last`, by whether the column was exchanged."""
            at = rank[pair % orders, column]
            ends, begins = np.minimum(last, at), np.maximum(first, at + 1)
            return (np.where(first <= ends, first, -1), ends), (np.where(begins <= last, begins, -1), last)

        def steps_of(first: Array, last: Array) -> tuple[Array, Array]:
            """Return where a part begins to count, and where it ends."""
            return first, last + 1

        return self._logits(x, base, (0, d), divided, d + 2, steps_of, lambda sums: sums.cumsum(axis=2)[:, :, :-1])

    def every_set(self, x: Any, base: Any, d: int) -> Array:
        """Return the logits of rows with each set of columns, float64 (N, M, 2^d, units).

        Entry [n, m, s] is background row m with the columns of row n whose bits are set in s. `x` and `base` are N and
        M encoded rows.
        """
        # Of a part, the columns that must be from the explained row, and those that must be from the other, as bits.
        digits = np.array([sum(3**j for j in range(d) if s >> j & 1) for s in range(2**d)])

        def divided(_: Array, column: Array, one: Array, other: Array) -> Any:
            """Divide each part by where the column comes from, unless this was decided before."""
            bit = np.left_shift(1, column)
            return (np.where(one & bit, -1, one), other | bit), (np.where(other & bit, -1, one | bit), other)

        def sets_of(sums: Array) -> Array:
            """Return sums over parts as sums over the sets of columns that they contain."""
            for j in range(d):  # of each column: either row (0), the explained row (1), or the background row (2)
                each = sums.reshape(*sums.shape[:2], 3 ** (d - 1 - j), 3, 2**j, sums.shape[-1])
                both = np.stack([each[:, :, :, 0] + each[:, :, :, 2], each[:, :, :, 0] + each[:, :, :, 1]], axis=3)
                sums = both.reshape(*sums.shape[:2], -1, sums.shape[-1])
            return sums

        return self._logits(x, base, (0, 0), divided, 3**d, lambda a, b: (digits[a] + 2 * digits[b],), sets_of)

    def _logits(
        self, x: Any, base: Any, start: tuple[int, int], divided: Division, size: int,
        positions: Callable[[Array, Array], tuple[Array, ...]], whole: Callable[[Array], Array],
    ) -> Array:  # fmt: skip
        """Return the logits (N, M, K, units) of the mixed rows that parts stand for.

        Args:
            x, base: Encoded rows, N and M.
            start: The two numbers of a part with all mixed rows of two rows.
            divided: See `Division`.
            size: Of the table that leaves are added to.
            positions: From the two numbers of parts to where their leaves are added to the table, and subtracted.
            whole: From the tables (N, M, size, units) to the sums over trees (N, M, K, units).
        """
        trees, nodes = self.trees, self.trees.nodes
        column, threshold, left, source = (
            np.asarray(keras.ops.convert_to_numpy(getattr(trees, name)))
            for name in ("column", "threshold", "left", "source")
        )
        value = np.asarray(keras.ops.convert_to_numpy(trees.value), np.float64)
        raw_column = raw_columns_of_numbers(self.rows)[source]
        own, other = (tested_columns(self.rows, trees, rows) for rows in (x, base))
        pairs, units = len(own) * len(other), trees.classes * trees.outputs
        tables = np.zeros((trees.outputs, pairs * trees.classes * size))
        some = max(1, AT_ONCE // pairs)
        for begin in range(0, trees.trees, some):
            part = slice(begin * nodes, min(begin + some, trees.trees) * nodes)
            to_right = [np.greater(each[:, column[part]], threshold[part]) for each in (own, other)]
            pair, node, *state = _leaves(
                left[part] - part.start, raw_column[column[part]] if len(raw_column) else column[part], to_right,
                np.arange(0, part.stop - part.start, nodes), start, divided,
            )  # fmt: skip
            node = node + part.start
            row = (pair * trees.classes + node // nodes % trees.classes) * size
            for sign, position in zip((1.0, -1.0), positions(*state), strict=False):
                for table, of_leaf in zip(tables, value[node].T, strict=True):
                    table += np.bincount(row + position, sign * of_leaf, minlength=len(table))
        sums = tables.reshape(trees.outputs, pairs, trees.classes, size).transpose(1, 3, 2, 0)
        total = whole(sums.reshape(len(own), len(other), size, units)) * trees.scale
        flat = keras.ops.convert_to_tensor(total.reshape(-1, units), "float32")
        logits = np.asarray(keras.ops.convert_to_numpy(trees.logits_of_sums(flat)), np.float64)
        return logits.reshape(*total.shape[:3], -1)


def _leaves(
    left: Array, raw_column: Array, to_right: Sequence[Array], roots: Array, start: tuple[int, int], divided: Division
) -> tuple[Array, ...]:
    """Return the leaves that parts reach: pairs, nodes, and the two numbers of the parts.

    Args:
        left, raw_column: (K,), the left child of each node, which of leaves is the leaf; and the column that it tests.
        to_right: bool (N, K) and (M, K), whether the rows, and the background rows, go right at each node.
        roots: (T,), the nodes where trees begin. start, divided: As in `MixedTrees._logits`.

    Pair n M + m is of row n and background row m.
    """
    of_own, of_other = (each.ravel() for each in to_right)
    n, m = (len(each) for each in to_right)
    own_at, other_at = np.repeat(np.arange(n), m) * len(left), np.tile(np.arange(m), n) * len(left)
    pair, node = np.repeat(np.arange(n * m), len(roots)), np.tile(roots, n * m)
    a, b = (np.full(len(pair), number) for number in start)
    reached: list[tuple[Array, ...]] = []
    while len(pair):
        child = left[node]
        at_leaf, inner = (np.flatnonzero(each & (a >= 0)) for each in (child == node, child != node))
        reached.append((pair[at_leaf], node[at_leaf], a[at_leaf], b[at_leaf]))
        pair, node, child, a, b = pair[inner], node[inner], child[inner], a[inner], b[inner]
        own, other = of_own[own_at[pair] + node], of_other[other_at[pair] + node]
        differing = np.flatnonzero(own != other)
        of_base, of_row = divided(pair[differing], raw_column[node[differing]], a[differing], b[differing])
        a[differing], b[differing] = of_row
        pair = np.concatenate([pair, pair[differing]])
        node = np.concatenate([child + own, child[differing] + other[differing]])
        a, b = (np.concatenate(both) for both in zip((a, b), of_base, strict=True))
    return tuple(np.concatenate(each) for each in zip(*reached, strict=True))


def mixed_trees(output: Any) -> MixedTrees | None:
    """Return the trees that a symbolic output of a Keras model consists of, or None if it is no output of trees."""
    made_by = _made_by(output)
    if not isinstance(made_by, TreeEnsemble):
        return None
    rows = _made_by(made_by.input)
    return MixedTrees(rows, made_by) if isinstance(rows, TreeRows) else None


def _made_by(tensor: Any) -> Any:
    """Return the layer that makes a symbolic tensor, inside models that are layers of other models too."""
    history = getattr(tensor, "_keras_history", None)
    while history is not None and isinstance(history.operation, keras.Model):
        tensor = keras.tree.flatten(history.operation.outputs)[history.tensor_index]
        history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation
