"""The residual intercept: check whether corrected probabilities agree with the class proportions, class by class.

Subtracting the whole prior shift is exact for a model that fully minimizes its loss. A model that was stopped early, or
that memorized its rows, may need a smaller correction. Rows that were not used for training show this.

`rule` fits it after pooling and before the calibrator; the intercept and the notes are saved with the rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.newton import newton_step
from counterpoise.decide.prior import log_softmax
from counterpoise.decide.shapes import class_scores, codes

Array = np.ndarray

#: Standard errors between mean probability and observed share from which an intercept is fitted.
LIMIT = 2.0
#: Classes that a note lists.
SHOWN = 5
#: What one number more of log-odds is for the two classes, so that their sum is 0.
HALVES = np.array([-0.5, 0.5])


@dataclass(frozen=True)
class InterceptCheck:
    """The compared means and shares, and the result.

    Attributes:
        mean: float64 (C,), mean corrected probability.
        share: float64 (C,), observed share.
        error: float64 (C,), standard error of their difference if the probabilities are calibrated.
        intercept: float64 (C,), to be added to log p, with the sum 0 over the classes seen. None if all classes agree.
        notes: The same in words.

    Example:
        >>> labels = (np.arange(400) % 10 == 0).astype(int)
        >>> check = intercept_check(np.log(np.full((400, 2), 0.5)), labels, np.ones(400))
        >>> check.mean.tolist(), check.share.tolist(), check.error.round(3).tolist()
        ([0.5, 0.5], [0.9, 0.1], [0.025, 0.025])
    """

    mean: Array
    share: Array
    error: Array
    intercept: Array | None
    notes: tuple[str, ...]


def intercept_check(lp: Array, labels: Array, w: Array) -> InterceptCheck:
    """Compare mean probability and share per class, and fit an intercept if they differ.

    If the probabilities are calibrated, share_c - mean_c has variance sum_i w_i^2 p_ic (1 - p_ic) / (sum w)^2. If a
    class differs by more than 2 standard errors, the intercept b is fitted by maximum likelihood on log softmax(log p +
    b).

    Args:
        lp: float64 (N, C), corrected and pooled, checked, of rows that were not used for training.
        labels: int (N,), class codes.
        w: float64 (N,), weights of the rows.

    Example:
        >>> p = np.full((400, 2), 0.5)
        >>> check = intercept_check(np.log(p), (np.arange(400) % 10 == 0).astype(int), np.ones(400))
        >>> np.round(np.exp(log_softmax(np.log([0.5, 0.5]) + check.intercept)), 6).tolist()
        [0.9, 0.1]
    """
    p, total = np.exp(lp), w.sum()
    mean, share = np.einsum("n,nc->c", w, p) / total, np.bincount(labels, weights=w, minlength=lp.shape[1]) / total
    error = np.sqrt(np.einsum("n,nc->c", w**2, p * (1.0 - p))) / total
    off = np.abs(share - mean) > LIMIT * error + 1e-12
    fitted = fitted_intercept(lp, labels, w) if off.any() and np.count_nonzero(share) > 1 else None
    return InterceptCheck(mean, share, error, fitted, _notes_on_means(mean, share, error, off, fitted))


def fit_intercept(log_p: Array, y: Array, sample_weight: Array | None = None) -> Array:
    """Fit one number per class by maximum likelihood: log softmax(log p + b), sum of b = 0.

    At the optimum the mean probability of each class equals its observed share. A class without rows does not change (b
    = 0), because its best b would be minus infinity.

    Returns:
        float64 (C,).

    Example:
        >>> b = fit_intercept(np.log(np.full((10, 2), 0.5)), np.array([0] * 8 + [1] * 2))
        >>> np.exp(log_softmax(b)).round(6).tolist()
        [0.8, 0.2]
    """
    lp = class_scores(log_p)
    return fitted_intercept(lp, codes(y, *lp.shape), row_weights(sample_weight, len(lp)))


def fitted_intercept(lp: Array, labels: Array, w: Array) -> Array:
    """Fit the intercept, float64 (C,), on checked arrays (see `fit_intercept`)."""
    wanted = np.bincount(labels, weights=w, minlength=lp.shape[1])
    seen = np.flatnonzero(wanted > 0)
    out = np.zeros(lp.shape[1])
    # -700: near the least log-probability whose exponential is not 0 in float64.
    if lp.shape[1] == 2 and len(seen) == 2:
        out[:] = _odds_shift(np.maximum(lp[:, 1], -700.0) - np.maximum(lp[:, 0], -700.0), float(wanted[1]), w) * HALVES
    elif len(seen) > 1:
        out[seen] = _class_intercepts(np.maximum(lp[:, seen], -700.0), wanted[seen], w)
    return out


def _odds_shift(log_odds: Array, wanted: float, w: Array) -> float:
    """Return what to add to log-odds (N,) of two classes so that sum_i w_i p_i is `wanted`.

    This is `_class_intercepts` for two classes (a test compares both): Newton's steps, within the bounds that the
    signs so far give.
    """
    total, added = w.sum(), 0.0
    low, high = -np.inf, np.inf
    for _ in range(100):
        margin = log_odds + added
        small = np.exp(-np.abs(margin))
        p = np.where(margin >= 0.0, 1.0, small) / (1.0 + small)
        gap = wanted - float(np.sum(w * p))
        if abs(gap) <= 1e-10 * total:
            break
        low, high = (added, high) if gap > 0.0 else (low, added)
        curvature = float(np.sum(w * p * (1.0 - p)))
        # Where every probability is near 0 or 1 the curvature vanishes: 10 nats at most.
        step = float(np.clip(gap / max(curvature, 1e-300), -10.0, 10.0))
        added = added + step if low < added + step < high else (low + high) / 2.0
    return added


def _class_intercepts(lp: Array, wanted: Array, w: Array) -> Array:
    """Return the intercepts b, float64 (C,), that maximize the log-likelihood; their mean is 0.

    The log-likelihood is sum_c n_c b_c - sum_i w_i log Z_i, with n_c = `wanted` and Z_i = sum_c exp(lp_ic + b_c).
    Newton's steps are halved until it does not fall.
    """
    b = np.zeros(lp.shape[1])
    value = _log_likelihood(lp, wanted, w, b)
    for _ in range(100):
        p = np.exp(log_softmax(lp + b))
        weighted = p * w[:, None]
        gradient = wanted - weighted.sum(axis=0)
        if np.max(np.abs(gradient)) <= 1e-10 * w.sum():
            break
        hessian = np.diag(weighted.sum(axis=0)) - weighted.T @ p
        step = _bounded_step(newton_step(hessian, gradient, 1e-14))
        while (new := _log_likelihood(lp, wanted, w, b + step)) < value and np.max(np.abs(step)) > 1e-12:
            step = step / 2.0
        b, value = b + step - np.mean(b + step), new
    return b


def _bounded_step(step: Array) -> Array:
    """Return a step with mean 0 and at most 5 nats in size.

    Where every probability is near 0 or 1, the curvature vanishes and a step would be too long.
    """
    step = step - step.mean()
    return step * min(1.0, 5.0 / max(float(np.max(np.abs(step))), 1e-300))


def _log_likelihood(lp: Array, wanted: Array, w: Array, b: Array) -> float:
    """Return the log-likelihood of `_class_intercepts`, computed so that nothing overflows."""
    z = lp + b
    top = z.max(axis=1)
    return float(wanted @ b - w @ (top + np.log(np.sum(np.exp(z - top[:, None]), axis=1))))


def _notes_on_means(mean: Array, share: Array, error: Array, off: Array, fitted: Array | None) -> tuple[str, ...]:
    """Return the `InterceptCheck.notes` on the compared means, and on the intercept if one was fitted.

    `off`, bool (C,), marks the classes that differ from their share. Without an intercept, `fitted` is None.
    """
    lead = "After the prior-shift correction, the mean probability"
    if not off.any():
        worst = int(np.argmax(np.abs(share - mean) / np.maximum(error, 1e-300)))
        return (
            f"{lead} of every class agrees with its observed share within {LIMIT:g} standard errors (largest "
            f"difference: class {worst}, {_means_text(mean, share, error, worst)}). No intercept was added.",
        )
    listed = np.flatnonzero(off)
    pairs = "; ".join(f"class {c}: {_means_text(mean, share, error, c)}" for c in listed[:SHOWN])
    more = f"; and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    first = f"{lead} differs from the observed share for {pairs}{more}."
    if fitted is None:
        return (first, "No intercept was fitted, because all rows have the same class.")
    added = ", ".join(f"{v:+.3f} for class {c}" for c, v in enumerate(fitted[:SHOWN]))
    fit = f"An intercept was fitted by maximum likelihood and added to the log probabilities: {added}"
    return (first, fit + _left_out_text(fitted) + ".")


def _left_out_text(fitted: Array) -> str:
    """Return how many classes a note leaves out as text; "" if none."""
    return f", and {len(fitted) - SHOWN} more" if len(fitted) > SHOWN else ""


def _means_text(mean: Array, share: Array, error: Array, c: int) -> str:
    """Return how far the mean probability of class `c` is from its share, as text for a note."""
    return f"mean {mean[c]:.4g}, observed {share[c]:.4g}, standard error {error[c]:.2g}"
