"""Tables larger than memory: classes are counted in one pass, then rows are read as a plan draws them.

Memory contains the label of each row (4 bytes), how often an epoch draws the row (2 bytes), and a window of rows.
`cp.fit` trains on a scan too (`pipeline.scan`).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_int
from counterpoise.core.errors import ColumnError, DataError, OptionError, TargetError, did_you_mean
from counterpoise.core.label_names import warn_look_alikes
from counterpoise.core.labels import count_codes
from counterpoise.data.labels import encode_labels
from counterpoise.data.row_metadata import weights
from counterpoise.data.stored import Stored, stored
from counterpoise.feed.disk_stream import Stream, drawn_chunks
from counterpoise.plans import class_plans as plans
from counterpoise.plans.chaining import with_codes
from counterpoise.plans.class_plans import Plan
from counterpoise.plans.schedule import check_single

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Scan:
    """A table on disk with known labels, made by `scan`.

    Attributes:
        table: The files.
        target: The label column.
        features: The columns that the network receives.
        y: int32 (N,), class codes in file order.
        classes: The labels of the codes. With two classes, the rarer class is last.
        weights: float64 (N,), the user's weights, or None.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "rows.parquet")
        >>> pl.DataFrame({"a": range(10), "ill": ["no"] * 8 + ["yes"] * 2}).write_parquet(path)
        >>> rows = scan(path, "ill")
        >>> rows.classes, rows.features, rows.counts.tolist()
        (('no', 'yes'), ('a',), [8, 2])
    """

    table: Stored
    target: str
    features: tuple[str, ...]
    y: Array
    classes: tuple[Any, ...]
    weights: Array | None = None

    @property
    def source(self) -> str:
        """The name of the table for messages."""
        return self.table.name

    def __len__(self) -> int:
        return len(self.y)

    @property
    def counts(self) -> Array:
        """Rows per class, int64 (C,)."""
        return count_codes(self.y, len(self.classes))

    def read(self, rows: Array) -> pl.DataFrame:
        """Return the features of some rows (sorted row numbers), in one pass."""
        # How often each row is read: once or not at all.
        times = np.zeros(len(self), np.uint8)
        times[rows] = 1
        return pl.concat([chunk for _, chunk in drawn_chunks(self.table, self.features, times)])

    def plan(self, make: Callable[..., Plan] = plans.undersample, **options: Any) -> Plan:
        """Make a plan for these rows: `scan.plan(cp.plans.oversample, ratio=0.5)`.

        Options that are dicts are by label. Lists are in the order of `classes`.
        """
        make = with_codes(partial(make, **options), self.classes)
        return make(self.y, sample_weight=self.weights, classes=range(len(self.classes)))

    def batches(
        self,
        plan: Plan | None = None,
        batch_size: int = 256,
        seed: int = 0,
        *,
        window: int = 65536,
        epoch: int = 0,
    ) -> Stream:
        """Return batches of rows that a plan draws, shuffled within a window of drawn rows.

        Batches are (x, y[, weight]).

        Args:
            plan: The plan of each epoch, from `self.plan`. None: every row once.
            batch_size: Rows of a batch. The last batch of an epoch may be smaller.
            seed: Random seed. A stream depends only on (seed, epoch).
            window: Number of drawn rows that are shuffled together. If a file is sorted by class, a warning is given:
                shuffle the file first, or pass a window of its size.
            epoch: The epoch to start with.
        """
        plan = self.plan(plans.uniform) if plan is None else plan
        if plan.needs_features:
            raise OptionError(
                f"Plan {plan.name!r} needs the features of all rows, but a stream keeps only a window of rows in "
                f"memory. Choose another plan."
            )
        if plan.batch_size is not None:
            raise OptionError(
                f"Plan {plan.name!r} fills batches of {plan.batch_size} rows with a quota of each class, but a stream "
                "shuffles rows within a window. Choose another plan, or use cp.batches with rows in memory."
            )
        check_single(plan)
        if len(plan.codes) != len(self):
            raise DataError(
                f"The plan was made for {len(plan.codes):,} rows, but {self.source} has {len(self):,}. Make the "
                f"plan with scan.plan()."
            )
        check_int(batch_size, "batch_size")
        check_int(window, "window")
        self._warn_of_order(plan, window)
        check_int(epoch, "epoch", 0)
        check_int(seed, "seed", 0)
        return Stream(self.table, self.features, self.y, plan, batch_size, seed, window, epoch)

    def _warn_of_order(self, plan: Plan, window: int) -> None:
        """Give a UserWarning if the file seems to be sorted by class.

        A window of drawn rows then lacks a class that it should contain at least 30 times.
        Only whole windows are checked, one after the other, and only the first one that fails is reported.
        """
        # Rows of the file from which a window of drawn rows comes on average.
        rows = max(1, round(window * len(self) / len(plan)))
        share = plan.drawn / plan.drawn.sum()
        due = np.flatnonzero(share * window >= 30)
        for start in range(0, len(self) - rows + 1, rows):
            seen = count_codes(self.y[start : start + rows], len(self.classes))
            if np.any(seen[due] == 0):
                label = self.classes[due[int(np.argmin(seen[due]))]]
                warnings.warn(
                    f"Rows {start + 1:,} to {start + rows:,} of {self.source} contain no {label!r} row. The file "
                    f"seems to be sorted by class. Shuffle the file once, or pass a larger window= (now {window:,}).",
                    UserWarning,
                    stacklevel=3,
                )
                return


def scan(source: str | os.PathLike[str], target: str, *, drop: Sequence[str] = (), sample_weight: str = "") -> Scan:
    """Open a table that can be larger than memory, and count its classes in one pass.

    Rows are read by the rules of `fit`: separators, words for missing values, types and labels are the same.

    Args:
        source: A Parquet or CSV file, a folder of files, or a pattern such as "rows-*.csv".
        target: The label column.
        drop: Columns that the network does not receive.
        sample_weight: Name of a column with your own weights, or "".

    Raises:
        DataError: There is nothing to read, or a line cannot be read.
        TargetError: The target column is missing, has missing or fractional labels, or has only one class.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "rows.csv")
        >>> pl.DataFrame({"a": range(10), "ill": [0] * 8 + [1] * 2}).write_csv(path)
        >>> rows = scan(path, "ill")
        >>> rows.counts.tolist(), [len(y) for _, y in rows.batches(rows.plan(), batch_size=3)]
        ([8, 2], [3, 1])
    """
    table = stored(source)
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    weight_columns = [sample_weight] if sample_weight else []
    check_target_column(table, target)
    for column in [*drop, *weight_columns]:
        if column not in table.columns:
            raise ColumnError(f"{column!r} is not a column of {table.name}.{did_you_mean(column, table.columns)}")
    others = {target, *drop, *weight_columns}
    features = tuple(c for c in table.columns if c not in others)
    if not features:
        raise ColumnError(f"No column of {table.name} is left. Drop fewer columns.")
    table.check(features)
    columns = table.values([target, *weight_columns], target)
    labels = encode_labels(columns[target], written=table.written)
    warn_look_alikes(labels.classes, f"Target {target!r}")
    weight = weights(columns[sample_weight]).astype(float) if sample_weight else None
    return Scan(table, target, features, labels.codes, labels.classes, weight)


def check_target_column(table: Stored, target: Any) -> None:
    """Raise a TargetError unless `target` names one column of the table."""
    if not isinstance(target, str):
        given = getattr(target, "target", target)
        raise TargetError(
            f"The target is {given!r:.80}. Expected the name of one column, because rows that are read from disk have "
            "one class each. For several labels per row, pass the file to cp.fit, which reads it into memory."
        )
    if target not in table.columns:
        raise TargetError(f"Target {target!r} is not a column of {table.name}.{did_you_mean(target, table.columns)}")
