"""The plan: which rows an epoch draws, what each weighs, and the prior shift that follows.

A plan is a frozen value made from labels alone, so it fits any kind of input. `rows(epoch, seed)` gives row
numbers; nothing is copied. `weights()` has mean 1, because Keras divides a weighted loss by the number of
rows: a plan must not change the step size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.plans import counts as targets
from counterpoise.plans import rows as draws
from counterpoise.plans import shift
from counterpoise.plans.labels import by_class, codes_of, count_codes, user_weights

Array = np.ndarray


@dataclass(frozen=True)
class Plan:
    """Multiplicities per class and how they are realised.

    Attributes:
        name: What the plan is called in reports.
        codes: int32 (n,), class code of each row.
        classes: The labels behind the codes.
        drawn: int64 (C,), rows of each class drawn in one epoch.
        class_weights: float64 (C,), loss weight per row of each class before scaling to mean 1.
        draw: "even" (repeats and a walked remainder) or "replacement".
        redraw: Whether each epoch draws afresh; False keeps one fixed set.
        sample_weight: float64 (n,) the user's own weights, or None.
        needs_calibration: True when the shift alone does not give true probabilities.
        population: What a row stands for, in words.
        deferred: Share of the steps after which the class weights count; before, every class weighs 1.
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
    _extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.draw not in ("even", "replacement"):
            raise OptionError(f'draw is {self.draw!r}; expected "even" or "replacement".')
        if np.any(self.drawn < 1):
            label = self.classes[int(np.argmin(self.drawn))]
            raise OptionError(f"plan {self.name!r} would remove class {label!r}; choose a ratio that leaves it a row.")

    def __len__(self) -> int:
        """Rows drawn in one epoch."""
        return int(self.drawn.sum())

    @property
    def counts(self) -> Array:
        """Rows per class before the plan, int64 (C,)."""
        return self._tally[0]

    @property
    def mass(self) -> Array:
        """Sums of the user's sample weights per class (rows per class without them), float64 (C,)."""
        return self._tally[1]

    @property
    def multiplicity(self) -> Array:
        """m_c, what a row of class c counts in one epoch relative to a row of the whole, float64 (C,)."""
        return self.drawn / self.counts * self.class_weights

    @property
    def prior(self) -> Array:
        """Class shares that training sees, float64 (C,), sum 1."""
        return shift.training_prior(self.mass, self.multiplicity)

    @property
    def base_prior(self) -> Array:
        """Class shares of the data, float64 (C,), sum 1."""
        return self.mass / self.mass.sum()

    @property
    def log_shift(self) -> Array:
        """What training adds to the logits, float64 (C,), sum 0; subtract it to get the true ones."""
        return shift.log_shift(self.multiplicity)

    def rows(self, epoch: int = 0, seed: int = 0) -> Array:
        """Row numbers of one epoch in training order.

        Args:
            epoch: Which epoch, 0 or more. With `redraw=False` the set is that of epoch 0, in a new order.
            seed: The same (epoch, seed) always gives the same rows.

        Returns:
            int32 (int64 from 2**31 rows up), shape (len(self),).
        """
        source = epoch if self.redraw else 0
        out = np.empty(len(self), draws.index_type(len(self.codes)))
        start = 0
        for code, size in enumerate(self.drawn):
            self._fill(out[start : start + size], code, source, seed)
            start += int(size)
        seeds.generator(seed, "order", epoch).shuffle(out)
        return out

    def weights(self) -> Array:
        """Loss weight of each row, float32 (n,).

        The mean over the rows of an epoch (over all rows when the plan draws each once) is 1.
        """
        return self._scaled(self.class_weights[self.codes])

    @property
    def needs_features(self) -> bool:
        """Whether the plan looks at features (synthesis, cleaning): `realise` it on the rows before use."""
        return False

    @property
    def new(self) -> tuple[Any, Array] | None:
        """New rows that follow the given ones: their features and int32 class codes; None: there are none."""
        return None

    def realise(self, x: Any, seed: int = 0) -> Plan:
        """The plan carried out on the features `x` of its rows; itself, unless it looks at features."""
        return self

    def with_weights(self, sample_weight: Any) -> Plan:
        """The same plan with the user's weights (n,) multiplied in."""
        if self.sample_weight is not None or getattr(self, "inner", None) is not None:
            raise OptionError(f"plan {self.name!r} takes sample_weight when it is made; give it there, once.")
        return replace(self, sample_weight=user_weights(sample_weight, len(self.codes)))

    @property
    def identity(self) -> tuple[Any, ...]:
        """Everything that decides what the plan does, nested tuples and arrays: equal for equal plans."""
        values = [getattr(self, part.name) for part in fields(self)]
        return (type(self).__name__, *(v.identity if isinstance(v, Plan) else v for v in values))

    def first_weights(self) -> Array:
        """Loss weight of each row, float32 (n,), in the steps before a deferred plan's class weights count."""
        return self._scaled(np.ones(len(self.codes))) if self.deferred else self.weights()

    def _scaled(self, raw: Array) -> Array:
        if self.sample_weight is not None:
            raw = raw * self.sample_weight
        shown = self.drawn / self.counts
        return (raw * (len(self) / np.dot(shown[self.codes], raw))).astype(np.float32)

    def _fill(self, out: Array, code: int, epoch: int, seed: int) -> None:
        """Write the rows that an epoch draws of one class; nothing as long as the epoch is made beside `out`."""
        members, stage = self._members(code), f"class {code}"
        if len(out) == len(members) and not (self.draw == "replacement" and self._resampled(code)):
            out[:] = members
        elif self.draw == "replacement" and len(out) > len(members):
            draws.gather(members, draws.replaced(len(members), len(out), epoch, seed, stage), out)
        else:
            draws.repeat_into(out, members, epoch, seed, stage)

    def _resampled(self, code: int) -> bool:
        return bool(self.drawn[code] != self.counts[code])

    def _members(self, code: int) -> Array:
        start, end = self._bounds[code], self._bounds[code + 1]
        return self._by_class[start:end]

    @cached_property
    def _by_class(self) -> Array:
        return by_class(self.codes, self.counts, draws.index_type(len(self.codes)))

    @cached_property
    def _bounds(self) -> Array:
        return np.concatenate([[0], np.cumsum(self.counts)])

    @cached_property
    def _tally(self) -> tuple[Array, Array]:
        size = len(self.classes)
        count = count_codes(self.codes, size)
        if self.sample_weight is None:
            return count, count.astype(float)
        return count, np.bincount(self.codes, weights=self.sample_weight, minlength=size)


