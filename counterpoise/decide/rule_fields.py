"""A rule as plain values, for model files: `rule_to_dict` writes them, and `checked_rule` checks and reads them.

The names of the fields are those of `core.rule.Rule`, and are saved in model files and in manifests of exports. A new
field needs a default, so that older files can still be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import ArtifactError, OptionError
from counterpoise.core.file_checks import (
    Check,
    anything,
    boolean,
    choice,
    integer,
    list_of,
    nullable,
    number,
    numbers,
    record,
    string,
    wrong_value,
)
from counterpoise.core.group_thresholds import GroupThresholds
from counterpoise.core.guarantee import ClassGuarantee, Guarantee
from counterpoise.core.review import Review
from counterpoise.core.rule import Rule
from counterpoise.decide.aim import Aim
from counterpoise.decide.calibrate import NEEDED
from counterpoise.decide.pooling import VOTES

#: What messages call the values.
RULE = "the rule"
#: The largest threshold: above every probability, so that nothing is decided positive.
LARGEST_THRESHOLD = float(np.nextafter(1.0, 2.0))


def rule_to_dict(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain lists and numbers, for JSON; `checked_rule` reads it back."""
    guarantee = None if rule.guarantee is None else _plain_fields(rule.guarantee)
    review = None if rule.review is None else _plain_review(rule.review)
    column = None if rule.cost_column is None else _plain_fields(rule.cost_column)
    by = None if rule.by is None else {k: list(v) if k != "name" else v for k, v in _plain_fields(rule.by).items()}
    records = {"guarantee": guarantee, "cost_column": column, "by": by, "review": review}
    return _plain_fields(rule) | {"notes": list(rule.notes), **records}


def _plain_fields(part: Any) -> dict[str, Any]:
    """Return the fields of a record by name, its NumPy values as plain ones."""
    values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    return {k: v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in values.items()}


def _plain_review(review: Review) -> dict[str, Any]:
    """Return the fields of a review by name, its budget as a list, or None without one."""
    budget = None if review.budget is None else list(review.budget)
    return _plain_fields(review) | {"budget": budget}


def checked_rule(values: Any) -> Rule:
    """Make a rule from plain values (see `rule_to_dict`), after checking all of them.

    Raises:
        ArtifactError: A field is absent, of another type or shape, or out of range.

    Example:
        >>> checked_rule({"log_shifts": [[0, 0]], "prior": [0.9, 0.1], "threshold": float("nan")})
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: the rule.threshold is nan. Expected a finite number from 0 to 1.
    """
    # Two passes: the first only finds the numbers of members and classes, on which all other shapes depend.
    sizes = record({"log_shifts": numbers((None, None)), "prior": numbers((None,), 0, 1)}, others=anything)
    outer = sizes(values, RULE)
    m, c = len(outer["log_shifts"]), len(outer["prior"])
    if c < 2:
        raise ArtifactError(f"{RULE}.prior has one class. Expected 2 or more.")
    fields = _rule_check(m, c)(values, RULE)
    if abs(fields["prior"].sum() - 1.0) > 1e-6:
        raise ArtifactError(f"{RULE}.prior sums to {fields['prior'].sum():g}. Expected 1.")
    if fields.get("by") is not None and (fields.get("threshold") is None or fields.get("cost_column") is not None):
        raise ArtifactError(
            f"{RULE}.by has no common threshold, or is combined with a cost column. Expected a common threshold."
        )
    if fields.get("weights") is not None and not fields["weights"].any():
        raise ArtifactError(f"{RULE}.weights are all 0. Expected one above 0.")
    return Rule(**fields)


def _rule_check(m: int, c: int) -> Check:
    """Return the check of all fields of a rule with `m` members and `c` classes.

    A check is a function (value, name in messages) that returns the converted value or raises an `ArtifactError`.
    """
    binary = c == 2
    cut = number(0, LARGEST_THRESHOLD) if binary else _must_be_null("a threshold is for two classes")
    return record(
        {"log_shifts": numbers((m, c)), "prior": numbers((c,), 0, 1)},
        optional={
            "vote": choice(VOTES),
            "weights": nullable(numbers((m,), 0)),
            "intercept": nullable(numbers((c,))),
            "calibrator": nullable(_calibrator_check(c)),
            "threshold": nullable(cut),
            "offsets": nullable(_must_be_null("offsets are for three classes or more") if binary else numbers((c,))),
            "member_thresholds": nullable(numbers((m,), 0, LARGEST_THRESHOLD) if binary else numbers((m, c))),
            "aim": _read_aim,
            "notes": lambda value, where: tuple(list_of(string())(value, where)),
            "gammas": nullable(numbers((m,), 0)),
            "guarantee": nullable(_guarantee_check(c)),
            "costs": nullable(numbers((c, c))),
            "cost_column": nullable(_read_cost_column if binary else _must_be_null("a cost column is for two classes")),
            "by": nullable(
                _read_group_thresholds if binary else _must_be_null("thresholds by group are for two classes")
            ),
            "review": nullable(_review_check(c)),
        },
    )


