"""Synthesis inside the pipeline: training rows alone, both engines, other strategies unchanged, failures named."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from trainers import cross_validate, jobs_of

import counterpoise as cp
from counterpoise.core.errors import DataError
from counterpoise.core.examples import Examples
from counterpoise.core.schema import Column, Schema
from counterpoise.data.split import make_folds
from counterpoise.engines.synthetic_rows import with_synthetic_rows
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import Strategy, find, select

QUICK = Settings(epochs=2, batch_size=64)
MAKERS = ("smote", "smote_nc", "borderline_smote", "adasyn")


def numbers(n=240, rare=30, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [n - rare, rare])).astype(np.int32)
    x = rng.normal(size=(n, 3)) + y[:, None]
    return Examples(x.astype("float32"), y, (0, 1))


def mixed(seed=0):
    base = numbers(seed=seed)
    x = base.x.copy()
    x[::9, 1] = np.nan
    ids = np.random.default_rng(1).integers(0, 4, (len(base), 1)).astype("int32")
    columns = [Column(name, "numeric", missing=int(name == "x1")) for name in ("x0", "x1", "x2")]
    schema = Schema((*columns, Column("kind", "categorical", ("a", "b", "c"), missing=1)))
    return Examples({"numeric": x, "categorical": ids}, base.y, (0, 1), schema)


def jobs(examples, *names, settings=QUICK):
    folds = make_folds(examples, 2)
    return [job for name in names for fold in folds for job in jobs_of(find(name), examples, fold, settings)]


@pytest.mark.parametrize("name", MAKERS)
def test_made_rows_stand_behind_the_real_ones_and_belong_to_one_job(name):
    examples = numbers()
    given = jobs(examples, "none", name)
    ready, both = with_synthetic_rows(given, examples)
    assert [j.id for j in ready] == [j.id for j in given]
    assert np.array_equal(both.x[: len(examples)], examples.x)
    assert np.array_equal(both.y[: len(examples)], examples.y)
    new = [job.train[job.train >= len(examples)] for job in ready]
    assert [len(rows) for rows in new[:2]] == [0, 0]
    assert np.array_equal(np.sort(np.concatenate(new)), np.arange(len(examples), len(both)))
    for before, job in zip(given, ready, strict=True):
        assert np.array_equal(job.train[: len(before.train)], before.train)
        assert np.array_equal(both.y[job.train], job.plan.codes)
        assert max(job.stop.max(), job.score.max()) < len(examples)
    assert np.bincount(both.y[ready[-1].train]).tolist() == ready[-1].plan.drawn.tolist()


def test_made_rows_leave_the_weights_of_the_real_rows():
    examples = replace(numbers(), sample_weight=np.linspace(0.5, 2, len(numbers())).astype("float32"))
    both = with_synthetic_rows(jobs(examples, "none", "smote"), examples)[1]
    assert np.array_equal(both.sample_weight[: len(examples)], examples.sample_weight)
    assert len(both.sample_weight) == len(both)
    assert np.all(both.sample_weight[len(examples) :] == 1)


def test_without_made_rows_the_examples_are_the_same():
    examples = numbers()
    assert with_synthetic_rows(jobs(examples, "none", "oversample"), examples)[1] is examples


def test_nothing_outside_the_training_rows_reaches_the_made_rows():
    examples = numbers()
    job = jobs(examples, "smote")[0]
    spoilt = examples.x.copy()
    spoilt[np.setdiff1d(np.arange(len(examples)), job.train)] = 1e6
    again = jobs(Examples(spoilt, examples.y, (0, 1)), "smote")[0]
    assert np.array_equal(job.plan.new[0], again.plan.new[0])
    assert job.id == again.id


def test_ids_tell_what_was_made_and_share_what_is_equal():
    examples = numbers()
    fold = make_folds(examples, 2)[0]

    def id_of(**options):
        return jobs_of(Strategy("own", plan=cp.plans.synthesize, options=options), examples, fold, QUICK)[0].id

    assert id_of(k_neighbors=5) == jobs_of(find("smote"), examples, fold, QUICK)[0].id
    assert id_of(k_neighbors=3) != id_of(k_neighbors=5)
    assert jobs(examples, "smote")[0].id == jobs(examples, "smote_nc")[0].id
    assert jobs(examples, "smote")[0].id != jobs(examples, "adasyn")[0].id


@pytest.mark.parametrize(("make", "engine"), [(numbers, "auto"), (mixed, "fit"), (mixed, "auto")])
def test_synthesis_trains_on_both_engines_and_leaves_the_others_as_they_were(make, engine):
    examples = make()
    settings = Settings(epochs=2, batch_size=64, engine=engine)
    alone = cross_validate(examples, select("none"), Network("mlp", examples), settings, folds=2)
    outcome = cross_validate(examples, select("smote,smote_nc"), Network("mlp", examples), settings, folds=2)
    assert np.array_equal(alone.log_p["none"], outcome.log_p["none"])
    assert np.isfinite(outcome.log_p["smote"]).all()
    assert np.array_equal(outcome.log_p["smote"], outcome.log_p["smote_nc"])
    results = [c for c in outcome.fold_results if c.strategy == "smote"]
    assert np.array_equal(np.sort(np.concatenate([c.rows for c in results])), np.arange(len(examples)))


def test_engines_agree_on_made_rows():
    examples = mixed()
    outcomes = [
        cross_validate(
            examples, [find("smote")], Network("mlp", examples), Settings(epochs=2, batch_size=64, engine=e), folds=2
        )
        for e in ("fit", "program")
    ]
    assert np.allclose(outcomes[0].log_p["smote"], outcomes[1].log_p["smote"], atol=1e-4)


def test_a_sampler_that_cannot_work_fails_alone_and_says_why():
    examples = mixed()
    comparison = cp.compare(
        "mlp", examples, strategies="borderline_smote,smote", folds=2, epochs=1, verbose=0, refit=False
    )
    rows = {row["strategy"]: row for row in comparison.leaderboard}
    assert rows["smote"]["status"] == "ok"
    assert rows["borderline_smote"]["status"] == "failed"
    assert "are categories, which have no average" in rows["borderline_smote"]["error"]


def test_too_few_neighbors_name_the_class():
    few = numbers(n=60, rare=8)
    comparison = cp.compare("mlp", few, strategies="smote", folds=2, epochs=1, verbose=0, refit=False)
    failed = next(row for row in comparison.leaderboard if row["strategy"] == "smote")
    assert "Class 1 has" in failed["error"]
    with pytest.raises(DataError, match="Class 1 has"):
        cp.fit("mlp", few, strategy="smote", folds=2, epochs=1, verbose=0)


def test_a_smote_classifier_is_calibrated_and_saved(tmp_path):
    examples = numbers(600, 120)
    clf = cp.fit("mlp", examples, strategy="smote", epochs=3, verbose=0)
    assert clf.card["needs_calibration"]
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.allclose(again.predict_proba(examples.x), clf.predict_proba(examples.x), atol=1e-6)


def test_chains_and_cleaning_train_too():
    examples = numbers()
    make = cp.plans.chain(cp.plans.clean, partial(cp.plans.synthesize, ratio=0.5), cp.plans.undersample)
    own = Strategy("chain", plan=make)
    outcome = cross_validate(examples, [own, Strategy("clean", plan=cp.plans.clean)], Network("mlp", examples), QUICK,
                             folds=2)  # fmt: skip
    assert np.isfinite(outcome.log_p["chain"]).all()
    assert np.isfinite(outcome.log_p["clean"]).all()


SMOTE, CLEAN = cp.plans.synthesize, cp.plans.clean
NAMED = {
    "svm_smote": partial(SMOTE, sampler="svm_smote"),
    "kmeans_smote": partial(SMOTE, sampler="kmeans_smote", cluster_balance_threshold=0.01),
    "tomek": partial(CLEAN, sampler="tomek"),
    "enn": partial(CLEAN, sampler="enn"),
    "near_miss": partial(CLEAN, sampler="near_miss"),
    "smote_enn": cp.plans.chain(SMOTE, partial(CLEAN, sampler="enn")),
    "smote_tomek": cp.plans.chain(SMOTE, partial(CLEAN, sampler="tomek")),
    "clean, synthesize, undersample": cp.plans.chain(CLEAN, partial(SMOTE, ratio=0.5), cp.plans.undersample),
}


@pytest.mark.parametrize("name", NAMED)
def test_any_sampler_is_a_strategy_that_looks_at_the_training_rows_of_its_fold(name):
    examples = numbers()
    fold = make_folds(examples, 2)[0]
    job = jobs_of(Strategy(name, plan=NAMED[name]), examples, fold, QUICK)[0]
    moved = examples.x.copy()
    moved[np.setdiff1d(np.arange(len(examples)), fold.train)] += 100
    again = jobs_of(Strategy(name, plan=NAMED[name]), replace(examples, x=moved), fold, QUICK)[0]
    assert job.id == again.id
    assert job.plan.needs_calibration
    (ready,), both = with_synthetic_rows([job], examples)
    drawn = ready.train[job.plan.rows(0, 0)]
    assert np.array_equal(np.bincount(both.y[drawn]), job.plan.drawn)
