"""Strategies and folds to jobs: what is shared, for how long, under which seeds."""

from __future__ import annotations

import dataclasses
import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from trainers import job_of, jobs_of, trainer_of

from counterpoise import plans
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.data.split import make_folds
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import jobs_by_fold, limits_of
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import Strategy, ensemble, find, select
from counterpoise.targets.kinds import target_of

SETTINGS = Settings(epochs=3, batch_size=16)


@pytest.fixture(scope="module", name="examples")
def _examples():
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.2).astype(np.int32)
    return Examples(rng.normal(size=(300, 2)).astype("float32"), y, (0, 1))


@pytest.fixture(scope="module", name="folds")
def _folds(examples):
    return make_folds(examples, 3)


def ids(name, examples, fold, settings=SETTINGS):
    return [job.id for job in jobs_of(find(name), examples, fold, settings)]


def test_members_of_the_ensemble_are_the_jobs_of_the_strategies_alone(examples, folds):
    for fold in folds:
        assert ids("threshold", examples, fold) == ids("none", examples, fold)
        alone = [ids(name, examples, fold)[0] for name in ("none", "oversample", "undersample")]
        assert ids("resampling_ensemble", examples, fold) == alone
        mixed = ids("mixup_ensemble", examples, fold)
        assert mixed[0] == ids("mixup", examples, fold)[0]
        assert not {*mixed} & {*alone}
    every = {i for fold in folds for s in select("default") for i in ids(s.name, examples, fold)}
    assert len(every) == 4 * len(folds)


@pytest.mark.parametrize(
    "changed",
    [{"seed": 1}, {"epochs": 4}, {"batch_size": 8}, {"patience": 3}, {"early_stopping": False}, {"plateau": 2}],
)
def test_what_decides_the_result_is_in_the_id(changed, examples, folds):
    assert ids("none", examples, folds[0]) != ids("none", examples, folds[0], dataclasses.replace(SETTINGS, **changed))


@pytest.mark.parametrize("name", ["none", "oversample", "smote", "logit_adjusted", "remix", "class_weight"])
def test_a_row_of_weight_0_is_as_if_it_were_absent(name, examples, folds):
    fold, weights = folds[0], np.where(np.arange(300) % 7 == 0, 0.0, 1.5).astype("float32")
    weighted = dataclasses.replace(examples, sample_weight=weights)
    without = dataclasses.replace(fold, train=fold.train[weights[fold.train] > 0])
    assert ids(name, weighted, fold) == ids(name, weighted, without)


@pytest.mark.parametrize("name", ["logit_adjusted", "ldam_drw", "label_smoothing", "remix"])
def test_losses_count_a_row_of_weight_2_twice(name, examples):
    weights = np.where(examples.y == 1, 2.0, 1.0).astype("float32")
    rows = np.repeat(np.arange(300), weights.astype(int))
    repeated = Examples(examples.x[rows], examples.y[rows], (0, 1))
    none = np.empty(0, np.int64)
    jobs = [
        job_of(find(name), given, Fold(0, 0, np.arange(len(given)), none, none), SETTINGS)
        for given in (dataclasses.replace(examples, sample_weight=weights), repeated)
    ]
    assert jobs[0].loss == jobs[1].loss
    assert jobs[0].mix == jobs[1].mix


def test_the_engine_and_the_process_are_not_in_the_id(examples, folds):
    fit = dataclasses.replace(SETTINGS, engine="fit")
    assert ids("oversample", examples, folds[0]) == ids("oversample", examples, folds[0], fit)
    job = jobs_of(find("oversample"), examples, folds[0], SETTINGS)[0]
    again = pickle.loads(pickle.dumps(job))
    assert again.id == job.id
    assert np.array_equal(again.plan.rows(2, 5), job.plan.rows(2, 5))


def test_recipes_that_draw_otherwise_are_other_jobs(examples, folds):
    ways = [{}, {"redraw": False}, {"draw": "replacement"}, {"draw": "replacement", "redraw": False}, {"ratio": 0.5}]
    oversample = find("oversample")
    jobs = [job_of(dataclasses.replace(oversample, options=o), examples, folds[0], SETTINGS) for o in ways]
    assert len({job.id for job in jobs}) == len(ways)


def test_places_number_repeat_fold_and_equal_members(examples):
    bag = ensemble(["undersample", "none", "undersample", "none", "undersample"])
    fold = make_folds(examples, 2, repeats=2)[3]
    assert [job.counters for job in jobs_of(bag, examples, fold, SETTINGS)] == [(1, 1, m) for m in (0, 0, 1, 1, 2)]


def test_a_job_trains_stops_and_scores_on_its_own_rows(examples, folds):
    fold = folds[1]
    job = jobs_of(find("class_weight"), examples, fold, SETTINGS)[0]
    assert all(a is b for a, b in ((job.train, fold.train), (job.stop, fold.stop), (job.score, fold.test)))
    assert np.array_equal(job.plan.codes, examples.y[fold.train])


