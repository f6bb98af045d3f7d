"""Paired bootstrap draws of the folds' mean scores, for rows that belong together or follow each other in time.

The judge uses them instead of t-tests. They are paired: the seed does not depend on the strategy, so that
every strategy gets the same draws of groups. `single_split` has the draws for a split of the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.comparison.costs import COST, cost_draws
from counterpoise.comparison.single_split import split_draws
from counterpoise.core.errors import SplitError
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.folds import Fold
from counterpoise.core.seeds import integer
from counterpoise.core.target import Problem
from counterpoise.metrics.bootstrap import cluster_draws, time_blocks
from counterpoise.metrics.regions import region_draws
from counterpoise.targets.kinds import target_of

Array = np.ndarray

RESAMPLES = 1000
#: Least groups in the test part of a fold for a bootstrap: with fewer, its intervals are too narrow, and the judge uses
#: the spread of the folds.
LEAST_BLOCKS = 10


def paired_draws(
    by_name: Mapping[str, Sequence[FoldResult]], scores: Mapping[str, Mapping[str, Array]], examples: Examples,
    seed: int = 0, resamples: int = RESAMPLES, metric: str = "average_precision",
) -> dict[str, dict[str, Array]] | None:  # fmt: skip
    """Return paired bootstrap draws of the scores: strategy -> metric -> float (B,).

    Return None if the rows are independent, or if a fold tests too few groups for a bootstrap. With a class per
    element, each row is a group of elements, unless there are other groups.

    With a split that the user passed, the rows, groups or blocks of the test rows are drawn (see `single_split`).

    Groups (or, with time, blocks of rows that follow each other) are drawn with replacement inside the test part of
    each fold, the same for every strategy; a draw is the mean of the folds' scores, as the score of the leaderboard is.
    Repeats judge the same groups again, which adds no groups: the first one is drawn from, and its draws are moved to
    the mean over all repeats.

    Two classes: average precision, area under the ROC curve and log loss. More: the first two, mean over the classes.

    Args:
        by_name: strategy -> its results, repeat after repeat.
        scores: strategy -> metric -> float (R K,), the results' scores.
        examples: The rows.
        seed: Seed of the draws.
        resamples: B.
        metric: Key of the metric of the verdict, used only with a split that the user passed.
    """
    if examples.split is not None:
        return {
            name: split_draws(result, examples, _resampling_units(result.rows, examples), metric, resamples, seed)
            for name, (result,) in by_name.items()
        }
    if examples.groups is None and examples.time is None and examples.sample is None:
        return None
    results_of_one = next(iter(by_name.values()))
    if min(len(np.unique(_resampling_units(result.rows, examples))) for result in results_of_one) < LEAST_BLOCKS:
        return None
    drawn = {}
    for name, results in by_name.items():
        first = [number for number, result in enumerate(results) if result.repeat == 0]
        folds = [_fold_draws(results[number], examples, seed, resamples) for number in first]
        drawn[name] = {
            key: _fold_mean([fold[key] for fold in folds]) + scores[name][key].mean() - scores[name][key][first].mean()
            for key in folds[0]
        }
    return drawn


def _fold_mean(draws: Sequence[Array]) -> Array:
    """Return the mean over the folds, float (B,), of one array (B,) per fold.

    A fold counts for a draw if its score is finite; without any such fold the mean is nan.
    """
    table = np.stack(draws)
    known = np.isfinite(table)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, table, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _fold_draws(result: FoldResult, examples: Examples, seed: int, resamples: int) -> dict[str, Array]:
    """Return draws of every score of one fold, metric key -> float64 (B,), without the mean over the folds."""
    blocks, state = _resampling_units(result.rows, examples), integer(seed, "blocks", result.fold)
    problems = target_of(examples).problems(examples.scored_labels(result.rows), examples.classes)
    own = examples.scored_weights(result.rows)
    each = [_problem_draws(p, result, blocks, own, state, resamples) for p in problems if len(p.rows)]
    draws = {key: np.mean([draws[key] for draws in each], axis=0) for key in each[0]}
    if result.cost is not None:
        draws[COST] = cost_draws(result, examples.weights_of(result.rows), blocks, resamples, state)
    return draws | region_draws(result.regions, blocks, resamples, state, examples.weights_of(result.rows))


def _problem_draws(
    problem: Problem, result: FoldResult, blocks: Array, own: Array | None, seed: int, resamples: int
) -> dict[str, Array]:
    """Return draws of the scores of one problem, metric key -> float64 (B,).

    Rows that take no part weigh 0, so that the same groups are drawn for every problem.

    `own` are the weights of rows or of sampled elements, None if all are equal. Of more than two classes, each
    score is the mean over the classes, and there is no log loss.
    """
    y, proba, weights = problem.over_all_rows(result.proba)
    if own is not None:
        weights = problem.of_whole(own) * (1.0 if weights is None else weights)
    blocks = problem.of_whole(blocks)
    how: dict[str, Any] = {"resamples": resamples, "seed": seed, "sample_weight": weights}
    if len(problem.classes) == 2:
        return cluster_draws(y, proba, blocks, **how)
    each = [cluster_draws(y, proba, blocks, positive=code, **how) for code in range(len(problem.classes))]
    return {key: np.mean([draws[key] for draws in each], axis=0) for key in ("average_precision", "roc_auc")}


def _resampling_units(rows: Array, examples: Examples) -> Array:
    """Return a number for each of some rows, (N,): rows with equal numbers are drawn together.

    It is the block of the row in time, else its group, else the row itself.
    """
    if examples.time is not None:
        return time_blocks(examples.time[rows])
    return rows if examples.groups is None else examples.groups[rows]


def check_enough_blocks(examples: Examples, fold: Fold) -> None:
    """Raise a SplitError when the test rows of a given split come in too few groups for confidence intervals."""
    blocks = len(np.unique(_resampling_units(fold.test, examples)))
    if blocks < LEAST_BLOCKS:
        what = "rows" if examples.groups is None and examples.time is None else "groups or blocks in time"
        raise SplitError(
            f"The test rows of the split have {blocks} {what}. Confidence intervals need {LEAST_BLOCKS} or more. "
            "Add test rows, or remove split= to use cross-validation."
        )
