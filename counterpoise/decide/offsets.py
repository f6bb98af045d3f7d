"""Multi-class decisions: argmax of log p_c + b_c, and how the offsets b are chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import OptionError
from counterpoise.core.records import Array
from counterpoise.decide.aim import Aim
from counterpoise.decide.floors import floor_offsets
from counterpoise.decide.shapes import class_scores, codes

#: Rows at which half of a class's tuned deviation is kept.
HALF_TRUST = 20.0
#: Positions tried per coordinate. Up to this many rows the search is exact.
POSITIONS = 2048
LAMBDAS = np.linspace(0.0, 1.5, 16)


def choose_offsets(
    log_p: Array, y: Array, aim: str | Aim = "f1", sample_weight: Array | None = None, *, sweeps: int = 3
) -> Array:
    """Choose offsets b for the decision argmax_c (log p_c + b_c).

    "argmax" gives 0 and "balanced_accuracy" -log pi_c, both without a search; "cost" gives the log of the
    cost of missing each class; for "recall_floor" see `floor_offsets`. "f1", "f_beta", "g_mean" and "mcc" start at
    the best lambda in b = -lambda log pi, go up coordinate by coordinate, and then keep n_c / (n_c + 20) of each
    class's deviation from the start (that of the largest class is 0 by convention: only differences count).

    Args:
        log_p: float (N, C), true log-probabilities of rows that trained nothing.
        y: int (N,), class codes. A class without rows gets no deviation.
        aim: See `Aim`; f1, f_beta and g_mean are means over the classes that have rows.
        sample_weight: float (N,) or None.
        sweeps: Most passes over the classes.

    Returns:
        float64 (C,).

    Example:
        >>> p = np.log([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.1, 0.4]])
        >>> b = choose_offsets(p, np.array([0, 1, 2]), "balanced_accuracy")
        >>> np.allclose(b, np.log(3))
        True
    """
    lp, goal = class_scores(log_p), Aim.parse(aim)
    labels, w = codes(y, *lp.shape), row_weights(sample_weight, len(lp))
    counts = np.bincount(labels, weights=w, minlength=lp.shape[1])
    if goal.name == "argmax":
        return np.zeros(lp.shape[1])
    if goal.name == "recall_floor":
        start = choose_offsets(lp, labels, "f1", w)
        return floor_offsets(lp, labels, _floors(goal, lp.shape[1]), start, w)
    if goal.name == "cost":
        return _cost_offsets(goal, lp.shape[1])
    base = -np.log(np.maximum(counts, 0.5) / counts.sum())
    if goal.name in ("balanced_accuracy", "youden"):
        return base
    score = _objective(goal, counts)
    start = max((lam * base for lam in LAMBDAS), key=lambda b: _value(lp, labels, w, b, score))
    return start + _shrunk(_ascend(lp, labels, w, start, score, sweeps) - start, counts)


def _floors(goal: Aim, n_classes: int) -> Array:
    """One floor for all classes, or one each."""
    if len(goal.values) not in (1, n_classes):
        raise OptionError(f"recall_floor needs one value, or one per class ({n_classes}); got {len(goal.values)}.")
    return np.broadcast_to(np.asarray(goal.values), (n_classes,))


def _cost_offsets(goal: Aim, n_classes: int) -> Array:
    if len(goal.values) != n_classes:
        raise OptionError(f"cost needs one value per class ({n_classes}); got {len(goal.values)}.")
    return np.log(np.asarray(goal.values))


def _shrunk(deviation: Array, counts: Array) -> Array:
    centerd = deviation - deviation[np.argmax(counts)]
    return centerd * counts / (counts + HALF_TRUST)


def _objective(goal: Aim, counts: Array) -> Callable[[Array, Array], Array]:
    """Return a score of (true positives, times decided), both (..., C)."""
    seen = counts > 0
    n = counts[seen]
    if goal.name in ("f1", "f_beta"):
        b2 = (goal.values[0] if goal.values else 1.0) ** 2
        return lambda tp, decided: np.mean((1 + b2) * tp[..., seen] / (b2 * n + decided[..., seen]), axis=-1)
    if goal.name == "g_mean":
        return lambda tp, decided: np.prod((tp[..., seen] / n) ** (1.0 / len(n)), axis=-1)
    if goal.name == "mcc":
        return lambda tp, decided: _multiclass_mcc(tp.sum(axis=-1), decided, counts)
    raise OptionError(f"{goal} is for two classes; with more, apply it to one class against the rest.")


def _multiclass_mcc(right: Array, decided: Array, counts: Array) -> Array:
    """Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation coefficient"."""
    total = counts.sum()
    covariance = right * total - decided @ counts
    under = (total**2 - np.sum(decided**2, axis=-1)) * (total**2 - np.sum(counts**2))
    return np.where(under > 0, covariance / np.sqrt(np.where(under > 0, under, 1.0)), 0.0)


