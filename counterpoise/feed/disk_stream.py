"""The stream of a table on disk: blocks of drawn rows are shuffled within a window and cut into batches.

`engines.stream` trains from it in `cp.fit`. The order of the random draws and `CHUNK_ROWS` determine the batches.
`feed.resampling` writes the same drawn rows to a file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core import seeds
from counterpoise.core.label_sources import CHUNK
from counterpoise.data.stored import Stored
from counterpoise.plans.class_plans import Plan

Array = np.ndarray

#: The most rows that are handed on at a time.
CHUNK_ROWS = 16384


@dataclass(eq=False)
class Stream:
    """The batches of a scan, made by `Scan.batches`.

    Each iteration reads one epoch; the next iteration reads the next epoch.

    Attributes:
        table, features, y: The table (see `disk.Scan`).
        plan, batch_size, seed, window: As in `Scan.batches`.
        epoch: The epoch that the next iteration draws.
        rows: Row numbers of the table from which the plan draws. None: all rows.
        inputs: Function from a frame of features to the input of the network. None: numbers or a dict of columns.

    Example:
        >>> import os, tempfile
        >>> import polars as pl
        >>> from counterpoise.feed.disk import scan
        >>> path = os.path.join(tempfile.mkdtemp(), "rows.parquet")
        >>> pl.DataFrame({"a": range(10), "ill": [0] * 8 + [1] * 2}).write_parquet(path)
        >>> rows = scan(path, "ill")
        >>> stream = rows.batches(rows.plan(), batch_size=3)
        >>> stream.num_batches, stream.epoch, [len(y) for _, y in stream], stream.epoch
        (2, 0, [3, 1], 1)
    """

    table: Stored
    features: Sequence[str]
    y: Array
    plan: Plan
    batch_size: int
    seed: int
    window: int
    epoch: int = 0
    rows: Array | None = None
    inputs: Callable[[pl.DataFrame], Any] | None = None
    _weights: Array | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the weights of the plan by row of the table; None if all are equal."""
        weights = self.plan.weights()
        self._weights = None if np.ptp(weights) == 0 else self._by_table_row(weights)

    @property
    def num_batches(self) -> int:
        """Number of batches in an epoch."""
        return -(-len(self.plan) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        number, self.epoch = self.epoch, self.epoch + 1
        return self.of_epoch(number)

    def of_epoch(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Return the batches of one epoch, which depend only on (seed, epoch).

        Drawn rows collect until there are `window` rows and a batch. They are shuffled, all full batches beyond
        `window` rows are yielded, and the other rows wait. At the end all waiting rows are yielded.
        """
        rng = seeds.generator(self.seed, "window", epoch)
        waiting: Block | None = None
        for block in self._drawn_blocks(epoch):
            waiting = block if waiting is None else waiting.then(block)
            if len(waiting) >= self.window + self.batch_size:
                waiting = waiting.take(rng.permutation(len(waiting)))
                full = (len(waiting) - self.window) // self.batch_size * self.batch_size
                yield from waiting.cut(0, full, self.batch_size)
                waiting = waiting.take(np.arange(full, len(waiting)))
        if waiting is not None and len(waiting):
            waiting = waiting.take(rng.permutation(len(waiting)))
            yield from waiting.cut(0, len(waiting), self.batch_size)

    def as_dataset(self, epochs: int | None = None) -> Any:
        """Return the stream as a `tf.data.Dataset`.

        Without `epochs`, the dataset has no end: pass steps_per_epoch=num_batches to `fit`.
        """
        import tensorflow as tf

        first = self.epoch
        sample = next(self.of_epoch(first))
        signature = tf.nest.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), _tf_type(a)), sample)

        def every() -> Iterator[tuple[Any, ...]]:
            for epoch in itertools.count(first) if epochs is None else range(first, first + epochs):
                yield from self.of_epoch(epoch)

        out = tf.data.Dataset.from_generator(every, output_signature=signature)
        size = tf.data.INFINITE_CARDINALITY if epochs is None else epochs * self.num_batches
        return out.apply(tf.data.experimental.assert_cardinality(size)).prefetch(tf.data.AUTOTUNE)

    def _drawn_blocks(self, epoch: int) -> Iterator[Block]:
        """Yield the drawn rows of an epoch in file order, block after block; repeats of a row follow it."""
        times = self._by_table_row(times_drawn(self.plan, epoch, self.seed))
        for drawn, chunk in drawn_chunks(self.table, self.features, times):
            weight = None if self._weights is None else self._weights[drawn]
            yield Block((self.inputs or _network_inputs)(chunk), self.y[drawn], weight)

    def _by_table_row(self, values: Array) -> Array:
        """Return numbers (n,) of the rows of the plan as numbers (N,) of the rows of the table, 0 for other rows."""
        if self.rows is None:
            return values
        out = np.zeros(len(self.y), values.dtype)
        out[self.rows] = values
        return out


@dataclass(frozen=True)
class Block:
    """Some drawn rows in memory: x is an array or a dict of columns, weight None if all rows weigh 1."""

    x: Any
    y: Array
    weight: Array | None

    def __len__(self) -> int:
        return len(self.y)

    def then(self, other: Block) -> Block:
        """Return a block of these rows and then those of `other`."""
        x = (
            {k: np.concatenate([self.x[k], other.x[k]]) for k in self.x}
            if isinstance(self.x, dict)
            else np.concatenate([self.x, other.x])
        )
        weight = None if self.weight is None else np.concatenate([self.weight, other.weight])
        return Block(x, np.concatenate([self.y, other.y]), weight)

    def take(self, rows: Any) -> Block:
        """Return a block of some rows: row numbers in any order, or a slice."""
        x = {k: values[rows] for k, values in self.x.items()} if isinstance(self.x, dict) else self.x[rows]
        return Block(x, self.y[rows], None if self.weight is None else self.weight[rows])

    def cut(self, start: int, end: int, size: int) -> Iterator[tuple[Any, ...]]:
        """Yield batches (x, y) or (x, y, weight) of rows `start` to `end`, the last one shorter."""
        for first in range(start, end, size):
            batch = self.take(slice(first, min(end, first + size)))
            yield (batch.x, batch.y) if batch.weight is None else (batch.x, batch.y, batch.weight)


def times_drawn(plan: Plan, epoch: int, seed: int) -> Array:
    """Return how often an epoch draws each row, uint16 (n,) (uint32 if needed)."""
    drawn = plan.rows(epoch, seed)
    kind = np.uint16 if plan.drawn.max() < 2**16 else np.uint32
    times = np.zeros(len(plan.codes), kind)
    for start in range(0, len(drawn), CHUNK):
        np.add.at(times, drawn[start : start + CHUNK], kind(1))
    return times


def drawn_chunks(table: Stored, columns: Sequence[str], times: Array) -> Iterator[tuple[Array, pl.DataFrame]]:
    """Yield row numbers and rows in chunks, each row `times` times, in order.

    A chunk has at most `CHUNK_ROWS` rows.
    """
    for start, chunk in table.chunks(columns, times > 0):
        yield from repeated_rows(chunk, start, times)


def repeated_rows(chunk: pl.DataFrame, start: int, times: Array) -> Iterator[tuple[Array, pl.DataFrame]]:
    """Yield row numbers and rows of a chunk in order, each row as often as `times` says.

    `start` is the number of its first row in the table, and `times` (N,) belongs to the whole table.
    """
    rows = np.repeat(np.arange(chunk.height, dtype=np.uint32), times[start : start + chunk.height])
    for first in range(0, len(rows), CHUNK_ROWS):
        piece = rows[first : first + CHUNK_ROWS]
        yield start + piece, chunk[piece]


def _network_inputs(chunk: pl.DataFrame) -> Any:
    """Return columns as one float32 array (rows, d) if all are numbers, otherwise as a dict of arrays.

    Missing numbers are NaN.
    """
    numeric = {c: dtype.is_numeric() or dtype == pl.Boolean for c, dtype in chunk.schema.items()}
    if all(numeric.values()):
        return np.ascontiguousarray(chunk.cast(pl.Float32).to_numpy())
    return {
        c: chunk[c].cast(pl.Float32).to_numpy()
        if number
        else chunk[c].cast(pl.String).fill_null("").to_numpy().astype(str)
        for c, number in numeric.items()
    }


def _tf_type(array: Array) -> Any:
    """Return the type of an array in TensorFlow; text is tf.string."""
    import tensorflow as tf

    return tf.string if array.dtype.kind in "OUS" else tf.as_dtype(array.dtype)
