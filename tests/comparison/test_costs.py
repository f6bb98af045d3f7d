"""Comparisons by expected cost: two numbers, a matrix, a column."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.comparison.costs import (
    CostMatrix,
    Costs,
    CostsByRow,
    costs_of,
    mean_cost,
    pooled_cost,
    with_costs,
    with_row_costs,
)
from counterpoise.comparison.words import next_step_with_costs
from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import ColumnError, CounterpoiseError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.rule import Rule
from counterpoise.strategies.select import find

HOW = {"strategies": "threshold,oversample", "folds": 2, "epochs": 3, "verbose": 0}
MATRIX = {"a": {"b": 1, "c": 1}, "b": {"a": 5, "c": 2}, "c": {"a": 30, "b": 10}}


def payments(n=450, seed=0):
    rng = np.random.default_rng(seed)
    fraud = rng.random(n) < 0.2
    return pl.DataFrame({
        "speed": rng.normal(size=n) + 1.5 * fraud, "amount": rng.lognormal(3, 1.2, n).round(2),
        "day": np.sort(rng.integers(0, 90, n)), "who": rng.integers(0, 60, n), "fraud": np.where(fraud, "yes", "no"),
    })  # fmt: skip


@pytest.fixture(scope="module", name="by_column")
def _by_column():
    rows = payments().drop("day", "who")
    return rows, cp.compare("mlp", rows, "fraud", cost_column="amount", cost_fp=5, **HOW)


@pytest.fixture(scope="module", name="by_matrix")
def _by_matrix():
    rng = np.random.default_rng(1)
    y = rng.choice(["a", "b", "c"], 450, p=[0.7, 0.2, 0.1])
    x = rng.normal(size=(450, 2)) + 1.5 * np.stack([y == "b", y == "c"], axis=1)
    return x, y, cp.compare("mlp", x, y, costs=MATRIX, **HOW)


def paid(rows, result, decided):
    fraud = (rows["fraud"] == "yes").to_numpy()[result.rows]
    return np.where(fraud & (decided == 0), rows["amount"].to_numpy()[result.rows], 5.0 * (~fraud & (decided == 1)))


def test_a_column_decides_row_by_row_and_is_what_the_verdict_is_about(by_column):
    rows, comparison = by_column
    record = comparison.record
    assert record["metric"] == "expected_cost"
    assert record["costs"]["cost_column"] == "amount"
    for result in comparison.fold_results:
        amount, p = rows["amount"].to_numpy()[result.rows], result.proba[:, 1]
        rule = p * amount >= (1 - p) * 5 if result.strategy != "none" else p >= 0.5
        assert np.array_equal(result.decision, rule.astype(int))
        assert np.allclose(result.cost, paid(rows, result, result.decision))
    for row in comparison.leaderboard:
        own = [r for r in comparison.fold_results if r.strategy == row["strategy"]]
        score = row["scores"]["expected_cost"]
        assert score["mean"] == pytest.approx(np.mean([r.cost.mean() for r in own]))
        assert score["low"] < score["mean"] < score["high"]
        each = np.concatenate([r.cost for r in own])
        assert row["cost"] == pytest.approx(10_000 * each.mean())
        assert row["largest_cost_share"] == pytest.approx(each.max() / each.sum())
    ranks = [row["scores"]["expected_cost"]["mean"] for row in comparison.leaderboard]
    assert ranks == sorted(ranks)
    verdict = comparison.verdict
    assert "cost per case" in verdict.recommendation
    assert verdict.effect["counts"]["none"]["cost"] > verdict.effect["counts"]["threshold"]["cost"]
    assert "lower" in verdict.effect["text"]


def test_the_winner_decides_by_the_column(by_column, tmp_path):
    rows, comparison = by_column
    assert comparison.verdict.model != "none"
    column = comparison.best.rule.cost_column
    assert (column.name, column.cost_fp) == ("amount", 5.0)
    assert "model.keras" in comparison.verdict.next_step or comparison.verdict.word != "better"
    comparison.save(tmp_path)
    again = cp.load(tmp_path / "model.keras")
    assert (again.predict(rows) == comparison.best.predict(rows)).all()
    page = (tmp_path / "report.html").read_text()
    assert "a missed case costs the amount in column &#39;amount&#39;" in page
    assert "Largest row" in page
    assert "largest_cost_share" not in page.split("<script")[0]


def test_a_matrix_of_three_classes(by_matrix):
    _, y, comparison = by_matrix
    costs = np.array([[0, 1, 1], [5, 0, 2], [30, 10, 0]])
    codes = {str(label): code for code, label in enumerate(comparison.best.classes_)}
    truth = np.array([codes[label] for label in y])
    for result in comparison.fold_results:
        if result.strategy != "none":
            assert np.array_equal(result.decision, np.argmin(result.proba @ costs, axis=1))
        assert np.array_equal(result.cost, costs[truth[result.rows], result.decision])
    assert (comparison.best.rule.costs == costs).all()
    assert comparison.record["costs"] == {"matrix": costs.tolist()}
    assert all(row["scores"]["expected_cost"]["low"] > 0 for row in comparison.leaderboard)
    assert comparison.verdict.effect["counts"]["none"]["cost"] is not None


def test_blocks_of_groups_and_time_and_a_given_split():
    rows = payments()
    how = {"cost_column": "amount", "cost_fp": 5, "strategies": "threshold", "epochs": 2, "verbose": 0, "refit": False}
    split = np.repeat(["train", "validation", "test"], 150)
    for more in ({"groups": "who", "folds": 3}, {"time": "day", "folds": 3, "label_delay": 4}, {"split": split}):
        data = rows.drop([c for c in ("day", "who") if c not in [*map(str, more.values())]])
        comparison = cp.compare("mlp", data, "fraud", **how, **more)
        for row in comparison.leaderboard:
            score = row["scores"]["expected_cost"]
            assert score["low"] < score["mean"] < score["high"]
        assert comparison.leaderboard[-1]["scores"]["expected_cost"]["mean"] > 0
        delay = comparison.record["label_delay"]
        assert (delay is None) == ("time" not in more)
        assert delay is None or len(delay["left_out"]) == 3
        assert ("Label delay" in comparison.html()) == ("time" in more)


def test_the_card_and_the_report_count_no_dropped_rows():
    rows = payments().drop("who", "day")
    both = pl.concat([rows, rows[:40]])
    for more in ({"folds": 2}, {"split": ["train"] * 300 + ["test"] * 150 + ["train"] * 40}):
        how = {"strategies": "threshold", "duplicates": "drop", "verbose": 0}
        comparison = cp.compare("forest", both, "fraud", **how, **more)
        assert comparison.record["data"]["rows"] == comparison.best.card["rows"] == 450
        assert sum(entry["count"] for entry in comparison.best.card["classes"]) == 450


def test_rows_that_a_label_delay_leaves_out_are_no_dropped_duplicates():
    """With a split, rows just before the test rows are in no fold; the report still counts them as rows."""
    how = {"strategies": "threshold", "verbose": 0, "refit": False, "time": "day", "label_delay": 4}
    rows = payments().drop("who")
    split = np.where(rows["day"] < 60, "train", "test")
    comparison = cp.compare("forest", rows, "fraud", split=split, **how)
    assert comparison.record["label_delay"]["left_out"][0] > 0
    assert comparison.record["data"]["rows"] == 450
    assert not [note for note in comparison.record["warnings"] if "duplicate" in note]


def test_another_metric_may_judge_and_two_numbers_go_as_before():
    rows = payments()
    how = {**HOW, "strategies": "threshold", "refit": False}
    trees = {**how, "refit": True, "epochs": "auto"}
    comparison = cp.compare("forest", rows, "fraud", costs=(1, 5), metric="roc_auc", **trees)
    assert comparison.record["metric"] == "roc_auc"
    # Equal ranks: the baseline wins, which does not decide by costs. To pass costs would be no news.
    assert comparison.verdict.winner == "none"
    assert "`--metric expected_cost`" in comparison.verdict.next_step
    assert next_step_with_costs(decides=True, by_cost=True) == "Deploy `model.keras`, which decides by these costs."
    assert next_step_with_costs(decides=False, by_cost=True).endswith("decides at the default threshold.")
    assert all("expected_cost" in row["scores"] for row in comparison.leaderboard)
    assert cp.compare("mlp", rows, "fraud", costs=(1, 5), **how).record["metric"] == "expected_cost"


def test_refusals():
    rows = payments(60)
    for wrong, match in (
        ({"cost_column": "amount"}, "above 0 with cost_column"),
        ({"cost_fp": 5}, "requires cost_column"),
        ({"cost_column": "amount", "cost_fp": 5, "costs": (1, 2)}, "cannot be combined"),
        ({"metric": "expected_cost"}, "needs costs, but none were passed"),
        ({"cost_column": "price", "cost_fp": 5}, "'price' is not a column"),
        ({"costs": {"yes": {"no": 1}, "maybe": {"no": 1}}}, "'maybe'"),
    ):
        with pytest.raises(CounterpoiseError, match=match):
            cp.compare("mlp", rows, "fraud", **wrong, **HOW)
    with pytest.raises(OptionError, match="contains a negative value in row 2"):
        cp.compare("mlp", rows.with_columns(amount=pl.Series([1.0, -1.0, *[1.0] * 58])), "fraud",
                   cost_column="amount", cost_fp=1, **HOW)  # fmt: skip
    x, y = np.zeros((6, 2, 2, 1)), np.arange(6) % 2
    with pytest.raises(OptionError, match="arrays without columns"):
        cp.compare("cnn", x, y, cost_column="amount", cost_fp=1, **HOW)
    labels = Examples(np.zeros((4, 1)), np.array([[0, 1]] * 4), ("a", "b"), kind="labels")
    assert costs_of((1, 2), None, None, labels) == Costs(1, 2)
    with pytest.raises(OptionError, match="one class per row"):
        costs_of([[0, 1], [2, 0]], None, None, labels)
    three = Examples(np.zeros((3, 1)), np.arange(3), ("a", "b", "c"), amount=np.ones(3))
    for given in (("amount", 1.0, None), (None, None, (1, 2))):
        with pytest.raises(OptionError, match="two classes"):
            costs_of(given[2], *given[:2], three)
    assert issubclass(ColumnError, CounterpoiseError)


def test_the_least_possible_cost_of_a_decision():
    amounts = CostsByRow(CostColumn("amount", 5.0), 20.0)
    assert Costs(1.0, 5.0).least == amounts.least == 0.0
    assert CostMatrix(np.array([[0.0, 2.0], [100.0, -5.0]])).least == -5.0


def test_only_what_tunes_a_threshold_is_decided_again():
    proba = np.array([[0.8, 0.2], [0.4, 0.6]])
    rule = Rule(np.zeros((1, 2)), np.full(2, 0.5), threshold=0.5)
    results = [FoldResult(n, 0, 0, np.arange(2), proba, proba, np.array([0, 1]), rule) for n in ("none", "threshold")]
    examples = Examples(np.zeros((2, 1)), np.array([1, 0]), ("no", "yes"))
    matrix = CostMatrix(np.array([[0.0, 1.0], [9.0, 0.0]]))
    strategies = [find("none"), find("threshold")]
    none, tuned = with_costs(results, strategies, examples, matrix)
    assert (none.decision.tolist(), none.cost.tolist()) == ([0, 1], [9.0, 1.0])
    assert (tuned.decision.tolist(), tuned.cost.tolist()) == ([1, 1], [0.0, 1.0])
    assert tuned.rule.threshold == pytest.approx(0.1)
    assert with_costs(results, strategies, examples, None) == tuple(results)


def test_weights_count_once_in_the_costs_of_masks_and_in_the_pooled_cost():
    y = np.arange(40).reshape(4, 10) % 2
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    examples = Examples(None, y, (0, 1), kind="elements", sample_weight=weight)
    proba = np.full((4, 10, 2), 0.5)
    decision = np.zeros((4, 10), np.int32)
    decision[0] = 1  # 5 false positives in the first row, otherwise 5 missed cases
    result = FoldResult("none", 0, 0, np.arange(4), proba, proba, decision)
    paid = with_row_costs(result, examples, Costs(1, 2))
    assert paid.cost == pytest.approx([0.5, 1.0, 1.0, 1.0])
    assert mean_cost(paid, weight) == pytest.approx(0.95)
    assert pooled_cost([paid], examples) == pytest.approx(9_500)


def test_the_mean_cost_of_labels_is_over_the_weighted_rows_where_each_is_known():
    y, weight = np.array([[0, 1], [1, -1], [0, 0], [-1, 1]]), np.array([1.0, 2.0, 3.0, 4.0])
    examples = Examples(None, y, ("a", "b"), kind="labels", sample_weight=weight)
    proba = np.full((4, 2), 0.5)
    result = FoldResult("none", 0, 0, np.arange(4), proba, proba, np.ones((4, 2), np.int32))
    paid = with_row_costs(result, examples, Costs(1, 2))
    assert mean_cost(paid, weight) == pytest.approx((1 + 3) / 6 + 3 / 8)  # false positives of "a", then of "b"
