"""A threshold for an aim: an estimate from the rows that fitted the rule, or a guarantee from rows kept out.

`Classifier.decide` comes here by way of the target, for one class per row; `label_decisions` does the same label by
label. `decide/` has the searches, on arrays; this file takes the scores that are stored with a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from counterpoise.core.checks import check_range
from counterpoise.core.errors import GuaranteeError, OptionError, did_you_mean
from counterpoise.core.group_thresholds import UNLAWFUL, GroupThresholds
from counterpoise.core.rule import Rule
from counterpoise.core.units import one_per_group
from counterpoise.decide.aim import Aim, in_words
from counterpoise.decide.floors import floor_path, guarantee_floors
from counterpoise.decide.guarantee import Guarantee, guarantee_precision, guarantee_recall, rule_with_guarantee
from counterpoise.decide.new_prior import member_cutoffs_at_prior, prior_ratio, weights_at_prior
from counterpoise.decide.offsets import choose_offsets, class_floors
from counterpoise.decide.rule import apply_rule_to_log_p, fit_rule_from_log_p, pooled_log_proba
from counterpoise.decide.threshold import log_odds_at

Array = np.ndarray
#: Share of a score's log-odds, at least of 1, that float32 arithmetic in another runtime may lose.
LOST = 1e-4
#: Aim -> the function that guarantees it.
GUARANTEED = {"recall_floor": guarantee_recall, "precision_floor": guarantee_precision}


def choose(
    rule: Rule, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None, classes: Sequence[Any]
) -> Rule:
    """Return the rule with the threshold of one aim (see `Classifier.decide`).

    Args:
        rule: The rule. scores: Stored scores: "log_p" (M, N, C), "y" (N,), "weight" and "group" (N,), and the same with
            the prefix "guarantee_" for the rows set aside.
        aim: One aim by name, with its value. confidence: Of a guarantee; None: an estimate.
        classes: The labels in code order.

    Raises:
        OptionError: There is not one aim, it has a wrong value, or the scores that it needs are not stored.
        GuaranteeError: The rows do not support the guarantee.
    """
    if len(aim) != 1:
        given = ", ".join(aim) or "none"
        raise OptionError(f"Aims passed: {given}. Expected exactly one aim, for example decide(recall_floor=0.95).")
    ((name, value),) = aim.items()
    if isinstance(value, Mapping):
        value = _floors_by_class(name, value, classes)
    if name in ("threshold", "given"):  # "given" is only the name of a stored aim: it is refused below
        cut = _threshold_by_hand(rule, name, value, confidence)
        votes = np.full(len(rule.log_shifts), cut) if rule.vote == "hard" else None
        return replace(rule, threshold=cut, aim="given", member_thresholds=votes, guarantee=None)
    if "log_p" not in scores:
        raise OptionError(
            "This classifier has no out-of-fold scores, so it cannot tune a threshold. Pass labels to cp.wrap, or "
            "use decide(threshold=0.2)."
        )
    if confidence is None:
        return _rule_with_estimate(rule, scores, name, value)
    if name not in GUARANTEED:
        raise OptionError(
            f"confidence= cannot be combined with {name}=. Expected "
            f"{' or '.join(f'{goal}=' for goal in GUARANTEED)}. Remove confidence=."
        )
    if len(rule.prior) > 2:
        return _guarantee_offsets(rule, scores, name, value, confidence)
    return _guarantee_threshold(rule, scores, name, check_range(value, name, 0, 1), confidence)


def _threshold_by_hand(rule: Rule, name: str, value: Any, confidence: float | None) -> float:
    """Return a threshold that the user set, checked.

    Raises:
        OptionError: It is not a probability, has a confidence, or there are more than two classes.
    """
    if name == "given":
        raise OptionError(
            f"given={value!r} is not an aim of decide. To set your own threshold, use decide(threshold=0.2)."
        )
    if confidence is not None:
        raise OptionError(
            "confidence= cannot be combined with threshold=. Expected "
            f"{' or '.join(f'{goal}=' for goal in GUARANTEED)} with confidence=. Remove confidence=."
        )
    if len(rule.prior) > 2:
        raise OptionError(
            f"A threshold needs two classes, but there are {len(rule.prior)}. Pass costs=, or an aim such as f1=True."
        )
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_))
    if not (number and 0 <= value <= 1):
        raise OptionError(f"threshold is {value!r}. Expected a probability from 0 to 1, for example 0.2.")
    return float(value)


def _floors_by_class(name: str, value: Mapping[Any, float], classes: Sequence[Any]) -> Any:
    """Return floors by label as C numbers, 0 for none; with two classes as one number.

    Raises:
        OptionError: The aim is not "recall_floor", a class does not exist, or the negative of two classes has a floor.
    """
    known = list(classes)
    if name != "recall_floor":
        raise OptionError(
            f"{name}= was given a number for each label. Only recall_floor= can have one number per label. "
            "Pass one value."
        )
    for label in value:
        if label not in known:
            raise OptionError(f"There is no class {label!r}.{did_you_mean(label, known)}")
    if len(known) == 2 and known[0] in value:
        raise OptionError(
            f"recall_floor is {dict(value)}. With two classes, recall_floor is the minimum recall of "
            f"{known[1]!r}. Pass one number."
        )
    floors = tuple(check_range(value.get(label, 0.0), f"{name} of {label!r}", 0, 1) for label in known)
    return floors[1] if len(known) == 2 else floors


def goal_of(name: str, value: Any) -> Aim:
    """Return the aim of `decide`, passed by name: True for a score, otherwise one value or more.

    Example:
        >>> str(goal_of("alerts", (5, 100))), str(goal_of("f1", True))
        ('alerts(5, 100)', 'f1')
    """
    value = value.tolist() if isinstance(value, np.ndarray) else value
    values = value if isinstance(value, (tuple, list)) else (value,)
    return Aim.parse(name if value is True else f"{name}({', '.join(str(v) for v in values)})")


def _rule_with_estimate(rule: Rule, scores: Mapping[str, Array], name: str, value: Any) -> Rule:
    """Return the rule with a threshold or offsets chosen on the rows that fitted it, weighted to the prior of the rule.

    They are chosen for the final probabilities, after intercept and calibrator. With hard votes, each member also gets
    its own threshold.
    """
    goal = goal_of(name, value)
    members = list(scores["log_p"].astype(np.float64))
    final = fit_rule_from_log_p(
        [pooled_log_proba(rule, members)], scores["y"], [np.zeros(len(rule.prior))], aim=goal, check_intercept=False,
        sample_weight=weights_at_prior(rule.prior, scores["y"], scores.get("weight")),
    )  # fmt: skip
    voting = None
    if rule.vote == "hard":
        voting = member_cutoffs_at_prior(rule.prior, members, scores["y"], goal, scores.get("weight"))
    return replace(
        rule, threshold=final.threshold, offsets=final.offsets, aim=final.aim, member_thresholds=voting,
        guarantee=None,
    )  # fmt: skip


def _guarantee_threshold(rule: Rule, scores: Mapping[str, Array], name: str, floor: float, confidence: float) -> Rule:
    """Return the rule with a threshold that guarantees a floor of a score, for two classes.

    Raises:
        GuaranteeError: The rows do not support the guarantee.
    """
    if name == "precision_floor" and prior_ratio(rule.prior, scores["y"], scores.get("weight")) is not None:
        raise GuaranteeError(
            "A precision cannot be guaranteed for this classifier, because it was moved to other class proportions, "
            "and the rows that support guarantees have the old ones. Pass recall_floor=, or remove confidence=."
        )
    rows = rows_of_guarantee(scores, by_class=name == "recall_floor")
    proba = apply_rule_to_log_p(rule, rows.log_p).proba[:, 1]
    guarantee = GUARANTEED[name](proba, rows.y, floor, confidence, kept_out=rows.kept_out, of=rows.of)
    return rule_with_guarantee(rule, _lowered_guarantee(guarantee))


class GuaranteeRows(NamedTuple):
    """Rows that support a guarantee: member scores, labels, whether they were used for nothing else, and their kind."""

    log_p: list[Array]
    y: Array
    kept_out: bool
    of: str


def rows_of_guarantee(scores: Mapping[str, Array], by_class: bool) -> GuaranteeRows:
    """Return the rows that support a guarantee.

    They are the rows set aside, or else those that fitted the rule, without rows of weight 0. Rows of one group are not
    independent, so one row of each group is drawn.

    Args:
        scores: The stored scores.
        by_class: Whether a group counts once in each class: what is guaranteed is a recall.
    """
    kept_out = "guarantee_log_p" in scores
    prefix = "guarantee_" if kept_out else ""
    log_p, y, groups, weight = (scores.get(f"{prefix}{name}") for name in ("log_p", "y", "group", "weight"))
    assert log_p is not None
    assert y is not None
    rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight > 0)
    rows = rows if groups is None else rows[one_per_group(groups[rows], y[rows], by_class)]
    of = "rows" if groups is None else "groups"
    return GuaranteeRows(list(log_p[:, rows].astype(np.float64)), y[rows], kept_out, of)


def _guarantee_offsets(rule: Rule, scores: Mapping[str, Array], name: str, value: Any, confidence: float) -> Rule:
    """Return the rule with offsets that guarantee recall floors, for more than two classes.

    The rows that fitted the rule determine the order in which offsets are tried. The rows of the guarantee choose.

    Raises:
        OptionError: The aim is not "recall_floor", or members vote. GuaranteeError: The rows do not support the floors.
    """
    if name != "recall_floor" or rule.vote == "hard":
        raise OptionError(
            "With more than two classes, only recall_floor= can be guaranteed, and not with vote='hard'. "
            "Remove confidence=."
        )
    floors = class_floors(goal_of(name, value), len(rule.prior))
    goal = Aim(name, tuple(floors.tolist()))
    fitted = pooled_log_proba(rule, list(scores["log_p"].astype(np.float64)))
    weight = weights_at_prior(rule.prior, scores["y"], scores.get("weight"))
    start = choose_offsets(fitted, scores["y"], "f1", weight)
    path = floor_path(fitted, scores["y"], floors, start, weight)
    rows = rows_of_guarantee(scores, by_class=True)
    guarantee = guarantee_floors(
        pooled_log_proba(rule, rows.log_p), rows.y, floors, path, confidence, kept_out=rows.kept_out,
        of=rows.of,
    )  # fmt: skip
    return replace(rule, offsets=guarantee.offsets, aim=str(goal), guarantee=guarantee)


def _lowered_guarantee(guarantee: Guarantee) -> Guarantee:
    """Lower the threshold of a recall guarantee by more than float32 rounding can lose.

    The threshold equals a score, and other runtimes may round this score down. A lower threshold cannot lower recall.

    Precision guarantees stay: their thresholds are on a fixed grid, and not at a score.
    """
    t = guarantee.threshold
    if guarantee.kind != "recall" or t <= 0.0:
        return guarantee
    odds = log_odds_at(t)
    lower = 1.0 / (1.0 + np.exp(-(odds - LOST * max(1.0, abs(odds)))))
    return replace(guarantee, threshold=float(min(lower, np.nextafter(t, 0.0))))


def describe(rule: Rule, rows: int, classes: Sequence[Any], of: str = "rows") -> dict[str, Any]:
    """Describe the threshold for the model card: its value, what it was chosen for, and how sure that is.

    The keys and words are saved in model files. `word`: "guarantee" (supported by rows used for nothing else),
    "estimate" (from rows that fitted the correction), "given" by the user, or "default" (0.5 or the most probable
    class). `of` is what `rows` counts, such as units.
    """
    if rule.guarantee is None:
        word = {"given": "given", "costs": "given", "cost": "given", "argmax": "default"}.get(
            Aim.parse(rule.aim).name, "estimate"
        )
        text = _note_on_threshold(word, rule.aim, f"{rows:,} {of}")
        text = text if rule.cost_column is None else rule.cost_column.text()
    else:
        guarantee = replace(rule.guarantee, of=of) if rule.guarantee.of == "rows" else rule.guarantee
        word, text = guarantee.word, guarantee.text([str(label) for label in classes])
    return {
        "value": rule.threshold,
        "offsets": None if rule.offsets is None else np.asarray(rule.offsets).tolist(),
        "aim": rule.aim,
        "word": word,
        "text": text if rule.by is None else f"{text} {rule.by.text(rule.threshold or 0.0)} {UNLAWFUL}",
        **({} if rule.by is None else {"by": group_thresholds_entry(rule.by)}),
        **({} if rule.review is None else {"review": rule.review.text()}),
    }


def group_thresholds_entry(by: GroupThresholds) -> dict[str, Any]:
    """Return thresholds for groups as values for JSON.

    Example:
        >>> group_thresholds_entry(GroupThresholds("sex", ("f",), (0.2,), ("x",)))
        {'column': 'sex', 'thresholds': {'f': 0.2}, 'common': ['x']}
    """
    return {
        "column": by.name, "thresholds": dict(zip(by.values, by.thresholds, strict=True)), "common": list(by.common),
    }  # fmt: skip


def _note_on_threshold(word: str, aim: str, rows: str) -> str:
    """Return the sentence of the model card on a threshold without guarantee, by its word."""
    given = {
        "given": "The threshold was given.",
        "costs": "The costs were given. The model chooses the decision with the lowest expected cost.",
    }
    return {
        "given": given.get(aim, f"The threshold follows from the costs: {in_words(aim)}."),
        "default": "This is the default: 0.5 for two classes, otherwise the most probable class.",
    }.get(word) or (f"The threshold was chosen for {in_words(aim)} on {rows}. This is an estimate, not a guarantee.")
