"""A rule as plain values: what may stand in each field, for writing and for reading alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import ArtifactError, OptionError
from counterpoise.core.guarantee import ClassGuarantee, Guarantee
from counterpoise.core.plain import (
    Check,
    anything,
    choice,
    list_of,
    maybe,
    misfit,
    number,
    numbers,
    record,
    text,
    truth,
    whole,
)
from counterpoise.core.review import Review
from counterpoise.core.rule import Rule
from counterpoise.decide.aim import Aim
from counterpoise.decide.calibrate import NEEDED
from counterpoise.decide.pooling import VOTES

PLACE = "the rule"
#: The largest threshold: above every probability, so that nothing is decided positive.
NOTHING = float(np.nextafter(1.0, 2.0))


def checked_rule(values: Any) -> Rule:
    """The rule of plain values (see `layer.rule_to_dict`).

    Raises:
        ArtifactError: A field is absent, of another type or shape, or out of range.

    Example:
        >>> checked_rule({"log_shifts": [[0, 0]], "prior": [0.9, 0.1], "threshold": float("nan")})
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: the rule.threshold is nan; expected a finite number from 0 to 1.
    """
    sizes = record({"log_shifts": numbers((None, None)), "prior": numbers((None,), 0, 1)}, others=anything)
    outer = sizes(values, PLACE)
    m, c = len(outer["log_shifts"]), len(outer["prior"])
    if c < 2:
        raise ArtifactError(f"{PLACE}.prior has one class; expected 2 or more.")
    found = _fields(m, c)(values, PLACE)
    if abs(found["prior"].sum() - 1.0) > 1e-6:
        raise ArtifactError(f"{PLACE}.prior sums to {found['prior'].sum():g}; expected 1.")
    if found.get("weights") is not None and not found["weights"].any():
        raise ArtifactError(f"{PLACE}.weights are all 0; expected one above 0.")
    return Rule(**found)


def _fields(m: int, c: int) -> Check:
    """The fields of a rule of `m` members and `c` classes."""
    binary = c == 2
    cut = number(0, NOTHING) if binary else _absent("a threshold is for two classes")
    return record(
        {"log_shifts": numbers((m, c)), "prior": numbers((c,), 0, 1)},
        optional={
            "vote": choice(VOTES),
            "weights": maybe(numbers((m,), 0)),
            "intercept": maybe(numbers((c,))),
            "calibrator": maybe(_calibrator(c)),
            "threshold": maybe(cut),
            "offsets": maybe(_absent("offsets are for three classes or more") if binary else numbers((c,))),
            "member_thresholds": maybe(numbers((m,), 0, NOTHING) if binary else numbers((m, c))),
            "aim": _aim,
            "notes": lambda value, place: tuple(list_of(text())(value, place)),
            "gammas": maybe(numbers((m,), 0)),
            "guarantee": maybe(_guarantee(c)),
            "costs": maybe(numbers((c, c))),
            "review": maybe(_review(c)),
        },
    )


def _guarantee(c: int) -> Check:
    """The guarantee of a threshold (two classes), or of offsets."""
    if c > 2:
        arrays = {"offsets": numbers((c,)), "floors": numbers((c,), 0, 1), "reached": numbers((c,), 0, 1)}
        of_classes = record({**arrays, "rows": numbers((c,), 0), "confidence": number(0, 1), "kept_out": truth})
        return lambda value, place: ClassGuarantee(**_whole_rows(of_classes(value, place)))
    shares = {"floor": number(0, 1), "reached": number(0, 1), "confidence": number(0, 1)}
    kind = choice(("recall", "precision"))
    of_threshold = record({**shares, "threshold": number(0, NOTHING), "kind": kind, "rows": whole(), "kept_out": truth})
    return lambda value, place: Guarantee(**of_threshold(value, place))


def _review(c: int) -> Check:
    """The review of a rule: by floors or by a margin."""
    check = record(
        {"floors": maybe(numbers((c,), 0, 1)), "margin": maybe(number(0)), "rows": whole(), "kept_out": truth},
        optional={"alpha": maybe(number(0, 1)), "budget": maybe(numbers((2,), 0))},
    )

    def review(value: Any, place: str) -> Review:
        found = check(value, place)
        if (found["floors"] is None) == (found["margin"] is None):
            raise ArtifactError(f"{place} has floors and a margin, or neither; expected one of them.")
        budget = found.get("budget")
        return Review(**{**found, "budget": None if budget is None else tuple(budget.tolist())})

    return review


def _whole_rows(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "rows": values["rows"].astype(np.int64)}


def _absent(why: str) -> Check:
    def check(value: Any, place: str) -> Any:
        raise misfit(value, place, f"null, for {why}")

    return check


def _aim(value: Any, place: str) -> str:
    text()(value, place)
    try:
        return str(value) if Aim.parse(value) else ""
    except OptionError as error:
        raise ArtifactError(f"{place} is no aim: {error}") from None


def _calibrator(c: int) -> Check:
    """A calibrator of `c` classes (see `calibrate`), its arrays as lists."""
    after = {"after": _row(c)}
    lines = record({"kind": choice(NEEDED), "slopes": _row(c, 0), "intercepts": _row(c)}, optional=after)
    curves = list_of(lambda value, place: numbers((None,))(value, place).tolist(), c)
    steps = record({"kind": choice(NEEDED), "x": curves, "y": curves}, optional=after)

    def check(value: Any, place: str) -> Mapping[str, Any]:
        isotonic = isinstance(value, Mapping) and value.get("kind") == "isotonic"
        found = (steps if isotonic else lines)(value, place)
        if isotonic:
            _check_curves(found, c, place)
        return found

    return check


def _row(c: int, low: float = -np.inf) -> Check:
    return lambda value, place: numbers((c,), low)(value, place).tolist()


def _check_curves(found: Mapping[str, Any], c: int, place: str) -> None:
    wanted = 1 if c == 2 else c
    lengths = [len(curve) for curve in found["x"]]
    if len(lengths) != wanted or lengths != [len(curve) for curve in found["y"]]:
        raise ArtifactError(f"{place} has curves of {lengths} knots; expected {wanted}, x and y alike.")
    if any(np.any(np.diff(x) <= 0) for x in found["x"]) or any(np.any(np.diff(y) < 0) for y in found["y"]):
        raise ArtifactError(f"{place} has a curve that falls; expected rising ones.")
