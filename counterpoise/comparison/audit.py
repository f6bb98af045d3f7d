"""The audit of the recommended strategy on test rows: groups, threshold, rows for a human, and reliability.

Saved as "audit" in leaderboard.json; `report/audit.py` draws it by the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from counterpoise.classifier.by_group import grouped, scores_by_group
from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.importance import importance_of, mean_importance
from counterpoise.classifier.threshold_spread import decisions_at, threshold_spread
from counterpoise.comparison.tally import fold_thresholds
from counterpoise.core.errors import CounterpoiseError, OptionError
from counterpoise.core.examples import IMAGE, TEST, Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.json_values import jsonable
from counterpoise.core.rule import Rule
from counterpoise.core.seeds import generator
from counterpoise.core.structure import subset as rows_of
from counterpoise.data.levels import level_text
from counterpoise.decide.review import review_by_alpha, reviewed
from counterpoise.metrics.reliability import reliability_table
from counterpoise.metrics.review_scores import review_scores
from counterpoise.targets.kinds import target_of

Array = np.ndarray
#: Shares of each class decided wrongly; for each, the report lists how many rows go to a human.
REVIEW_ALPHAS = (0.05, 0.1, 0.2)
#: Most test rows (over all models together) and most columns for the importance of columns in a comparison.
IMPORTANCE_ROWS, IMPORTANCE_COLUMNS = 3_000, 40


def audit_of(
    results: Sequence[FoldResult], examples: Examples, best: Classifier | None,
    of_folds: Sequence[tuple[Classifier, Array]] = (),
) -> dict[str, Any]:  # fmt: skip
    """Measure the recommended strategy on the test rows of the first repeat.

    Args:
        results: Its results, one per repeat and fold.
        examples: The rows.
        best: The same strategy trained on all rows, or of rows with their own split the one that was scored.
        of_folds: The classifiers of the folds with their test rows, where the importance of columns is wanted.

    Returns:
        `strategy`, `rows` (their number), `thresholds` (those of the folds), `threshold_spread` (see
        `classifier.threshold_spread`), `by` (see `classifier.by_group`), `reliability` (see `metrics.reliability`),
        `review` (for each `alpha` the scores of `metrics.review_scores`) and `importance` (see `cp.explain`; of folds
        the mean over their models; None if it was not measured). Of a class per element the thresholds alone.
    """
    # Each repeat has all test rows, so that one repeat has each row once.
    first = [result for result in results if result.repeat == 0]
    fields = ("rows", "proba", "decision")
    rows, proba, decision = (np.concatenate([getattr(result, name) for result in first]) for name in fields)
    if target_of(examples).per_element:
        nothing: dict[str, Any] = {
            "threshold_spread": None,
            "by": [],
            "reliability": [],
            "review": [],
            "importance": None,
        }
        head = {"strategy": results[0].strategy, "rows": len(rows), "thresholds": fold_thresholds(results)}
        return jsonable(head | nothing)
    y, weight = examples.y[rows], examples.weights_of(rows)
    groups = None if examples.groups is None else examples.groups[rows]
    problems = [p for p in target_of(examples).problems(y, examples.classes) if len(p.rows)]
    return jsonable({
        "strategy": results[0].strategy,
        "rows": len(rows),
        "thresholds": fold_thresholds(results),
        "threshold_spread": _scored_spread(best, y, proba, weight),
        "by": [
            table
            for name, values in (examples.by or {}).items()
            if len(np.unique(level_text(pl.Series(values[rows].tolist())).fill_null(""))) > 1
            for table in scores_by_group(
                {name: values[rows].tolist()}, problems, proba, decision, groups=groups, sample_weight=weight
            )
        ],
        "reliability": reliability_table([p for p in problems if len(np.unique(p.y)) > 1], proba, weight),
        "review": [] if problems[0].index is not None else review_scores_by_alpha(first, examples),
        "importance": None if problems[0].index is not None else _importance_of_columns(best, examples, of_folds),
    })  # fmt: skip


def check_by_columns(examples: Examples) -> None:
    """Raise an OptionError for a column of `by` without several values. Call it before anything is trained."""
    for name, values in (examples.by or {}).items():
        grouped(name, pl.Series(values.tolist()), len(examples))


def _scored_spread(best: Classifier | None, y: Array, proba: Array, weight: Array | None) -> dict[str, Any] | None:
    """Return how far the threshold varies on resampled rows, with the scores of the test rows at both ends.

    None without a classifier, or where `threshold_spread` gives None, as it does for more than two classes.
    """
    spread = None if best is None else threshold_spread(best.rule, best.scores)
    return None if spread is None else decisions_at(spread, y, proba[:, 1], weight)


def review_scores_by_alpha(results: Sequence[FoldResult], examples: Examples) -> list[dict[str, Any]]:
    """Return scores of decisions where a human reviews doubtful rows, one entry for each alpha in `REVIEW_ALPHAS`.

    `results` are those of one repeat.
    The limits that send rows of one fold to a human are chosen on the rows of the other folds.
    An alpha is left out if a class has too few rows for it. With only one fold the list is empty.
    """
    limits = []
    for alpha in REVIEW_ALPHAS if len(results) > 1 else ():
        try:
            decided = [_reviewed_decisions(result, results, examples, alpha) for result in results]
        except CounterpoiseError:
            continue
        rows = np.concatenate([result.rows for result in results])
        groups = None if examples.groups is None else examples.groups[rows]
        scores = review_scores(
            examples.y[rows], np.concatenate(decided), examples.classes, groups=groups,
            sample_weight=examples.weights_of(rows),
        )  # fmt: skip
        limits.append({"alpha": alpha, **scores})
    return limits


def _reviewed_decisions(result: FoldResult, results: Sequence[FoldResult], examples: Examples, alpha: float) -> Array:
    """Return the decisions of a fold, int (n,), with `HUMAN` (-1) for rows that go to a human.

    The limits of the review are chosen on the rows of the other folds.
    """
    others = [other for other in results if other is not result]
    rows, proba = (np.concatenate([getattr(other, name) for other in others]) for name in ("rows", "proba"))
    review = review_by_alpha(proba, examples.y[rows], alpha)
    classes = proba.shape[1]
    # The probabilities are corrected already. The rule therefore has no shift and only carries the review.
    rule = Rule(np.zeros((1, classes)), np.full(classes, 1 / classes), review=review)
    with np.errstate(divide="ignore"):
        return reviewed(rule, np.log(result.proba.astype(np.float64)), result.decision)


def check_importance(examples: Examples) -> None:
    """Raise an OptionError if the importance of columns was requested but cannot be measured."""
    columns = 0 if examples.schema is None else len(examples.schema.numeric) + len(examples.schema.categorical)
    if target_of(examples).many_per_row or not columns or (isinstance(examples.x, Mapping) and IMAGE in examples.x):
        what = target_of(examples).what if target_of(examples).many_per_row else "no columns (images, texts or arrays)"
        raise OptionError(
            f"importance= is for tables with one class per row, but the rows have {what}. Remove importance=."
        )
    if columns > IMPORTANCE_COLUMNS:
        raise OptionError(
            f"importance= measures up to {IMPORTANCE_COLUMNS} columns, but there are {columns:,}. Remove "
            "importance=. To measure groups of columns, run cp.explain (counterpoise explain) with together= "
            "on new rows."
        )


def _importance_of_columns(
    best: Classifier | None, examples: Examples, of_folds: Sequence[tuple[Classifier, Array]]
) -> dict[str, Any] | None:
    """Return the mean importance of columns over models, each measured on its own test rows (see `cp.explain`).

    The models are those of the folds, or `best` alone if the user passed a split. None if there is no model, or if the
    importance cannot be measured.
    """
    models = of_folds
    if best is not None and examples.split is not None:
        models = [(best, examples.rows_with_role(TEST))]
    try:
        check_importance(examples)
        # The models share the rows, so that they use at most IMPORTANCE_ROWS together.
        most = IMPORTANCE_ROWS // max(1, len(models))
        of_models = [_model_importance(clf, _drawn_rows(rows, most), examples) for clf, rows in models]
    except OptionError:
        return None
    return mean_importance(of_models) if of_models else None


def _drawn_rows(rows: Array, most: int) -> Array:
    """Return at most `most` of some rows, drawn at random, because files may be sorted by label."""
    return rows if len(rows) <= most else np.sort(generator(0, "importance rows").permutation(rows)[:most])


def _model_importance(clf: Classifier, rows: Array, examples: Examples) -> dict[str, Any]:
    """Return the importance of columns for one classifier on some of its test rows (numbers `rows`).

    Each column is permuted three times. Rows of one group are resampled together for the intervals.
    """
    unit = None if examples.groups is None else examples.groups[rows]
    return importance_of(clf, rows_of(examples.x, rows), examples.y[rows], unit, permutations=3)
