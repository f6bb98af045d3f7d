"""The four texts of `train` and `predict`, held to the numbers that they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.cli.summary import predict_summary, train_summary
from counterpoise.core.units import UnitRule

FILES = (Path("m.keras"), Path("rows.csv"))


@pytest.fixture(scope="module", name="two")
def _two():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(2000) < 0.2, "ill", "well")
    p = 1 / (1 + np.exp(-(2 * rng.normal(size=2000) + 3 * (y == "ill") - 3)))
    return cp.wrap(p[:1000], y[:1000], classes=["well", "ill"]), p[1000:]


def test_what_train_prints_is_what_the_card_has(two):
    clf, _ = two
    text = train_summary(clf, "wrapped", 1000, FILES[0], ("A note.",), "").lines()
    metrics = clf.card["metrics"]
    assert f"verage precision {metrics['average_precision']['value']:.3f} (95% CI" in text[1]
    predicted_by = clf.target.apply(clf.rule, clf.scores["log_p"].astype(float)).decision
    y = clf.scores["y"]
    hits, alerts = (10_000 * np.mean((predicted_by == 1) & (y == code)) for code in (1, 0))
    assert f"{hits:,.0f} found, {alerts:,.0f} false positives" in text[2]
    assert text[3:] == ["A note.", "Next: Score it on new rows: counterpoise evaluate m.keras ROWS.csv"]


def test_what_predict_prints_is_what_the_table_has(two):
    clf, p = two
    table = clf.predict_frame(p)
    lines = predict_summary(clf, *FILES, table, Path("out.csv")).lines()
    assert f"{(table['decision'] == 'ill').sum():,} 'ill'" in lines[1]
    assert len(lines) == 3
    few = clf.predict_frame(p[p < np.quantile(p, 0.4)])
    assert "--unlabeled" in predict_summary(clf, *FILES, few, Path("out.csv")).lines()[-1]
    # With --prior, the mean probability is compared with this share, not with the share in training.
    rng = np.random.default_rng(1)
    rare = 1 / (1 + np.exp(-(2 * rng.normal(size=4000) + 3 * (np.arange(4000) < 120) - 3)))
    rare = predict_summary(clf, *FILES, clf.predict_frame(rare, prior=0.03), Path("out.csv"), 0.03).lines()
    assert "(share of --prior: 0.03)" in rare[1]
    assert "--unlabeled" not in rare[-1]
    cheap = clf.decide(costs=[[0, 2], [30, -5]])
    table = cheap.predict_frame(p)
    proba, alert = table["probability"].to_numpy(), (table["decision"] == "ill").to_numpy()
    expected = 10_000 * np.mean(np.where(alert, 2 * (1 - proba) - 5 * proba, 30 * proba))
    assert (
        f"computed from the probabilities: {expected:,.0f}."
        in predict_summary(cheap, *FILES, table, Path("out.csv")).lines()[2]
    )


def test_the_expected_cost_is_that_of_the_rule_and_of_any_labels():
    p, y = np.linspace(0.05, 0.95, 40), np.arange(40) >= 30
    costs = [[0, 1], [3, 0]]
    lines = []
    for labels in (y, y.astype(int), y.astype(str)):
        clf = cp.wrap(p, labels, calibrate=None).decide(costs=costs)
        lines.append(predict_summary(clf, *FILES, clf.predict_frame(p), Path("out.csv")).cost)
    assert lines[0] == lines[1] == lines[2] != ""
    units = cp.wrap(p, y, calibrate=None)
    units.unit = UnitRule(("study",), "mean", clf.rule)
    table = clf.predict_frame(p).insert_column(0, pl.Series("rows", np.ones(40, int)))
    assert predict_summary(units, *FILES, table, Path("out.csv")).cost == lines[2]


def test_more_classes_have_no_line_of_two():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 300)
    clf = cp.wrap(p, np.array([rng.choice(3, p=row) for row in p]))
    assert not any("Per 10,000" in line for line in train_summary(clf, "wrapped", 300, FILES[0], (), "").lines())
    assert len(predict_summary(clf, *FILES, clf.predict_frame(p), Path("out.csv")).lines()) == 2


def test_truth_values_are_spelled_as_in_the_file():
    p = np.linspace(0.05, 0.95, 40)
    clf = cp.wrap(p, p > 0.6)
    assert "'False'" in predict_summary(clf, *FILES, clf.predict_frame(p), Path("out.csv")).lines()[1]
