"""Thresholds of several labels, chosen, moved and described label by label, as for two classes in `thresholds`.

`Labels.choose`, `Labels.at_prior` and `Labels.describe` call the functions of these names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import CounterpoiseError, OptionError, did_you_mean
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.target import Problem
from counterpoise.decide.aim import Aim
from counterpoise.decide.new_prior import ON_ALL_LABELS, rule_at_prior, weights_at_prior
from counterpoise.decide.rule import pooled_log_proba
from counterpoise.decide.threshold import choose_threshold
from counterpoise.targets import thresholds

Array = np.ndarray
Problems = Sequence[Problem]
#: Positives of a label below which its threshold is chosen on all labels together. The number is in saved notes, which
#: `_own_notes` recognizes.
FEW = 20


def with_pooled_thresholds(
    rule: LabelRules, log_p: Array, problems: Problems, weights: Array | None = None, goal: Aim | None = None
) -> LabelRules:
    """Return the rules with one threshold, chosen on all labels together, for labels with few positives.

    A threshold that a handful of positives chooses is luck. Those that no positives choose (0.5, costs, limits of
    alerts) stay.

    Args:
        rule: The rules.
        log_p: float (M, N, L, 2), the scores that fitted them.
        problems: Of the labels. weights: float (N,), or None.
        goal: What the thresholds are chosen for; None: what those of the rules were.
    """
    few, goal = few_positives(problems, weights), goal or Aim.parse(rule.problem_rules[0].aim)
    if not few or rule.vote == "hard" or not _needs_positives(goal):
        return rule
    proba = [
        np.exp(pooled_log_proba(one, list(p.log_p(log_p)))[:, 1])
        for one, p in zip(rule.problem_rules, problems, strict=True)
    ]
    own = [
        weights_at_prior(one.prior, p.y, p.of_rows(weights))
        for one, p in zip(rule.problem_rules, problems, strict=True)
    ]
    w = [row_weights(each, len(p.rows)) for each, p in zip(own, problems, strict=True)]
    y = np.concatenate([p.y for p in problems])
    cut = choose_threshold(np.concatenate(proba), y, goal, np.concatenate(w))
    rules = list(rule.problem_rules)
    for index in few:
        notes = (*_own_notes(rules[index]), _pooled_note(problems[index], weights))
        rules[index] = replace(rules[index], threshold=cut, aim=str(goal), guarantee=None, notes=notes)
    return rule.with_problem_rules(rules)


def _needs_positives(goal: Aim) -> bool:
    """Return whether the positives of a label choose its threshold; costs are given, and alerts are counted."""
    return goal.under_new_prior != "stays" and goal.name != "alerts"


def _pooled_note(problem: Problem, weights: Array | None) -> str:
    """Return the note of a label whose threshold was chosen on all labels together.

    `_own_notes` and `rule_at_prior` recognize the note by this text, in saved rules too.
    """
    count = _positives(problem, weights)
    return (
        f"The label has {count} positive{'s' * (count != 1)}, fewer than {FEW}. Its threshold was therefore "
        f"{ON_ALL_LABELS}"
    )


def _own_notes(rule: Rule) -> tuple[str, ...]:
    """Return the notes of a rule, except the note of `_pooled_note`."""
    return tuple(note for note in rule.notes if not note.endswith(ON_ALL_LABELS))


def few_positives(problems: Problems, weights: Array | None = None) -> list[int]:
    """Return the numbers of the labels with fewer than `FEW` positives; rows of weight 0 do not count."""
    return [index for index, p in enumerate(problems) if _positives(p, weights) < FEW]


def _positives(problem: Problem, weights: Array | None) -> int:
    """Return the number of positives of a label; `weights` are float (N,) of all rows, or None."""
    own = problem.of_rows(weights)
    return int(problem.y.sum() if own is None else problem.y[own > 0].sum())


def choose(
    rule: LabelRules, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None,
    classes: Sequence[Any], problems: Mapping[str, Problems],
) -> LabelRules:  # fmt: skip
    """Return the rules with thresholds of one aim, for all labels or those that it names.

    A guarantee holds for all of these labels together: each gets its share of what may fail (Bonferroni). Labels with
    few positives that are not named get one threshold together (see `with_pooled_thresholds`).

    Args:
        rule, scores, aim, confidence, classes: As for `thresholds.choose`.
        problems: "" -> those of the rows that fitted the rules, "guarantee_" -> those of the rows of guarantees.
    """
    if len(aim) != 1:
        return rule.with_problem_rules(
            [thresholds.choose(one, {}, aim, confidence, (0, 1)) for one in rule.problem_rules]
        )  # raises, and names what is expected
    ((name, value),) = aim.items()
    wanted = _aim_by_label(name, value, classes)
    each = None if confidence is None else 1.0 - (1.0 - confidence) / len(wanted)
    rules, goal = list(rule.problem_rules), None
    if confidence is None and not isinstance(value, Mapping) and name not in ("threshold", "given") and problems:
        goal = thresholds.goal_of(name, value)
        if _needs_positives(goal) and rule.vote != "hard":
            few = few_positives(problems[""], scores.get("weight"))
            wanted = {index: own for index, own in wanted.items() if index not in few}
    for index, own in wanted.items():
        try:
            of_label = _scores_of_label(scores, index, problems)
            rules[index] = thresholds.choose(rules[index], of_label, {name: own}, each, (0, 1))
        except CounterpoiseError as error:
            raise type(error)(f"label {classes[index]!r}: {error}") from None
        if "" in problems:
            rules[index] = replace(rules[index], notes=_own_notes(rules[index]))
    chosen = rule.with_problem_rules(rules)
    if goal is None:
        return chosen
    return with_pooled_thresholds(chosen, scores["log_p"].astype(np.float64), problems[""], scores.get("weight"), goal)


def _aim_by_label(name: str, value: Any, classes: Sequence[Any]) -> dict[int, Any]:
    """Return label number -> value of the aim; a single value is for all labels.

    Raises:
        OptionError: `value` names an unknown label, or no label.
    """
    known = list(classes)
    if not isinstance(value, Mapping):
        return dict.fromkeys(range(len(known)), value)
    for label in value:
        if label not in known:
            raise OptionError(f"{name}= names {label!r}, which is not a label.{did_you_mean(label, known)}")
    if not value:
        raise OptionError(f"{name}= names no label. Expected a value for one label or more.")
    return {known.index(label): own for label, own in value.items()}


def _scores_of_label(scores: Mapping[str, Array], index: int, problems: Mapping[str, Problems]) -> dict[str, Array]:
    """Return the stored scores of one label, on the rows whose label is known.

    `problems` maps prefixes of the names of scores ("", "guarantee_") to the problems of all labels.
    """
    own: dict[str, Array] = {}
    for prefix, of_rows in problems.items():
        if f"{prefix}log_p" not in scores:
            continue
        p, weight = of_rows[index], scores.get(f"{prefix}weight")
        own |= {f"{prefix}log_p": p.log_p(scores[f"{prefix}log_p"]), f"{prefix}y": p.y}
        own |= {} if weight is None else {f"{prefix}weight": weight[p.rows]}
        groups = scores.get(f"{prefix}group")
        own |= {} if groups is None else {f"{prefix}group": groups[p.rows]}
    return own


def at_prior(rule: LabelRules, prior: Any, scores: Mapping[str, Array], problems: Mapping[str, Problems]) -> LabelRules:
    """Return the rules for rows in which the labels have other shares, `prior` (L,).

    Raises:
        OptionError: There is not one share for each label.
    """
    shares = np.asarray(prior, dtype=np.float64)
    if shares.shape != (len(rule.problem_rules),):
        raise OptionError(
            f"prior has shape {shares.shape}. Expected one share for each of {len(rule.problem_rules)} labels."
        )
    moved = []
    for index, (one, share) in enumerate(zip(rule.problem_rules, shares, strict=True)):
        own = _scores_of_label(scores, index, problems)
        log_p = list(own["log_p"].astype(np.float64)) if "log_p" in own else None
        moved.append(rule_at_prior(one, float(share), log_p, own.get("y"), own.get("weight")))
    return rule.with_problem_rules(moved)


def describe(rule: LabelRules, y: Array, classes: Sequence[Any], of: str = "rows") -> dict[str, Any]:
    """Return the entry of the thresholds in the model card; its keys are saved in model files.

    `y` (N, L) are the labels of the rows that fitted the rules. A label counts the rows where it is known. "labels"
    contains `thresholds.describe` of each label.
    """
    known = (np.reshape(y, (-1, len(classes))) >= 0).sum(axis=0)
    each = [
        {"label": str(label), **thresholds.describe(one, int(rows), classes, of), "notes": list(one.notes)}
        for label, one, rows in zip(classes, rule.problem_rules, known, strict=True)
    ]
    words = list(dict.fromkeys(entry["word"] for entry in each))
    sentences = list(dict.fromkeys(entry["text"] for entry in each))
    return {
        "value": None,
        "offsets": None,
        "aim": rule.aim,
        "word": words[0] if len(words) == 1 else "estimate",
        "text": sentences[0]
        if len(sentences) == 1
        else "Each label has its own threshold, which is listed with the label.",
        "labels": each,
    }
