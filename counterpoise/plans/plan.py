"""The sampling plan: which rows an epoch draws, the weight of each row, and the resulting prior shift.

A plan is made only from labels and does not change, so it works for any kind of input. `epoch(number, seed)` returns
row numbers and the loss weight of each row; nothing is copied. Weights have the mean 1, because Keras divides a
weighted loss by the number of rows, and a plan must not change the step size.

Ids of jobs contain the `content` of their plan: the name of its class and its fields in order. A new name, field or
order of fields trains finished jobs again. The order of random draws and the words of their seeds determine results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_choice, check_no_class_lost
from counterpoise.core.errors import OptionError
from counterpoise.core.labels import count_codes
from counterpoise.plans import rows as draws
from counterpoise.plans import shift
from counterpoise.plans.labels import by_class, user_weights

Array = np.ndarray

#: Fields that are not part of `content`, because they change neither draws nor weights.
_NOT_CONTENT = ("name", "classes", "population")


@dataclass(frozen=True)
class Plan:
    """A sampling plan: how often each class is drawn in an epoch, and with which weights.

    Attributes:
        name: Name of the plan in reports.
        codes: int32 (n,), class code of each row.
        classes: The labels behind the codes.
        drawn: int64 (C,), rows of each class drawn in one epoch.
        class_weights: float64 (C,), loss weight per row of each class before scaling to mean 1.
        draw: "even" (whole repeats, and the remainder without replacement), "replacement" (independent draws if a class
            grows) or "bootstrap" (independent draws of every class).
        redraw: Whether each epoch draws other rows. False keeps one fixed set of rows.
        sample_weight: float64 (n,), the user's own weights, or None.
        needs_calibration: True if subtracting the shift alone does not give calibrated probabilities.
        population: What a row represents, in words.
        deferred: Share of the steps that are taken with another plan first (see `deferred`); 0 = none.
        first: The plan of these first steps, or None.

    Example:
        >>> plan = Plan("twice", np.array([0, 0, 1]), np.array(["no", "yes"]), np.array([2, 2]), np.ones(2))
        >>> plan.prior.tolist(), sorted(plan.rows().tolist())
        ([0.5, 0.5], [0, 1, 2, 2])
    """

    name: str
    codes: Array
    classes: tuple[Any, ...]
    drawn: Array
    class_weights: Array
    draw: str = "even"
    redraw: bool = True
    sample_weight: Array | None = None
    needs_calibration: bool = False
    population: str = "a random row"
    deferred: float = 0.0
    first: Plan | None = None

    def __post_init__(self) -> None:
        """Check `draw`, and that every class is drawn and has a finite weight above 0."""
        check_choice(self.draw, "draw", ("even", "replacement", "bootstrap"))
        if np.any(self.drawn < 1):
            label = self.classes[int(np.argmin(self.drawn))]
            raise OptionError(
                f"Plan {self.name!r} would draw no row of class {label!r}. Every class needs at least one row in an "
                "epoch. Choose a ratio that keeps at least one row of this class."
            )
        if np.any(lost := ~((self.class_weights > 0) & np.isfinite(self.class_weights))):
            label = self.classes[int(np.argmax(lost))]
            raise OptionError(
                f"Plan {self.name!r} gives class {label!r} the weight {self.class_weights[lost][0]:g}, which removes a "
                "class. Expected finite weights above 0. Choose a milder plan."
            )

    def __len__(self) -> int:
        """Rows drawn in one epoch."""
        return int(self.drawn.sum())

    @property
    def counts(self) -> Array:
        """Rows per class before the plan, int64 (C,)."""
        return self._counts_and_mass[0]

    @property
    def mass(self) -> Array:
        """Sums of the user's sample weights per class (rows per class without them), float64 (C,)."""
        return self._counts_and_mass[1]

    @property
    def multiplicity(self) -> Array:
        """m_c: the relative count of a row of class c in one epoch, float64 (C,).

        The count is relative to the mean over all rows.
        """
        return self.drawn / self.counts * self.class_weights

    @property
    def prior(self) -> Array:
        """Class proportions in training, float64 (C,), sum 1."""
        return shift.training_prior(self.mass, self.multiplicity)

    @property
    def drawn_shares(self) -> Array:
        """Class proportions of the drawn rows, before weights, float64 (C,), sum 1."""
        return self.drawn / self.drawn.sum()

    @property
    def base_prior(self) -> Array:
        """Class proportions of the data, float64 (C,), sum 1."""
        return self.mass / self.mass.sum()

    @property
    def log_shift(self) -> Array:
        """The shift of the logits by training, float64 (C,), sum 0.

        Subtract it to get probabilities for the proportions of the data.
        """
        return shift.log_shift(self.multiplicity)

    def epoch(self, number: int = 0, seed: int = 0) -> tuple[Array, Array]:
        """Return the row numbers of one epoch in training order, and the loss weight of each.

        Args:
            number: Number of the epoch, 0 or more. With `redraw=False`, the rows are those of epoch 0 in a new order.
            seed: The same (number, seed) always gives the same rows.

        Returns:
            Rows, int32 (int64 from 2**31 rows up), shape (len(self),). Weights, float32, shape (len(self),), or one
            for each label or ensemble member, (len(self), L). Their mean is 1, for random draws on average.
        """
        rows = self._draw_rows(number, seed)
        return rows, self._weights_of(rows)

    def rows(self, epoch: int = 0, seed: int = 0) -> Array:
        """Return the row numbers of one epoch in training order (see `epoch`)."""
        return self._draw_rows(epoch, seed)

    def weights(self) -> Array:
        """Return the loss weight of each row, float32 (n,).

        The mean of the weights over the rows of an epoch is 1. If the plan draws each row once, these are all rows.
        """
        return self._weights_of(slice(None))

    @property
    def batch_size(self) -> int | None:
        """Rows of a batch if the plan determines it, otherwise None."""
        return None

    @property
    def crops(self) -> float:
        """Share of the parts of images that are drawn around a rare class; 0: whole rows are drawn."""
        return 0.0

    @property
    def given(self) -> int:
        """Rows for which the plan was made.

        Higher row numbers belong to the rows in `new`.
        """
        return len(self.codes)

    @property
    def beyond_weights(self) -> str:
        """What the plan does in addition to weights of rows, for messages; "" if it only weights rows.

        Example:
            >>> plan = Plan("twice", np.array([0, 0, 1]), ("no", "yes"), np.array([2, 2]), np.ones(2))
            >>> plan.beyond_weights, replace(plan, drawn=plan.counts, deferred=0.8).beyond_weights
            ('draws rows by class', 'changes its weights during training')
        """
        if self.needs_features:
            return "creates rows"
        if not np.array_equal(self.drawn, self.counts):
            return "draws rows by class"
        return "changes its weights during training" if self.deferred else ""

    @property
    def needs_features(self) -> bool:
        """Whether the plan needs features from `realize`, as synthesis and cleaning do."""
        return False

    @property
    def new(self) -> tuple[Any, Array] | None:
        """New rows after the given ones (features and int32 class codes), or None."""
        return None

    def realize(self, x: Any, seed: int = 0) -> Plan:
        """Apply the plan to the features `x` of its rows.

        A plan that needs no features is returned unchanged.
        """
        return self

    def with_weights(self, sample_weight: Any) -> Self:
        """Return the same plan with the user's weights (n,) multiplied in."""
        if self.sample_weight is not None or self._weights_are_fixed:
            raise OptionError(
                f"Sample weights cannot be added to plan {self.name!r} after it was made. "
                "Pass sample_weight= to the function that makes the plan."
            )
        first = None if self.first is None else self.first.with_weights(sample_weight)
        user = user_weights(sample_weight, len(self.codes))
        check_no_class_lost(self.codes, user, self.classes)
        return replace(self, sample_weight=user, first=first)

    def content(self) -> Iterator[Any]:
        """Yield everything that determines draws and weights, as arrays and plain values.

        Equal plans yield equal content.
        """
        yield type(self).__name__
        yield from _content_of(tuple(getattr(self, f.name) for f in fields(self) if f.name not in _NOT_CONTENT))

    @property
    def stages(self) -> tuple[Plan, ...]:
        """The plans of the training stages, in order. The last one is this plan."""
        return (self,) if self.first is None else (self.first, self)

    @property
    def of_members(self) -> tuple[Plan, ...]:
        """The plan of each ensemble member if members have their own plans, otherwise empty."""
        return ()

    @property
    def _weights_are_fixed(self) -> bool:
        """Whether the weights of the user cannot be multiplied in after the plan was made (see `with_weights`)."""
        return False

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the shuffled row numbers of an epoch, (len(self),), int32 or int64."""
        source = number if self.redraw else 0
        out = np.empty(len(self), draws.index_type(len(self.codes)))
        start = 0
        for code, size in enumerate(self.drawn):
            self._draw_class_into(out[start : start + size], code, source, seed)
            start += int(size)
        draws.shuffle(out, seeds.generator(seed, "order", number))
        return out

    def _weights_of(self, rows: Any) -> Array:
        """Return the loss weight of rows, float32; `rows` is any index of rows."""
        if self.sample_weight is None:
            return (self.class_weights * self._scale).astype(np.float32)[self.codes[rows]]
        raw = self.class_weights[self.codes[rows]] * self.sample_weight[rows]
        return (raw * self._scale).astype(np.float32)

    @cached_property
    def _scale(self) -> float:
        """Return the factor that makes the mean weight of the drawn rows 1."""
        if self.sample_weight is None:
            return len(self) / float(np.dot(self.drawn, self.class_weights))
        raw = self.class_weights[self.codes] * self.sample_weight
        return len(self) / float(np.dot((self.drawn / self.counts)[self.codes], raw))

    def _draw_class_into(self, out: Array, code: int, epoch: int, seed: int) -> None:
        """Write the row numbers that an epoch draws of class `code` into `out`.

        The length of `out` is the number of rows to draw. No other array of that length is made.
        """
        members, stage = self._rows_of_class(code), f"class {code}"
        if self.draw == "bootstrap":
            draws.gather(members, draws.with_replacement(len(members), len(out), epoch, seed, stage), out)
        elif len(out) == len(members) and not (self.draw == "replacement" and self._changes_size(code)):
            out[:] = members
        elif self.draw == "replacement" and len(out) > len(members):
            draws.gather(members, draws.with_replacement(len(members), len(out), epoch, seed, stage), out)
        else:
            draws.repeat_into(out, members, epoch, seed, stage)

    def _changes_size(self, code: int) -> bool:
        """Return whether the plan changes the number of rows of a class."""
        return bool(self.drawn[code] != self.counts[code])

    def _rows_of_class(self, code: int) -> Array:
        """Return the row numbers of a class, in file order."""
        start, end = self._class_bounds[code], self._class_bounds[code + 1]
        return self._rows_by_class[start:end]

    @cached_property
    def _rows_by_class(self) -> Array:
        """Return all row numbers sorted by class, (n,), in file order within a class."""
        return by_class(self.codes, self.counts, draws.index_type(len(self.codes)))

    @cached_property
    def _class_bounds(self) -> Array:
        """Return where each class starts and ends in `_rows_by_class`, int64 (C + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    @cached_property
    def _counts_and_mass(self) -> tuple[Array, Array]:
        """Rows and sums of sample weights per class, int64 and float64 (C,); `Realized` counts the given rows only."""
        size = len(self.classes)
        count = count_codes(self.codes, size)
        if self.sample_weight is None:
            return count, count.astype(float)
        return count, np.bincount(self.codes, weights=self.sample_weight, minlength=size)


def _content_of(value: Any) -> Iterator[Any]:
    """Yield what a value adds to `Plan.content`: that of a plan, of the items of a tuple, or the value itself."""
    if isinstance(value, Plan):
        yield from value.content()
    elif isinstance(value, tuple):
        for item in value:
            yield from _content_of(item)
    else:
        yield value
