"""From scored test rows to the curves of one strategy, as plain numbers.

The block that `curves_of` makes is what `figures` draws and what `page` tabulates: nothing there
looks at rows again. `comparison.tally` makes the blocks, and everything in `report/` reads their keys.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.report import bands
from counterpoise.report.reliability import reliability

Array = np.ndarray

#: Deviation, in units of the axes, below which a dropped point cannot be seen.
TOLERANCE = 4e-4
#: Points that a curve has at most.
MOST_POINTS = 200
#: Rungs of the ladder of thresholds that bands are drawn on.
MOST_RUNGS = 240
#: Classes with curves, and with a line of their own in the table of decisions: of more, the rarest.
MOST_CLASSES = 12
#: Thresholds of the decision curve.
DECISIONS = 0.95 * np.linspace(0.0, 1.0, 61)[1:] ** 2


def curves_of(
    y: Array,
    raw: Array,
    proba: Array,
    decision: Array,
    classes: Sequence[Any],
    positive: int,
    max_points: int = MOST_POINTS,
    groups: Array | None = None,
) -> dict[str, Any]:
    """Measure everything that the page draws of one strategy, from its test rows.

    Curves come from every distinct score (not from a grid) and are then thinned: a point is dropped
    only where the line through its neighbors is indistinguishable from it, so each point that stays is an
    exact operating point.

    Args:
        y: int (N,), true class codes.
        raw: float (N, C), probabilities as trained.
        proba: float (N, C), probabilities after the correction.
        decision: int (N,), codes decided by the strategy's own rule.
        classes: The C labels, in the order of the codes.
        positive: Code of the positive (rare) class; only used when C is 2.
        max_points: Most points per curve, and most rows of the threshold table.
        groups: int (N,), rows that belong together, for the bands; None: each row is its own.

    Returns:
        `{"pr", "roc", "gain", "decision", "calibration": {"raw", "corrected"}, "confusion", "confusion_default"}`,
        and for two classes "thresholds". With more classes the curves are `{"classes": [...]}`, one versus the
        rest (of more than `MOST_CLASSES` the rarest), and calibration is that of the top label. A curve holds two lists
        named by its axes and a "band" `{"x", "low", "high"}`, pointwise 95% (see `bands`), None below 5 positives.
        Plain lists, floats and ints.

    Raises:
        OptionError: shapes that do not belong together, unknown codes, or probabilities outside [0, 1].

    Example:
        >>> p = np.array([0.1, 0.4, 0.35, 0.8])
        >>> both = np.stack([1 - p, p], axis=1)
        >>> block = curves_of(np.array([0, 0, 1, 1]), both, both, np.array([0, 0, 0, 1]), ["no", "yes"], 1)
        >>> block["confusion"]["matrix"]
        [[2, 0], [1, 1]]
        >>> block["thresholds"][-2]
        {'threshold': 0.8, 'tp': 1, 'fp': 0, 'fn': 1, 'tn': 2}
    """
    y, raw, proba, decision = _checked_arrays(y, raw, proba, decision, len(classes), max_points)
    labels = [str(c) for c in classes]
    default = _default_decision(proba, positive)
    block: dict[str, Any] = {
        "confusion": confusion(y, decision, labels),
        "confusion_default": confusion(y, default, labels),
    }
    if len(labels) == 2:
        decided = decision == positive
        return block | _binary_block(y == positive, raw[:, positive], proba[:, positive], decided, max_points, groups)
    return block | _multiclass_block(y, raw, proba, labels, max_points, groups)


def curves_of_labels(
    labels: Mapping[str, tuple[Array, Array, Array, Array]], groups: Mapping[str, Array] | None = None
) -> dict[str, Any]:
    """Do as `curves_of` for several labels per row: curves of each of the rarest labels, other values of all labels.

    Args:
        labels: Name -> y, raw, proba and decision of the rows where the label is known, classes without and with it.
        groups: Name -> which of these rows belong together, for the bands; None: each row is its own.
    """
    parts = [np.concatenate(part) for part in zip(*labels.values(), strict=True)]
    # Two classes. The number of points is not used here, so the least that is allowed passes the check.
    y, raw, proba, decision = _checked_arrays(parts[0], parts[1], parts[2], parts[3], 2, 2)
    hit, both = y == 1, ["without", "with"]
    named = list(labels)
    kept = [named[code] for code in rarest_codes(np.array([int(own.sum()) for own, *_ in labels.values()]))]
    curves = [_label_curves(labels[name], None if groups is None else groups[name]) for name in kept]
    return {
        **{key: {"classes": [{"label": name, **own[key]} for name, own in zip(kept, curves, strict=True)]}
           for key in ("pr", "roc", "gain", "decision")},
        "calibration": {"raw": reliability(hit, raw[:, 1]), "corrected": reliability(hit, proba[:, 1])},
        "confusion": confusion(y, decision, both),
        "confusion_default": confusion(y, _default_decision(proba, 1), both),
    }  # fmt: skip


def _label_curves(label: tuple[Array, Array, Array, Array], groups: Array | None) -> dict[str, dict[str, Any]]:
    """Return the four curves of one label, from its y, raw, proba and decision."""
    y, _, proba, _ = label
    hit, score = y == 1, np.asarray(proba, dtype=np.float64)[:, 1]
    return _curves(hit, score, counts_by_threshold(hit, score), MOST_POINTS, groups)


def confusion(y: Array, decision: Array, labels: Sequence[str]) -> dict[str, Any]:
    """Count rows by true class (first axis) and decided class (second axis).

    Of more than `MOST_CLASSES` all but the rarest are one line and one column, the last; "joined" is their number.

    Example:
        >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), ["no", "yes"])
        {'labels': ['no', 'yes'], 'matrix': [[1, 0], [1, 1]], 'joined': 0}
    """
    kept = rarest_codes(np.bincount(y, minlength=len(labels)))
    column = np.full(len(labels), len(kept))
    column[kept] = np.arange(len(kept))
    joined = len(labels) - len(kept)
    named = [labels[code] for code in kept] + ([f"{joined:,} other classes"] if joined else [])
    flat = np.bincount(column[y] * len(named) + column[decision], minlength=len(named) ** 2)
    return {"labels": named, "matrix": flat.reshape(len(named), -1).tolist(), "joined": joined}


def rarest_codes(counts: Array) -> Array:
    """Return the codes of the `MOST_CLASSES` rarest classes that have rows, ascending; all if there are no more.

    Example:
        >>> rarest_codes(np.array([5, 3, 9])).tolist()
        [0, 1, 2]
    """
    if len(counts) <= MOST_CLASSES:
        return np.arange(len(counts))
    order = np.argsort(np.where(counts > 0, counts, counts.sum() + 1), kind="stable")
    return np.sort(order[:MOST_CLASSES])


def counts_by_threshold(hit: Array, score: Array) -> tuple[Array, Array, Array]:
    """Count true and false positives of the rule "score >= t" at every distinct score t.

    Args:
        hit: bool (N,), whether a row is positive.
        score: float (N,).

    Returns:
        Thresholds (descending), true positives and false positives, each (distinct scores,).

    Example:
        >>> [v.tolist() for v in counts_by_threshold(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))]
        [[0.9, 0.5], [1, 2], [0, 1]]
    """
    order = np.argsort(-score)
    ordered, hits = score[order], hit[order]
    last = np.r_[np.flatnonzero(np.diff(ordered)), len(ordered) - 1]
    tp = np.cumsum(hits)[last]
    return ordered[last], tp, last + 1 - tp


def thin_curve(x: Array, y: Array, max_points: int, tolerance: float = TOLERANCE) -> Array:
    """Return the positions of the points that a drawn line needs, ends included (int64, ascending).

    The segment with the largest deviation is split there, again and again, until `max_points` are
    kept or no dropped point lies further than `tolerance` from the line that replaces it (the
    Douglas-Peucker rule, best first).

    Example:
        >>> thin_curve(np.array([0.0, 0.25, 0.5, 1.0]), np.array([0.0, 0.5, 1.0, 1.0]), 10).tolist()
        [0, 2, 3]
    """
    kept = [0, len(x) - 1]
    heap: list[tuple[float, int, int, int]] = []
    _push_worst(heap, x, y, 0, len(x) - 1)
    while heap and len(kept) < max_points:
        negative, start, middle, stop = heapq.heappop(heap)
        if -negative <= tolerance:
            break
        kept.append(middle)
        _push_worst(heap, x, y, start, middle)
        _push_worst(heap, x, y, middle, stop)
    return np.unique(np.array(kept, dtype=np.int64))


def _checked_arrays(
    y: Array, raw: Array, proba: Array, decision: Array, n_classes: int, max_points: int
) -> tuple[Array, Array, Array, Array]:
    """Return the arrays of curves as float64 and int64; raise an OptionError that names a wrong one."""
    y, decision = np.asarray(y), np.asarray(decision)
    raw, proba = np.asarray(raw, dtype=float), np.asarray(proba, dtype=float)
    wanted = {"raw": (raw, (len(y), n_classes)), "proba": (proba, (len(y), n_classes)), "decision": (decision, y.shape)}
    wrong = [
        f"{name} {array.shape} instead of {shape}" for name, (array, shape) in wanted.items() if array.shape != shape
    ]
    if wrong or y.ndim != 1 or len(y) == 0:
        given = "".join(f", {w}" for w in wrong)
        raise OptionError(
            f"y has shape {y.shape}{given}. Expected one label per row, and the same number of rows in all inputs."
        )
    if max_points < 2:
        raise OptionError(f"max_points is {max_points}. Expected 2 or more.")
    for name, codes in (("y", y), ("decision", decision)):
        if codes.min() < 0 or codes.max() >= n_classes:
            raise OptionError(
                f"{name} contains {codes.min()} to {codes.max()}. Expected class codes from 0 to {n_classes - 1}."
            )
    for name, values in (("raw", raw), ("proba", proba)):
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 + 1e-6):
            raise OptionError(
                f"{name} must contain probabilities between 0 and 1. Apply a softmax or sigmoid to scores first."
            )
    return y.astype(np.int64), raw, proba, decision.astype(np.int64)


def _default_decision(proba: Array, positive: int) -> Array:
    """Return decisions at a threshold of 0.5 for two classes, else the most probable class."""
    if proba.shape[1] == 2:
        return np.where(proba[:, positive] >= 0.5, positive, 1 - positive)
    return proba.argmax(axis=1)


def _binary_block(
    hit: Array, raw: Array, proba: Array, decided: Array, max_points: int, groups: Array | None
) -> dict[str, Any]:
    """Return curves, calibration and table of thresholds of two classes.

    `hit` is whether a row is positive, and `decided` whether it was decided so. Probabilities are those of the positive
    class.
    """
    counted = counts_by_threshold(hit, proba)
    return {
        **_curves(hit, proba, counted, max_points, groups),
        "calibration": {"raw": reliability(hit, raw), "corrected": reliability(hit, proba)},
        "thresholds": _threshold_table(hit, decided, *counted, max_points),
    }


def _multiclass_block(
    y: Array, raw: Array, proba: Array, labels: Sequence[str], max_points: int, groups: Array | None
) -> dict[str, Any]:
    """Return curves of the rarest classes, one against the rest, and calibration of the most probable class."""
    parts = []
    for code in rarest_codes(np.bincount(y, minlength=len(labels))):
        hit, score = y == code, proba[:, code]
        of_class = _curves(hit, score, counts_by_threshold(hit, score), max_points, groups)
        parts.append({name: {"label": labels[code], **curve} for name, curve in of_class.items()})
    return {
        **{name: {"classes": [part[name] for part in parts]} for name in parts[0]},
        "calibration": {"raw": _top_label_reliability(y, raw), "corrected": _top_label_reliability(y, proba)},
    }


def _curves(
    hit: Array, score: Array, counted: tuple[Array, Array, Array], most: int, groups: Array | None
) -> dict[str, dict[str, Any]]:
    """Return the four curves of one event, each with its band.

    `counted` is thresholds, true and false positives (see `counts_by_threshold`).
    """
    threshold, tp, fp = counted
    curves = {
        "pr": _pr_curve(hit, tp, fp, most),
        "roc": _roc_curve(hit, tp, fp, most),
        "gain": _gain_curve(hit, tp, fp, most),
        "decision": _decision_curve(hit, threshold, tp, fp),
    }
    return {
        name: curve | {"band": band}
        for (name, curve), band in zip(curves.items(), _bands(hit, score, counted, groups), strict=True)
    }


def _bands(hit: Array, score: Array, counted: tuple[Array, Array, Array], groups: Array | None) -> list[Any]:
    """Return the bands of the four curves (precision, ROC, gain, net benefit); None where rows are few."""
    if hit.sum() <= bands.FEW or (~hit).sum() <= bands.FEW:
        return [None] * 4
    threshold, tp, fp = counted
    keep = thin_curve(np.log1p(tp + fp) / np.log1p(len(hit)), tp / hit.sum(), MOST_RUNGS, tolerance=0.0)
    # The thresholds that follow the curve, those of the decision curve, and the least one.
    rungs = np.unique(np.concatenate([threshold[keep], DECISIONS, [threshold[-1]]]))[::-1]
    drawn = bands.resample(hit, score, rungs, groups)
    at = np.searchsorted(-rungs, -DECISIONS)
    return [
        drawn.band(bands.GRID, bands.precision_at(bands.GRID)),
        drawn.band(bands.FINE_GRID, bands.recall_at_rate(bands.FINE_GRID)),
        drawn.band(bands.FINE_GRID, bands.recall_at_share(bands.FINE_GRID)),
        drawn.band(DECISIONS, bands.benefit_at(DECISIONS, at)),
    ]


def _top_label_reliability(y: Array, proba: Array) -> list[dict[str, float]]:
    """Return the reliability of the most probable class: how often it is the true one."""
    return reliability(proba.argmax(axis=1) == y, proba.max(axis=1))


def _pr_curve(hit: Array, tp: Array, fp: Array, max_points: int) -> dict[str, list[float]]:
    """Return the precision-recall curve from recall 0 on; empty lists without positives.

    The first precision is that of the strictest threshold.
    """
    if not hit.any():
        return {"recall": [], "precision": []}
    precision = tp / (tp + fp)
    recall, precision = np.r_[0.0, tp / hit.sum()], np.r_[precision[0], precision]
    keep = thin_curve(recall, precision, max_points)
    return {"recall": recall[keep].tolist(), "precision": precision[keep].tolist()}


def _roc_curve(hit: Array, tp: Array, fp: Array, max_points: int) -> dict[str, list[float]]:
    """Return the ROC curve from (0, 0) on; empty lists if a class has no rows."""
    if hit.all() or not hit.any():
        return {"fpr": [], "tpr": []}
    fpr, tpr = np.r_[0.0, fp / (~hit).sum()], np.r_[0.0, tp / hit.sum()]
    keep = thin_curve(fpr, tpr, max_points)
    return {"fpr": fpr[keep].tolist(), "tpr": tpr[keep].tolist()}


def _gain_curve(hit: Array, tp: Array, fp: Array, max_points: int) -> dict[str, list[float]]:
    """Return the gain curve: share of the positives among the highest scored share of rows."""
    if not hit.any():
        return {"share": [], "found": []}
    share, recall = np.r_[0.0, (tp + fp) / len(hit)], np.r_[0.0, tp / hit.sum()]
    keep = thin_curve(share, recall, max_points)
    return {"share": share[keep].tolist(), "found": recall[keep].tolist()}


def _decision_curve(hit: Array, threshold: Array, tp: Array, fp: Array) -> dict[str, list[float]]:
    """Return the net benefit of the rule "probability >= t" at each of `DECISIONS`."""
    count = np.searchsorted(-threshold, -DECISIONS, side="right")
    hits, alerts = np.r_[0, tp][count], np.r_[0, fp][count]
    benefit = bands.net_benefit(hits, alerts, len(hit), DECISIONS)
    return {"threshold": DECISIONS.tolist(), "benefit": benefit.tolist()}


def _threshold_table(
    hit: Array, decided: Array, threshold: Array, tp: Array, fp: Array, max_points: int
) -> list[dict[str, float]]:
    """Return exact counts at thresholds that follow the curve of hits over alerts, ascending.

    At one threshold the counts are those of the decisions. Where folds have thresholds of their own, they are the
    counts nearest to those of the decisions. If no score is 1, a threshold of 1 without alerts is added.
    """
    n_positive, n_negative = int(hit.sum()), int((~hit).sum())
    if max(threshold) < 1:
        threshold, tp, fp = np.r_[1.0, threshold], np.r_[0, tp], np.r_[0, fp]
    alerts = np.log1p(tp + fp) / np.log1p(len(hit))
    own = np.argmin(np.abs(tp - (decided & hit).sum()) + np.abs(fp - (decided & ~hit).sum()))
    keep = np.union1d(thin_curve(alerts, tp / max(n_positive, 1), max_points - 1, tolerance=0.0), own)
    return [
        {
            "threshold": float(threshold[i]),
            "tp": int(tp[i]),
            "fp": int(fp[i]),
            "fn": n_positive - int(tp[i]),
            "tn": n_negative - int(fp[i]),
        }
        for i in keep[::-1]
    ]


def _push_worst(heap: list[tuple[float, int, int, int]], x: Array, y: Array, start: int, stop: int) -> None:
    """Push the point between two kept ones, if any, that is furthest from their line.

    Distances are negative, because a heap gives its least entry first.
    """
    if stop - start < 2:
        return
    dx, dy = x[stop] - x[start], y[stop] - y[start]
    inner = slice(start + 1, stop)
    across = (x[inner] - x[start]) * dy - (y[inner] - y[start]) * dx
    length = float(np.hypot(dx, dy))
    away = np.abs(across) / length if length else np.hypot(x[inner] - x[start], y[inner] - y[start])
    worst = int(away.argmax())
    heapq.heappush(heap, (-float(away[worst]), start, start + 1 + worst, stop))
