"""The leaderboard record against hand values and scikit-learn, on results made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn import metrics

from counterpoise.comparison import tally
from counterpoise.comparison.judge import assess
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.rule import Rule
from counterpoise.core.schema import Column, Schema

Y = np.array([0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0], dtype=np.int32)
RNG = np.random.default_rng(0)


def two_columns(p):
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def result(strategy, fold, rows, **more):
    p = np.clip(0.3 * RNG.random(len(rows)) + 0.5 * Y[rows], 0.01, 0.99)
    given = {
        "raw": two_columns(p**0.5), "proba": two_columns(p), "decision": (p > 0.4).astype(np.int32),
        "fits": 1, "steps": 7, "rows_seen": 70, "seconds": 0.5, "seconds_shared": 0.25,
    }  # fmt: skip
    return FoldResult(strategy, 0, fold, rows, **(given | more))


@pytest.fixture(name="examples")
def _examples():
    schema = Schema((Column("a", "numeric"), Column("id", "identifier"), Column("k", "constant")), "ill")
    duplicate_ids = np.array([0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8])
    x = {"numeric": np.zeros((12, 1), np.float32)}
    return Examples(x, Y, ("no", "yes"), schema, duplicate_ids=duplicate_ids, source="t.csv")


@pytest.fixture(name="results")
def _results():
    halves = np.arange(6), np.arange(6, 12)
    return {name: [result(name, f, rows) for f, rows in enumerate(halves)] for name in ("none", "oversample")}


def test_scores_per_cell_are_those_of_scikit_learn(results, examples):
    scores = tally.fold_scores(results["none"], examples)
    for k, c in enumerate(results["none"]):
        y = Y[c.rows]
        assert scores["average_precision"][k] == pytest.approx(metrics.average_precision_score(y, c.proba[:, 1]))
        assert scores["log_loss_uncorrected"][k] == pytest.approx(metrics.log_loss(y, c.raw), rel=1e-6)
        assert scores["f1"][k] == pytest.approx(metrics.f1_score(y, c.decision))
        assert scores["recall_uncorrected"][k] == pytest.approx(metrics.recall_score(y, c.raw[:, 1] >= 0.5))


def test_sample_weights_are_copies_of_a_row(results, examples):
    weight = np.ones(12, np.float32)
    weight[3] = 2
    weighted = tally.fold_scores(results["none"], dataclasses.replace(examples, sample_weight=weight))
    first = results["none"][0]
    twice = dataclasses.replace(
        first, rows=np.append(first.rows, 3), raw=np.append(first.raw, first.raw[3:4], 0),
        proba=np.append(first.proba, first.proba[3:4], 0), decision=np.append(first.decision, first.decision[3]),
    )  # fmt: skip
    copied = tally.fold_scores([twice], examples)
    for key in ("average_precision", "log_loss", "accuracy", "f1"):
        assert weighted[key][0] == pytest.approx(copied[key][0])


def test_tables_count_weights_as_copies_of_a_row(results, examples):
    weight = np.ones(12, np.float32)
    weight[3] = 2
    weighted = dataclasses.replace(examples, sample_weight=weight)
    first = results["none"][0]
    rows = np.append(np.arange(6), 3)
    fields = ("rows", "raw", "proba", "decision")
    copied = dataclasses.replace(first, **{name: getattr(first, name)[rows] for name in fields})
    counts, of_copies = tally.fold_counts([first], weighted)[""], tally.fold_counts([copied], examples)[""]
    assert counts.sum() == pytest.approx(6), "numbers of rows"
    assert counts / counts.sum() == pytest.approx(of_copies / of_copies.sum())
    table, table_of_copies = tally.class_scores([first], weighted), tally.class_scores([copied], examples)
    assert [(c["recall"], c["precision"]) for c in table] == [(c["recall"], c["precision"]) for c in table_of_copies]
    assert sum(c["support"] for c in table) == 6
    drawn = tally.report_curves([dataclasses.replace(first, history=())], weighted)
    assert np.sum(drawn["confusion"]["matrix"]) == 6


def test_curves_keep_a_class_that_weighs_little():
    assert tally._drawn_cases(np.array([1, 0, 0]), np.array([1e-6, 1.0, 1.0])).tolist() == [0, 1, 1, 2]


def test_a_row_adds_up_its_cells(results, examples):
    scores = {name: tally.fold_scores(group, examples) for name, group in results.items()}
    judgment = assess(
        scores, folds=2, repeats=1, metric="average_precision", simplicity=["none", "oversample"], counts=None
    )
    noted = [
        dataclasses.replace(c, rule=Rule(np.zeros((1, 2)), np.ones(2) / 2, notes=("checked",))) for c in results["none"]
    ]
    row = tally.strategy_row(noted, examples, judgment)
    assert (row["fits"], row["steps"], row["rows_seen"], row["seconds"], row["seconds_shared"]) == (2, 14, 140, 1, 0.5)
    assert row["rule_notes"] == ["checked"]
    assert [(c["label"], c["support"]) for c in row["per_class"]] == [("no", 8), ("yes", 4)]
    decided = np.concatenate([c.decision for c in noted])
    assert row["per_class"][1]["precision"] == pytest.approx(metrics.precision_score(Y, decided))
    assert row["vs_none"] == {}
    assert list(row) == list(tally.failed_row("x", 3, "why"))


def test_a_class_that_is_never_decided_is_no_fault(results, examples):
    never = [dataclasses.replace(c, decision=np.zeros(6, np.int32)) for c in results["none"]]
    scores = {"none": tally.fold_scores(never, examples)}
    judgment = assess(scores, folds=2, repeats=1, metric="roc_auc", simplicity=["none"], counts=None)
    rare = tally.strategy_row(never, examples, judgment)["per_class"][1]
    assert rare["recall"] == 0
    assert rare["precision"] in (None, 0)


def test_what_failed_keeps_its_reason_and_costs_nothing():
    row = tally.failed_row("smote", 4, "too few neighbors")
    assert (row["strategy"], row["rank"], row["status"], row["error"]) == ("smote", 4, "failed", "too few neighbors")
    assert row["steps"] == row["seconds"] == 0
    assert row["scores"] == {}


def test_rows_with_a_duplicate_in_training_are_left_out(examples):
    free = np.array([True, False] * 6)
    c = result("none", 0, np.arange(12), duplicate_free=free)
    scores = tally.duplicate_free_score([c], examples)
    expected = metrics.average_precision_score(Y[free], c.proba[free, 1])
    assert scores == {"rows": 6, "folds": 1, "average_precision": pytest.approx(expected)}
    nothing = dataclasses.replace(c, duplicate_free=np.zeros(12, bool))
    assert tally.duplicate_free_score([nothing], examples) == {"rows": 0, "folds": 0, "average_precision": None}
    assert tally.duplicate_free_score([dataclasses.replace(c, duplicate_free=None)], examples) is None


def test_the_data_block_counts_rows_columns_and_repeats(examples):
    block = tally.data_block(examples)
    assert block["rows"] == 12
    assert block["columns"] == 3
    assert (block["target"], block["positive"], block["source"]) == ("ill", "yes", "t.csv")
    assert block["excluded_columns"] == [{"name": "id", "reason": "identifier"}, {"name": "k", "reason": "constant"}]
    assert block["duplicates"] == 3
    assert block["classes"][1] == {"label": "yes", "count": 4, "share": pytest.approx(1 / 3)}


def test_three_classes_have_no_positive():
    three = Examples(np.zeros((6, 1)), np.array([0, 1, 2, 0, 1, 0]), (3, 4, 9))
    block = tally.data_block(three)
    assert (block["positive"], block["columns"], block["target"], block["duplicates"]) == (None, None, None, None)
    assert [c["label"] for c in block["classes"]] == ["3", "4", "9"]


def test_curves_are_of_the_first_repeat(results, examples):
    again = [dataclasses.replace(c, repeat=1) for c in results["none"]]
    assert tally.report_curves([*results["none"], *again], examples) == tally.report_curves(results["none"], examples)


def test_rows_of_weight_0_do_not_make_counts_larger(examples):
    weighted = dataclasses.replace(examples, sample_weight=np.where(np.arange(12) < 6, 0.0, 2.0).astype(np.float32))
    tables = tally.fold_counts([result("none", 0, np.arange(12))], weighted)
    assert tables[""].sum() == 6
    shares = tally.data_block(weighted)["classes"]
    assert [c["weighted_share"] for c in shares] == [pytest.approx(4 / 6), pytest.approx(2 / 6)]


def test_dropped_duplicates_do_not_count_and_the_positive_class_is_questioned(examples):
    """A file that someone oversampled: without the copies, the other class is the rare one."""
    y = np.repeat([0, 1], [8, 6])
    copied = Examples(
        np.arange(14.0)[:, None], y, ("ill", "well"), duplicate_ids=np.array([0, 0, 0, 0, 0, 1, 2, 3, *range(4, 10)])
    )
    used = np.array([0, 5, 6, 7, *range(8, 14)])
    block = tally.data_block(copied, used)
    assert (block["rows"], block["duplicates"]) == (10, 4)
    assert [c["count"] for c in block["classes"]] == [4, 6]
    dropped, positive = tally.dropped_notes(copied, used)
    assert dropped == "4 duplicate rows were left out (duplicates='drop'), so 10 rows remain."
    assert positive.startswith("In the remaining rows, 'ill' is rarer than the positive class 'well'.")
    assert tally.dropped_notes(copied, np.arange(14)) == []
    assert tally.dropped_notes(copied, np.arange(1, 14)) == [
        "1 duplicate row was left out (duplicates='drop'), so 13 rows remain."
    ]
