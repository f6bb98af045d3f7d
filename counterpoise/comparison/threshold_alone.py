"""What threshold tuning alone changes, if the comparison has no strategy that does only that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from counterpoise.comparison.costs import AnyCosts, Costs, with_row_costs
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.target import Problem
from counterpoise.decide.aim import Aim
from counterpoise.decide.threshold import choose_threshold
from counterpoise.metrics.decision_scores import confusion
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def at_tuned_threshold(results: Sequence[FoldResult], examples: Examples, costs: AnyCosts) -> list[FoldResult]:
    """The baseline's results with the threshold, or the decision by costs, of the strategy that changes only that.

    Nothing for a single fold, which has no other rows to tune on.
    """
    if not isinstance(costs, Costs):
        return [with_row_costs(costs.decided(result, examples), examples, costs) for result in results]
    decided = []
    for result in results:
        others = [r for r in results if r.repeat == result.repeat and r.fold != result.fold]
        if not others:
            return []
        threshold = _threshold(others, examples, costs)
        decision = (result.proba[..., 1] >= threshold).astype(np.int32)
        decided.append(with_row_costs(replace(result, decision=decision), examples, costs))
    return decided


def _threshold(others: Sequence[FoldResult], examples: Examples, costs: Costs | None) -> float:
    aim = Aim("f1") if costs is None else Aim("cost", (costs.cost_fp, costs.cost_fn))
    rows, proba = (np.concatenate([getattr(r, name) for r in others]) for name in ("rows", "proba"))
    problem = _problem(examples, rows)
    weights = problem.of_rows(examples.scored_weights(rows))
    return choose_threshold(problem.proba(proba)[:, 1], problem.y, aim, weights)


def confusion_at_tuned_threshold(
    results: Sequence[FoldResult], examples: Examples, costs: Costs | None
) -> Array | None:
    """Return the baseline's confusion counts (2, 2) at thresholds tuned on the predictions of the other folds.

    Args:
        results: The baseline's, one per repeat and fold.
        examples: The rows, of two classes.
        costs: Tune for least cost; None: for F1.

    Returns:
        Counts [true, predicted] summed over the folds; None for a single fold, which has no other rows to tune on.
    """
    total = np.zeros((2, 2))
    for result in results:
        others = [r for r in results if r.repeat == result.repeat and r.fold != result.fold]
        if not others:
            return None
        threshold, own = _threshold(others, examples, costs), _problem(examples, result.rows)
        decided = (own.proba(result.proba)[:, 1] >= threshold).astype(int)
        total += confusion(own.y, decided, 2, sample_weight=own.of_rows(examples.element_weights(result.rows)))
    return total


def _problem(examples: Examples, rows: Array) -> Problem:
    """The one problem of some rows."""
    return target_of(examples).problems(examples.scored_labels(rows), examples.classes)[0]
