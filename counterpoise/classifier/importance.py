"""The importance of columns: the average precision lost if a column is exchanged between rows.

The result is drawn by `report.importance` and is part of the record of a comparison, so its keys must stay. The order
of the random draws decides the values: rows to score, then resamples, then donors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from counterpoise.classifier.evaluation import labeled_rows
from counterpoise.classifier.raw_columns import ExplainedColumns, log_odds
from counterpoise.core.checks import check_classifier, check_int, check_lengths, check_range
from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.seeds import generator
from counterpoise.core.structure import leaves, rows_in, take
from counterpoise.metrics.arrays import mean_over_known

Array = np.ndarray
#: Most rows that are scored; if there are more, this many are drawn.
MOST_ROWS = 10_000


def explain(
    clf: Any, data: Any, y: Any = None, *, target: Any = None, groups: Any = None,
    together: Sequence[Sequence[str]] = (), permutations: int = 5, resamples: int = 200, level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Measure how much average precision is lost without each column.

    The rows must not have been used for training.

    The values of one column are exchanged between rows at random, so they no longer belong to their rows. With more
    than two classes, the average precision is the mean over the classes. Columns with the same information hide the
    importance of each other. Exchange such columns `together`. To explain single rows, use `Classifier.explain`.

    Args:
        clf: A `Classifier` for a table or an array (N, d).
        data, y, target, groups: As in `evaluate`.
        together: Sets of columns that are exchanged as one.
        permutations: How often each column is exchanged. resamples: Number of bootstrap draws of rows or groups.
        level: Confidence of the intervals. seed: Seed of the random draws.

    Returns:
        `rows`, `average_precision`, and `columns`, the most important first. Each entry of `columns` has `columns`
        (names) and `importance`: the mean loss (`value`) and its interval (`low`, `high`), over draws of rows and
        exchanges.

    Raises:
        OptionError: The classifier is for images, text or several labels per row, a column does not exist, or a number
            is out of range.
        DataError: The numbers of rows, labels, or groups differ.

    Example:
        >>> from counterpoise.pipeline.fit import fit
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(600) < 0.3).astype(int)
        >>> x = np.stack([rng.normal(size=600) + 2 * y, rng.normal(size=600)], axis=1)
        >>> clf = fit("mlp", x[:400], y[:400], epochs=5, verbose=0)
        >>> explain(clf, x[400:], y[400:], resamples=20)["columns"][0]["columns"]
        ['x0']
    """
    check_classifier(clf, "explain")
    if clf.target.many_per_row:
        raise OptionError(
            "cp.explain measures the importance of columns only for one class per row, but this classifier has "
            f"{clf.target.what}. To explain single rows of several labels, use clf.explain(x, label=...)."
        )
    _column_sets(ExplainedColumns.of(clf).names, together)  # an unknown column is an error before the rows are read
    check_int(permutations, "permutations")
    check_int(resamples, "resamples", 2)  # an interval needs two draws
    check_range(level, "level", 0, 1, "()")
    codes, rows, unit = labeled_rows(clf, data, y, target, groups)
    encoded = clf.encoded(*rows)
    check_lengths({"data": leaves(encoded)[0], "y": codes})
    return importance_of(
        clf, encoded, codes, unit, together=together, permutations=permutations, resamples=resamples,
        level=level, seed=seed,
    )  # fmt: skip


