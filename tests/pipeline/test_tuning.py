"""Hyperparameters, tuned inside the training rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from trainers import jobs_of, trainer_of, with_executor

import counterpoise as cp
from counterpoise.core.errors import MissingExtraError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.data.split import make_folds
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.tuning import Study, check_tuning, tuned_by_fold, tuned_on_all, values_by_fold
from counterpoise.strategies.select import find, names
from counterpoise.strategies.strategy import Hyperparameter, Single
from counterpoise.targets.kinds import target_of

pytest.importorskip("optuna")
RNG = np.random.default_rng(0)
Y = (RNG.random(240) < 0.25).astype(np.int32)
EXAMPLES = Examples((RNG.normal(size=(240, 2)) + Y[:, None]).astype("float32"), Y, (0, 1))
FOLDS = make_folds(EXAMPLES, 2)
NOISE = RNG.normal(size=240)
SETTINGS = Settings(epochs=1, batch_size=64, tune=3, tune_steps=2)


@pytest.fixture(scope="module", name="network")
def _network():
    return Network("mlp", EXAMPLES)


def test_values_are_found_by_the_scores_of_inner_rows_alone(network):
    """A made-up executor whose members are good at ratio 0.6 finds it, without a network."""
    from counterpoise.core.job import Member

    seen = []

    def train(jobs):
        members = {}
        for job in jobs:
            seen.append(job)
            ratio = job.plan.drawn[1] / job.plan.drawn[0]
            sharp = Y[job.score] - (0.3 + 2 * abs(np.log(ratio / 0.6))) * NOISE[job.score]
            logits = np.stack([np.zeros(len(sharp)), sharp], axis=1).astype("float32")
            members[job.id] = Member(job.id, (), logits, logits[:0], job.plan.log_shift, 1, 1, 1, 0.0)
        return members

    settings = dataclasses.replace(SETTINGS, tune=25)
    trainer = with_executor(trainer_of(EXAMPLES, settings, network), train)
    tuned = tuned_by_fold([find("none"), find("oversample")], trainer, FOLDS)
    assert set(tuned) == {("oversample", 0), ("oversample", 1)}
    assert all(abs(np.log(t.values["ratio"] / 0.6)) < 0.3 for t in tuned.values())
    for job in seen:
        fold = FOLDS[job.counters[1]]
        assert not np.isin(np.concatenate([job.train, job.score]), np.concatenate([fold.test, fold.stop])).any()
        assert not np.isin(job.train, job.score).any()
        assert job.limits.steps == 2
    again = tuned_by_fold([find("oversample")], trainer, FOLDS)
    assert {k: v.values for k, v in again.items()} == {k: v.values for k, v in tuned.items()}


def test_the_first_trial_is_the_strategy_as_it_is_and_ties_keep_it(network):
    for name in names():
        strategy = find(name)
        if isinstance(strategy, Single) and strategy.hyperparameters:
            default = {hyperparameter.name: hyperparameter.default for hyperparameter in strategy.hyperparameters}
            ids = [jobs_of(s, EXAMPLES, FOLDS[0], SETTINGS)[0].id for s in (strategy, strategy.with_values(default))]
            assert ids[0] == ids[1], name
    study = Study(find("focal"), trainer_of(EXAMPLES, SETTINGS, network), FOLDS[0])
    first = study.ask()
    assert first[0].loss == ("focal", {"gamma": 2.0})


def test_a_comparison_reports_values_per_fold():
    comparison = cp.compare(
        "mlp", EXAMPLES.x, Y, strategies="oversample", folds=2, epochs=1, batch_size=64, verbose=0,
        tune=2, tune_steps=2,
    )  # fmt: skip
    row = next(r for r in comparison.leaderboard if r["strategy"] == "oversample")
    assert len(row["tuned"]) == 2
    assert all(0.05 <= values["ratio"] <= 1 for values in row["tuned"])
    assert next(r for r in comparison.leaderboard if r["strategy"] == "none")["tuned"] == []


def test_nothing_is_tuned_unless_asked(network):
    bare = dataclasses.replace(SETTINGS, tune=0)
    trainer = trainer_of(EXAMPLES, bare, network)
    assert tuned_by_fold([find("oversample")], trainer, FOLDS) == {}
    assert tuned_on_all(find("oversample"), trainer, np.arange(240)).strategy is find("oversample")
    assert values_by_fold({}) == {}


def test_odd_hyperparameters_are_refused(monkeypatch):
    odd = [(1, 0, 0.5, {}), (0, 1, 2, {}), (0, 1, 0.5, {"log": True}), (0, 1, 1, {"applies_to": "x"})]
    for low, high, default, more in odd:
        with pytest.raises(OptionError, match="hyperparameter 'k'"):
            Hyperparameter("k", low, high, default=default, **more)
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"counterpoise\[tune\]"):
        check_tuning()


def test_oversampling_of_several_labels_has_no_ratio_to_tune():
    several = Examples(EXAMPLES.x, np.stack([Y, 1 - Y], axis=1), ("a", "b"), kind="labels")
    trainer = trainer_of(several, SETTINGS)
    assert tuned_on_all(find("oversample"), trainer, np.arange(len(Y))).values == {}
    assert tuned_by_fold([find("oversample")], trainer, FOLDS) == {}
    with pytest.raises(OptionError, match="ratio= of oversample has no effect on several labels"):
        find("oversample").with_values({"ratio": 0.5}).make_plan(target_of("labels"), several.y, ("a", "b"))
