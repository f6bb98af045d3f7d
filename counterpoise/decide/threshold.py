"""Thresholds for two classes from sorted exact scores: a row is positive if its probability is >= the threshold.

All thresholds between two neighboring scores give the same decisions. Counterpoise uses the middle on the logit scale,
so rounding a probability to float32 rarely changes a decision. Decisions by costs that need no threshold are here too.

`offsets` does the same for more classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.decide.aim import WHOLE_ROW_AIMS, Aim
from counterpoise.decide.shapes import codes

Array = np.ndarray


@dataclass(frozen=True)
class Sweep:
    """Every decision that a threshold can make, from none positive to all positive.

    Attributes:
        thresholds: float64 (K + 1,), falling; K is the number of distinct scores. The first flags nothing.
        tp: float64 (K + 1,), weight of positives flagged.
        fp: float64 (K + 1,), weight of negatives flagged.
        positives, negatives: Total weights.

    Example:
        >>> s = sweep(np.array([0.2, 0.4, 0.8]), np.array([0, 1, 1]), np.ones(3))
        >>> s.recall.tolist(), s.thresholds.round(6).tolist()
        ([0.0, 0.5, 1.0, 1.0], [1.0, 0.620204, 0.289898, 0.0])
    """

    thresholds: Array
    tp: Array
    fp: Array
    positives: float
    negatives: float

    @property
    def recall(self) -> Array:
        """Share of the positives that are flagged at each threshold, (K + 1,)."""
        return self.tp / max(self.positives, 1e-300)

    @property
    def specificity(self) -> Array:
        """Share of the negatives that are not flagged at each threshold, (K + 1,)."""
        return 1.0 - self.fp / max(self.negatives, 1e-300)

    @property
    def precision(self) -> Array:
        """Compute the share of alerts that are positive, (K + 1,); 1 without alerts."""
        flagged = self.tp + self.fp
        return np.where(flagged > 0, self.tp / np.where(flagged > 0, flagged, 1.0), 1.0)


def _checked_rows(p: Array, y: Array, sample_weight: Array | None) -> tuple[Array, Array, Array]:
    """Return checked probabilities float64 (N,), class codes int64 (N,) and weights float64 (N,).

    Raises:
        OptionError: `p` is empty, has another shape, or contains values outside [0, 1].
    """
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 1 or len(p) == 0 or not np.all((p >= 0) & (p <= 1)):
        raise OptionError(
            f"p must have one probability per row, from 0 to 1, and at least one row. Its shape is {p.shape}."
        )
    return p, codes(y, len(p), 2), row_weights(sample_weight, len(p))


def sweep(p: Array, labels: Array, w: Array) -> Sweep:
    """Sort checked scores and count, at every distinct one, the rows at or above it. Rows of weight 0 take no part.

    Args:
        p: float64 (N,), probability of the positive class.
        labels: int (N,), 0 or 1.
        w: float64 (N,), weights of the rows.

    Example:
        >>> s = sweep(np.array([0.2, 0.8, 0.8]), np.array([0, 0, 1]), np.ones(3))
        >>> s.tp.tolist(), s.fp.tolist(), s.thresholds.round(6).tolist()
        ([0.0, 1.0, 1.0], [0.0, 1.0, 2.0], [1.0, 0.5, 0.0])
    """
    if not (w > 0).all():
        p, labels, w = (values[w > 0] for values in (p, labels, w))
    order = np.argsort(-p)
    scores, hit = p[order], np.where(labels[order] == 1, w[order], 0.0)
    last = np.append(np.flatnonzero(np.diff(scores)), len(p) - 1)  # last row of each run of ties
    tp = np.append(0.0, np.cumsum(hit)[last])
    fp = np.append(0.0, np.cumsum(w[order] - hit)[last])
    return Sweep(_midways(scores[last]), tp, fp, float(tp[-1]), float(fp[-1]))


def _midways(distinct: Array) -> Array:
    """Return the thresholds (K + 1,) for K distinct probabilities in falling order.

    The first lies above all of them, the last is 0, and the others lie between two neighbors.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(distinct) - np.log1p(-distinct)
        middle = 1.0 / (1.0 + np.exp(-(logit[:-1] + logit[1:]) / 2.0))
    upper, lower = distinct[:-1], distinct[1:]
    middle = np.where(np.isfinite(logit[:-1] + logit[1:]), middle, (upper + lower) / 2.0)
    between = np.where((middle > lower) & (middle <= upper), middle, upper)  # neighbors that differ by one ulp
    nothing = 1.0 if distinct[0] < 1.0 else np.nextafter(1.0, 2.0)
    return np.concatenate([[nothing], between, [0.0]])


