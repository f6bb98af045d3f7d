"""The decision rule: from the raw outputs of the members to probabilities and decisions.

Remove each member's training shift -> pool -> residual intercept -> calibrator -> threshold or offsets. `fit_rule`
makes a `core.rule.Rule` from rows that were not used for training, and `apply_rule` applies it.

`layer.RuleLayer` repeats `apply_rule` in Keras inside the model file; `tests/decide/test_layer.py` compares both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.aim import Aim
from counterpoise.decide.calibrate import calibrated, calibrator_kinds, fitted_calibrator
from counterpoise.decide.column_margins import column_margins
from counterpoise.decide.greedy import greedy_weights
from counterpoise.decide.intercept import intercept_check
from counterpoise.decide.offsets import best_offsets
from counterpoise.decide.pooling import check_vote, hard_vote, learned_weights, pool, pooled, shrunk_weights
from counterpoise.decide.prior import corrected_log_proba, log_softmax
from counterpoise.decide.review import reviewed
from counterpoise.decide.shapes import codes, members, simplex
from counterpoise.decide.threshold import bayes_decision, best_threshold

Array = np.ndarray


@dataclass(frozen=True)
class Decision:
    """The decisions and probabilities of a rule for N rows.

    Attributes:
        proba: float64 (N, C), probabilities at the rule's prior.
        decision: int32 (N,), class codes.

    Example:
        >>> rule = Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.9, 0.1]), threshold=0.3)
        >>> apply_rule_to_log_p(rule, [np.log([[0.6, 0.4], [0.8, 0.2]])]).decision.tolist()
        [1, 0]
    """

    proba: Array
    decision: Array


def fit_rule(
    member_logits: Sequence[Array], y: Array, log_shifts: Sequence[Array], *, vote: str = "soft",
    weights: Sequence[float] | Array | str | None = None, aim: str | Aim = "f1", check_intercept: bool = True,
    calibrate: str | None = None, sample_weight: Array | None = None, gammas: Sequence[float] | None = None,
) -> Rule:  # fmt: skip
    """Fit a decision rule on the raw logits of rows that were not used for training.

    Args:
        member_logits: M arrays float (N, units), units 1 or C.
        y: int (N,), class codes.
        log_shifts: M arrays float (C,), the training shift of each member.
        vote: "soft", "log", "hard", "weighted" or "greedy" (see `pool`).
        weights: float (M,), "learned", "greedy", or None. None: equal weights; for vote "weighted" learned weights, for
            vote "greedy" greedy weights.
        aim: Aim of the threshold or offsets (see `Aim`).
        check_intercept: Whether to compare the mean probability of each class with its share, and to correct a
            difference (see `intercept_check`).
        calibrate: None, "auto", or a kind of `fit_calibrator`.
        sample_weight: float (N,) or None.
        gammas: (M,), gamma of the focal loss of each member. None: no member was trained with a focal loss.

    Returns:
        The decision rule. Its `notes` describe the checks and the calibration.

    Example:
        >>> z = np.array([[-2.0], [-1.0], [0.5], [2.0]])
        >>> rule = fit_rule([z], np.array([0, 0, 1, 1]), [np.zeros(2)], check_intercept=False)
        >>> apply_rule(rule, [z]).decision.tolist()
        [0, 0, 1, 1]
    """
    if len(member_logits) != len(log_shifts):
        raise OptionError(
            f"member_logits= has {len(member_logits)} entries, but log_shifts= has {len(log_shifts)}. Pass one entry "
            "per member in both."
        )
    log_p = _corrected_members(member_logits, log_shifts, gammas)
    return fit_rule_from_log_p(
        log_p, y, log_shifts, vote=vote, weights=weights, aim=aim, check_intercept=check_intercept,
        calibrate=calibrate, sample_weight=sample_weight, gammas=gammas,
    )  # fmt: skip


def _corrected_members(
    logits: Sequence[Array], log_shifts: Sequence[Array], gammas: Sequence[float] | Array | None
) -> list[Array]:
    """Return each member's log-probabilities without its focal loss and its training shift."""
    powers = np.zeros(len(logits)) if gammas is None else gammas
    return [corrected_log_proba(z, s, gamma=float(g)) for z, s, g in zip(logits, log_shifts, powers, strict=True)]


