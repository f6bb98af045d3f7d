"""Batches of a plan: redrawn each epoch, nothing copied, any kind of input.

A batch is a pure function of (seed, epoch, step). So two workers give what one gives, and a run that starts in the
middle sees what the uninterrupted run saw.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int, check_lengths, rows_text
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.label_sources import library_of, source_of
from counterpoise.core.label_values import plain_label
from counterpoise.core.labels import read_labels
from counterpoise.feed.augmenting import Augmenter, augmenter_of
from counterpoise.feed.blocks import BLOCK_BYTES, Blocks
from counterpoise.feed.blocks import Batch as Batch
from counterpoise.feed.sources import ArrayRows, Joined, Rows, arrays_in, in_memory, labels_like, rows_of, whole
from counterpoise.plans.class_plans import Plan, uniform
from counterpoise.plans.labels import codes_of
from counterpoise.plans.quotas import quota as quota_plan
from counterpoise.plans.schedule import check_single
from counterpoise.plans.weights import output_names

Array = np.ndarray


class Feed(keras.utils.PyDataset):
    """The batches of a plan, made by `batches`.

    `feed[k]` is batch k of the current epoch (Keras moves the epoch on by itself). Use `endless` when you pass
    `steps_per_epoch`, and `as_dataset` for tf.data.

    Attributes:
        plan: The plan, realized on the rows.
        batch_size: Rows of a full batch.
        seed: Seed of the draws.
        epoch: The epoch that `feed[0]` belongs to.

    Example:
        >>> from counterpoise import plans
        >>> x, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> feed = batches(x, y, plans.oversample(y), batch_size=4)
        >>> feed.num_batches, feed[0][0].shape, feed.batch(0, 0).rows.dtype.name
        (3, (4, 1), 'int32')
    """

    def __init__(
        self,
        x: Rows,
        y: Rows | None,
        plan: Plan,
        *,
        batch_size: int,
        seed: int,
        drop_last: bool,
        extras: Mapping[str, Rows],
        epoch: int,
        augmenter: Augmenter | None,
        **workers: Any,
    ) -> None:
        super().__init__(**workers)
        self.x, self.y, self.plan, self.extras, self.augmenter = x, y, plan, extras, augmenter
        self.batch_size, self.seed, self.drop_last, self.epoch = batch_size, seed, drop_last, epoch
        self.weights = _uneven(plan.weights())
        whole_batches, rest = divmod(len(plan), batch_size)
        self._num_batches = whole_batches + (rest > 0 and not drop_last)
        self._within = False
        self._drawn: dict[int, Array] = {}
        self._lock = threading.Lock()
        self._blocks = self._made_together()

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return self._num_batches

    @property
    def needs_calibration(self) -> bool:
        """True when the plan's shift alone does not give true probabilities (see `Plan`)."""
        return self.plan.needs_calibration or bool(self.augmenter and self.augmenter.only_repeats)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        later, step = divmod(int(index), self.num_batches)
        return self.batch(self.epoch + later, step).for_keras()

    def on_epoch_begin(self) -> None:
        self._within = True

    def on_epoch_end(self) -> None:
        # Keras also ends an epoch that it never began, when it resets its iterator.
        self.epoch += self._within
        self._within = False

    def rows(self, epoch: int, step: int) -> Array:
        """Row numbers of one batch."""
        return self._epoch_rows(epoch)[step * self.batch_size : (step + 1) * self.batch_size]

    def batch(self, epoch: int, step: int) -> Batch:
        """One batch with its extras: a pure function of (seed, epoch, step)."""
        return self._one(epoch, step) if self._blocks is None else self._blocks.batch(epoch, step)

    def endless(self, start: int = 0) -> Endless:
        """The same batches without end, from step `start` on: for `fit(..., steps_per_epoch=...)` and for resuming."""
        return Endless(self, start)

    def as_dataset(self, epochs: int | None = None, start: int = 0, extras: bool = False) -> Any:
        """The batches as a `tf.data.Dataset`.

        Args:
            epochs: How many epochs of the plan; None = without end (give `fit` steps_per_epoch=feed.num_batches).
            start: The step to start at, counted from the feed's epoch; resumes a run in its middle.
            extras: Whether elements end with the dict of extras.

        Each epoch is redrawn; arrays in memory are gathered by TensorFlow, other inputs by NumPy.
        """
        from counterpoise.feed.datasets import dataset_of

        return dataset_of(self, epochs, start, extras)

    def _one(self, epoch: int, step: int) -> Batch:
        batch = self._of(self.rows(epoch, step))
        if self.augmenter is None:
            return batch
        seed = seeds.integer(self.seed, "augment", epoch, step)
        return replace(batch, x=self.augmenter.apply(batch.x, self._repeated(epoch, step), seed))

    def _of(self, rows: Array) -> Batch:
        """The batch of these rows, not augmented."""
        return Batch(
            rows,
            self.x.take(rows),
            None if self.y is None else self.y.take(rows),
            None if self.weights is None else self.weights[rows],
            {name: values.take(rows) for name, values in self.extras.items()},
        )

    def _made_together(self) -> Blocks | None:
        """Several batches gathered at once, where their rows are in memory and small."""
        sources = [self.x, *([] if self.y is None else [self.y]), *self.extras.values()]
        if self.augmenter is not None or not all(in_memory(source) for source in sources):
            return None
        row = sum(source.nbytes // len(source) for source in arrays_in(sources))
        together = BLOCK_BYTES // max(1, row * self.batch_size)
        return Blocks(self._epoch_rows, self._of, self.batch_size, self.num_batches, together) if together > 1 else None

    def _epoch_rows(self, epoch: int) -> Array:
        with self._lock:
            if epoch not in self._drawn:
                # Workers may still be busy with the epoch before.
                self._drawn = {k: v for k, v in self._drawn.items() if k == epoch - 1}
                self._drawn[epoch] = self.plan.rows(epoch, self.seed)
            return self._drawn[epoch]

    def _repeated(self, epoch: int, step: int) -> Array | None:
        """Which rows of a batch the epoch has shown before, bool (B,); None: it does not matter."""
        if not (self.augmenter and self.augmenter.only_repeats):
            return None
        drawn = self._epoch_rows(epoch)
        again = np.ones(len(drawn), bool)
        again[np.unique(drawn, return_index=True)[1]] = False
        return again[step * self.batch_size : (step + 1) * self.batch_size]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_drawn", "_blocks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _drawn={})
        self._blocks = self._made_together()


