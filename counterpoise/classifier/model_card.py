"""The model card: the record, its entries on the rule and the metrics, and the stored scores that these come from.

The keys of cards and scores are saved in model files (checked by `contents`) and read by `report.card_page`. All other
entries are made where their values are known, in `pipeline` and `wrap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.classifier.threshold_spread import threshold_spread
from counterpoise.core.json_values import finite_or_none
from counterpoise.core.rule import Rule
from counterpoise.core.target import Problem, Target
from counterpoise.core.units import UnitRule, scores_of_rows, scores_of_units
from counterpoise.core.version import installed_versions
from counterpoise.decide.new_prior import prior_ratio
from counterpoise.metrics.catalog import DECISION_KEYS
from counterpoise.metrics.measured import mean_over_problems, measure

Array = np.ndarray
#: Bootstrap draws of the card's intervals: they are shown with two digits.
RESAMPLES = 60
#: Packages whose versions are in the card.
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "scikit-learn")
#: What a rule adds to the note on the rows of the metrics.
CHOSEN_ON_THEM, LACK_COLUMN = "; the guarantee chose the threshold on them", "; these rows lack the column"
#: Ends of the note on the rows that fitted the rule.
TUNED, NOT_TUNED = "; the threshold was tuned on these rows", "; the threshold was not tuned on these rows"


class ModelCard(dict[str, Any]):
    """A model card: a read-only dictionary of plain values, in which mappings are read-only too.

    Example:
        >>> card = ModelCard(strategy="none", split={"test": 3})
        >>> card["split"]["test"], card | {"seed": 0}
        (3, {'strategy': 'none', 'split': {'test': 3}, 'seed': 0})
        >>> card["strategy"] = "oversample"
        Traceback (most recent call last):
        TypeError: A model card is read-only. To change a copy, convert it to a dict: dict(clf.card).
    """

    def __init__(self, *entries: Mapping[str, Any], **more: Any) -> None:
        """Take entries as `dict` does; mappings among the values become read-only cards too."""
        given = dict(*entries, **more)
        super().__init__({key: ModelCard(v) if isinstance(v, Mapping) else v for key, v in given.items()})

    def _refuse(self, *_: Any, **__: Any) -> Any:
        """Raise a TypeError; all methods that would change the card are replaced by this one."""
        raise TypeError("A model card is read-only. To change a copy, convert it to a dict: dict(clf.card).")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self) -> tuple[type[ModelCard], tuple[dict[str, Any]]]:
        """Return what is pickled: a plain dict, because pickle could not fill a read-only card."""
        return ModelCard, (dict(self),)


def stored_scores(
    log_p: Array, y: Array, weight: Array | None = None, member_outputs: Array | None = None,
    amount: Array | None = None, by: Array | None = None, lesions: Array | None = None, groups: Array | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Return the scores that fitted a rule, under their names in model files, without those that are None.

    `log_p` float32 (M, N, C), `y` (N,), of several labels (M, N, L, 2) and (N, L); `weight` and `amount` (N,);
    `by` int32 (N, columns), see `group_thresholds.codes_of`; and `member_outputs` float32 (members, N, C), the
    probabilities of the member strategies that one network was trained for. For a class per element, `lesions`
    float64 (G, 5) is what thresholds find in the whole rows (see `decide.lesion_threshold`). `groups` int (N,) are the
    codes of groups, which are stored as codes from 0.
    """
    given = {"log_p": log_p.astype(np.float32), "y": y, "weight": weight, "member_outputs": member_outputs}
    group = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)
    given |= {"amount": amount, "by": by, "lesions": lesions, "group": group}
    return {name: values for name, values in given.items() if values is not None}


