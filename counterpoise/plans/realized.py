"""Plans that look at features, carried out: which rows were kept, which were made, and a plan over these."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.labels import count_codes
from counterpoise.core.structure import leaves, mapped, rows_in, take
from counterpoise.plans import rows as draws
from counterpoise.plans.class_plans import Plan

Array = np.ndarray


@dataclass(frozen=True)
class Rows:
    """Rows between two steps of a chain.

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

    def kept(self, rows: Array) -> Rows:
        weight = None if self.weight is None else self.weight[rows]
        return Rows(take(mapped(np.asarray, self.x), rows), self.codes[rows], self.origin[rows], weight)


@dataclass(frozen=True)
class Unrealized(Plan):
    """A plan that has to see features before it can say what it draws."""

    @property
    def needs_features(self) -> bool:
        return True

    def rows(self, epoch: int = 0, seed: int = 0) -> Array:
        raise OptionError(
            f"plan {self.name!r} looks at features; call realize(x) on it, or feed it with batches(x, y)."
        )


@dataclass(frozen=True)
class Realized(Plan):
    """A plan over `inner.codes`, whose rows stand for given rows and new rows.

    `codes` are those of the given rows followed by the new rows; `rows()` numbers both. Priors and shift are held
    against the given rows.

    Attributes:
        inner: The plan that draws.
        origin: What row i of `inner` is: a given row, or from `given` on a new one.
        given: How many rows were given.
        fresh: Features of the new rows, or None.
    """

    inner: Plan | None = None
    origin: Array = field(default_factory=lambda: np.empty(0, np.int64))
    given: int = 0
    fresh: Any = None

    @property
    def new(self) -> tuple[Any, Array] | None:
        return None if self.fresh is None else (self.fresh, self.codes[self.given :])

    @property
    def identity(self) -> tuple[Any, ...]:
        """What it kept and made, whatever it is called."""
        drawing = (type(self.inner).__name__, self.draw, self.redraw, self.drawn, self.class_weights)
        made = () if self.fresh is None else tuple(leaves(self.fresh))
        return (*drawing, self.sample_weight, self.codes, self.origin, self.deferred, *made)

    def rows(self, epoch: int = 0, seed: int = 0) -> Array:
        assert self.inner is not None
        drawn = self.inner.rows(epoch, seed)
        return self.origin.astype(draws.index_type(len(self.codes)))[drawn]

    def weights(self) -> Array:
        assert self.inner is not None
        out = np.ones(len(self.codes), np.float32)
        out[self.origin] = self.inner.weights()
        return out

    @cached_property
    def _tally(self) -> tuple[Array, Array]:
        size, codes = len(self.classes), self.codes[: self.given]
        count = count_codes(codes, size)
        if self.sample_weight is None:
            return count, count.astype(float)
        return count, np.bincount(codes, weights=self.sample_weight[: self.given], minlength=size)


def realized(name: str, plan: Plan, inner: Plan, rows: Rows, fresh: Any, new_codes: Array) -> Realized:
    """Put a plan over changed rows back on the rows that `plan` was made for."""
    given = len(plan.codes)
    weight = None
    if plan.sample_weight is not None:
        weight = np.concatenate([plan.sample_weight, np.ones(len(new_codes))])
    return Realized(
        name,
        np.concatenate([plan.codes, new_codes]).astype(np.int32),
        plan.classes,
        inner.drawn,
        inner.class_weights,
        draw=inner.draw,
        redraw=inner.redraw,
        sample_weight=weight,
        needs_calibration=True,
        population=plan.population,
        deferred=plan.deferred,
        first=plan.first,
        inner=inner,
        origin=rows.origin,
        given=given,
        fresh=fresh if len(new_codes) else None,
    )


def check_rows(x: Any, plan: Plan) -> None:
    """Refuse features that do not belong to the plan."""
    if rows_in(x) != len(plan.codes):
        raise OptionError(
            f"plan {plan.name!r} was made for {len(plan.codes):,} rows, but the features have {rows_in(x):,}. "
            "Make it from the labels of the same rows."
        )
