"""The class prior (class proportions) in the output of a classifier: add it, remove it, replace it.

Training with multiplicities m_c moves the best logits by `log_shift_c` (natural logarithm). `shift` adds this shift,
and `unshift` is the inverse. `corrected_log_proba` turns the raw output of one network into log-probabilities for the
original population. `to_prior` turns them into probabilities for a population with other class proportions, in which
the rows of each class are alike.

`layer.RuleLayer` undoes the focal loss and the shift in Keras; `tests/decide/test_layer_focal.py` compares both.
"""

from __future__ import annotations

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.logits import log_softmax as log_softmax
from counterpoise.core.logits import softplus
from counterpoise.decide.shapes import class_prior, class_scores, matrix

Array = np.ndarray


def shift(values: Array, log_shift: Array, *, proba: bool = False) -> Array:
    """Add the shift of training to outputs: logit_c + log_shift_c.

    Args:
        values: float (N, C) softmax logits; (N, 1) or (N,) logits of one sigmoid unit; (N, L) logits of
            L independent labels.
        log_shift: float (C,), for one unit (2,), of which only the difference counts; for labels (L, 2), the shifts of
            "absent" and "present" of each label.
        proba: Whether `values` are probabilities and not logits. A probability of 0 or 1 stays.

    Returns:
        float64, the shape of `values`.

    Raises:
        OptionError: The shapes do not fit, or a shift is not finite.

    Example:
        >>> z = shift(np.array([[0.0, 0.0]]), np.log([1.0, 3.0]))
        >>> np.round(np.exp(log_softmax(z)), 6).tolist()
        [[0.25, 0.75]]
        >>> unshift(np.array([0.75]), np.log([1.0, 3.0]), proba=True).round(6).tolist()
        [0.5]

    Source: Elkan (2001), "The foundations of cost-sensitive learning", theorem 2; Menon et al. (2021),
    "Long-tail learning via logit adjustment", section 3.
    """
    return _add_signed_shift(values, log_shift, proba, 1.0)


def unshift(values: Array, log_shift: Array, *, proba: bool = False) -> Array:
    """Subtract the training shift: logit_c - log_shift_c, the inverse of `shift`.

    Example:
        >>> trained = shift(np.array([[0.0, -2.0]]), np.log([1.0, 9.0]))
        >>> unshift(trained, np.log([1.0, 9.0])).round(6).tolist()
        [[0.0, -2.0]]
    """
    return _add_signed_shift(values, log_shift, proba, -1.0)


def _add_signed_shift(values: Array, log_shift: Array, proba: bool, sign: float) -> Array:
    """Add `sign` (1 or -1) times a log-shift to logits or probabilities (see `shift`)."""
    given = np.asarray(values, dtype=np.float64)
    by = sign * _unit_shift(log_shift, matrix(given, "values").shape[1])
    by = by[0] if given.ndim == 1 else by  # of one unit, so that the result stays (N,)
    if not proba:
        return given + by
    _check_proba(given)
    with np.errstate(divide="ignore"):
        if np.ndim(log_shift) == 2 or by.size == 1:  # independent units
            return _sigmoid(np.log(given) - np.log1p(-given) + by)
        return np.exp(log_softmax(np.log(given) + by))


def _unit_shift(log_shift: Array, units: int) -> Array:
    """Return what the shift adds to each logit, float64 (units,); see `shift` for its shapes.

    For two classes on one unit, or a label, it is the difference of the two shifts. A shift that is not finite, or does
    not fit the units, raises an OptionError.
    """
    s = np.asarray(log_shift, dtype=np.float64)
    if not np.all(np.isfinite(s)):
        raise OptionError(
            f"The training shift is {s.tolist()}. Expected finite numbers. Use a plan that keeps rows of every class."
        )
    if s.ndim == 2 and s.shape == (units, 2):
        return s[:, 1] - s[:, 0]
    if s.shape == (2,) and units == 1:
        return s[1:] - s[:1]
    if s.shape == (units,) and units > 1:
        return s
    raise OptionError(
        f"The training shift has shape {s.shape}, which does not fit {units} output unit(s). Expected (2,) for one "
        "unit, (classes,) for one unit per class, or (labels, 2) for independent labels."
    )


def _check_proba(p: Array) -> None:
    """Raise an OptionError for values that are not probabilities, such as logits."""
    if not np.all((p >= 0) & (p <= 1)):
        raise OptionError("Probabilities must be between 0 and 1. For logits, use proba=False.")