def ruled(target: Target, rule: Any, scores: Mapping[str, Array], classes: Sequence[Any]) -> dict[str, Any]:
    """Return the entries of the card that follow from the rule, "prior" and "threshold", and "versions".

    Args:
        target: What the labels are.
        rule: The rule.
        scores: See `stored_scores`.
        classes: The labels, in the order of the codes.
    """
    return {
        "prior": prior_entry(rule),
        "threshold": target.describe(rule, counted_labels(scores), classes),
        "versions": installed_versions(PACKAGES),
    }


def counted_labels(scores: Mapping[str, Array]) -> Array:
    """Return the labels of the stored rows that fitted the rule, without rows of weight 0; none if none are stored."""
    y, weight = scores.get("y", np.empty(0)), scores.get("weight")
    return y if weight is None or weight.ndim > 1 else y[weight > 0]


def noted(card: Mapping[str, Any], scores: Mapping[str, Array]) -> dict[str, Any]:
    """Return a card whose notes "rule" and "metrics_of" state whether the threshold was tuned on the rows of the rule.

    The card must have the entries of the rule. "metrics_of" is about these rows, unless other rows are stored for
    guarantees, or metrics were measured on other rows.
    """
    if "rule" not in card or "log_p" not in scores:
        return dict(card)
    word = card.get("unit", card)["threshold"]["word"]
    note = _without_end(card["rule"]) + (TUNED if word == "estimate" else NOT_TUNED)
    same = _without_end(card.get("metrics_of", "")) == _without_end(card["rule"])
    own = "metrics_of" in card and "guarantee_y" not in scores and (same or "metrics" not in card)
    return {**card, "rule": note, **({"metrics_of": note} if own else {})}


def _without_end(note: str) -> str:
    """Return a note on rows without what the present rule adds to it."""
    for added in (TUNED, NOT_TUNED, CHOSEN_ON_THEM, LACK_COLUMN):
        note = note.partition(added)[0]
    return note


def prior_entry(rule: Any) -> list[float]:
    """Return the class proportions of a rule for the card: of each class, or the share of each of several labels."""
    priors = [np.asarray(one.prior) for one in rule.problem_rules]
    return priors[0].tolist() if len(priors) == 1 else [float(prior[1]) for prior in priors]


def metric_entries(target: Target, rule: Any, scores: Mapping[str, Array], note: str) -> dict[str, Any]:
    """Return the entries of the card that follow from scores: metrics, and which rows they are of.

    If there are rows for guarantees, these are the rows, otherwise the rows that fitted the rule. After a
    move to a new prior, each row is weighted by the new divided by the old share of its class. May take seconds.

    Args:
        target: What the labels are.
        rule: The rule.
        scores: See `stored_scores`. Names that begin with "guarantee_" are of the rows of a guarantee.
        note: Which rows they are.

    Returns:
        "metrics", metric -> its value and the ends of its interval, and "metrics_of", the note.
    """
    prefix = "guarantee_" if "guarantee_y" in scores else ""
    for added in (CHOSEN_ON_THEM, LACK_COLUMN):  # of an earlier rule, in the note of a saved card
        note = note.partition(added)[0]
    if prefix and any(one.guarantee is not None for one in rule.problem_rules):
        note += CHOSEN_ON_THEM
    y, weight = scores[f"{prefix}y"], scores.get(f"{prefix}weight")
    column, decides = rule.column, rule.unreviewed
    # Decisions of some rules depend on a column of the rows (costs, thresholds by group), which may not be stored.
    values = None if column is None else scores.get(f"{prefix}{column.stored}")
    unscored = column is not None and values is None
    if unscored:
        note += f"{LACK_COLUMN} {column.name!r}, so their decisions are not scored"
        decides = replace(decides, cost_column=None, by=None)
    decision = target.apply(decides, scores[f"{prefix}log_p"].astype(np.float64), values)
    count = range(len(rule.problem_rules) if len(rule.problem_rules) > 1 else len(rule.prior))
    fitted = target.problems(scores["y"], count)
    each = []
    for index, p in enumerate(target.problems(y, count)):
        # `own` are weights (n,). Rows of one class only have no scores.
        problem_rule, user = rule.problem_rules[index], scores.get("weight")
        own = _problem_weights(p, p.of_rows(weight), problem_rule, fitted[index], user)
        if len(np.unique(p.y)) > 1:
            each.append(
                measure(
                    p.y,
                    p.proba(decision.proba),
                    p.decision(decision.decision),
                    sample_weight=own,
                    groups=_groups_to_draw(p, scores.get(f"{prefix}group"), own),
                    resamples=RESAMPLES,
                )
            )
    joined = mean_over_problems(each) if each else {}
    joined = {k: v for k, v in joined.items() if not (unscored and k in DECISION_KEYS)}
    plain = {k: {end: finite_or_none(v) for end, v in ends.items()} for k, ends in joined.items()}
    return {"metrics": plain, "metrics_of": note}


