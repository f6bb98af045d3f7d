"""Members that differ only in their plans, trained as batch_ensemble of one network: numbers, shifts, engines,
files."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_networks import EXACT, assert_same, examples
from trainers import jobs_of

import counterpoise as cp
from counterpoise.comparison.store import Store
from counterpoise.core.logits import log_proba
from counterpoise.data.split import make_folds
from counterpoise.engines.objective import Objective
from counterpoise.engines.program_engine import ProgramEngine
from counterpoise.engines.run import run
from counterpoise.losses.pointwise import CrossEntropy
from counterpoise.networks.batch_ensemble import BatchEnsembleLoss, MemberDense, MemberHead, PoolMembers, pool_of
from counterpoise.networks.member_outputs import score_members
from counterpoise.networks.network import Network
from counterpoise.networks.weights import set_state
from counterpoise.strategies.select import find
from counterpoise.strategies.single_pass import MemberPlansOf, in_single_pass

DATA = examples(n=120)
FOLD = make_folds(DATA, 2)[0]
ENSEMBLE = find("resampling_ensemble")


def batch_ensemble(spec, n_classes, count=4):
    """A small network of batch_ensemble without dropout."""
    inputs = spec.inputs()
    h = keras.layers.ReLU()(MemberDense(6, count, "random")(inputs))
    logits = MemberHead(1 if n_classes == 2 else n_classes)(h)
    return keras.Model(inputs, PoolMembers()(logits))


@pytest.fixture(scope="module")
def network():
    return Network(batch_ensemble, DATA)


def one(strategy, network, engine="program", settings=EXACT, data=DATA):
    (job,) = jobs_of(strategy, data, FOLD, settings, network)
    return next(member for _, member in run([job], data, network, engine=engine))


@pytest.fixture(scope="module")
def member(network):
    """The ensemble trained in one pass by the program."""
    return one(ENSEMBLE, network)


@pytest.mark.parametrize("name", ["resampling_ensemble", "easy_ensemble", "balanced_bagging"])
def test_ensembles_over_resamplings_are_one_job_where_there_are_views(name):
    network = Network("tabular", DATA)
    (job,) = jobs_of(find(name), DATA, FOLD, EXACT, network)
    assert len(job.plan.of_members) == network.n_members
    assert len(job.plan) == len(FOLD.train)
    assert job.limits.steps == jobs_of(find("none"), DATA, FOLD, EXACT)[0].limits.steps


def test_elsewhere_the_members_are_the_jobs_of_their_strategies():
    network = Network("mlp", DATA)
    ids = [job.id for job in jobs_of(ENSEMBLE, DATA, FOLD, EXACT, network)]
    assert ids == [jobs_of(find(n), DATA, FOLD, EXACT, network)[0].id for n in ("none", "oversample", "undersample")]


@pytest.mark.parametrize(
    "strategy",
    [
        cp.ensemble(["none", "oversample"], single_pass=False),
        cp.ensemble(["none", "oversample"], vote="log"),
        cp.ensemble(["none", "oversample"], weights=[1, 3]),
        cp.ensemble(["none", "focal"]),
        cp.ensemble(["none", "smote"]),
        cp.ensemble(["none", "drw"]),
        cp.ensemble(["none", "mixup"]),
        cp.ensemble(["none", "crt"]),
        cp.ensemble(["none", "none"]),
        cp.ensemble(["oversample"]),
        cp.ensemble(["none", "oversample", "undersample", "class_weight", "effective_number"]),
        find("oversample"),
    ],
)
def test_what_differs_in_more_than_plans_stays_separate(strategy, network):
    assert in_single_pass(strategy, network) is strategy


def test_views_under_the_same_plan_are_the_plain_network(network):
    none = replace(find("none"), plan=MemberPlansOf((find("none"),), network.n_members))
    assert_same(one(none, network), one(find("none"), network), atol=1e-6)


def test_weight_two_for_a_view_is_the_row_twice_for_it():
    rng = np.random.default_rng(0)
    y, z = np.array([0, 1, 1]), rng.normal(size=(3, 2, 1)).astype("float32")
    weighted = float(BatchEnsembleLoss(CrossEntropy())(y, z, np.array([[1, 2], [1, 0], [1, 1]], "float32")))
    alone, twice = z[:, 0], z[[0, 0, 2], 1]
    assert weighted == pytest.approx((float(CrossEntropy()(y, alone)) + float(CrossEntropy()(y[[0, 0, 2]], twice))) / 2)


def test_both_engines_train_views_alike(network, member):
    ours, theirs = member, one(ENSEMBLE, network, "fit")
    assert (ours.engine, theirs.engine) == ("program", "fit")
    assert_same(ours, theirs)
    assert np.array_equal(ours.member_shifts, theirs.member_shifts)


def test_plain_and_joined_jobs_share_their_traces():
    network = Network(batch_ensemble, DATA)
    jobs = [*jobs_of(find("none"), DATA, FOLD, EXACT, network), *jobs_of(ENSEMBLE, DATA, FOLD, EXACT, network)]
    engine = ProgramEngine.of(DATA, network)
    engine.prepare(jobs)
    assert len(list(run(jobs, DATA, network, engine="program"))) == 2
    assert engine.traces == {"block": 1, "logits": 1}


@pytest.mark.parametrize(("classes", "loss"), [(2, "cross_entropy"), (3, "balanced_softmax")])
def test_without_information_the_pooled_probability_is_the_prior(classes, loss):
    data = examples(x=np.ones((300, 2), "float32"), n=300, classes=classes)
    fold, network = make_folds(data, 2)[0], Network(batch_ensemble, data, optimizer=keras.optimizers.Adam(0.02))
    own = find("none" if loss == "cross_entropy" else loss).constants
    parts = [replace(find(name), loss=loss, constants=own) for name in ("none", "oversample", "undersample")]
    (job,) = jobs_of(cp.ensemble(parts), data, fold, replace(EXACT, epochs=60, batch_size=150), network)
    member = next(m for _, m in run([job], data, network))
    prior = np.bincount(data.y[fold.train]) / len(fold.train)
    assert np.array_equal(member.log_shift, np.zeros(classes))
    assert np.allclose(np.exp(log_proba(member.logits))[0], prior, atol=0.02)
    alone = [Objective(jobs_of(part, data, fold, EXACT)[0]).log_shift for part in parts]
    assert np.allclose(member.member_shifts, np.stack([alone[v % 3] for v in range(network.n_members)]))
    model = network.fresh(0)
    set_state(model, member.weights)
    assert np.allclose(pool_of(model).log_shifts, member.member_shifts)


def test_the_id_depends_on_the_plan_of_every_view(network):
    def job(ratio):
        part = replace(find("oversample"), options={"ratio": ratio})
        return jobs_of(cp.ensemble(["none", part]), DATA, FOLD, EXACT, network)[0]

    assert job(1.0).id == job(1.0).id != job(0.5).id


def test_a_member_comes_back_from_the_store_with_its_shifts(member, tmp_path):
    with Store.writing(tmp_path) as store:
        store.put(member)
        again = store.get(member.job)
    assert np.array_equal(again.member_shifts, member.member_shifts)


def test_the_classifier_of_folds_keeps_its_shifts_on_disk(tmp_path):
    clf = cp.fit(batch_ensemble, DATA.x, DATA.y, strategy="resampling_ensemble", folds=2, epochs=2, verbose=0)
    assert len(clf.rule.log_shifts) == 1
    assert not clf.rule.log_shifts.any()
    assert np.any(np.array(clf.card["member_shifts"][0]))
    clf.save(tmp_path / "m.keras")
    assert np.array_equal(cp.load(tmp_path / "m.keras").predict_proba(DATA.x), clf.predict_proba(DATA.x))


def test_member_strategies_of_one_network_are_separated():
    clf = cp.fit(batch_ensemble, DATA.x, DATA.y, strategy="resampling_ensemble", epochs=3, verbose=0)
    output, shares = clf.scores["member_outputs"], [row["weight"] for row in clf.members_]
    assert [row["name"] for row in clf.members_] == ["none", "oversample", "undersample"]
    assert sum(shares) == pytest.approx(1.0)
    pooled = np.exp(clf.scores["log_p"][0])
    mean = np.tensordot(shares, output, axes=1)
    assert mean == pytest.approx(pooled, abs=1e-5)  # of the members it is what the network puts out
    assert not np.allclose(output[0], output[1], atol=1e-3)
    assert clf.members_[0]["correlation"][0] == pytest.approx(1.0)
    assert cp.fit(batch_ensemble, DATA.x, DATA.y, epochs=1, verbose=0).members_[0]["name"] == "none"


def test_what_members_put_out_is_their_logits_less_their_shifts(network, member):
    (job,) = jobs_of(ENSEMBLE, DATA, FOLD, EXACT, network)
    model = network.fresh(0)
    set_state(model, member.weights)
    inner = next(layer for layer in model.layers if getattr(layer, "layers", None))
    logits = np.asarray(keras.Model(inner.inputs, pool_of(model).input)([DATA.x[job.score]]))
    shifts = member.member_shifts
    p = 1 / (1 + np.exp(-(logits[:, :, 0] - (shifts[:, 1] - shifts[:, 0]))))
    by_hand = [np.mean([p[:, v] for v in range(len(shifts)) if v % 3 == part], axis=0) for part in range(3)]
    assert score_members(member, job, DATA, network, 3)[:, :, 1] == pytest.approx(np.array(by_hand), abs=1e-5)


def test_folds_and_the_file_separate_member_strategies(tmp_path):
    clf = cp.fit(batch_ensemble, DATA.x, DATA.y, strategy="resampling_ensemble", folds=2, epochs=2, verbose=0)
    assert clf.scores["member_outputs"].shape == (3, *clf.scores["log_p"].shape[1:])
    shares = [row["weight"] for row in clf.members_]
    pooled = np.tensordot(shares, clf.scores["member_outputs"], axes=1)
    assert pooled == pytest.approx(np.exp(clf.scores["log_p"][0]), abs=1e-5)
    clf.save(tmp_path / "m.keras")
    again = cp.load(tmp_path / "m.keras")
    assert np.array_equal(again.scores["member_outputs"], clf.scores["member_outputs"])
    assert [row["weight"] for row in again.members_] == shares


def test_a_comparison_tells_of_members_only_where_there_are_several():
    names = ["resampling_ensemble", cp.ensemble(["none", "oversample"], single_pass=False, name="apart")]
    comparison = cp.compare(batch_ensemble, DATA.x, DATA.y, strategies=names, folds=2, epochs=1, refit=False, verbose=0)
    names_of = {row["strategy"]: [member["name"] for member in row["members"]] for row in comparison.leaderboard}
    of_one = ["none", "oversample", "undersample"]
    assert names_of == {"none": [], "resampling_ensemble": of_one, "apart": ["none", "oversample"]}
    assert {row["status"] for row in comparison.leaderboard} == {"ok"}


def test_members_with_dicts_or_arrays_as_options_are_joined_and_read_by_label(network):
    def of(name, costs):
        return cp.Strategy(name, plan=cp.plans.cost, options={"costs": costs})

    joined = in_single_pass(cp.ensemble([of("a", {0: 9.0, 1: 1.0}), of("b", {0: 1.0, 1: 9.0})]), network)
    plan = joined.make_plan(network.target, DATA.y, (1, 0))
    want = [cp.plans.cost(DATA.y, costs).class_weights for costs in ([1.0, 9.0], [9.0, 1.0])]
    np.testing.assert_allclose([member.class_weights for member in plan.of_members[:2]], want)
    arrays = [of("a", np.array([1.0, 5.0])), of("b", np.array([1.0, 5.0]))]
    same = cp.ensemble(arrays)
    assert in_single_pass(same, network) is same
    other = cp.ensemble([arrays[0], of("b", np.array([1.0, 3.0]))])
    assert in_single_pass(other, network) is not other