class Endless(keras.utils.PyDataset):
    """A feed whose item k is step `start` + k; it has no end. Made by `Feed.endless`."""

    num_batches = None

    def __init__(self, feed: Feed, start: int = 0) -> None:
        how = {k: getattr(feed, k) for k in ("workers", "use_multiprocessing", "max_queue_size")}
        super().__init__(**how)
        self.feed, self.start = feed, check_int(start, "start", 0)
        self.epoch = feed.epoch

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        epoch, step = divmod(self.start + int(index), self.feed.num_batches)
        return self.feed.batch(self.epoch + epoch, step).for_keras()


def batches(
    x: Any,
    y: Any = None,
    plan: Plan | None = None,
    batch_size: int = 256,
    seed: int = 0,
    drop_last: bool = False,
    *,
    quota: Any = None,
    sample_weight: Any = None,
    extras: Mapping[str, Any] | None = None,
    load: Callable[[Any], Any] | None = None,
    augment: Any = None,
    epoch: int = 0,
    workers: int = 1,
    use_multiprocessing: bool = False,
    max_queue_size: int = 10,
) -> Feed:
    """Feed a plan's rows to Keras (`model.fit(feed)`) or tf.data (`feed.as_dataset()`), redrawn each epoch.

    Args:
        x: Arrays of any rank, dicts and tuples of them, frames, sparse matrices, memory maps, HDF5-like objects, a
            folder of images (`cp.images`), or items with `load`.
        y: Targets of the rows, any shape; text becomes the plan's class codes. A folder of images brings its own.
        plan: What each epoch draws; None: every row once.
        batch_size: Rows of a batch; the last batch of an epoch may be smaller.
        seed: A batch is a pure function of (seed, epoch, step).
        drop_last: Leave out a last batch that is not full.
        quota: Rows of each class in every batch, a dict by label, or "equal" (see `plans.quota`); instead of a plan.
        sample_weight: Your own weights (N,); they multiply in.
        extras: name -> values per row (groups, ids); they travel along in `feed.batch(epoch, step).extras`.
        load: item of x -> array, for lists of file paths.
        augment: "auto", a Keras augmentation layer, a list of them, or ("repeats", layer) (see `cp.images`).
        epoch: The epoch to start with.
        workers: As in `keras.utils.PyDataset`; results do not depend on it. use_multiprocessing, max_queue_size too.

    Raises:
        DataError: Lengths that do not match, or an input without rows.
        OptionError: Arguments out of range or in conflict.

    `fit` shuffles the batches of a PyDataset unless it is told shuffle=False; that changes their order alone.

    Example:
        >>> from counterpoise import plans
        >>> x, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> feed = batches(x, y, plans.undersample(y), batch_size=3)
        >>> for step in range(feed.num_batches):
        ...     rows, labels = feed[step]
        ...     print(len(labels))
        3
        1
    """
    source = rows_of(x, load)
    if getattr(x, "split", None) is not None:
        raise OptionError(
            'x has test images among others, and a batch would mix them. Pass one of them, for example x.part("train").'
        )
    augment = getattr(x, "augment", None) if augment is None else augment
    y = getattr(x, "y", None) if y is None and getattr(x, "takes_rows", False) else y
    target = None if y is None else rows_of(_readable(y))
    extra_rows = {name: rows_of(values) for name, values in (extras or {}).items()}
    check_lengths({"x": source, **({} if target is None else {"y": target}), **extra_rows})
    if not len(source):
        raise DataError("x has no rows. Expected one at least.")
    check_int(epoch, "epoch", 0)
    check_int(seed, "seed", 0)
    blind = plan is None and quota is None
    plan = _plan(plan, quota, y, len(source), check_int(batch_size, "batch_size"), sample_weight)
    source, target, plan = _realized(source, target, plan, seed, extra_rows)
    target = _coded(target, None if blind else plan.classes)
    feed = Feed(
        source, target, plan, batch_size=plan.batch_size or batch_size, seed=seed, drop_last=drop_last,
        extras=extra_rows, epoch=epoch, augmenter=augmenter_of(augment),
        workers=workers, use_multiprocessing=use_multiprocessing, max_queue_size=max_queue_size,
    )  # fmt: skip
    if not feed.num_batches:
        raise OptionError(
            f"An epoch draws {len(plan)} rows, and drop_last leaves out batches of less than {batch_size}, so that "
            "none is left. Lower batch_size, or leave drop_last out."
        )
    return feed


