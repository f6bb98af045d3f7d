"""A class per element: the target itself, its reader and its sample, on arrays alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss, precision_recall_curve

import counterpoise as cp
from counterpoise.core.element_labels import element_codes
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.examples import Examples
from counterpoise.core.label_columns import as_labels_if_several
from counterpoise.core.logits import log_softmax
from counterpoise.core.sample import draw_sample
from counterpoise.data.split import hold_out, make_folds
from counterpoise.decide.rule import apply_rule_to_log_p, fit_rule_from_log_p
from counterpoise.losses import CrossEntropy
from counterpoise.plans import class_plans
from counterpoise.plans.schedule import deferred
from counterpoise.plans.synthesis import synthesize
from counterpoise.targets.element_losses import LOSSES
from counterpoise.targets.kinds import target_of

ELEMENTS = target_of("elements")
RNG = np.random.default_rng(0)
Y = (RNG.random((30, 6, 7)) < 0.1).astype(np.int8)
Y[RNG.random(Y.shape) < 0.1] = -1
LOG_P = log_softmax(RNG.normal(size=(*Y.shape, 2)) + 1.5 * np.stack([Y == 0, Y == 1], axis=-1))
KNOWN = Y >= 0


# Reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        np.where(KNOWN, Y, -1),
        np.where(KNOWN, Y, np.nan),
        np.ma.masked_array(Y, ~KNOWN),
        np.where(KNOWN, Y, -1)[..., None],
        np.stack([Y == 0, Y == 1], axis=-1).astype(float),
        np.where(KNOWN, Y, -1).tolist(),
    ],
    ids=["minus one", "nan", "masked", "last axis 1", "one-hot", "lists"],
)
def test_masks_in_any_form(given):
    read = as_labels_if_several(given)
    assert read.kind == "elements"
    assert read.classes == (0, 1)
    np.testing.assert_array_equal(read.codes, Y)
    assert read.codes.dtype == np.int8


def test_truth_values_text_and_void_values():
    assert as_labels_if_several(Y > 0).classes == (False, True)
    words = as_labels_if_several(np.array(["sky", "car"], object)[np.maximum(Y, 0)])
    assert words.classes == ("sky", "car")
    assert words.codes.sum() == (Y == 1).sum()
    void = cp.elements(np.where(KNOWN, Y, 255).astype(np.uint8), ignore=255, names=["tissue", "lesion"]).read()
    np.testing.assert_array_equal(void.codes, Y)
    assert void.classes == ("tissue", "lesion")
    assert as_labels_if_several(np.where(KNOWN, 255 * (Y == 1), -1)).classes == (0, 255)
    assert as_labels_if_several(np.where(Y == 1, 0, 1)).classes == (1, 0)  # the rarer is code 1, whatever its value


def test_sequences_need_more_than_two_classes_or_a_model():
    steps = RNG.integers(0, 4, (8, 5))
    assert as_labels_if_several(steps).kind == "elements"
    both = (steps > 1).astype(int)
    assert as_labels_if_several(both).kind == "labels"
    assert as_labels_if_several(both, sequences=True).kind == cp.elements(both).read().kind == "elements"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((3, 4, 4), int), "have 1 class"),
        (cp.elements(np.zeros(3, int)), "has shape"),
        (np.full((3, 4, 4), 0.5), "0.5"),
        (cp.elements(Y, names=["a", "b", "c"]), "names= has 3"),
    ],
)
def test_what_are_no_classes_of_elements(given, message):
    with pytest.raises((TargetError, OptionError), match=message):
        as_labels_if_several(given)


def test_labels_of_new_rows_are_codes_of_the_classifier():
    known = np.array(["tissue", "lesion"])
    np.testing.assert_array_equal(element_codes(cp.elements(Y, names=["tissue", "lesion"]), known), Y)
    np.testing.assert_array_equal(element_codes(Y, known), Y)
    grays = 255 * np.maximum(Y, 0).astype(int)
    np.testing.assert_array_equal(element_codes(grays, np.array([0, 255])), np.maximum(Y, 0))
    with pytest.raises(TargetError, match="y has the label 7"):
        element_codes(np.where(Y == 1, 7, 0), np.array([0, 1]))


def test_labels_from_1_on_are_not_silently_read_as_codes_from_0_on():
    """Trained on the labels 1, 2, 3 with names, and scored on rows without label 3."""
    known = np.array(["a", "b", "c"])
    with pytest.warns(UserWarning, match="read as class numbers that start at 0: 1 is 'b', 2 is 'c'"):
        element_codes(np.array([[1, 2, 1]]), known)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        element_codes(np.array([[0, 2, -1]]), known)


# The sample ------------------------------------------------------------------------------------------------------


def test_a_sample_keeps_shares_and_every_rare_element():
    y = (RNG.random((5, 40, 40)) < 0.01).astype(np.int8)
    y[0] = 0
    y[1, :10] = -1
    sample = draw_sample(y, 3, size=200)
    assert sample.y.shape == sample.weights.shape == (5, 200)
    for row in range(5):
        for code in (0, 1, 2):
            mine = sample.y[row] == code
            assert sample.weights[row][mine].sum() == pytest.approx((y[row] == code).sum())
        assert (sample.y[row] == 1).sum() == (y[row] == 1).sum()
        used = sample.y[row] >= 0
        np.testing.assert_array_equal(y[row].ravel()[sample.index[row]][used], sample.y[row][used])
        assert len(np.unique(sample.index[row][used])) == used.sum()
    assert np.all(sample.weights[sample.y < 0] == 0)


def test_weighted_means_over_samples_are_those_of_all_elements():
    y = (RNG.random((400, 30)) < 0.2).astype(np.int8)
    values = RNG.normal(size=y.shape)
    sample = draw_sample(y, 2, size=10)
    taken = sample.of_outputs(values[..., None], np.arange(400))[..., 0]
    estimate, error = np.average(taken, weights=sample.weights), taken.std() / np.sqrt(4000)
    assert abs(estimate - values.mean()) < 4 * error


def test_small_rows_are_kept_whole():
    sample = Examples(np.zeros((30, 6, 7)), Y, (0, 1), kind="elements").sample
    np.testing.assert_array_equal(sample.y, Y.reshape(30, -1))
    np.testing.assert_array_equal(sample.weights, (Y >= 0).reshape(30, -1))


# Splits ----------------------------------------------------------------------------------------------------------


def test_whole_groups_are_dealt_by_what_rows_contain():
    y = np.zeros((60, 5, 5), np.int8)
    y[::5, 0, 0] = 1  # in every fifth row
    groups = np.arange(60) // 2
    examples = Examples(np.zeros((60, 5, 5, 1)), y, (0, 1), groups=groups, kind="elements")
    assert examples.counts.tolist() == [60, 12]
    for fold in make_folds(examples, 4):
        assert y[fold.test].any(axis=(1, 2)).sum() in (2, 3, 4)
        for part in (fold.train, fold.stop):
            assert not set(groups[part]) & set(groups[fold.test])
    train, held = hold_out(examples, 0.25)
    assert y[train].any()
    assert y[held].any()
    assert not set(groups[train]) & set(groups[held])


# What is fitted is what is fitted on rows of one class each -------------------------------------------------------


def flat(values):
    return values[KNOWN]


def test_losses_and_scores_are_those_of_the_elements():
    weights = RNG.uniform(0.5, 2.0, (30, 1)) * np.ones((30, 42))
    y, log_p = Y.reshape(30, -1), LOG_P.reshape(30, -1, 2)
    own = flat(weights.reshape(Y.shape))
    wanted = log_loss(flat(Y), np.exp(flat(LOG_P)), sample_weight=own)
    assert ELEMENTS.log_loss(log_p, y, weights) == pytest.approx(wanted)
    losses, missed = ELEMENTS.stopping(log_p, y, "log_loss", weights)
    assert losses.shape == (30,)
    assert losses.mean() == pytest.approx(wanted)
    assert missed == 0.0
    _, missed = ELEMENTS.stopping(log_p, y, "both", weights)
    assert 1 - missed == pytest.approx(average_precision_score(flat(Y), flat(LOG_P)[:, 1], sample_weight=own))
    hit = flat(LOG_P).argmax(axis=1) == 1
    assert ELEMENTS.recalls(log_p, y)[1] == pytest.approx(hit[flat(Y) == 1].mean())


def test_ignored_elements_change_nothing():
    other = np.where(KNOWN[..., None], LOG_P, np.log([0.01, 0.99]))
    assert ELEMENTS.log_loss(other, Y) == ELEMENTS.log_loss(LOG_P, Y)
    how = {"calibrate": lambda codes: None, "aim": "f1", "check_intercept": True}
    one, two = (ELEMENTS.fit_rule(p[None], Y, np.zeros((1, 2)), **how) for p in (LOG_P, other))
    assert one.threshold == two.threshold
    assert np.array_equal(one.prior, two.prior)
    z = RNG.normal(size=(*Y.shape, 1)).astype(np.float32)
    for name in LOSSES:
        constants = {"counts": [9, 1]} if name in ("logit_adjusted", "balanced_softmax") else {}
        loss = LOSSES[name](**constants)
        moved = np.where(KNOWN[..., None], z, 50.0).astype(np.float32)
        assert float(loss(Y, moved)) == pytest.approx(float(loss(Y, z)), rel=1e-6), name


def test_the_rule_is_that_of_rows_of_one_class():
    rule = ELEMENTS.fit_rule(
        LOG_P[None], Y, np.zeros((1, 2)), calibrate=lambda codes: "platt", aim="f1", check_intercept=True
    )
    plain = fit_rule_from_log_p([flat(LOG_P)], flat(Y).astype(int), [np.zeros(2)], aim="f1", calibrate="platt")
    assert rule.threshold == pytest.approx(plain.threshold)
    decided, wanted = ELEMENTS.apply(rule, LOG_P[None]), apply_rule_to_log_p(plain, [LOG_P.reshape(-1, 2)])
    assert decided.proba.shape == (*Y.shape, 2)
    assert decided.decision.shape == Y.shape
    np.testing.assert_allclose(decided.proba.reshape(-1, 2), wanted.proba)
    precision, recall, _ = precision_recall_curve(flat(Y), flat(decided.proba)[:, 1])
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert f1_score(flat(Y), flat(decided.decision)) == pytest.approx(best)


def test_no_guarantee_for_elements_that_belong_together():
    rule = ELEMENTS.fit_rule(LOG_P[None], Y, np.zeros((1, 2)), calibrate=lambda codes: None, aim="f1")
    scores = {"log_p": LOG_P[None], "y": Y}
    assert ELEMENTS.choose(rule, scores, {"recall_floor": 0.9}, None, (0, 1)).threshold < rule.threshold
    with pytest.raises(OptionError, match="Remove confidence="):
        ELEMENTS.choose(rule, scores, {"recall_floor": 0.9}, 0.95, (0, 1))


# Plans and losses -------------------------------------------------------------------------------------------------


def test_class_weights_are_those_of_the_elements_and_in_the_loss():
    plan = ELEMENTS.plan(class_plans.class_weight, Y, 2, None)
    counts = np.array([(Y == 0).sum(), (Y == 1).sum()])
    wanted = counts.sum() / (2 * counts)
    np.testing.assert_allclose(plan.element_weights, wanted)
    np.testing.assert_allclose(plan.prior, counts / counts.sum())
    name, constants = ELEMENTS.weighted(("cross_entropy", {}), plan)
    z = RNG.normal(size=(*Y.shape, 1)).astype(np.float32)
    loss = float(LOSSES[name](**constants)(Y, z))
    each = np.where(flat(Y) == 1, np.log1p(np.exp(-flat(z)[:, 0])), np.log1p(np.exp(flat(z)[:, 0])))
    assert loss == pytest.approx(np.mean(each * wanted[flat(Y).astype(int)]), rel=1e-5)
    with pytest.raises(OptionError, match="'dice' has no value per element"):
        ELEMENTS.weighted(("dice", {}), plan)


def test_equally_frequent_classes_have_equal_weights():
    plan = ELEMENTS.plan(class_plans.class_weight, np.tile([0, 1], (6, 4)), 2, None)
    assert plan.element_weights is None
    assert ELEMENTS.weighted(("cross_entropy", {}), plan) == ("cross_entropy", {})


def test_users_weights_of_rows_move_the_shares():
    weights = np.where(Y.reshape(30, -1).max(axis=1) > 0, 3.0, 1.0).astype(np.float32)
    plan = ELEMENTS.plan(class_plans.class_weight, Y, 2, weights)
    counts = np.array([((c == Y).sum(axis=(1, 2)) * weights).sum() for c in (0, 1)])
    np.testing.assert_allclose(plan.prior, counts / counts.sum())
    rows, drawn = plan.epoch(0, 1)
    np.testing.assert_allclose(drawn, (weights / weights.mean())[rows], rtol=1e-6)


def test_draws_are_of_rows_that_contain_the_rare_class():
    y = np.zeros((40, 4, 4), np.int8)
    y[:5, 0, 0] = 1
    plan = ELEMENTS.plan(class_plans.oversample, y, 2, None)
    rows, weights = plan.epoch(0, 0)
    assert (rows < 5).sum() == (rows >= 5).sum() == 35
    assert np.allclose(weights, 1)
    assert len(plan) == 70
    assert plan.needs_calibration
    assert plan.log_shift.tolist() == [0, 0]
    for make, reason in ((synthesize, "creates rows"), (_deferred, "changes its weights during training")):
        with pytest.raises(OptionError, match=reason):
            ELEMENTS.plan(make, y, 2, None)


def _deferred(y, **options):
    return deferred(class_plans.class_weight(y, **options))


def test_where_outputs_start():
    shares = np.array([0.98, 0.02])
    start = ELEMENTS.start(LOSSES["cross_entropy"](), shares, 1)
    assert start == pytest.approx([np.log(0.02 / 0.98)], abs=1e-6)
    assert ELEMENTS.start(LOSSES["cross_entropy"](weights=[0.5 / 0.98, 0.5 / 0.02]), shares, 1) == pytest.approx(
        [0.0], abs=1e-4
    )
    assert ELEMENTS.start(LOSSES["dice_cross_entropy"](), shares, 1) == pytest.approx(
        ELEMENTS.start(CrossEntropy(), shares, 1)
    )
    assert ELEMENTS.start(LOSSES["dice"](), shares, 1) is None
