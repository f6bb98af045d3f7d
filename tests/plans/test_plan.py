"""Laws of every plan, and of every combination of plans: it draws, weighs and names its content as a plan does."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise import plans
from counterpoise.core.errors import OptionError
from counterpoise.plans.label_plan import label_plan
from counterpoise.plans.member_plans import joined_member_plans

Y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 12, 8]))
X = np.random.default_rng(1).normal(size=(60, 2)) + Y[:, None]
USER = np.random.default_rng(2).random(60) + 0.5
PROBA = np.random.default_rng(3).dirichlet(np.ones(3), (2, 60))
LABELS = np.stack([Y == 1, Y > 0], axis=1).astype(np.int8)

ANYWHERE = [
    plans.uniform,
    plans.oversample,
    partial(plans.oversample, ratio=0.5, draw="replacement"),
    plans.undersample,
    partial(plans.undersample, ratio=0.5, redraw=False),
    plans.class_weight,
    plans.power,
    partial(plans.cost, costs=[1, 2, 3]),
    partial(plans.synthesize, ratio=0.6, k_neighbors=2),
    plans.clean,
    plans.quota,
]
#: Plans that weight rows, and are the last of a chain.
WEIGHTED = [plans.class_weight, plans.power, ANYWHERE[7]]
FIRST = [
    partial(plans.per_group, groups=np.arange(60) % 17),
    partial(plans.per_group, groups=np.arange(60) % 17, how="whole"),
    partial(plans.self_paced, before=PROBA),
    partial(plans.cascade, before=PROBA),
]
makers = st.builds(
    lambda first, rest: [*first, *rest],
    st.lists(st.sampled_from(FIRST), max_size=1),
    st.builds(
        lambda rest, last: [*rest, last],
        st.lists(st.sampled_from([make for make in ANYWHERE if make not in WEIGHTED]), max_size=2),
        st.sampled_from(ANYWHERE),
    ),
)


def check_plan(plan, y, epochs=40):
    """The laws: `y` are the labels of the rows that the plan numbers."""
    rows, weights = plan.epoch(3, 5)
    again = plan.epoch(3, 5)
    assert np.array_equal(rows, again[0])
    assert np.array_equal(weights, again[1])
    assert np.array_equal(rows, plan.rows(3, 5))
    assert len(rows) == len(weights) == len(plan)
    assert weights.dtype == np.float32
    assert rows.min() >= 0
    assert rows.max() < len(plan.codes)
    seen, total = np.zeros(len(plan.classes)), 0.0
    for number in range(epochs):
        rows, weights = plan.epoch(number, 5)
        seen += np.bincount(y[rows], weights=weights.reshape(len(rows), -1).mean(axis=1), minlength=len(seen))
        total += len(rows)
    assert seen.sum() / total == pytest.approx(1, abs=0.05)
    assert seen / seen.sum() == pytest.approx(plan.prior, abs=0.05)
    assert plan.log_shift.sum() == pytest.approx(0, abs=1e-9)


def identity(plan):
    return [piece.tobytes() if isinstance(piece, np.ndarray) else repr(piece) for piece in plan.content()]


@given(makers, st.booleans(), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_combination_of_plans_is_again_a_plan(steps, weighted, late):
    user = USER if weighted else None
    plan, again = (plans.chain(*steps)(Y, sample_weight=user).realize(X, 7) for _ in range(2))
    assert identity(plan) == identity(again)
    if late:
        plan, before = plans.deferred(plan), plan
        check_plan(plan.first, Y, epochs=1)
        assert identity(plan) != identity(before)
    check_plan(plan, plan.codes)
    assert plan.base_prior == pytest.approx(plans.uniform(Y, sample_weight=user).prior)
    if len(steps) > 1:
        whole = plans.chain(steps[0], plans.chain(*steps[1:]))(Y, sample_weight=user).realize(X, 7)
        assert identity(whole) == identity(again), "chains of chains are the longer chain"


@pytest.mark.parametrize(
    "make", [*WEIGHTED, partial(plans.per_group, groups=np.arange(60) % 17, how="weights")], ids=lambda m: m(Y).name
)
@pytest.mark.parametrize("user", [None, USER], ids=["plain", "weighted"])
def test_only_the_last_plan_of_a_chain_may_weight_rows(make, user):
    with pytest.raises(OptionError, match="which weights rows, before its last step"):
        plans.chain(make, plans.undersample)(Y, sample_weight=user).realize(X)


@given(st.lists(st.sampled_from([make for make in ANYWHERE if not make(Y).needs_features]), min_size=1, max_size=3))
@settings(max_examples=5, deadline=None)
def test_plans_of_members_are_a_plan_and_take_the_users_weights(members):
    plan = joined_member_plans([make(Y) for make in members], 3)
    weighted = joined_member_plans([make(Y).with_weights(USER) for make in members], 3)
    for each in (plan, weighted):
        rows, weights = each.epoch(2, 1)
        assert weights.shape == (60, 3)
        assert weights.mean(axis=1) == pytest.approx(np.ones(60), abs=1e-5)
        assert np.array_equal(rows, each.rows(2, 1))
    later = plan.with_weights(USER)
    assert identity(later) == identity(weighted)
    assert np.array_equal(later.epoch(1, 0)[1], weighted.epoch(1, 0)[1])


def test_a_plan_of_labels_weighs_each_label_of_the_rows_that_it_draws():
    for drawing in (None, plans.label_sets(LABELS), plans.clone_labels(LABELS)):
        plan = label_plan(LABELS, np.array([[1.0, 3.0], [1.0, 2.0]]), drawing=drawing)
        rows, weights = plan.epoch(1, 2)
        assert np.array_equal(weights, plan.weights()[rows])
        assert weights.shape == (len(plan), 2)
        assert weights.mean() == pytest.approx(1, abs=0.2)


def test_the_content_differs_where_plans_do_and_not_where_only_their_names_do():
    who = [partial(plans.per_group, groups=groups) for groups in (np.arange(60) % 17, np.arange(60) // 4)]
    made = [
        plans.oversample(Y),
        plans.oversample(Y, draw="replacement"),
        *(make(Y) for make in who),
        *(plans.chain(make, plans.uniform)(Y).realize(X) for make in who),
        *(plans.chain(make)(Y).realize(X) for make in who),
        plans.synthesize(Y, "smote"),
        plans.synthesize(Y, "smote", k_neighbors=2),
    ]
    assert len({tuple(identity(plan)) for plan in made}) == len(made)
    text = np.array(["a", "b", "c"])[Y]
    assert identity(plans.oversample(Y)) == identity(plans.oversample(text))


def test_weights_come_once_and_before_rows_are_drawn():
    plan = plans.class_weight(Y).with_weights(USER)
    per_class = [plan.weights()[c == Y] / USER[c == Y] for c in range(3)]
    assert [np.ptp(ratio) < 1e-5 for ratio in per_class] == [True] * 3
    for taken in (plan, plans.per_group(Y, Y), plans.cascade(Y, PROBA), plans.chain(plans.oversample)(Y).realize(X)):
        with pytest.raises(OptionError, match="to the function that makes the plan"):
            taken.with_weights(USER)
