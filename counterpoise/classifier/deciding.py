"""The rule that `Classifier.decide` asks for: by an aim, by two budgets, by costs; and what goes to a human."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.review import REVIEW
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.target import Target
from counterpoise.decide.costs import cost_matrix, threshold_of_costs
from counterpoise.decide.review import margins, review_by_alpha, review_by_budget
from counterpoise.decide.rule import pooled_log_proba

Array = np.ndarray
#: Aims that go together.
BUDGETS = {"recall_floor", "alerts"}


def decided(
    target: Target, rule: Rule | LabelRules, scores: Mapping[str, Array], classes: Sequence[Any],
    aim: Mapping[str, Any], *, confidence: float | None, costs: Any, review_alpha: float | None, review_budget: Any,
) -> tuple[Rule | LabelRules, str]:  # fmt: skip
    """The rule, and a sentence on two budgets ("" without).

    Raises:
        OptionError: Options that exclude each other, or that the classifier has no scores for.
        GuaranteeError: Too few rows.
    """
    reviews = review_alpha is not None or review_budget is not None
    if target.networks_only and reviews:
        raise OptionError(
            f"review_alpha and review_budget are for one class per row, but the rows of this classifier have "
            f"{target.what}. Leave them out."
        )
    if not isinstance(rule, Rule):
        if costs is not None:
            raise OptionError(
                "costs= is for one class per row or element, but this classifier has several labels per row."
            )
        return target.choose(rule, scores, aim, confidence, classes), ""
    text = ""
    plain = replace(rule, review=None, costs=None)
    if costs is not None:
        if aim or confidence is not None:
            raise OptionError("costs decide by themselves. Leave the other aim and confidence out.")
        plain = by_costs(plain, costs, classes)
    elif set(aim) == BUDGETS:
        plain, text = by_two_budgets(target, plain, scores, aim, confidence, classes)
    elif aim or not reviews:
        plain = target.choose(plain, scores, aim, confidence, classes)
    else:
        plain = rule.unreviewed
    return (with_review(plain, scores, classes, review_alpha, review_budget) if reviews else plain), text


def by_costs(rule: Rule, costs: Any, classes: Sequence[Any]) -> Rule:
    """The rule that decides the class of the lowest expected cost (see `decide.costs.cost_matrix`)."""
    matrix = cost_matrix(costs, classes)
    threshold = threshold_of_costs(matrix) if len(matrix) == 2 else None
    return replace(
        rule, threshold=threshold, offsets=None, member_thresholds=None, aim="costs", costs=matrix, guarantee=None
    )


def by_two_budgets(
    target: Target, rule: Rule, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None,
    classes: Sequence[Any],
) -> tuple[Rule, str]:  # fmt: skip
    """A recall floor within an alert budget; where both cannot be, the budget and the recall that it allows."""
    if len(rule.prior) > 2:
        raise OptionError(f"recall_floor and alerts together are for two classes; there are {len(rule.prior)}.")
    by_recall = target.choose(rule, scores, {"recall_floor": aim["recall_floor"]}, confidence, classes)
    by_alerts = target.choose(rule, scores, {"alerts": aim["alerts"]}, None, classes)
    floor, (k, n), rows = aim["recall_floor"], aim["alerts"], len(scores["y"])
    needed, allowed = (_alerts(target, one, scores) * n for one in (by_recall, by_alerts))
    if needed <= k * (1 + 1e-12):
        return by_recall, (
            f"Recall at least {floor:g} takes {needed:.4g} alerts per {n:,.10g} rows, within the {k:,.10g} allowed (on "
            f"{rows:,} rows)."
        )
    recall = _recall(target, by_alerts, scores)
    return by_alerts, (
        f"Recall at least {floor:g} would take {needed:.4g} alerts per {n:,.10g} rows, but {k:,.10g} are allowed. With "
        f"{allowed:.4g} alerts the recall is {recall:.3g} (on {rows:,} rows)."
    )


def _alerts(target: Target, rule: Rule, scores: Mapping[str, Array]) -> float:
    decision = target.apply(rule, scores["log_p"].astype(np.float64)).decision
    return float(np.average(decision == 1, weights=scores.get("weight")))


def _recall(target: Target, rule: Rule, scores: Mapping[str, Array]) -> float:
    decision, weight = target.apply(rule, scores["log_p"].astype(np.float64)).decision, scores.get("weight")
    mine = scores["y"] == 1
    return float(np.average(decision[mine] == 1, weights=None if weight is None else weight[mine]))


def with_review(
    rule: Rule, scores: Mapping[str, Array], classes: Sequence[Any], alpha: float | None, budget: Any
) -> Rule:
    """The rule that leaves rows to a human, chosen on the rows of a guarantee (alpha) or on those that fitted it."""
    if alpha is not None and budget is not None:
        raise OptionError("review_alpha and review_budget exclude each other. Pass one of them.")
    if REVIEW in [str(label) for label in classes]:
        raise OptionError(f"A class is called {REVIEW!r}, which is what rows for a human are called. Rename the class.")
    if "log_p" not in scores:
        raise OptionError("This classifier has no out-of-fold scores, so no rows for a human can be chosen from them.")
    if alpha is None:
        log_p = pooled_log_proba(rule, list(scores["log_p"].astype(np.float64)))
        return replace(rule, review=review_by_budget(margins(rule, log_p), budget, scores.get("weight")))
    kept_out = "guarantee_log_p" in scores
    prefix = "guarantee_" if kept_out else ""
    log_p = pooled_log_proba(rule, list(scores[f"{prefix}log_p"].astype(np.float64)))
    return replace(rule, review=review_by_alpha(np.exp(log_p), scores[f"{prefix}y"], alpha, kept_out))
