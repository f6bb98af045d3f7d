"""A comparison on a given split: test rows judge, validation rows fit rules, and the classifier is the one judged."""

from __future__ import annotations

import numpy as np
import pytest

import counterpoise as cp
from counterpoise.comparison.single_split import split_draws
from counterpoise.core.errors import ArtifactError, OptionError, SplitError
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.metrics.catalog import METRICS
from counterpoise.metrics.scores import score_all

N = 420
RNG = np.random.default_rng(0)
Y = (np.arange(N) % 4 == 0).astype(int)
X = (RNG.normal(size=(N, 3)) + 1.5 * Y[:, None]).astype("float32")
SPLIT = np.array(["train", "train", "val", "test", "test", "train", "train"])[np.arange(N) % 7]
TEST = SPLIT == "test"


def compare(x=X, y=Y, **how):
    how = {"split": SPLIT, "strategies": "oversample", "epochs": 2, "batch_size": 32, "verbose": 0} | how
    return cp.compare("mlp", x, y, **how)


@pytest.fixture(scope="module")
def cmp():
    return compare(strategies="oversample,threshold")


def test_the_record_says_what_rows_did_and_every_score_has_an_interval(cmp, tmp_path):
    assert cmp.record["split"] == {"training": 240, "validation": 60, "test": 120}
    assert (cmp.record["folds"], cmp.record["repeats"]) == (1, 1)
    for row in cmp.leaderboard:
        assert all(len(score["folds"]) == 1 for score in row["scores"].values())
        for key in ("average_precision", "roc_auc", "log_loss", "brier", "recall", "f1"):
            score = row["scores"][key]
            assert score["low"] <= score["mean"] <= score["high"]
            assert score["low"] < score["high"], (row["strategy"], key)
        if row["strategy"] != "none":
            assert row["vs_none"]["average_precision"]["p"] is not None
    page = cmp.to_html(tmp_path / "page.html").read_text()
    assert "240 training rows, 60 validation rows, 120 test rows" in page
    assert "out-of-fold" not in page[page.index('id="methods"') : page.index('id="methods"') + 2000]
    assert "--nested" not in cmp.verdict.evidence


def test_the_classifier_is_the_one_that_was_judged(cmp):
    result = next(c for c in cmp.fold_results if c.strategy == cmp.verdict.model)
    assert np.array_equal(result.rows, np.flatnonzero(TEST))
    assert np.allclose(cmp.best.predict_proba(X[TEST]), result.proba, atol=1e-6)
    assert cmp.best.rule.threshold == result.rule.threshold
    assert cmp.best.card["split"] == cmp.record["split"]
    assert cmp.best.card["metrics_of"] == "120 test rows, not used for training or tuning"
    decided = cmp.best.decide(recall_floor=0.8).card  # its scores are computed from the rows that are stored
    assert decided["metrics_of"] == decided["rule"]
    assert "60 validation rows" in decided["rule"]
    assert decided["rule"].endswith("the threshold was tuned on these rows")


def test_test_rows_train_nothing_and_choose_nothing(cmp):
    """Whatever they hold: rules, weights and rounds stay, to the last bit."""
    y = np.where(TEST, 1 - Y, Y)
    other = compare(np.where(TEST[:, None], X + 5, X).astype("float32"), y, strategies="oversample,threshold")
    for a, b in zip(cmp.fold_results, other.fold_results, strict=True):
        assert a.rule.threshold == b.rule.threshold
        assert a.history == b.history


def test_rules_come_from_validation_rows(cmp):
    """They are those that `fit` finds on the same rows."""
    rest = ~TEST
    own = X[SPLIT == "val"], Y[SPLIT == "val"]
    assert rest.sum() == 300
    clf = cp.fit(
        "mlp", X[SPLIT == "train"], Y[SPLIT == "train"], validation=own, strategy="oversample", epochs=2,
        batch_size=32, tune_threshold=True, verbose=0,
    )  # fmt: skip
    result = next(c for c in cmp.fold_results if c.strategy == "oversample")
    assert clf.rule.threshold == pytest.approx(result.rule.threshold, abs=1e-6)
    assert np.allclose(clf.predict_proba(X[TEST]), result.proba, atol=1e-5)


