"""After shipping: new rows without labels compared with the rows that fitted the rule, and the rule that suits them.

The computation is in `decide.drift`; this file reads the rows and divides them by label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.rows import with_column_values
from counterpoise.core.checks import check_classifier
from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.drift import Drift
from counterpoise.decide.drift import monitor as compare_scores


def monitor(
    clf: Classifier, batch: Any, *, method: str = "em", draws: int = 200, seed: int = 0
) -> Drift | dict[str, Drift]:
    """Compare new unlabeled rows with the rows that fitted the decision rule of a classifier.

    With several labels per row, each label is compared separately, on the rows where this label was known.

    Args:
        clf: The classifier in use. It contains the scores and labels of the rows that fitted its decision rule.
        batch: New rows, in any form that `predict` accepts. Labels are ignored.
        method: How the new class proportions are estimated: "em" or "bbse" (see `cp.decide.estimate_prior`).
        draws: Number of bootstrap draws for the interval and for the test.
        seed: Seed of the random draws.

    Returns:
        A record with `estimate` (new class proportions with intervals, and whether only the proportions changed),
        `score_distance`, `flagged_before`, `flagged_now`, `plausible` (whether the aim of the threshold is still
        plausible), `rule` (the decision rule for the new proportions, see `adapted`), and `notes` (sentences). With
        several labels per row, the result is a dict from the name of each label to such a record.

    Raises:
        OptionError: The classifier has no stored scores, or a class is missing in the rows that fitted its decision
            rule.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(600) < 0.2).astype(int)
        >>> from counterpoise.classifier.wrap import wrap
        >>> z = 2 * rng.normal(size=600) + 3 * y - 2
        >>> drift = monitor(wrap(1 / (1 + np.exp(-z)), y), 1 / (1 + np.exp(-z[:200])), draws=20)
        >>> drift.plausible
        True
    """
    check_classifier(clf, "monitor")
    if clf.target.per_element:
        raise OptionError(
            f"monitor compares rows of one class each, but the rows of this classifier have {clf.target.what}. "
            f"Instead, monitor one number per row, such as the area of a class in clf.predict_frame(x)."
        )
    if "log_p" not in clf.scores:
        raise OptionError(
            "This classifier has no stored scores of labeled rows to compare with. Train it with "
            "cp.fit, or pass labels to cp.wrap."
        )
    column = clf.rule.column
    stored = None if column is None else clf.scores.get(column.stored)
    if column is not None and stored is None:
        raise OptionError(
            f"monitor needs the values of column {column.name!r}, which were not stored with the classifier. Pass "
            "cost_column= to cp.fit, or monitor clf.decide(threshold=0.5)."
        )
    # `values`: the values of the column on which decisions depend, in the new rows; None without such a column.
    encoded, values = with_column_values(clf, batch, column)
    old, new = clf.scores["log_p"].astype(np.float64), clf.log_p(clf.encoded_logits(encoded))
    problems = clf.target.problems(clf.scores["y"], clf.classes_.tolist())
    drifts = {}
    for problem, rule in zip(problems, clf.rule.unreviewed.problem_rules, strict=True):
        # A problem contains only the rows where its label is known; of the new rows, all are used.
        fresh = replace(problem, rows=np.arange(new.shape[1])).log_p(new)
        drift = compare_scores(
            rule, list(problem.log_p(old)), problem.y, list(fresh),
            sample_weight=problem.of_rows(clf.scores.get("weight")), column_values=stored, new_column_values=values,
            method=method, draws=draws, seed=seed,
        )  # fmt: skip
        of_rows = () if clf.unit is None else (_of_rows_note(clf.unit.name),)
        drifts[problem.name] = replace(drift, notes=(*drift.notes, *of_rows))
    # With one class per row there is one problem, and its name is empty.
    return drifts[""] if problems[0].index is None else drifts


def _of_rows_note(unit: str) -> str:
    """Return the note that a classifier of units is compared by its single rows."""
    return f"The classifier decides units ({unit}), but these shares, decisions, and thresholds are for single rows."


def adapted(clf: Classifier, drift: Drift | Mapping[str, Drift]) -> Classifier:
    """Return the classifier for the new class proportions, without retraining.

    The probabilities and the threshold change.

    Raises:
        OptionError: Not only the class proportions changed, so there is no such decision rule.
    """
    rules: list[Rule] = []
    for label, one in drift.items() if isinstance(drift, Mapping) else [("", drift)]:
        if one.rule is None:
            where = f"Label {label!r}: " if label else ""
            raise OptionError(
                f"{where}{one.estimate.note} The probabilities of these rows cannot be corrected without labels. Label "
                "some of these rows."
            )
        rules.append(one.rule)
    return clf.with_rule(clf.rule.with_problem_rules(rules))


def drift_to_dict(clf: Classifier, drift: Drift | Mapping[str, Drift]) -> dict[str, Any]:
    """Return the result of `monitor` as plain JSON values, as `counterpoise evaluate --unlabeled --json` prints it.

    With several labels per row, the result is {"labels": [...]}, with one such dict per label.
    """
    if isinstance(drift, Mapping):
        each = zip(drift.items(), clf.rule.problem_rules, strict=True)
        return {"labels": [{"label": name, **_drift_values(one, rule, ("0", "1"))} for (name, one), rule in each]}
    (rule,) = clf.rule.problem_rules
    return _drift_values(drift, rule, [str(label) for label in clf.classes_.tolist()])


def _drift_values(drift: Drift, rule: Rule, classes: Sequence[str]) -> dict[str, Any]:
    """Return one drift as JSON values; `classes` are the names of its classes, in their order.

    `decided_before` and `decided_now` are shares of the rows. `threshold_now` is None if there is none.
    """
    e = drift.estimate
    return {
        "classes": [
            {
                "label": label,
                "share_before": float(e.source_prior[c]),
                "share_now": float(e.prior[c]),
                "low": float(e.low[c]),
                "high": float(e.high[c]),
                "decided_before": float(drift.flagged_before[c]),
                "decided_now": float(drift.flagged_now[c]),
            }
            for c, label in enumerate(classes)
        ],
        "pure_prior_shift": e.pure,
        "p": e.fit_p,
        "score_distance": drift.score_distance,
        "plausible": drift.plausible,
        "threshold_before": rule.threshold,
        "threshold_now": None if drift.rule is None else drift.rule.threshold,
        "notes": list(drift.notes),
    }
