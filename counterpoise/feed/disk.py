"""Tables larger than memory: classes counted in one pass, then rows streamed as a plan draws them.

What is kept in memory is the label of each row (4 bytes), how often an epoch draws it (2 bytes), and a window of rows.
"""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice, check_int
from counterpoise.core.errors import ColumnError, DataError, OptionError, TargetError, did_you_mean
from counterpoise.core.fork_guard import use
from counterpoise.feed.disk_stream import INDEX, Stream
from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan
from counterpoise.plans.labels import codes_of, count_codes
from counterpoise.plans.schedule import check_single

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Scan:
    """A table on disk whose labels are known; made by `scan`.

    Attributes:
        frame: Lazy frame of all columns.
        target: The label column.
        features: The columns that a network is fed.
        y: int32 (N,), class codes in file order.
        classes: The labels behind the codes.
        weights: float64 (N,), the user's weights, or None.
        source: Name for messages.
        seekable: Whether rows can be reached without reading those before them: in Parquet, not in text.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "rows.parquet")
        >>> pl.DataFrame({"a": range(10), "ill": ["no"] * 8 + ["yes"] * 2}).write_parquet(path)
        >>> rows = scan(path, "ill")
        >>> rows.classes, rows.features, rows.counts.tolist()
        (('no', 'yes'), ('a',), [8, 2])
    """

    frame: pl.LazyFrame
    target: str
    features: tuple[str, ...]
    y: Array
    classes: tuple[Any, ...]
    weights: Array | None = None
    source: str = "table"
    seekable: bool = False

    def __len__(self) -> int:
        return len(self.y)

    @property
    def counts(self) -> Array:
        """Rows per class, int64 (C,)."""
        return count_codes(self.y, len(self.classes))

    def read(self, rows: Array) -> pl.DataFrame:
        """Features of some rows (sorted row numbers), as they stand in the table, in one streaming pass."""
        use("Polars")
        wanted = pl.col(INDEX).is_in(pl.Series(np.asarray(rows, np.uint32)).implode())
        numbered = self.frame.select(self.features).with_row_index(INDEX)
        return numbered.filter(wanted).collect(engine="streaming").sort(INDEX).drop(INDEX)

    def plan(self, make: Callable[..., Plan] = plans.undersample, **options: Any) -> Plan:
        """A plan over these rows: `scan.plan(cp.plans.oversample, ratio=0.5)`."""
        return make(self.y, sample_weight=self.weights, classes=range(len(self.classes)), **options)

    def batches(
        self,
        plan: Plan | None = None,
        batch_size: int = 256,
        seed: int = 0,
        *,
        window: int = 65536,
        epoch: int = 0,
    ) -> Stream:
        """A re-balanced stream of batches (x, y[, weight]), shuffled within a window of drawn rows.

        Args:
            plan: What each epoch draws, from `self.plan`; None: every row once.
            batch_size: Rows of a batch; the last one of an epoch may be smaller.
            seed: A stream is a pure function of (seed, epoch).
            window: Drawn rows that are mixed together. A file that is sorted by class needs a window of its size, or
                one shuffling beforehand; a warning says so.
            epoch: The epoch to start with.
        """
        plan = self.plan(plans.uniform) if plan is None else plan
        if plan.needs_features:
            raise OptionError(
                f"plan {plan.name!r} looks at features of all rows at once; a stream has only its window."
            )
        check_single(plan)
        if len(plan.codes) != len(self):
            raise DataError(f"the plan was made for {len(plan.codes):,} rows, but {self.source} has {len(self):,}.")
        check_int(batch_size, "batch_size")
        check_int(window, "window")
        self._warn_of_order(plan, window)
        check_int(epoch, "epoch", 0)
        check_int(seed, "seed", 0)
        return Stream(self.frame, self.features, self.y, plan, batch_size, seed, window, epoch, seekable=self.seekable)

    def _warn_of_order(self, plan: Plan, window: int) -> None:
        """Say when a window of drawn rows would lack a class that it should hold 30 times."""
        rows = max(1, round(window * len(self) / len(plan)))
        share = plan.drawn / plan.drawn.sum()
        due = np.flatnonzero(share * window >= 30)
        for start in range(0, len(self) - rows + 1, rows):
            seen = count_codes(self.y[start : start + rows], len(self.classes))
            if np.any(seen[due] == 0):
                label = self.classes[due[int(np.argmin(seen[due]))]]
                warnings.warn(
                    f"rows {start + 1:,} to {start + rows:,} of {self.source} hold no row of class {label!r}: the file "
                    f"seems sorted. Shuffle it once, or raise window (now {window:,} drawn rows).",
                    UserWarning,
                    stacklevel=3,
                )
                return