def _tally(decision: Array, labels: Array, w: Array, n_classes: int) -> tuple[Array, Array]:
    right = decision == labels
    tp = np.bincount(labels[right], weights=w[right], minlength=n_classes)
    return tp, np.bincount(decision, weights=w, minlength=n_classes)


def _value(lp: Array, labels: Array, w: Array, b: Array, score: Callable[[Array, Array], Array]) -> float:
    return float(score(*_tally(np.argmax(lp + b, axis=1), labels, w, lp.shape[1])))


def _ascend(lp: Array, labels: Array, w: Array, b: Array, score: Callable[[Array, Array], Array], sweeps: int) -> Array:
    """Set one offset after the other to its best place until a pass brings nothing."""
    b, best = b.copy(), _value(lp, labels, w, b, score)
    for _ in range(sweeps):
        before = best
        for c in range(lp.shape[1]):
            if not np.any(labels == c):
                continue
            place = _best_place(lp, labels, w, b, c, score)
            trial = np.where(np.arange(len(b)) == c, place, b)
            value = _value(lp, labels, w, trial, score)
            if value > best + 1e-9:
                b, best = trial, value
        if best <= before + 1e-6:
            break
    return b


def _best_place(lp: Array, labels: Array, w: Array, b: Array, c: int, score: Callable[[Array, Array], Array]) -> float:
    """Find the best b_c with the other offsets fixed.

    Row i is decided c as soon as b_c exceeds d_i = (best other score) - log p_ic, and until then goes to
    the best other class; so everything follows from d cut into bins and the tallies within each bin.
    """
    others = lp + b
    others[:, c] = -np.inf
    rival = np.argmax(others, axis=1)
    d = others[np.arange(len(lp)), rival] - lp[:, c]
    d = np.clip(d, -700.0, 700.0)
    cuts = np.unique(d)
    if len(cuts) > POSITIONS:
        cuts = np.unique(np.quantile(d, np.linspace(0.0, 1.0, POSITIONS)))
    tp, decided = _tallies_at(cuts, d, rival, labels, w, c, lp.shape[1])
    places = np.concatenate([[cuts[0] - 1.0], (cuts[:-1] + cuts[1:]) / 2.0, [cuts[-1] + 1.0]])
    values = score(tp, decided)
    good = np.flatnonzero(values >= values.max() - 1e-12)
    return float(places[good[np.argmin(np.abs(places[good] - b[c]))]])  # among equals, the nearest


def _tallies_at(
    cuts: Array, d: Array, rival: Array, labels: Array, w: Array, c: int, n_classes: int
) -> tuple[Array, Array]:
    """Return true positives and times decided, (len(cuts) + 1, C), with b_c between neighboring cuts."""
    bins = np.searchsorted(cuts, d, side="left")
    cells = (len(cuts), n_classes)
    flat = bins * n_classes + rival

    def summed(index: Array, weights: Array) -> Array:
        table = np.bincount(index, weights=weights, minlength=cells[0] * cells[1]).reshape(cells)
        return np.concatenate([np.zeros((1, n_classes)), np.cumsum(table, axis=0)])

    lost, lost_right = summed(flat, w), summed(flat, w * (rival == labels))
    decided = lost[-1] - lost
    tp = lost_right[-1] - lost_right
    decided[:, c] = lost.sum(axis=1)
    tp[:, c] = summed(flat, w * (labels == c)).sum(axis=1)
    return tp, decided
