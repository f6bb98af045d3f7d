"""Every metric key of a classifier with its interval.

Rows are resampled class by class, so the shares of the classes stay as they are, for scores that depend on them little.
Scores that depend on them (log loss, Brier score, and with two classes the calibration intercept and all scores of
weighted rows) are resampled from all rows: other test rows would have other shares. What a metric needs is resampled
and no more: the cells of the confusion matrix for decisions, the losses per row for log loss, Brier score and skill,
and rows (of a large class a sample, which makes an interval a little too wide) for the rest. Proportions of two classes
get Wilson's interval, average precision that of `ap_interval`. Weighted rows and groups have none of these short ways.
Shares of exactly 0 or 1, where no resample differs, always have Wilson's interval. Groups of one row each are rows
without groups.
Calibration slope and intercept have no interval (nan) where there are more than `MANY` probabilities.

`cp.evaluate` and the model card of a classifier show these intervals; a comparison has its own (`comparison.evidence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from counterpoise.core.errors import TargetError
from counterpoise.core.proportions import wilson
from counterpoise.core.seeds import generator
from counterpoise.metrics import bootstrap
from counterpoise.metrics import scores as sc
from counterpoise.metrics.calibration_scores import top_label_ece
from counterpoise.metrics.catalog import METRICS
from counterpoise.metrics.decision_scores import scores_of_many, share_weights
from counterpoise.metrics.intervals import Pair, percentile
from counterpoise.metrics.proba_scores import entropy, log_proba
from counterpoise.metrics.row_draws import ENOUGH, row_draws

Array = np.ndarray
Scored = dict[str, dict[str, float]]

#: Most resamples whose rows are drawn one by one.
ROW_RESAMPLES = 200
#: Probabilities (rows times classes) from which a calibration slope and intercept have no interval: one takes a second.
MANY = 200_000
#: Rows of a class that are drawn one by one, however many classes there are.
LEAST = 50
SUFFIXES = ("", "_default", "_uncorrected")
#: Metric key -> draws, float64 (B,), or the ends of an interval, one pair after the other.
Draws = Iterator[tuple[str, Any]]


def measure(
    y: Array, proba: Array, decision: Array, raw: Array | None = None, *, positive: int = 1,
    sample_weight: Array | None = None, groups: Any = None, resamples: int = 1000, level: float = 0.95, seed: int = 0,
) -> Scored:  # fmt: skip
    """Measure every metric key with its interval.

    Args:
        y: int (N,), class codes; with two classes both occur.
        proba: float (N, C). decision: int (N,), class codes.
        raw: float (N, C), probabilities of the uncorrected output; None leaves its keys out.
        positive: Code of the positive class with two classes.
        sample_weight: float (N,): row i counts as w_i rows. groups: (N,), drawn as wholes. With either every interval
            comes from at most 200 resamples of rows or groups, proportions included unless they are 0 or 1.
        resamples: Bootstrap draws. level: Confidence. seed: Of the draws.

    Returns:
        key -> {"value", "low", "high"}, in the order of `METRICS`; what is not defined on these rows is nan.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
        >>> scores = measure(np.array([0, 1, 0, 1]), p, np.array([0, 1, 0, 0]), resamples=50)
        >>> scores["recall"]["value"], round(scores["recall"]["low"], 3)
        (0.5, 0.095)
    """
    if len(np.unique(y)) < 2:
        raise TargetError("The rows have one class only. Scores need rows of at least two classes.")
    if groups is not None and len(np.unique(groups)) == len(y):
        groups = None
    # One thread: threads of a busy machine wait for each other far longer than these small systems take.
    with threadpool_limits(limits=1):
        return _measure_checked(y, proba, decision, raw, positive, sample_weight, groups, resamples, level, seed)


def mean_over_problems(each: Sequence[Scored]) -> Scored:
    """Return the mean scores of several problems without intervals; of one its scores.

    No mean of ends gives the interval of a mean. Problems where a score is nan are left out of its mean.

    Example:
        >>> mean_over_problems([{"recall": {"value": 1.0, "low": 0.9, "high": 1.0}}])["recall"]["low"]
        0.9
    """
    if len(each) == 1:
        return each[0]
    known = {key: [one[key]["value"] for one in each if np.isfinite(one[key]["value"])] for key in each[0]}
    return without_intervals({key: float(np.mean(v)) if v else np.nan for key, v in known.items()})


def joint_intervals(
    labels: Sequence[tuple[Array, Array, Array]], n: int, *, sample_weight: Array | None = None, groups: Any = None,
    resamples: int = ROW_RESAMPLES, level: float = 0.95, seed: int = 0,
) -> dict[str, Pair]:  # fmt: skip
    """Return intervals of the mean over several labels of a row: rows or groups are drawn with all their labels.

    Args:
        labels: Of each label the numbers of the rows where it is known (n,), its codes (n,), and probabilities (n, 2).
        n: How many rows there are.
        sample_weight, groups: Of all rows, as in `measure`. resamples, level, seed: As there; at most 200 draws.

    Returns:
        `average_precision`, `roc_auc` and `log_loss`: (low, high).

    Example:
        >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
        >>> rows, y = np.arange(4), np.array([0, 1, 0, 1])
        >>> joint_intervals([(rows, y, p), (rows, 1 - y, 1 - p)], 4, resamples=20)["average_precision"]
        (1.0, 1.0)
    """
    each = [
        (rows, sc.rank_scorer(y, proba.clip(0.0, 1.0), 1), -log_proba(proba)[np.arange(len(y)), y])
        for rows, y, proba in labels
    ]

    def means(drawn: Array, weight: Array) -> dict[str, float]:
        """Return the mean of each score over the labels that define it, for rows `drawn` (k,) of weight (k,)."""
        w = np.bincount(drawn, weight, n)
        scored = [(ranks(w[rows]) | {"log_loss": _weighted_mean(loss, w[rows])}) for rows, ranks, loss in each]
        known = {key: [one[key] for one in scored if np.isfinite(one[key])] for key in scored[0]}
        return {key: float(np.mean(values)) if values else np.nan for key, values in known.items()}

    draws = row_draws(
        lambda drawn: partial(means, drawn), np.zeros(n, np.int64), sample_weight=sample_weight,
        # Without groups each row is one, so that a row is drawn with all its labels, whatever they are.
        groups=np.arange(n) if groups is None else groups, resamples=min(resamples, ROW_RESAMPLES), seed=seed,
    )  # fmt: skip
    return {key: percentile(values, level) for key, values in draws.items()}


def _weighted_mean(values: Array, w: Array) -> float:
    """Return the weighted mean of values (n,), or nan if the weights (n,) are all 0."""
    total = w.sum()
    return float(np.sum(values * w) / total) if total > 0 else np.nan


def without_intervals(values: Mapping[str, float]) -> Scored:
    """Return scores by key as `Scored`, with nan for the ends of each interval.

    Example:
        >>> without_intervals({"hamming_loss": 0.25})
        {'hamming_loss': {'value': 0.25, 'low': nan, 'high': nan}}
    """
    return {key: {"value": float(value), "low": np.nan, "high": np.nan} for key, value in values.items()}


def _measure_checked(
    y: Array, proba: Array, decision: Array, raw: Array | None, positive: int, sample_weight: Array | None,
    groups: Any, resamples: int, level: float, seed: int,
) -> Scored:  # fmt: skip
    """Score checked rows, each score with its interval (see `measure`)."""
    c = proba.shape[1]
    seen = proba if raw is None else raw

    def prepare(rows: Array, calibration: bool = len(y) * c <= MANY) -> Callable[[Any], dict[str, float]]:
        """Return the scores of these rows as a function of their weights, for `row_draws`."""
        # A calibration slope of many probabilities takes a second for each resample.
        return sc.scorer(
            y[rows], proba[rows], seen[rows], decision[rows], n_classes=c, positive=positive, calibration=calibration
        )

    values = prepare(np.arange(len(y)), True)(sample_weight)
    keys = [k for k in METRICS if k in values and (raw is not None or not k.endswith("_uncorrected"))]
    if sample_weight is None and groups is None:
        ends = _plain_intervals(y, proba, seen, decision, positive, resamples, level, seed)
    else:
        draws = row_draws(
            prepare,
            y,
            sample_weight=sample_weight,
            groups=groups,
            resamples=min(resamples, ROW_RESAMPLES),
            seed=seed,
            fixed_shares=c > 2,
        )
        if groups is None:  # of groups, all scores are drawn in one way
            draws |= _weighted_loss_draws(y, proba, seen, sample_weight, min(resamples, ROW_RESAMPLES), seed)
        ends = {k: percentile(draw, level) for k, draw in draws.items()}
    decided = (decision, sc.default_decision(proba, positive), sc.default_decision(seen, positive))
    ends |= _edge_intervals(y, decided, values, c, positive, sample_weight, groups, level)
    nothing = (np.nan, np.nan)
    return {
        k: {"value": float(values[k]), **dict(zip(("low", "high"), ends.get(k, nothing), strict=True))} for k in keys
    }


def _edge_intervals(
    y: Array, decided: Sequence[Array], values: Mapping[str, float], classes: int, positive: int,
    sample_weight: Array | None, groups: Any, level: float,
) -> dict[str, Pair]:  # fmt: skip
    """Return Wilson's intervals of the shares that are exactly 0 or 1, where resamples do not differ.

    The number of trials is what the rows or groups are worth: (sum W)^2 / sum W^2 for their weights W in the share
    (Kish). Of equal groups without weights it is the number of groups.

    Args:
        y, positive, sample_weight, groups, level: As in `measure`.
        decided: Decisions (N,) for each of `SUFFIXES`.
        values: Metric key -> value.
        classes: C.
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    unit = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1].ravel()
    ends = {}
    for suffix, d in zip(SUFFIXES, decided, strict=True):
        matrix = sc.confusion(y, d, classes, sample_weight=sample_weight)
        for key, counted in share_weights(matrix, positive).items():
            value = values.get(key + suffix)
            if value in (0.0, 1.0):
                sums = np.bincount(unit, weight * counted[y, d])
                square = float(sums @ sums)
                trials = sums.sum() ** 2 / square if square > 0 else 0.0
                low, high = wilson(value * trials, trials, level)
                ends[key + suffix] = float(low), float(high)
    return ends


