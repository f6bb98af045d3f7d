"""Trainings that were cut off: seen on stopping rows, extended for all alike, and kept where nothing would change."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from leaderboard_schema import check_board
from trainers import by, cross_validate, jobs_of

import counterpoise as cp
from counterpoise.core.examples import Examples
from counterpoise.core.job import Member
from counterpoise.data.split import make_folds
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.pipeline.budget import (
    MOST_EXTENSION,
    TrainingLength,
    extended_settings,
    keeping_finished,
    still_falling,
)
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import find

AS_SHIPPED = True
RNG = np.random.default_rng(3)
Y = (RNG.random(240) < 0.3).astype(np.int32)
X = (RNG.normal(size=(240, 2)) + 1.5 * Y[:, None]).astype("float32")
EXAMPLES = Examples(X, Y, (0, 1))
NAMES = ["none", "oversample"]


def slow(rate=0.002):
    return keras.optimizers.SGD(rate)


def settings(network, **how):
    return Settings(epochs="auto", **how).resolved_for({"": network}, len(EXAMPLES), passes=10, extend=True)


@pytest.mark.parametrize(
    ("gains", "falling"),
    [
        ([[(0.02, 0.01)]], True),
        ([[(0.005, 0.01)]], False),
        ([[(0.006, 0.01)]] * 4, True),  # four folds of one mind: 0.006 with an error of 0.005
        ([[(0.006, 0.01)] * 4], False),  # four networks that look at the same rows: the error stays
        ([[(-0.02, 0.001)], [(0.0, 0.0)]], False),
        ([[(0.0, 0.0)]] * 3, False),
        ([[None], [(0.02, 0.01)]], True),
        ([[None], [(0.0, 0.0)]], None),
        ([], False),
    ],
)
def test_gains_are_held_against_their_standard_error(gains, falling):
    assert still_falling(gains) is falling


def test_who_asks_for_a_number_of_epochs_gets_it():
    network, cut = Network("mlp", EXAMPLES), {"none": TrainingLength(10, True)}
    assert extended_settings(settings(network), cut).extension == MOST_EXTENSION
    assert (
        extended_settings(settings(network), {"none": TrainingLength(10, False), "focal": TrainingLength(10, None)})
        is None
    )
    assert extended_settings(Settings(epochs=3).resolved_for({"": network}, 240, 10, extend=True), cut) is None
    assert extended_settings(replace(settings(network), most_steps=50), cut) is None
    assert extended_settings(replace(settings(network), extension=MOST_EXTENSION), cut) is None


def test_the_extended_budget_is_that_of_all_and_what_patience_ended_is_kept():
    network = Network("mlp", EXAMPLES, optimizer=slow())
    fold = make_folds(EXAMPLES, 2)[0]
    before, after = settings(network), replace(settings(network), extension=MOST_EXTENSION)
    (job,), (longer,) = (jobs_of(find("none"), EXAMPLES, fold, how, network) for how in (before, after))
    assert longer.limits == replace(job.limits, steps=MOST_EXTENSION * job.limits.steps)
    nothing, asked = np.zeros((1, 1), np.float32), []

    def member(gain):
        return Member(job.id, (), nothing, nothing, np.zeros(2), 1, 3, 1, 0.0, late_gain=gain)

    def train(jobs):
        asked.extend(jobs := list(jobs))
        return {one.id: member(None) for one in jobs}

    kept = keeping_finished(by(train), {job.id: member([0.0, 0.0])})  # as a store gives it back
    ended = dict(kept([longer], EXAMPLES, network))
    assert (asked, ended[longer.id].job, ended[longer.id].steps) == ([], longer.id, 3)
    for gain in ((0.1, 0.2), None):
        list(keeping_finished(by(train), {job.id: member(gain)})([longer], EXAMPLES, network))
    assert [one.id for one in asked] == [longer.id] * 2


def test_a_slow_training_is_extended_and_is_the_long_training():
    network = Network("mlp", EXAMPLES, optimizer=slow())
    short = settings(network)
    outcome = cross_validate(EXAMPLES, [find(n) for n in NAMES], network, short, folds=2)
    assert outcome.extension == MOST_EXTENSION
    at_once = replace(short, epochs=MOST_EXTENSION * short.epochs, extend=False)
    long = cross_validate(EXAMPLES, [find(n) for n in NAMES], network, at_once, folds=2)
    assert {name: t.limit for name, t in outcome.training.items()} == {
        name: t.limit for name, t in long.training.items()
    }
    for a, b in zip(outcome.fold_results, long.fold_results, strict=True):
        np.testing.assert_array_equal(a.proba, b.proba)


def test_nothing_is_trained_twice_where_nothing_was_cut_off():
    network, counted = Network("mlp", EXAMPLES, optimizer=keras.optimizers.Adam(0.05)), []

    def counting(jobs, *args, **how):
        counted.append(len(jobs := list(jobs)))
        return run(jobs, *args, **how)

    patient = replace(settings(network, patience=2), epochs=60)
    outcome = cross_validate(EXAMPLES, [find(n) for n in NAMES], network, patient, folds=2, executor=counting)
    assert (outcome.extension, counted) == (1, [4])
    assert {t.cut_off for t in outcome.training.values()} == {False}


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_a_comparison_says_it_and_gives_no_better(engine):
    how = {"strategies": "class_weight", "folds": 3, "epochs": 8, "batch_size": 32, "refit": False, "verbose": 0}
    comparison = cp.compare("mlp", X, Y, optimizer=slow(), engine=engine, **how)
    check_board(comparison.record)
    rows = {row["strategy"]: row for row in comparison.leaderboard}
    assert rows["none"]["cut_off"] is True
    assert comparison.record["settings"]["extension"] == 1
    whose = "its" if not rows["class_weight"]["cut_off"] else "their"
    assert comparison.verdict.next_step.startswith("Raise `--epochs`, because the baseline")
    assert f"still improving at {whose} limit of" in comparison.verdict.next_step
    assert comparison.verdict.word != "better"
    assert "still improving</span>" in comparison.html()
    quick = cp.compare(
        "mlp", X, Y, optimizer=keras.optimizers.Adam(0.05), engine=engine, patience=3, **(how | {"epochs": 40})
    )
    assert [row["cut_off"] for row in quick.leaderboard] == [False, False]
    assert "still improving" not in str(quick.verdict)


def test_default_epochs_are_extended_shown_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoise.comparison.compare.EPOCHS", 4)
    how = {
        "strategies": "class_weight",
        "folds": 2,
        "batch_size": 32,
        "refit": False,
        "verbose": 0,
        "optimizer": slow(),
    }
    comparison = cp.compare("mlp", X, Y, store=tmp_path, **how)
    assert comparison.record["settings"]["extension"] == MOST_EXTENSION
    assert {row["limit"] for row in comparison.leaderboard} == {4 * MOST_EXTENSION * 3}
    assert "steps (4 times the default)" in comparison.verdict.next_step
    assert "4 times the default step budget for all strategies" in comparison.html()

    def refuse(*args, **how):
        raise AssertionError("a fit that is on disk was asked for again")

    again = cp.compare("mlp", X, Y, store=tmp_path, executor=refuse, **how)
    for a, b in zip(comparison.fold_results, again.fold_results, strict=True):
        np.testing.assert_array_equal(a.proba, b.proba)
    assert again.record["verdict"] == comparison.record["verdict"]


@pytest.mark.parametrize("folds", [None, 2])
def test_fit_says_it_in_the_card_and_once_in_the_log(folds, caplog):
    clf = cp.fit("mlp", X, Y, optimizer=slow(), epochs=10, folds=folds, verbose=0)
    assert clf.card["cut_off"] is True
    assert caplog.text.count(f"still improving at its limit of {clf.card['limit']} steps") == 1
    done = cp.fit("mlp", X, Y, optimizer=keras.optimizers.Adam(0.05), epochs=60, patience=3, folds=folds, verbose=0)
    assert done.card["cut_off"] is False


def test_a_rate_that_fell_to_nothing_and_a_single_round_say_nothing():
    decay = keras.optimizers.schedules.CosineDecay(0.002, decay_steps=8 * 3)
    how = {"strategies": "threshold", "folds": 2, "batch_size": 32, "refit": False, "verbose": 0}
    for more in ({"optimizer": keras.optimizers.SGD(decay), "epochs": 8}, {"optimizer": slow(), "epochs": 1}):
        comparison = cp.compare("mlp", X, Y, **how, **more)
        assert [row["cut_off"] for row in comparison.leaderboard] == [None, None]
        assert any("may have ended too early. This could not be checked" in w for w in comparison.record["warnings"])