def test_budget_in_steps_and_in_epochs(examples, folds):
    none = -(-len(folds[0].train) // 16)
    for name in ("none", "oversample", "undersample", "class_weight"):
        job = jobs_of(find(name), examples, folds[0], SETTINGS)[0]
        assert (job.limits.steps, job.limits.round_steps, job.limits.patience) == (3 * none, none, 10 * none)
        own = jobs_of(find(name), examples, folds[0], dataclasses.replace(SETTINGS, budget="epochs"))[0]
        assert own.limits.steps == 3 * -(-len(own.plan) // 16)


def test_limits():
    assert limits_of(100, 1000, Settings(epochs=2, batch_size=256)).steps == 8
    assert limits_of(100, 1000, Settings(epochs=2, batch_size=256, budget="epochs")).steps == 2
    assert limits_of(1, 1, Settings(epochs=1)).steps == 1
    assert limits_of(100, 1000, Settings(early_stopping=False)).patience is None
    assert limits_of(100, 1000, Settings(), steps=7).steps == 7
    assert limits_of(100, 1000, Settings(plateau=3, batch_size=500)).plateau == 6


def test_weights_of_the_user_go_in(examples, folds):
    weighted = dataclasses.replace(examples, sample_weight=np.arange(1, 301, dtype="float32"))
    plan = jobs_of(find("none"), weighted, folds[0], SETTINGS)[0].plan
    assert np.allclose(plan.weights() / plan.weights()[0], (folds[0].train + 1) / (folds[0].train[0] + 1))
    assert ids("none", weighted, folds[0]) != ids("none", examples, folds[0])


def test_a_strategy_that_cannot_be_carried_out_fails_alone_unless_it_is_all_there_is(examples, folds):
    def broken(y, **how):
        raise TargetError("no such rows")

    network = Network("mlp", examples)
    bad, unknown = Strategy("bad", plan=broken), Strategy("unknown", loss="focall")
    jobs, failures = jobs_by_fold([find("none"), bad, unknown], trainer_of(examples, SETTINGS, network), folds)
    assert failures["bad"] == "no such rows"
    assert failures["unknown"].startswith("There is no loss 'focall'")
    assert set(jobs) == {("none", f) for f in range(3)}
    with pytest.raises(TargetError, match="no such rows"):
        jobs_by_fold([bad], trainer_of(examples, SETTINGS, network), folds)


def test_a_class_without_training_rows_is_named(examples):
    only = np.flatnonzero(examples.y == 0)
    with pytest.raises(TargetError, match="Class 1 has no row"):
        jobs_of(find("none"), examples, Fold(0, 0, only, only[:0], only[:0]), SETTINGS)


def test_numpy_whole_numbers_are_numbers(examples, folds):
    same = Settings(epochs=np.int64(3), batch_size=np.int32(16), seed=np.uint8(0))
    assert ids("none", examples, folds[0]) == ids("none", examples, folds[0], same)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "patience", "plateau", "seed"])
@pytest.mark.parametrize("value", [-1, 1.5, "3", True, np.float64(2), np.bool_(True)])
def test_what_is_no_whole_number_is_named(name, value):
    with pytest.raises(OptionError, match=f"{name} is .*. Expected a whole number"):
        Settings(**{name: value})


@pytest.mark.parametrize("classes", [(1, 0), ("ok", "ill")])
@pytest.mark.parametrize(
    ("make", "option", "low", "high"),
    [
        (plans.class_weight, "scheme", 1.0, 9.0),
        (plans.cost, "costs", 1.0, 9.0),
        (plans.to_prior, "prior", 0.4, 0.6),
        (plans.quota, "rows", 3, 5),
    ],
)
def test_dicts_of_a_strategy_are_by_label_and_not_by_class_code(make, option, low, high, classes, examples, folds):
    labeled = dataclasses.replace(examples, classes=classes)
    rows, weights = folds[0].train, examples.weights_of(folds[0].train)
    by_label = {option: {classes[1]: high, classes[0]: low}}
    want = make(examples.y[rows], {0: low, 1: high})
    for single in (
        Strategy("own", plan=make, options=by_label),
        Strategy("bound", plan=partial(make, **by_label)),
        Strategy("chained", plan=plans.chain(partial(make, **by_label))),
        Strategy("series", plan=make, options={option: pd.Series(by_label[option])}),
    ):
        plan = single.make_plan(target_of(labeled), examples.y[rows], classes, weights).realize(examples.x[rows])
        assert plan.prior == pytest.approx(want.prior)
    with pytest.raises(OptionError, match="has no number for class"):
        Strategy("few", plan=make, options={option: {classes[1]: high}}).make_plan(
            target_of(labeled), examples.y[rows], classes
        )


def test_a_quota_needs_batches_of_its_size(examples, folds):
    single = Strategy("own", plan=plans.quota, options={"rows": {0: 12, 1: 4}})
    assert job_of(single, examples, folds[0], SETTINGS).plan.batch_size == SETTINGS.batch_size == 16
    with pytest.raises(OptionError, match=r"'own' fills batches of 16 rows, but batch_size= is 8\. Pass batch_size=16"):
        job_of(single, examples, folds[0], dataclasses.replace(SETTINGS, batch_size=8))


@pytest.mark.parametrize("name", ["logit_adjusted", "balanced_softmax", "label_smoothing", "ap_surrogate"])
def test_a_loss_that_several_labels_do_not_have_is_named(name):
    rng = np.random.default_rng(0)
    y = (rng.random((60, 3)) < 0.4).astype(np.int32)
    several = Examples(rng.normal(size=(60, 2)).astype("float32"), y, ("a", "b", "c"), kind="labels")
    with pytest.raises(OptionError, match="for rows with several labels"):
        jobs_of(find(name), several, make_folds(several, 2)[0], SETTINGS)
