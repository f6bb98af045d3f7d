"""Scores of decisions: from the confusion matrix, from costs, and by net benefit.

`decision_scores` defines the decision metrics of the leaderboard. `display` calculates some of them in Keras while a
network trains.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import OptionError
from counterpoise.metrics.arrays import Array, codes, one_class, probabilities

NAN = float("nan")


def confusion(y: Any, decision: Any, n_classes: int, *, sample_weight: Any = None) -> Array:
    """Return the sums of weights by truth and decision, float64 (C, C), entry [true, decided].

    Example:
        >>> confusion([0, 1, 1], [0, 0, 1], 2).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    y, decision = codes(y, n_classes), codes(decision, n_classes, "decision")
    if len(y) != len(decision):
        raise OptionError(f"decision has {len(decision)} rows and y {len(y)}. Expected the same rows.")
    return confusion_of_rows(y, decision, n_classes, row_weights(sample_weight, len(y)))


def confusion_of_rows(y: Array, decision: Array, n_classes: int, w: Array) -> Array:
    """Return `confusion` of checked codes (N,), decisions (N,) and weights (N,)."""
    return np.bincount(y * n_classes + decision, weights=w, minlength=n_classes**2).reshape(n_classes, n_classes)


def default_decision(proba: Any, positive: int = 1) -> Array:
    """Decide by the default: probability >= 0.5 for two classes, otherwise the largest.

    Example:
        >>> default_decision([[.5, .5], [.6, .4]]).tolist()
        [1, 0]
    """
    return default_of_rows(probabilities(proba, len(np.asarray(proba))), positive)


def default_of_rows(p: Array, positive: int) -> Array:
    """Decide as `default_decision` does, for checked probabilities (N, C)."""
    return np.where(p[:, positive] >= 0.5, positive, 1 - positive) if p.shape[1] == 2 else p.argmax(axis=1)


def _ratio(upper: Array, lower: Array, empty: float = NAN) -> Array:
    """Return upper / lower, and `empty` where `lower` is not positive."""
    return np.divide(upper, lower, out=np.full(np.shape(lower), empty), where=lower > 0)


class PerClass(NamedTuple):
    """One entry per class, float64 (C,)."""

    recall: Array
    precision: Array
    support: Array


def _recall_and_precision(hit: Array, support: Array, decided: Array) -> tuple[Array, Array]:
    """Return recall and precision of each class, from the arguments of `scores_of_many`.

    Both are nan for a class without rows. Precision is 0 for a class that is never decided.
    """
    return _ratio(hit, support), np.where(support > 0, _ratio(hit, decided, 0.0), NAN)


def per_class(y: Any, decision: Any, n_classes: int, *, sample_weight: Any = None) -> PerClass:
    """Compute recall, precision and support of every class.

    For a class without rows, recall and precision are nan. For a class that is never decided, precision is 0.

    Example:
        >>> [a.tolist() for a in per_class([0, 1, 1], [0, 0, 1], 2)]
        [[1.0, 0.5], [0.5, 1.0], [1.0, 2.0]]
    """
    matrix = confusion(y, decision, n_classes, sample_weight=sample_weight)
    support = matrix.sum(axis=1)
    return PerClass(*_recall_and_precision(np.diag(matrix), support, matrix.sum(axis=0)), support)


