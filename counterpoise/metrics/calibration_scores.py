"""The calibration of probabilities: slope, intercept, and calibration errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, softmax

from counterpoise.core.logits import softplus
from counterpoise.core.newton import newton_step
from counterpoise.metrics.arrays import Array, checked_rows, one_class
from counterpoise.metrics.bins import Bins, binned
from counterpoise.metrics.proba_scores import log_proba

NAN = float("nan")


def calibration_slope(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the calibration slope: a logistic regression of the labels on the log-odds.

    1 is best. Below 1, the model is overconfident.

    Two classes: maximum likelihood of logit P(y) = a + b logit(p); the result is b (Cox, Biometrika 45, 1958; Van
    Calster et al., J. Clinical Epidemiology 74, 2016). More classes: P(y = c) is proportional to exp(b log p_c),
    without an intercept; b is the inverse of a temperature. There is no penalty. Probabilities of 0 and 1 are replaced
    by probabilities 2.2e-16 away.

    Returns:
        nan if no finite slope exists: one class only, constant probabilities, or classes that the probabilities
        separate without error.

    Example:
        >>> y = np.array([0, 0, 0, 1, 0, 1, 1, 1])
        >>> p = np.where(np.arange(8) < 4, 0.25, 0.75)
        >>> round(calibration_slope(y, np.stack([1 - p, p], axis=1)), 6)
        1.0
    """
    y, p, w = checked_rows(y, proba, sample_weight, positive)
    return slope_of_log_proba(y[w > 0], log_proba(p[w > 0]), w[w > 0], positive)


def slope_of_log_proba(y: Array, log_p: Array, w: Array, positive: int) -> float:
    """Compute `calibration_slope` of checked codes (N,), log-probabilities (N, C) and weights (N,) above 0."""
    if log_p.shape[1] == 2:
        return _logistic_slope(log_p[:, positive] - log_p[:, 1 - positive], y == positive, w)
    return _power_slope(log_p - log_p.mean(axis=1, keepdims=True), y, w)


def _logistic_slope(x: Array, target: Array, w: Array) -> float:
    """Return the slope of a logistic regression of `target`, bool (N,), on log-odds `x` (N,).

    `w` (N,) are weights above 0. nan if no finite slope exists: one class only, or classes that `x` separates.
    """
    if target.all() or not target.any():
        return NAN
    # In one dimension the maximum exists exactly when the two sides overlap in both directions.
    if x[~target].max() <= x[target].min() or x[target].max() <= x[~target].min():
        return NAN
    center = np.average(x, weights=w)
    spread = float(np.sqrt(np.average((x - center) ** 2, weights=w)))
    # Standardized log-odds make the steps well-conditioned; the slope is scaled back.
    return _newton_slope(np.stack([np.ones_like(x), (x - center) / spread], axis=1), target, w) / spread


def _newton_slope(design: Array, target: Array, w: Array) -> float:
    """Return the last coefficient of a logistic regression by Newton's method, or nan.

    `design` (N, 2) has a column of ones and the log-odds. A step is halved until the likelihood does not fall. nan if
    the curvature is degenerate, or after 200 steps.
    """
    share = np.average(target, weights=w)
    beta = np.array([np.log(share / (1 - share)), 0.0])
    eta = design @ beta
    value = _log_likelihood(eta, target, w)
    for _ in range(200):
        mean = expit(eta)
        gradient = design.T @ (w * (target - mean))
        hessian = design.T @ (design * (w * mean * (1 - mean))[:, None])
        if np.linalg.cond(hessian) > 1e14:
            return NAN
        step = np.linalg.solve(hessian, gradient)
        if np.abs(step).max() < 1e-9 * (1 + np.abs(beta).max()):
            return float(beta[-1] + step[-1])
        for _ in range(50):
            eta = design @ (beta + step)
            new = _log_likelihood(eta, target, w)
            if new >= value - 1e-12 * abs(value):
                break
            step = step / 2
        beta, value = beta + step, new
    return NAN


def _log_likelihood(eta: Array, target: Array, w: Array) -> float:
    """Return the log-likelihood of `target`, bool (N,), at log-odds `eta` (N,) with weights `w`."""
    return float(w @ (target * eta - softplus(eta)))


def _power_slope(log_p: Array, y: Array, w: Array) -> float:
    """Return b for which P(y = c) proportional to exp(b log p_c) is most likely, or nan.

    `log_p` (N, C) may be shifted by a constant in each row. b is the root of the derivative of the likelihood, which
    falls monotonically. nan if the label is the most (or the least) probable class in all rows: b has no limit then.
    """
    own = log_p[np.arange(len(y)), y]
    if (own >= log_p.max(axis=1)).all() or (own <= log_p.min(axis=1)).all():
        return NAN

    def slope(b: float) -> float:
        """Return the derivative of the log-likelihood at `b`."""
        return float(w @ (own - (softmax(b * log_p, axis=1) * log_p).sum(axis=1)))

    # Double the ends until the root lies between them.
    low, high = -1.0, 2.0
    while slope(low) < 0 and low > -1e6:
        low *= 2
    while slope(high) > 0 and high < 1e6:
        high *= 2
    return brentq(slope, low, high, xtol=1e-10) if slope(low) * slope(high) < 0 else NAN


def calibration_intercept(y: Any, proba: Any, *, positive: int = 1, sample_weight: Any = None) -> float:
    """Compute the log-odds to add so that the mean probability is right.

    Two classes: the number a for which the mean of sigmoid(logit(p) + a) equals the share of positives (with a slope of
    1). 0 is best; above 0, the probabilities are too low. More classes: numbers a_c, with mean 0 over the classes
    present, are added to log p_c. The result is their root mean square, 0 or more. nan if only one class is present.

    Example:
        >>> p = np.full(4, 0.5)
        >>> round(calibration_intercept([1, 1, 1, 0], np.stack([1 - p, p], axis=1)), 4)  # log 3
        1.0986
    """
    y, p, w = checked_rows(y, proba, sample_weight, positive)
    return intercept_of_log_proba(y[w > 0], log_proba(p[w > 0]), w[w > 0], positive)


