"""A table's raw columns to the row that a network sees: a Keras layer that ships inside the model.

What the layer learns (center and scale of numbers, which levels a training row has shown) is held in non-trainable
variables, set from the training rows of one fold only; neither labels nor the order of rows matter. Its structure comes
from the schema, so one trace serves every fold. Fixed: model files keep the arguments, and the variables in the order
in which they are made.

Numbers: z = (x - median) / (q75 - q25), then z / sqrt(1 + (z / 3)^2), which keeps order and bounds outliers
(Holzmueller et al. 2024, "Better by Default", section 3: robust scaling and smooth clipping). Missing becomes
the median, and a column that has missing values gets an indicator. Levels are one-hot; missing, and levels that
training showed once or never, have slots of their own.

Cycles: a time stamp also gives the sine and cosine of its position in the day, the week, ... (see `data.cycles`).

On request each number is also laid out over quantile bins of the training rows: entry t is how far the number has
come through bin t, from 0 to 1 (piecewise-linear encoding: Gorishniy et al. 2022, "On Embeddings for Numerical
Features", section 3.2). A linear layer on these entries is a piecewise-linear function of the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.examples import Examples
from counterpoise.core.schema import Schema
from counterpoise.data.cycles import cycle_columns, cycle_name, cycle_position
from counterpoise.data.levels import MAX_LEVELS

Array = np.ndarray

#: Scaled numbers are cut here, where the smooth clip has long reached its bound: larger squares overflow float32.
FARTHEST = 1e6


@keras.saving.register_keras_serializable(package="counterpoise")
class TableEncoder(keras.layers.Layer):
    """Encode `{"numeric": (N, dn) with NaN, "categorical": (N, dc) ids}` as one float row (N, d).

    Args:
        n_numeric: dn, number of numeric columns.
        indicators: Positions of numeric columns that get a missing-value indicator.
        levels: L_j for each categorical column: ids are 0 (missing), 1..L_j (levels), L_j + 1 (unseen).
        names: Names of the d entries of an encoded row, for reports.
        bins: Quantile bins per numeric column; 0 for none.
        cycles: (Position of a numeric column, period in its unit) of each cycle.

    The variables are set from `learned`, never by gradient.
    """

    def __init__(
        self,
        n_numeric: int,
        indicators: Sequence[int],
        levels: Sequence[int],
        names: Sequence[str] = (),
        bins: int = 0,
        cycles: Sequence[tuple[int, float]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_numeric = int(n_numeric)
        self.cycles = [(int(column), float(period)) for column, period in cycles]
        self.indicators = [int(i) for i in indicators]
        self.levels = [int(size) for size in levels]
        self.names, self.bins = list(names), int(bins)
        self.center = self._add_state("center", (self.n_numeric,), "float32", "zeros")
        self.scale = self._add_state("scale", (self.n_numeric,), "float32", "ones")
        self.slots = self._add_state("slots", (sum(size + 2 for size in self.levels),), "int32", "zeros")
        # Each bin starts at `low` and is passed at `low` + 1 / `steep`; a bin that a column does not need has steep 0.
        self.low = self._add_state("low", (self.n_numeric, self.bins), "float32", "zeros")
        self.steep = self._add_state("steep", (self.n_numeric, self.bins), "float32", "zeros")

    def _add_state(self, name: str, shape: tuple[int, ...], dtype: str, initializer: str) -> Any:
        """Return a new variable that no gradient trains."""
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer=initializer, trainable=False)

    @property
    def widths(self) -> list[int]:
        """Slots of each categorical column in a row: missing, other, one per kept level."""
        return [min(size, MAX_LEVELS) + 2 for size in self.levels]

    @property
    def width(self) -> int:
        """d, the length of an encoded row."""
        return self.n_numeric * (1 + self.bins) + len(self.indicators) + 2 * len(self.cycles) + sum(self.widths)

    def call(self, x: Mapping[str, Any]) -> Any:
        """Return rows (N, d): scaled numbers, bins, missing indicators, cycles, one-hot levels.

        `names` and `width` follow this order, and so do the weights of the first layer behind it.
        """
        blocks = []
        if self.n_numeric:
            raw = ops.cast(x["numeric"], "float32")
            missing = ops.isnan(raw)
            z = ops.clip(ops.where(missing, 0.0, (raw - self.center) * self.scale), -FARTHEST, FARTHEST)
            blocks.append(z / ops.sqrt(1.0 + ops.square(z / 3.0)))
            if self.bins:
                blocks.append(self._through_bins(ops.where(missing, ops.convert_to_tensor(self.center), raw)))
            if self.indicators:
                blocks.append(ops.cast(ops.take(missing, np.array(self.indicators, "int32"), axis=1), "float32"))
            if self.cycles:
                blocks.append(self._through_cycles(raw, missing))
        if self.levels:
            blocks.append(self._one_hot(x["categorical"]))
        return ops.cast(ops.concatenate(blocks, axis=1), self.compute_dtype)

    def _one_hot(self, ids: Any) -> Any:
        """Return the one-hot rows of ids (N, dc), float32 (N, sum of `widths`).

        All columns are encoded together, because there may be thousands.
        """
        sizes, widths = np.array(self.levels, "int32"), self.widths
        starts = np.concatenate([[0], np.cumsum(sizes + 2)[:-1]]).astype("int32")
        # Clipped from 1 on: LiteRT makes a Relu6 of a clip of whole numbers to 0 .. 6, and has it for floats only.
        known = ops.clip(ops.cast(ids, "int32") + 1, 1, sizes + 2) - 1
        slot = ops.take(self.slots, known + starts)  # -1, never seen in training, is a row of zeros
        # One entry for each output column: its categorical column, and its slot within this column.
        columns = np.repeat(np.arange(len(widths), dtype="int32"), widths)
        within = np.concatenate([np.arange(width, dtype="int32") for width in widths])
        return ops.cast(ops.equal(ops.take(slot, columns, axis=1), within), "float32")

    def _through_bins(self, numbers: Any) -> Any:
        """Return how far (0 to 1) each number has come through each bin, (N, dn * bins)."""
        passed = ops.clip((ops.expand_dims(numbers, -1) - self.low) * self.steep, 0.0, 1.0)
        return ops.reshape(passed, (-1, self.n_numeric * self.bins))

    def _through_cycles(self, raw: Any, missing: Any) -> Any:
        """Return sine and cosine of the position in each cycle, (N, 2 * cycles); 0 for missing."""
        columns = np.array([column for column, _ in self.cycles], "int32")
        known = 1.0 - ops.cast(ops.take(missing, columns, axis=1), "float32")
        days = ops.take(ops.where(missing, 0.0, raw), columns, axis=1)
        turns = [cycle_position(days[:, i : i + 1], period, ops.floor) for i, (_, period) in enumerate(self.cycles)]
        angle = 2 * np.pi * ops.concatenate(turns, axis=1)
        return ops.concatenate([ops.sin(angle) * known, ops.cos(angle) * known], axis=1)

    def compute_output_shape(self, shapes: Mapping[str, tuple[int | None, ...]]) -> tuple[int | None, int]:
        """Return the shape (N, d) of encoded rows."""
        return (next(iter(shapes.values()))[0], self.width)

    def compute_output_spec(self, x: Mapping[str, Any]) -> Any:
        """Return shape and type of encoded rows as a symbolic tensor."""
        return keras.KerasTensor((next(iter(x.values())).shape[0], self.width), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, which model files keep."""
        lists: dict[str, Any] = {"indicators": self.indicators, "levels": self.levels, "names": self.names}
        lists["cycles"] = [list(cycle) for cycle in self.cycles]
        own = {"n_numeric": self.n_numeric, "bins": self.bins, **{k: [*v] for k, v in lists.items()}}  # plain: pickles
        return {**super().get_config(), **own}

    def learned(self, x: Mapping[str, Array]) -> list[Array]:
        """Return values for the variables (center, scale, slots, low, steep), in the order in which they were made.

        `x` are the rows to learn from: the training rows of one fold.
        """
        nothing = np.zeros(0, "float32"), np.zeros((0, self.bins), "float32")
        center, scale = learn_numbers(x["numeric"]) if self.n_numeric else (nothing[0], nothing[0])
        low, steep = learn_bins(x["numeric"], self.bins) if self.n_numeric else (nothing[1], nothing[1])
        slots = [learn_levels(x["categorical"][:, j], size) for j, size in enumerate(self.levels)]
        return [center, scale, np.concatenate([np.zeros(0, "int32"), *slots]), low, steep]


