"""The rule as a whole: order of its steps, laws, and no gain from noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scored_members import SHIFTS, binary, multi
from sklearn.metrics import matthews_corrcoef

from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.pooling import pool
from counterpoise.decide.prior import corrected_log_proba, log_softmax
from counterpoise.decide.rule import (
    apply_rule,
    apply_rule_to_log_p,
    fit_rule,
    fit_rule_from_log_p,
    raw_proba,
)


@pytest.mark.parametrize("vote", ["soft", "log", "hard", "weighted"])
def test_members_that_differ_only_in_shift_give_the_true_posterior(vote: str) -> None:
    logits, y, true = binary()
    rule = fit_rule(logits, y, SHIFTS, vote=vote, check_intercept=False)
    got = apply_rule(rule, logits)
    np.testing.assert_allclose(got.proba[:, 1], true, atol=1e-12)
    assert got.proba.dtype == np.float64
    assert got.decision.dtype == np.int32
    np.testing.assert_array_equal(got.decision, got.proba[:, 1] >= rule.threshold)


def test_uncorrected_output_stays_as_it_is() -> None:
    logits, _, true = binary()
    np.testing.assert_allclose(raw_proba(logits[:1])[:, 1], true, atol=1e-12)
    assert raw_proba(logits[1:2])[:, 1].mean() > 2 * true.mean()
    np.testing.assert_allclose(raw_proba(logits), np.mean([raw_proba([z]) for z in logits], axis=0))


@pytest.mark.parametrize("vote", ["soft", "log", "hard", "weighted"])
@pytest.mark.parametrize("task", ["binary", "multi"])
def test_permuting_rows_permutes_the_answer(task: str, vote: str) -> None:
    logits, y = binary(800)[:2] if task == "binary" else multi(800)
    shifts = SHIFTS if task == "binary" else [np.zeros(3)] * 3
    order = np.random.default_rng(9).permutation(800)
    one = apply_rule(fit_rule(logits, y, shifts, vote=vote), logits)
    two = apply_rule(fit_rule([z[order] for z in logits], y[order], shifts, vote=vote), [z[order] for z in logits])
    np.testing.assert_allclose(two.proba, one.proba[order], atol=1e-9)
    np.testing.assert_array_equal(two.decision, one.decision[order])


def test_one_unit_and_two_units_give_the_same_rule() -> None:
    logits, y, _ = binary(900)
    two = [np.concatenate([np.zeros_like(z), z], axis=1) for z in logits]
    a, b = fit_rule(logits, y, SHIFTS), fit_rule(two, y, SHIFTS)
    assert a.threshold == pytest.approx(b.threshold)
    np.testing.assert_allclose(apply_rule(a, two).proba, apply_rule(b, logits).proba, atol=1e-12)


def test_corrected_log_p_and_raw_logits_fit_the_same_rule() -> None:
    logits, y, _ = binary(900)
    log_p = [corrected_log_proba(z, s) for z, s in zip(logits, SHIFTS, strict=True)]
    a, b = fit_rule(logits, y, SHIFTS), fit_rule_from_log_p(log_p, y, SHIFTS)
    assert (a.threshold, a.notes) == (b.threshold, b.notes)
    np.testing.assert_array_equal(apply_rule_to_log_p(b, log_p).decision, apply_rule(a, logits).decision)


def test_the_intercept_is_kept_only_where_it_is_needed() -> None:
    logits, y, _ = binary(20_000)
    right = fit_rule(logits, y, SHIFTS)
    assert right.intercept is None
    assert "agrees" in right.notes[0]
    wrong = fit_rule([z + 1.0 for z in logits], y, SHIFTS)
    assert wrong.intercept[1] - wrong.intercept[0] == pytest.approx(-1.0, abs=0.15)
    assert apply_rule(wrong, [z + 1.0 for z in logits]).proba[:, 1].mean() == pytest.approx(y.mean(), rel=1e-6)


def test_hard_vote_binary_and_multiclass() -> None:
    logits, y, _ = binary(600, seed=3)
    noisy = [z + np.random.default_rng(i).normal(scale=2, size=z.shape) for i, z in enumerate(logits)]
    rule = fit_rule(noisy, y, SHIFTS, vote="hard")
    lps = [corrected_log_proba(z, s) for z, s in zip(noisy, SHIFTS, strict=True)]
    votes = sum((np.exp(p[:, 1]) >= t).astype(int) for p, t in zip(lps, rule.member_thresholds, strict=True))
    np.testing.assert_array_equal(apply_rule(rule, noisy).decision, votes >= 2)
    many, labels = multi(600)
    hard = fit_rule(many, labels, [np.zeros(3)] * 3, vote="hard")
    assert hard.member_thresholds.shape == (3, 3)
    soft = fit_rule(many, labels, [np.zeros(3)] * 3, vote="soft")
    np.testing.assert_allclose(apply_rule(hard, many).proba, apply_rule(soft, many).proba)


def test_learned_weights_prefer_the_better_member() -> None:
    logits, y, _ = binary(3000)
    bad = [logits[0], np.random.default_rng(0).normal(size=logits[0].shape)]
    rule = fit_rule(bad, y, [np.zeros(2)] * 2, vote="weighted")
    rare = int(min(np.bincount(y)))
    assert rule.weights[0] == pytest.approx(0.5 + 0.5 * rare / (rare + 50), abs=0.05)  # drawn towards equal weights
    given = fit_rule(bad, y, [np.zeros(2)] * 2, vote="weighted", weights=[1, 3])
    np.testing.assert_allclose(given.weights, [0.25, 0.75])


@pytest.mark.parametrize("task", ["binary", "multi"])
def test_noise_labels_show_no_gain(task: str) -> None:
    """Fitted on one half and judged on the other, a rule on noise is worth nothing, over many draws."""
    gains, losses = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        prior = np.array([0.9, 0.1]) if task == "binary" else np.array([0.85, 0.1, 0.05])
        y = rng.choice(len(prior), p=prior, size=1000)
        z = [log_softmax(rng.normal(scale=0.5, size=(1000, len(prior))) + np.log(prior)) for _ in range(2)]
        shifts = [np.zeros(len(prior))] * 2
        rule = fit_rule([p[:500] for p in z], y[:500], shifts, vote="weighted", calibrate="auto")
        got = apply_rule(rule, [p[500:] for p in z])
        gains.append(matthews_corrcoef(y[500:], got.decision))
        losses.append(-np.mean(np.log(got.proba[np.arange(500), y[500:]])) + prior @ np.log(prior))
    assert abs(np.mean(gains)) < 3.3 * np.std(gains) / np.sqrt(40) + 1e-3
    assert np.mean(losses) > -3.3 * np.std(losses) / np.sqrt(40)


def test_weighted_rows_count_as_repeated_rows() -> None:
    logits, y, _ = binary(500)
    w = np.random.default_rng(0).integers(1, 4, size=500)
    a = fit_rule(logits, y, SHIFTS, sample_weight=w, vote="weighted")
    b = fit_rule([np.repeat(z, w, axis=0) for z in logits], np.repeat(y, w), SHIFTS, vote="weighted")
    assert a.threshold == pytest.approx(b.threshold, rel=1e-6)
    np.testing.assert_allclose(a.prior, b.prior)


def test_a_rule_made_by_hand_runs() -> None:
    rule = Rule(log_shifts=np.zeros((2, 3)), prior=np.full(3, 1 / 3), vote="soft", offsets=np.array([0.0, 0.0, 9.0]))
    z = [np.zeros((4, 3)), np.eye(4, 3)]
    assert apply_rule(rule, z).decision.tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(np.log(apply_rule(rule, z).proba), pool([log_softmax(m) for m in z]), atol=1e-12)
    assert apply_rule(replace(rule, offsets=None), z).decision.tolist() == [0, 1, 2, 0]


def test_bad_input() -> None:
    logits, y, _ = binary(100)
    with pytest.raises(OptionError, match="has 3 entries, but log_shifts= has 2"):
        fit_rule(logits, y, SHIFTS[:2])
    with pytest.raises(OptionError, match="member_logits= contains 1 arrays"):
        apply_rule(fit_rule(logits, y, SHIFTS), logits[:1])
    with pytest.raises(OptionError, match="'greedy', or None"):
        fit_rule(logits, y, SHIFTS, weights="best")


def test_a_focal_member_is_turned_back_before_its_shift_and_pooled_with_others() -> None:
    """The focal minimizer of a known posterior is computed by root search, class by class of two."""
    from scipy.optimize import brentq

    gamma, true = 2.0, np.array([0.02, 0.3, 0.5, 0.9])

    def slope(q: float, p: float) -> float:
        def risk(v: float) -> float:
            return -p * (1 - v) ** gamma * np.log(v) - (1 - p) * v**gamma * np.log1p(-v)

        return (risk(q + 1e-7) - risk(q - 1e-7)) / 2e-7

    seen = 4 * true / (4 * true + 1 - true)  # positives count four times
    q = np.array([brentq(slope, 1e-3, 1 - 1e-3, args=(p,)) for p in seen])
    plain, focal = np.log(true / (1 - true))[:, None], np.log(q / (1 - q))[:, None]
    shifts = [np.zeros(2), np.log([1.0, 4.0])]
    rule = fit_rule([plain, focal], np.array([0, 0, 1, 1]), shifts, check_intercept=False, gammas=[0.0, gamma])
    assert rule.gammas.tolist() == [0.0, gamma]
    for member in range(2):
        alone = replace(rule, log_shifts=rule.log_shifts[[member]], weights=np.ones(1), gammas=rule.gammas[[member]])
        np.testing.assert_allclose(apply_rule(alone, [[plain, focal][member]]).proba[:, 1], true, atol=1e-4)
    np.testing.assert_allclose(apply_rule(rule, [plain, focal]).proba[:, 1], true, atol=1e-4)