def from_multiplicity(
    y: Any,
    make: Any,
    *,
    name: str,
    as_rows: bool,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
    **how: Any,
) -> Plan:
    """Make a plan from labels and a function of class counts (see `counts`)."""
    codes, labels = codes_of(y, classes)
    size = len(labels)
    count = count_codes(codes, size)
    if np.any(count == 0):
        raise TargetError(f"class {labels[int(np.argmin(count))]!r} has no row; leave it out or give it rows.")
    user = user_weights(sample_weight, len(codes))
    mass = count.astype(float) if user is None else np.bincount(codes, weights=user, minlength=size)
    if as_rows:
        drawn, class_weights = np.rint(count * make(count)).astype(np.int64), np.ones(size)
    else:
        drawn, class_weights = count.astype(np.int64), np.asarray(make(mass), dtype=float)
    return Plan(name, codes, labels, drawn, class_weights, sample_weight=user, **how)


# The functions that users call -------------------------------------------------------------------------------


def uniform(y: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Every row once an epoch, all weights equal: no remedy.

    Example:
        >>> uniform([0, 0, 0, 1]).prior
        array([0.75, 0.25])
    """
    return from_multiplicity(
        y, lambda n: np.ones(len(n)), name="uniform", as_rows=True, sample_weight=sample_weight, classes=classes
    )


def oversample(
    y: Any,
    ratio: float = 1.0,
    *,
    draw: str = "even",
    redraw: bool = True,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> Plan:
    """Random oversampling: smaller classes are drawn more than once an epoch.

    m_c = max(1, ratio max(n) / n_c). Known fault: the model may memorise the repeated rows.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        ratio: Wanted size of the smaller classes over the largest, in (0, 1].
        draw: "even": every row floor(m) times and the remainder without replacement. "replacement":
            independent draws, as scikit-learn's `resample`.
        redraw: False keeps one fixed set of rows for all epochs (the plain recipe).
        sample_weight: Your own weights (n,); they multiply in and define the base population.
        classes: The full list of labels when `y` may lack some.

    Example:
        >>> plan = oversample([0, 0, 0, 1])
        >>> sorted(plan.rows(epoch=0, seed=1).tolist())
        [0, 1, 2, 3, 3, 3]
        >>> plan.prior
        array([0.5, 0.5])
    """
    return from_multiplicity(
        y,
        lambda n: targets.oversampled(n, ratio),
        name="oversample",
        as_rows=True,
        draw=draw,
        redraw=redraw,
        sample_weight=sample_weight,
        classes=classes,
    )


def undersample(
    y: Any,
    ratio: float = 1.0,
    *,
    redraw: bool = True,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> Plan:
    """Random undersampling: larger classes are drawn in part, without replacement.

    m_c = min(1, min(n) / (ratio n_c)). With `redraw=True` the walk goes through all rows, block after
    block, before one comes again: after E epochs the share seen is min(1, E m). Known fault with
    `redraw=False`: the rows left out are never seen.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        ratio: Wanted size of the smallest class over the larger ones, in (0, 1].
        redraw: False keeps one fixed set of rows for all epochs (the plain recipe).
        sample_weight: Your own weights (n,).
        classes: The full list of labels when `y` may lack some.

    Example:
        >>> plan = undersample([0, 0, 0, 1])
        >>> len(plan), plan.prior.tolist()
        (2, [0.5, 0.5])
    """
    return from_multiplicity(
        y,
        lambda n: targets.undersampled(n, ratio),
        name="undersample",
        as_rows=True,
        redraw=redraw,
        sample_weight=sample_weight,
        classes=classes,
    )


def class_weight(
    y: Any,
    scheme: str | Mapping[Any, float] = "balanced",
    *,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> Plan:
    """Every row once, losses weighted by class: w_c = n / (C n_c) for "balanced".

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        scheme: "balanced", or a dict of weights by label.
        sample_weight: Your own weights (n,).
        classes: The full list of labels when `y` may lack some.

    Example:
        >>> class_weight([0, 0, 0, 1]).weights()
        array([0.6666667, 0.6666667, 0.6666667, 2.       ], dtype=float32)
    """
    labels = codes_of(y, classes)[1]
    if not isinstance(scheme, Mapping) and scheme != "balanced":
        raise OptionError(f'scheme is {scheme!r}; expected "balanced" or a dict of weights by label.')

    def make(n: Array) -> Array:
        return targets.by_label(n, labels, scheme) if isinstance(scheme, Mapping) else targets.balanced(n)

    return from_multiplicity(y, make, name="class_weight", as_rows=False, sample_weight=sample_weight, classes=classes)


def power(y: Any, exponent: float = 0.5, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Partial balancing by weights, w_c proportional to n_c ** -exponent (0 = none, 1 = balanced)."""
    return from_multiplicity(
        y,
        lambda n: targets.powered(n, exponent),
        name="power",
        as_rows=False,
        sample_weight=sample_weight,
        classes=classes,
    )


def effective_number(
    y: Any, beta: float = 0.999, *, sample_weight: Any = None, classes: Sequence[Any] | None = None
) -> Plan:
    """Weights by the effective number of samples (Cui et al. 2019, section 4)."""
    return from_multiplicity(
        y,
        lambda n: targets.effective_number(n, beta),
        name="effective_number",
        as_rows=False,
        sample_weight=sample_weight,
        classes=classes,
    )


def to_prior(y: Any, prior: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Weights that make training see the class shares `prior` (order of the sorted labels).

    Example:
        >>> to_prior([0, 0, 0, 1], [0.6, 0.4]).prior
        array([0.6, 0.4])
    """
    return from_multiplicity(
        y,
        lambda n: targets.to_prior(n, prior),
        name="to_prior",
        as_rows=False,
        sample_weight=sample_weight,
        classes=classes,
    )


def cost(y: Any, costs: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Weights from costs: a cost per class (C,) or a cost matrix (C, C), rows = truth (Elkan 2001)."""
    return from_multiplicity(
        y, lambda n: targets.cost(n, costs), name="cost", as_rows=False, sample_weight=sample_weight, classes=classes
    )