def encoder_for(examples: Examples, bins: int = 0) -> TableEncoder:
    """Return the encoder whose structure fits a table; its variables are learned later, fold by fold."""
    assert examples.schema is not None
    return encoder_of_schema(examples.schema, bins)


def encoder_of_schema(schema: Schema, bins: int = 0) -> TableEncoder:
    """Return the encoder of a schema (see `TableEncoder`), with the names of its entries in the order of `call`."""
    numeric, categorical = schema.numeric, schema.categorical
    indicators = [i for i, column in enumerate(numeric) if column.missing]
    names = [c.name for c in numeric] + [f"{c.name} bin {t}" for c in numeric for t in range(bins)]
    names += [f"{numeric[i].name} is missing" for i in indicators]
    cycles = cycle_columns(schema)
    for wave in ("sine", "cosine"):
        names += [f"{numeric[j].name} {wave} of the {cycle_name(period, numeric[j].unit)}" for j, period in cycles]
    for column in categorical:
        kept = min(len(column.levels), MAX_LEVELS)
        names += [f"{column.name} is missing", f"{column.name} other", *[f"{column.name} {k}" for k in range(kept)]]
    levels = [len(c.levels) for c in categorical]
    return TableEncoder(len(numeric), indicators, levels, names, bins, cycles, name="encoder", dtype="float32")


