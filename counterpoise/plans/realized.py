"""Plans that need features, before and after `Plan.realize`: which rows are kept or new, and a plan over these.

`synthesis` and `chaining` make them. New rows are numbered after the given rows. The class of `Realized` and the order
of its `content` are part of job ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.labels import count_codes
from counterpoise.core.structure import leaves, mapped, rows_in, take
from counterpoise.plans.over_rows import OverRows
from counterpoise.plans.plan import Plan

Array = np.ndarray


@dataclass(frozen=True)
class StepRows:
    """Rows that a plan draws from: those between two steps of a chain, or given and new rows.

    Attributes:
        x: Features (N, ...): an array, a dict or tuple of arrays.
        codes: int32 (N,).
        origin: int64 (N,), row number among the given rows (below n) and, from n on, the new rows.
        weight: float64 (N,), the user's weights, or None.
    """

    x: Any
    codes: Array
    origin: Array
    weight: Array | None = None

    def taken(self, rows: Array) -> StepRows:
        """Return some of these rows, by their positions (k,) and in this order."""
        weight = None if self.weight is None else self.weight[rows]
        return StepRows(take(mapped(np.asarray, self.x), rows), self.codes[rows], self.origin[rows], weight)


@dataclass(frozen=True)
class Unrealized(Plan):
    """A plan that draws rows by their features, and has to be realized first."""

    @property
    def needs_features(self) -> bool:
        """True: `realize` must be called before rows are drawn."""
        return True

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Raise an OptionError, because rows can be drawn only after `realize(x)`."""
        raise OptionError(
            f"Plan {self.name!r} draws rows by their features, but the features were not passed. Call realize(x) on "
            "the plan, or use batches(x, y, plan)."
        )


@dataclass(frozen=True)
class Realized(OverRows):
    """A plan that was applied to features: it draws given rows and new rows as `inner` does.

    `codes` are those of the given rows followed by the new rows; `rows()` numbers both. Priors and shift are relative
    to the given rows.

    Attributes:
        given: How many rows were given; from this number on, rows are new ones.
        fresh: Features of the new rows, or None.
    """

    given: int = 0
    fresh: Any = None

    @property
    def new(self) -> tuple[Any, Array] | None:
        """Features and class codes of the new rows; None if there are none."""
        return None if self.fresh is None else (self.fresh, self.codes[self.given :])

    def content(self) -> Iterator[Any]:
        """Yield the rows that were kept and made, and how they are drawn, whatever made them."""
        assert self.inner is not None
        yield from (type(self).__name__, self.codes, self.origin, self.sample_weight, self.deferred)
        yield from self.inner.content()
        yield from () if self.first is None else self.first.content()
        yield from () if self.fresh is None else map(np.ascontiguousarray, leaves(self.fresh))

    @cached_property
    def _counts_and_mass(self) -> tuple[Array, Array]:
        """Number, int64 (C,), and total weight, float64 (C,), of the given rows of each class, without new rows."""
        size, codes = len(self.classes), self.codes[: self.given]
        count = count_codes(codes, size)
        if self.sample_weight is None:
            return count, count.astype(float)
        return count, np.bincount(codes, weights=self.sample_weight[: self.given], minlength=size)


def realized_plan(name: str, plan: Plan, inner: Plan, rows: StepRows, fresh: Any, new_codes: Array) -> Realized:
    """Return a plan over the rows of `plan` followed by new rows, drawn as `inner` draws.

    `inner` draws from `rows`, whose `origin` says which row of the result each one is. `fresh` are the features of
    the new rows.
    """
    given = len(plan.codes)
    return Realized(
        name,
        np.concatenate([plan.codes, new_codes]).astype(np.int32),
        plan.classes,
        inner.drawn,
        inner.class_weights,
        draw=inner.draw,
        redraw=inner.redraw,
        sample_weight=weights_with_new(plan.sample_weight, plan, new_codes),
        needs_calibration=True,
        population=plan.population,
        deferred=plan.deferred,
        first=plan.first,
        inner=inner,
        origin=rows.origin,
        given=given,
        fresh=fresh if len(new_codes) else None,
    )


def weights_with_new(weights: Array | None, plan: Plan, new_codes: Array) -> Array | None:
    """Return weights of rows, followed by those of new rows with these class codes; None if there are none.

    A new row gets the mean weight of the rows of its class in `plan`. The shift of the plan, which follows from
    numbers of rows, then holds for the weights, too.
    """
    return None if weights is None else np.concatenate([weights, (plan.mass / plan.counts)[new_codes]])


def check_feature_rows(x: Any, plan: Plan) -> None:
    """Raise an OptionError unless the features have as many rows as the plan."""
    if rows_in(x) != len(plan.codes):
        raise OptionError(
            f"Plan {plan.name!r} was made for {len(plan.codes):,} rows, but the features have {rows_in(x):,}. "
            "Make the plan from the labels of the same rows."
        )
