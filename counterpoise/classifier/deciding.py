"""The rule that `Classifier.decide` asks for: by an aim, by two budgets, by costs; and what goes to a human.

Only the stored scores of labeled rows choose a rule. Nothing is retrained, and the probabilities do not change.
`comparison` uses `by_costs` and `by_column`, so that its scores and the classifier decide alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.classifier.group_thresholds import codes_of_rule, with_group_thresholds
from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError
from counterpoise.core.group_thresholds import UNLAWFUL
from counterpoise.core.review import REVIEW
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.schema import Schema
from counterpoise.core.target import Target
from counterpoise.core.units import scores_of_units
from counterpoise.decide.aim import Aim
from counterpoise.decide.costs import checked_cost_column, cost_matrix, threshold_of_costs
from counterpoise.decide.new_prior import weights_at_prior
from counterpoise.decide.review import margins, review_by_alpha, review_by_budget
from counterpoise.decide.rule import pooled_log_proba
from counterpoise.targets.thresholds import goal_of, rows_of_guarantee

Array = np.ndarray
#: The only two aims that can be combined.
BUDGETS = {"recall_floor", "alerts"}


def decide_again(clf: Any, aim: Mapping[str, Any], *, column: tuple[Any, Any], by: str | None, **how: Any) -> Any:
    """Return a copy of the classifier with the rule that its `decide` asks for.

    The options are those of `rule_and_budget_text`. The rule of the units changes if the classifier decides units. The
    sentence on two budgets goes into the model card. With thresholds by group (`by`), `UNLAWFUL` is a warning.

    Raises:
        OptionError: `by` or a cost column for a classifier that decides units, or an error of `rule_and_budget_text`.
    """
    classes, stored = clf.classes_.tolist(), clf.card_without_metrics.get("by", {})
    if how["confidence"] is not None or how["review_alpha"] is not None:
        _warn_of_weights(clf.scores if clf.unit is None else scores_of_units(clf.scores))
    how |= {"column": column, "by": by, "schema": clf.schema, "stored": stored}
    if clf.unit is not None:
        if column[0] is not None or by is not None:
            name, fix = ("by", "Leave by= out.") if column[0] is None else ("cost_column", "Pass costs.")
            raise OptionError(
                f"{name} is for classifiers that decide single rows, but this classifier decides units (groups of "
                f"rows). {fix}"
            )
        rule, text = rule_and_budget_text(clf.target, clf.unit.rule, scores_of_units(clf.scores), classes, aim, **how)
        return clf.with_units(replace(clf.unit, rule=rule), budgets=text)
    rule, text = rule_and_budget_text(clf.target, clf.rule, clf.scores, classes, aim, **how)
    clf = clf.with_rule(rule)
    if rule.by is not None:
        clf = clf.with_card(codes_of_rule(rule, clf.scores, stored))
        warnings.warn(UNLAWFUL, UserWarning, stacklevel=3)
    return clf.with_card(threshold={**clf.card_without_metrics["threshold"], "budgets": text}) if text else clf


def _warn_of_weights(scores: Mapping[str, Array]) -> None:
    """Warn if the rows that support a guarantee have unequal weights, because each of these rows counts once."""
    weight = scores.get("guarantee_weight" if "guarantee_log_p" in scores else "weight")
    if weight is not None and len(np.unique(weight[weight > 0])) > 1:
        warnings.warn(
            "The rows that support a guarantee (confidence= or review_alpha=) have unequal weights (sample_weight=), "
            "but a guarantee counts each of these rows once. It is therefore valid only for new rows without weights. "
            "If a weight is a number of independent cases, pass each case as a row of its own. If the weights correct "
            "how the rows were sampled, do not rely on the guarantee.",
            UserWarning,
            stacklevel=4,
        )


def rule_and_budget_text(
    target: Target, rule: Rule | LabelRules, scores: Mapping[str, Array], classes: Sequence[Any],
    aim: Mapping[str, Any], *, confidence: float | None, costs: Any, column: tuple[Any, Any],
    review_alpha: float | None, review_budget: Any, schema: Schema | None, by: str | None = None,
    stored: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Rule | LabelRules, str]:  # fmt: skip
    """Return the rule for an aim, costs or reviews, and a sentence on two budgets or "".

    With a review option alone, the thresholds of `rule` stay. Otherwise the aim or the costs replace them.
    `column` is (cost_column, cost_fp), `schema` the columns of a classifier of tables, `stored` the values of columns
    of groups (see `group_thresholds.group_values`). All other arguments are those of `Classifier.decide`.

    Raises:
        OptionError: Options that exclude each other, or that the classifier has no scores for.
        GuaranteeError: Too few rows.
    """
    reviews = review_alpha is not None or review_budget is not None
    for name, share in (("confidence", confidence), ("review_alpha", review_alpha)):
        if share is not None:
            check_range(share, name, 0, 1, "()")
    if target.many_per_row and reviews:
        raise OptionError(
            "review_alpha and review_budget are for one class per row, but the rows of this classifier have "
            f"{target.what}. Leave these arguments out."
        )
    if by is not None:
        _check_by(target, rule, aim, confidence, costs is not None or column != (None, None))
    if not isinstance(rule, Rule):
        if costs is not None or column != (None, None) or reviews:
            raise OptionError(
                "This classifier has several labels per row. costs, cost_column, review_alpha and review_budget need "
                "one class per row. Leave these arguments out."
            )
        return target.choose(rule, scores, aim, confidence, classes), ""
    text = ""
    plain = replace(rule, review=None, costs=None, cost_column=None, by=None)
    if costs is not None or column != (None, None):
        if column[0] is None and set(aim) == {"cost_fn"}:
            raise OptionError("cost_fn cannot be passed alone. Pass both costs as cost=(cost_fp, cost_fn).")
        if aim or confidence is not None:
            raise OptionError(
                "costs= cannot be combined with another aim or with confidence=, because costs determine the "
                "decision. Leave the aim and confidence= out."
            )
        if costs is not None and column != (None, None):
            raise OptionError("costs and cost_column cannot be combined. Pass one of them.")
        plain = by_costs(plain, costs, classes) if costs is not None else by_column(plain, *column, schema)
    elif set(aim) == BUDGETS:
        plain, text = rule_by_two_budgets(target, plain, scores, aim, confidence, classes)
    elif aim or not reviews:
        plain = target.choose(plain, scores, aim, confidence, classes)
        if by is not None:
            plain = with_group_thresholds(target, plain, scores, aim, classes, by, stored or {}, schema)
            scores = {**scores, **codes_of_rule(plain, scores, stored or {})}
    else:
        plain = rule.unreviewed
    return (with_review(plain, scores, classes, review_alpha, review_budget) if reviews else plain), text


def _check_by(target: Target, rule: Any, aim: Mapping[str, Any], confidence: float | None, costs: bool) -> None:
    """Raise an OptionError unless thresholds by group can be chosen.

    They need two classes and exactly one aim. `costs` is whether costs or a cost column were passed. A hard vote and a
    given threshold are refused too.
    """
    if target.many_per_row or not isinstance(rule, Rule) or len(rule.prior) > 2:
        what = target.what if target.many_per_row or not isinstance(rule, Rule) else f"{len(rule.prior)} classes"
        raise OptionError(f"by= is for two classes, but this classifier has {what}. Leave by= out.")
    if costs or confidence is not None or len(aim) != 1 or "threshold" in aim:
        raise OptionError(
            "by= needs exactly one aim, for example decide(recall_floor=0.9, by=...). It cannot be combined with "
            "costs=, cost_column=, confidence=, or threshold=. Leave these arguments out, or leave by= out."
        )
    if rule.vote == "hard":
        raise OptionError(
            "by= and vote='hard' cannot be combined, because a hard vote does not average probabilities. Leave by= out."
        )


def by_costs(rule: Rule, costs: Any, classes: Sequence[Any]) -> Rule:
    """Return the rule that decides the class of the lowest expected cost.

    `costs` is read by `decide.costs.cost_matrix`. For two classes, it also has the probability threshold that decides
    the same. For more classes, this is None.
    """
    matrix = cost_matrix(costs, classes)
    threshold = threshold_of_costs(matrix) if len(matrix) == 2 else None
    return replace(
        rule, threshold=threshold, offsets=None, member_thresholds=None, aim="costs", costs=matrix, guarantee=None
    )


def by_column(rule: Rule, name: Any, cost_fp: Any, schema: Schema | None) -> Rule:
    """Return the rule that decides each row by the cost of missing it.

    This cost is in column `name` of the row. `cost_fp` is the cost of a false positive, the same for all rows (see
    `core.cost_column`).

    Raises:
        OptionError: `name` is None, more than two classes, rows that are no table, or a cost that is not above 0.
    """
    if name is None:
        raise OptionError(
            "cost_fp= requires cost_column=. Without a column, pass both costs as cost=(cost_fp, cost_fn)."
        )
    if len(rule.prior) > 2:
        raise OptionError(
            f"cost_column is for two classes, but this classifier has {len(rule.prior)} classes. Pass a cost matrix "
            "as costs=."
        )
    if schema is None:
        raise OptionError(
            f"cost_column={name!r} names a column of a table, but the rows of this classifier are not tables. Pass "
            "a cost matrix as costs=."
        )
    column = checked_cost_column(name, cost_fp)
    return replace(
        rule, threshold=None, offsets=None, member_thresholds=None, aim="costs", cost_column=column, guarantee=None
    )


def without_column(rule: Rule | LabelRules) -> Rule | LabelRules:
    """Return the rule without the column of costs or groups on which its decisions depend.

    `predict_proba` uses it, because probabilities do not depend on this column and the rows may lack it.
    """
    return replace(rule, cost_column=None, by=None) if isinstance(rule, Rule) and rule.column is not None else rule


def rule_by_two_budgets(
    target: Target, rule: Rule, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None,
    classes: Sequence[Any],
) -> tuple[Rule, str]:  # fmt: skip
    """Return the rule for a recall floor within an alert budget, and a sentence on both.

    If the floor needs more alerts than the budget allows, the rule keeps the budget and misses the floor. `aim` has
    "recall_floor" and "alerts" = (k, n), at most k alerts per n rows. More than two classes raise an OptionError.
    """
    if len(rule.prior) > 2:
        raise OptionError(
            f"recall_floor and alerts can be combined for two classes only; the number of classes is {len(rule.prior)}."
        )
    by_recall = target.choose(rule, scores, {"recall_floor": aim["recall_floor"]}, confidence, classes)
    by_alerts = target.choose(rule, scores, {"alerts": aim["alerts"]}, None, classes)
    (floor, *_), (k, n) = Aim.parse(by_recall.aim).values, goal_of("alerts", aim["alerts"]).values
    rows = len(scores["y"])
    needed, allowed = (_share_of_alerts(target, one, scores) * n for one in (by_recall, by_alerts))
    if needed <= k * (1 + 1e-12):  # a share of exactly k / n may round up
        return by_recall, (
            f"A recall of at least {floor:g} needs {needed:.4g} alerts per {n:,.10g} rows, and {k:,.10g} are allowed "
            f"(measured on {rows:,} rows)."
        )
    recall = _recall(target, by_alerts, scores)
    return by_alerts, (
        f"A recall of at least {floor:g} would need {needed:.4g} alerts per {n:,.10g} rows, but only {k:,.10g} are "
        f"allowed. With {allowed:.4g} alerts, the recall is {recall:.3g} (measured on {rows:,} rows)."
    )


def _share_of_alerts(target: Target, rule: Rule, scores: Mapping[str, Array]) -> float:
    """Return the share of the stored rows, weighted to the prior of the rule, that it decides for class 1: 0 to 1."""
    decision = target.apply(rule, scores["log_p"].astype(np.float64)).decision
    return float(np.average(decision == 1, weights=_stored_weights(rule, scores)))


def _stored_weights(rule: Rule, scores: Mapping[str, Array]) -> Array | None:
    """Return the weights of the stored rows; if the rule was moved to another prior, weighted to this prior."""
    y, weight = scores["y"], scores.get("weight")
    return weights_at_prior(rule.prior, y, weight) if y.ndim == 1 else weight


def _recall(target: Target, rule: Rule, scores: Mapping[str, Array]) -> float:
    """Return the recall of a rule on the stored rows: 0 to 1, weighted."""
    decision, weight = target.apply(rule, scores["log_p"].astype(np.float64)).decision, scores.get("weight")
    mine = scores["y"] == 1
    return float(np.average(decision[mine] == 1, weights=None if weight is None else weight[mine]))


def with_review(
    rule: Rule, scores: Mapping[str, Array], classes: Sequence[Any], alpha: float | None, budget: Any
) -> Rule:
    """Return the rule that leaves some rows to a human.

    `alpha` chooses these rows on the rows that carry a guarantee, `budget` on all stored rows by their margins.

    Raises:
        OptionError: Both options, a class named "review", no stored scores, or no stored values of a cost column.
    """
    if alpha is not None and budget is not None:
        raise OptionError("review_alpha and review_budget cannot be combined. Pass one of them.")
    if REVIEW in [str(label) for label in classes]:
        raise OptionError(
            f"A class has the name {REVIEW!r}, but this name is reserved for rows that go to a human. Rename the class."
        )
    if "log_p" not in scores:
        raise OptionError(
            "This classifier has no out-of-fold scores, so it cannot choose which rows go to a human. Train a "
            "classifier with cp.fit, or pass labels to cp.wrap."
        )
    if alpha is None:
        column = rule.column
        if column is not None and column.stored not in scores:
            raise OptionError(
                f"review_budget needs the values of column {column.name!r}, which were not stored with the classifier. "
                "Use review_alpha, or pass cost_column= to cp.fit."
            )
        log_p = pooled_log_proba(rule, list(scores["log_p"].astype(np.float64)))
        distance = margins(rule, log_p, None if column is None else scores[column.stored])
        return replace(rule, review=review_by_budget(distance, budget, _stored_weights(rule, scores)))
    rows = rows_of_guarantee(scores, by_class=True)
    log_p = pooled_log_proba(rule, rows.log_p)
    return replace(rule, review=review_by_alpha(np.exp(log_p), rows.y, alpha, rows.kept_out))


def written_decisions(classes: Array, rule: Any) -> Array:
    """Return what tables show for each decision, by code: labels, or texts with "review" if rows can go to a human.

    Example:
        >>> from types import SimpleNamespace
        >>> written_decisions(np.array([0, 1]), SimpleNamespace(review="by margin")).tolist()
        ['0', '1', 'review']
    """
    return classes if rule.review is None else np.array([*map(str, classes.tolist()), REVIEW], object)