def _guarantee_check(c: int) -> Check:
    """Return a check that makes a `Guarantee` (two classes) or a `ClassGuarantee`."""
    of = {"of": choice(("rows", "groups"))}
    if c > 2:
        arrays = {"offsets": numbers((c,)), "floors": numbers((c,), 0, 1), "reached": numbers((c,), 0, 1)}
        of_classes = record(
            {**arrays, "rows": numbers((c,), 0), "confidence": number(0, 1), "kept_out": boolean}, optional=of
        )
        return lambda value, where: ClassGuarantee(**_with_integer_rows(of_classes(value, where)))
    shares = {"floor": number(0, 1), "reached": number(0, 1), "confidence": number(0, 1)}
    kind = choice(("recall", "precision"))
    numbers_of = {"threshold": number(0, LARGEST_THRESHOLD), "rows": integer()}
    of_threshold = record({**shares, **numbers_of, "kind": kind, "kept_out": boolean}, optional=of)
    return lambda value, where: Guarantee(**of_threshold(value, where))


def _read_cost_column(value: Any, where: str) -> CostColumn:
    """Return the checked cost column; `where` is the name of the field in messages."""
    fields = record({"name": string(), "cost_fp": number(0)})(value, where)
    if not fields["name"] or not fields["cost_fp"] > 0:
        raise ArtifactError(f"{where} is {value!r:.80}. Expected the name of a column, and a cost above 0.")
    return CostColumn(**fields)


def _read_group_thresholds(value: Any, where: str) -> GroupThresholds:
    """Return the checked thresholds by group.

    They need a column, and one threshold for each different value.
    """
    cuts = numbers((None,), 0, LARGEST_THRESHOLD)
    parts = {"name": string(), "values": list_of(string()), "thresholds": cuts, "common": list_of(string())}
    fields = record(parts)(value, where)
    values, thresholds = tuple(fields["values"]), tuple(fields["thresholds"].tolist())
    if not fields["name"] or not values or len(values) != len(thresholds) or len(set(values)) != len(values):
        raise ArtifactError(f"{where} is {value!r:.80}. Expected a column, and a threshold for each of its values.")
    return GroupThresholds(fields["name"], values, thresholds, tuple(fields["common"]))


def _review_check(c: int) -> Check:
    """Return a check that makes a `Review`.

    A review has either floors (one for each class) or a margin.
    """
    check = record(
        {
            "floors": nullable(numbers((c,), 0, 1)),
            "margin": nullable(number(0)),
            "rows": integer(),
            "kept_out": boolean,
        },
        optional={"alpha": nullable(number(0, 1)), "budget": nullable(numbers((2,), 0))},
    )

    def review(value: Any, where: str) -> Review:
        """Return the `Review` of checked plain values."""
        fields = check(value, where)
        if (fields["floors"] is None) == (fields["margin"] is None):
            raise ArtifactError(f"{where} has floors and a margin, or neither. Expected one of them.")
        budget = fields.get("budget")
        return Review(**{**fields, "budget": None if budget is None else tuple(budget.tolist())})

    return review


def _with_integer_rows(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a guarantee with "rows" as int64, because `numbers` reads floats."""
    return {**values, "rows": values["rows"].astype(np.int64)}


def _must_be_null(why: str) -> Check:
    """Return a check that refuses every value; `why` is the reason in the message."""

    def check(value: Any, where: str) -> Any:
        """Raise an ArtifactError for any value."""
        raise wrong_value(value, where, f"null, for {why}")

    return check


def _read_aim(value: Any, where: str) -> str:
    """Return the checked text of an aim.

    If it cannot be parsed, raise an `ArtifactError`.
    """
    string()(value, where)
    try:
        return str(value) if Aim.parse(value) else ""
    except OptionError as error:
        raise ArtifactError(f"{where} is not an aim: {error}") from None


def _calibrator_check(c: int) -> Check:
    """Return a check of a calibrator for `c` classes (see `calibrate`), whose arrays stay lists.

    An isotonic calibrator has curves with knots x and y. Any other kind has slopes and intercepts.
    """
    after = {"after": _class_numbers_check(c)}
    lines = record(
        {"kind": choice(NEEDED), "slopes": _class_numbers_check(c, 0), "intercepts": _class_numbers_check(c)},
        optional=after,
    )
    curves = list_of(lambda value, where: numbers((None,))(value, where).tolist(), c)
    steps = record({"kind": choice(NEEDED), "x": curves, "y": curves}, optional=after)

    def check(value: Any, where: str) -> Mapping[str, Any]:
        """Return the checked calibrator, with the fields of its kind."""
        isotonic = isinstance(value, Mapping) and value.get("kind") == "isotonic"
        calibrator = (steps if isotonic else lines)(value, where)
        if isotonic:
            _check_curves(calibrator, c, where)
        return calibrator

    return check


def _class_numbers_check(c: int, low: float = -np.inf) -> Check:
    """Return a check of a list with one number of at least `low` per class."""
    return lambda value, where: numbers((c,), low)(value, where).tolist()


def _check_curves(calibrator: Mapping[str, Any], c: int, where: str) -> None:
    """Raise an `ArtifactError` unless all curves increase and their number is right.

    There is one curve per class, but one in all for two classes.
    """
    wanted = 1 if c == 2 else c
    lengths = [len(curve) for curve in calibrator["x"]]
    if len(lengths) != wanted or lengths != [len(curve) for curve in calibrator["y"]]:
        raise ArtifactError(
            f"{where} has curves of {lengths} knots. Expected {wanted}, with as many x as y values in each."
        )
    if any(np.any(np.diff(x) <= 0) for x in calibrator["x"]) or any(np.any(np.diff(y) < 0) for y in calibrator["y"]):
        raise ArtifactError(f"{where} has a decreasing curve. Expected increasing curves.")