def corrected_log_proba(logits: Array, log_shift: Array, *, gamma: float = 0.0) -> Array:
    """Return log-probabilities with the training shift removed.

    Softmax units: log softmax(z - log_shift). One unit: log sigmoid of z - (log_shift_1 - log_shift_0). The
    outputs of a network trained with focal loss are first converted to probabilities (`focal_log_proba`).

    Args:
        logits: float (N, C), or (N, 1) or (N,) for one unit and two classes.
        log_shift: float (C,).
        gamma: gamma of the focal loss with which the network was trained. 0: no focal loss.

    Returns:
        float64 (N, C); each row's exponentials sum to 1.

    Example:
        >>> corrected_log_proba(np.array([[0.0]]), np.log([1.0, 4.0])).round(4).tolist()
        [[-0.2231, -1.6094]]
    """
    z = matrix(logits, "logits")
    if gamma:
        return focal_log_proba(corrected_log_proba(z, np.zeros(max(2, z.shape[1]))), gamma, log_shift)
    if z.shape[1] == 1:
        corrected = unshift(z, log_shift)
        return -softplus(np.concatenate([corrected, -corrected], axis=1))
    return log_softmax(unshift(z, log_shift))


def to_prior(log_p: Array, old_prior: Array | float, new_prior: Array | float) -> Array:
    """Replace the class prior of log-probabilities: log p_c + log(new_c / old_c).

    This is right if the two populations differ only in their class proportions, and the rows of each class are alike.
    `to_prior(to_prior(p, a, b), b, a)` is p.

    Args:
        log_p: float (N, C), calibrated at `old_prior`.
        old_prior: float (C,), or the share of the positive class when C = 2. Every share above 0.
        new_prior: The same for the new population.

    Returns:
        float64 (N, C).

    Example:
        >>> np.exp(to_prior(np.log([[0.5, 0.5]]), 0.5, 0.1)).round(6).tolist()
        [[0.9, 0.1]]

    Source: Saerens, Latinne and Decaestecker (2002), "Adjusting the outputs of a classifier to new a
    priori probabilities", equation 4.
    """
    p = class_scores(log_p)
    c = p.shape[1]
    old, new = class_prior(old_prior, c, "old_prior"), class_prior(new_prior, c, "new_prior")
    return log_softmax(p + np.log(new) - np.log(old))


def focal_log_proba(log_q: Array, gamma: float, log_shift: Array | None = None) -> Array:
    """Return calibrated log-probabilities from softmax outputs of a focal-loss network.

    p_c proportional to h(q_c) / m_c with h(v) = v / ((1-v)^g - g (1-v)^(g-1) v log v). For gamma = 0 it is
    `unshift`.

    Args:
        log_q: float (N, C), log softmax of the network.
        gamma: The focusing constant, 0 or more.
        log_shift: float (C,), log m_c; None means none.

    Returns:
        float64 (N, C).

    Example:
        >>> q = np.log([[0.6, 0.4]])
        >>> np.exp(focal_log_proba(q, gamma=2.0)).round(3).tolist()  # focal loss makes networks too unsure
        [[0.748, 0.252]]

    Source: Charoenphakdee et al. (2021), "On focal loss for class-posterior probability estimation",
    theorem 11.
    """
    lq = class_scores(log_q, "log_q")
    if gamma < 0:
        raise OptionError(f"gamma is {gamma}. Expected 0 or more.")
    q = np.exp(np.minimum(lq, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rest = np.log(-np.expm1(np.minimum(lq, 0.0)))  # log(1 - q), -inf where q rounds to 1
        # (1-q)^g - g (1-q)^(g-1) q log q  =  (1-q)^(g-1) ((1-q) - g q log q)
        bracket = np.log(-np.expm1(np.minimum(lq, 0.0)) - gamma * q * np.where(q > 0, lq, 0.0))
        log_h = lq - ((gamma - 1.0) * log_rest + bracket) if gamma else lq
    # q = 1 makes both logarithms -inf; there h grows without bound, and the row is certain.
    log_h = np.where(np.isnan(log_h) | (log_h == np.inf), 700.0, log_h)  # exp(700) is still finite
    return log_softmax(log_h if log_shift is None else unshift(log_h, log_shift))


def _sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -z))