def intercept_of_log_proba(y: Array, log_p: Array, w: Array, positive: int) -> float:
    """Compute `calibration_intercept` of checked codes (N,), log-probabilities (N, C) and weights (N,) above 0."""
    present = np.flatnonzero(np.bincount(y))
    if len(present) < 2:
        return NAN
    if log_p.shape[1] > 2:
        offsets = _fit_offsets(log_p[:, present], np.bincount(y, weights=w)[present], w)
        return float(np.sqrt(np.mean((offsets - offsets.mean()) ** 2)))
    z, total = log_p[:, positive] - log_p[:, 1 - positive], w.sum()
    share = np.average(y == positive, weights=w)
    # Log-odds lie within +-36.1, hence the root within +-36.1 of the logit of the share.
    bound = 40.0 + abs(np.log(share / (1 - share)))
    return float(brentq(lambda a: np.multiply(expit(z + a), w).sum() / total - share, -bound, bound, xtol=1e-10))


def _fit_offsets(log_p: Array, counts: Array, w: Array) -> Array:
    """Return offsets a (C,) with sum over rows of softmax(log_p + a) = counts, or nan.

    `log_p` is (N, C), and `counts` (C,) are weighted numbers of labels. A Newton step that is too long is replaced by
    scaling. nan if the sums still differ after 200 steps.
    """
    a = np.zeros(log_p.shape[1])
    gap = np.inf
    for _ in range(200):
        p = softmax(log_p + a, axis=1)
        total = w @ p
        gap = float(np.abs(total - counts).max() / w.sum())
        if gap < 1e-10:
            break
        newton = newton_step(np.diag(total) - p.T @ (p * w[:, None]), counts - total)
        scaling = np.log(counts / np.maximum(total, 1e-300))
        a = a + (newton if np.abs(newton).max() < 1.0 else scaling.clip(-5, 5))
    return a if gap < 1e-6 else np.full_like(a, NAN)


def ece(
    y: Any, proba: Any, *, bins: int = 10, positive: int = 1, sample_weight: Any = None, relative: bool = False
) -> float:
    """Compute the expected calibration error in bins.

    It is the sum over bins of share_b |mean probability_b - observed share_b|.

    Two classes: the bins contain equal numbers of *positives*, at least one each (at most `bins` bins). With rare
    positives, most bins of equal width or with equal numbers of rows would contain no positive and give no information.
    More classes: the largest probability is compared with whether its class is right, in bins with equal numbers of
    rows (Guo et al., ICML 2017). Equal probabilities are never split between bins. Without positives, there is one bin.

    Args:
        relative: For two classes: divide the error by the share of positives pi. A value of 0.1 is then an error of a
            tenth of pi (nan without positives).

    Example:
        >>> ece([0, 0, 0, 1], [[.75, .25]] * 4), ece([0, 0, 0, 1], [[.5, .5]] * 4, relative=True)
        (0.0, 1.0)
    """
    y, p, w = checked_rows(y, proba, sample_weight, positive)
    error = ece_of_rows(y, p, w, positive, bins)
    if not relative or p.shape[1] > 2:
        return error
    share = float(np.average(y == positive, weights=w))
    return error / share if share > 0 else NAN


def ece_of_rows(y: Array, p: Array, w: Array, positive: int, bins: int = 10) -> float:
    """Compute `ece` of checked codes (N,), probabilities (N, C) and weights (N,)."""
    if p.shape[1] > 2:
        return top_label_ece(p.argmax(axis=1) == y, p.max(axis=1), w, bins)
    return _mean_bin_gap(binned(y == positive, p[:, positive], w, bins))


def top_label_ece(right: Array, top: Array, sample_weight: Array, bins: int = 10) -> float:
    """Compute the ECE of the most probable class, for more than two classes.

    `right` tells whether this class is the label, bool (N,), and `top` is its probability, float (N,).
    """
    return _mean_bin_gap(binned(right, top, sample_weight, bins, by="rows"))


def _mean_bin_gap(b: Bins) -> float:
    """Return the mean distance of predicted and observed shares, weighted by bins."""
    return float(b.weight @ np.abs(b.mean_proba - b.observed) / b.weight.sum())


def debiased_calibration_error(y: Any, proba: Any, *, bins: int = 10, positive: int = 1, by: str = "rows") -> float:
    """Compute the L2 calibration error of one class, without the sampling noise of the bins.

    sqrt(max(0, sum share_b [(p_b - o_b)^2 - o_b (1 - o_b) / (n_b - 1)])), p_b mean probability and o_b observed share
    of bin b with n_b rows (Kumar, Liang & Ma, NeurIPS 2019, section 4.1). Without this correction, the error of a
    perfect forecast grows with the number of bins; with it, the error stays near 0. A bin of one row has no noise
    estimate and is not corrected.

    Args:
        by: Bins with equal numbers of "rows" (as in the paper) or of "positives".

    Example:
        >>> debiased_calibration_error([0, 1, 0, 1], [[.5, .5]] * 4)
        0.0
    """
    target, score, weight = one_class(y, proba, None, positive)
    b = binned(target, score, weight, bins, by=by)
    noise = b.observed * (1 - b.observed) / np.maximum(b.weight - 1, 1.0)
    square = b.weight @ ((b.mean_proba - b.observed) ** 2 - noise) / b.weight.sum()
    return float(np.sqrt(max(0.0, square)))