def log_odds_at(threshold: float) -> float:
    """Return the smallest log-odds whose float64 probability is at least `threshold`.

    The threshold is in (0, 1].

    Near 1, the step between two float64 values is so wide that log(t / (1 - t)) would exceed scores that are rounded to
    t.

    Example:
        >>> round(log_odds_at(0.25), 6), round(log_odds_at(1.0), 2)
        (-1.098612, 36.74)
    """
    rounding = np.finfo(np.float64).eps / 2.0
    return float(np.log(threshold) - np.log((1.0 - threshold) + rounding))


def choose_threshold(p: Array, y: Array, aim: str | Aim = "f1", sample_weight: Array | None = None) -> float:
    """Choose the best threshold for an aim on these rows.

    Args:
        p: float (N,), corrected probability of the positive class, of rows that were not used for training.
        y: int (N,), 0 or 1.
        aim: See `Aim`. Among equally good thresholds, the threshold with the fewest alerts is chosen.
        sample_weight: float (N,) or None: row i counts as w_i rows.

    Returns:
        The threshold. A row is positive if p >= threshold.

    Raises:
        GuaranteeError: No threshold reaches the precision. The message reports the highest precision.
        OptionError: The aim is unknown, or a class that it needs has no row.

    Example:
        >>> round(choose_threshold(np.array([0.1, 0.3, 0.7, 0.9]), np.array([0, 0, 1, 1])), 6)
        0.5
        >>> round(choose_threshold(np.array([0.1, 0.9]), np.array([0, 1]), "cost(1, 19)"), 6)
        0.05
    """
    goal = Aim.parse(aim)
    p, labels, w = _checked_rows(p, y, sample_weight)
    return best_threshold(p, labels, goal, w)


def best_threshold(p: Array, labels: Array, goal: Aim, w: Array) -> float:
    """Choose the threshold as `choose_threshold` does, without checking the arrays again."""
    if goal.name in WHOLE_ROW_AIMS:
        raise OptionError(
            f"{goal.name} is for images with masks, but these rows have no class per pixel. Choose another aim."
        )
    if goal.name in ("argmax", "cost"):
        return 0.5 if goal.name == "argmax" else float(cost_threshold(*_two_costs(goal)))
    table = sweep(p, labels, w)
    _check_classes_present(table, goal)
    if goal.name == "recall_floor":
        if len(goal.values) != 1:
            raise OptionError(f"With two classes, recall_floor takes one value, not {len(goal.values)}.")
        return float(table.thresholds[np.argmax(table.recall >= goal.values[0] - 1e-12)])
    if goal.name == "precision_floor":
        return _threshold_at_precision(table, goal.values[0])
    if goal.name == "alerts":
        return _threshold_at_alerts(table, goal.values[0] / goal.values[1])
    value = objective(goal)(table)
    return float(table.thresholds[np.argmax(value >= value.max() - 1e-12)])


def _two_costs(goal: Aim) -> tuple[float, float]:
    """Return (cost of a false positive, cost of a missed case).

    If the aim does not have two values, raise an `OptionError`.
    """
    if len(goal.values) != 2:
        raise OptionError(f"With two classes, cost takes two values, cost(cost_fp, cost_fn), not {len(goal.values)}.")
    return goal.values[0], goal.values[1]


def _check_classes_present(table: Sweep, goal: Aim) -> None:
    """Raise an error if the aim needs a class that has no rows.

    Every aim needs positive rows, and some aims also need negative rows.
    """
    if table.positives <= 0:
        raise OptionError(
            f"There is no positive row, so a threshold for {goal} cannot be chosen. Give rows of both classes."
        )
    if table.negatives <= 0 and goal.name in ("balanced_accuracy", "youden", "g_mean", "mcc"):
        raise OptionError(
            f"There is no negative row, so a threshold for {goal} cannot be chosen. Give rows of both classes."
        )


