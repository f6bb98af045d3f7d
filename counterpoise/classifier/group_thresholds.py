"""Thresholds for the values of a column: chosen on the rows that fitted the rule, and the codes of these values.

Saved in model files: the values in the card ("by"), and the codes of rows in the scores ("by" and "by_code"), so the
order of `group_values` must stay. `by_group` scores groups and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import CounterpoiseError, OptionError, did_you_mean
from counterpoise.core.group_thresholds import GroupThresholds
from counterpoise.core.rule import Rule
from counterpoise.core.schema import Schema
from counterpoise.core.target import Target
from counterpoise.data.group_input import GroupInput
from counterpoise.data.levels import MAX_LEVELS, level_text, levels_of
from counterpoise.decide.new_prior import weights_at_prior

Array = np.ndarray
#: A group with fewer positive or fewer negative rows keeps the common threshold.
FEWEST_OF_A_CLASS = 20


def group_values(by: Mapping[str, Array] | None) -> dict[str, list[str]]:
    """Return the distinct values of each column as text, the most frequent value first.

    A column with more than `MAX_LEVELS` distinct values gets an empty list.

    Example:
        >>> group_values({"sex": np.array(["f", "m", "f"]), "id": np.arange(100)})
        {'sex': ['f', 'm'], 'id': []}
    """
    levels_of_columns = {name: levels_of(_value_texts(values)) for name, values in (by or {}).items()}
    return {name: list(levels) if len(levels) <= MAX_LEVELS else [] for name, levels in levels_of_columns.items()}


def codes_of(by: Mapping[str, Array] | None, values: Mapping[str, Sequence[str]]) -> Array | None:
    """Return the code of each row's value, int32 (N, number of columns).

    The result is None if `by` is empty.
    Code k means the k-th entry of `values` for this column. Code 0 means missing, or absent from `values`.

    Example:
        >>> codes_of({"sex": np.array(["f", "m", "f"])}, {"sex": ["f", "m"]}).tolist()
        [[1], [2], [1]]
    """
    if not by:
        return None
    columns = []
    for name, levels in values.items():
        codes = dict(zip(levels, range(1, len(levels) + 1), strict=True))
        columns.append([codes.get(text, 0) for text in _value_texts(by[name]).to_list()])
    return np.array(columns, dtype=np.int32).T


def _value_texts(values: Array) -> pl.Series:
    """Return values as texts, written as the levels of a column are (see `data.levels.level_text`)."""
    return level_text(pl.Series(values.tolist(), strict=False))


def with_group_thresholds(
    target: Target, rule: Rule, scores: Mapping[str, Array], aim: Mapping[str, Any], classes: Sequence[Any], name: str,
    stored: Mapping[str, Sequence[str]], schema: Schema | None,
) -> Rule:  # fmt: skip
    """Return the rule with a threshold for each group, that is, each value of a column.

    The rule's own threshold is the common one, for groups with fewer than `FEWEST_OF_A_CLASS` rows of a class.

    Args:
        target, rule, scores, aim, classes: As for `deciding.rule_and_budget_text`.
        name: The column.
        stored: Column -> its values, of the rows that fitted the rule (see `group_values`).
        schema: The columns of the classifier.

    Raises:
        OptionError: The values were not stored, there are too many, or too few rows in each.
    """
    if schema is None:
        raise OptionError(
            f"by={name!r} names a column of a table, but the rows of this classifier are not tables. Leave by= out."
        )
    if name not in stored or "by" not in scores:
        raise OptionError(
            f"by={name!r} needs the values of this column, but training did not store them. Pass by={name!r} also to "
            f"cp.fit or cp.compare (counterpoise train --threshold-by).{did_you_mean(name, stored)}"
        )
    if not stored[name]:
        raise OptionError(
            f"by={name!r} names a column with more than {MAX_LEVELS} different values. Expected a column of groups. "
            "If the column contains numbers, convert them to ranges."
        )
    # scores["by"] has one column of codes (see `codes_of`) for each entry of `stored`.
    codes, y, own, common = scores["by"][:, list(stored).index(name)], scores["y"], {}, []
    for k, value in enumerate(stored[name], start=1):
        rows = codes == k
        weighted = rows if scores.get("weight") is None else rows & (scores["weight"] > 0)
        counts = np.bincount(y[weighted], minlength=2)
        if counts.min() >= FEWEST_OF_A_CLASS:
            own[value] = _threshold_of_group(target, rule, scores, aim, classes, rows, f"{name} {value!r}")
        else:
            common.append(value)
    if not own:
        raise OptionError(
            f"A group needs {FEWEST_OF_A_CLASS} rows of each class for its own threshold, but no group of {name!r} "
            "has so many. Leave by= out to use the common threshold for all rows."
        )
    thresholds = GroupThresholds(name, tuple(own), tuple(own.values()), tuple(common))
    GroupInput.of(schema, thresholds)  # a column that no model can read as groups is refused here
    return replace(rule, by=thresholds)


def _threshold_of_group(
    target: Target, rule: Rule, scores: Mapping[str, Array], aim: Mapping[str, Any], classes: Sequence[Any],
    rows: Array, what: str,
) -> float:  # fmt: skip
    """Return the threshold that the aim chooses on the rows of a group; `rows` is a bool mask (N,).

    Errors become an `OptionError` that begins with `what`, the name of the group.
    """
    weight = row_weights(weights_at_prior(rule.prior, scores["y"], scores.get("weight")), len(scores["y"]))[rows]
    mine = {"log_p": scores["log_p"][:, rows], "y": scores["y"][rows], "weight": weight}
    if not weight.sum() > 0:
        raise OptionError(f"{what}: all rows have weight 0. Leave these rows out, or give them a weight above 0.")
    # The group has a prior of its own, which its rows keep.
    of_group = replace(rule, prior=np.bincount(mine["y"], weight, minlength=2) / weight.sum())
    try:
        chosen = target.choose(of_group, mine, aim, None, classes)
    except CounterpoiseError as error:
        raise OptionError(f"{what}: {error}") from error
    return float(chosen.threshold)


def codes_of_rule(rule: Any, scores: Mapping[str, Array], stored: Mapping[str, Sequence[str]]) -> dict[str, Array]:
    """Return the group code of each stored row under the names in model files, or {} without thresholds for groups.

    The keys are "by_code" and "guarantee_by_code", each only if `scores` has the matching rows. Code k is the k-th
    group with a threshold of its own, and code 0 is a row with the common threshold.
    """
    if rule.by is None:
        return {}
    levels = stored[rule.by.name]
    table = np.array([0, *(rule.by.values.index(v) + 1 if v in rule.by.values else 0 for v in levels)], np.int32)
    # `table` maps the code among all stored values (see `codes_of`) to the code among the groups of the rule.
    at = list(stored).index(rule.by.name)
    return {
        f"{prefix}by_code": table[scores[f"{prefix}by"][:, at]]
        for prefix in ("", "guarantee_")
        if f"{prefix}by" in scores
    }
