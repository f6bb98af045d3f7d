"""Recall floors for some of many classes, reached by the offsets of the decision argmax_c (log p_c + b_c).

One vector of offsets determines whether the floors of all classes are reached. Offsets are tried in a fixed order,
which does not depend on the rows of a guarantee: `floor_path` sees only the rows that fitted the rule. The first
offsets favor the named classes most, and the last offsets serve macro-F1. The last offsets before the first failure
are used (fixed-sequence testing).
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, betaincinv

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.guarantee import ClassGuarantee
from counterpoise.decide.shapes import class_scores, codes

Array = np.ndarray

#: Offsets that are tried.
STEPS = 101
#: Nats that the named classes get above the others at the first of them: there hardly anything else is decided.
AWAY = 30.0
#: Rounds in which the named classes share out among each other what they miss.
ROUNDS = 200


def floor_path(
    log_p: Array, y: Array, floors: Array, offsets: Array, sample_weight: Array | None = None
) -> Array:  # fmt: skip
    """Return offsets in the order in which they are tried, float64 (K, C).

    The first offsets are balanced on these rows: the share of missed rows of each named class is proportional to its
    allowed share, and the other classes are far away. The last offsets are `offsets`.

    Args:
        log_p: float (N, C), rows that fitted the rule. y: int (N,), their class codes.
        floors: float (C,), 0 for a class without a floor.
        offsets: float (C,), the offsets without floors.
        sample_weight: float (N,) or None.

    Example:
        >>> y = np.repeat([0, 1, 2], 100)
        >>> log_p = np.log(np.eye(3)[y] * 0.94 + 0.02)
        >>> floor_path(log_p, y, np.array([0.9, 0, 0]), np.zeros(3))[-1].tolist()
        [0.0, 0.0, 0.0]
    """
    lp = class_scores(log_p)
    return _path_to_offsets(lp, codes(y, *lp.shape), floors, offsets, row_weights(sample_weight, len(lp)))


def _path_to_offsets(lp: Array, labels: Array, floors: Array, offsets: Array, w: Array | None) -> Array:
    """Return the offsets of `floor_path`, float64 (K, C), for checked arrays."""
    named = np.asarray(floors) > 0
    start = np.where(named, offsets + AWAY, offsets)
    best, most, b = start, np.inf, start.copy()
    for step in range(ROUNDS):
        missed = (1.0 - recalls(lp, labels, b, w)) / np.maximum(1.0 - floors, 1e-9)
        worst = float(np.max(missed[named], initial=0.0))
        if worst < most:
            best, most = b.copy(), worst
        # In units of what each class may miss: classes that miss more than the mean get a larger offset.
        pull = missed[named] - missed[named].mean()
        if not np.any(np.abs(pull) > 1e-9):
            break
        b[named] += np.clip(pull, -1.0, 1.0) / (1.0 + step / 20.0)
    # Squared, so that more of the steps are close to `offsets`.
    way = np.linspace(1.0, 0.0, STEPS)[:, None] ** 2
    return np.asarray(offsets + way * (best - offsets))


def recalls(log_p: Array, y: Array, offsets: Array, weights: Array | None = None) -> Array:
    """Compute the recall of each class under these offsets, float64 (C,).

    It is 0 for a class without rows.
    """
    right = np.argmax(log_p + offsets, axis=1) == y
    w = np.ones(len(y)) if weights is None else weights
    total = np.bincount(y, weights=w, minlength=log_p.shape[1])
    return np.bincount(y, weights=w * right, minlength=log_p.shape[1]) / np.where(total > 0, total, 1.0)


def floor_offsets(lp: Array, labels: Array, floors: Array, offsets: Array, w: Array | None = None) -> Array:
    """Return the last offsets of `floor_path` whose recalls on these rows reach the floors.

    Args:
        lp, labels, floors, offsets, w: As in `floor_path`, checked.

    Raises:
        GuaranteeError: No offsets reach all floors. The message reports the recalls that are reached.

    Example:
        >>> y = np.repeat([0, 1], 100)
        >>> p = np.where(y == 1, 0.3, 0.1)  # all are decided for class 0 without a floor
        >>> floor_offsets(np.log(np.stack([1 - p, p], axis=1)), y, np.array([0, 0.9]), np.zeros(2)).round(2).tolist()
        [0.0, 0.87]
    """
    path = _path_to_offsets(lp, labels, floors, offsets, w)
    each = np.stack([recalls(lp, labels, b, w) for b in path])
    good = np.flatnonzero(np.all(each >= floors - 1e-12, axis=1))
    if len(good) == 0:
        reached = ", ".join(f"{each[0, c]:.3g} for class {c}" for c in np.flatnonzero(floors > 0))
        raise GuaranteeError(
            f"The recall floors cannot all be reached on these rows. The closest recalls are {reached}. Lower the "
            "floors."
        )
    return np.asarray(path[good[-1]])


def guarantee_floors(
    log_p: Array, y: Array, floors: Array, path: Array, confidence: float = 0.95, *, kept_out: bool = True,
    of: str = "rows",
) -> ClassGuarantee:  # fmt: skip
    """Find offsets that guarantee a recall for every named class.

    All recalls hold together with the given confidence.

    Offsets pass if, for every class with a floor, P(Bin(n_c, 1 - floor_c) <= missed_c) <= 1 - confidence. All classes
    must pass, so 1 - confidence is not split among the classes (intersection-union). The order is fixed, so it is not
    split among the offsets.

    Args:
        log_p: float (N, C), of rows used for nothing else. y: int (N,), their class codes.
        floors: float (C,), below 1; 0 for a class without a floor.
        path: float (K, C), offsets in the order of testing, made without these rows (`floor_path`).
        confidence: Above 0 and below 1. kept_out: Whether the rows were used for nothing else.
        of: What the scores are of, for messages: "rows" or "groups".

    Raises:
        GuaranteeError: The first offsets fail. The message reports the recalls that the rows support.

    Example:
        >>> y = np.repeat([0, 1, 2], 100)
        >>> log_p = np.log(np.eye(3)[y] * 0.94 + 0.02)
        >>> guarantee_floors(log_p, y, np.array([0.9, 0, 0.95]), np.zeros((1, 3))).reached.tolist()
        [1.0, 1.0, 1.0]

    Source: Angelopoulos, Bates, Candès, Jordan and Lei (2021), "Learn then Test" (fixed sequence testing); Berger
    (1982), intersection-union tests.
    """
    lp = class_scores(log_p)
    labels, floors = codes(y, *lp.shape), np.asarray(floors, dtype=np.float64)
    if floors.shape != (lp.shape[1],) or not np.all((floors >= 0) & (floors < 1)) or not floors.any():
        raise OptionError(
            f"floors is {floors.tolist()}. Expected {lp.shape[1]} numbers of 0 or more and below 1, and one or more "
            "above 0."
        )
    if not 0.0 < confidence < 1.0:
        raise OptionError(f"The confidence is {confidence:g}. Expected above 0 and below 1, for example 0.95.")
    named, rows = np.flatnonzero(floors > 0), np.bincount(labels, minlength=lp.shape[1])
    last = -1
    for index, b in enumerate(path):
        missed = rows - np.round(recalls(lp, labels, b) * rows)
        if np.any(bdtr(missed[named], np.maximum(rows[named], 1), 1.0 - floors[named]) > 1.0 - confidence):
            break
        last = index
    if last < 0:
        raise GuaranteeError(_refusal(named, rows, recalls(lp, labels, path[0]), floors, 1.0 - confidence))
    return ClassGuarantee(path[last], floors, confidence, rows, recalls(lp, labels, path[last]), kept_out, of)


def _refusal(named: Array, rows: Array, reached: Array, floors: Array, delta: float) -> str:
    """Return the message of a failed guarantee, with the recalls that the rows support.

    Args:
        named: int, codes of the classes with a floor. rows: int (C,), rows of each class.
        reached: float (C,), recalls of the first offsets. floors: float (C,). delta: 1 - confidence.
    """
    bounds = []
    for c in named:
        hits = round(reached[c] * rows[c])
        best = float(betaincinv(hits, rows[c] - hits + 1, delta)) if hits else 0.0
        bounds.append(f"{floors[c]:g} for class {c} with {rows[c]} rows (at best {np.floor(best * 100) / 100:.2f})")
    return (
        f"These recalls cannot be guaranteed together: {', '.join(bounds)}. Lower the floors, or set aside more rows "
        "(guarantee_rows=)."
    )
