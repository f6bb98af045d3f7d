"""A training that ends in numbers that are none is a failed row with its reason; everything else goes on."""

from __future__ import annotations

import importlib
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops
from leaderboard_schema import check_board

import counterpoise as cp
from counterpoise.core.errors import ModelError
from counterpoise.core.job import Member
from counterpoise.engines.failed_members import with_divergence_error
from counterpoise.losses.pointwise import CrossEntropy
from counterpoise.strategies import select
from counterpoise.strategies.strategy import Hyperparameter, Strategy
from counterpoise.targets.one_of import LOSSES

RNG = np.random.default_rng(0)
Y = (RNG.random(160) < 0.25).astype(int)
X = (RNG.normal(size=(160, 2)) + Y[:, None]).astype("float32")
QUICK = {"folds": 2, "epochs": 3, "batch_size": 32, "verbose": 0}


class Breaking(CrossEntropy):
    """Its gradient is no number."""

    def call(self, y_true, y_pred):
        return super().call(y_true, y_pred) * ops.sqrt(-ops.ones(()))


@pytest.fixture
def breaking(monkeypatch):
    monkeypatch.setitem(LOSSES, "breaking", Breaking)
    return Strategy("breaking", loss="breaking")


def linear(spec, n_classes):
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


def member(logits, losses=(1.0,)):
    logits = np.asarray(logits, np.float32).reshape(-1, 1)
    steps = [float(4 * (i + 1)) for i in range(len(losses))]
    return Member("", (), logits, logits[:0], np.zeros(2), 1, 1, 1, 0.0, {"step": steps, "loss": list(losses)})


def test_outputs_count_and_without_any_the_last_loss():
    assert with_divergence_error(member([0.1, 2.0], [1.0, np.nan])).error == ""
    assert "diverged" in with_divergence_error(member([0.1, np.inf])).error
    assert with_divergence_error(member([], [np.nan, 1.0])).error == ""
    assert "first measured at step 8" in with_divergence_error(member([], [1.0, np.nan])).error
    assert with_divergence_error(replace(member([np.nan]), error="before")).error == "before"


@pytest.mark.parametrize("engine", ["fit", "program"])
def test_the_others_stand_and_a_resume_gives_the_same(breaking, engine, tmp_path):
    how = {"strategies": ["oversample", breaking], "engine": engine, "refit": False, **QUICK}
    comparison = cp.compare(linear, X, Y, store=tmp_path, **how)
    check_board(comparison.record)
    assert [row["strategy"] for row in comparison.leaderboard if row["status"] == "ok"]
    (row,) = [row for row in comparison.leaderboard if row["status"] == "failed"]
    assert row["strategy"] == "breaking"
    assert row["error"].startswith("The training diverged")
    again = cp.compare(linear, X, Y, store=tmp_path, **how)
    alone = cp.compare(linear, X, Y, **(how | {"strategies": ["oversample"]}))
    for other in (again, alone):
        for a, b in zip(comparison.fold_results, other.fold_results, strict=True):
            np.testing.assert_array_equal(a.proba, b.proba)


def test_an_ensemble_fails_with_its_member_and_tuning_goes_on(breaking):
    pytest.importorskip("optuna")
    both = cp.ensemble(["none", breaking], name="both")
    tuned = replace(breaking, name="tuned", hyperparameters=(Hyperparameter("k", 0.0, 1.0, 0.5, lambda s, v: s),))
    comparison = cp.compare(linear, X, Y, strategies=[both, tuned], tune=2, refit=False, **QUICK)
    failed = {row["strategy"]: row["error"] for row in comparison.leaderboard if row["status"] == "failed"}
    assert set(failed) == {"both", "tuned"}
    assert all("diverged" in text for text in failed.values())


def test_a_limited_comparison_says_it_too(breaking):
    some = [breaking, "oversample", "focal", "class_weight"]
    comparison = cp.compare(linear, X, Y, strategies=some, limit=60, refit=False, **QUICK)
    (row,) = [row for row in comparison.leaderboard if row["status"] == "failed"]
    assert (row["strategy"], row["error"][:21]) == ("breaking", "The training diverged")


def test_a_baseline_that_fails_leaves_nothing_to_be_better_than(breaking, monkeypatch):
    monkeypatch.setitem(select._BY_NAME, "none", replace(breaking, name="none"))
    some = ["oversample", "focal"]
    comparison = cp.compare(linear, X, Y, strategies=some, refit=False, **QUICK)
    check_board(comparison.record)
    assert comparison.verdict.word == "inconclusive"
    assert comparison.verdict.headline == "Inconclusive. The baseline failed."
    assert all(row["vs_none"] == {} for row in comparison.leaderboard)
    assert "Counterpoise" in comparison.html()


def test_where_nothing_is_left_the_reasons_are_the_error(breaking, monkeypatch):
    monkeypatch.setitem(select._BY_NAME, "none", replace(breaking, name="none"))
    with pytest.raises(ModelError, match=r"Every training failed.*The training diverged"):
        cp.compare(linear, X, Y, strategies="none", refit=False, **QUICK)
    for folds in (None, 2):
        with pytest.raises(ModelError, match="The training diverged"):
            cp.fit(linear, X, Y, strategy=breaking, folds=folds, epochs=2, verbose=0)


def test_a_refit_that_fails_leaves_the_leaderboard(monkeypatch):
    module = importlib.import_module("counterpoise.comparison.compare")

    def refuse(*args, **how):
        raise ModelError("The training diverged.")

    monkeypatch.setattr(module, "refit", refuse)
    comparison = cp.compare(linear, X, Y, strategies="none", **QUICK)
    assert comparison.best is None
    assert any("there is no model file" in w for w in comparison.record["warnings"])
