"""Plans with quotas: every batch has a fixed number of rows of each class.

The order of the random draws, and `_TOGETHER`, determine the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int, check_no_class_lost
from counterpoise.core.errors import OptionError, TargetError, did_you_mean
from counterpoise.core.labels import count_codes
from counterpoise.plans import rows as draws
from counterpoise.plans.class_plans import Plan
from counterpoise.plans.labels import codes_of, user_weights

Array = np.ndarray

#: Rows whose passes are shuffled by one generator.
_TOGETHER = 1 << 12


@dataclass(frozen=True)
class QuotaPlan(Plan):
    """A plan with `per_batch` (C,) rows of each class in every batch, and `steps` batches in an epoch.

    Example:
        >>> plan = quota([0] * 6 + [1] * 2, {0: 2, 1: 1})
        >>> plan.per_batch.tolist(), plan.batch_size
        ([2, 1], 3)
    """

    per_batch: Array = field(default_factory=lambda: np.empty(0, np.int64))
    steps: int = 1

    @property
    def batch_size(self) -> int:
        """Rows of a batch, the sum of the quotas."""
        return int(self.per_batch.sum())

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the row numbers of epoch `number`, batch after batch.

        Each class continues where the last epoch stopped. Without `redraw`, all epochs have the rows of epoch 0, in
        another order within each batch.
        """
        source = number if self.redraw else 0
        blocks = [self._class_block(code, source, seed) for code in range(len(self.per_batch))]
        out = np.concatenate(blocks, axis=1)
        return seeds.generator(seed, "order", number).permuted(out, axis=1).ravel()

    def _class_block(self, code: int, epoch: int, seed: int) -> Array:
        """Return the rows of one class in an epoch, (steps, quota): one line per batch.

        The rows of all epochs together are an endless sequence of shuffled passes over the class.
        """
        members, each = self._rows_of_class(code), int(self.per_batch[code])
        size = self.steps * each
        n, start = len(members), epoch * size
        out, done = np.empty(size, members.dtype), 0
        for order in _endless_passes(n, start, start + size, seed, f"class {code}"):
            out[done : done + len(order)] = members[order]
            done += len(order)
        return out.reshape(self.steps, each)


def _endless_passes(n: int, start: int, end: int, seed: int, stage: str) -> Iterator[Array]:
    """Yield a part of an endless sequence of shuffled passes over range(n), in pieces.

    The part is from entry `start` to entry `end` - 1.
    An entry depends only on `seed`, `stage` and its position. Passes of a small class are shuffled many at a time,
    because a random generator for each pass would take longer than the shuffling.
    """
    together = max(1, _TOGETHER // n)
    for block in range(start // (together * n), (end - 1) // (together * n) + 1):
        passes = np.tile(np.arange(n, dtype=draws.index_type(n)), (together, 1))
        seeds.generator(seed, stage, block).permuted(passes, axis=1, out=passes)
        first = block * together * n
        yield passes.reshape(-1)[max(0, start - first) : end - first]


def quota(
    y: Any,
    rows: str | Mapping[Any, int] = "equal",
    *,
    batch_size: int = 256,
    steps: int | None = None,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> QuotaPlan:
    """Fill every batch with a fixed number of rows of each class.

    The rows of each class are drawn in a seeded order, across batches and epochs. No row is repeated before all rows of
    its class are used. m_c = steps q_c / n_c.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        rows: A dict from every label to its number of rows per batch, or "equal": batch_size // C rows of each class.
        batch_size: Rows per batch, with "equal". With a dict, the batch size is the sum of its numbers.
        steps: Number of batches in an epoch. None: ceil(n / batch size), as many as without a quota.
        sample_weight: Your own weights (n,).
        classes: All labels, if `y` lacks some of them.

    Raises:
        OptionError: A quota is below 1, a class has no quota, or the batch is too small for all classes.
        TargetError: A label is unknown, or the labels are not classes.

    Source: the fixed share of positives per batch of Yuan et al. 2023 ("LibAUC"), for any number of classes.

    Example:
        >>> plan = quota([0] * 6 + [1] * 2, {0: 2, 1: 1})
        >>> plan.batch_size, len(plan), plan.prior.round(3).tolist()
        (3, 9, [0.667, 0.333])
    """
    codes, labels = codes_of(y, classes)
    counts = count_codes(codes, len(labels))
    if np.any(counts == 0):
        raise TargetError(
            f"Class {labels[int(np.argmin(counts))]!r} has no row. Every class of a plan needs rows. "
            "Leave the class out of classes=, or add rows of it."
        )
    each = _per_batch(rows, labels, batch_size)
    number = -(-len(codes) // int(each.sum())) if steps is None else check_int(steps, "steps")
    user = user_weights(sample_weight, len(codes))
    check_no_class_lost(codes, user, labels)
    return QuotaPlan(
        "quota", codes, labels, each * number, np.ones(len(labels)), sample_weight=user, per_batch=each, steps=number
    )


def _per_batch(rows: Any, labels: Sequence[Any], batch_size: int) -> Array:
    """Return the number of rows of each class in a batch, int64 (C,).

    `rows` is "equal" (`batch_size` // C for each class) or a dict from labels to numbers.

    Raises:
        OptionError: A class has no quota, or the batch is too small for all classes. TargetError: A label is unknown.
    """
    if isinstance(rows, str):
        if rows != "equal":
            raise OptionError(f'The quota is {rows!r}. Use "equal", or a dict with the number of rows for each label.')
        share = check_int(batch_size, "batch_size") // len(labels)
        if not share:
            raise OptionError(
                f"batch_size is {batch_size}. {len(labels)} classes need at least {len(labels)} rows in a batch."
            )
        return np.full(len(labels), share, np.int64)
    known = {str(label): code for code, label in enumerate(labels)}
    out = np.zeros(len(labels), np.int64)
    for label, number in rows.items():
        if str(label) not in known:
            raise TargetError(f"There is no class {label!r}.{did_you_mean(label, known)}")
        out[known[str(label)]] = check_int(number, f"quota of class {label!r}")
    if np.any(out == 0):
        raise OptionError(
            f"Class {labels[int(np.argmin(out))]!r} has no quota. Pass a number of rows for each of: "
            f"{', '.join(known)}."
        )
    return out
