"""Laws of plans: counts, coverage, weights, prior and shift, for any class counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import resample
from sklearn.utils.class_weight import compute_class_weight

from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError, TargetError

counts = st.lists(st.integers(1, 60), min_size=2, max_size=5)
ratios = st.floats(0.05, 1.0)


def labels(sizes, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@given(counts, ratios, st.integers(0, 5), st.sampled_from(["even", "replacement"]))
def test_oversampling_draws_exact_counts(sizes, ratio, epoch, draw):
    y = labels(sizes)
    plan = plans.oversample(y, ratio, draw=draw)
    got = np.bincount(y[plan.rows(epoch, seed=3)], minlength=len(sizes))
    want = [max(n, round(ratio * max(sizes))) for n in sizes]
    assert got.tolist() == pytest.approx(want, abs=1)
    assert got.tolist() == plan.drawn.tolist()


@given(counts, ratios, st.integers(0, 3))
def test_even_repeats_differ_by_at_most_one(sizes, ratio, epoch):
    y = labels(sizes)
    times = np.bincount(plans.oversample(y, ratio).rows(epoch, 1), minlength=len(y))
    for code in range(len(sizes)):
        assert np.ptp(times[y == code]) <= 1


@given(counts, ratios)
@settings(max_examples=50)
def test_undersampling_walks_through_every_row_before_one_comes_again(sizes, ratio):
    y = labels(sizes)
    try:
        plan = plans.undersample(y, ratio)
    except OptionError:
        return
    seen = np.zeros(len(y), bool)
    for epoch in range(30):
        rows = plan.rows(epoch, seed=5)
        assert len(np.unique(rows)) == len(rows)
        seen[rows] = True
        for code, n in enumerate(sizes):
            assert seen[y == code].sum() == min(n, (epoch + 1) * plan.drawn[code])


def test_without_redraw_the_set_is_fixed_and_the_order_is_not():
    y = labels([50, 5])
    plan = plans.undersample(y, redraw=False)
    first, second = plan.rows(0, 1), plan.rows(1, 1)
    assert sorted(first) == sorted(second)
    assert first.tolist() != second.tolist()


@given(counts, st.integers(0, 9), st.integers(0, 9))
def test_epoch_and_seed_fix_the_draw(sizes, epoch, seed):
    y = labels(sizes)
    plan, again = plans.oversample(y), plans.oversample(y)
    assert plan.rows(epoch, seed).tolist() == again.rows(epoch, seed).tolist()


def test_neighboring_seeds_share_nothing():
    plan = plans.uniform(labels([500, 50]))
    assert plan.rows(1, 0).tolist() != plan.rows(0, 1).tolist()


@given(counts, st.integers(0, 99))
def test_permuting_rows_changes_no_number(sizes, seed):
    y = labels(sizes)
    order = np.random.default_rng(seed).permutation(len(y))
    for make in (plans.oversample, plans.class_weight, plans.power, plans.effective_number):
        plan, moved = make(y), make(y[order])
        assert moved.prior == pytest.approx(plan.prior)
        assert moved.log_shift == pytest.approx(plan.log_shift)
        assert moved.weights() == pytest.approx(plan.weights()[order])


@given(counts)
def test_weights_have_mean_one_and_are_scikit_learns(sizes):
    y = labels(sizes)
    plan = plans.class_weight(y)
    want = compute_class_weight("balanced", classes=np.arange(len(sizes)), y=y)
    assert plan.weights().mean() == pytest.approx(1, abs=1e-5)
    assert plan.weights() == pytest.approx(want[y], rel=1e-5)


@given(counts, ratios)
def test_shift_is_what_turns_one_prior_into_the_other(sizes, ratio):
    y = labels(sizes)
    for plan in (
        plans.oversample(y, ratio),
        plans.class_weight(y),
        plans.to_prior(y, np.full(len(sizes), 1 / len(sizes))),
    ):
        moved = np.log(plan.prior) - np.log(plan.base_prior)
        assert plan.log_shift == pytest.approx(moved - moved.mean(), abs=1e-9)


def test_weight_two_is_the_row_twice():
    y = labels([30, 10])
    twice = np.concatenate([y, y[y == 1]])
    weighted = plans.class_weight(y, sample_weight=np.where(y == 1, 2.0, 1.0))
    assert weighted.base_prior == pytest.approx(plans.class_weight(twice).base_prior)
    assert weighted.log_shift == pytest.approx(plans.class_weight(twice).log_shift)
    per_class = [weighted.weights()[y == c].sum() for c in (0, 1)]
    want = [plans.class_weight(twice).weights()[twice == c].sum() for c in (0, 1)]
    assert np.divide(*per_class) == pytest.approx(np.divide(*want), rel=1e-5)


def test_replacement_has_the_counts_and_spread_of_scikit_learns_resample():
    y = labels([900, 30])
    plan = plans.oversample(y, draw="replacement", redraw=False)
    minority = np.flatnonzero(y == 1)
    ours = np.bincount(plan.rows(0, 0), minlength=len(y))[minority]
    theirs = np.bincount(resample(minority, n_samples=900, random_state=0), minlength=len(y))[minority]
    assert ours.sum() == theirs.sum() == 900
    # Multinomial: variance of a count is n p (1 - p) = 29; both within a factor.
    assert 0.3 < ours.var() / theirs.var() < 3


def test_rows_are_small_integers():
    assert plans.uniform(labels([5, 5])).rows().dtype == np.int32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda y: plans.oversample(y, 0), "ratio is 0"),
        (lambda y: plans.oversample(y, 1.5), "at most 1"),
        (lambda y: plans.oversample(y, draw="twice"), "draw is 'twice'"),
        (lambda y: plans.class_weight(y, "inverse"), "scheme is 'inverse'"),
        (lambda y: plans.class_weight(y, np.array([1.0, 5.0])), "scheme is array([1., 5.])"),
        (lambda y: plans.class_weight(y, {0: 1.0}), "Class '1' has no finite weight"),
        (lambda y: plans.class_weight(y, {0: 1.0, 7: 1.0}), "There is no class 7"),
        (lambda y: plans.to_prior(y, [0.9, 0.2]), "sum to 1"),
        (lambda y: plans.effective_number(y, 1.0), "beta is 1.0"),
        (lambda y: plans.uniform(y, sample_weight=-np.ones(len(y))), "negative"),
        (lambda y: plans.uniform(y, sample_weight=np.ones(3)), "shape (3,)"),
        (lambda y: plans.cost(y, [1.0, 0.0]), "finite cost above 0"),
    ],
)
def test_bad_arguments_say_what_was_got(call, words):
    with pytest.raises((DataError, OptionError, TargetError)) as caught:
        call(labels([30, 10]))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("y", "words"),
    [([], "at least one row"), ([0.5, 1.0], r"0.5\), in row 1"), ([[1, 1], [0, 1]], "not one-hot")],
)
def test_labels_that_are_not_classes(y, words):
    with pytest.raises(TargetError, match=words):
        plans.uniform(np.array(y))


def test_one_hot_column_and_text_labels_are_the_same():
    y = labels([6, 3])
    for form in (y[:, None], np.eye(2)[y], np.array(["a", "b"])[y]):
        assert plans.oversample(form).rows(0, 0).tolist() == plans.oversample(y).rows(0, 0).tolist()


@pytest.mark.parametrize("weight", [np.nan, np.inf, 0.0, -1.0])
def test_weights_that_are_no_finite_numbers_above_0_are_refused(weight):
    with pytest.raises(OptionError, match="has no finite weight above 0"):
        plans.class_weight([0, 0, 1], {0: 1.0, 1: weight})
    with pytest.raises(OptionError, match="exponent is nan"):
        plans.power([0, 0, 1], np.nan)
    for exponent in (1e9, -1e9):
        with (
            pytest.raises(OptionError, match=r"removes a class\. Expected finite weights above 0"),
            np.errstate(all="ignore"),
        ):
            plans.power([0, 0, 1], exponent)


def test_a_bootstrap_draws_every_class_independently():
    y = np.repeat([0, 1], [2000, 400])
    plan = plans.undersample(y, draw="bootstrap", redraw=False)
    drawn = plan.rows(0, seed=3)
    assert np.bincount(y[drawn]).tolist() == [400, 400]
    rare = np.unique(drawn[y[drawn] == 1])
    # a bootstrap of n rows shows 1 - 1/e of them: 252.8 of 400, with a standard deviation below 6
    assert abs(len(rare) - 400 * (1 - np.exp(-1))) < 36
    assert np.array_equal(np.sort(plan.rows(5, seed=3)), np.sort(drawn))
    assert not np.array_equal(np.sort(plan.rows(0, seed=4)), np.sort(drawn))
    assert np.allclose(plan.log_shift, plans.undersample(y).log_shift)
