"""The Keras layer that lays out rows for trees, in files and exports as `FlatRows` does in training.

Class, arguments and the variables `fill` and `means` are saved in files. Blocks and columns must be those of
`FlatRows.matrix` (tests/forests/test_row_layer.py compares them), because trees were grown on its column numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.checks import check_choice, check_int, check_range
from counterpoise.core.errors import OptionError
from counterpoise.data.cycles import cycle_position
from counterpoise.forests.rows import FlatRows, arrays_of

Tensor = Any


@keras.saving.register_keras_serializable(package="counterpoise")
class TreeRows(keras.layers.Layer):
    """Rows of a table or arrays to the matrix that trees were grown on: float32 (N, d).

    Args:
        width: dn, numbers of a row, those in cycles included.
        cycles: (Position of a number, period) of each cycle of a time stamp.
        keep_nan: Whether missing numbers stay NaN; else they become `fill`.
        indicated: Positions of the numbers with an indicator of missing values; none where they stay NaN.
        integers: Positions of the level columns that become integers, missing as NaN.
        kept: (Position of a level column, level numbers with a column of their own) for the other ones.
        encoded: (Position of a level column, its level numbers) of each target encoding (see `target_encoding`).
        outputs: K, means for each level of `encoded`.

    Shapes: `{"numeric": float (N, dn - cycles), "categorical": int (N, dc)}`, or any structure of arrays, each
    flattened, one after the other.
    """

    def __init__(
        self, width: int, cycles: Sequence[tuple[int, float]] = (), keep_nan: bool = True,
        indicated: Sequence[int] = (), integers: Sequence[int] = (), kept: Sequence[tuple[int, Sequence[int]]] = (),
        encoded: Sequence[tuple[int, int]] = (), outputs: int = 1, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(trainable=False, **kwargs)
        self.width, self.keep_nan = check_int(width, "width", 0), check_choice(keep_nan, "keep_nan", (False, True))
        numbers = self.width - len(cycles)
        self.cycles = [
            (_checked_position(column, "cycles", numbers), check_range(period, "cycles", 0, bounds="(]"))
            for column, period in cycles
        ]
        self.indicated = _checked_positions(indicated, "indicated", self.width)
        self.integers = _checked_positions(integers, "integers")
        self.kept = [(check_int(column, "kept", 0), _checked_positions(levels, "kept")) for column, levels in kept]
        self.encoded = [(check_int(column, "encoded", 0), check_int(size, "encoded", 1)) for column, size in encoded]
        self.outputs = check_int(outputs, "outputs", 1)
        self.fill = self.add_weight(name="fill", shape=(self.width,), initializer="zeros", trainable=False)
        if self.encoded:
            shape = (sum(size for _, size in self.encoded), self.outputs)
            self.means = self.add_weight(name="means", shape=shape, initializer="zeros", trainable=False)

    @classmethod
    def of(cls, rows: FlatRows, **kwargs: Any) -> TreeRows:
        """Return a layer that lays out rows as `rows` does."""
        indicated = () if rows.keep_nan else rows.indicated.tolist()
        kept = [(column, levels.tolist()) for column, levels in rows.kept]
        known = rows.encoding
        encoded = () if known is None else tuple(zip(known.columns, known.sizes, strict=True))
        layer = cls(
            len(rows.fill), rows.cycles, rows.keep_nan, indicated, rows.integers.tolist(), kept,
            encoded, 1 if known is None else known.means.shape[1], **kwargs,
        )  # fmt: skip
        layer.fill.assign(rows.fill)
        if known is not None:
            layer.means.assign(known.means)
        return layer

    def build(self, shape: Any) -> None:
        """Check that all positions of level columns exist in the input; there are no weights to build."""
        if isinstance(shape, Mapping):
            columns = shape["categorical"][-1] if "categorical" in shape else 0
            _checked_positions([*self.integers, *(column for column, _ in self.kept)], "integers and kept", columns)
            _checked_positions([column for column, _ in self.encoded], "encoded", columns)
        self.built = True

    def call(self, x: Any) -> Tensor:
        """Return the matrix (N, d) for trees.

        Its blocks are numbers, integer levels, indicators of missing values, one-hot levels, and target encodings, in
        this order, as in `FlatRows.matrix`.
        """
        numbers, ids = self._numbers_and_levels(x)
        missing = ops.isnan(numbers)
        blocks = [numbers if self.keep_nan else ops.where(missing, self.fill, numbers)] if self.width else []
        if self.integers:
            levels = ops.take(ids, np.array(self.integers, "int32"), axis=1)
            blocks.append(ops.where(levels > 0, ops.cast(levels - 1, "float32"), np.float32("nan")))
        if self.indicated:
            blocks.append(ops.cast(ops.take(missing, np.array(self.indicated, "int32"), axis=1), "float32"))
        if self.kept:  # all columns at once, as there may be thousands
            columns = np.concatenate([np.full(len(levels), column, "int32") for column, levels in self.kept])
            levels = np.concatenate([np.array(levels, "int32") for _, levels in self.kept])
            blocks.append(ops.cast(ops.equal(ops.take(ids, columns, axis=1), levels), "float32"))
        if self.encoded:
            columns, sizes = np.array(self.encoded, "int32").T
            places = ops.minimum(ops.take(ids, columns, axis=1), sizes - 1) + (np.cumsum(sizes) - sizes).astype("int32")
            blocks.append(ops.reshape(ops.take(self.means, places, axis=0), (-1, len(columns) * self.outputs)))
        return ops.concatenate(blocks, axis=1)

    def _numbers_and_levels(self, x: Any) -> tuple[Tensor, Tensor]:
        """Return numbers, float32 (N, dn), and level numbers, int32 (N, dc), or None.

        The positions in cycles are the last of the dn numbers. Any structure of arrays gives only numbers.
        """
        if not (isinstance(x, Mapping) and set(x) <= {"numeric", "categorical"}):
            arrays = arrays_of(x)
            flat = [ops.reshape(ops.cast(a, "float32"), (-1, math.prod(a.shape[1:]))) for a in arrays]
            return ops.concatenate(flat, axis=1), None
        ids = ops.cast(x["categorical"], "int32") if "categorical" in x else None
        if "numeric" not in x:
            return ops.zeros((ops.shape(ids)[0], 0)), ids
        numbers = ops.cast(x["numeric"], "float32")
        turns = [cycle_position(numbers[:, j : j + 1], period, ops.floor) for j, period in self.cycles]
        return ops.concatenate([numbers, *turns], axis=1), ids

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor((keras.tree.flatten(x)[0].shape[0], self.columns), "float32")

    @property
    def columns(self) -> int:
        """d, numbers in a row of the matrix."""
        of_levels = len(self.integers) + sum(len(levels) for _, levels in self.kept)
        return self.width + len(self.indicated) + of_levels + len(self.encoded) * self.outputs

    def get_config(self) -> dict[str, Any]:
        base = {name: value for name, value in super().get_config().items() if name != "trainable"}
        lists = {"cycles": [list(c) for c in self.cycles], "kept": [[c, list(levels)] for c, levels in self.kept]}
        plain = {"width": self.width, "keep_nan": self.keep_nan, "indicated": self.indicated, "integers": self.integers}
        # Left out without target encoding, so that such a file is equal to one of an older version.
        encoded = {"encoded": [list(one) for one in self.encoded], "outputs": self.outputs} if self.encoded else {}
        return {**base, **plain, **lists, **encoded}


def _checked_positions(values: Sequence[Any], name: str, most: float = math.inf) -> list[int]:
    """Return positions after checking that they are whole numbers from 0 to below `most`, all different.

    `name` is the argument that contains them, for messages.
    """
    positions = [_checked_position(value, name, most) for value in values]
    if len(set(positions)) < len(positions):
        raise OptionError(f"{name} contains a position twice. Expected each position once.")
    return positions


def _checked_position(value: Any, name: str, most: float) -> int:
    """Return a position after checking that it is a whole number from 0 to below `most`."""
    position = check_int(value, name, 0)
    if position >= most:
        raise OptionError(f"{name} has the position {position}. Expected positions below {most}.")
    return position
