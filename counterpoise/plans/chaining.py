"""Chains of plans, which are plans too: for example clean, then create rows, then undersample.

The number of a step is part of its seed: a step that is added before others changes their draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import OptionError
from counterpoise.core.per_class import by_code
from counterpoise.core.structure import join
from counterpoise.plans.class_plans import Plan, uniform
from counterpoise.plans.realized import (
    Realized,
    StepRows,
    Unrealized,
    check_feature_rows,
    realized_plan,
    weights_with_new,
)

Array = np.ndarray

#: (labels, sample_weight=, classes=) -> plan.
Maker = Callable[..., Plan]


@dataclass(frozen=True)
class Chain(Unrealized):
    """Several plans in order, each on the rows that the previous plan returns (see `chain`).

    The drawn rows are known after `realize`. Until then, the plan counts every row once.
    """

    makers: tuple[Maker, ...] = field(default_factory=tuple)

    def realize(self, x: Any, seed: int = 0) -> Realized:
        """Apply all steps but the last to the rows `x`, and return the plan of the last step.

        The last step draws again in each epoch. Rows that any step creates become `new` rows of the result.
        """
        check_feature_rows(x, self)
        n = len(self.codes)
        rows, fresh, new = StepRows(x, self.codes, np.arange(n), self.sample_weight), [], [np.empty(0, np.int32)]
        for step, make in enumerate(self.makers):
            word = seeds.integer(seed, "chain", step)
            plan = self._plan_of_step(make, rows).realize(rows.x, word)
            if plan.new is not None:
                made, codes = plan.new
                rows = _with_new_rows(rows, made, codes, n + sum(map(len, new)), plan)
                fresh.append(made)
                new.append(codes)
            if step < len(self.makers) - 1:
                # A step in the middle leaves each row at most once: repeats would only be memorized by the next step.
                kept = np.unique(plan.rows(0, word))
                _check_unweighted(plan, kept, rows.weight)
                rows = rows.taken(kept)
        new_x = join(fresh) if fresh else None
        return realized_plan(self.name, self, plan, StepRows(None, rows.codes, rows.origin), new_x, np.concatenate(new))

    def _plan_of_step(self, make: Maker, rows: StepRows) -> Plan:
        """Return the plan of one step for its rows; raise an OptionError if it is deferred."""
        labels = np.arange(len(self.classes))
        plan = with_codes(make, self.classes)(rows.codes, sample_weight=rows.weight, classes=labels)
        if plan.deferred:
            raise OptionError(
                f"The chain contains the deferred plan {plan.name!r}. "
                "Defer the whole chain instead: make the chain first, then pass it to deferred()."
            )
        return plan


@dataclass(frozen=True)
class ChainMaker:
    """A plan function that makes a `Chain` from labels, returned by `chain`."""

    makers: tuple[Maker, ...]

    def __call__(self, y: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Chain:
        """Make the chain for labels `y`; it draws each row once until `realize` is called."""
        base = uniform(y, sample_weight=sample_weight, classes=classes)
        name = " + ".join(_step_name(make) for make in self.makers)
        return Chain(
            name, base.codes, base.classes, base.drawn, base.class_weights, sample_weight=base.sample_weight,
            needs_calibration=True, makers=self.makers,
        )  # fmt: skip


def chain(*makers: Maker) -> ChainMaker:
    """Chain plans: each plan works on the rows that the previous plan returns.

    Args:
        *makers: Functions from labels to plans, in order, for example `plans.undersample`. To set options, use
            `functools.partial(plans.synthesize, sampler="smote", ratio=0.5)`. A chain can contain other chains.

    Returns:
        A function from labels to a plan. `realize(x)` applies the plan to features.

    Raises:
        OptionError: There is no plan function, or an argument is none. `realize` raises it for a plan that weights rows
            and is not the last one.

    Example:
        >>> from counterpoise.plans import clean, synthesize, undersample
        >>> y = np.repeat([0, 1], [60, 8])
        >>> make = chain(partial(synthesize, ratio=0.5), undersample)
        >>> plan = make(y).realize(np.random.default_rng(0).normal(size=(68, 2)))
        >>> plan.name, len(plan), plan.prior.tolist()
        ('synthesize + undersample', 60, [0.5, 0.5])
    """
    if not makers:
        raise OptionError(
            "chain() got no plan. Expected at least one function of labels, for example plans.undersample."
        )
    for make in makers:
        if not callable(make):
            raise OptionError(
                f"The chain contains {make!r}, which is not a plan function. "
                "Expected a function of labels, for example plans.undersample."
            )
    flat = [step for make in makers for step in (make.makers if isinstance(make, ChainMaker) else (make,))]
    return ChainMaker(tuple(flat))


def with_codes(make: Maker, classes: Sequence[Any]) -> Maker:
    """Return a plan function for class codes: its bound options by label become options by code.

    Args:
        make: A plan function, alone, in `functools.partial`, or in a chain.
        classes: The labels of the codes.

    Example:
        >>> from counterpoise.plans import class_weight
        >>> with_codes(partial(class_weight, scheme={"ill": 9, "ok": 1}), classes=("ok", "ill")).keywords
        {'scheme': {0: 1, 1: 9}}
    """
    if isinstance(make, partial):
        return partial(with_codes(make.func, classes), *make.args, **by_code(make.keywords, classes))
    if isinstance(make, ChainMaker):
        return ChainMaker(tuple(with_codes(step, classes) for step in make.makers))
    return make


def _check_unweighted(plan: Plan, rows: Array, user: Array | None) -> None:
    """Raise an OptionError if a step in the middle weights its rows, because only the last step weights the loss.

    The weights of the user (n,) are no weights of the step.
    """
    weights = plan.weights()[rows]
    weights = weights if user is None else weights[user[rows] > 0] / user[rows][user[rows] > 0]
    if not np.allclose(weights, weights[0], rtol=1e-4):
        raise OptionError(
            f"The chain contains the plan {plan.name!r}, which weights rows, before its last step. Only the weights of "
            "the last step are used. Make this plan the last one of the chain."
        )


def _with_new_rows(rows: StepRows, made: Any, codes: Array, first: int, plan: Plan) -> StepRows:
    """Return the rows, followed by the new rows of the `plan` of a step, which are numbered from `first` on."""
    return StepRows(
        join([rows.x, made]),
        np.concatenate([rows.codes, codes]),
        np.concatenate([rows.origin, np.arange(first, first + len(codes))]),
        weights_with_new(rows.weight, plan, codes),
    )


def _step_name(make: Maker) -> str:
    """Return the name of a step for reports: its sampler if it is a text, otherwise the name of its function."""
    if isinstance(make, partial):
        chosen = make.keywords.get("sampler")
        return chosen if isinstance(chosen, str) else _step_name(make.func)
    return getattr(make, "__name__", type(make).__name__)
