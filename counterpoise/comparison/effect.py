"""The effect of a change of strategy on decisions: cases found, false positives, and cost, per `PER` cases.

The values and the text are saved in leaderboard.json (`Verdict.effect`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.comparison.verdict import Verdict
from counterpoise.core.errors import OptionError
from counterpoise.core.titles import BASELINE, PER, strategy_name

Array = np.ndarray

#: Key of the strategy that only tunes the threshold.
THRESHOLD_ALONE = "threshold"


def positive_shares(confusion: Array, positive: int = 1) -> tuple[float, float]:
    """Return the shares of all rows that are cases found (true positives) and false positives of one class.

    `confusion` is (C, C), [true, predicted]; `positive` is the code of the class.

    Example:
        >>> positive_shares(np.array([[90, 5], [2, 3]]))
        (0.03, 0.05)
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.sum() <= 0:
        raise OptionError(
            f"confusion= has shape {matrix.shape} and sum {matrix.sum()}. Expected a square matrix of counts "
            "with a sum above 0."
        )
    hits = matrix[positive, positive]
    return float(hits / matrix.sum()), float((matrix[:, positive].sum() - hits) / matrix.sum())


def with_effect(
    verdict: Verdict, matrices: Mapping[str, Array], costs: Mapping[str, float], classes: Sequence[Any],
    positive: int = 1, cases: str = "cases",
) -> Verdict:  # fmt: skip
    """Return the verdict with the effect of its winner on decisions.

    For the baseline, it is the effect of threshold tuning alone. The verdict is unchanged if the confusion counts of
    the baseline or of the other strategy are missing.

    Args:
        verdict: The verdict.
        matrices: strategy -> confusion counts (C, C) [true, predicted] at its own threshold, summed over the folds.
        costs: strategy -> what its decisions cost per `PER` cases; empty without costs.
        classes: The C labels.
        positive: Code of the class that the text is about; every class has its line in `effect["classes"]`.
        cases: What is counted.
    """
    strategy = THRESHOLD_ALONE if verdict.winner == BASELINE else verdict.winner
    if BASELINE not in matrices or strategy not in matrices:
        return verdict
    named = [name for name in dict.fromkeys((BASELINE, THRESHOLD_ALONE, strategy)) if name in matrices]
    counts = {name: _case_counts(matrices[name], positive, costs.get(name)) for name in named}
    new, old = matrices[strategy], matrices[BASELINE]
    change = _change(counts[strategy], counts[BASELINE])
    effect: dict[str, Any] = {
        "strategy": strategy, "against": BASELINE, "per": PER, "label": str(classes[positive]),
        "cases": PER * float(old[positive].sum() / old.sum()), **change, "counts": counts,
        "classes": _changes_by_class(new, old, classes) if len(classes) > 2 else [],
    }  # fmt: skip
    right = PER * float(np.trace(new) / new.sum() - np.trace(old) / old.sum()) if len(classes) > 2 else None
    alone = _change(counts[THRESHOLD_ALONE], counts[BASELINE]) if THRESHOLD_ALONE in counts else None
    shown_alone = None if strategy == THRESHOLD_ALONE else alone
    text = effect_text(strategy, str(classes[positive]), change, shown_alone, right, cases)
    return replace(verdict, effect=effect | {"text": text})


def effect_text(
    strategy: str, label: str, change: Mapping[str, Any], alone: Mapping[str, Any] | None = None,
    right: float | None = None, cases: str = "cases",
) -> str:  # fmt: skip
    """Return sentences on a change of decisions per `PER` cases, and on what threshold tuning alone changes.

    Args:
        strategy: Its key.
        label: The class that is to be found.
        change: {"found", "false_positives", "cost"}, strategy minus baseline.
        alone: The same for threshold tuning without retraining, None if that is the strategy or not known.
        right: The difference in correct decisions over all classes; None for two classes.
        cases: What is counted.

    Example:
        >>> gain = {"found": 14.2, "false_positives": 60.0, "cost": None}
        >>> effect_text("threshold", "fraud", gain)
        "Per 10,000 cases, threshold tuning alone, without retraining: 14 more 'fraud' found, 60 more false positives."
        >>> effect_text("focal", "fraud", {**gain, "cost": -80.0}, gain)[:76]
        "Per 10,000 cases, Focal loss compared with the baseline: 14 more 'fraud' fou"
    """
    start = f"Per {PER:,} {cases}, "
    correct = "" if right is None else f", {_count_text(right)} correct decisions"
    changed = _change_text(change, f" {label!r}") + correct
    if strategy == THRESHOLD_ALONE:
        return f"{start}threshold tuning alone, without retraining: {changed}."
    text = f"{start}{strategy_name(strategy)} compared with the baseline: {changed}."
    return text if alone is None else f"{text} Threshold tuning alone, without retraining: {_change_text(alone)}."


def _case_counts(matrix: Array, positive: int, cost: float | None) -> dict[str, Any]:
    """Return {"found", "false_positives", "cost"} of one class per `PER` cases; `cost` already is per `PER` cases."""
    true_positives, false_positives = positive_shares(matrix, positive)
    return {"found": PER * true_positives, "false_positives": PER * false_positives, "cost": cost}


def _change(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Return new minus old for each key of `_case_counts`; None (no cost) stays None."""
    return {key: None if value is None else value - old[key] for key, value in new.items()}


def _changes_by_class(new: Array, old: Array, classes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return {"label", "found", "false_positives"} of each class: the changes from `old` to `new` per `PER` cases."""
    changes = [_change(_case_counts(new, code, None), _case_counts(old, code, None)) for code in range(len(classes))]
    return [
        {"label": str(label), "found": change["found"], "false_positives": change["false_positives"]}
        for label, change in zip(classes, changes, strict=True)
    ]


def _change_text(change: Mapping[str, Any], label: str = "") -> str:
    """Return a change in words, for example "14 more found, 60 more false positives".

    `label` follows the first count. The cost is left out if it is None.
    """
    text = f"{_count_text(change['found'])}{label} found, {_count_text(change['false_positives'])} false positives"
    cost = change["cost"]
    if cost is None:
        return text
    return f"{text}, cost {'unchanged' if not cost else f'{abs(cost):,.0f} ' + ('lower' if cost < 0 else 'higher')}"


def _count_text(count: float) -> str:
    """Return a difference of counts in words: "14 more", "less than 1 fewer", and for 0 "no more"."""
    if count == 0:
        return "no more"
    amount = f"{abs(count):,.0f}" if abs(count) >= 1 else "less than 1"
    return f"{amount} {'more' if count > 0 else 'fewer'}"