def _plain_intervals(
    y: Array, proba: Array, raw: Array, decision: Array, positive: int, resamples: int, level: float, seed: int
) -> dict[str, Pair]:
    """Return intervals by metric key for rows without weights and groups, which need not be drawn one by one.

    Each source yields draws, float64 (B,), whose percentiles are the interval, or the ends themselves as a pair.
    """
    ends: dict[str, Pair] = {}
    for source in (_loss_draws, _rank_draws, _row_scores, _decision_draws):
        for key, values in source(y, proba, raw, decision, positive, resamples, seed):
            ends[key] = values if isinstance(values, tuple) else percentile(values, level)
    return ends


def _loss_draws(y: Array, proba: Array, raw: Array, _: Array, positive: int, resamples: int, seed: int) -> Draws:
    """Yield draws of the scores that are means of losses of the rows."""
    losses = _losses_of_rows(y, proba, raw)
    for key, loss in losses.items():
        yield key, _mean_draws(y, loss, resamples, seed)
    # The entropy has the same shares as the losses: it must not change from draw to draw.
    fixed = _mean_draws(y, losses["log_loss"], resamples, seed, fixed_shares=True)
    yield "skill", 1.0 - fixed / entropy(y, proba.shape[1])


def _weighted_loss_draws(
    y: Array, proba: Array, raw: Array, sample_weight: Array | None, resamples: int, seed: int
) -> dict[str, Array]:
    """Return what `_loss_draws` yields, for rows with weights: the same shares are fixed or not."""
    losses = _losses_of_rows(y, proba, raw)

    def means(rows: Array) -> Callable[[Array], dict[str, float]]:
        """Return the mean losses of these rows as a function of their weights, for `row_draws`."""
        return lambda w: {key: float(np.average(loss[rows], weights=w)) for key, loss in losses.items()}

    how: dict[str, Any] = {"sample_weight": sample_weight, "resamples": resamples, "seed": seed}
    draws = row_draws(means, y, **how, fixed_shares=False)
    of_shares = entropy(y, proba.shape[1], sample_weight=sample_weight)
    fixed = row_draws(means, y, **how, fixed_shares=True)["log_loss"]
    return {**draws, "skill": 1.0 - fixed / of_shares if of_shares > 0 else np.full(resamples, np.nan)}