def learn_numbers(values: Array) -> tuple[Array, Array]:
    """Return median and inverse spread per column of (n, dn), float32 (dn,), without NaN.

    Spread is q75 - q25; where that is 0, half the range; a column with one value, or with a spread whose inverse
    float32 cannot hold, gets factor 0.
    """
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column may be all missing in one fold
            quartiles = np.percentile(values, [25, 50, 75], axis=0)
            gaps = np.isnan(quartiles[0])  # column by column, which takes long for thousands
            quartiles[:, gaps] = np.nanpercentile(values[:, gaps], [25, 50, 75], axis=0)
            low, center, high = quartiles
            half = (np.nanmax(values, axis=0) - np.nanmin(values, axis=0)) / 2
    spread = np.where(high > low, high - low, half)
    usable = np.isfinite(spread) & (spread > np.finfo(np.float32).tiny)
    factor = np.where(usable, 1.0 / np.where(usable, spread, 1.0), 0.0)
    return np.nan_to_num(center).astype("float32"), factor.astype("float32")


def learn_bins(values: Array, bins: int) -> tuple[Array, Array]:
    """Return start and inverse width of quantile bins per column, float32 (dn, bins).

    NaN and infinite values are left out.

    The edges are the quantiles 0, 1 / bins, ..., 1, equal ones taken once: a column of few values has fewer bins, and
    the others stay empty (inverse width 0).
    """
    low, steep = np.zeros((2, values.shape[1], bins), "float32")
    for column in range(values.shape[1] if bins else 0):
        known = values[:, column][np.isfinite(values[:, column])]
        if len(known):
            edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)).astype("float32"))
            used = len(edges) - 1
            low[column, :used], steep[column, :used] = edges[:-1], 1.0 / np.diff(edges)
    return low, np.where(np.isfinite(steep), steep, 0.0)


def learn_levels(ids: Array, size: int) -> Array:
    """Return the slot of each id in the one-hot row, int32 (size + 2,).

    Kept are the `MAX_LEVELS` most frequent levels that training rows show at least twice; the rest share "other". A
    slot that no training row fills would have untrained weights: such ids get -1, a zero row. A slot is 0 for missing,
    1 for other, 2 and more for kept levels, and -1 for none.
    """
    seen = np.bincount(ids, minlength=size + 2)
    levels = seen[1 : size + 1]
    order = np.argsort(-levels, kind="stable")[:MAX_LEVELS]
    kept = order[levels[order] >= 2]
    pooled = levels.sum() > levels[kept].sum()
    slot = np.full(size + 2, 1 if pooled else -1, "int32")
    slot[0] = 0 if seen[0] else -1
    slot[1 + kept] = 2 + np.arange(len(kept), dtype="int32")
    return slot
