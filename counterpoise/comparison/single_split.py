"""Bootstrap draws of the scores on a single test set (a split of the user), because there are no folds.

Rows (or groups, or blocks in time) are drawn with replacement, the same for every strategy. The draws show how much the
scores depend on the choice of the test rows, but not how much they depend on the training. The formulas
must give the scores of `metrics.scores`; tests/comparison/test_single_split.py compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from counterpoise.comparison.costs import COST, cost_draws
from counterpoise.comparison.tally import DECISION_SUFFIXES
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.seeds import generator
from counterpoise.core.target import Problem
from counterpoise.metrics import scores as sc
from counterpoise.metrics.bootstrap import cluster_draws, group_draws
from counterpoise.metrics.proba_scores import log_proba
from counterpoise.metrics.regions import region_draws
from counterpoise.metrics.row_draws import row_draws
from counterpoise.targets.kinds import target_of

Array = np.ndarray
Draws = dict[str, Array]


def split_draws(result: FoldResult, examples: Examples, blocks: Array, metric: str, resamples: int, seed: int) -> Draws:
    """Return draws of the scores of one strategy on resampled test rows, metric key -> float64 (B,).

    A score is nan for a draw that does not define it.

    Args:
        result: The strategy on the test rows.
        examples: The rows.
        blocks: int (T,), what is drawn together: the number of each row, or of its group.
        metric: The score that is judged by, drawn in any case; besides, all decision scores, average precision, area
            under the ROC curve, log loss, Brier score and skill.
        resamples: B.
        seed: Of the draws.
    """
    target, user = target_of(examples), examples.scored_weights(result.rows)
    regions = region_draws(result.regions, blocks, resamples, seed, examples.weights_of(result.rows))
    problems = [p for p in target.problems(examples.scored_labels(result.rows), examples.classes) if len(p.rows)]
    # Region scores and costs have draws of their own below; another score stands for them in the problems.
    wanted = "average_precision" if metric in regions else "log_loss" if metric == COST else metric
    each = []
    for problem in problems:
        one, y, weight = _result_of_problem(problem, result, user)
        weight = np.ones(len(y)) if weight is None else weight.astype(float)
        each.append(_problem_draws(one, y, weight, problem.of_whole(blocks), wanted, resamples, seed))
    draws = {key: np.mean([draws[key] for draws in each], axis=0) for key in each[0]} | regions
    if result.cost is None:
        return draws
    return draws | {COST: cost_draws(result, examples.weights_of(result.rows), blocks, resamples, seed)}


def _result_of_problem(
    problem: Problem, result: FoldResult, user: Array | None
) -> tuple[FoldResult, Array, Array | None]:
    """Return result, class codes (T,) and weights (T,) of one problem, over all rows.

    Rows that take no part in the problem have weight 0. Weights of None are all 1. `user` are the user's weights.
    """
    y, proba, weight = problem.over_all_rows(result.proba)
    decision, user = problem.decision(result.decision), None if user is None else problem.of_whole(user)
    if len(problem.rows) < len(y):
        decision = np.zeros(len(y), np.int32)
        decision[problem.rows] = problem.decision(result.decision)
    one = replace(result, proba=proba, raw=problem.over_all_rows(result.raw)[1], decision=decision)
    if weight is None or user is None:
        return one, y, user if weight is None else weight
    return one, y, weight * user


def _problem_draws(
    result: FoldResult, y: Array, weight: Array, blocks: Array, metric: str, resamples: int, seed: int
) -> Draws:
    """Return draws of the scores of one problem, metric key -> float64 (B,); `result` must be of this problem.

    Scores made of sums over rows come from one matrix product per chunk of draws. Areas under curves, and `metric` if
    it is not among these, are drawn separately.
    """
    classes = result.proba.shape[1]
    group = np.unique(blocks, return_inverse=True)[1].ravel()
    decided = (result.decision, sc.default_decision(result.proba, 1), sc.default_decision(result.raw, 1))
    tables = [_weights_by_group(group, y * classes + d, weight, classes**2) for d in decided]
    sums = _group_sums(result, y, weight, group)
    chunks: list[Draws] = []
    for counts in group_draws(len(sums), resamples, generator(seed, "split")):
        chunks.append(_scores_of_sums(counts @ sums, classes))
        for suffix, table in zip(DECISION_SUFFIXES, tables, strict=True):
            chunks[-1] |= _scores_of_tables(np.asarray(counts @ table), classes, suffix)
    draws = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
    draws |= _area_draws(result, y, weight, group, resamples, seed)
    if metric not in draws:
        draws[metric] = _row_score_draws(result, y, weight, blocks, metric, resamples, seed)
    return draws


def _weights_by_group(group: Array, column: Array, weight: Array, width: int) -> sparse.csr_array:
    """Return the sum of the weights of the rows in each group and column, sparse (G, width).

    `group` and `column` are int (T,): the group of each row, and the column in which it counts.
    """
    return sparse.coo_array((weight, (group, column)), shape=(int(group.max()) + 1, width)).tocsr()


def _group_sums(result: FoldResult, y: Array, weight: Array, group: Array) -> Array:
    """Return sums over the weighted rows of each group, float64 (G, C + 3), for `_scores_of_sums`.

    Columns: the weight of each class, log loss, squared error, and log loss without the correction.
    """
    n, rows = result.proba.shape[1], np.arange(len(y))
    # With two classes, both have the same error, and it counts once, as in `metrics.proba_scores.brier`.
    squared = ((np.eye(n)[y] - result.proba) ** 2).sum(axis=1) / (2 if n == 2 else 1)
    losses = (-log_proba(result.proba)[rows, y], squared, -log_proba(result.raw)[rows, y])
    table = np.column_stack([np.eye(n)[y], *losses]) * weight[:, None]
    return np.column_stack([np.bincount(group, column) for column in table.T])


def _scores_of_sums(drawn: Array, n: int) -> Draws:
    """Return log loss, Brier score and skill (B,) from sums (B, n + 3) of drawn groups, n classes."""
    total = drawn[:, :n].sum(axis=1)
    shares = drawn[:, :n] / total[:, None]
    loss, squared, raw = drawn[:, n:].T / total
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(shares > 0, shares * np.log(shares), 0.0).sum(axis=1)
        skill = np.where(entropy > 0, 1.0 - loss / entropy, np.nan)
    return {"log_loss": loss, "brier": squared, "log_loss_uncorrected": raw, "skill": skill}


def _scores_of_tables(drawn: Array, n: int, suffix: str) -> Draws:
    """Return decision scores (B,) from drawn confusion matrices (B, n * n); `suffix` ends their keys."""
    each = [sc.decision_scores(matrix) for matrix in drawn.reshape(-1, n, n)]
    return {key + suffix: np.array([one[key] for one in each]) for key in each[0]}


def _area_draws(result: FoldResult, y: Array, weight: Array, group: Array, resamples: int, seed: int) -> Draws:
    """Return draws (B,) of average precision and ROC AUC; of more than two classes, of their means over classes."""
    n, keys = result.proba.shape[1], ("average_precision", "roc_auc")
    each = [
        cluster_draws(y, result.proba, group, positive=code, resamples=resamples, seed=seed, sample_weight=weight)
        for code in ([1] if n == 2 else range(n))
    ]
    return {key: np.mean([draws[key] for draws in each], axis=0) for key in keys}


def _row_score_draws(
    result: FoldResult, y: Array, weight: Array, blocks: Any, metric: str, resamples: int, seed: int
) -> Array:
    """Return draws (B,) of a score that is not made of sums, by computing all scores of the rows of each draw.

    The same groups are drawn for every problem, also groups whose rows all have weight 0 in this one.
    """

    def prepare(rows: Array) -> Callable[[Array], dict[str, float]]:
        def score(drawn: Array) -> dict[str, float]:
            w = drawn * weight[rows]
            if not w.any():
                return {metric: float("nan")}
            all_of_them = sc.score_all(
                y[rows], result.proba[rows], result.raw[rows], result.decision[rows], n_classes=result.proba.shape[1],
                sample_weight=w,
            )  # fmt: skip
            return {metric: all_of_them[metric]}

        return score

    return row_draws(prepare, y, groups=blocks, resamples=resamples, seed=seed)[metric]