def _losses_of_rows(y: Array, proba: Array, raw: Array) -> dict[str, Array]:
    """Return metric key -> loss of each row, float64 (N,), of the scores that are means of losses."""
    rows = np.arange(len(y))
    # The Brier score of two classes is that of the positive class alone, half of the sum over both.
    squared = np.sum((proba - np.eye(proba.shape[1])[y]) ** 2, axis=1) / (2.0 if proba.shape[1] == 2 else 1.0)
    return {
        "log_loss": -log_proba(proba)[rows, y],
        "brier": squared,
        "log_loss_uncorrected": -log_proba(raw)[rows, y],
    }


def _mean_draws(y: Array, values: Array, resamples: int, seed: int, fixed_shares: bool = False) -> Array:
    """Return means of `values` (N,) over resamples of all rows, float64 (B,); with `fixed_shares` within each class.

    The mean of a large class is drawn from a normal distribution, which is the same to all digits shown.
    """
    rng = generator(seed, "evaluation means")
    sizes = np.bincount(y)
    each = np.tile(sizes, (resamples, 1)) if fixed_shares else rng.multinomial(len(y), sizes / len(y), resamples)
    total = np.zeros(resamples)
    for c in np.unique(y):
        mine, drawn = values[y == c], each[:, c]  # how many rows of the class are in each resample
        if len(mine) > ENOUGH:
            total += drawn * mine.mean() + np.sqrt(drawn) * mine.std() * rng.normal(size=resamples)
        else:
            most = int(drawn.max())
            picked = mine[rng.integers(0, len(mine), (resamples, most))]
            total += np.where(np.arange(most) < drawn[:, None], picked, 0.0).sum(axis=1)
    return total / len(y)