def _plan(plan: Plan | None, quota: Any, y: Any, n: int, batch_size: int, sample_weight: Any) -> Plan:
    if plan is not None and quota is not None:
        raise OptionError("plan and quota were both given, but a quota is a plan of its own. Leave one out.")
    if quota is not None:
        if y is None:
            raise OptionError("quota counts rows by class, but y was not given. Pass the labels y.")
        plan = quota_plan(y, quota, batch_size=batch_size)
    if plan is None:
        plan = uniform(np.zeros(n, np.int8))
    check_single(plan)
    if len(plan.codes) != n:
        raise DataError(f"The plan was made for {len(plan.codes):,} rows, but x has {n:,}. Make it from the same rows.")
    return plan if sample_weight is None else plan.with_weights(sample_weight)


def _realized(
    x: Rows, y: Rows | None, plan: Plan, seed: int, extras: Mapping[str, Rows]
) -> tuple[Rows, Rows | None, Plan]:
    """A plan that makes rows or looks at features, carried out on these rows."""
    if not plan.needs_features:
        return x, y, plan
    if y is None:
        raise OptionError(f"Plan {plan.name!r} makes new rows, but y was not given. Pass the labels y.")
    plan = plan.realize(whole(x), seed)
    if plan.new is None:
        return x, y, plan
    if extras:
        raise OptionError(
            f"Plan {plan.name!r} makes new rows, which have no {', '.join(extras)}. Leave extras out, or choose "
            "another plan."
        )
    x_new, codes = plan.new
    return Joined(x, rows_of(x_new)), Joined(y, rows_of(labels_like(y, plan.classes, codes))), plan


def _readable(y: Any) -> Any:
    """Labels of other kinds than NumPy's numbers (nullable, Arrow, categories, objects) as numbers or text.

    Numbers, several outputs and what lies on disk pass untouched: a target need not be labels.
    """
    array = getattr(y, "values", None) if library_of(y) == "pandas" else y
    plain = isinstance(array, np.ndarray) and array.dtype.kind in "iufb" and not isinstance(array, np.ma.MaskedArray)
    several = isinstance(y, Mapping) or output_names(y) is not None
    if plain or several or not (isinstance(y, (list, np.ndarray)) or library_of(y) in ("pandas", "polars", "pyarrow")):
        return y
    source = source_of(y)
    if any(type(plain_label(level)) is float for level in source.levels):
        return y  # a number to predict
    return read_labels(source).values


def _coded(y: Rows | None, classes: tuple[Any, ...] | None) -> Rows | None:
    """Text labels as codes of `classes` (or as the labels sort), because Keras takes numbers; others as they are."""
    if isinstance(y, ArrayRows) and y.array.dtype.kind == "f" and y.array[0].size == 1:
        _check_gaps(y.array.ravel(), classes is not None)
    sample = None if y is None else y.take(np.arange(1))
    if y is None or not isinstance(sample, np.ndarray) or sample.dtype.kind not in "USOT" or sample.size != 1:
        return y
    return rows_of(codes_of(whole(y), classes)[0])


def _check_gaps(y: Array, classes: bool) -> None:
    """Raise a `TargetError` where labels are missing: of a plan's classes, or among whole numbers."""
    gaps = np.isnan(y)
    if gaps.any() and (classes or np.all(y[~gaps] == np.round(y[~gaps]))):
        rows = rows_text(np.flatnonzero(gaps))
        raise TargetError(f"y is missing in {rows}. Fill in the labels, or leave these rows out.")


def _uneven(weights: Array) -> Array | None:
    return None if np.ptp(weights) == 0 else weights