def importance_of(
    clf: Any, encoded: Any, codes: Array, unit: Array | None, *, together: Sequence[Sequence[str]] = (),
    permutations: int = 5, resamples: int = 200, level: float = 0.95, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return the result of `explain` for rows in the form of `Examples.x`, with class codes and groups (N,).

    A comparison calls it for each fold, on test rows alone.

    At most `MOST_ROWS` rows are scored, drawn at random. If `unit` is None, single rows are resampled, not groups.
    """
    columns = ExplainedColumns.of(clf)
    sets = _column_sets(columns.names, together)
    rng = generator(seed, "explain rows")
    if rows_in(encoded) > MOST_ROWS:
        kept = np.sort(rng.permutation(rows_in(encoded))[:MOST_ROWS])
        encoded, codes, unit = take(encoded, kept), codes[kept], None if unit is None else unit[kept]
    n = len(codes)
    weights = np.stack(list(_draw_counts(np.arange(n) if unit is None else unit, resamples, rng)))
    # One line for each weighting, (1 + resamples, N): first every row once, then the resamples.
    whole = np.stack([np.ones(n), *weights])
    own = _average_precisions(codes, log_odds(clf, encoded), whole)  # with all columns
    quantile = float(norm.ppf((1 + level) / 2))
    losses = []
    for names in sets:
        # True for columns that rows keep (N, d); the columns of this set come from another row, the donor.
        mask = np.broadcast_to(~np.isin(columns.names, names), (n, len(columns.names)))
        lost = []
        for _ in range(permutations):
            donor = rng.permutation(n)
            score = log_odds(clf, columns.mixed(encoded, take(encoded, donor), mask))
            # The weight of a changed row is the product of the weights of the row and of its donor.
            lost.append(own - _average_precisions(codes, score, whole * whole[:, donor]))
        mean_lost = mean_over_known(np.concatenate(lost).T)
        half = quantile * float(np.nanstd(mean_lost[1:], ddof=1))
        value = float(mean_lost[0])
        losses.append({"columns": names, "importance": {"value": value, "low": value - half, "high": value + half}})
    return {
        "rows": n,
        "average_precision": float(mean_over_known(own.T)[0]),
        "columns": sorted(losses, key=lambda one: -one["importance"]["value"]),
    }


def mean_importance(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of results of `importance_of` for several models, each scored on other rows.

    The intervals are for the mean over these models: the rows of one are drawn independently of those of another.

    Example:
        >>> one = {"columns": ["a"], "importance": {"value": 0.2, "low": 0.1, "high": 0.3}}
        >>> found = mean_importance([{"rows": 5, "average_precision": 0.5, "columns": [one]}] * 4)
        >>> found["rows"], {end: round(value, 6) for end, value in found["columns"][0]["importance"].items()}
        (20, {'value': 0.2, 'low': 0.15, 'high': 0.25})
    """
    by_columns: dict[tuple[str, ...], list[Mapping[str, float]]] = {}
    for part in parts:
        for one in part["columns"]:
            by_columns.setdefault(tuple(one["columns"]), []).append(one["importance"])
    columns = []
    for names, scores in by_columns.items():
        value = float(np.mean([score["value"] for score in scores]))
        # The models are independent, so the squares of the half-widths add up.
        half = float(np.sqrt(np.sum([(score["high"] - score["value"]) ** 2 for score in scores])) / len(scores))
        columns.append(
            {"columns": list(names), "importance": {"value": value, "low": value - half, "high": value + half}}
        )
    return {
        "rows": sum(part["rows"] for part in parts),
        "average_precision": float(np.mean([part["average_precision"] for part in parts])),
        "columns": sorted(columns, key=lambda one: -one["importance"]["value"]),
    }


def _column_sets(names: Sequence[str], together: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the sets of columns to exchange: those given, and each other column alone.

    Raises:
        OptionError: `together` contains a column that is not one of `names`.
    """
    joined = [list(one) for one in together]
    for name in (name for one in joined for name in one):
        if name not in names:
            hint = did_you_mean(name, names)
            raise OptionError(f"together= names the column {name!r}, which the model does not use.{hint}")
    taken = {name for one in joined for name in one}
    return joined + [[name] for name in names if name not in taken]


def _draw_counts(unit: Array, resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield, for each bootstrap draw, how often each row is drawn, float64 (N,).

    Units are drawn with replacement. `unit` (N,) is the unit of each row, and all rows of a unit are drawn together.
    """
    index = np.unique(unit, return_inverse=True)[1].ravel()
    count = int(index.max()) + 1
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, count, count), minlength=count)[index].astype(np.float64)


def mean_average_precision(y: Array, score: Array, weights: Array) -> Array:
    """Return the average precision, float64 (B,), for each of B weightings of the rows.

    With more than two classes, it is the mean over the classes that have weight, as in `metrics.ranking.mean_scores`,
    with one sort for all weightings. The positive class of two classes is 1. nan if no class has weight.

    Args:
        y: int (N,), class codes. score: float (N, C). weights: float (B, N).

    Example:
        >>> score = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
        >>> mean_average_precision(np.array([1, 0, 0]), score, np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])).tolist()
        [1.0, 1.0]
    """
    return mean_over_known(_average_precisions(y, score, weights).T)


def _average_precisions(y: Array, score: Array, weights: Array) -> Array:
    """Compute the average precision of each class in `y` (of class 1 alone if there are two), float64 (C, B).

    nan for weightings in which a class has no weight: a bootstrap draw often misses all rows of a rare class.
    """
    codes = [1] if score.shape[1] == 2 else np.unique(y).tolist()
    return np.stack([_average_precision(y == c, score[:, c], weights) for c in codes])


def _average_precision(positive: Array, score: Array, weights: Array) -> Array:
    """Return the average precision of one class for each of B weightings of the rows, float64 (B,).

    `positive` is bool (N,), `score` float (N,), and `weights` float (B, N). Rows of equal score count together. The
    result is nan for weightings without positives.
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # last row of each run of ties
    sorted_weights = weights[:, order]
    rows = np.cumsum(sorted_weights, axis=1)[:, last]
    hits = np.cumsum(sorted_weights * positive[order], axis=1)[:, last]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(rows > 0, hits / rows, 0.0)
        gained = np.diff(hits, axis=1, prepend=0.0)
        return (gained * precision).sum(axis=1) / hits[:, -1]
