"""Batches of a plan for any kind of input: drawn again in each epoch, without a copy of the rows.

A batch depends only on (seed, epoch, step). Two workers therefore return the same batches as one worker. A resumed run
gets the same batches as an uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from counterpoise.core.checks import check_int, check_lengths, check_no_class_lost, check_weights
from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.labels import read_labels
from counterpoise.feed.augmenting import augmenter_of
from counterpoise.feed.blocks import Batch as Batch
from counterpoise.feed.feed import Feed
from counterpoise.feed.sources import JoinedRows, Rows, all_rows, rows_of
from counterpoise.feed.targets import labels_as_list, labels_like, readable_labels, text_as_codes
from counterpoise.plans.class_plans import Plan, uniform
from counterpoise.plans.quotas import quota as quota_plan
from counterpoise.plans.schedule import check_single


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
    """Return Keras or tf.data batches, resampled each epoch by a sampling plan.

    Pass the result to `model.fit`, or call its `as_dataset()`.

    Args:
        x: Arrays of any rank, dicts and tuples of them, frames, sparse matrices, memory maps, HDF5-like objects, a
            folder of images (`cp.images`), or items with `load`.
        y: Targets of the rows, any shape. Text becomes the class codes of the plan. A folder of images contains its own
            targets.
        plan: The sampling plan of each epoch. None: every row once.
        batch_size: Rows of a batch; the last batch of an epoch may be smaller.
        seed: Random seed. A batch depends only on (seed, epoch, step).
        drop_last: Whether to leave out a last batch that is not full.
        quota: Number of rows of each class in every batch: a dict by label, or "equal" (see `plans.quota`). It replaces
            `plan`.
        sample_weight: Your own weights (N,). The weights of the plan are multiplied with them.
        extras: Dict from name to values per row (groups, ids), which `feed.batch(epoch, step).extras` returns.
        load: Function from an item of x to an array, for lists of file paths.
        augment: "auto", a Keras augmentation layer, a list of them, or ("repeats", layer) (see `cp.images`).
        epoch: The epoch to start with.
        workers: As in `keras.utils.PyDataset`, like `use_multiprocessing` and `max_queue_size`. Results do not depend
            on them.

    Raises:
        DataError: Lengths do not match, or an input has no rows.
        OptionError: Arguments are out of range or cannot be combined.

    Keras `fit` shuffles the batches of a PyDataset, unless you pass shuffle=False. This changes only the order of
    batches.

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
    source, y = rows_of(x, load), labels_as_list(y)
    if getattr(x, "split", None) is not None:
        raise OptionError(
            'x contains training and test images, which must not be mixed. Pass one part, for example x.part("train").'
        )
    augment = getattr(x, "augment", None) if augment is None else augment
    y = getattr(x, "y", None) if y is None and getattr(x, "takes_rows", False) else y
    target = None if y is None else rows_of(readable_labels(y))
    extra_rows = {name: rows_of(values) for name, values in (extras or {}).items()}
    check_lengths({"x": source, **({} if target is None else {"y": target}), **extra_rows})
    if not len(source):
        raise DataError("x has no rows. Expected at least one row.")
    check_int(epoch, "epoch", 0)
    check_int(seed, "seed", 0)
    ignores_classes = plan is None and quota is None  # every row once
    plan = _plan_of_epochs(plan, quota, y, len(source), check_int(batch_size, "batch_size"), sample_weight)
    source, target, plan = _with_realized_plan(source, target, plan, seed, extra_rows)
    target = text_as_codes(target, None if ignores_classes else plan.classes)
    feed = Feed(
        source, target, plan, batch_size=plan.batch_size or batch_size, seed=seed, drop_last=drop_last,
        extras=extra_rows, epoch=epoch, augmenter=augmenter_of(augment),
        workers=workers, use_multiprocessing=use_multiprocessing, max_queue_size=max_queue_size,
    )  # fmt: skip
    if not feed.num_batches:
        raise OptionError(
            f"An epoch draws {len(plan)} rows, but drop_last removes batches with fewer than {batch_size} rows, so "
            f"no batch is left. Lower batch_size, or leave drop_last out."
        )
    return feed


def _plan_of_epochs(plan: Plan | None, quota: Any, y: Any, n: int, batch_size: int, sample_weight: Any) -> Plan:
    """Return the plan that the arguments of `batches` ask for: `plan`, a quota, or every row once.

    It contains the weights of the user, if there are some.

    Args:
        plan, quota, batch_size, sample_weight: As in `batches`.
        y: The labels (n,), which only a quota needs. n: Number of rows of x.

    Raises:
        OptionError: Both or a quota without labels. DataError: The plan was made for another number of rows.
    """
    if plan is not None and quota is not None:
        raise OptionError("plan= and quota= cannot be combined. Remove one of them.")
    if quota is not None:
        if y is None:
            raise OptionError("quota= needs the class of each row, but y was not passed. Pass the labels y.")
        plan = quota_plan(y, quota, batch_size=batch_size)
    if plan is None:
        plan = uniform(np.zeros(n, np.int8))  # as if all rows had one class
        _check_classes_kept(y, sample_weight)
    check_single(plan)
    if len(plan.codes) != n:
        raise DataError(
            f"The plan was made for {len(plan.codes):,} rows, but x has {n:,}. Make the plan from the same rows."
        )
    return plan if sample_weight is None else plan.with_weights(sample_weight)


def _check_classes_kept(y: Any, sample_weight: Any) -> None:
    """Raise an error if weights remove a class of labels that are classes.

    Labels are classes if they are text, or the codes 0, 1, ...; other numbers may be a target of another kind.
    """
    if y is None or sample_weight is None:
        return
    codes = np.asarray(y)
    if codes.ndim != 1 or codes.dtype.kind not in "biuOSU":
        return
    labels = read_labels(y, missing=True)
    if labels.classes == tuple(range(len(labels.classes))) or isinstance(labels.classes[0], str):
        known = labels.codes >= 0
        check_no_class_lost(labels.codes[known], check_weights(sample_weight, len(known))[known], labels.classes)


def _with_realized_plan(
    x: Rows, y: Rows | None, plan: Plan, seed: int, extras: Mapping[str, Rows]
) -> tuple[Rows, Rows | None, Plan]:
    """Return x, y and the plan, after a plan that needs features was applied to x (`Plan.realize`).

    Any other plan is returned with x and y as they are. New rows follow the given rows.

    Raises:
        OptionError: The plan makes rows, but there are no labels, or extras that new rows do not have.
    """
    if not plan.needs_features:
        return x, y, plan
    if y is None:
        raise OptionError(f"Plan {plan.name!r} makes new rows, but y was not passed. Pass the labels y.")
    plan = plan.realize(all_rows(x), seed)
    if plan.new is None:
        return x, y, plan
    if extras:
        raise OptionError(
            f"Plan {plan.name!r} makes new rows, which have no {', '.join(extras)}. Remove extras=, or choose another "
            "plan."
        )
    x_new, codes = plan.new
    return JoinedRows(x, rows_of(x_new)), JoinedRows(y, rows_of(labels_like(y, plan.classes, codes))), plan
