"""Plans for independent labels reach the shares that they report."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError, TargetError


def target(n=400, shares=(0.5, 0.2, 0.04), seed=0):
    return (np.random.default_rng(seed).random((n, len(shares))) < shares).astype(int)


def drawn_shares(plan, y, epochs=20):
    rows = np.concatenate([plan.rows(e, 1) for e in range(epochs)])
    weights = plan.weights()[rows]
    return weights @ y[rows] / weights.sum()


MAKERS = [plans.label_sets, plans.clone_labels, plans.weigh_labels]


@pytest.mark.parametrize("make", MAKERS)
def test_the_reported_shares_are_those_of_the_drawn_rows(make):
    y = target()
    plan = make(y)
    before, after = plan.label_shares
    assert before == pytest.approx(y.mean(axis=0))
    assert drawn_shares(plan, y) == pytest.approx(after, abs=0.01)
    assert after[2] > 1.5 * before[2]
    assert len(plan.rows(3, 1)) == len(plan)
    assert plan.weights()[plan.rows(0, 0)].mean() == pytest.approx(1, rel=0.02)
    assert plan.needs_calibration


@given(st.integers(0, 50), st.floats(0.05, 0.8))
@settings(max_examples=25)
def test_cloning_adds_the_share_asked_for_and_loses_no_row(seed, share):
    y = target(seed=seed)
    plan = plans.clone_labels(y, share)
    assert len(plan) <= len(y) + round(share * len(y))
    assert set(plan.rows(0, seed).tolist()) == set(range(len(y)))


def test_cloning_stops_when_no_label_is_rarer_than_the_mean():
    y = np.eye(3, dtype=int)[np.repeat([0, 1, 2], 20)]
    assert len(plans.clone_labels(y, 0.5)) == 60


def test_label_sets_are_balanced_like_classes():
    y = np.array([[0, 0]] * 30 + [[1, 0]] * 10 + [[1, 1]] * 5)
    rows = plans.label_sets(y, 0.5).rows(0, 0)
    sets = np.unique(y[rows], axis=0, return_counts=True)[1]
    assert sets.tolist() == [30, 15, 15]


@given(st.integers(0, 50), st.floats(0.05, 0.4))
@settings(max_examples=25)
def test_weights_raise_rare_labels_to_the_target(seed, share):
    y = target(seed=seed)
    before, after = plans.weigh_labels(y, share, most=1e4).label_shares
    assert after == pytest.approx(np.maximum(before, share), rel=2e-3)


def test_no_weight_is_larger_than_allowed():
    plan = plans.weigh_labels(target(), 0.5, most=4)
    assert plan.weights().max() / plan.weights().min() <= 4 * (1 + 1e-6)


def test_your_own_weights_multiply_in():
    y = target()
    own = np.random.default_rng(0).uniform(1, 3, len(y))
    ratio = plans.clone_labels(y, sample_weight=own).weights() / own
    assert ratio == pytest.approx(np.full(len(y), ratio[0]), rel=1e-4)


def test_a_row_of_weight_2_counts_as_two_rows():
    y, own = target(), np.random.default_rng(1).integers(1, 4, 400)
    plan = plans.weigh_labels(y, 0.3, most=1e4, sample_weight=own)
    twice = plans.weigh_labels(np.repeat(y, own, axis=0), 0.3, most=1e4)
    assert plan.label_shares[0] == pytest.approx(twice.label_shares[0])
    assert plan.label_shares[1] == pytest.approx(twice.label_shares[1], rel=1e-3)
    assert plan.weights() @ y / plan.weights().sum() == pytest.approx(twice.label_shares[1], rel=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: plans.label_sets([0, 1]), DataError, r"shape \(2,\)"),
        (lambda: plans.label_sets([[0, 2]]), TargetError, "contains 0, 2"),
        (
            lambda: plans.label_sets(np.random.default_rng(0).integers(0, 2, (900, 12))),
            OptionError,
            "combinations of labels",
        ),
        (lambda: plans.clone_labels([[0, 1]], 0), OptionError, "share is 0"),
        (lambda: plans.weigh_labels([[0, 1], [0, 0]]), TargetError, "Label 0 has the same value"),
        (lambda: plans.weigh_labels([[0, 1], [1, 0]], [0.5, 1.0]), OptionError, "above 0 and below 1"),
        (lambda: plans.weigh_labels([[0, 1], [1, 0]], np.nan), OptionError, "target is nan"),
        (lambda: plans.weigh_labels([[0, 1], [1, 0]], most=0.5), OptionError, "most is 0.5"),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_label_of_all_rows_is_refused_with_any_weights():
    rng = np.random.default_rng(0)
    y = np.stack([np.ones(1000, int), rng.random(1000) < 0.2], axis=1).astype(int)
    for weights in (None, rng.random(1000), np.where(np.arange(1000) % 3, rng.random(1000), 0.0)):
        with pytest.raises(TargetError, match="Label 0 has the same value in all rows"):
            plans.weigh_labels(y, 0.3, sample_weight=weights)