def _rank_draws(y: Array, proba: Array, raw: Array, _: Array, positive: int, resamples: int, seed: int) -> Draws:
    """Yield the interval of average precision and draws of ROC AUC, for two classes alone."""
    if proba.shape[1] > 2:
        return
    yield "average_precision", bootstrap.ap_interval(y, proba, positive=positive, resamples=resamples, seed=seed)
    how: dict[str, Any] = {"positive": positive, "resamples": resamples, "seed": seed}
    yield "roc_auc", bootstrap.stratified_draws(y, proba, **how, losses=False)["roc_auc"]


def _row_scores(y: Array, proba: Array, raw: Array, _: Array, positive: int, resamples: int, seed: int) -> Draws:
    """Yield draws of scores that need resampled rows (see `row_draws`).

    Calibration slope and intercept are left out where there are too many probabilities, rank scores of two classes
    because `_rank_draws` has them.
    """
    classes = proba.shape[1]
    how: dict[str, Any] = {"resamples": min(resamples, ROW_RESAMPLES), "seed": seed}
    most = _rows_to_draw(MANY, classes)
    few = int(np.minimum(np.bincount(y), most).sum()) * classes <= MANY

    def calibration(rows: Array) -> Callable[[Array], dict[str, float]]:
        """Return the calibration scores of these rows as a function of their weights (K,), for `row_draws`."""
        # Several classes are judged by their most probable one.
        some, p = y[rows], proba[rows]
        wanted: dict[str, Callable[..., float]] = {"ece": partial(sc.ece, some, p, positive=positive)}
        if classes > 2:
            wanted = {"ece": partial(top_label_ece, p.argmax(axis=1) == some, p.max(axis=1))}
        if few:
            wanted["calibration_slope"] = partial(sc.calibration_slope, some, p, positive=positive)
        if few and classes > 2:
            wanted["calibration_intercept"] = partial(sc.calibration_intercept, some, p)
        return lambda w: {k: f(sample_weight=w) for k, f in wanted.items()}

    def intercept(rows: Array) -> Callable[[Array], dict[str, float]]:
        """Return the calibration intercept of these rows as a function of their weights (K,), for `row_draws`."""
        some, p = y[rows], proba[rows]
        return lambda w: {
            "calibration_intercept": sc.calibration_intercept(some, p, positive=positive, sample_weight=w)
        }

    def ranks(rows: Array) -> Callable[[Array], dict[str, float]]:
        """Return average precision and ROC AUC of these rows as a function of their weights (K,)."""
        return sc.rank_scorer(y[rows], proba[rows].clip(0.0, 1.0), positive)

    yield from row_draws(calibration, y, most=most, **how).items()
    if few and classes == 2:
        # With fixed shares, a third of all calibrated models would seem to have too high or too low probabilities.
        yield from row_draws(intercept, y, most=most, **how, fixed_shares=False).items()
    if classes > 2:
        yield from row_draws(ranks, y, most=_rows_to_draw(100 * MANY, classes), **how).items()


