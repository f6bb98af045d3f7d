"""Comparisons with a limit, and comparisons nested in the folds of a comparison."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from leaderboard_schema import check_board
from sklearn.metrics import average_precision_score
from trainers import trainer_of

import counterpoise as cp
from counterpoise.comparison import halving
from counterpoise.comparison.halving import Limit, RememberingExecutor, run_rungs
from counterpoise.comparison.nested import INNER_FOLDS
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Member
from counterpoise.data.split import make_folds
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Learner, Trainer
from counterpoise.strategies.blend import Blend
from counterpoise.strategies.select import find

RNG = np.random.default_rng(2)
Y = (RNG.random(300) < 0.2).astype(np.int32)
X = (RNG.normal(size=(300, 2)) + Y[:, None]).astype("float32")
EXAMPLES = Examples(X, Y, (0, 1))
NAMES = ["none", "threshold", "class_weight", "oversample", "undersample", "focal", "logit_adjusted"]
SOME = ["none", "threshold", "oversample", "focal"]


@pytest.fixture(scope="module", name="network")
def _network():
    return Network("mlp", EXAMPLES)


class Scores:
    """An executor that trains nothing: the stopping score of a job is that of its loss and plan."""

    def __init__(self, seconds=0.0):
        self.jobs, self.clock, self.seconds = [], 0.0, seconds

    def __call__(self, jobs, examples, network, **how):
        jobs = list(jobs)
        self.clock += self.seconds
        for job in jobs:
            self.jobs.append(job)
            score = {"focal": 0.5, "balanced_softmax": 0.1}.get(job.loss[0], 0.3 + 0.0001 * len(job.plan))
            nothing, steps = np.zeros((0, 2), np.float32), job.limits.steps
            output = Member(
                job.id, (), nothing, nothing, np.zeros(2), 1, steps, 1, 0.0, {"stop_loss": [score + 1, score]}
            )
            yield job.id, output


def run_heats(network, limit, executor, epochs=40):
    settings = Settings(epochs=epochs, batch_size=16)
    return run_rungs(
        [find(n) for n in NAMES],
        trainer_of(EXAMPLES, settings, network, executor=executor),
        Limit.of(limit),
        make_folds(EXAMPLES, 2),
    )


def test_steps_stay_within_the_limit_and_the_worse_stop(network):
    executor = Scores()
    heat = run_heats(network, 900, executor)
    left = [s.name for s in heat.strategies]
    assert left[:2] == ["none", "threshold"]
    assert "logit_adjusted" in left
    assert "focal" in heat.stopped
    assert {*left, *heat.stopped} == set(NAMES)
    count = 2 * len({"none", *left} - {"threshold"})
    assert sum(job.limits.steps for job in executor.jobs) + count * heat.settings.most_steps <= 900
    assert heat.settings.most_steps > min(job.limits.steps for job in executor.jobs)
    assert heat.cut


def test_a_limit_that_is_wide_enough_changes_nothing(network):
    executor = Scores()
    heat = run_heats(network, 10**6, executor)
    assert (len(heat.strategies), heat.stopped, heat.cut, executor.jobs) == (len(NAMES), {}, False, [])
    assert heat.settings.most_steps is None, "networks may still train on their early-stopping rows"


def test_the_networks_of_blends_take_the_steps(network):
    """Trees take no steps, and a strategy of trees alone is never stopped."""
    executor, forest = Scores(), cp.trees("forest", n_estimators=2)
    learners = {"a": Learner(network, EXAMPLES), "b": Learner(forest, EXAMPLES)}
    settings = Settings(epochs=40, batch_size=16)
    blends = [Blend(("mlp", forest)).under(find(name), ["a", "b"]) for name in NAMES]
    alone = replace(find("smote").with_model("b"), name="alone")
    trainer = Trainer(EXAMPLES, learners, settings, executor)
    rungs = run_rungs([*blends, alone], trainer, Limit.of(900), make_folds(EXAMPLES, 2))
    assert rungs.strategies[0] is blends[0]
    assert rungs.strategies[-1] is alone
    assert "focal" in rungs.stopped
    assert {job.model for job in executor.jobs} == {"a"}
    assert sum(job.limits.steps for job in {job.id: job for job in executor.jobs}.values()) <= 900


def test_seconds_end_the_comparison_where_they_run_out(network, monkeypatch):
    executor = Scores(seconds=10.0)
    monkeypatch.setattr(halving.time, "perf_counter", lambda: executor.clock)
    assert run_heats(network, "15s", executor).stopped == {}
    assert run_heats(network, "15s", executor).cut
    slow = run_heats(network, "1000s", executor)
    assert "focal" in slow.stopped


def test_nothing_is_trained_twice():
    executor = Scores()
    remembering = RememberingExecutor(executor)
    from trainers import jobs_of

    from counterpoise.data.split import make_folds

    jobs = jobs_of(find("none"), EXAMPLES, make_folds(EXAMPLES, 2)[0], Settings())
    assert [dict(remembering(jobs, None, None)).keys() for _ in range(2)][1] == {jobs[0].id}
    assert len(executor.jobs) == 1


@pytest.mark.parametrize("limit", ["0", "-3", "2h", "1.5", "", "s", True])
def test_odd_limits_are_refused(limit):
    with pytest.raises(OptionError, match="Expected a number of steps above 0, or seconds"):
        Limit.of(limit)


def test_a_limited_and_nested_comparison_says_what_it_did():
    comparison = cp.compare(
        "mlp", X, Y, strategies=SOME, folds=2, epochs=6, batch_size=32, verbose=0, limit=90,
        nested=True, refit=False,
    )  # fmt: skip
    check_board(json.loads(json.dumps(comparison.record)))
    stopped = [row for row in comparison.leaderboard if row["status"] == "stopped early"]
    assert stopped
    assert all(row["error"].startswith(f"stopped at {row['steps']} steps") for row in stopped)
    assert "stopped early" in str(comparison)
    assert comparison.record["time_limited"] is False
    assert comparison.verdict.chosen_among == len(SOME) - len(stopped)
    nested = comparison.record["nested"]
    for k, name in enumerate(nested["chosen"]):
        result = next(c for c in comparison.fold_results if c.strategy == name and c.fold == k)
        assert nested["folds"][k] == pytest.approx(average_precision_score(Y[result.rows], result.proba[:, 1]))
    assert "(nested cross-validation), average precision is" in comparison.verdict.evidence


def test_what_does_not_go_with_nested_folds_is_refused():
    with pytest.raises(OptionError, match="nested=True and repeats=2"):
        cp.compare("mlp", X, Y, nested=True, repeats=2, verbose=0)
    with pytest.raises(OptionError, match=r"tune_steps= \(--tune-steps\) requires tune="):
        cp.compare("mlp", X, Y, tune_steps=5, verbose=0)


def test_each_job_of_a_nested_comparison_has_its_own_rows():
    """With sorted labels, the inner folds of all outer folds have the same numbers."""
    rows = {}

    def executor(jobs, examples, model, **how):
        jobs = list(jobs)
        for job in jobs:
            rows.setdefault(job.id, set()).add(examples.x["numeric"][job.train].tobytes())
        return run(jobs, examples, model, **how)

    order, forest = np.argsort(Y), cp.trees("forest", n_estimators=2)
    how = {"strategies": "none", "folds": 2, "nested": True, "refit": False, "verbose": 0, "executor": executor}
    cp.compare(forest, X[order], Y[order], **how)
    assert len(rows) == 2 + 2 * INNER_FOLDS
    assert all(len(of_job) == 1 for of_job in rows.values())


@pytest.mark.parametrize("duplicates", ["group", "drop"])
def test_duplicates_stay_together_in_every_training(duplicates):
    pytest.importorskip("optuna")
    seen = []

    def executor(jobs, examples, model, **how):
        jobs, ids = list(jobs), examples.duplicate_ids
        for job in jobs:
            seen.append(job)
            assert not np.isin(ids[job.score], ids[job.train]).any()
            assert duplicates == "group" or len(np.unique(ids[job.train])) == len(job.train)
        return run(jobs, examples, model, **how)

    more = {"strategies": "oversample", "tune": 1} if duplicates == "drop" else {"strategies": "none", "nested": True}
    rows = np.arange(0, 200) // 2
    comparison = cp.compare(
        cp.trees("forest", n_estimators=2), X[rows], Y[rows], folds=2, duplicates=duplicates, verbose=0,
        executor=executor, **more,
    )  # fmt: skip
    assert len(seen) > 4
    count = 200 if duplicates == "group" else 100
    assert comparison.best.card["rule"].startswith(f"trained on all {count} rows")