def test_resumed_runs_are_equal_and_another_split_is_another_run(tmp_path):
    first = compare(store=tmp_path)
    again = compare(store=tmp_path)
    assert again.record["rows"] == first.record["rows"]
    assert np.array_equal(again.best.predict_proba(X), first.best.predict_proba(X))
    with pytest.raises(ArtifactError, match="values of the split changed"):
        compare(store=tmp_path, split=np.roll(SPLIT, 1))


def test_estimators_of_other_kinds_are_fitted_on_training_rows_alone():
    from sklearn.tree import DecisionTreeClassifier

    tree = cp.external("tree", DecisionTreeClassifier(random_state=0))
    comparison = compare(strategies=[tree], refit=False)
    result = next(c for c in comparison.fold_results if c.strategy == "external:tree")
    assert result.rows_seen == 240


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"folds": 3}, OptionError, "folds=3 cannot be used, because the rows have their own split"),
        ({"repeats": 2}, OptionError, "repeats=2 cannot be used"),
        ({"nested": True}, OptionError, "nested=True cannot be used"),
        ({"duplicates": "group"}, OptionError, "duplicates='group' and split= cannot be combined"),
        ({"split": np.where(TEST, "train", SPLIT)}, SplitError, "split= names marks no test row"),
        ({"groups": np.arange(N) // 2}, SplitError, "groups have rows in the training part and in the"),
        ({"groups": np.unique(SPLIT, return_inverse=True)[1]}, SplitError, "have 1 groups or blocks in time"),
        ({"split": np.where(TEST & (Y == 1), "train", SPLIT)}, SplitError, "class 1 has 0 rows among the test rows"),
    ],
)  # fmt: skip
def test_what_a_given_split_does_not_go_with(how, error, words):
    with pytest.raises(error, match=words):
        compare(**how)


def test_without_validation_rows_a_fifth_of_the_training_rows_stops():
    comparison = compare(split=np.where(TEST, "test", "train"), refit=False)
    assert comparison.record["split"] == {"training": 240, "validation": 60, "test": 120}


def test_limits_and_tuning_go_with_a_split():
    assert compare(limit=60, strategies="oversample,class_weight").record["split"]["test"] == 120
    pytest.importorskip("optuna")
    assert len(compare(strategies="focal", tune=1, tune_steps=2).leaderboard) == 2


def cell_of(classes, rng, rows=np.arange(300)):
    y = rng.integers(0, classes, 300).astype(np.int32)
    proba = rng.dirichlet(np.ones(classes), 300) * 0.8 + 0.2 * np.eye(classes)[y]
    raw = rng.dirichlet(np.ones(classes), 300)
    examples = Examples(np.zeros((300, 1)), y, tuple(range(classes)), sample_weight=rng.random(300).astype("f4") + 0.5)
    return FoldResult("a", 0, 0, rows, raw, proba, proba.argmax(axis=1)), examples


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("metric", ["average_precision", "ece"])
def test_draws_lie_around_the_scores_that_they_are_drawn_of(classes, metric):
    """A draw that takes every block once is the score itself, so one block for all rows must give it exactly."""
    result, examples = cell_of(classes, np.random.default_rng(1))
    want = score_all(
        examples.y, result.proba, result.raw, result.decision, n_classes=classes, sample_weight=examples.sample_weight
    )
    if metric == "average_precision":
        one = split_draws(result, examples, np.zeros(300, int), metric, 3, 0)
        for key, values in one.items():
            assert np.allclose(values, want[key]), key
    draws = split_draws(result, examples, np.arange(300), metric, 150, 0)
    assert {metric, "f1", "brier", "skill", "roc_auc", "accuracy_uncorrected"} <= set(draws) <= set(METRICS)
    for key in ("average_precision", "roc_auc", "log_loss", "brier", "recall"):
        assert abs(np.nanmean(draws[key]) - want[key]) < np.nanstd(draws[key]), key
    assert np.isfinite(draws[metric]).all()


def test_two_strategies_are_drawn_alike():
    result, examples = cell_of(2, np.random.default_rng(2))
    first, second = (split_draws(result, examples, np.arange(300), "f1", 50, 3) for _ in range(2))
    assert all(np.array_equal(first[key], second[key]) for key in first)
