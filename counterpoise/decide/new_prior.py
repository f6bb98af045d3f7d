"""A decision rule for a population with other class proportions.

`Classifier.predict(prior=)` and `cp.monitor` use it. What happens to a threshold depends on its aim (see
`aim.AIMS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.errors import OptionError
from counterpoise.core.group_thresholds import GroupThresholds
from counterpoise.core.guarantee import ClassGuarantee, Guarantee
from counterpoise.core.logits import log_softmax
from counterpoise.core.rule import Rule
from counterpoise.decide.aim import Aim
from counterpoise.decide.review import review_at_prior
from counterpoise.decide.rule import best_cutoff, checked_members, final_log_proba, member_cutoffs
from counterpoise.decide.shapes import class_prior, codes

Array = np.ndarray

#: End of the note of a rule whose threshold was chosen on all labels together (`targets.label_decisions` writes it).
#: The note is in saved rules.
ON_ALL_LABELS = "chosen on all labels together."


def rule_at_prior(
    rule: Rule, prior: Array | float, log_p_members: Sequence[Array] | None = None, y: Array | None = None,
    sample_weight: Array | None = None,
) -> Rule:  # fmt: skip
    """Return the rule for a population that differs only in its class proportions.

    Probabilities move by log(new / old). Thresholds for recall and specificity move with them, so the same rows are
    flagged. Thresholds for cost and argmax stay at the same probability. Thresholds for F-beta, MCC, precision and
    limits of alerts are chosen again on the stored scores, with row i re-weighted by new / old of its class. A
    threshold that was chosen on all labels together keeps its decisions, because the scores are those of one label.

    Args:
        rule: The rule at its own prior.
        prior: float (C,), or the share of the positive class.
        log_p_members: M arrays float (N, C), the shift-corrected scores that fitted the rule. Without these scores, an
            aim that must be chosen again keeps its old decisions, and a note reports this.
        y: int (N,), their labels.
        sample_weight: float (N,), their weights, with which the rule was fitted; None: all weights are 1.

    Example:
        >>> rule = Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.5, 0.5]), threshold=0.5, aim="recall_floor(0.9)")
        >>> round(rule_at_prior(rule, 0.1).threshold, 6)
        0.1
    """
    new, old = class_prior(prior, len(rule.prior)), np.asarray(rule.prior, dtype=np.float64)
    if not np.all(old > 0):
        raise OptionError(
            f"Class {np.argmin(old)} had no row when the correction was fitted, so its share cannot be "
            "changed. Fit again with rows of this class."
        )
    move, goal = np.log(new) - np.log(old), Aim.parse(rule.aim)
    moved = replace(
        _move_proba(rule, move), prior=new, guarantee=_guarantee_moved(rule, goal, move),
        review=review_at_prior(rule.review, move),
    )  # fmt: skip
    if goal.under_new_prior == "stays":
        return replace(moved, member_thresholds=_member_cutoffs_moved(rule.member_thresholds, -move))
    kept = _why_not_again(rule, scored=log_p_members is not None and y is not None)
    if goal.under_new_prior == "again" and kept is None and log_p_members is not None and y is not None:
        return _choose_cutoff_again(moved, checked_members(rule, log_p_members), y, goal, sample_weight)
    moved = replace(
        moved, threshold=_threshold_moved(rule.threshold, move), offsets=_offsets_moved(rule.offsets, move),
        by=_group_thresholds_moved(rule.by, move),
    )  # fmt: skip
    if goal.under_new_prior == "moves":
        return moved
    note = f"The threshold for {goal} was not chosen again for this prior because {kept}."
    return replace(moved, notes=(*moved.notes, note))


def _why_not_again(rule: Rule, scored: bool) -> str | None:
    """Return the reason for which a threshold cannot be chosen again, or None if it can.

    `scored` is whether the stored scores and labels were passed.
    """
    if rule.by is not None:
        return "each group has its own threshold"
    if any(note.endswith(ON_ALL_LABELS) for note in rule.notes):
        return "it was chosen on all labels together"
    return None if scored else "the stored scores were not passed"


def _move_proba(rule: Rule, move: Array) -> Rule:
    """Return the rule with its final log-probabilities moved by `move` (C,).

    If the rule has a calibrator, they are moved after it.
    """
    if rule.calibrator is None:
        return replace(rule, intercept=move if rule.intercept is None else rule.intercept + move)
    after = np.asarray(rule.calibrator.get("after", np.zeros(len(move)))) + move
    return replace(rule, calibrator={**rule.calibrator, "after": after.tolist()})


def _guarantee_moved(rule: Rule, goal: Aim, move: Array) -> Guarantee | ClassGuarantee | None:
    """Return the guarantee at the new prior, or None if it does not hold there.

    A recall is guaranteed for the same flagged rows, so only its threshold or offsets move. A precision depends on the
    class proportions, so its guarantee is lost.
    """
    if goal.under_new_prior != "moves" or rule.guarantee is None:
        return None
    if isinstance(rule.guarantee, ClassGuarantee):
        return replace(rule.guarantee, offsets=rule.guarantee.offsets - move)
    threshold = _threshold_moved(rule.guarantee.threshold, move)
    return replace(rule.guarantee, threshold=rule.guarantee.threshold if threshold is None else threshold)


def _threshold_moved(threshold: float | None, move: Array) -> float | None:
    """Return a threshold moved by move_1 - move_0 on the logit scale: moved probabilities give the same decisions.

    None, and thresholds outside (0, 1), stay.
    """
    if threshold is None or not 0.0 < threshold < 1.0:
        return threshold
    logit = np.log(threshold) - np.log1p(-threshold) + move[1] - move[0]
    return float(np.exp(-np.logaddexp(0.0, -logit)))


def _group_thresholds_moved(by: GroupThresholds | None, move: Array) -> GroupThresholds | None:
    """Return the thresholds of the groups, each moved by `_threshold_moved`."""
    if by is None:
        return None
    cuts = (_threshold_moved(cut, move) for cut in by.thresholds)
    return replace(by, thresholds=tuple(cut for cut in cuts if cut is not None))


def _offsets_moved(offsets: Array | None, move: Array) -> Array | None:
    """Return offsets with which the moved probabilities give the same decisions."""
    return None if offsets is None else offsets - move


def _member_cutoffs_moved(own: Array | None, move: Array) -> Array | None:
    """Return the members' thresholds (M,) or offsets (M, C) moved by `move`; None for None.

    Members vote on their own probabilities, which stay at the old prior. Callers therefore pass the move with a minus
    sign, to get the same votes as at the new prior.
    """
    if own is None:
        return None
    return np.array([_threshold_moved(float(t), move) for t in own]) if own.ndim == 1 else own - move


def _choose_cutoff_again(moved: Rule, lps: list[Array], y: Array, goal: Aim, sample_weight: Array | None) -> Rule:
    """Return the moved rule with thresholds or offsets chosen again, on rows weighted to the new prior.

    `lps` are M arrays (N, C) of log-probabilities at the prior of the rows, and `sample_weight` (N,) or None the
    weights with which the rule was fitted. In a hard vote, the thresholds of the members are chosen again too.
    """
    labels = codes(y, *lps[0].shape)
    w = row_weights(weights_at_prior(moved.prior, labels, sample_weight), len(labels))
    threshold, offsets = best_cutoff(final_log_proba(moved, lps), labels, goal, w)
    voting = member_cutoffs_at_prior(moved.prior, lps, labels, goal, sample_weight) if moved.vote == "hard" else None
    return replace(moved, threshold=threshold, offsets=offsets, member_thresholds=voting)


def prior_ratio(prior: Array, y: Array, sample_weight: Array | None = None) -> Array | None:
    """Return `prior` divided by the share of each class among rows, float64 (C,); None if they are equal.

    The rows that fitted a rule have the prior of the rule, unless the rule was moved to another prior. A class without
    rows has the ratio 1.

    Example:
        >>> prior_ratio(np.array([0.9, 0.1]), np.array([0, 0, 1, 1])).round(3).tolist()
        [1.8, 0.2]
    """
    own = np.bincount(y, sample_weight, minlength=len(prior))
    own = own / max(own.sum(), np.finfo(np.float64).tiny)  # there may be no rows
    ratio = np.where(own > 0, prior / np.where(own > 0, own, 1.0), 1.0)
    return None if np.allclose(ratio, 1.0) else ratio


def weights_at_prior(prior: Array, y: Array, sample_weight: Array | None = None) -> Array | None:
    """Return weights (N,) with which the classes `y` (N,) of rows have the shares `prior`.

    If they have these shares already, `sample_weight` (N,) or None is returned.

    Example:
        >>> weights_at_prior(np.array([0.75, 0.25]), np.array([0, 1])).tolist()
        [1.5, 0.5]
    """
    ratio = prior_ratio(prior, y, sample_weight)
    if ratio is None:
        return sample_weight
    return ratio[y] if sample_weight is None else ratio[y] * sample_weight


def member_cutoffs_at_prior(
    prior: Array, lps: list[Array], y: Array, goal: Aim, sample_weight: Array | None = None
) -> Array | None:
    """Return the thresholds (M,) or offsets (M, C) of the members of a hard vote, for rows at a prior.

    `lps` are M arrays (N, C) at the prior of the rows `y` (N,). The members will vote on such probabilities.
    """
    ratio = prior_ratio(prior, y, sample_weight)
    move = np.zeros(len(prior)) if ratio is None else np.log(ratio)
    w = row_weights(weights_at_prior(prior, y, sample_weight), len(y))
    # Chosen at the prior, then moved back, because members vote on probabilities at the prior of the rows.
    return _member_cutoffs_moved(member_cutoffs([log_softmax(lp + move) for lp in lps], y, goal, w), -move)
