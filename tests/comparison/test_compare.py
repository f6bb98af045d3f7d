"""The comparison on small data: rows, failures, files, forms of data."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from leaderboard_schema import check_board
from sklearn import metrics

import counterpoise as cp
from counterpoise.comparison import tally
from counterpoise.core.errors import DataError, OptionError
from counterpoise.pipeline.reading import read_for
from counterpoise.report import page
from counterpoise.strategies.select import find

RNG = np.random.default_rng(0)
Y = (RNG.random(300) < 0.2).astype(int)
X = RNG.normal(size=(300, 3)) + Y[:, None]
QUICK = {"folds": 2, "epochs": 2, "verbose": 0}


@pytest.fixture(scope="module", name="comparison")
def _comparison():
    return cp.compare("mlp", X, Y, **QUICK)


def test_scores_are_those_of_the_test_rows(comparison):
    row = next(r for r in comparison.leaderboard if r["strategy"] == "oversample")
    results = [c for c in comparison.fold_results if c.strategy == "oversample"]
    ap = [metrics.average_precision_score(Y[c.rows], c.proba[:, 1]) for c in results]
    assert row["scores"]["average_precision"]["folds"] == pytest.approx(ap)
    raw = [metrics.log_loss(Y[c.rows], c.raw) for c in results]
    assert row["scores"]["log_loss_uncorrected"]["folds"] == pytest.approx(raw, rel=1e-5)
    decided = np.concatenate([c.decision for c in results])
    truth = np.concatenate([Y[c.rows] for c in results])
    assert row["per_class"][1]["recall"] == pytest.approx(metrics.recall_score(truth, decided))
    assert row["scores"]["f1"]["mean"] == pytest.approx(metrics.f1_score(truth, decided))


def test_correction_lowers_the_log_loss_of_balanced_strategies(comparison):
    for row in comparison.leaderboard:
        if row["strategy"] in ("oversample", "undersample", "class_weight"):
            assert row["scores"]["log_loss"]["mean"] < row["scores"]["log_loss_uncorrected"]["mean"]


def test_the_winner_is_trained_on_all_rows_and_its_card_says_how_it_did(comparison):
    assert comparison.best.card["strategy"] == comparison.verdict.winner
    assert "trained on all 300 rows" in comparison.best.card["rule"]
    assert comparison.best.card["metrics"]["average_precision"]["mean"] > 0.2


def test_every_member_of_an_ensemble_is_scored_alone(comparison):
    rows = {row["strategy"]: row for row in comparison.leaderboard}
    assert rows["oversample"]["members"] == []
    members = rows["resampling_ensemble"]["members"]
    assert [m["name"] for m in members] == ["none", "oversample", "undersample"]
    alone = [c for c in comparison.fold_results if c.strategy == "none"]
    y, proba = Y[np.concatenate([c.rows for c in alone])], np.concatenate([c.member_proba[0] for c in alone])
    assert members[0]["average_precision"] == pytest.approx(metrics.average_precision_score(y, proba[:, 1]))
    assert members[0]["log_loss"] == pytest.approx(metrics.log_loss(y, proba))
    assert [m["correlation"][i] for i, m in enumerate(members)] == pytest.approx([1, 1, 1])
    assert "Ensemble members" in page.render(comparison.record)
    own = comparison.best.members_
    output = np.exp(comparison.best.scores["log_p"][0].astype(float))
    assert own[0]["average_precision"] == pytest.approx(
        metrics.average_precision_score(comparison.best.scores["y"], output[:, 1])
    )


def test_files_and_page(comparison, tmp_path):
    comparison.save(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted(
        ["leaderboard.json", "leaderboard.csv", "report.html", "model.keras"]
    )
    assert json.loads((tmp_path / "run" / "leaderboard.json").read_text()) == comparison.record
    assert "Counterpoise" in comparison.to_html(tmp_path / "again.html").read_text()[:3000]
    loaded = cp.load(tmp_path / "run" / "model.keras")
    assert np.array_equal(loaded.predict_proba(X), comparison.best.predict_proba(X))


def test_it_can_be_printed(comparison):
    text = str(comparison)
    assert "Resampling ensemble" in text
    assert comparison.verdict.headline in text
    assert len(text) < 4000
    assert "<table" in comparison._repr_html_()
    frame = comparison.to_frame()
    assert len(frame) == 6
    assert {"strategy", "rank", "average_precision"} <= set(frame.columns)


def test_same_seed_same_numbers(comparison):
    again = cp.compare("mlp", X, Y, refit=False, **QUICK)
    for a, b in zip(comparison.fold_results, again.fold_results, strict=True):
        assert np.array_equal(a.proba, b.proba)
    assert again.best is None


def test_a_strategy_that_cannot_run_is_a_row_and_the_comparison_goes_on():
    def refuse(y, **more):
        raise DataError("too few neighbors")

    broken = dataclasses.replace(find("oversample"), name="broken", plan=refuse)
    odd = dataclasses.replace(find("oversample"), name="odd", plan=lambda y, **more: 1 / 0)
    comparison = cp.compare("mlp", X, Y, strategies=["oversample", broken, odd], **QUICK)
    check_board(json.loads(json.dumps(comparison.record)))
    *_, row, last = comparison.leaderboard
    assert (last["strategy"], last["error"]) == ("odd", "ZeroDivisionError: division by zero")
    assert {c.strategy for c in comparison.fold_results} == {"none", "oversample"}
    assert comparison.fold_results[0].strategy == "none"
    assert (row["strategy"], row["status"], row["error"]) == ("broken", "failed", "too few neighbors")
    assert "broken" in comparison.to_csv()
    assert comparison.verdict.winner in ("none", "oversample")


@pytest.mark.parametrize("form", ["polars", "pandas", "dict", "file"])
def test_forms_of_data(form, tmp_path):
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})
    frame.write_parquet(tmp_path / "t.parquet")
    given = {
        "polars": frame,
        "pandas": frame.to_pandas(),
        "dict": {c: frame[c].to_numpy() for c in frame.columns},
        "file": tmp_path / "t.parquet",
    }[form]
    comparison = cp.compare("mlp", given, "y", strategies="threshold", refit=False, **QUICK)
    assert comparison.record["data"]["columns"] == 2


def test_every_strategy_meets_the_same_folds(comparison):
    of = {
        name: [c.rows for c in comparison.fold_results if c.strategy == name]
        for name in ("none", "oversample", "threshold")
    }
    for rows in of.values():
        assert all(np.array_equal(a, b) for a, b in zip(rows, of["none"], strict=True))
    assert np.array_equal(np.sort(np.concatenate(of["none"])), np.arange(300))


def test_unknown_metric_is_refused_before_training():
    with pytest.raises(OptionError, match=r"no metric 'acuracy'. Did you mean 'accuracy'"):
        cp.compare("mlp", X, Y, metric="acuracy", **QUICK)


def test_duplicates_are_scored_separately():
    x = np.round(X, 0)
    comparison = cp.compare("mlp", x, Y, strategies="none", refit=False, **QUICK)
    separate = comparison.leaderboard[0]["duplicate_free"]
    results = comparison.fold_results
    assert separate["rows"] == sum(int(c.duplicate_free.sum()) for c in results)
    assert 0 < separate["rows"] < 300
    assert comparison.record["data"]["duplicates"] == 300 - len(np.unique(x, axis=0))
    assert any("repeat" in w for w in comparison.record["warnings"])


def test_a_trained_model_is_warned_about():
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, verbose=0)
    comparison = cp.compare(model, X.astype("float32"), Y, strategies="none", refit=False, **QUICK)
    assert any("already trained" in w for w in comparison.record["warnings"])


def test_counts_are_confusions_at_the_three_rules(comparison):
    results = [c for c in comparison.fold_results if c.strategy == "undersample"]
    counts = tally.fold_counts(results, read_for("mlp", X, Y))
    for k, result in enumerate(results):
        assert np.array_equal(counts[""][k], metrics.confusion_matrix(Y[result.rows], result.decision))
        assert np.array_equal(
            counts["_default"][k], metrics.confusion_matrix(Y[result.rows], result.proba[:, 1] >= 0.5)
        )
        assert np.array_equal(
            counts["_uncorrected"][k], metrics.confusion_matrix(Y[result.rows], result.raw[:, 1] >= 0.5)
        )
