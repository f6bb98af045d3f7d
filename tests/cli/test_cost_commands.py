"""Costs on the command line of `compare`."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from counterpoise.cli.costs import costs_of
from counterpoise.core.errors import OptionError

QUICK = ("--model", "mlp", "--folds", "2", "--epochs", "3")


@pytest.fixture(scope="module", name="payments")
def _payments(tmp_path_factory):
    rng = np.random.default_rng(0)
    fraud = rng.random(300) < 0.2
    path = tmp_path_factory.mktemp("costs") / "payments.csv"
    pl.DataFrame({
        "speed": rng.normal(size=300) + 1.5 * fraud, "amount": rng.lognormal(3, 1, 300).round(2),
        "fraud": np.where(fraud, "yes", "no"),
    }).write_csv(path)  # fmt: skip
    return path


def test_compare_by_a_column(counterpoise, payments, tmp_path):
    how = ("compare", payments, "--target", "fraud", "--drop", "amount", "--strategies", "threshold", *QUICK)
    done = counterpoise(*how, "--cost-column", "amount", "--cost-fp", 4, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "cost per case" in done.out.lower()
    record = json.loads((tmp_path / "run" / "leaderboard.json").read_text())
    assert record["metric"] == "expected_cost"
    assert record["rows"][0]["strategy"] == "threshold"
    predicted = counterpoise("predict", tmp_path / "run" / "model.keras", payments)
    assert predicted.code == 0, predicted.err
    costs = tmp_path / "costs.json"
    costs.write_text('{"yes": {"no": 9}, "no": {"yes": 1}}')
    done = counterpoise(*how, "--costs", costs, "--metric", "roc_auc", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    again = json.loads((tmp_path / "run" / "leaderboard.json").read_text())
    assert (again["metric"], again["costs"]) == ("roc_auc", {"matrix": [[0.0, 1.0], [9.0, 0.0]]})


def test_units_and_a_class_named_review_are_refused_before_the_training(counterpoise, payments, tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoise.pipeline.fit.fit", None)
    how = ("--target", "fraud", "--model", "mlp", "--out", tmp_path / "m.keras")
    unit = ("--unit", "amount")
    for more in (("--cost-column", "amount", "--cost-fp", 4), ("--threshold-by", "amount", "--alerts", 500)):
        run = counterpoise("train", payments, *how, *unit, *more)
        assert (run.code, f"{more[0]} and --unit cannot be combined" in run.err) == (2, True), run.err
    pl.read_csv(payments).with_columns(pl.col("fraud").replace("no", "review")).write_csv(tmp_path / "t.csv")
    run = counterpoise("train", tmp_path / "t.csv", *how, "--positive", "yes", "--review-alpha", 0.1)
    assert (run.code, "but a class has this name" in run.err) == (2, True), run.err


def test_thresholds_by_group(counterpoise, payments, tmp_path):
    rows = pl.read_csv(payments).with_columns(site=pl.Series(["a", "b"] * 150))
    pl.concat([rows, rows.with_columns(pl.col("speed") + 0.1)]).write_csv(tmp_path / "sites.csv")
    how = ("train", tmp_path / "sites.csv", "--target", "fraud", "--strategy", "none", "--model", "mlp", "--epochs", 2,
           "--folds", 2, "--drop", "site", "--threshold-by", "site", "--out", tmp_path / "m.keras")  # fmt: skip
    assert "--threshold-by requires exactly one of --recall-floor" in counterpoise(*how).err
    done = counterpoise(*how, "--recall-floor", 0.8)
    assert done.code == 0, done.err
    assert "may be unlawful" in done.out + done.err
    done = counterpoise("evaluate", tmp_path / "m.keras", tmp_path / "sites.csv")
    assert "Thresholds by site: " in done.out, done.err
    counterpoise("card", tmp_path / "m.keras", "--out", tmp_path / "card.md")
    assert "| site | threshold |" in (tmp_path / "card.md").read_text()


def test_costs_are_given_once(tmp_path):
    assert costs_of(None, None, None, None) == {}
    assert costs_of(None, None, 1.0, 2.0) == {"costs": (1.0, 2.0)}
    assert costs_of(None, "amount", 1.0, None) == {"cost_column": "amount", "cost_fp": 1.0}
    for given, match in (
        ((None, None, 1.0, None), "--cost-fp must be used together with --cost-fn or --cost-column"),
        ((None, None, None, 2.0), "--cost-fn must be used together with --cost-fp"),
        ((None, "amount", None, None), "--cost-column must be used together with --cost-fp"),
        ((None, "amount", 1.0, 2.0), "--cost-column and --cost-fn cannot be combined"),
        ((tmp_path, None, 1.0, None), "--costs and --cost-fp cannot be combined"),
        ((tmp_path, "amount", None, None), "--costs and --cost-column cannot be combined"),
    ):
        with pytest.raises(OptionError, match=match):
            costs_of(*given)
