"""Check on new rows whether only the class proportions changed, and whether the decision rule still fits.

This is the part of `cp.monitor` that works on scores; `classifier.monitor` predicts the scores first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.rule import Rule
from counterpoise.decide.aim import Aim, in_words
from counterpoise.decide.new_prior import rule_at_prior, weights_at_prior
from counterpoise.decide.rule import apply_to_checked_members, checked_members, final_log_proba
from counterpoise.decide.shapes import codes
from counterpoise.decide.shares import PriorEstimate, SortedUnion, estimate_prior

Array = np.ndarray


@dataclass(frozen=True)
class Drift:
    """The state of a rule on new rows.

    Attributes:
        estimate: The new class shares.
        score_distance: Largest difference between the distribution functions of old and new scores, 0 to 1.
        flagged_before, flagged_now: Share of rows decided for each class, float64 (C,).
        plausible: Whether the aim of the rule is still plausible. None: this cannot be judged.
        rule: The rule for the new class proportions. If all proportions may be unchanged, the old rule is kept, because
            noise in the estimate would only do harm. None: not only the proportions changed.
        notes: The result in sentences.

    Example:
        >>> from counterpoise.decide.rule import fit_rule_from_log_p
        >>> y = np.repeat([0, 1], [80, 20])
        >>> log_p = np.log(np.where(y[:, None] == [0, 1], 0.9, 0.1))
        >>> rule = fit_rule_from_log_p([log_p], y, [np.zeros(2)])
        >>> drift = monitor(rule, [log_p], y, [log_p[60:]], draws=20)
        >>> drift.flagged_before.round(2).tolist(), drift.flagged_now.round(2).tolist()
        ([0.8, 0.2], [0.5, 0.5])
    """

    estimate: PriorEstimate
    score_distance: float
    flagged_before: Array
    flagged_now: Array
    plausible: bool | None
    rule: Rule | None
    notes: tuple[str, ...]


def monitor(
    rule: Rule, log_p_members: Sequence[Array], y: Array, new_log_p_members: Sequence[Array], *,
    sample_weight: Array | None = None, column_values: Array | None = None, new_column_values: Array | None = None,
    method: str = "em", draws: int = 200, seed: int = 0,
) -> Drift:  # fmt: skip
    """Compare unlabeled rows with the scores that fitted a decision rule.

    The result contains the decision rule for the new rows.

    Args:
        rule: The decision rule in use.
        log_p_members: M arrays float (N, C), shift-corrected scores that fitted it. y: int (N,), their labels.
        new_log_p_members: M arrays float (K, C), shift-corrected scores of the new rows.
        sample_weight: float (N,), the weights with which the rule was fitted; None: all weights are 1.
        column_values, new_column_values: (N,) and (K,), of `rule.column`, if it has one.
        method, draws, seed: As in `estimate_prior`.

    Example:
        >>> from counterpoise.decide.rule import fit_rule_from_log_p
        >>> rng = np.random.default_rng(0)
        >>> def rows(n, share):
        ...     y = (rng.random(n) < share).astype(int)
        ...     p = 1 / (1 + np.exp(-2 * (rng.normal(size=n) + 2 * y - 1) - np.log(0.2 / 0.8)))
        ...     return np.log(np.stack([1 - p, p], axis=1)), y
        >>> log_p, y = rows(2000, 0.2)
        >>> rule = fit_rule_from_log_p([log_p], y, [np.zeros(2)])
        >>> drift = monitor(rule, [log_p], y, [rows(2000, 0.4)[0]], draws=50)
        >>> drift.estimate.prior.round(1).tolist(), drift.estimate.pure
        ([0.6, 0.4], True)
    """
    old, new = checked_members(rule, log_p_members), checked_members(rule, new_log_p_members)
    before, now = final_log_proba(rule, old), final_log_proba(rule, new)
    # The rule may have been moved to another prior since it was fitted, and `before` with it.
    w = row_weights(weights_at_prior(rule.prior, codes(y, *before.shape), sample_weight), len(before))
    estimate = estimate_prior(before, y, now, sample_weight=w, method=method, draws=draws, seed=seed)
    columns = [1] if before.shape[1] == 2 else range(before.shape[1])
    even = np.full(len(now), 1.0 / len(now))
    gap = max(SortedUnion(before[:, c], now[:, c]).distance(w / w.sum(), even, same=False) for c in columns)
    plausible, text = _judge_aim(rule, estimate)
    return Drift(
        estimate, gap, _decided_shares(rule, old, column_values, w),
        _decided_shares(rule, new, new_column_values, even), plausible,
        _rule_for_new_shares(rule, estimate, old, y, w), (estimate.note, text),
    )  # fmt: skip


def _rule_for_new_shares(rule: Rule, estimate: PriorEstimate, old: list[Array], y: Array, w: Array) -> Rule | None:
    """Return the rule for the estimated class shares, the old rule if they may be unchanged.

    Return None if more than the class shares changed. `old`, `y`, and `w` are the scores, labels, and weights that
    fitted the rule.
    """
    if not estimate.pure:
        return None
    return rule_at_prior(rule, _shares_above_zero(estimate.prior), old, y, w) if _has_drifted(estimate) else rule


def _decided_shares(rule: Rule, lps: list[Array], column_values: Array | None, w: Array) -> Array:
    """Return the share of rows that the rule decides for each class, float64 (C,); `w` (N,) weights the rows."""
    decision = apply_to_checked_members(rule, lps, column_values).decision
    return np.bincount(decision, w, minlength=lps[0].shape[1]) / w.sum()


def _shares_above_zero(q: Array) -> Array:
    """Return the shares (C,) with at least 1e-6 each, sum 1.

    A class that is absent from the new rows may still occur later.
    """
    kept = np.maximum(q, 1e-6)
    return kept / kept.sum()


def _judge_aim(rule: Rule, estimate: PriorEstimate) -> tuple[bool | None, str]:
    """Return whether the aim of a rule is still plausible at the new class shares, and a sentence for `Drift.notes`.

    None means that only new labels can show it, because more than the class shares changed.
    """
    goal, moved, aim = Aim.parse(rule.aim), _has_drifted(estimate), in_words(rule.aim)
    if not estimate.pure:
        return None, f"New labels are needed to check whether the aim ({aim}) is still met."
    if not moved:
        return (
            True,
            f"The class proportions have not changed significantly. The decision rule stays as it was. Its aim ({aim}) "
            "is as likely to be met as before.",
        )
    if goal.under_new_prior == "moves":
        return (
            True,
            f"The aim ({aim}) does not depend on the class proportions. This aim is as likely to be met as before the "
            "change.",
        )
    if goal.under_new_prior == "stays":
        return False, "The class proportions changed. The threshold is now applied to the new probabilities."
    cut, verb = ("threshold", "was") if rule.offsets is None else ("offsets", "were")
    return (
        False,
        f"The class proportions changed. The {cut} for {aim} {verb} chosen for the old proportions. Use the new {cut}.",
    )


def _has_drifted(estimate: PriorEstimate) -> bool:
    """Return whether an old class share is outside the interval of the new one: only then the rule changes."""
    return bool(np.any((estimate.source_prior < estimate.low) | (estimate.source_prior > estimate.high)))
