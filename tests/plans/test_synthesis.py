"""Plans that make rows, take rows away, and chains of them."""

from __future__ import annotations

from functools import partial

import imblearn.over_sampling
import imblearn.under_sampling
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError
from counterpoise.plans.matrices import layout_of


def blobs(counts, width=2, seed=0, gap=1.0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return rng.normal(size=(len(y), width)) + gap * y[:, None], y


def table(n=60, rare=12, missing=True):
    x, y = blobs([n - rare, rare], width=3)
    if missing:
        x[::7, 1] = np.nan
    ids = np.random.default_rng(1).integers(0, 4, (n, 2)).astype("int32")
    return {"numeric": x.astype("float32"), "categorical": ids}, y


MAKERS = ["smote", "borderline_smote", "svm_smote", "adasyn"]


@pytest.mark.parametrize("sampler", MAKERS)
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_new_rows_are_as_many_as_oversampling_would_draw(sampler, ratio):
    x, y = blobs([80, 20, 15])
    plan = plans.synthesize(y, sampler, ratio)
    assert plan.drawn.tolist() == plans.oversample(y, ratio).drawn.tolist()
    ready = plan.realize(x, 1)
    fresh, codes = ready.new
    assert (np.bincount(y, minlength=3) + np.bincount(codes, minlength=3)).tolist() == plan.drawn.tolist()
    assert fresh.shape == (len(codes), 2)
    assert sorted(ready.rows(3, 1).tolist()) == list(range(len(y) + len(codes)))
    assert ready.prior == pytest.approx(plans.oversample(y, ratio).prior)
    assert ready.log_shift == pytest.approx(plans.oversample(y, ratio).log_shift)
    assert ready.needs_calibration
    assert ready.weights().shape == (len(y) + len(codes),)


def test_smote_rows_lie_between_two_rows_of_their_class():
    x, y = blobs([60, 10], width=3)
    fresh, _ = plans.synthesize(y, k_neighbors=3).new_rows(x, 0)
    own = x[y == 1]
    for row in fresh:
        gaps = [np.linalg.norm(row - a) + np.linalg.norm(row - b) - np.linalg.norm(a - b) for a in own for b in own]
        assert min(gaps) < 1e-9


def test_the_seed_fixes_the_rows_and_another_seed_makes_others():
    x, y = blobs([60, 10])
    plan = plans.synthesize(y)
    assert np.array_equal(plan.new_rows(x, 4)[0], plan.new_rows(x, 4)[0])
    assert not np.array_equal(plan.new_rows(x, 4)[0], plan.new_rows(x, 5)[0])


def test_only_the_training_rows_are_used():
    x, y = blobs([60, 10])
    train = np.arange(40)
    plan = plans.synthesize(y[train], k_neighbors=2)
    want = plan.new_rows(x[train], 0)[0]
    x[40:] = 1e6
    assert np.array_equal(plan.new_rows(x[train], 0)[0], want)


def test_columns_on_large_scales_do_not_decide_who_is_a_neighbor():
    x, y = blobs([60, 10], width=2)
    plan = plans.synthesize(y, k_neighbors=3)
    scaled = x * np.array([1.0, 1e6])
    assert plan.new_rows(scaled, 0)[0] == pytest.approx(plan.new_rows(x, 0)[0] * np.array([1.0, 1e6]), rel=1e-6)


def test_tables_become_smote_nc_keep_their_levels_and_lose_no_type():
    x, y = table()
    fresh, codes = plans.synthesize(y).new_rows(x, 0)
    assert fresh["numeric"].dtype == np.float32
    assert fresh["categorical"].dtype == np.int32
    assert len(fresh["numeric"]) == len(codes) == 36
    assert set(np.unique(fresh["categorical"])) <= set(np.unique(x["categorical"][y == 1]))
    assert np.isfinite(fresh["numeric"]).all()


def test_levels_alone_become_smote_n_and_numbers_alone_smote():
    x, y = table()
    for key in ("categorical", "numeric"):
        fresh, _ = plans.synthesize(y, "smote_nc").new_rows({key: x[key]}, 0)
        assert set(fresh) == {key}


def test_averaging_levels_is_refused():
    x, y = table()
    with pytest.raises(OptionError, match="which have no average"):
        plans.synthesize(y, "adasyn").new_rows(x)
    with pytest.raises(OptionError, match="averages category ids"):
        plans.synthesize(y, imblearn.over_sampling.SMOTE()).new_rows(x)


def test_images_and_several_inputs_keep_their_shape():
    x, y = blobs([30, 8], width=12)
    inputs = {"image": x.reshape(-1, 2, 3, 2).astype("uint8"), "table": x[:, :2].astype("float32")}
    fresh, codes = plans.synthesize(y).new_rows(inputs, 0)
    assert fresh["image"].shape == (len(codes), 2, 3, 2)
    assert fresh["image"].dtype == np.uint8
    pair, _ = plans.synthesize(y).new_rows((x, x[:, :1]), 0)
    assert isinstance(pair, tuple)


def test_too_few_neighbors_say_how_many_there_are():
    x, y = blobs([30, 4])
    with pytest.raises(DataError, match=r"Class 1 has 4 training rows.*at least 6.*k_neighbors=3"):
        plans.synthesize(y).new_rows(x)
    assert len(plans.synthesize(y, k_neighbors=3).new_rows(x)[0]) == 26


@given(st.lists(st.integers(2, 30), min_size=2, max_size=4), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_pack_and_unpack_are_inverses(counts, seed):
    x, _ = blobs(counts, width=4, seed=seed)
    inputs = {"numeric": x[:, :2].astype("float32"), "categorical": np.abs(x[:, 2:] * 5).astype("int32")}
    layout = layout_of(inputs)
    back = layout.unpack(layout.pack(inputs))
    assert back["numeric"] == pytest.approx(inputs["numeric"], rel=1e-5, abs=1e-6)
    assert np.array_equal(back["categorical"], inputs["categorical"])


CLEANERS = {
    "tomek": imblearn.under_sampling.TomekLinks,
    "enn": imblearn.under_sampling.EditedNearestNeighbours,
    "near_miss": imblearn.under_sampling.NearMiss,
}


@pytest.mark.parametrize("name", CLEANERS)
def test_cleaning_keeps_the_rows_that_imbalanced_learn_keeps(name):
    x, y = blobs([80, 20])
    scaled = layout_of(x).pack(x)
    sampler = CLEANERS[name]()
    sampler.fit_resample(scaled, y)
    ready = plans.clean(y, name).realize(x)
    assert sorted(ready.rows(0, 0).tolist()) == sorted(sampler.sample_indices_.tolist())
    assert ready.new is None
    assert ready.counts.tolist() == [80, 20]
    assert ready.multiplicity == pytest.approx(np.bincount(y[sampler.sample_indices_]) / [80, 20])


def test_a_cleaning_plan_says_that_it_needs_features():
    with pytest.raises(OptionError, match="realize"):
        plans.clean([0, 0, 1]).rows()


def test_a_chain_cleans_makes_rows_and_goes_on_undersampling():
    x, y = blobs([200, 20])
    make = plans.chain(partial(plans.clean, sampler="tomek"), partial(plans.synthesize, ratio=0.5), plans.undersample)
    ready = make(y).realize(x, 0)
    codes = ready.new[1]
    assert ready.name == "tomek + synthesize + undersample"
    assert ready.prior == pytest.approx([0.5, 0.5])
    removed = set(range(220)) - set(plans.clean(y).kept(x).tolist())
    drawn = np.unique(np.concatenate([ready.rows(e, 0) for e in range(10)]))
    assert removed
    assert not removed & set(drawn.tolist())
    assert drawn.max() == 220 + len(codes) - 1
    assert ready.rows(0, 0).tolist() != ready.rows(1, 0).tolist()
    assert (ready.codes[220:] == 1).all()
    assert ready.weights()[ready.rows(0, 0)].mean() == pytest.approx(1, rel=1e-5)


def test_a_chain_of_a_chain_is_the_longer_chain():
    x, y = blobs([100, 10])
    inner = plans.chain(plans.clean, plans.synthesize)
    one, two = plans.chain(inner, plans.undersample), plans.chain(plans.clean, plans.synthesize, plans.undersample)
    assert one(y).realize(x, 1).rows(0, 1).tolist() == two(y).realize(x, 1).rows(0, 1).tolist()


def test_a_chain_of_one_plan_draws_as_the_plan_does():
    x, y = blobs([50, 5])
    ready = plans.chain(plans.oversample)(y).realize(x)
    assert sorted(ready.rows(0, 3).tolist()) == sorted(plans.oversample(y).rows(0, 3).tolist())


def test_a_chain_that_ends_with_a_quota_has_its_batch_size():
    x, y = blobs([50, 5])
    ready = plans.chain(plans.clean, partial(plans.quota, rows={0: 2, 1: 1}))(y).realize(x)
    assert ready.batch_size == 3
    assert np.all(ready.codes[ready.rows(0, 0)].reshape(-1, 3).sum(axis=1) == 1)


@pytest.mark.parametrize(
    "make", [plans.synthesize, plans.chain(plans.clean, plans.synthesize, plans.uniform)], ids=["alone", "in a chain"]
)
def test_new_rows_weigh_as_the_rows_of_their_class(make):
    x, y = blobs([100, 10])
    own = np.where(y == 1, 0.004, 0.001)
    ready = make(y, sample_weight=own).realize(x)
    rows, weights = ready.epoch(0, 0)
    seen = np.bincount(ready.codes[rows], weights)
    # The shift that training causes is the one that is removed.
    caused = np.log(seen / np.bincount(y, own))
    assert np.diff(caused) == pytest.approx(np.diff(ready.log_shift), rel=1e-5)


def test_weights_of_the_user_pass_through_a_chain():
    x, y = blobs([100, 10])
    own = np.random.default_rng(0).uniform(1, 3, len(y))
    ready = plans.chain(plans.clean, plans.undersample)(y, sample_weight=own).realize(x)
    rows = ready.rows(0, 0)
    ratio = ready.weights()[rows] / own[rows]
    assert ratio == pytest.approx(np.full(len(rows), ratio[0]), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: plans.synthesize(y, "smite"), "Did you mean 'smote'"),
        (lambda x, y: plans.synthesize(y, 3), "no fit_resample"),
        (lambda x, y: plans.clean(y, "tomec"), "Did you mean 'tomek'"),
        (lambda x, y: plans.synthesize(y, color=1).new_rows(x), "does not take these options"),
        (lambda x, y: plans.synthesize(y).new_rows(x[:5]), "made for 40 rows"),
        (lambda x, y: plans.synthesize(y).new_rows(np.where(x > 0, x, np.inf)), "infinite values"),
        (lambda x, y: plans.synthesize(y).new_rows(x.astype(str)), "need numbers"),
        (
            lambda x, y: plans.synthesize(y, imblearn.over_sampling.SMOTE(), k_neighbors=3),
            r"k_neighbors= can be .* SMOTE\(\.\.\.\)",
        ),
        (lambda x, y: plans.clean(y, imblearn.under_sampling.TomekLinks(), n_jobs=1), "n_jobs= can be combined only"),
        (lambda x, y: plans.clean(y, imblearn.under_sampling.ClusterCentroids()).kept(x), "has no sample_indices_"),
        (
            lambda x, y: plans.chain(plans.class_weight, plans.undersample)(y).realize(x),
            "weights rows, before",
        ),
        (lambda x, y: plans.chain(), "at least one"),
        (lambda x, y: plans.chain("smote"), "Expected a function"),
    ],
)
def test_bad_arguments(call, words):
    x, y = blobs([30, 10])
    with pytest.raises((OptionError, DataError), match=words):
        call(x, y)
