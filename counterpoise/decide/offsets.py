"""Multi-class decisions: argmax of log p_c + b_c, and how the offsets b are chosen.

It is `threshold` for more than two classes. `ascent` searches; `floors` chooses offsets for recall floors.
"""

from __future__ import annotations

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import OptionError
from counterpoise.decide.aim import Aim
from counterpoise.decide.ascent import Objective, ascend, score_of_offsets
from counterpoise.decide.floors import floor_offsets
from counterpoise.decide.shapes import class_scores, codes

Array = np.ndarray

#: Rows at which half of a class's tuned deviation is kept.
HALF_TRUST = 20.0
#: Starts that are tried, lambda in b = -lambda log pi.
LAMBDAS = np.linspace(0.0, 1.5, 16)


def choose_offsets(
    log_p: Array, y: Array, aim: str | Aim = "f1", sample_weight: Array | None = None, *, sweeps: int = 3
) -> Array:
    """Choose offsets b for the decision argmax_c (log p_c + b_c).

    "argmax" gives 0, and "balanced_accuracy" gives -log pi_c, both without a search. "cost" gives the log of the cost
    of missing each class. For "recall_floor" see `floor_offsets`. "f1", "f_beta", "g_mean" and "mcc" start at the best
    lambda in b = -lambda log pi, and are then improved one class at a time. Finally, n_c / (n_c + 20) of the deviation
    of each class from the start is kept, with n_c rows, or their weight if it is larger. The deviation of the largest
    class is 0 by convention, because only differences count.

    Args:
        log_p: float (N, C), corrected log-probabilities of rows that were not used for training.
        y: int (N,), class codes. The offset of a class without rows keeps its start value.
        aim: See `Aim`; f1, f_beta and g_mean are means over the classes with rows.
        sample_weight: float (N,) or None.
        sweeps: Maximum number of passes over the classes.

    Returns:
        float64 (C,).

    Example:
        >>> p = np.log([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.1, 0.4]])
        >>> b = choose_offsets(p, np.array([0, 1, 2]), "balanced_accuracy")
        >>> np.allclose(b, np.log(3))
        True
    """
    lp, goal = class_scores(log_p), Aim.parse(aim)
    return best_offsets(lp, codes(y, *lp.shape), goal, row_weights(sample_weight, len(lp)), sweeps=sweeps)


def best_offsets(lp: Array, labels: Array, goal: Aim, w: Array, *, sweeps: int = 3) -> Array:
    """Choose offsets, float64 (C,), on checked arrays (see `choose_offsets`).

    `lp` is float64 (N, C), `labels` int (N,), `w` float64 (N,).

    Raises:
        OptionError: The aim has another number of values than classes, or is for two classes.
    """
    lp, labels, w = (values[w > 0] for values in (lp, labels, w))  # rows of weight 0 take no part
    counts = np.bincount(labels, weights=w, minlength=lp.shape[1])
    if goal.name == "argmax":
        return np.zeros(lp.shape[1])
    if goal.name == "recall_floor":
        start = best_offsets(lp, labels, Aim("f1"), w)
        return floor_offsets(lp, labels, class_floors(goal, lp.shape[1]), start, w)
    if goal.name == "cost":
        return _cost_offsets(goal, lp.shape[1])
    rows = np.bincount(labels, minlength=lp.shape[1])
    # -log of the class shares; half a row in place of none keeps it finite. Weights can be far below 1.
    half = 0.5 * min(1.0, counts.sum() / rows.sum())
    base = -np.log(np.where(counts > 0, counts, half) / counts.sum())
    if goal.name in ("balanced_accuracy", "youden"):
        return base
    score = _objective(goal, counts)
    start = max((lam * base for lam in LAMBDAS), key=lambda b: score_of_offsets(lp, labels, w, b, score))
    return start + _shrunk_deviation(ascend(lp, labels, w, start, score, sweeps) - start, counts, rows)


