"""Calibration after pooling, on rows not used for training. It is kept only if it improves held-out rows.

A calibrator is a plain dict of strings, floats and lists, ready for JSON and for a Keras layer:

    {"kind": "temperature" | "platt" | "vector", "slopes": [C], "intercepts": [C]}
        log softmax(slopes * log p + intercepts)
    {"kind": "isotonic", "x": [curve, ...], "y": [curve, ...]}
        logit of each class against the rest, interpolated linearly from x to y and flat outside, then the
        classes normalized; two classes have one curve, that of class 1.

Both can contain "after": [C], which is added to the log-probabilities at the end (a prior for new rows).

The dict is saved in model files and checked by `rule_fields`. `layer.RuleLayer` applies it in Keras;
`tests/decide/test_layer.py` compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.logits import softplus
from counterpoise.core.seeds import generator
from counterpoise.decide.prior import log_softmax
from counterpoise.decide.shapes import class_scores, codes

Array = np.ndarray

#: kind, as saved in calibrators -> rows that the rarest class must have (temperature: all but the largest together).
NEEDED = {"temperature": 20, "platt": 30, "vector": 50, "isotonic": 300}
SYNONYMS = {"beta": "vector"}
FOLDS = 5
ENOUGH = 20_000  # rows per class on which kinds are compared; the one kept is fitted on all
LOWEST = -700.0  # exp of it is about the smallest probability that float64 keeps with all digits
RIDGE = 1.0  # pulls slopes towards 1 as strongly as about one row, so that separable scores stay finite

Calibrator = Mapping[str, Any]
#: Coefficients (P,) -> what is minimized, its gradient (P,) and its Hessian (P, P).
Objective = Callable[[Array], tuple[float, Array, Array]]


def fit_calibrator(
    log_p: Array, y: Array, kind: str = "auto", *, sample_weight: Array | None = None, seed: int = 0
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Fit a calibrator, and keep it only if it lowers the held-out log loss.

    "temperature": one slope around the class proportions, log pi + a (log p - log pi). Less confidence therefore means
    closer to the class proportions, not closer to 1/C. "platt": one slope and one intercept per class. "vector": a
    slope of 0 or more and an intercept for each class. With two classes, this is beta calibration, so "beta" is the
    same. "isotonic": a monotone curve for each class against all others. "auto": the kind with the largest gain. The
    calibrator is kept if its mean gain over 5 held-out folds exceeds the standard error.

    Args:
        log_p: float (N, C), corrected and pooled log-probabilities of rows that were not used for training.
        y: int (N,), class codes.
        kind: "auto" or one of the above.
        sample_weight: float (N,) or None.
        seed: Seed of the five folds.

    Returns:
        The calibrator, or None, and notes on the kinds that were tried, refused and kept.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> z = rng.normal(size=4000)
        >>> y = (rng.random(4000) < 1 / (1 + np.exp(-z))).astype(int)
        >>> over = log_softmax(np.stack([np.zeros(4000), 3 * z], axis=1))
        >>> calibrator, _ = fit_calibrator(over, y, "platt")
        >>> np.round(calibrator["slopes"], 1).tolist()
        [0.3, 0.3]

    Source: Platt (1999); Guo et al. (2017), "On calibration of modern neural networks", section 4.2;
    Kull, Silva Filho and Flach (2017), "Beta calibration"; Zadrozny and Elkan (2002).
    """
    lp = class_scores(log_p)
    labels, w = codes(y, *lp.shape), row_weights(sample_weight, len(lp))
    return fitted_calibrator(lp, labels, w, calibrator_kinds(kind), seed)