def with_spread(threshold: Mapping[str, Any], rule: Any, scores: Mapping[str, Array]) -> dict[str, Any]:
    """Return the entry of the threshold with its spread (see `threshold_spread`), if rows determined the threshold."""
    spread = None if "spread" in threshold else threshold_spread(rule, scores, resamples=RESAMPLES)
    return dict(threshold) if spread is None else {**threshold, "spread": spread}


def with_metrics(
    card: Mapping[str, Any], target: Target, rule: Any, unit: UnitRule | None, scores: Mapping[str, Array]
) -> ModelCard:
    """Return the card with the metrics and the spread of the threshold, of rows and of units.

    `card` needs the entry "metrics_of", and with a `unit` (the rule of units) the entry "unit".
    """
    note, own = card["metrics_of"], scores_of_rows(scores)
    whole = {**card, **metric_entries(target, rule, own, note), "threshold": with_spread(card["threshold"], rule, own)}
    if unit is not None:
        of_units = metric_entries(target, unit.rule, scores_of_units(scores), note)
        whole["unit"] = {**whole["unit"], "metrics": of_units["metrics"]}
    return ModelCard(whole)


def unit_entry(
    target: Target, unit: UnitRule, scores: Mapping[str, Array], classes: Sequence[Any], budgets: str
) -> dict[str, Any]:
    """Return the entry of the card on units, from the stored scores that fitted their rule.

    `budgets` is a sentence on the two budgets of the decisions; the entry leaves it out if it is empty.
    """
    threshold = target.describe(unit.rule, counted_labels(scores), classes, f"units ({unit.name})")
    return {
        "columns": list(unit.columns), "aggregate": unit.aggregate, "calibrated": unit.calibrated,
        "count": len(scores["y"]),
        "threshold": {**threshold, "budgets": budgets} if budgets else threshold,
    }  # fmt: skip


def _groups_to_draw(problem: Problem, groups: Array | None, weight: Array | None) -> Array | None:
    """Return the groups (n,) that intervals resample as wholes, or None if rows are drawn one by one.

    `groups` (N,) are those of all rows, or None. Rows of one group alone have no interval of groups. `weight` (n,).
    """
    own = problem.row_groups if groups is None else problem.of_rows(groups)
    if own is None or problem.row_groups is not None:
        return own
    return own if len(np.unique(own if weight is None else own[weight > 0])) > 1 else None


def _problem_weights(
    problem: Problem, weight: Array | None, rule: Rule, fitted: Problem, user: Array | None
) -> Array | None:
    """Return the weights float (n,) of a problem's rows, or None if all are equal.

    They are the given `weight` (n,). If the rule was moved to another prior, they are multiplied by the new divided by
    the old share of the row's class. Old shares: of the rows that fitted the rule, `fitted` with weights `user` (N,).
    """
    moved = prior_ratio(rule.prior, fitted.y, fitted.of_rows(user))
    if moved is None:
        return weight
    return moved[problem.y] if weight is None else weight * moved[problem.y]