def fit_rule_from_log_p(
    log_p_members: Sequence[Array], y: Array, log_shifts: Sequence[Array], *, vote: str = "soft",
    weights: Sequence[float] | Array | str | None = None, aim: str | Aim = "f1", check_intercept: bool = True,
    calibrate: str | None = None, sample_weight: Array | None = None, gammas: Sequence[float] | None = None,
) -> Rule:  # fmt: skip
    """Fit a decision rule on log-probabilities whose training shift is already removed.

    For out-of-fold rows, the outputs of row i come from the members of its own fold, each with its own shift
    (`corrected_log_proba`). `log_shifts` are the shifts of the members to which the rule will be applied.

    Args:
        log_p_members: M arrays float (N, C).
        y, vote, weights, aim, check_intercept, calibrate, sample_weight, gammas: As in `fit_rule`.
        log_shifts: M arrays float (C,).

    Example:
        >>> log_p = np.log([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
        >>> rule = fit_rule_from_log_p([log_p], np.array([0, 0, 1, 1]), [np.zeros(2)], check_intercept=False)
        >>> 0.2 < rule.threshold < 0.4, rule.prior.tolist()
        (True, [0.5, 0.5])
    """
    lps, goal = members(log_p_members), Aim.parse(aim)
    labels, w = codes(y, *lps[0].shape), row_weights(sample_weight, len(lps[0]))
    if len(labels) == 0:
        raise OptionError("There are no rows to fit the correction on. Pass at least one row of each class.")
    check_vote(vote)
    kinds = calibrator_kinds(calibrate) if calibrate else []
    share = _member_weights(lps, labels, vote, weights, w)
    log_p = pooled(lps, vote, share)
    check = intercept_check(log_p, labels, w) if check_intercept else None
    if check is not None and check.intercept is not None:
        log_p = log_softmax(log_p + check.intercept)
    calibrator, notes = fitted_calibrator(log_p, labels, w, kinds) if kinds else (None, ())
    log_p = calibrated(calibrator, log_p)
    threshold, offsets = best_cutoff(log_p, labels, goal, w)
    return Rule(
        log_shifts=np.stack([np.asarray(s, dtype=np.float64) for s in log_shifts]),
        prior=np.bincount(labels, weights=w, minlength=log_p.shape[1]) / w.sum(),
        vote=vote, weights=share, intercept=None if check is None else check.intercept, calibrator=calibrator,
        threshold=threshold, offsets=offsets, aim=str(goal),
        notes=(*(check.notes if check is not None else ()), *notes),
        member_thresholds=member_cutoffs(lps, labels, goal, w) if vote == "hard" else None,
        gammas=np.asarray(gammas, dtype=np.float64) if gammas is not None and np.any(gammas) else None,
    )  # fmt: skip


def _member_weights(
    lps: list[Array], y: Array, vote: str, weights: Sequence[float] | Array | str | None, w: Array
) -> Array:
    """Return the weight of each member in the vote, float64 (M,): fitted, given, or all equal.

    None means fitted weights for the votes "weighted" and "greedy", and equal weights for all others.
    """
    if weights is None and vote in ("weighted", "greedy"):
        weights = "learned" if vote == "weighted" else vote
    if isinstance(weights, str):
        if weights not in ("learned", "greedy"):
            raise OptionError(f"weights= is {weights!r}. Use numbers, 'learned', 'greedy', or None.")
        return (
            greedy_weights(lps, y, w) if weights == "greedy" else shrunk_weights(learned_weights(lps, y, w), y[w > 0])
        )
    return simplex(None if weights is None else np.asarray(weights), len(lps))


def best_cutoff(log_p: Array, y: Array, goal: Aim, w: Array) -> tuple[float | None, Array | None]:
    """Return the best (threshold, None) of two classes, or (None, offsets (C,)) of more, for an aim on these rows."""
    if log_p.shape[1] == 2:
        return best_threshold(np.exp(log_p[:, 1]), y, goal, w), None
    return None, best_offsets(log_p, y, goal, w)


def member_cutoffs(lps: list[Array], y: Array, goal: Aim, w: Array) -> Array:
    """Return the threshold of each member (M,), or the offsets (M, C) for more classes."""
    return np.array([best_cutoff(lp, y, goal, w)[0 if lp.shape[1] == 2 else 1] for lp in lps])


def apply_rule(rule: Rule, member_logits: Sequence[Array]) -> Decision:
    """Apply a decision rule to raw member outputs.

    Args:
        rule: From `fit_rule`, `fit_rule_from_log_p` or `new_prior.rule_at_prior`.
        member_logits: M arrays float (N, units), in the order of `rule.log_shifts`.

    Example:
        >>> rule = Rule(log_shifts=np.log([[1.0, 9.0]]), prior=np.array([0.9, 0.1]), threshold=0.5)
        >>> apply_rule(rule, [np.array([[0.0], [3.0]])]).proba.round(3).tolist()
        [[0.9, 0.1], [0.309, 0.691]]
    """
    if len(member_logits) != len(rule.log_shifts):
        raise OptionError(
            f"rule= has {len(rule.log_shifts)} members, but member_logits= contains {len(member_logits)} arrays. Pass "
            "one array per member."
        )
    return apply_rule_to_log_p(rule, _corrected_members(member_logits, list(rule.log_shifts), rule.gammas))


def apply_rule_to_log_p(rule: Rule, log_p_members: Sequence[Array], column_values: Array | None = None) -> Decision:
    """Apply a decision rule to M arrays (N, C) of log-probabilities without training shift.

    `column_values` (N,) are the values of `rule.column`, if the rule has one: amounts, or codes of groups.

    Example:
        >>> rule = Rule(log_shifts=np.zeros((2, 2)), prior=np.array([0.9, 0.1]), threshold=0.5)
        >>> two = [np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]])]
        >>> apply_rule_to_log_p(rule, two).proba.round(3).tolist()
        [[0.7, 0.3]]
    """
    return apply_to_checked_members(rule, checked_members(rule, log_p_members), column_values)


