"""The Keras layer that trees become: it needs no library but Keras, and computes what their own library computes.

Class, arguments, and names and order of the variables are saved in files, which `_possible_faults` checks.
Two ways to a leaf, equal to the last bit:

- *bits*, for trees of at most 31 leaves: leaves are numbered from left to right, one bit each. A test that fails
  removes the leaves of its left side; the lowest bit left is the leaf (Lucchese et al. 2015, "QuickScorer"). All
  tests of a tree are made, but each for many rows at once and without looking anything up by row.
- *steps*, for larger trees: each row walks down from the root, one look-up per level.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.checks import check_choice, check_int, check_range
from counterpoise.core.errors import ArtifactError, OptionError
from counterpoise.forests.trees import MOST, Trees

Array = np.ndarray
Tensor = Any

#: Leaves that one whole number of 32 bits has room for, its sign left alone.
BITS = 31
#: How far a probability stays from 0 and 1.
FLOOR = 1e-7
#: What the sums over trees can be.
LINKS = ("logit", "probability", "odds")


@keras.saving.register_keras_serializable(package="counterpoise")
class TreeEnsemble(keras.layers.Layer):
    """T trees on rows of d numbers: logits (N, units).

    Args:
        trees, nodes: T and M, the largest number of nodes.
        columns, sets, levels: Columns that hold numbers, columns that hold set memberships, and width of `sets` (see
            `Trees`).
        outputs: P, numbers in a leaf.
        classes: R, tree t adds to class t modulo R; 1 where every leaf has numbers for all classes.
        depth: Most tests on the way to a leaf.
        scale: Factor of the sum over trees: 1 for boosting, 1 / T for a mean.
        link: "logit" where the sums are logits; "probability" where they are probabilities, of which the log-odds
            (one number) or logarithms (more) are taken, kept `floor` away from 0 and 1; "odds" where the first half are
            shares with a label and the second half shares without it, of which the log-odds are taken.
        floor: See `link`.
        small: Whether every tree has at most 31 leaves, so that they are found by *bits*.

    Raises:
        OptionError: A count, `depth`, `scale`, `link`, `floor` or `small` that no trees have: files hold them as text.

    Attributes:
        portable: Set it to find leaves by *steps* all the same, whose operations every export format has.

    Shapes: float32 (N, d) with NaN for missing numbers and missing categories; gives float32 (N, R * P), with "odds"
    (N, P / 2).
    """

    def __init__(
        self, trees: int, nodes: int, columns: int, sets: int, levels: int, outputs: int, classes: int, depth: int,
        scale: float = 1.0, link: str = "logit", floor: float = FLOOR, small: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(trainable=False, **kwargs)
        self.trees, self.nodes = check_int(trees, "trees"), check_int(nodes, "nodes")
        self.columns, self.sets = check_int(columns, "columns", 0), check_int(sets, "sets", 0)
        self.levels, self.outputs = check_int(levels, "levels", 0), check_int(outputs, "outputs")
        self.classes, self.depth = check_int(classes, "classes"), check_int(depth, "depth")
        self.scale, self.floor = check_range(scale, "scale"), check_range(floor, "floor", 0, 0.5, "()")
        self.link, self.small = check_choice(link, "link", LINKS), check_choice(small, "small", (False, True))
        if self.trees % self.classes:
            raise OptionError(f"trees= is {trees}. Expected a multiple of classes={classes}.")
        if self.link == "odds" and (self.classes > 1 or self.outputs % 2):
            raise OptionError(
                f"outputs= is {outputs} and classes= is {classes}. "
                'Expected an even outputs= and classes=1, because link= is "odds".'
            )
        if self.depth > self.nodes:  # the walk takes a step for each, whatever the trees hold
            raise OptionError(f"depth= is {depth}. Expected at most nodes={nodes}.")
        self.portable = False

    @classmethod
    def of(cls, trees: Trees, *, classes: int = 1, scale: float = 1.0, link: str = "logit", **kwargs: Any) -> Any:
        """Return a built layer that contains these trees.

        `classes`, `scale` and `link` are arguments of the layer. The other arguments follow from the trees.
        """
        count, nodes = trees.left.shape
        small = int(trees.inner.sum(axis=1).max(initial=0)) < BITS
        layer = cls(
            count, nodes, len(trees.fill), len(trees.sets), trees.sets.shape[1], trees.values.shape[2], classes,
            max(trees.depth, 1), scale, link, small=small, **kwargs,
        )  # fmt: skip
        layer.build((None, trees.width))
        layer.source.assign(trees.source)
        layer.fill.assign(trees.fill)
        layer.table.assign(trees.sets)
        for name, values in (_variables_of_steps(trees) | (_variables_of_bits(trees) if small else {})).items():
            getattr(layer, name).assign(values)
        return layer

    def _variable_shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return name -> (shape, dtype) of each variable, as in files; those of *bits* only for small trees."""
        nodes, tests = (self.trees * self.nodes,), (BITS - 1, self.trees)
        layout = {
            "source": ((self.columns + self.sets,), "int32"),
            "fill": ((self.columns,), "float32"),
            "table": ((self.sets, self.levels), "float32"),
        }
        layout |= {
            "column": (nodes, "int32"),
            "threshold": (nodes, "float32"),
            "left": (nodes, "int32"),
            "value": ((*nodes, self.outputs), "float32"),
        }
        bits = {
            "bit_column": (tests, "int32"),
            "bit_threshold": (tests, "float32"),
            "bit_mask": (tests, "int32"),
            "bit_value": ((self.trees * BITS, self.outputs), "float32"),
        }
        return layout | bits if self.small else layout

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the variables, in the order in which `build` adds them."""
        return [shape for shape, _ in self._variable_shapes().values()]

    def build(self, shape: Any) -> None:
        """Add the variables, filled with zeros; `of` or a file sets their values."""
        self.width = int(shape[-1])
        for name, (size, dtype) in self._variable_shapes().items():
            weight = self.add_weight(name=name, shape=size, dtype=dtype, initializer="zeros", trainable=False)
            setattr(self, name, weight)

    def load_own_variables(self, store: Any) -> None:
        """Read the trees from a file, and refuse arrays that are not trees, because look-ups would give wrong numbers.

        Raises:
            ArtifactError: A column, node or leaf that does not exist, or a number that is not finite; the message
                completes "FILE cannot be read: ".
        """
        super().load_own_variables(store)
        problem = next((text for text, wrong in self._possible_faults() if wrong), None)
        if problem:
            raise ArtifactError(f"the trees of its layer {self.name!r:.60} {problem}.")

    def _possible_faults(self) -> Iterator[tuple[str, bool]]:
        """Yield each possible fault of stored trees in words, and whether these trees have it."""
        values = {name: np.asarray(ops.convert_to_numpy(getattr(self, name))) for name in self._variable_shapes()}

        def outside(name: str, end: int) -> bool:
            return bool(((values[name] < 0) | (values[name] >= end)).any())

        for name in ("fill", "threshold", "value", "bit_threshold", "bit_value"):
            yield f"contain a {name} that is not finite", name in values and not np.isfinite(values[name]).all()
        yield f"read columns that rows of {self.width} columns do not have", outside("source", self.width)
        yield "have sets with other entries than 0 and 1", not np.isin(values["table"], (0, 1)).all()
        for name in ("column", "bit_column") if self.small else ("column",):
            yield "use columns that do not exist", outside(name, max(1, self.columns + self.sets))
        node, left = np.arange(self.trees * self.nodes), values["left"]
        end = (node // self.nodes + 1) * self.nodes
        inner = (node < left) & (left + 1 < end)  # children come after their parent, so that no way leads back
        leaf = (left == node) & (values["threshold"] >= MOST)
        yield "lead to nodes that do not exist", not (inner | leaf).all()
        # A test that fails keeps the leaves of its mask: some leaf must be left when all of them fail.
        yield (
            "have conditions that exclude every leaf",
            self.small and bool((np.bitwise_and.reduce(values["bit_mask"], axis=0) <= 0).any()),
        )

    def call(self, x: Tensor) -> Tensor:
        """Return logits, float32 (N, units), of rows (N, d)."""
        columns = self.tested_columns(x)
        leaf = self._leaves_by_bits(columns) if self.small and not self.portable else self._leaves_by_steps(columns)
        # Trees of one round follow each other, one for each class; the sum is over the rounds.
        total = ops.reshape(leaf, (-1, self.trees // self.classes, self.classes * self.outputs))
        return self.logits_of_sums(ops.sum(total, axis=1) * self.scale)

    def tested_columns(self, x: Tensor) -> Tensor:
        """Return the columns that the trees test, float32 (N, C), from rows (N, d).

        First come numbers, with NaN filled, then for each set of categories 0 (in the set) or 1.
        `classifier.tree_shapley` uses them too.
        """
        blocks = []
        if self.columns:
            numbers = ops.take(x, self.source[: self.columns], axis=1)
            blocks.append(ops.clip(ops.where(ops.isnan(numbers), self.fill, numbers), -MOST, MOST))
        if self.sets:
            codes = ops.take(x, self.source[self.columns :], axis=1)
            codes = ops.where(ops.isnan(codes), -1.0, codes)  # runtimes do not agree on comparisons with NaN
            seen = ops.logical_and(codes >= 0, codes < self.levels - 1)
            index = ops.cast(ops.where(seen, codes, float(self.levels - 1)), "int32")
            blocks.append(ops.take(ops.reshape(self.table, (-1,)), index + ops.arange(self.sets) * self.levels))
        return ops.concatenate(blocks, axis=1) if blocks else ops.zeros_like(x[:, :1])

    def _leaves_by_bits(self, columns: Tensor) -> Tensor:
        """Return the numbers of the leaf in each tree, (N, T, P), by making all tests of a tree."""
        columns, left = ops.transpose(columns), ops.full((self.trees, 1), 2**BITS - 1, dtype="int32")
        # Split in one operation: slices for each test would take most of the time of a trace.
        each = [ops.unstack(ops.convert_to_tensor(self.bit_column))]
        each += [ops.unstack(ops.expand_dims(one, 2)) for one in (self.bit_threshold, self.bit_mask)]
        for column, threshold, mask in zip(*each, strict=True):
            passed = ops.take(columns, column, axis=0) <= threshold
            left = ops.bitwise_and(left, ops.where(passed, 2**BITS - 1, mask))
        lowest = ops.cast(ops.bitwise_and(left, -left), "float32")
        leaf = ops.cast(ops.round(ops.log2(lowest)), "int32")  # a power of two: its logarithm is a whole number
        index = ops.transpose(leaf + ops.arange(self.trees)[:, None] * BITS)
        return ops.take(self.bit_value, index, axis=0)

    def _leaves_by_steps(self, columns: Tensor) -> Tensor:
        """Return the numbers of the leaf in each tree, (N, T, P), by walking down from the root."""
        flat, rows = ops.reshape(columns, (-1,)), ops.shape(columns)[0]
        start = ops.arange(rows, dtype="int32")[:, None] * (self.columns + self.sets or 1)
        node = ops.arange(self.trees, dtype="int32")[None, :] * self.nodes + ops.zeros_like(start)
        for _ in range(self.depth):
            # The right child follows the left one. A leaf is its own left child, and no value is above its threshold.
            above = ops.take(flat, start + ops.take(self.column, node)) > ops.take(self.threshold, node)
            node = ops.take(self.left, node) + ops.cast(above, "int32")
        return ops.take(self.value, node, axis=0)

    def logits_of_sums(self, total: Tensor) -> Tensor:
        """Return the scaled sums over trees (N, R * P) as logits (N, units), according to `link` (see the class).

        `classifier.mixed_trees` uses it too.
        """
        if self.link == "logit":
            return total
        p = ops.clip(total, self.floor, 1.0 - self.floor)
        if self.link == "odds":
            return ops.log(p[:, : self.outputs // 2]) - ops.log(p[:, self.outputs // 2 :])
        return ops.log(p) - ops.log(1.0 - p) if self.outputs == 1 else ops.log(p)

    def compute_output_shape(self, shape: Any) -> tuple[Any, int]:
        return (shape[0], self.classes * self.outputs // (2 if self.link == "odds" else 1))

    def get_config(self) -> dict[str, Any]:
        names = (
            "trees", "nodes", "columns", "sets", "levels", "outputs", "classes", "depth", "scale", "link", "floor",
            "small",
        )  # fmt: skip
        own = {name: getattr(self, name) for name in names}
        return {**{k: v for k, v in super().get_config().items() if k != "trainable"}, **own}


@contextmanager
def portable(model: keras.layers.Layer) -> Iterator[None]:
    """In the block, the trees of a model are walked by *steps*, whose operations every export format has."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, TreeEnsemble)]
    for layer in layers:
        layer.portable = True
    try:
        yield
    finally:
        for layer in layers:
            layer.portable = False


