"""The baseline with threshold tuning alone, if no strategy of the comparison does only that.

The verdict reports its effect on decisions. Like every rule of a fold, a threshold is tuned on the other folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from counterpoise.comparison.costs import AnyCosts, Costs, with_row_costs
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.decide.aim import Aim
from counterpoise.decide.threshold import choose_threshold
from counterpoise.targets.kinds import target_of


def with_threshold_or_costs(
    results: Sequence[FoldResult], examples: Examples, costs: AnyCosts | None
) -> list[FoldResult]:
    """Return the results of the baseline with a tuned threshold, or with decisions by costs; nothing is trained.

    Args:
        results: Those of the baseline, one per repeat and fold.
        examples: The rows, of two classes unless costs are a matrix.
        costs: `Costs` tune the threshold for least cost on the other folds of the repeat, None for F1. A matrix or a
            column of costs decides each row by its least expected cost, and nothing is tuned.

    Returns:
        One result per given one; an empty list for a single fold, which has no other rows to tune on.
    """
    if not (costs is None or isinstance(costs, Costs)):
        return [with_row_costs(costs.decide_result(result, examples), examples, costs) for result in results]
    decided = []
    for result in results:
        others = [r for r in results if r.repeat == result.repeat and r.fold != result.fold]
        if not others:
            return []
        decision = (result.proba[..., 1] >= _threshold_of_other_folds(others, examples, costs)).astype(np.int32)
        tuned = replace(result, decision=decision)
        decided.append(tuned if costs is None else with_row_costs(tuned, examples, costs))
    return decided


def _threshold_of_other_folds(others: Sequence[FoldResult], examples: Examples, costs: Costs | None) -> float:
    """Return the threshold of the positive class that is best on the results of other folds.

    Best is the least cost, or the largest F1 without costs. The rows must pose one problem of two classes.
    """
    aim = Aim("f1") if costs is None else Aim("cost", (costs.cost_fp, costs.cost_fn))
    rows, proba = (np.concatenate([getattr(r, name) for r in others]) for name in ("rows", "proba"))
    (problem,) = target_of(examples).problems(examples.scored_labels(rows), examples.classes)
    weights = problem.of_rows(examples.scored_weights(rows))
    return choose_threshold(problem.proba(proba)[:, 1], problem.y, aim, weights)
