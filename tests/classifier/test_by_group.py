"""Groups, costs and first rows in `evaluate`: from columns to tables, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import counterpoise as cp
from counterpoise.classifier.by_group import grouped
from counterpoise.core.errors import DataError, OptionError


@pytest.fixture(scope="module", name="two")
def _two():
    rng = np.random.default_rng(0)
    y = (rng.random(800) < 0.2).astype(int)
    p = 1 / (1 + np.exp(-(2 * rng.normal(size=800) + 3 * y - 3)))
    return cp.wrap(p, y).decide(cost=(1, 5)), p, y


def test_groups_of_two_classes(two):
    clf, p, y = two
    site = np.repeat(["a", "b", "c", "d"], [400, 370, 19, 11])
    tables = cp.evaluate(clf, p, y, by={"site": site, "age": np.arange(800.0)}, resamples=2)["by"]
    assert [(t["column"], t["class"], t["reference"]) for t in tables[:1]] == [("site", "1", "a")]
    assert [v["value"] for v in tables[0]["values"]] == ["a", "b", "(other)"]
    assert "merged into '(other)': c, d" in tables[0]["notes"][0]
    decided = clf.predict(p)
    mine = y[:400] == 1
    assert tables[0]["values"][0]["scores"]["recall"]["value"] == pytest.approx(decided[:400][mine].mean())
    assert [v["rows"] for v in tables[1]["values"]] == [200] * 4
    with pytest.raises(DataError, match="by='site' has 9 values for 800 rows"):
        cp.evaluate(clf, p, y, by={"site": site[:9]}, resamples=2)
    with pytest.raises(OptionError, match="no groups to compare"):
        cp.evaluate(clf, p, y, by={"site": ["a"] * 800}, resamples=2)


@pytest.mark.parametrize(("start", "count"), [(0, 200), (1_000_000_000, 200), (1_000_000_000, 3000), (2**52, 200)])
def test_ranges_of_large_numbers_have_their_own_names(start, count):
    codes, names, _ = grouped("id", pl.Series(start + np.arange(count)), count)
    assert len(names) == len({name.split()[0] for name in names}) == 4
    assert np.bincount(codes) == pytest.approx(count / 4, abs=1)


def test_costs_and_first_rows(two):
    clf, p, y = two
    proba, decided = clf.predict_proba(p)[:, 1], clf.predict(p)
    amount = np.arange(1.0, 801.0)
    scores = cp.evaluate(clf, p, y, cost_column=amount, cost_fp=3, first=50, resamples=100)["further"]
    cost = np.where(y == 1, amount * (decided == 0), 3.0 * decided)
    assert scores["expected_cost"]["value"] == pytest.approx(cost.mean())
    assert scores["expected_cost"]["low"] < cost.mean() < scores["expected_cost"]["high"]
    assert scores["largest_cost_share"]["value"] == pytest.approx(cost.max() / cost.sum())
    assert scores["amount_recall"]["value"] == pytest.approx((amount * y * decided).sum() / (amount * y).sum())
    top = y[np.argsort(-proba)[:50]].mean()
    assert scores["precision_first"]["value"] == pytest.approx(top, abs=0.02)
    assert scores["lift_first"]["value"] == pytest.approx(scores["precision_first"]["value"] / y.mean())
    other = cp.evaluate(clf, p, y, costs=[[0, 2], [9, -1]], resamples=2)["further"]["expected_cost"]["value"]
    assert other == pytest.approx(np.array([[0, 2], [9, -1]])[y, decided].mean())
    for wrong, match in (
        ({"cost_column": -amount}, "negative value in rows 1, 2"),
        ({"cost_column": np.where(amount == 2, np.nan, amount)}, "no finite number in row 2"),
        ({"cost_fp": 2}, "requires cost_column"),
        ({"costs": np.eye(2), "cost_column": amount}, "cannot be combined"),
        ({"costs": np.eye(3)}, r"has shape \(3, 3\)"),
        ({"first": 900}, "number of rows from 1 to 800"),
    ):
        with pytest.raises(OptionError, match=match):
            cp.evaluate(clf, p, y, resamples=2, **wrong)


def test_more_classes_are_scored_one_by_one():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 300)
    y = np.array([rng.choice(3, p=row) for row in p])
    clf = cp.wrap(p, y)
    costs = {0: {1: 1, 2: 1}, 1: {0: 4, 2: 1}, 2: {0: 9, 1: 2}}
    record = cp.evaluate(clf, p, y, by={"half": np.arange(300) % 2}, costs=costs, resamples=5)
    assert [t["class"] for t in record["by"]] == [t["class"] for t in record["reliability"]] == ["0", "1", "2"]
    decided = clf.predict(p)
    half = np.arange(300) % 2 == int(record["by"][2]["values"][1]["value"])
    recall = (decided == 2)[half & (y == 2)].mean()
    assert record["by"][2]["values"][1]["scores"]["recall"]["value"] == pytest.approx(recall)
    cost = np.mean([0.0 if a == b else costs[a][b] for a, b in zip(y, decided, strict=True)])
    assert record["further"]["expected_cost"]["value"] == pytest.approx(cost)
    assert sum(b["rows"] for b in record["reliability"][1]["bins"]) == 300
    with pytest.raises(OptionError, match="require two classes"):
        cp.evaluate(clf, p, y, first=5)


def test_values_of_a_column():
    codes, names, _ = grouped("when", pl.Series([True] * 30 + [False] * 25 + [None] * 20), 75)
    assert names == ["True", "False", "(missing)"]
    assert np.bincount(codes).tolist() == [30, 25, 20]
    many = [str(i // 20) for i in range(20 * 25)]
    codes, names, notes = grouped("branch", pl.Series(many), len(many))
    assert len(names) == 21
    assert "beyond the 20 largest" in notes[0]
    codes, names, notes = grouped("site", pl.Series(["a"] * 30 + ["b"] * 3), 33)
    assert names == ["a", "b"]
    assert notes == ["b has 3 rows, so its scores are uncertain. Collect more rows of this group."]
    codes, names, _ = grouped("age", pl.Series([*range(100), None] * 1), 101)
    assert names[0] == "0 to 24"


@pytest.mark.parametrize("form", [pd.array, pd.Categorical, pa.array, pd.Series, list])
def test_values_of_any_library_are_groups(two, form):
    clf, p, y = two
    site = form([["a", "b"][i % 2] for i in range(800)])
    values = cp.evaluate(clf, p, y, by={"site": site}, resamples=2)["by"][0]["values"]
    assert [(v["value"], v["rows"]) for v in values] == [("a", 400), ("b", 400)]


def test_a_site_with_one_patient_is_not_tested(two):
    clf, p, y = two
    site = np.repeat(["a", "b", "c"], [400, 300, 100])
    record = cp.evaluate(
        clf, p, y, by={"site": site}, groups=np.where(site == "c", 900, np.arange(800) // 2), resamples=2
    )
    (table,) = record["by"]
    assert np.isnan(table["values"][2]["scores"]["recall"]["low"])
    assert table["notes"] == ["Values with rows of only one group have no interval and no test: c."]
    assert "rows of only one group" in str(record)