def _threshold_at_precision(table: Sweep, floor: float) -> float:
    """Return the threshold with the highest recall whose precision is at least `floor`.

    Among equal recalls, the highest threshold is chosen. If no threshold reaches the floor, raise a `GuaranteeError`.
    """
    good = (table.precision >= floor - 1e-12) & (table.tp > 0)
    if not good.any():
        best = table.precision[table.tp > 0].max()
        raise GuaranteeError(
            f"No threshold reaches a precision of {floor:g} on these rows. The highest is {best:.3g}. Lower the floor."
        )
    most = table.tp[good].max()
    return float(table.thresholds[np.argmax(good & (table.tp >= most))])


def _threshold_at_alerts(table: Sweep, share: float) -> float:
    """Return the lowest threshold with which at most this share of all rows is flagged."""
    allowed = table.tp + table.fp <= share * (table.positives + table.negatives) * (1 + 1e-12)
    return float(table.thresholds[np.flatnonzero(allowed)[-1]])


def objective(aim: str | Aim) -> Callable[[Sweep], Array]:
    """Return a function that scores every threshold of a `Sweep`, (K + 1,); higher is better.

    Aims without such a score, such as floors and costs, raise an `OptionError`.

    Example:
        >>> s = sweep(np.array([0.2, 0.8]), np.array([0, 1]), np.ones(2))
        >>> objective("f1")(s).round(3).tolist()
        [0.0, 1.0, 0.667]
    """
    goal = Aim.parse(aim)
    if goal.name in ("f1", "f_beta"):
        b2 = (goal.values[0] if goal.values else 1.0) ** 2
        return lambda s: (1 + b2) * s.tp / (b2 * s.positives + s.tp + s.fp)
    if goal.name in ("balanced_accuracy", "youden"):
        return lambda s: (s.recall + s.specificity) / 2.0
    if goal.name == "g_mean":
        return lambda s: np.sqrt(s.recall * np.maximum(s.specificity, 0.0))
    if goal.name == "mcc":
        return _mcc
    raise OptionError(f"{goal} is not a score to maximize.")


def _mcc(s: Sweep) -> Array:
    """Return the Matthews correlation at every threshold, (K + 1,); 0 where it is not defined."""
    fn, tn = s.positives - s.tp, s.negatives - s.fp
    under = (s.tp + s.fp) * s.positives * s.negatives * (fn + tn)
    return np.where(under > 0, (s.tp * tn - s.fp * fn) / np.sqrt(np.where(under > 0, under, 1.0)), 0.0)


def cost_threshold(cost_fp: Array | float, cost_fn: Array | float) -> Array:
    """Return the Bayes threshold cost_fp / (cost_fp + cost_fn).

    With arrays, the result is one threshold per row (costs that depend on the row, such as an amount).

    Example:
        >>> cost_threshold(1.0, np.array([1.0, 9.0])).tolist()
        [0.5, 0.1]

    Source: Elkan (2001), "The foundations of cost-sensitive learning", equation 2.
    """
    a, b = np.asarray(cost_fp, dtype=np.float64), np.asarray(cost_fn, dtype=np.float64)
    if np.any(a < 0) or np.any(b < 0) or not np.all(np.isfinite(a + b)) or np.any(a + b <= 0):
        raise OptionError(
            "cost_fp and cost_fn contain wrong costs. Expected finite costs of 0 or more, and at least one of the two "
            "above 0 in each row. Correct these costs."
        )
    return a / (a + b)


def bayes_decision(proba: Array, costs: Array) -> Array:
    """Decide for the class with the least expected cost: argmin_k sum_c p_c costs[c, k].

    Args:
        proba: float (N, C), calibrated probabilities.
        costs: float (C, C), costs[true, decided]; or (N, C, C), one matrix per row.

    Returns:
        int32 (N,). Of equally good classes, the first is decided.

    Example:
        >>> bayes_decision(np.array([[0.9, 0.1]]), np.array([[0, 1], [20, 0]])).tolist()
        [1]
    """
    p, c = np.asarray(proba, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    if p.ndim != 2 or c.shape not in ((p.shape[1], p.shape[1]), (len(p), p.shape[1], p.shape[1])):
        raise OptionError(
            f"costs has shape {c.shape}, which does not fit probabilities of shape {p.shape}. Expected a matrix "
            "with one row per true class and one column per decision, or one such matrix for each case."
        )
    if not np.all(np.isfinite(c)):
        raise OptionError("costs contains a value that is not finite. Give a finite cost for each pair of classes.")
    expected = p @ c if c.ndim == 2 else np.einsum("nc,nck->nk", p, c)
    return np.argmin(expected, axis=1).astype(np.int32)