def _rows_to_draw(numbers: int, classes: int) -> int:
    """Return how many rows of each class to draw one by one, from `LEAST` to `ENOUGH`.

    With C classes, about `numbers` probabilities are then computed with.
    """
    return min(ENOUGH, max(LEAST, numbers // classes**2))


def _decision_draws(
    y: Array, proba: Array, raw: Array, decision: Array, positive: int, resamples: int, seed: int
) -> Draws:
    """Yield draws, or exact intervals, of scores of decisions, by metric key.

    Confusion matrices are resampled; proportions of two classes get the exact intervals.

    The decisions are the given ones, and the default of corrected and of raw probabilities.
    """
    decided = (decision, sc.default_decision(proba, positive), sc.default_decision(raw, positive))
    rng = generator(seed, "evaluation decisions")
    for suffix, d in zip(SUFFIXES, decided, strict=True):
        matrix = sc.confusion(y, d, proba.shape[1]).astype(np.int64)
        # (B, C): rows of each class that were decided right, and rows that were decided to be each class.
        hit, named = np.zeros((2, resamples, len(matrix)), np.int64)
        for c in np.unique(y):
            row = matrix[c]
            cells = np.flatnonzero(row)
            drawn = rng.multinomial(row.sum(), row[cells] / row.sum(), size=resamples)
            named[:, cells] += drawn
            hit[:, c] = drawn[:, cells == c].sum(axis=1)
        each = scores_of_many(hit, matrix.sum(axis=1), named, positive)
        exact = _proportion_intervals(matrix, positive) if proba.shape[1] == 2 else {}
        for key in sc.DECISION_KEYS:
            yield key + suffix, exact.get(key, each[key])


def _proportion_intervals(matrix: Array, positive: int) -> Mapping[str, Pair]:
    """Return Wilson intervals by key from a confusion matrix (2, 2).

    They have a width at 0 and 1, where a bootstrap has none.
    """
    tp, fn = matrix[positive, positive], matrix[positive, 1 - positive]
    fp, tn = matrix[1 - positive, positive], matrix[1 - positive, 1 - positive]
    pairs = {"recall": (tp, tp + fn), "specificity": (tn, tn + fp), "precision": (tp, tp + fp),
             "accuracy": (tp + tn, matrix.sum())}  # fmt: skip
    ends = {key: wilson(hits, trials) for key, (hits, trials) in pairs.items()}
    return {key: (float(low), float(high)) for key, (low, high) in ends.items()}
