"""What a change means in decisions and cost; bootstraps of groups and time against slow ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import counterpoise as cp
from counterpoise.comparison.block_draws import paired_draws
from counterpoise.comparison.costs import Costs
from counterpoise.comparison.effect import positive_shares, with_effect
from counterpoise.comparison.judge import assess
from counterpoise.comparison.tally import fold_counts
from counterpoise.comparison.threshold_alone import with_threshold_or_costs
from counterpoise.comparison.verdict import Verdict
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.strategies.select import find

NONE, NEW = np.array([[9000, 100], [700, 200]]), np.array([[8940, 160], [560, 340]])
AS_SHIPPED = True
RNG = np.random.default_rng(3)


def test_the_effect_is_that_of_the_winner_and_for_the_baseline_that_of_the_threshold():
    tuned = np.array([[8900, 200], [500, 400]])
    matrices = {"none": NONE, "new": NEW, "threshold": tuned}
    prices = {name: matrix[0, 1] + 10 * matrix[1, 0] for name, matrix in matrices.items()}  # of 10,000 rows
    effect = with_effect(Verdict("new", "better", "Use New."), matrices, prices, ["no", "yes"]).effect
    assert (effect["strategy"], effect["cases"]) == ("new", 900)
    assert (effect["found"], effect["false_positives"]) == pytest.approx((140, 60))
    assert effect["cost"] == pytest.approx(60 - 1400)
    assert effect["text"] == (
        "Per 10,000 cases, New compared with the baseline: 140 more 'yes' found, 60 more false positives, cost 1,340 "
        "lower. Threshold tuning alone, without retraining: 200 more found, 100 more false positives, cost 1,900 lower."
    )
    baseline = Verdict("none", "inconclusive", "Keep the baseline.")
    effect = with_effect(baseline, matrices, {}, ["no", "yes"]).effect
    assert (effect["strategy"], effect["found"], effect["cost"]) == ("threshold", pytest.approx(200), None)
    assert effect["counts"]["threshold"]["false_positives"] == pytest.approx(200)
    assert effect["text"].startswith(
        "Per 10,000 cases, threshold tuning alone, without retraining: 200 more 'yes' found"
    )
    assert with_effect(baseline, {"none": NONE}, {}, ["no", "yes"]) is baseline
    assert with_effect(baseline, {}, {}, ["no", "yes"]) is baseline


def test_of_several_classes_each_has_its_effect_and_the_rarest_is_spoken_of():
    old, new = np.array([[80, 10, 0], [6, 2, 0], [2, 0, 0]]), np.array([[70, 15, 5], [4, 4, 0], [1, 0, 1]])
    verdict = Verdict("new", "better", "Use New.")
    effect = with_effect(verdict, {"none": old, "new": new}, {}, ["a", "b", "c"], positive=2).effect
    one_against_the_rest = [
        positive_shares(np.array([[m.sum() - m[c].sum() - m[:, c].sum() + m[c, c], m[:, c].sum() - m[c, c]],
                              [m[c].sum() - m[c, c], m[c, c]]])) for m in (new, old) for c in range(3)
    ]  # fmt: skip
    after, before = 10_000 * np.array(one_against_the_rest[:3]), 10_000 * np.array(one_against_the_rest[3:])
    changes = [[c["found"], c["false_positives"]] for c in effect["classes"]]
    assert np.allclose(changes, after - before)
    assert effect["label"] == "c"
    assert "100 more 'c' found, 500 more false positives, 700 fewer correct decisions" in effect["text"]


def test_a_series_of_costs_is_read_by_its_labels():
    assert Costs.of(pd.Series({"cost_fn": 9, "cost_fp": 1})) == Costs(1, 9) == Costs.of(pd.Series([1, 9]))


@pytest.mark.parametrize(
    "costs", [(1,), (0, 1), ("a", 2), 3, (1, float("inf")), pd.Series({"ill": 9, "well": 1}), pd.Series([9, 1], [1, 0])]
)
def test_costs_are_two_numbers_above_0(costs):
    with pytest.raises(OptionError, match="Expected"):
        Costs.of(costs)


def test_costs_are_for_two_classes():
    with pytest.raises(OptionError, match="costs is only for two classes"):
        Costs.of((1, 2), binary=False)


def test_costs_change_the_aim_of_those_that_tune_and_of_no_other():
    aims = [s.aim for s in Costs(1, 20).aim_strategies([find("none"), find("threshold"), find("oversample")])]
    assert aims == ["argmax", "cost(1, 20)", "cost(1, 20)"]


def test_a_comparison_with_costs_says_what_cases_cost():
    y = (RNG.random(300) < 0.2).astype(int)
    x = RNG.normal(size=(300, 2)) + y[:, None]
    comparison = cp.compare(
        "mlp", x, y, strategies="threshold", folds=3, epochs=2, verbose=0, costs=(1, 5), refit=False
    )
    results = [c for c in comparison.fold_results if c.strategy == "threshold"]
    truth, output = (np.concatenate(part) for part in ([y[c.rows] for c in results], [c.decision for c in results]))
    cost = 10_000 * np.mean((truth < output) * 1 + (truth > output) * 5)
    row = next(r for r in comparison.leaderboard if r["strategy"] == "threshold")
    assert row["cost"] == pytest.approx(cost)
    assert comparison.record["costs"] == {"cost_fp": 1.0, "cost_fn": 5.0}
    assert results[0].rule.aim == "cost(1, 5)"
    assert comparison.verdict.effect["strategy"] == "threshold"
    assert comparison.verdict.effect["counts"]["threshold"]["cost"] == pytest.approx(cost)
    baseline = [c for c in comparison.fold_results if c.strategy == "none"]
    data = Examples(x, y, (0, 1))
    alone = fold_counts(with_threshold_or_costs(baseline, data, Costs(1, 5)), data)[""].sum(axis=0)
    own = comparison.verdict.effect["counts"]["threshold"]
    assert 10_000 * alone[1, 1] / 300 == pytest.approx(own["found"]), "as the strategy that does only that"
    assert with_threshold_or_costs(baseline[:1], data, None) == []


def cells_of(y, proba, folds=2):
    parts = np.array_split(np.arange(len(y)), folds)
    return [FoldResult("it", 0, k, rows, proba[rows], proba[rows], y[rows]) for k, rows in enumerate(parts)]


def sample(rows=400, group=4):
    groups = np.arange(rows) // group
    y = (RNG.random(rows // group) < 0.3).repeat(group).astype(int)
    p = np.clip(0.3 + 0.2 * y + RNG.normal(0, 0.2, rows // group).repeat(group), 0.01, 0.99)
    return y, np.stack([1 - p, p], axis=1), groups


def test_groups_are_drawn_whole_and_for_all_alike():
    y, proba, groups = sample()
    results = cells_of(y, proba)
    scores = {"a": {k: np.array([0.5, 0.5]) for k in ("average_precision", "roc_auc", "log_loss")}}
    scores["b"] = scores["a"]
    drawn = paired_draws({"a": results, "b": results}, scores, Examples(None, y, (0, 1), groups=groups), resamples=300)
    assert np.array_equal(drawn["a"]["average_precision"], drawn["b"]["average_precision"])
    slow = []
    for _ in range(300):
        of_fold = []
        for result in results:
            own = np.unique(groups[result.rows])
            rows = np.concatenate([np.flatnonzero(groups == g) for g in RNG.choice(own, len(own))])
            of_fold.append(average_precision_score(y[rows], proba[rows, 1]))
        slow.append(np.mean(of_fold))
    assert np.mean(drawn["a"]["average_precision"]) == pytest.approx(np.mean(slow), abs=0.02)
    assert np.std(drawn["a"]["average_precision"]) == pytest.approx(np.std(slow), rel=0.2)


def test_weights_count_in_the_draws():
    y, proba, groups = sample()
    weight = np.where(RNG.random(len(y)) < 0.3, 3.0, 1.0)
    whole = FoldResult("it", 0, 0, np.arange(len(y)), proba, proba, y)
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    copied = FoldResult("it", 0, 0, np.arange(len(rows)), proba[rows], proba[rows], y[rows])
    examples = Examples(None, y, (0, 1), groups=groups, sample_weight=weight)
    copies = Examples(None, y[rows], (0, 1), groups=groups[rows])
    zero = {key: np.zeros(1) for key in ("average_precision", "roc_auc", "log_loss")}
    drawn, of_copies = (
        paired_draws({"a": [result]}, {"a": zero}, data, resamples=20)["a"]
        for result, data in ((whole, examples), (copied, copies))
    )
    assert drawn["average_precision"] == pytest.approx(of_copies["average_precision"])


def test_few_groups_and_independent_rows_are_not_drawn():
    y, proba, groups = sample()
    results, nothing = cells_of(y, proba), {"a": {}}
    assert paired_draws({"a": results}, nothing, Examples(None, y, (0, 1))) is None
    assert paired_draws({"a": results}, nothing, Examples(None, y, (0, 1), groups=groups // 20)) is None


def test_times_are_drawn_in_blocks_and_many_classes_have_no_log_loss():
    rows = 300
    y = np.arange(rows) % 3
    proba = RNG.dirichlet(np.ones(3), rows)
    scores = {"a": {k: np.array([0.5, 0.5]) for k in ("average_precision", "roc_auc")}}
    drawn = paired_draws(
        {"a": cells_of(y, proba)}, scores, Examples(None, y, (0, 1, 2), time=np.arange(rows)), resamples=50
    )
    assert set(drawn["a"]) == {"average_precision", "roc_auc"}
    assert np.isfinite(drawn["a"]["roc_auc"]).all()
    assert np.mean(drawn["a"]["roc_auc"]) == pytest.approx(0.5, abs=0.1)


def test_nobody_is_called_ahead_who_is_behind():
    none, other = [0.60, 0.64, 0.58, 0.61, 0.57], [0.59, 0.60, 0.60, 0.58, 0.59]
    verdict = assess({"none": {"roc_auc": none}, "other": {"roc_auc": other}}, folds=5, metric="roc_auc").verdict
    assert (verdict.winner, verdict.word) == ("none", "inconclusive")
    assert (
        "0.600, and no strategy is significantly better. It ranks first. The next strategy is Other with 0.592"
        in verdict.recommendation
    )