def class_floors(goal: Aim, n_classes: int) -> Array:
    """Return one floor per class, float64 (C,), from an aim with one value or one each.

    Raises:
        OptionError: The aim has another number of values.
    """
    if len(goal.values) not in (1, n_classes):
        raise OptionError(
            f"recall_floor has {len(goal.values)} values. Expected one value, or one per class ({n_classes})."
        )
    return np.broadcast_to(np.asarray(goal.values), (n_classes,))


def _cost_offsets(goal: Aim, n_classes: int) -> Array:
    """Return offsets that minimize the expected cost, float64 (C,).

    They are the log of the cost of missing each class.

    Raises:
        OptionError: The aim has not one value per class.
    """
    if len(goal.values) != n_classes:
        raise OptionError(f"cost has {len(goal.values)} values. Expected one value per class ({n_classes}).")
    return np.log(np.asarray(goal.values))


def _shrunk_deviation(deviation: Array, counts: Array, rows: Array) -> Array:
    """Shrink tuned offsets (C,) toward the start, the more the fewer rows a class has.

    `deviation` is measured from the start, and from the largest class, whose own becomes 0. `counts` are the weights of
    the classes (C,), and `rows` their rows: weights that sum to 1 have the same result as equal weights of 1.
    """
    centered, trust = deviation - deviation[np.argmax(counts)], np.maximum(counts, rows)
    return centered * trust / (trust + HALF_TRUST)


def _objective(goal: Aim, counts: Array) -> Objective:
    """Return the score that an aim asks for, of classes with these weights of rows (C,).

    Its functions take true positives, times decided and class codes, (K,) each (see `ascent.Objective`).

    Raises:
        OptionError: The aim is for two classes.
    """
    seen, many = counts > 0, int((counts > 0).sum())
    if goal.name in ("f1", "f_beta"):
        b2 = (goal.values[0] if goal.values else 1.0) ** 2

        def f_beta(tp: Array, decided: Array, of: Array) -> Array:
            """Return what each class adds to the sum of F-beta, (K, 1); a class without rows adds 0."""
            under = np.where(seen[of], b2 * counts[of] + decided, 1.0)
            return (seen[of] * (1 + b2) * tp / under)[:, None]

        return Objective(f_beta, lambda sums: sums[..., 0] / many, len(counts))
    if goal.name == "g_mean":

        def log_recall(tp: Array, decided: Array, of: Array) -> Array:
            """Return what each class adds to the two sums of the geometric mean, (K, 2)."""
            # The sums are the number of classes with recall 0, which make the mean 0, and the log of the recalls.
            recall = np.where(seen[of], tp / np.where(seen[of], counts[of], 1.0), 1.0)
            return np.stack([recall <= 0, np.log(np.where(recall > 0, recall, 1.0))], axis=1)

        return Objective(
            log_recall, lambda sums: np.where(sums[..., 0] > 0.5, 0.0, np.exp(sums[..., 1] / many)), len(counts)
        )
    if goal.name == "mcc":
        return Objective(
            lambda tp, decided, of: np.stack([tp, decided * counts[of], decided**2], axis=1),
            lambda sums: _multiclass_mcc(sums[..., 0], sums[..., 1], sums[..., 2], counts),
            len(counts),
        )
    raise OptionError(f"{goal} is for two classes. With more classes, compare one class with all others.")


def _multiclass_mcc(right: Array, product: Array, squares: Array, counts: Array) -> Array:
    """Return the Matthews correlation of several classes from three sums, (...) each.

    The sums are true positives, times decided times rows, and times decided squared. It is 0 where it is not defined.
    Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation coefficient".
    """
    total = counts.sum()
    covariance = right * total - product
    under = (total**2 - squares) * (total**2 - np.sum(counts**2))
    return np.where(under > 0, covariance / np.sqrt(np.where(under > 0, under, 1.0)), 0.0)
