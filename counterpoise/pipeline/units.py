"""Rows to units (such as patients): their probabilities, the rule that calibrates and decides units, and its results.

The names of unit scores (`UNIT` in front) are saved in model files.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterpoise.classifier.model_card import stored_scores
from counterpoise.classifier.unit_predictions import decided_units
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.target import Target
from counterpoise.core.units import UNIT_PREFIX, UnitRule, Units
from counterpoise.decide.calibrate import NEEDED
from counterpoise.strategies.select import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def units_of_scores(units: Units, rows: Array) -> Units:
    """Return the units of scored rows (T,), with one copy of a unit for each repeat.

    A row number that occurs again belongs to a later repeat, and so to another copy of its unit.
    """
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    repeat = np.empty(len(rows), np.int64)
    repeat[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return replace(units, codes=units.codes[rows] + repeat * len(units)).at(np.arange(len(rows)))


def fit_unit_rule(
    strategy: Strategy, examples: Examples, proba: Array, rows: Array, tune_threshold: bool = True
) -> tuple[UnitRule, dict[str, Array]]:
    """Fit the rule of units on the probabilities of rows not used for training; return it with its scores.

    The mean or largest probability of a unit's rows is not the probability that one of them is positive. So it is
    calibrated on units, whatever the strategy.

    Args:
        strategy: Its aim chooses the threshold.
        examples: All rows.
        proba: (T, C) or (T, L), corrected, of `rows` (T,).
        rows: Row numbers, one repeat after another.
        tune_threshold: As in `fold_results.fit_rule`.
    """
    assert examples.units is not None
    target, units = target_of(examples), units_of_scores(examples.units, rows)
    log_p = target.log_p_of(target.unit_proba(proba, units))[None]
    y, weights = units.labels(examples.y[rows]), examples.weights_of(rows)
    own = None if weights is None else units.mean(weights).astype(np.float32)
    groups = None if examples.groups is None else examples.groups[rows[units.first]]
    scores = stored_scores(log_p, y, own, groups=groups)
    rule = target.fit_rule(
        log_p, y, np.zeros((1, *target.shape(len(examples.classes)))), aim=strategy.aim if tune_threshold else "argmax",
        check_intercept=True, calibrate=_unit_calibrator, sample_weight=own,
    )  # fmt: skip
    return UnitRule(units.columns, units.aggregate, rule), {f"{UNIT_PREFIX}{name}": one for name, one in scores.items()}


def _unit_calibrator(y: Array) -> str | None:
    """Return the kind of calibrator for units with class codes y: "platt" (slope and intercept), "temperature" (slope).

    "platt" needs enough units of each class, "temperature" at least one. None: no calibrator is tried.
    """
    counts = np.bincount(y, minlength=2)
    return "platt" if counts.min() >= NEEDED["platt"] else "temperature" if counts.min() > 0 else None


def unit_guarantee_scores(target: Target, kept: Examples, proba: Array) -> dict[str, Array]:
    """Return stored scores, by name, of the units of the rows `kept` for guarantees.

    `proba` (N, C) or (N, L) are the probabilities of these rows.
    """
    assert kept.units is not None
    units, as_units = kept.units, kept.as_units()
    log_p = target.log_p_of(target.unit_proba(proba, units))[None]
    scores = {"log_p": log_p.astype(np.float32), "y": as_units.y}
    scores |= {} if as_units.sample_weight is None else {"weight": as_units.sample_weight}
    scores |= {} if as_units.groups is None else {"group": as_units.groups}
    return {f"{UNIT_PREFIX}guarantee_{name}": one for name, one in scores.items()}


def unit_result(result: FoldResult, strategy: Strategy, examples: Examples, others: Array, rows: Array) -> FoldResult:
    """Return the result of a strategy for the units among the test rows of a fold.

    Its `rows` are numbers of units. The rule is fitted on the units of the other folds.

    Args:
        result: That of the rows.
        strategy: The strategy.
        examples: All rows.
        others: (T, C) or (T, L), probabilities by the same rule of the rows that fitted it.
        rows: (T,), their numbers.
    """
    assert examples.units is not None
    target = target_of(examples)
    rule, _ = fit_unit_rule(strategy, examples, others, rows)
    units = examples.units.at(result.rows)
    decided = decided_units(target, rule, units, result.proba)
    return replace(
        result, rows=np.unique(examples.units.codes[result.rows]), raw=target.unit_proba(result.raw, units),
        proba=decided.proba, decision=decided.decision, rule=rule.rule, duplicate_free=None, member_proba=(),
        member_weights=None,
    )  # fmt: skip
