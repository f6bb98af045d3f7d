"""Several labels per row: every number is that of the labels taken one by one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss

from counterpoise.classifier.model_card import counted_labels
from counterpoise.core.examples import Examples
from counterpoise.decide.prior import corrected_log_proba
from counterpoise.losses.best_constant import best_constant
from counterpoise.networks.batch_ensemble import BatchEnsembleLoss, PoolMembers
from counterpoise.networks.user_loss import LabelModelLoss
from counterpoise.pipeline.scoring import scores_of
from counterpoise.targets.kinds import TARGETS, target_of

LABELS, ONE_OF = target_of("labels"), target_of("one_of")
RNG = np.random.default_rng(1)
N, L = 240, 3
Z = RNG.normal(size=(N, L)).astype(np.float32)
Y = (RNG.random((N, L)) < 1 / (1 + np.exp(1.0 - 2 * Z))).astype(np.int32)
Y[RNG.random(N) < 0.25, 2] = -1
SHIFT = np.array([[0.0, 0.0], [-0.7, 0.7], [0.2, -0.2]])
KNOWN = [np.flatnonzero(column >= 0) for column in Y.T]
WEIGHTS = RNG.integers(1, 4, N).astype(float)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_log_probabilities_are_those_of_one_unit_each(gamma):
    log_p = LABELS.log_p(Z, SHIFT, gamma)
    for label in range(L):
        np.testing.assert_allclose(log_p[:, label], corrected_log_proba(Z[:, [label]], SHIFT[label], gamma=gamma))


def test_stopping_is_the_mean_over_labels_on_the_rows_that_know_them():
    log_p = LABELS.log_p(Z, SHIFT)
    by_hand = [log_loss(Y[rows, i], np.exp(log_p[rows, i, 1])) for i, rows in enumerate(KNOWN)]
    losses, missed = LABELS.stopping(log_p, Y, "log_loss")
    assert losses.mean() == pytest.approx(np.mean(by_hand)) == pytest.approx(LABELS.log_loss(log_p, Y))
    assert missed == 0.0
    _, missed = LABELS.stopping(log_p, Y, "both")
    ap = [average_precision_score(Y[rows, i], log_p[rows, i, 1]) for i, rows in enumerate(KNOWN)]
    assert missed == pytest.approx(1 - np.mean(ap))
    again = np.repeat(np.arange(N), WEIGHTS.astype(int))
    assert LABELS.log_loss(log_p, Y, WEIGHTS) == pytest.approx(LABELS.log_loss(log_p[again], Y[again]))
    mended = LABELS.with_intercept(log_p, Y)
    for label, rows in enumerate(KNOWN):
        assert np.exp(mended[rows, label, 1]).mean() == pytest.approx(Y[rows, label].mean(), abs=1e-6)


def test_scores_are_means_over_labels_of_those_of_scikit_learn():
    proba = np.exp(LABELS.log_p(Z, SHIFT)[..., 1])
    decision = (proba >= 0.4).astype(np.int32)
    rows = Examples(Z, Y, ("a", "b", "c"), kind="labels")
    scores = scores_of(rows, np.arange(N), proba, proba, decision)
    ap = [average_precision_score(Y[k, i], proba[k, i]) for i, k in enumerate(KNOWN)]
    assert scores["average_precision"] == pytest.approx(np.mean(ap))
    assert scores["f1"] == pytest.approx(np.mean([f1_score(Y[k, i], decision[k, i]) for i, k in enumerate(KNOWN)]))
    seen = Y >= 0
    assert scores["f1_micro"] == pytest.approx(f1_score(Y[seen], decision[seen]))
    assert scores["average_precision_micro"] == pytest.approx(average_precision_score(Y[seen], proba[seen]))
    right = ((decision == Y) | ~seen).all(axis=1)
    assert scores["subset_accuracy"] == pytest.approx(np.mean(right))
    blank = np.concatenate([Y, np.full_like(Y, -1)])
    more = LABELS.joint_scores(blank, np.tile(proba, (2, 1)), np.tile(decision, (2, 1)), np.tile(WEIGHTS, 2))
    assert more["subset_accuracy"] == pytest.approx(np.average(right, weights=WEIGHTS))


def test_thresholds_stay_at_the_same_prior_with_weights_and_with_few_positives():
    y = np.stack([Y[:, 0], np.where(np.cumsum(Y[:, 1]) <= 9, Y[:, 1], 0)], axis=1)
    log_p, w = LABELS.log_p(Z[:, :2], SHIFT[:2])[None], np.where(Y[:, 0] == 1, 0.1, 1.0)
    rule = LABELS.fit_rule(log_p, y, SHIFT[None, :2], calibrate=lambda _: None, sample_weight=w, aim="f1")
    same = LABELS.at_prior(rule, [one.prior[1] for one in rule.problem_rules], {"log_p": log_p, "y": y, "weight": w})
    np.testing.assert_allclose(
        [one.threshold for one in same.problem_rules], [one.threshold for one in rule.problem_rules]
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "asymmetric"])
def test_labels_that_are_not_known_change_no_loss_and_no_gradient(loss):
    made, other = LABELS.losses[loss](), np.where(Y < 0, RNG.integers(0, 2, Y.shape), Y)
    w = (Y >= 0).astype(np.float32)
    z = keras.Variable(Z)
    assert float(made(Y, z.value, w)) == pytest.approx(float(made(other, z.value, w)), rel=1e-6)
    if loss == "cross_entropy":
        by_hand = np.where(Y == 1, np.logaddexp(0, -Z), np.logaddexp(0, Z))[Y >= 0]
        assert float(made(Y, Z, w)) * Y.size == pytest.approx(by_hand.sum(), rel=1e-5)
        views = BatchEnsembleLoss(made, independent=True)
        several = np.stack([Z, Z + 1, Z - 1], axis=1)
        one_by_one = np.mean([float(made(Y, several[:, v], w)) for v in range(3)])
        assert float(views(Y, several, w)) == pytest.approx(one_by_one, rel=1e-5)


def test_a_loss_of_the_users_is_weighed_label_by_label():
    w, p = (Y >= 0).astype(np.float32) * 2, 1 / (1 + np.exp(-Z))
    mine = LabelModelLoss(keras.losses.BinaryCrossentropy(), L, "sigmoid")
    by_hand = -np.where(Y == 1, np.log(p), np.log(1 - p)) * w
    assert float(mine(Y, Z, w)) == pytest.approx(by_hand.mean(), rel=1e-4)


def test_views_of_labels_are_pooled_as_probabilities_of_each_label():
    layer, views = PoolMembers(independent=True), np.stack([Z, 2 * Z], axis=1)
    pooled = 1 / (1 + np.exp(-np.asarray(layer(views))))
    np.testing.assert_allclose(pooled, np.mean(1 / (1 + np.exp(-views)), axis=1), rtol=1e-5)
    assert layer.log_shifts.shape == (2, L, 2)


def test_each_label_starts_at_its_own_constant():
    shares = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    loss = LABELS.losses["cross_entropy"]()
    np.testing.assert_allclose(LABELS.start(loss, shares, 3), np.log(shares[:, 1] / shares[:, 0]), atol=1e-4)
    for name in ("focal", "asymmetric"):
        made = LABELS.losses[name]()
        by_hand = np.concatenate([best_constant(made, pair, 1) for pair in shares])
        np.testing.assert_allclose(LABELS.start(made, shares, 3), by_hand, atol=2e-3)


def test_a_rule_per_label_in_numpy_and_as_a_layer():
    log_p = np.stack([LABELS.log_p(Z, SHIFT), LABELS.log_p(Z + 0.3, SHIFT)])
    rule = LABELS.fit_rule(log_p, Y, np.stack([SHIFT, SHIFT]), calibrate=lambda y: None, sample_weight=WEIGHTS)
    for label, rows in enumerate(KNOWN):
        alone = ONE_OF.fit_rule(
            log_p[:, rows, label], Y[rows, label], np.stack([SHIFT[label]] * 2), calibrate=lambda y: None,
            sample_weight=WEIGHTS[rows],
        )  # fmt: skip
        assert rule.problem_rules[label].threshold == alone.threshold
    output = LABELS.apply(rule, log_p)
    layer = LABELS.layer(rule)
    out = {name: np.asarray(value) for name, value in layer([Z, Z + 0.3]).items()}
    np.testing.assert_allclose(out["probability"], output.proba, atol=1e-5)
    assert np.array_equal(out["decision"], output.decision)
    assert out["decision"].shape == (N, L)
    again = LABELS.rule_of(layer.get_config()["rule"])
    assert [part.threshold for part in again.problem_rules] == [part.threshold for part in rule.problem_rules]


def test_a_handful_of_positives_shares_the_threshold_of_all_labels():
    few = Y.copy()
    few[np.flatnonzero(few[:, 0] == 1)[5:], 0] = 0
    log_p = LABELS.log_p(Z, SHIFT)[None]
    rule = LABELS.fit_rule(log_p, few, SHIFT[None], calibrate=lambda y: None, check_intercept=False)
    assert "fewer than 20" in rule.problem_rules[0].notes[-1]
    assert rule.problem_rules[1].notes == ()
    plain = LABELS.fit_rule(log_p, few, SHIFT[None], calibrate=lambda y: None, check_intercept=False, aim="argmax")
    assert [part.threshold for part in plain.problem_rules] == [0.5] * 3
    stored = {"log_p": log_p.astype(np.float32), "y": few}
    chosen = LABELS.choose(plain, stored, {"f1": True}, None, "abc")
    assert chosen.problem_rules[0].threshold == pytest.approx(rule.problem_rules[0].threshold, abs=1e-6)
    assert chosen.problem_rules[0].notes == rule.problem_rules[0].notes
    given = LABELS.choose(chosen, stored, {"threshold": 0.3}, None, "abc")
    assert [(part.threshold, part.notes) for part in given.problem_rules] == [(0.3, ())] * 3
    assert LABELS.describe(chosen, Y, "abc")["labels"][0]["notes"] == list(rule.problem_rules[0].notes)


def test_positives_of_weight_0_do_not_count():
    weight = np.ones(N)
    weight[np.flatnonzero(Y[:, 0] == 1)[5:]] = 0
    log_p, kept = LABELS.log_p(Z, SHIFT)[None], weight > 0
    how = {"calibrate": lambda _: None, "check_intercept": False}
    rule = LABELS.fit_rule(log_p, Y, SHIFT[None], sample_weight=weight, **how)
    absent = LABELS.fit_rule(log_p[:, kept], Y[kept], SHIFT[None], **how)
    assert "The label has 5 positives" in rule.problem_rules[0].notes[-1]
    assert [(part.threshold, part.notes) for part in rule.problem_rules] == [
        (pytest.approx(part.threshold), part.notes) for part in absent.problem_rules
    ]
    plain = LABELS.fit_rule(log_p, Y, SHIFT[None], aim="argmax", sample_weight=weight, **how)
    stored = {"log_p": log_p.astype(np.float32), "y": Y, "weight": weight}
    chosen = LABELS.choose(plain, stored, {"f1": True}, None, "abc")
    assert chosen.problem_rules[0].notes == rule.problem_rules[0].notes
    assert counted_labels(stored).tolist() == Y[kept].tolist()


def test_the_card_counts_the_rows_that_know_a_label():
    rule = LABELS.fit_rule(LABELS.log_p(Z, SHIFT)[None], Y, SHIFT[None], aim="f1", calibrate=lambda _: None)
    texts = [entry["text"] for entry in LABELS.describe(rule, Y, "abc")["labels"]]
    assert [f"on {len(rows)} rows" in text for rows, text in zip(KNOWN, texts, strict=True)] == [True] * L
    assert len(KNOWN[2]) < N


def test_limits_of_alerts_are_kept_by_each_label():
    """Alerts are counted, so that labels with few positives need no threshold of all labels together."""
    few = Y.copy()
    few[np.flatnonzero(few[:, 0] == 1)[5:], 0] = 0
    log_p = LABELS.log_p(Z, SHIFT)[None]
    how = {"calibrate": lambda y: None, "check_intercept": False}
    plain = LABELS.fit_rule(log_p, few, SHIFT[None], aim="argmax", **how)
    stored = {"log_p": log_p.astype(np.float32), "y": few}
    chosen = LABELS.choose(plain, stored, {"alerts": (10, 100)}, None, "abc")
    for rule in (chosen, LABELS.fit_rule(log_p, few, SHIFT[None], aim="alerts(10, 100)", **how)):
        decided = LABELS.apply(rule, log_p).decision
        for label, rows in enumerate(KNOWN):
            assert 0.09 * len(rows) < decided[rows, label].sum() <= 0.1 * len(rows)
        assert all(part.notes == () for part in rule.problem_rules)


def test_every_target_keeps_the_contract():
    for target in TARGETS.values():
        assert target.default[0] == "none"
        assert target_of(target.kind) is target
        assert target.shape(3) == target.log_p(np.zeros((1, 3)), np.zeros(target.shape(3))).shape[1:]
