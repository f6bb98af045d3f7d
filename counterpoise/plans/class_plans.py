"""Plans that depend only on the class counts: oversampling, undersampling and class weights.

Formulas are in `multiplicities`. Strategies have these functions as their `plan`; `targets.elements` recognizes some of
them, and makes plans of elements instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import check_no_class_lost
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.labels import count_codes
from counterpoise.core.per_class import in_class_order, label_number_pairs
from counterpoise.plans import multiplicities
from counterpoise.plans.labels import codes_of, user_weights
from counterpoise.plans.plan import Plan as Plan

Array = np.ndarray


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
    """Make a plan from labels and multiplicities of classes (see `multiplicities`).

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        make: Function from class counts (C,) to multiplicities (C,).
        name: Name of the plan.
        as_rows: True: rows are drawn as often as the multiplicities say, which see counts of rows. False: each row is
            drawn once per epoch, and multiplicities are class weights, which see sums of `sample_weight`.
        sample_weight: The user's weights (n,). classes: All labels, if `y` lacks some.
        **how: Further fields of `Plan`, such as `draw`.

    Raises:
        TargetError: A class has no rows.
    """
    codes, labels = codes_of(y, classes)
    size = len(labels)
    count = count_codes(codes, size)
    if np.any(count == 0):
        raise TargetError(
            f"Class {labels[int(np.argmin(count))]!r} has no rows, but a plan needs rows of every class. "
            "Add rows of this class, or leave it out of classes=."
        )
    user = user_weights(sample_weight, len(codes))
    check_no_class_lost(codes, user, labels)
    mass = count.astype(float) if user is None else np.bincount(codes, weights=user, minlength=size)
    if as_rows:
        drawn, class_weights = np.rint(count * make(count)).astype(np.int64), np.ones(size)
    else:
        drawn, class_weights = count.astype(np.int64), np.asarray(make(mass), dtype=float)
    return Plan(name, codes, labels, drawn, class_weights, sample_weight=user, **how)


def uniform(y: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Use every row once per epoch, with equal weights: no remedy.

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
    """Draw rows of smaller classes several times per epoch (random oversampling).

    m_c = max(1, ratio max(n) / n_c). Known problem: the model may memorize the repeated rows.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        ratio: Wanted size of the smaller classes divided by the size of the largest class, in (0, 1].
        draw: "even": every row floor(m) times, and the remainder without replacement. "replacement": independent draws,
            as in `resample` of scikit-learn.
        redraw: False keeps one fixed set of rows for all epochs, which is common practice.
        sample_weight: Your own weights (n,). They multiply the weights of the plan and define the class proportions of
            the data.
        classes: All labels, if `y` lacks some of them.

    Example:
        >>> plan = oversample([0, 0, 0, 1])
        >>> sorted(plan.rows(epoch=0, seed=1).tolist())
        [0, 1, 2, 3, 3, 3]
        >>> plan.prior
        array([0.5, 0.5])
    """
    return from_multiplicity(
        y,
        lambda n: multiplicities.oversampled(n, ratio),
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
    draw: str = "even",
    redraw: bool = True,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> Plan:
    """Draw a part of each larger class without replacement (random undersampling).

    m_c = min(1, min(n) / (ratio n_c)). With `redraw=True`, every row is used before a row is drawn again: after E
    epochs, the share of rows used is min(1, E m). Known problem with `redraw=False`: the rows left out are never used.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        ratio: Wanted size of the smallest class divided by the size of the larger classes, in (0, 1].
        draw: "even": without replacement. "bootstrap": independent draws of every class, including the smallest, as in
            bagging.
        redraw: False keeps one fixed set of rows for all epochs, which is common practice.
        sample_weight: Your own weights (n,).
        classes: All labels, if `y` lacks some of them.

    Example:
        >>> plan = undersample([0, 0, 0, 1])
        >>> len(plan), plan.prior.tolist()
        (2, [0.5, 0.5])
    """
    return from_multiplicity(
        y,
        lambda n: multiplicities.undersampled(n, ratio),
        name="undersample",
        as_rows=True,
        draw=draw,
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
    """Weight the loss by class: w_c = n / (C n_c) for "balanced".

    Every row is used once per epoch.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        scheme: "balanced", or a dict of weights by label.
        sample_weight: Your own weights (n,).
        classes: All labels, if `y` lacks some of them.

    Example:
        >>> class_weight([0, 0, 0, 1]).weights()
        array([0.6666667, 0.6666667, 0.6666667, 2.       ], dtype=float32)
    """
    labels, named = codes_of(y, classes)[1], label_number_pairs(scheme)
    if named is None and not (isinstance(scheme, str) and scheme == "balanced"):
        raise OptionError(f'scheme is {scheme!r}. Use "balanced", or a dict with one weight for each label.')

    def make(n: Array) -> Array:
        return multiplicities.balanced(n) if named is None else multiplicities.by_label(n, labels, dict(named))

    return from_multiplicity(y, make, name="class_weight", as_rows=False, sample_weight=sample_weight, classes=classes)


def power(y: Any, exponent: float = 0.5, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Balance partly by weights, w_c proportional to n_c ** -exponent.

    An exponent of 0 does not balance the classes, and an exponent of 1 balances them fully.

    Example:
        >>> power([0] * 4 + [1], exponent=0.5).prior.round(3).tolist()
        [0.667, 0.333]
    """
    return from_multiplicity(
        y,
        lambda n: multiplicities.powered(n, exponent),
        name="power",
        as_rows=False,
        sample_weight=sample_weight,
        classes=classes,
    )


def effective_number(
    y: Any, beta: float = 0.999, *, sample_weight: Any = None, classes: Sequence[Any] | None = None
) -> Plan:
    """Weight classes by the effective number of samples (Cui et al. 2019).

    Example:
        >>> effective_number([0] * 90 + [1] * 10, beta=0.99).class_weights.round(3).tolist()
        [0.657, 4.089]
    """
    return from_multiplicity(
        y,
        lambda n: multiplicities.effective_number(n, beta),
        name="effective_number",
        as_rows=False,
        sample_weight=sample_weight,
        classes=classes,
    )


def to_prior(y: Any, prior: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Weight classes so that the class proportions in training are `prior`.

    Pass the proportions as a dict by label, or in the order of the sorted labels (of `classes`, if these are given).
    In a strategy, a list is in the order of the classes, where the rarer of two classes is last.

    Example:
        >>> to_prior([0, 0, 0, 1], [0.6, 0.4]).prior
        array([0.6, 0.4])
    """
    labels = codes_of(y, classes)[1]
    return from_multiplicity(
        y,
        lambda n: multiplicities.to_prior(n, in_class_order(prior, "prior", labels)),
        name="to_prior",
        as_rows=False,
        sample_weight=sample_weight,
        classes=classes,
    )


def cost(y: Any, costs: Any, *, sample_weight: Any = None, classes: Sequence[Any] | None = None) -> Plan:
    """Weight classes by costs (Elkan 2001).

    Pass a cost for each class (C,), as a dict by label or in order (see `to_prior`), or a matrix (C, C) with true
    classes as rows.

    Example:
        >>> cost([0, 0, 0, 1], [1, 5]).weights().round(2).tolist()
        [0.5, 0.5, 0.5, 2.5]
    """
    labels = codes_of(y, classes)[1]
    return from_multiplicity(
        y,
        lambda n: multiplicities.cost(n, in_class_order(costs, "costs", labels)),
        name="cost",
        as_rows=False,
        sample_weight=sample_weight,
        classes=classes,
    )