def checked_members(rule: Rule, log_p_members: Sequence[Array]) -> list[Array]:
    """Return the members, float64 (N, C) each, after checking their shapes and number against the rule."""
    check_vote(rule.vote)
    simplex(rule.weights, len(log_p_members))
    return members(log_p_members)


def apply_to_checked_members(rule: Rule, lps: list[Array], column_values: Array | None = None) -> Decision:
    """Apply a rule to checked members, each float64 (N, C) (see `apply_rule_to_log_p`).

    With hard votes the members decide by their own thresholds, and the pooled decision breaks ties. Rows that a human
    has to review get the decision -1.
    """
    log_p = final_log_proba(rule, lps)
    decision = _decided_class(rule, log_p, column_values)
    if rule.vote == "hard" and rule.member_thresholds is not None:
        decision = _vote_of_members(rule, lps, decision)
    return Decision(np.exp(log_p), reviewed(rule, log_p, decision, column_values))


def _decided_class(rule: Rule, log_p: Array, column_values: Array | None) -> Array:
    """Return class codes int32 (N,) of final log-probabilities (N, C), before votes and review.

    The column of the rule decides if there is one. Costs decide only without a threshold; else the threshold or the
    offsets do.
    """
    if rule.column is not None:
        return (column_margins(rule, log_p, column_values) >= 0).astype(np.int32)
    if rule.costs is not None and rule.threshold is None:
        return bayes_decision(np.exp(log_p), rule.costs)
    return choose_class(log_p, rule.threshold, rule.offsets)


def pooled_log_proba(rule: Rule, log_p_members: Sequence[Array]) -> Array:
    """Return the final log-probabilities of the rule, float64 (N, C).

    They are pooled and calibrated, with the intercept added.

    Example:
        >>> rule = Rule(log_shifts=np.zeros((2, 2)), prior=np.array([0.9, 0.1]), threshold=0.5)
        >>> np.exp(pooled_log_proba(rule, [np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]])])).round(3).tolist()
        [[0.7, 0.3]]
    """
    return final_log_proba(rule, checked_members(rule, log_p_members))


def final_log_proba(rule: Rule, lps: list[Array]) -> Array:
    """Return `pooled_log_proba` of checked members: pooled, with the intercept, calibrated.

    `layer` repeats this in Keras.
    """
    log_p = pooled(lps, rule.vote, rule.weights)
    if rule.intercept is not None:
        log_p = log_softmax(log_p + rule.intercept)
    return calibrated(rule.calibrator, log_p)


def choose_class(log_p: Array, threshold: float | None = None, offsets: Array | None = None) -> Array:
    """Return class codes int32 (N,): p_1 >= threshold, or the argmax of log p + offsets.

    Without threshold and offsets, the result is the most probable class. `layer` repeats this in Keras.

    Example:
        >>> log_p = np.log([[0.7, 0.3], [0.9, 0.1]])
        >>> choose_class(log_p).tolist(), choose_class(log_p, threshold=0.2).tolist()
        ([0, 0], [1, 0])
    """
    if threshold is not None:
        return (np.exp(log_p[:, 1]) >= threshold).astype(np.int32)
    return np.argmax(log_p if offsets is None else log_p + offsets, axis=1).astype(np.int32)


def _vote_of_members(rule: Rule, lps: list[Array], soft: Array) -> Array:
    """Return the class with most votes; each member votes by its own threshold or offsets.

    Votes have the weights of the rule. `soft` (N,) are the decisions that break ties. `layer` repeats this in Keras.
    """
    own, n_classes = np.asarray(rule.member_thresholds), lps[0].shape[1]
    if own.ndim == 1:
        choices = [choose_class(lp, threshold=t) for lp, t in zip(lps, own, strict=True)]
    else:
        choices = [choose_class(lp, offsets=b) for lp, b in zip(lps, own, strict=True)]
    return hard_vote(np.stack(choices), rule.weights, soft, n_classes)


def raw_proba(member_logits: Sequence[Array]) -> Array:
    """Return the uncorrected outputs as probabilities, averaged over the members.

    Args:
        member_logits: M arrays float (N, units); one unit counts as two classes.

    Returns:
        float64 (N, C).

    Example:
        >>> raw_proba([np.array([[0.0]])]).tolist()
        [[0.5, 0.5]]
    """
    return np.exp(pool([_uncorrected(z) for z in member_logits]))


def _uncorrected(logits: Array) -> Array:
    """Return log-probabilities (N, C) of raw logits; one unit counts as two classes."""
    z = np.asarray(logits)
    return corrected_log_proba(z, np.zeros(2 if z.ndim == 1 or z.shape[1] == 1 else z.shape[1]))
