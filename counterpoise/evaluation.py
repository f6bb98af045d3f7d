"""What a classifier is worth on labelled rows: every metric with its interval.

Rows are resampled class by class, so the shares of the classes stay as they are. What a metric needs is resampled and
no more: the cells of the confusion matrix for decisions, the losses per row for log loss, Brier score and skill, and
rows (of a large class a part, which makes an interval a little too wide) for the rest. Proportions of two classes get
Wilson's interval, average precision that of `ap_interval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import ColumnError, OptionError, TargetError, did_you_mean
from counterpoise.core.seeds import generator
from counterpoise.data.frames import is_table, to_frame
from counterpoise.data.labels import find_label
from counterpoise.metrics import bootstrap
from counterpoise.metrics import scores as sc
from counterpoise.metrics.catalogue import METRICS
from counterpoise.metrics.intervals import Pair, percentile, wilson
from counterpoise.metrics.proba_scores import log_proba

Array = np.ndarray
Scored = dict[str, dict[str, float]]

#: Rows per class that are resampled one by one; a larger class is thinned, or its mean taken as normal.
ENOUGH = 4000
ROW_RESAMPLES = 200
SUFFIXES = ("", "_default", "_uncorrected")


def evaluate(clf: Any, data: Any, y: Any = None, *, target: str | None = None, resamples: int = 1000) -> dict[str, Any]:
    """Score a classifier on labelled rows that it was not trained on.

    Args:
        clf: The `Classifier`.
        data: Rows in any form that `predict` takes.
        y: Labels (N,); for a table they may stand in a column instead.
        target: Name of that column; None takes the column that was the target in training.
        resamples: Bootstrap draws.

    Returns:
        `rows`, `classes` (label, count, share), `metrics` (key -> value, low, high at 95 %), `threshold`, `aim`.

    Raises:
        ColumnError: the column is absent. TargetError: a label that the classifier does not know, or one class only.
    """
    labels, rows = _labels(clf, data, y, target)
    codes = label_codes(labels, clf.classes_)
    logits = clf.member_logits(rows)
    said, raw = clf.said(logits), clf.raw(logits)
    metrics = measure(codes, said.proba, said.decision, raw, resamples=resamples)
    counts = np.bincount(codes, minlength=len(clf.classes_))
    return {
        "rows": len(codes),
        "classes": [
            {"label": str(label), "count": int(n), "share": float(n / len(codes))}
            for label, n in zip(clf.classes_.tolist(), counts, strict=True)
        ],
        "threshold": clf.rule.threshold,
        "aim": clf.rule.aim,
        "metrics": metrics,
    }


def _labels(clf: Any, data: Any, y: Any, target: str | None) -> tuple[Any, Any]:
    if y is not None and not isinstance(y, str):
        return y, data
    if not is_table(data, table=False):
        raise OptionError("arrays hold no labels; pass y.")
    name = target or (y if isinstance(y, str) else None) or (clf.schema.target if clf.schema is not None else "target")
    text = () if clf.schema is None else tuple(c.name for c in clf.schema.categorical)
    frame, source, _ = to_frame(data, as_text=(name, *text))
    if name not in frame.columns:
        raise ColumnError(f"{source} lacks the target column {name!r}.{did_you_mean(name, frame.columns)}")
    return frame[name].to_list(), frame


def label_codes(labels: Any, classes: Array) -> Array:
    """Codes of labels, int64 (N,); compared as text, so that "1" is 1. A class that training merged takes its parts.

    Example:
        >>> label_codes(["1", 0, "0"], np.array([0, 1])).tolist()
        [1, 0, 0]
    """
    given = np.asarray(labels, dtype=object).ravel()
    known = classes.tolist()
    texts = np.array(["" if label is None else str(label) for label in given])
    found = np.empty(len(given), dtype=np.int64)
    for text in np.unique(texts):
        rows = np.flatnonzero(texts == text)
        found[rows] = _code(given[rows[0]], known, int(rows[0]))
    return found


def _code(label: Any, known: list[Any], row: int) -> int:
    """By value or text; else a merged class "A+B" takes its parts, and "not L" takes the rest."""
    merged = [code for code, name in enumerate(known) if isinstance(name, str) and str(label) in name.split("+")]
    rest = [code for code, name in enumerate(known) if isinstance(name, str) and name.startswith("not ")]
    code = find_label(label, known)
    candidates = [code] if code is not None else [*merged, *rest]
    if label is None or str(label) == "" or not candidates:
        what = "is missing" if label is None or str(label) == "" else f"({label!r}) is none of its classes"
        raise TargetError(f"the label of row {row} {what}; the classifier knows {', '.join(map(str, known[:8]))}.")
    return candidates[0]


def measure(
    y: Array, proba: Array, decision: Array, raw: Array | None = None, *, positive: int = 1, resamples: int = 1000,
    level: float = 0.95, seed: int = 0,
) -> Scored:  # fmt: skip
    """Every metric key with its interval.

    Args:
        y: int (N,), class codes; with two classes both occur.
        proba: float (N, C). decision: int (N,), class codes.
        raw: float (N, C), probabilities of the untouched output; None leaves its keys out.
        positive: Code of the positive class with two classes.
        resamples: Bootstrap draws. level: Confidence. seed: Of the draws.

    Returns:
        key -> {"value", "low", "high"}, in the order of `METRICS`; what is not defined on these rows is nan.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
        >>> found = measure(np.array([0, 1, 0, 1]), p, np.array([0, 1, 0, 0]), resamples=50)
        >>> found["recall"]["value"], round(found["recall"]["low"], 3)
        (0.5, 0.095)
    """
    if len(np.unique(y)) < 2:
        raise TargetError("the rows hold one class only; scores need rows of two classes at least.")
    c = proba.shape[1]
    seen = proba if raw is None else raw
    values = sc.score_all(y, proba, seen, decision, n_classes=c, positive=positive)
    ends: dict[str, Pair] = {}
    for source in (_of_losses, _of_ranks, _of_rows, _of_decisions):
        for key, found in source(y, proba, seen, decision, positive, resamples, seed):
            ends[key] = found if isinstance(found, tuple) else percentile(found, level)
    keys = [k for k in METRICS if k in values and (raw is not None or not k.endswith("_uncorrected"))]
    return {k: {"value": float(values[k]), "low": ends[k][0], "high": ends[k][1]} for k in keys}


Found = Iterator[tuple[str, Any]]


def _of_losses(y: Array, proba: Array, raw: Array, _: Array, positive: int, resamples: int, seed: int) -> Found:
    rows = np.arange(len(y))
    loss = -log_proba(proba)[rows, y]
    squared = np.sum((proba - np.eye(proba.shape[1])[y]) ** 2, axis=1) / (2.0 if proba.shape[1] == 2 else 1.0)
    share = np.bincount(y) / len(y)
    entropy = -np.sum(share[share > 0] * np.log(share[share > 0]))
    draws = _mean_draws(y, loss, resamples, seed)
    yield "log_loss", draws
    yield "skill", 1.0 - draws / entropy
    yield "brier", _mean_draws(y, squared, resamples, seed)
    yield "log_loss_uncorrected", _mean_draws(y, -log_proba(raw)[rows, y], resamples, seed)


def _mean_draws(y: Array, values: Array, resamples: int, seed: int) -> Array:
    """Means of `values` over resamples within each class; the mean of a large class is normal to all digits shown."""
    rng = generator(seed, "evaluation means")
    total = np.zeros(resamples)
    for c in np.unique(y):
        mine = values[y == c]
        n = len(mine)
        if n > ENOUGH:
            total += n * mine.mean() + np.sqrt(n) * mine.std() * rng.normal(size=resamples)
        else:
            total += np.array([mine[rng.integers(0, n, n)].sum() for _ in range(resamples)])
    return total / len(y)


def _of_ranks(y: Array, proba: Array, raw: Array, _: Array, positive: int, resamples: int, seed: int) -> Found:
    if proba.shape[1] > 2:
        return
    yield "average_precision", bootstrap.ap_interval(y, proba, positive=positive, resamples=resamples, seed=seed)
    yield "roc_auc", bootstrap.stratified_draws(y, proba, positive=positive, resamples=resamples, seed=seed)["roc_auc"]


def _of_rows(y: Array, proba: Array, raw: Array, _: Array, positive: int, resamples: int, seed: int) -> Found:
    """Scores that have no short way: resampled rows as counts, moved to where the score of all rows lies."""
    rows, weight = _thinned(y, seed)
    some, p = y[rows], proba[rows]
    rng = generator(seed, "evaluation rows")
    drawn = [weight * _counts(some, rng) for _ in range(min(resamples, ROW_RESAMPLES))]
    wanted: dict[str, Callable[..., float]] = {
        "calibration_slope": sc.calibration_slope, "calibration_intercept": sc.calibration_intercept, "ece": sc.ece,
    }  # fmt: skip
    if proba.shape[1] > 2:
        wanted |= {"average_precision": sc.average_precision, "roc_auc": sc.roc_auc}
    for key, score in wanted.items():
        draws = np.array([score(some, p, positive=positive, sample_weight=w) for w in drawn])
        thin = 0.0 if len(rows) == len(y) else score(some, p, positive=positive, sample_weight=weight)
        yield key, draws + (0.0 if len(rows) == len(y) else score(y, proba, positive=positive) - thin)


def _thinned(y: Array, seed: int) -> tuple[Array, Array]:
    """Rows, and their weights: at most `ENOUGH` of each class, weighing what the class weighs."""
    rng = generator(seed, "evaluation thinning")
    rows, weights = [], []
    for c in np.unique(y):
        mine = np.flatnonzero(y == c)
        kept = mine if len(mine) <= ENOUGH else np.sort(rng.choice(mine, ENOUGH, replace=False))
        rows.append(kept)
        weights.append(np.full(len(kept), len(mine) / len(kept)))
    return np.concatenate(rows), np.concatenate(weights)


def _counts(y: Array, rng: np.random.Generator) -> Array:
    """How often each row comes in one resample within classes."""
    out = np.zeros(len(y))
    for c in np.unique(y):
        mine = np.flatnonzero(y == c)
        out[mine] = np.bincount(rng.integers(0, len(mine), len(mine)), minlength=len(mine))
    return out


def _of_decisions(
    y: Array, proba: Array, raw: Array, decision: Array, positive: int, resamples: int, seed: int
) -> Found:
    decided = (decision, sc.default_decision(proba, positive), sc.default_decision(raw, positive))
    rng = generator(seed, "evaluation decisions")
    for suffix, d in zip(SUFFIXES, decided, strict=True):
        matrix = sc.confusion(y, d, proba.shape[1]).astype(np.int64)
        drawn = np.stack([rng.multinomial(r.sum(), r / max(r.sum(), 1), size=resamples) for r in matrix], axis=1)
        each = [sc.decision_scores(m, positive=positive) for m in drawn]
        exact = _proportions(matrix, positive) if proba.shape[1] == 2 else {}
        for key in sc.DECISION_KEYS:
            yield key + suffix, exact.get(key, np.array([s[key] for s in each]))


def _proportions(matrix: Array, positive: int) -> Mapping[str, Pair]:
    """Wilson intervals, which stay honest at 0 and 1 where a bootstrap has no width."""
    tp, fn = matrix[positive, positive], matrix[positive, 1 - positive]
    fp, tn = matrix[1 - positive, positive], matrix[1 - positive, 1 - positive]
    pairs = {"recall": (tp, tp + fn), "specificity": (tn, tn + fp), "precision": (tp, tp + fp),
             "accuracy": (tp + tn, matrix.sum())}  # fmt: skip
    found = {key: wilson(hits, trials) for key, (hits, trials) in pairs.items()}
    return {key: (float(low), float(high)) for key, (low, high) in found.items()}
