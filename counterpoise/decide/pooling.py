"""Combine the probabilities of several members: soft, log and hard votes, and learned weights with the sum 1.

`layer.RuleLayer` pools and votes in the same way in Keras. `shares` estimates class proportions by `mixture_weights`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.decide.prior import log_softmax
from counterpoise.decide.shapes import member_shares, members, simplex

Array = np.ndarray

#: The names are saved in rules.
VOTES = ("soft", "log", "hard", "weighted", "greedy")


def pool(log_p_members: Sequence[Array], vote: str = "soft", weights: Array | None = None) -> Array:
    """Pool the members' corrected log-probabilities.

    "soft", "weighted", "greedy", "hard": log sum_m w_m p_m (a hard vote changes only decisions, see `hard_vote`).
    "log": sum_m w_m log p_m, normalized: the mean of the corrected logits.

    Args:
        log_p_members: M arrays float (N, C), each with its training shift removed.
        vote: One of `VOTES`.
        weights: float (M,), not negative; divided by their sum. None means equal.

    Returns:
        float64 (N, C) log-probabilities.

    Example:
        >>> a, b = np.log([[0.8, 0.2]]), np.log([[0.4, 0.6]])
        >>> np.exp(pool([a, b])).round(3).tolist()
        [[0.6, 0.4]]
        >>> np.exp(pool([a, b], "log")).round(3).tolist()
        [[0.62, 0.38]]
    """
    check_vote(vote)
    return pooled(members(log_p_members), vote, simplex(weights, len(log_p_members)))


def check_vote(vote: str) -> None:
    """Raise unless `vote` is one of `VOTES`."""
    if vote not in VOTES:
        raise OptionError(f"vote is {vote!r}." + did_you_mean(vote, VOTES))


def pooled(lps: Sequence[Array], vote: str, weights: Array | None) -> Array:
    """Return members pooled as `pool` does, without checking the arguments again.

    The result is float64 (N, C), log-probabilities whose exponentials sum to 1 in each row.
    """
    w = member_shares(weights, len(lps))
    if len(lps) == 1:
        return log_softmax(lps[0])
    if vote == "log":
        return log_softmax(_checked_possible(sum(wm * lp for wm, lp in zip(w, lps, strict=True) if wm > 0)))
    return log_softmax(np.logaddexp.reduce([lp + np.log(wm) for wm, lp in zip(w, lps, strict=True) if wm > 0]))


def _checked_possible(log_p: Array) -> Array:
    """Return `log_p` (N, C) unchanged after checking that each row has a possible class.

    If all classes of a row have the probability 0, raise an `OptionError`.
    """
    bad = np.flatnonzero(np.isneginf(log_p).all(axis=1))
    if len(bad):
        raise OptionError(
            f"In row {bad[0] + 1}, each class gets the probability 0 from at least one member. vote='log' then gives "
            "no probability. Use vote='soft'."
        )
    return log_p


def hard_vote(choices: Array, weights: Array | None, soft: Array, n_classes: int) -> Array:
    """Count the votes of the members.

    A tie is decided by the soft mean, if its decision is among the tied classes.

    Args:
        choices: int (M, N), the class each member votes for at its own threshold.
        weights: float (M,), not negative and not all 0, or None for equal votes.
        soft: int (N,), the decision of the soft mean.
        n_classes: C.

    Returns:
        int32 (N,).

    Example:
        >>> hard_vote(np.array([[0, 1], [1, 1]]), None, np.array([1, 0]), 2).tolist()
        [1, 1]
    """
    choices = np.asarray(choices)
    w = member_shares(weights, len(choices))
    rows = np.arange(choices.shape[1])
    votes = np.zeros((choices.shape[1], n_classes))
    for wm, choice in zip(w, choices, strict=True):
        votes[rows, choice] += wm
    # 1e-9: equal sums of weights in another order may differ in the last digit, and are a tie.
    tied = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    return np.where(tied[rows, soft], soft, np.argmax(tied, axis=1)).astype(np.int32)


def learned_weights(lps: Sequence[Array], labels: Array, w: Array, tolerance: float = 1e-10) -> Array:
    """Find weights (0 or more, with the sum 1) that minimize the log loss of the soft mean.

    minimize -mean_i log sum_m w_m p_m(y_i | x_i). Convex; solved by sequential quadratic programming on
    the equivalent problem over w >= 0 with the penalty sum(w), until the duality gap is below `tolerance`.

    Args:
        lps: Log-probabilities of M members, float (N, C), out of fold.
        labels: int (N,), class codes.
        w: float (N,), weights of the rows.
        tolerance: Largest distance (nats per row) to the best log loss.

    Returns:
        float64 (M,), not negative, sum 1. Members that agree everywhere share their weight equally.

    Example:
        >>> good, bad = np.log([[0.9, 0.1], [0.1, 0.9]]), np.log([[0.5, 0.5], [0.5, 0.5]])
        >>> learned_weights([good, bad], np.array([0, 1]), np.ones(2)).round(6).tolist()
        [1.0, 0.0]

    Source: Kim, Carbonetto, Stephens and Anitescu (2020), "A fast algorithm for maximum likelihood
    estimation of mixture proportions using sequential quadratic programming", section 3.
    """
    return mixture_weights(*_label_likelihoods(lps, labels, w / w.sum()), tolerance=tolerance)


def shrunk_weights(weights: Array, y: Array) -> Array:
    """Move learned weights towards equal weights if the rarest class has few rows.

    w = s w_learned + (1 - s) / M, s = n / (n + 50) for n rows of the rarest class of `y`; s = 0 below 30.

    Example:
        >>> shrunk_weights(np.array([1.0, 0.0]), np.repeat([0, 1], [500, 50])).tolist()
        [0.75, 0.25]
    """
    rarest = np.unique(y, return_counts=True)[1].min(initial=len(y))
    trust = rarest / (rarest + 50.0) if rarest >= 30 else 0.0
    return trust * weights + (1.0 - trust) / len(weights)


def mixture_weights(likelihood: Array, share: Array, *, start: Array | None = None, tolerance: float = 1e-10) -> Array:
    """Maximize sum_i share_i log sum_m w_m likelihood_im over the simplex.

    Args:
        likelihood: float (N, M), not negative, no row all 0. share: float (N,), sum 1.
        start: float (M,), where the search begins; None means equal weights.
        tolerance: As in `learned_weights`.

    Returns:
        float64 (M,), not negative, sum 1. After 200 steps the search ends even if `tolerance` is not reached.
    """
    m = likelihood.shape[1]
    w = np.full(m, 1.0 / m) if start is None else np.maximum(start, 1e-6) / np.maximum(start, 1e-6).sum()
    for _ in range(200 if len(share) else 0):
        ratio = likelihood / (likelihood @ w)[:, None]
        gradient = 1.0 - share @ ratio
        if -gradient.min() <= tolerance:  # the duality gap
            break
        w = _line_search(likelihood, share, w, _newton_target(ratio, share, w, gradient), gradient)
    return w / w.sum()


def _label_likelihoods(lps: Sequence[Array], labels: Array, share: Array) -> tuple[Array, Array]:
    """Return the likelihood p_m(y_i), float (n, M), and the shares (n,) of its rows, with the sum 1.

    Each row is divided by its largest entry, which does not change the best weights. Rows without a share, and rows
    whose label has probability 0 in every member, are left out.
    """
    log_l = np.stack([lp[np.arange(len(labels)), labels] for lp in lps], axis=1)
    best = log_l.max(axis=1)
    kept = np.isfinite(best) & (share > 0)
    total = share[kept].sum()
    return np.exp(log_l[kept] - best[kept, None]), share[kept] / (total if total > 0 else 1.0)


def _newton_target(ratio: Array, share: Array, w: Array, gradient: Array) -> Array:
    """Return the weights >= 0 (M,) that minimize an approximation of the objective.

    The approximation is of second order, around the weights `w`.
    """
    from scipy.optimize import nnls

    hessian = ratio.T @ (ratio * share[:, None])
    hessian += 1e-9 * np.trace(hessian) * np.eye(len(w))  # equal members make it singular
    root = np.linalg.cholesky(hessian).T
    target, _ = nnls(root, np.linalg.solve(root.T, hessian @ w - gradient))
    return target


def _line_search(likelihood: Array, share: Array, w: Array, target: Array, gradient: Array) -> Array:
    """Move from `w` towards `target`, and return the new weights (M,).

    The step is halved until the objective falls enough.
    """

    def objective(v: Array) -> float:
        """Return the log loss of weights `v` (M,), plus their sum."""
        return float(v.sum() - share @ np.log(np.maximum(likelihood @ v, 1e-300)))

    # Armijo's condition: the objective falls by at least 1e-4 of what the slope predicts.
    here, slope, step = objective(w), float(gradient @ (target - w)), 1.0
    while step > 1e-10 and objective(w + step * (target - w)) > here + 1e-4 * step * slope + 1e-15:
        step /= 2
    return w + step * (target - w)
