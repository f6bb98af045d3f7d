"""A rule at other class shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scored_members import SHIFTS, binary, multi

from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.new_prior import ON_ALL_LABELS, rule_at_prior
from counterpoise.decide.prior import corrected_log_proba, to_prior
from counterpoise.decide.rule import apply_rule, fit_rule, fit_rule_from_log_p


@pytest.mark.parametrize("aim", ["recall_floor(0.9)", "youden", "g_mean"])
def test_at_a_new_prior_recall_aims_flag_the_same_rows(aim: str) -> None:
    logits, y, _ = binary()
    for vote in ("soft", "hard"):
        rule = fit_rule(logits, y, SHIFTS, aim=aim, vote=vote)
        moved = rule_at_prior(rule, 0.3)
        np.testing.assert_array_equal(apply_rule(moved, logits).decision, apply_rule(rule, logits).decision)
        expected = to_prior(np.log(apply_rule(rule, logits).proba), rule.prior, 0.3)
        np.testing.assert_allclose(np.log(apply_rule(moved, logits).proba), expected, atol=1e-9)


def test_at_a_new_prior_costs_keep_their_probability() -> None:
    logits, y, _ = binary()
    for vote in ("soft", "hard"):
        moved = rule_at_prior(fit_rule(logits, y, SHIFTS, aim="cost(1, 9)", vote=vote), 0.3)
        assert moved.threshold == pytest.approx(0.1)
        got = apply_rule(moved, logits)
        np.testing.assert_array_equal(got.decision, got.proba[:, 1] >= 0.1)


@pytest.mark.parametrize("aim", ["f1", "precision_floor(0.6)", "alerts(3, 100)"])
@pytest.mark.parametrize("calibrate", [None, "platt"])
def test_at_a_new_prior_the_rest_is_chosen_anew(aim: str, calibrate: str | None) -> None:
    """Re-weighting stored scores to a new prior chooses as rows drawn at that prior do."""
    logits, y, _ = binary(6000)
    over = [1.5 * z for z in logits[:1]]
    rule = fit_rule(over, y, SHIFTS[:1], aim=aim, calibrate=calibrate)
    assert (rule.calibrator is None) == (calibrate is None)
    lps = [corrected_log_proba(z, np.zeros(2)) for z in over]
    moved = rule_at_prior(rule, 2 * y.mean() / (1 + y.mean()), lps, y)
    twice = np.where(y == 1, 2, 1)
    proba = np.repeat(apply_rule(moved, over).proba, twice, axis=0)
    fresh = fit_rule_from_log_p([np.log(proba)], np.repeat(y, twice), SHIFTS[:1], aim=aim, check_intercept=False)
    assert moved.threshold == pytest.approx(fresh.threshold, rel=1e-9)
    without = rule_at_prior(rule, 0.3)
    assert "stored scores" in without.notes[-1]
    np.testing.assert_array_equal(apply_rule(without, over).decision, apply_rule(rule, over).decision)


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_weighted_rows_keep_their_threshold_at_the_same_prior(vote: str) -> None:
    logits, y, _ = binary(prior=0.5)
    w = np.where(y == 1, 0.02, 1.0)
    rule = fit_rule(logits, y, SHIFTS, aim="f1", vote=vote, sample_weight=w)
    lps = [corrected_log_proba(z, shift) for z, shift in zip(logits, SHIFTS, strict=True)]
    same = rule_at_prior(rule, rule.prior, lps, y, w)
    assert same.threshold == pytest.approx(rule.threshold)
    if vote == "hard":
        np.testing.assert_allclose(same.member_thresholds, rule.member_thresholds)
    # Weights that are equal within each class follow from the prior of the rule.
    assert rule_at_prior(rule, rule.prior, lps, y).threshold == pytest.approx(rule.threshold)


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_two_moves_are_one_move(vote: str) -> None:
    logits, y, _ = binary(prior=0.4)
    rule = fit_rule(logits, y, SHIFTS, aim="f1", vote=vote)
    lps = [corrected_log_proba(z, shift) for z, shift in zip(logits, SHIFTS, strict=True)]
    direct = rule_at_prior(rule, 0.05, lps, y)
    twice = rule_at_prior(rule_at_prior(rule, 0.2, lps, y), 0.05, lps, y)
    assert twice.threshold == pytest.approx(direct.threshold)
    if vote == "hard":
        np.testing.assert_allclose(twice.member_thresholds, direct.member_thresholds)


def test_a_threshold_of_all_labels_together_keeps_its_decisions() -> None:
    logits, y, _ = binary()
    rule = replace(fit_rule(logits[:1], y, SHIFTS[:1], aim="f1"), threshold=0.4, notes=(f"So it was {ON_ALL_LABELS}",))
    moved = rule_at_prior(rule, 0.3, [corrected_log_proba(logits[0], SHIFTS[0])], y)
    np.testing.assert_array_equal(apply_rule(moved, logits[:1]).decision, apply_rule(rule, logits[:1]).decision)
    assert moved.notes[-1].endswith("because it was chosen on all labels together.")


def test_there_and_back_to_the_old_prior() -> None:
    logits, y = multi()
    rule = fit_rule(logits, y, [np.zeros(3)] * 3, calibrate="temperature", aim="balanced_accuracy")
    back = rule_at_prior(rule_at_prior(rule, [0.2, 0.3, 0.5]), rule.prior)
    np.testing.assert_allclose(apply_rule(back, logits).proba, apply_rule(rule, logits).proba, atol=1e-12)
    np.testing.assert_allclose(back.offsets, rule.offsets, atol=1e-12)


def test_a_class_without_rows_cannot_be_moved() -> None:
    empty = Rule(log_shifts=np.zeros((1, 3)), prior=np.array([0.6, 0.4, 0.0]), offsets=np.zeros(3))
    with pytest.raises(OptionError, match="Class 2 had no row"):
        rule_at_prior(empty, [0.5, 0.3, 0.2])