def scan(source: str | os.PathLike[str], target: str, *, drop: Sequence[str] = (), sample_weight: str = "") -> Scan:
    """Open a table that need not fit in memory and count its classes in one streaming pass.

    Args:
        source: A Parquet or CSV file, a folder of Parquet files, or a pattern such as "rows-*.csv".
        target: The label column.
        drop: Columns that the network is not fed.
        sample_weight: A column of your own weights, or "".

    Raises:
        DataError: Nothing to read.
        TargetError: No such column, missing labels, fractional labels, or one class only.

    Example:
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "rows.csv")
        >>> pl.DataFrame({"a": range(10), "ill": [0] * 8 + [1] * 2}).write_csv(path)
        >>> rows = scan(path, "ill")
        >>> rows.counts.tolist(), [len(y) for _, y in rows.batches(rows.plan(), batch_size=3)]
        ([8, 2], [3, 1])
    """
    use("Polars")
    frame, name, seekable = _lazy(str(source))
    columns = frame.collect_schema().names()
    if target not in columns:
        raise TargetError(f"target {target!r} is no column of {name}.{did_you_mean(target, columns)}")
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    for column in [*drop, *([sample_weight] if sample_weight else [])]:
        if column not in columns:
            raise ColumnError(f"{column!r} is no column of {name}.{did_you_mean(column, columns)}")
    beside = frame.select([target, *([sample_weight] if sample_weight else [])]).collect(engine="streaming")
    codes, classes = _labels(beside[target], name)
    weights = beside[sample_weight].to_numpy().astype(float) if sample_weight else None
    features = tuple(c for c in columns if c not in (target, *drop, sample_weight))
    if not features:
        raise ColumnError(f"no column of {name} is left to learn from.")
    return Scan(frame, target, features, codes, classes, weights, name, seekable)


def _lazy(source: str) -> tuple[pl.LazyFrame, str, bool]:
    """The table, its name for messages, and whether it is seekable."""
    # Polars reads row groups ahead of need; one at a time takes the least memory and is as fast.
    os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", "1")
    path = Path(source)
    if path.is_dir():
        pattern, kind = str(path / "**" / "*.parquet"), ".parquet"
    else:
        pattern, kind = source, path.suffix.lower()
    if not glob.glob(pattern, recursive=True):
        raise DataError(f"{source} is not there" + (" or holds no Parquet file." if path.is_dir() else "."))
    check_choice(kind, "the file's ending", (".parquet", ".pq", ".csv", ".tsv"))
    try:
        if kind in (".csv", ".tsv"):
            frame = pl.scan_csv(pattern, separator="\t" if kind == ".tsv" else ",", infer_schema_length=10_000)
        else:
            frame = pl.scan_parquet(pattern)
        frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{source} cannot be read: {str(error).splitlines()[0]}") from None
    return frame, path.name, kind in (".parquet", ".pq")


def _labels(column: pl.Series, name: str) -> tuple[Array, tuple[Any, ...]]:
    if not len(column):
        raise DataError(f"{name} has no rows.")
    if column.null_count():
        raise TargetError(f"target {column.name!r} is missing in {column.null_count():,} rows; fill or leave them out.")
    if column.dtype.is_integer() or column.dtype.is_float() or column.dtype == pl.Boolean:
        codes, classes = codes_of(column.to_numpy())
    else:
        text = column.cast(pl.String)
        classes = tuple(text.unique().sort().to_list())
        codes = text.cast(pl.Enum(classes)).to_physical().to_numpy().astype(np.int32)
    if len(classes) < 2:
        raise TargetError(f"target {column.name!r} holds one class only, {classes[0]!r}.")
    return codes, classes
