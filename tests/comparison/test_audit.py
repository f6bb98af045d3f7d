"""What an auditor asks of the recommended strategy, in the record and on the page."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import recall_score

import counterpoise as cp
from counterpoise.comparison import audit
from counterpoise.comparison.audit import REVIEW_ALPHAS
from counterpoise.core.errors import CounterpoiseError, OptionError
from counterpoise.report.audit import sections


def people(n=900, seed=0):
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n, p=[0.4, 0.6])
    ill = rng.random(n) < np.where(sex == "f", 0.3, 0.15)
    return pl.DataFrame({
        "v": rng.normal(size=n) + 1.5 * ill, "w": rng.normal(size=n), "sex": sex,
        "site": np.where(rng.random(n) < 0.02, None, rng.choice(["north", "south"], n)),
        "ill": np.where(ill, "yes", "no"),
    })  # fmt: skip


HOW = {"strategies": "threshold", "epochs": 3, "verbose": 0}


@pytest.fixture(scope="module", name="comparison")
def _comparison():
    rows = people()
    return rows, cp.compare("mlp", rows, "ill", by=["sex", "site"], folds=3, repeats=2, **HOW)


def test_groups_are_scored_on_test_rows_at_each_fold_s_threshold(comparison):
    rows, cmp = comparison
    audit = cmp.record["audit"]
    results = [r for r in cmp.fold_results if r.strategy == audit["strategy"] and r.repeat == 0]
    order = np.concatenate([r.rows for r in results])
    decision = np.concatenate([r.decision for r in results])
    assert audit["rows"] == len(rows) == len(order)
    by_sex, by_site = audit["by"]
    ill, sex = (rows["ill"] == "yes").to_numpy()[order], rows["sex"].to_numpy()[order]
    for value in by_sex["values"]:
        mine = sex == value["value"]
        assert value["rows"] == mine.sum()
        assert value["scores"]["recall"]["value"] == pytest.approx(recall_score(ill[mine], decision[mine]))
    assert {v["value"] for v in by_site["values"]} >= {"north", "south"}
    assert cmp.best.schema is not None
    assert "sex" in {c.name for c in cmp.best.schema.columns}, "a column stays a feature"


def test_thresholds_reviews_and_reliability(comparison):
    rows, cmp = comparison
    audit = cmp.record["audit"]
    assert len(audit["thresholds"]) == 6
    assert next(r for r in cmp.leaderboard if r["strategy"] == audit["strategy"])["thresholds"] == audit["thresholds"]
    spread = cmp.best.card["threshold"].get("spread")
    if audit["strategy"] == "threshold":
        assert spread["low"] <= spread["value"] <= spread["high"]
        assert audit["threshold_spread"]["low"]["recall"] >= audit["threshold_spread"]["high"]["recall"]
    assert [one["alpha"] for one in audit["review"]] == list(REVIEW_ALPHAS)
    for one in audit["review"]:
        for c in one["classes"]:
            assert c["missed"]["value"] < one["alpha"] + 0.05
    shares = [one["share"]["value"] for one in audit["review"]]
    assert shares == sorted(shares, reverse=True)
    (table,) = audit["reliability"]
    assert sum(b["positives"] for b in table["bins"]) == (rows["ill"] == "yes").sum()
    assert audit["importance"] is None
    json.dumps(cmp.record, allow_nan=False)


def test_the_page_has_the_sections_in_their_order(comparison):
    page = comparison[1].html()
    keys = ("spread", "groups", "review", "reliability", "importance")
    where = [page.index(f'id="audit-{key}"') for key in keys]
    assert where == sorted(where)
    assert 'id="audit-costs"' not in page
    assert "Difference from" in page
    assert "counterpoise explain" in page


def test_importance_is_measured_where_the_split_keeps_test_rows_from_the_model():
    rows = people(600).drop("site")
    split = np.repeat(["train", "validation", "test"], 200)
    comparison = cp.compare("mlp", rows, "ill", split=split, **HOW)
    importance = comparison.record["audit"]["importance"]
    assert importance["rows"] == 200
    assert importance["columns"][0]["columns"] == ["v"]
    assert "Loss of average precision after one column" in comparison.html()
    assert comparison.record["audit"]["review"] == []  # no other fold chooses the floors


def test_importance_of_the_models_of_folds_on_their_test_rows():
    rows = people(600).drop("site")
    comparison = cp.compare("mlp", rows, "ill", folds=2, importance=True, refit=False, **HOW)
    importance = comparison.record["audit"]["importance"]
    assert importance["rows"] == 600
    assert importance["columns"][0]["columns"] == ["v"]
    assert importance["columns"][0]["importance"]["low"] > 0
    assert abs(importance["average_precision"] - comparison.leaderboard[0]["scores"]["average_precision"]["mean"]) < 0.1
    with pytest.raises(OptionError, match="importance= is for tables"):
        cp.compare("mlp", rows.with_columns(two=pl.col("ill") == "yes"), ["ill", "two"], importance=True, **HOW)


def test_classes_and_labels():
    rng = np.random.default_rng(3)
    y = rng.choice(["a", "b", "c"], 400, p=[0.6, 0.25, 0.15])
    frame = pl.DataFrame({"v": rng.normal(size=400) + (y == "b") + 2 * (y == "c"), "sex": rng.choice(["f", "m"], 400)})
    comparison = cp.compare("mlp", frame.with_columns(y=y), "y", by="sex", folds=2, refit=False, **HOW)
    assert [table["class"] for table in comparison.record["audit"]["by"]] == ["a", "b", "c"]
    assert len(comparison.record["audit"]["reliability"]) == 3
    assert comparison.record["audit"]["thresholds"] == [None, None]
    labels = frame.with_columns(one=(y == "b").astype(int), two=(y == "c").astype(int))
    comparison = cp.compare(
        "mlp", labels, ["one", "two"], by="sex", folds=2, refit=False, **{**HOW, "strategies": "none"}
    )
    assert [table["class"] for table in comparison.record["audit"]["by"]] == ["one", "two"]
    assert comparison.record["audit"]["review"] == []
    assert 'id="audit-groups"' in comparison.html()


def test_refusals():
    rows = people(80)
    for by, match in (("age", "'age' is not a column"), ("same", "no groups to compare")):
        with pytest.raises(CounterpoiseError, match=match):
            cp.compare("mlp", rows.with_columns(same=pl.lit("x")), "ill", by=by, **HOW)
    with pytest.raises(CounterpoiseError, match="arrays without columns"):
        cp.compare("cnn", np.zeros((6, 2, 2, 1)), np.arange(6) % 2, by="sex", **HOW)


def test_importance_of_many_sorted_rows(monkeypatch):
    monkeypatch.setattr(audit, "IMPORTANCE_ROWS", 100)
    rows = people(400).drop("site").sort("ill")
    comparison = cp.compare("mlp", rows, "ill", folds=2, importance=True, refit=False, **HOW)
    importance = comparison.record["audit"]["importance"]
    assert importance["rows"] == 100
    assert importance["average_precision"] > 0.2


def test_the_median_of_an_even_number_of_thresholds_lies_between_two_of_them():
    rows = [{"strategy": "threshold", "rank": 1, "thresholds": [0.1, 0.4], "scores": {}}]
    record = {"rows": rows, "audit": {}, "data": {"classes": []}, "metric": "f1"}
    (section,) = (section for section in sections(record) if section["id"] == "spread")
    assert section["tables"][-1]["rows"] == [["Tuned threshold", "0.1", "0.25", "0.4"]]