def _variables_of_steps(trees: Trees) -> dict[str, Array]:
    """Return name -> values of the variables of *steps*: the nodes of all trees one after the other, (T * M,) each."""
    count, nodes = trees.left.shape
    left = trees.left + np.arange(count)[:, None] * nodes
    column, threshold = trees.column.reshape(-1), trees.threshold.reshape(-1)
    value = trees.values.reshape(count * nodes, -1)
    return {"column": column, "threshold": threshold, "left": left.reshape(-1), "value": value}


def _variables_of_bits(trees: Trees) -> dict[str, Array]:
    """Return name -> values of the variables of *bits*: tests (30, T), and leaves (T * 31, P) from left to right.

    The mask of a test has a bit for each leaf that stays when the test fails. Unused tests are always passed.
    """
    count, inner = len(trees.left), trees.inner
    column, threshold = np.zeros((BITS - 1, count), np.int32), np.full((BITS - 1, count), MOST, np.float32)
    mask = np.full((BITS - 1, count), 2**BITS - 1, np.int32)
    value = np.zeros((count, BITS, trees.values.shape[2]), np.float32)
    for t in range(count):
        tests = leaf = 0
        todo = [(0, -1)]  # (node, test whose left side ends here), the leftmost on top
        first: dict[int, int] = {}
        while todo:
            node, ends = todo.pop()
            if ends >= 0:
                mask[ends, t] = 2**BITS - 1 - (2**leaf - 2 ** first[ends])
            elif inner[t, node]:
                column[tests, t], threshold[tests, t], first[tests] = (
                    trees.column[t, node], trees.threshold[t, node], leaf,
                )  # fmt: skip
                left = int(trees.left[t, node])
                todo += [(left + 1, -1), (-1, tests), (left, -1)]
                tests += 1
            else:
                value[t, leaf] = trees.values[t, node]
                leaf += 1
    return {
        "bit_column": column, "bit_threshold": threshold, "bit_mask": mask,
        "bit_value": value.reshape(count * BITS, -1),
    }  # fmt: skip
