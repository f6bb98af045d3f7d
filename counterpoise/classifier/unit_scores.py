"""The entry "units" of `evaluate`: scores of a classifier for units, in addition to the scores for rows.

Its keys are read by `evaluation_summary`, `cli.evaluate` and `report.card_page`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.classifier.unit_predictions import check_images_aggregate, decide_units, unit_rule_of
from counterpoise.core.target import Problem
from counterpoise.core.units import Units
from counterpoise.data.image_set import ImageSet
from counterpoise.data.row_metadata import unit_table
from counterpoise.data.unit_columns import mixed_units, unit_names, units_of
from counterpoise.metrics.measured import mean_over_problems, measure, without_intervals
from counterpoise.metrics.review_scores import review_scores
from counterpoise.targets.shares import shares_of

Array = np.ndarray


def units_to_score(clf: Any, rows: Any, given: Any) -> Units | None:
    """Return the units of labeled rows by the named columns, or by those of training if the rows have them, or None.

    `given` names columns of the rows, or holds the unit of each row. Images have units of their own (`rows.unit`); with
    `given`, they have none.

    Raises:
        OptionError: units were named, and the classifier decides rows alone.
    """
    if isinstance(rows, ImageSet):
        table = rows.unit if given is None else None
        if table is not None:
            check_images_aggregate(clf, rows)
    elif given is not None:
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame({"row": np.zeros(len(given), np.uint8)})
        table = unit_table(frame, unit_names(given, frame.columns) or given)
    else:
        known = () if clf.unit is None or not isinstance(rows, pl.DataFrame) else clf.unit.columns
        table = rows.select(known) if known and set(known) <= set(rows.columns) else None
    return None if table is None else units_of(table, unit_rule_of(clf).aggregate)


def unit_scores(
    clf: Any, units: Units, codes: Array, proba: Array, groups: Array | None, weight: Array | None, resamples: int
) -> dict[str, Any] | None:
    """Return every metric with its interval for units, how they are decided, and their classes.

    None, with a warning, if all units have the same class: then only rows have scores.

    Args:
        clf: The `Classifier`, which decides units.
        units: Those of the rows.
        codes: Labels of the rows, (N,) or (N, L).
        proba: Their probabilities, (N, C) or (N, L).
        groups: Codes of their groups (N,); each unit is of one group.
        weight: Their weights (N,), or None.
        resamples: Bootstrap draws.
    """
    rule, y, classes = unit_rule_of(clf), units.labels(codes), clf.classes_.tolist()
    predicted = decide_units(clf, replace(rule, rule=rule.rule.unreviewed), units, proba)
    drawn_by = {
        "groups": None if groups is None else groups[units.first],
        "sample_weight": None if weight is None else units.mean(weight),
    }
    everything = clf.target.problems(y, classes)
    problems = [p for p in everything if len(np.unique(p.y)) > 1]
    if not problems:
        warnings.warn(
            f"All units ({rule.name}) have the same class{' for each label' if len(everything) > 1 else ''}, but "
            "scores of units need at least two. All scores are for single rows. Pass units of the other classes, too.",
            UserWarning,
            stacklevel=3,
        )
        return None
    if len(problems) < len(everything):
        unscored = [p for p in everything if len(np.unique(p.y)) < 2]
        warnings.warn(unscored_text(unscored, "units"), UserWarning, stacklevel=3)
    each = [
        measure(
            p.y, p.proba(predicted.proba), p.decision(predicted.decision), resamples=resamples,
            **{name: p.of_rows(values) for name, values in drawn_by.items()},
        )
        for p in problems
    ]  # fmt: skip
    together = clf.target.joint_scores(y, predicted.proba, predicted.decision, drawn_by["sample_weight"])
    return {
        "columns": list(units.columns),
        "aggregate": rule.aggregate,
        "calibrated": rule.calibrated,
        "count": len(units),
        "mixed": mixed_units(units, codes),
        "classes": shares_of(clf.target, y, classes, drawn_by["sample_weight"]),
        "threshold": rule.rule.threshold,
        "aim": rule.rule.aim,
        "metrics": mean_over_problems(each) | without_intervals(together),
        "labels": [
            {"label": p.name, "threshold": rule.rule.problem_rules[p.index].threshold, "metrics": scores}
            for p, scores in zip(problems, each, strict=True)
            if p.index is not None
        ],
        "review": None
        if rule.rule == rule.rule.unreviewed
        else review_scores(y, decide_units(clf, rule, units, proba).decision, classes, **drawn_by),
    }


def unscored_text(problems: Sequence[Problem], of: str) -> str:
    """Return a sentence on the labels that have no scores because they have one value only where they are known.

    `of` is what has the labels: "rows" or "units".
    """
    names = [f"{p.name!r} ({f'always {p.y[0]}' if len(p.y) else 'never known'})" for p in problems]
    more = " ..." if len(names) > 5 else ""
    return (
        f"Labels without scores: {', '.join(names[:5])}{more}. Scores need {of} with 0 and {of} with 1. The means do "
        f"not contain these labels. Pass {of} of the other value, too."
    )