def decision_scores(matrix: Array, *, positive: int = 1) -> dict[str, float]:
    """Compute the eight scores of a confusion matrix [true, decided].

    With two classes, recall, precision, F1 and specificity are for the positive class. With more classes, they are
    means over the classes present in the truth, each against all others. balanced_accuracy is the mean, and g_mean the
    geometric mean, of the recalls of the classes present. mcc is R_K (Gorodkin 2004), and 0 if it is undefined (only
    one class is decided or present). If the positive class has no rows, recall, precision, f1 and g_mean are nan. If it
    has rows but is never decided, precision is 0. specificity is nan without negatives. There are no warnings.

    Example:
        >>> s = decision_scores(np.array([[90., 10.], [2., 8.]]))
        >>> round(s["recall"], 3), round(s["precision"], 3), round(s["specificity"], 3)
        (0.8, 0.444, 0.9)
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    return scores_of_counts(np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0), positive)


def scores_of_counts(hit: Array, support: Array, decided: Array, positive: int = 1) -> dict[str, float]:
    """Compute `decision_scores` from the margins of a confusion matrix, float (C,) each.

    `hit` is its diagonal, `support` the sums over decisions, and `decided` the sums over true classes.
    """
    return {key: float(value) for key, value in scores_of_many(hit, support, decided, positive).items()}


def scores_of_many(hit: Array, support: Array, decided: Array, positive: int = 1) -> dict[str, Array]:
    """Compute `scores_of_counts` for many matrices at once, with the same support.

    `hit` and `decided` are (..., C), `support` is (C,), and each score is float64 (...).

    Example:
        >>> hit, decided = np.array([[90, 8], [80, 9]]), np.array([[92, 18], [81, 29]])
        >>> scores_of_many(hit, np.array([100, 10]), decided)["recall"].tolist()
        [0.8, 0.9]
    """
    total = support.sum()
    support = np.broadcast_to(support, np.shape(hit))
    recall, precision = _recall_and_precision(hit, support, decided)
    f1 = np.where(support > 0, _ratio(2 * hit, support + decided), NAN)
    specificity = _ratio(total - support - decided + hit, total - support)
    # All matrices have the same support, so the first one shows which classes have rows.
    present = np.flatnonzero(np.reshape(support, (-1, support.shape[-1]))[0] > 0)
    chosen = [positive] if hit.shape[-1] == 2 else present
    return {
        "accuracy": hit.sum(axis=-1) / total,
        "balanced_accuracy": recall[..., present].mean(axis=-1),
        "recall": recall[..., chosen].mean(axis=-1),
        "precision": precision[..., chosen].mean(axis=-1),
        "specificity": specificity[..., chosen].mean(axis=-1),
        "f1": f1[..., chosen].mean(axis=-1),
        "mcc": _mcc(hit / total, support / total, decided / total),
        "g_mean": _g_mean(recall, present),
    }


def share_weights(matrix: Array, positive: int = 1) -> dict[str, Array]:
    """Return how much a row of each cell counts in the scores that are shares of rows, float64 (C, C) by key.

    A mean over classes is a share of rows that each count by one over the rows of their class, so that Wilson's
    interval of a share exists for it too.

    Args:
        matrix: float (C, C), sums of weights, [true, decided]. positive: As in `decision_scores`.

    Example:
        >>> matrix = np.array([[9.0, 1.0, 0.0], [0.0, 4.0, 0.0], [1.0, 0.0, 1.0]])
        >>> counted = matrix * share_weights(matrix)["recall"]
        >>> round(float(np.trace(counted) / counted.sum()), 9), round(decision_scores(matrix)["recall"], 9)
        (0.8, 0.8)
    """
    support, decided, each = matrix.sum(axis=1), matrix.sum(axis=0), np.ones(matrix.shape)
    of_class = np.where(support > 0, _ratio(each[0], support, 0.0), 0.0)[:, None] * each
    if len(matrix) == 2:
        is_positive = np.arange(2) == positive
        recall, specificity, precision = (
            each * is_positive[:, None], each * ~is_positive[:, None], each * is_positive
        )  # fmt: skip
    else:
        others = np.where(support > 0, _ratio(each[0], support.sum() - support, 0.0), 0.0)
        recall, specificity = of_class, (others.sum() - others)[:, None] * each
        precision = np.where(support > 0, _ratio(each[0], decided, 0.0), 0.0) * each
    return {
        "accuracy": each,
        "balanced_accuracy": of_class,
        "recall": recall,
        "precision": precision,
        "specificity": specificity,
    }


def _g_mean(recall: Array, present: Array) -> Array:
    """Return the geometric mean of the recalls (..., C) of the classes present, (...).

    The result is nan if one of two classes is absent.
    """
    if len(present) < recall.shape[-1] and recall.shape[-1] == 2:
        return np.full(recall.shape[:-1], NAN)
    return np.prod(recall[..., present] ** (1.0 / len(present)), axis=-1)


def _mcc(hit: Array, truth: Array, decided: Array) -> Array:
    """Return the Matthews correlation R_K (Gorodkin 2004), (...); 0 if it is undefined.

    All arguments are shares of the rows, (..., C).
    `hit` are correct decisions of each class, `truth` the rows of each class, and `decided` the rows decided for it.
    """
    of_truth, of_decided, of_both = ((a * b).sum(axis=-1) for a, b in
                                     ((truth, truth), (decided, decided), (truth, decided)))  # fmt: skip
    defined = ((truth > 0).sum(axis=-1) >= 2) & ((decided > 0).sum(axis=-1) >= 2)
    spread = np.where(defined, (1 - of_truth) * (1 - of_decided), 1.0)
    return np.where(defined, (hit.sum(axis=-1) - of_both) / np.sqrt(spread), 0.0)


def expected_cost(y: Any, decision: Any, costs: Any, *, sample_weight: Any = None) -> float:
    """Compute the mean cost per case, in the unit of `costs`.

    Args:
        y: int (N,), class codes.
        decision: int (N,), class codes.
        costs: float (C, C), entry [true, decided].
        sample_weight: float (N,), or None.

    Raises:
        OptionError: costs is not square or not finite.

    Example:
        >>> expected_cost([0, 1, 1, 0], [1, 0, 1, 0], [[0, 1], [10, 0]])
        2.75
    """
    each = np.asarray(costs, dtype=np.float64)
    if each.ndim != 2 or each.shape[0] != each.shape[1] or not np.isfinite(each).all():
        raise OptionError(
            f"costs has shape {each.shape}, or contains a value that is not finite. "
            "Give a finite cost for each pair of true class (row) and decision (column), (C, C)."
        )
    matrix = confusion(y, decision, len(each), sample_weight=sample_weight)
    return float((matrix * each).sum() / matrix.sum())


class NetBenefit(NamedTuple):
    """Decision curve, float64 (T,) each: of the model, and of an alert on every row."""

    threshold: Array
    model: Array
    everybody: Array


def net_benefit(
    y: Any, proba: Any, thresholds: Any = None, *, positive: int = 1, sample_weight: Any = None
) -> NetBenefit:
    """Compute net benefit TP/n - FP/n * t / (1 - t) of alerts at probability >= t.

    t is the probability at which a false positive and a missed case have the same expected cost. Without any alert, the
    net benefit is 0 (Vickers & Elkin, Medical Decision Making 26, 2006).

    Args:
        thresholds: float (T,), each in (0, 1); default 0.01 ... 0.99.

    Raises:
        OptionError: A threshold is not between 0 and 1.

    Example:
        >>> curve = net_benefit([0, 1], [[.9, .1], [.2, .8]], [0.5])
        >>> curve.model.tolist(), curve.everybody.tolist()
        ([0.5], [0.0])
    """
    t = np.linspace(0.01, 0.99, 99) if thresholds is None else np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if ((t <= 0) | (t >= 1)).any():
        raise OptionError(f"thresholds span {t.min()} to {t.max()}. Expected values above 0 and below 1.")
    target, score, w = one_class(y, proba, sample_weight, positive)
    odds = t / (1 - t)
    hits, false_positives = _mass_from(score, w * target, t), _mass_from(score, w * ~target, t)
    share = float(np.average(target, weights=w))
    return NetBenefit(t, (hits - false_positives * odds) / w.sum(), share - (1 - share) * odds)


def _mass_from(score: Array, mass: Array, thresholds: Array) -> Array:
    """Return the sum of `mass` (N,) over rows with score >= t, for each threshold t."""
    order = np.argsort(score, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(mass[order])])
    return below[-1] - below[np.searchsorted(score[order], thresholds, side="left")]