def fitted_calibrator(
    lp: Array, labels: Array, w: Array, kinds: list[str], seed: int = 0
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return the best calibrator of these kinds, or None, and notes, for checked arrays (see `fit_calibrator`).

    `lp` are log-probabilities (N, C), `labels` class codes (N,), and `w` weights (N,). The kinds are compared on at
    most `ENOUGH` rows per class; the calibrator that is kept is fitted on all rows.
    """
    if not (w > 0).all():
        lp, labels, w = (values[w > 0] for values in (lp, labels, w))  # rows of weight 0 take no part
    lp = np.maximum(lp, LOWEST)
    # The pulls of the fits are as strong as about one row. Weights that sum to 1 count as rows, too.
    w = w * max(1.0, len(w) / w.sum())
    tried, notes = _supported_kinds(kinds, labels, lp.shape[1])
    best: tuple[float, float, dict[str, Any]] | None = None
    some, counted = _rows_to_compare_kinds(labels, w, seed)
    few = (lp, labels, w) if len(some) == len(lp) else (lp[some], labels[some], counted)
    folds = _fold_of_rows(few[1], seed)
    order = np.argsort(folds, kind="stable")
    by_fold = [values[order] for values in (*few, folds)]
    for name in tried:
        whole = _fit_kind(name, *few)
        gain, error = _held_out_gain(whole, *by_fold)
        if best is None or gain > best[0]:
            best = (gain, error, whole)
    if best is None:
        return None, tuple(notes)
    gain, error, kept = best
    name = kept["kind"]
    change = f"{name} changes held-out log loss by {-gain:+.4g} per row (standard error {error:.2g})"
    if not gain > error:
        return None, (*notes, f"Calibration: {change}, so the calibrator was not used.")
    if len(some) < len(lp):
        kept = _fit_kind(name, lp, labels, w, kept)
    return kept, (*notes, f"Calibration: {change}, so the calibrator was kept.")


def fitted_platt(lp: Array, labels: Array, w: Array, start: Calibrator | None = None) -> dict[str, Any]:
    """Return the "platt" calibrator of checked arrays (see `fit_calibrator`), whether or not it improves other rows.

    `start` is a similar calibrator, which changes only the time.
    """
    return _fit_kind("platt", np.maximum(lp, LOWEST), labels, w * max(1.0, len(w) / w.sum()), start)


def calibrator_kinds(kind: str) -> list[str]:
    """Return the kinds to compare for `kind` of `fit_calibrator`.

    Raise an OptionError for an unknown kind.
    """
    if kind == "auto":
        return list(NEEDED)
    name = SYNONYMS.get(kind, kind)
    if name not in NEEDED:
        raise OptionError(f"There is no calibration {kind!r}." + did_you_mean(kind, ("auto", *NEEDED, *SYNONYMS)))
    return [name]


def _supported_kinds(kinds: list[str], y: Array, n_classes: int) -> tuple[list[str], list[str]]:
    """Return the kinds that have the rows of `NEEDED`, and at most one sentence about the others."""
    counts = np.bincount(y, minlength=n_classes)
    have = dict.fromkeys(kinds, int(counts.min()))
    have["temperature"] = int(counts.sum() - counts.max())
    refused = [k for k in kinds if have[k] < NEEDED[k]]
    needs = [f"{k} needs {NEEDED[k]} and has {have[k]}" for k in refused]
    notes = ["No calibration, because there are too few rare rows: " + "; ".join(needs) + "."] if needs else []
    return [k for k in kinds if k not in refused], notes


def _rows_to_compare_kinds(y: Array, w: Array, seed: int) -> tuple[Array, Array]:
    """Return the rows on which kinds are compared, sorted, and their weights.

    Of a class with more than ENOUGH rows, ENOUGH are drawn at random; of all other classes, all rows are used. The
    weights of drawn rows are scaled up, so that weighted means stay the same except for noise.
    """
    if np.bincount(y).max(initial=0) <= ENOUGH:
        return np.arange(len(y)), w
    rng = generator(seed, "calibration rows")
    rows, counted = [], w.copy()
    for c in np.unique(y):
        mine = np.flatnonzero(y == c)
        if len(mine) > ENOUGH:
            kept = np.sort(rng.choice(mine, size=ENOUGH, replace=False))
            counted[kept] *= w[mine].sum() / max(w[kept].sum(), 1e-300)
            mine = kept
        rows.append(mine)
    some = np.sort(np.concatenate(rows))
    return some, counted[some]


def _fold_of_rows(y: Array, seed: int) -> Array:
    """Return the held-out fold of each row, int8 (N,) from 0 to FOLDS - 1: NumPy sorts small numbers by radix.

    The rows of each class are spread evenly, at random. All kinds of calibrators are compared on the same folds.
    """
    order = generator(seed, "calibration parts").permutation(len(y))
    order = order[np.argsort(y[order].astype(np.min_scalar_type(y.max(initial=0))), kind="stable")]
    folds = np.empty(len(y), dtype=np.int8)
    folds[order] = np.arange(len(y)) % FOLDS
    return folds


def _held_out_gain(whole: Calibrator, lp: Array, y: Array, w: Array, folds: Array) -> tuple[float, float]:
    """Return the mean decrease of the held-out log loss, and its standard error.

    Args:
        whole: The calibrator of all these rows; the fits without a fold start from it, which changes only their time.
        lp, y, w: Log-probabilities (N, C), class codes (N,) and weights (N,), each fold side by side: parts are slices.
        folds: int (N,), see `_fold_of_rows`, ascending.
    """
    ends = np.cumsum(np.bincount(folds, minlength=FOLDS))
    gain = -log_softmax(lp)[np.arange(len(y)), y]
    for start, stop in zip(np.append(0, ends[:-1]), ends, strict=True):
        some, labels, weights = (np.concatenate([values[:start], values[stop:]]) for values in (lp, y, w))
        calibrator = _fit_kind(whole["kind"], some, labels, weights, whole)
        gain[start:stop] += calibrated(calibrator, lp[start:stop])[np.arange(stop - start), y[start:stop]]
    mean = float(np.sum(w * gain) / w.sum())
    return mean, float(np.sqrt(np.sum((w * (gain - mean)) ** 2)) / w.sum())


def _fit_kind(kind: str, lp: Array, y: Array, w: Array, start: Calibrator | None = None) -> dict[str, Any]:
    """Fit a calibrator of one kind on all of these rows.

    `start` is a calibrator of this kind from which the search begins, or None.
    """
    if kind == "isotonic":
        return _fit_isotonic(lp, y, w)
    slopes, intercepts = _fit_linear(kind, lp, y, w, start)
    return {"kind": kind, "slopes": slopes.tolist(), "intercepts": intercepts.tolist()}


def _fit_linear(kind: str, lp: Array, y: Array, w: Array, start: Calibrator | None = None) -> tuple[Array, Array]:
    """Return the slopes s and intercepts b, (C,) each, with the lowest log loss.

    The log-probabilities are log softmax(s * log p + b). Newton's method finds theta in
    (s, b) = origin + basis @ theta. A step that raises the loss is halved. Slopes are 0 or more.
    """
    c = lp.shape[1]
    origin, basis, theta = _coordinates_of_kind(kind, lp, y, w)
    if start is not None:
        slopes, levels = np.array(start["slopes"]), np.array(start["intercepts"])
        levels = np.diff(levels) if c == 2 else levels
        parts = {"temperature": [slopes[:1]], "platt": [slopes[:1], levels], "vector": [slopes, levels]}
        theta = np.concatenate(parts[kind])
    while True:
        theta = _minimum(lp, y, w, origin, basis, theta)
        full = origin + basis @ theta
        # A slope below 0 would reverse the ranking, which only noise can cause. It is 0, and the others are fitted
        # again: with the intercepts of a slope below 0, the mean probability would not be the share of the class.
        reversed_slopes = (basis[:c] != 0).any(axis=0) & (theta < 0)
        if not reversed_slopes.any():
            return np.maximum(full[:c], 0.0), full[c:]
        basis, theta = basis[:, ~reversed_slopes], theta[~reversed_slopes]


def _minimum(lp: Array, y: Array, w: Array, origin: Array, basis: Array, theta: Array) -> Array:
    """Return the coefficients (P,) with the lowest penalized log loss, by Newton's method from `theta`."""
    if not len(theta):
        return theta
    # `at` returns the penalized log loss at theta, with its derivatives.
    at = (_objective_of_two_classes if lp.shape[1] == 2 else _objective_of_classes)(lp, y, w, origin, basis)
    value, gradient, hessian = at(theta)
    # At most 50 steps; the test below usually ends the search earlier.
    for _ in range(50):
        step = -np.linalg.lstsq(hessian, gradient, rcond=1e-13)[0]
        # The step's guaranteed fall in nats over all rows: a millionth is far below the noise of one row.
        if -(gradient @ step) < 1e-6:
            break
        new = at(theta + step)
        while new[0] > value and np.max(np.abs(step)) > 1e-10:
            step = step / 2.0
            new = at(theta + step)
        theta = theta + step
        value, gradient, hessian = new
    return theta


def _coordinates_of_kind(kind: str, lp: Array, y: Array, w: Array) -> tuple[Array, Array, Array]:
    """Return what one kind may vary: origin (2C,), basis (2C, P) and start theta (P,).

    Slopes and intercepts are origin + basis @ theta. At the start, calibration changes nothing.
    """
    c = lp.shape[1]
    if kind == "temperature":
        anchor = np.log(np.maximum(np.bincount(y, weights=w, minlength=c), 0.5) / w.sum())
        return np.append(np.zeros(c), anchor), np.append(np.ones(c), -anchor)[:, None], np.ones(1)
    # Of two intercepts only the difference counts.
    levels = np.array([[-0.5], [0.5]]) if c == 2 else np.eye(c)
    slopes = np.ones((c, 1)) if kind == "platt" else np.eye(c)
    basis = np.zeros((2 * c, slopes.shape[1] + levels.shape[1]))
    basis[:c, : slopes.shape[1]] = slopes
    basis[c:, slopes.shape[1] :] = levels
    return np.zeros(2 * c), basis, np.append(np.ones(slopes.shape[1]), np.zeros(levels.shape[1]))


def _objective_of_classes(lp: Array, y: Array, w: Array, origin: Array, basis: Array) -> Objective:
    """Return the penalized log loss as a function of theta (see `Objective`), for any number of classes.

    With one coefficient (temperature), the derivatives are computed along its line, without a (2C, 2C) matrix.
    """
    c, rows, onehot = lp.shape[1], np.arange(len(y)), np.eye(lp.shape[1])[y]
    pull, flat = _slope_penalty(c, basis)

    def at(theta: Array) -> tuple[float, Array, Array]:
        """Return value, gradient (P,) and Hessian (P, P) at theta."""
        full = origin + basis @ theta
        z = log_softmax(full[:c] * lp + full[c:])
        value = -float(w @ z[rows, y])
        p = np.exp(z)
        if basis.shape[1] > 1:
            gradient, hessian = _slope_and_curvature(lp, onehot, w, p)
            gradient, hessian = basis.T @ gradient, basis.T @ hessian @ basis
        else:
            way = basis[:c, 0] * lp + basis[c:, 0]
            mean = np.sum(p * way, axis=1)
            gradient = np.array([w @ (mean - np.sum(onehot * way, axis=1))])
            hessian = np.array([[w @ (np.sum(p * way**2, axis=1) - mean**2)]])
        away = full[:c] - 1.0
        return value + 0.5 * RIDGE * float(away @ away), gradient + pull @ away, hessian + flat

    return at


def _objective_of_two_classes(lp: Array, y: Array, w: Array, origin: Array, basis: Array) -> Objective:
    """Return the same objective as `_objective_of_classes` for two classes, in a tenth of the time.

    It is a logistic regression on the log-odds. A test compares both.
    """
    # No products of matrices: on arrays this small, what starts several threads waits for them longer than it computes.
    sign = np.where(y == 1, 1.0, -1.0)
    parts = np.stack([-lp[:, 0], lp[:, 1], np.full(len(lp), -1.0), np.ones(len(lp))]) * sign
    ways, offset = np.einsum("kp,kn->pn", basis, parts), np.einsum("k,kn->n", origin, parts)
    pull, flat = _slope_penalty(2, basis)

    def at(theta: Array) -> tuple[float, Array, Array]:
        """Return value, gradient (P,) and Hessian (P, P) at theta."""
        margin = np.einsum("p,pn->n", theta, ways) + offset  # log-odds of the true class
        small = np.exp(-np.abs(margin))
        miss = np.exp(np.minimum(-margin, 0.0)) / (1.0 + small)  # probability of the other class
        value = float(np.einsum("n,n->", w, np.log1p(small) - np.minimum(margin, 0.0)))
        away, missed = (origin + basis @ theta)[:2] - 1.0, w * miss
        gradient = pull @ away - np.einsum("pn,n->p", ways, missed)
        hessian = np.einsum("pn,qn->pq", ways * (missed * (1.0 - miss)), ways) + flat
        return value + 0.5 * RIDGE * float(away @ away), gradient, hessian

    return at


def _slope_penalty(c: int, basis: Array) -> tuple[Array, Array]:
    """Return the two matrices of the penalty that pulls slopes towards 1.

    The first (P, C), times (slopes - 1), is added to the gradient. The second (P, P) is added to the Hessian.
    """
    slopes, intercepts = basis[:c], basis[c:]
    # The tiny penalty of the intercepts keeps the Hessian invertible, since a common constant changes nothing.
    return RIDGE * slopes.T, RIDGE * slopes.T @ slopes + 1e-9 * intercepts.T @ intercepts


def _slope_and_curvature(lp: Array, onehot: Array, w: Array, p: Array) -> tuple[Array, Array]:
    """Return the gradient (2C,) and Hessian (2C, 2C) of the weighted log loss.

    The slopes come first, then the intercepts. `p` are the calibrated probabilities (N, C), `onehot` the labels (N, C).
    """
    miss = (p - onehot) * w[:, None]
    gradient = np.append(np.sum(miss * lp, axis=0), miss.sum(axis=0))
    both = np.concatenate([p * lp, p], axis=1)
    hessian = -both.T @ (both * w[:, None])
    s2, s1, s0 = ((p * lp**k * w[:, None]).sum(axis=0) for k in (2, 1, 0))
    hessian += np.block([[np.diag(s2), np.diag(s1)], [np.diag(s1), np.diag(s0)]])
    return gradient, hessian


def _fit_isotonic(lp: Array, y: Array, w: Array) -> dict[str, Any]:
    """Fit one monotone curve per class against all others.

    With two classes, only class 1 has a curve.
    """
    classes = [1] if lp.shape[1] == 2 else list(range(lp.shape[1]))
    odds = _class_log_odds(lp)
    curves = [_fit_monotone_curve(odds[:, c], (y == c).astype(np.float64), w) for c in classes]
    return {"kind": "isotonic", "x": [x.tolist() for x, _ in curves], "y": [v.tolist() for _, v in curves]}


def _fit_monotone_curve(x: Array, hit: Array, w: Array) -> tuple[Array, Array]:
    """Return the knots of the monotone curve from logit to logit, two float arrays.

    `x` are logits (N,), `hit` is 1.0 for rows of the class and 0.0 for others, `w` are weights.

    Each block of equal level is pulled to the overall share as by one row, which keeps logits finite.
    """
    from sklearn.isotonic import isotonic_regression

    distinct, index = np.unique(x, return_inverse=True)
    weight = np.bincount(index, weights=w)
    kept = weight > 0
    distinct, weight = distinct[kept], weight[kept]
    sums = np.bincount(index, weights=w * hit)[kept]
    level = isotonic_regression(sums / weight, sample_weight=weight)
    first = np.append(0, np.flatnonzero(np.diff(level)) + 1)
    last = np.append(first[1:] - 1, len(level) - 1)
    share = sums.sum() / weight.sum()
    share = np.clip(share, 1e-9, 1.0 - 1e-9)
    block = (np.add.reduceat(sums, first) + share) / (np.add.reduceat(weight, first) + 1.0)
    # The pull may break the order of blocks, so it is restored.
    block = np.maximum.accumulate(block)
    ends = np.unique(np.append(first, last))
    value = block[np.searchsorted(first, ends, side="right") - 1]
    return distinct[ends], np.log(value) - np.log1p(-value)


def _class_log_odds(log_p: Array) -> Array:
    """Return the log-odds log p - log(1 - p) of each class, (N, C).

    1 - p is the sum of the other classes, so that p near 1 keeps its digits.
    """
    if log_p.shape[1] == 2:
        return log_p - log_p[:, ::-1]
    out = np.empty_like(log_p)
    for c in range(log_p.shape[1]):
        out[:, c] = log_p[:, c] - np.logaddexp.reduce(np.delete(log_p, c, axis=1), axis=1)
    return out


def apply_calibrator(calibrator: Calibrator | None, log_p: Array) -> Array:
    """Return calibrated log-probabilities float64 (N, C).

    Without a calibrator (None), they do not change.

    Example:
        >>> halve = {"kind": "platt", "slopes": [0.5, 0.5], "intercepts": [0.0, 0.0]}
        >>> np.exp(apply_calibrator(halve, np.log([[0.2, 0.8]]))).round(4).tolist()
        [[0.3333, 0.6667]]
    """
    if calibrator is not None and calibrator["kind"] not in NEEDED:
        raise OptionError(f"The calibrator has the kind {calibrator['kind']!r}. Expected one of {', '.join(NEEDED)}.")
    return calibrated(calibrator, class_scores(log_p))


def calibrated(calibrator: Calibrator | None, lp: Array) -> Array:
    """Return calibrated log-probabilities (N, C) of checked ones; None returns them unchanged.

    `layer` repeats this in Keras.
    """
    if calibrator is None:
        return lp
    lp = np.maximum(lp, LOWEST)
    out = _apply_isotonic(calibrator, lp) if calibrator["kind"] == "isotonic" else _apply_linear(calibrator, lp)
    return log_softmax(out + np.asarray(calibrator["after"])) if "after" in calibrator else out


def _apply_linear(calibrator: Calibrator, lp: Array) -> Array:
    """Return the calibrated log-probabilities of a temperature, platt or vector calibrator."""
    return log_softmax(np.asarray(calibrator["slopes"]) * lp + np.asarray(calibrator["intercepts"]))


def _apply_isotonic(calibrator: Calibrator, lp: Array) -> Array:
    """Return the calibrated log-probabilities of an isotonic calibrator."""
    logit = _class_log_odds(lp)
    if lp.shape[1] == 2:
        z = np.interp(logit[:, 1], calibrator["x"][0], calibrator["y"][0])
        return -softplus(np.stack([z, -z], axis=1))
    curves = zip(calibrator["x"], calibrator["y"], strict=True)
    z = np.stack([np.interp(logit[:, c], x, v) for c, (x, v) in enumerate(curves)], axis=1)
    return log_softmax(-softplus(-z))
