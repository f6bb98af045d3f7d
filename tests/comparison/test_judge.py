"""Verdicts on scores whose truth is known, and the share of false ones."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from counterpoise.comparison.judge import assess
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.metrics.bootstrap import cluster_draws
from counterpoise.metrics.intervals import f1_interval, fold_interval

K = 5
NAMES = ("none", "threshold", "class_weight", "oversample", "undersample", "resampling_ensemble")


def folds(mean: float, spread: float, seed: int, j: int = K) -> np.ndarray:
    """Scores with exactly this mean and standard deviation."""
    z = np.random.default_rng(seed).normal(size=j)
    return mean + spread * (z - z.mean()) / z.std(ddof=1)


def fold_scores(
    metric: str = "average_precision", noise: float = 0.004, **means: float
) -> dict[str, dict[str, np.ndarray]]:
    """Strategies that follow the folds of `none`, plus a little noise of their own."""
    base = folds(0, 0.05, 0)
    return {name: {metric: base + folds(mean, noise, seed)} for seed, (name, mean) in enumerate(means.items(), 1)}


def test_a_clear_gain_is_better() -> None:
    verdict = assess(fold_scores(none=0.5, class_weight=0.51, oversample=0.6), folds=K).verdict
    assert (verdict.winner, verdict.word, verdict.not_different_from) == ("oversample", "better", ())
    assert verdict.headline == "Use Oversampling. It is significantly better than the baseline."
    assert (
        "Its average precision is 0.600, compared with 0.500 for the baseline (difference +0.100"
        in verdict.recommendation
    )


def test_of_several_that_help_the_simplest_is_taken() -> None:
    judgment = assess(fold_scores(none=0.5, class_weight=0.6, oversample=0.604, undersample=0.4), folds=K)
    verdict = judgment.verdict
    assert judgment.ranking == ("oversample", "class_weight", "none", "undersample")
    assert (verdict.winner, verdict.word, verdict.not_different_from) == ("class_weight", "better", ("oversample",))
    assert "Oversampling ranks first (0.604) but is not significantly better than Class weights" in verdict.evidence
    swapped = assess(
        fold_scores(none=0.5, class_weight=0.6, oversample=0.604),
        folds=K,
        simplicity=["none", "oversample", "class_weight"],
    )
    assert swapped.verdict.winner == "oversample"


def test_what_ranks_as_the_baseline_is_no_rival_of_what_beats_it() -> None:
    scores = fold_scores(none=0.5, class_weight=0.595)
    scores["threshold"] = scores["none"]
    scores["oversample"] = {"average_precision": scores["none"]["average_precision"] + folds(0.1, 0.045, 9)}
    verdict = assess(scores, folds=K, simplicity=NAMES).verdict
    assert (verdict.winner, verdict.word, verdict.not_different_from) == ("class_weight", "better", ("oversample",))


def test_small_sure_differences_are_equivalent() -> None:
    verdict = assess(fold_scores(noise=0.002, none=0.5, class_weight=0.501, oversample=0.499), folds=K).verdict
    assert (verdict.winner, verdict.word) == ("none", "equivalent")
    assert verdict.not_different_from == ("class_weight", "oversample")
    assert verdict.headline == "Keep the baseline. The other strategies make no practical difference."
    assert verdict.recommendation.startswith("The baseline has average precision 0.500. Class weights ranks first with")


def test_a_noisy_gain_is_inconclusive_and_says_what_would_decide() -> None:
    scores = fold_scores(none=0.5, oversample=0.55)
    scores["oversample"]["average_precision"] = scores["none"]["average_precision"] + folds(0.05, 0.03, 9)
    verdict = assess(scores, folds=K).verdict
    assert (verdict.winner, verdict.word, verdict.not_different_from) == ("oversample", "inconclusive", ("none",))
    assert verdict.more_repeats is not None
    assert f"(`--repeats {1 + verdict.more_repeats}`). This would probably settle" in verdict.next_step
    assert verdict.recommendation.startswith("Oversampling is not significantly better than the baseline")
    assert "so the baseline is likely worse" in verdict.evidence
    assert verdict.headline == "Inconclusive. Use Oversampling for now."


def test_of_what_is_not_likely_behind_the_simplest_is_taken() -> None:
    scores = fold_scores(none=0.5, class_weight=0.5, oversample=0.5, undersample=0.5)
    none = scores["none"]["average_precision"]
    for seed, (name, gain) in enumerate((("class_weight", 0.05), ("oversample", 0.055), ("undersample", 0.01))):
        scores[name]["average_precision"] = none + folds(gain, 0.03, seed)
    verdict = assess(scores, folds=K, simplicity=NAMES).verdict
    assert (verdict.winner, verdict.word) == ("class_weight", "inconclusive")
    assert verdict.not_different_from == ("none", "oversample")
    scores["oversample"]["average_precision"] = none + folds(0.02, 0.06, 1)
    del scores["class_weight"]
    verdict = assess(scores, folds=K, simplicity=NAMES).verdict
    assert (verdict.winner, verdict.word) == ("none", "inconclusive")
    assert verdict.headline == "Inconclusive. Keep the baseline for now."


def test_repeats_in_vain_are_called_so() -> None:
    scores = fold_scores(none=0.5, oversample=0.55)
    scores["oversample"]["average_precision"] = scores["none"]["average_precision"] + folds(0.03, 0.2, 9)
    verdict = assess(scores, folds=K).verdict
    assert verdict.word == "inconclusive"
    assert verdict.more_repeats is None
    assert "Even 100 repeats of these folds would probably not" in verdict.next_step


def test_the_baseline_can_win() -> None:
    scores = fold_scores(none=0.6, class_weight=0.5, oversample=0.4)
    scores["threshold"] = scores["none"]
    judgment = assess(scores, folds=K, simplicity=NAMES)
    verdict = judgment.verdict
    assert (verdict.winner, verdict.word, verdict.not_different_from) == ("none", "others_worse", ("threshold",))
    assert verdict.headline == "Keep the baseline. All other strategies are significantly worse."
    assert "All 2 other strategies are significantly worse" in verdict.recommendation
    assert judgment.vs_none["threshold"]["average_precision"].to_dict() == {
        "difference": 0,
        "low": 0,
        "high": 0,
        "p": 1,
        "p_holm": 1,
    }


def test_all_identical_and_alone() -> None:
    same = folds(0.5, 0.05, 0)
    verdict = assess({name: {"roc_auc": same} for name in NAMES}, folds=K, metric="roc_auc").verdict
    assert (verdict.winner, verdict.word, verdict.not_different_from) == ("none", "equivalent", NAMES[1:])
    alone = assess({"focal": {"roc_auc": same}}, folds=K, metric="roc_auc").verdict
    assert (alone.winner, alone.word) == ("focal", "inconclusive")


def test_lower_is_better() -> None:
    judgment = assess(fold_scores("log_loss", none=0.5, oversample=0.4), folds=K, metric="log_loss")
    assert (judgment.verdict.winner, judgment.verdict.word) == ("oversample", "better")
    assert judgment.vs_none["oversample"]["log_loss"].difference == pytest.approx(-0.1)
    assert "(difference -0.1000, 95% CI -0.1" in judgment.verdict.recommendation
    assert "lower is better" in judgment.verdict.recommendation
    worse = assess(fold_scores("log_loss", none=0.4, oversample=0.5), folds=K, metric="log_loss")
    assert (worse.verdict.winner, worse.verdict.word) == ("none", "others_worse")


def test_nearest_to_one_is_best() -> None:
    # With spread in the folds the distances of one strategy lie on both sides; keep each on its own side.
    scores = {
        "none": {"calibration_slope": folds(0.4, 0.05, 1)},
        "oversample": {"calibration_slope": folds(1.1, 0.02, 2)},
        "undersample": {"calibration_slope": folds(1.9, 0.05, 3)},
    }
    judgment = assess(scores, folds=K, metric="calibration_slope")
    assert judgment.ranking == ("oversample", "none", "undersample")
    assert (judgment.verdict.winner, judgment.verdict.word) == ("oversample", "better")


def test_rope_of_a_loss_is_relative_to_the_reference() -> None:
    # A gain of 0.005 on a log loss of 0.03 is a sixth of it, though below 0.01.
    scores = fold_scores("log_loss", none=0.53, oversample=0.525)
    for row in scores.values():
        row["log_loss"] = (row["log_loss"] - 0.53) / 5 + 0.03
    scores["oversample"]["log_loss"] = scores["none"]["log_loss"] - folds(0.005, 0.0005, 4)
    assert assess(scores, folds=K, metric="log_loss").verdict.word == "better"


@pytest.mark.parametrize("repeats", [1, 3])
def test_noise_is_rarely_called_better(repeats: int) -> None:
    """Equal strategies, each with noise of its own that is correlated by 1/K between folds (shared training rows)."""
    rng = np.random.default_rng(repeats)
    runs, j = 400, K * repeats
    false = 0
    for _ in range(runs):
        common = rng.normal(0, 0.05, j)
        scores = {}
        for name in NAMES:
            own = rng.normal(0, 0.05) * math.sqrt(1 / K) + rng.normal(0, 0.05, j) * math.sqrt(1 - 1 / K)
            scores[name] = {"average_precision": 0.5 + common + own}
        false += assess(scores, folds=K, repeats=repeats).verdict.word == "better"
    assert false / runs <= 0.05


def test_intervals_of_the_scores() -> None:
    values = folds(0.8, 0.05, 3, 10)
    judgment = assess({"none": {"roc_auc": values, "calibration_slope": values}}, folds=5, repeats=2, metric="roc_auc")
    interval = judgment.scores["none"]["roc_auc"]
    assert (interval.low, interval.high) == pytest.approx(fold_interval(values, 1 / 4))
    assert interval.folds == pytest.approx(tuple(values))
    plain = judgment.scores["none"]["calibration_slope"]
    assert plain.high - plain.mean == pytest.approx(plain.mean - plain.low)


def test_f1_comes_from_pooled_counts() -> None:
    rng = np.random.default_rng(5)
    counts = np.stack([[[90, int(a)], [2, int(b)]] for a, b in rng.integers(1, 8, (10, 2))])
    f1 = 2 * counts[:, 1, 1] / (2 * counts[:, 1, 1] + counts[:, 0, 1] + counts[:, 1, 0])
    judgment = assess(
        {"none": {"f1": f1, "f1_default": f1}}, folds=5, repeats=2, metric="f1", counts={"none": {"": counts}}
    )
    total = counts.sum(axis=0)
    pooled = judgment.scores["none"]["f1"]
    assert pooled.mean == pytest.approx(2 * total[1, 1] / (2 * total[1, 1] + total[0, 1] + total[1, 0]))
    low, high = f1_interval(total[1, 1] / 2, total[0, 1] / 2, total[1, 0] / 2)
    assert pooled.low <= low + 1e-12
    assert pooled.high >= high - 1e-12
    assert judgment.scores["none"]["f1_default"].mean == pytest.approx(f1.mean())


def test_a_difference_is_no_larger_than_its_metric_can_differ() -> None:
    values = {"none": np.array([0.1, 0.4]), "smote": np.array([0.5, 0.45])}
    scores = {name: {"average_precision": of} for name, of in values.items()}
    judgment = assess(scores, folds=2, simplicity=["none", "smote"])
    pair = judgment.vs_none["smote"]["average_precision"]
    assert (pair.low, pair.high) == (-1.0, 1.0)
    assert "95% CI -1.000 to +1.000" in judgment.verdict.recommendation
    losses = {name: {"log_loss": of} for name, of in values.items()}
    pair = assess(losses, folds=2, metric="log_loss", simplicity=["none", "smote"]).vs_none["smote"]["log_loss"]
    assert pair.high - pair.low > 2  # a loss has no bound


@pytest.mark.parametrize(
    ("key", "table", "rows"),
    [
        ("recall", [[90, 1], [0, 4]], 20),
        ("specificity", [[90, 0], [3, 4]], 450),
        ("accuracy", [[90, 0], [0, 4]], 470),
        ("accuracy", np.diag([90, 4, 2]), 480),
        ("recall", np.diag([50, 4, 2]), 58),  # 9 / (1 / 250 + 1 / 20 + 1 / 10)
        ("balanced_accuracy", np.diag([90, 4]), 77),  # 4 / (1 / 450 + 1 / 20)
    ],
)
def test_a_share_of_1_is_not_certain(key: str, table: list, rows: int) -> None:
    counts = {"none": {"": np.tile(table, (5, 1, 1))}}
    judgment = assess({"none": {key: np.ones(5)}}, folds=5, metric=key, counts=counts)
    assert judgment.scores["none"][key].low == pytest.approx(0.025 ** (1 / rows))


def test_paired_draws_replace_the_tests() -> None:
    rng = np.random.default_rng(6)
    y = (rng.random(3000) < 0.1).astype(int)
    z = rng.normal(size=3000) + 2 * y
    groups = np.arange(3000) // 10
    noisy = z + rng.normal(size=3000)
    draws, scores = {}, {}
    for name, logit in {"none": noisy, "oversample": z}.items():
        p = 1 / (1 + np.exp(-logit))
        draws[name] = cluster_draws(y, np.stack([1 - p, p], axis=1), groups, resamples=500)
        scores[name] = {"average_precision": np.full(5, np.median(draws[name]["average_precision"]))}
    judgment = assess(scores, folds=5, draws=draws)
    assert (judgment.verdict.winner, judgment.verdict.word) == ("oversample", "better")
    difference = judgment.vs_none["oversample"]["average_precision"]
    spread = draws["oversample"]["average_precision"] - draws["none"]["average_precision"]
    assert (difference.low, difference.high) == pytest.approx(tuple(np.quantile(spread, [0.025, 0.975])))


def test_undefined_folds_and_missing_strategies() -> None:
    scores = fold_scores(none=0.5, oversample=0.6, smote=0.55)
    scores["oversample"]["average_precision"][0] = math.nan
    scores["smote"]["average_precision"][:] = math.nan
    judgment = assess(scores, folds=K)
    assert (judgment.verdict.winner, judgment.ranking[-1]) == ("oversample", "smote")
    no_none = assess({k: v for k, v in fold_scores(focal=0.5, smote=0.6).items()}, folds=K)
    assert "better than Focal loss" in no_none.verdict.headline


def test_records_are_json() -> None:
    scores = fold_scores(none=0.5, oversample=0.6)
    scores["oversample"]["average_precision"][1:] = math.nan
    judgment = assess(scores, folds=K)
    row = judgment.row("oversample")
    text = json.dumps([row, judgment.verdict.to_dict()], allow_nan=False)
    back, verdict = json.loads(text)
    assert set(back["scores"]["average_precision"]) == {"mean", "low", "high", "folds"}
    assert set(back["vs_none"]["average_precision"]) == {"difference", "low", "high", "p", "p_holm"}
    assert set(verdict) >= {"winner", "word", "headline", "recommendation", "evidence", "next_step"}
    assert judgment.row("none")["vs_none"] == {}


def test_repeated_hold_out_needs_its_ratio() -> None:
    scores = {"none": {"roc_auc": folds(0.8, 0.05, 1, 10)}}
    with pytest.raises(OptionError, match="test_over_train"):
        assess(scores, folds=1, repeats=10, metric="roc_auc")
    got = assess(scores, folds=1, repeats=10, metric="roc_auc", test_over_train=0.25)
    expected = fold_interval(scores["none"]["roc_auc"], 1 / 4)
    assert (got.scores["none"]["roc_auc"].low, got.scores["none"]["roc_auc"].high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("words", "scores", "metric"),
    [
        ("Did you mean 'recall'", {"none": {"recall": np.ones(5)}}, "recal"),
        ("not a metric key", {"none": {"recal": np.ones(5)}}, "recall"),
        ("Expected repeats x folds = 5", {"none": {"recall": np.ones(4)}}, "recall"),
        ("cannot be compared", {"none": {"recall": np.full(5, np.nan)}}, "recall"),
        ("cannot be compared", {}, "recall"),
    ],
)
def test_bad_input(words: str, scores: dict, metric: str) -> None:
    with pytest.raises(OptionError, match=words):
        assess(scores, folds=5, metric=metric)


def test_external_models_alone_are_not_compared() -> None:
    scores = {"external:nb": {"roc_auc": [0.6, 0.7]}, "none": {"roc_auc": [np.nan, np.nan]}}
    with pytest.raises(ModelError, match="Only external models have a score for 'roc_auc'"):
        assess(scores, folds=2, metric="roc_auc", external=["external:nb"])


def test_nothing_is_better_than_what_was_cut_off():
    none, good = [0.50, 0.52, 0.48, 0.51, 0.49], [0.60, 0.63, 0.59, 0.60, 0.58]
    scores = {"none": {"roc_auc": none}, "oversample": {"roc_auc": good}}
    how = {"folds": 5, "metric": "roc_auc"}
    assert assess(scores, **how).verdict.word == "better"
    for cut in ({"none"}, {"none", "oversample"}):
        verdict = assess(scores, **how, unfinished=cut).verdict
        assert (verdict.winner, verdict.word) == ("oversample", "inconclusive")
        assert "The baseline was still improving when its training ended" in verdict.evidence
    assert assess(scores, **how, unfinished={"oversample"}).verdict.word == "better"
    tree = {"external:tree": {"roc_auc": good}, "none": {"roc_auc": none}}
    outside = {"external": ["external:tree"]}
    assert assess(tree, **how, **outside).verdict.winner == "external:tree"
    assert assess(tree, **how, **outside, unfinished={"none"}).verdict.winner == "none"


@pytest.mark.parametrize("metric", ["f1", "precision"])
def test_strategies_are_ranked_and_compared_by_the_pooled_scores_that_are_shown(metric: str) -> None:
    """The mean over the folds would rank them the other way round: small folds count as much as large ones."""
    positives, alerts = np.array([3, 12, 4, 9, 2]), np.array([4, 9, 5, 9, 3])
    hits = {"none": np.array([3, 3, 4, 3, 2]), "focal": np.array([1, 8, 2, 6, 1])}
    counts, scores = {}, {}
    for name, tp in hits.items():
        fp = alerts - tp + 3
        counts[name] = {"": np.stack([[200 - fp, fp], [positives - tp, tp]]).transpose(2, 0, 1)}
        scores[name] = {metric: 2 * tp / (positives + tp + fp) if metric == "f1" else tp / (tp + fp)}
    judgment = assess(scores, folds=5, metric=metric, counts=counts)
    shown = {name: judgment.row(name)["scores"][metric]["mean"] for name in scores}
    assert np.mean(scores["none"][metric]) > np.mean(scores["focal"][metric])
    assert shown["none"] < shown["focal"]
    assert judgment.ranking == ("focal", "none")
    change = judgment.vs_none["focal"][metric]
    assert change.difference == pytest.approx(shown["focal"] - shown["none"])
    assert change.low < change.difference < change.high
    assert f"{shown['none']:.3f}" in str(judgment.verdict)
    assert f"{shown['focal']:.3f}" in str(judgment.verdict)


def test_a_model_behind_an_external_one_does_not_rank_first() -> None:
    ours, theirs = [0.60, 0.63, 0.59, 0.60, 0.58], [0.61, 0.62, 0.61, 0.60, 0.59]
    none = [0.50, 0.52, 0.48, 0.51, 0.49]
    for baseline in (none, [v - 0.002 for v in ours]):
        scores = {"none": baseline, "smote": ours, "external:x": theirs}
        of = {name: {"roc_auc": values} for name, values in scores.items()}
        text = str(assess(of, folds=5, metric="roc_auc", external=["external:x"]).verdict)
        assert "among the Counterpoise models" in text
        for phrase in ("ranks first", "highest mean"):
            assert text.count(phrase) == text.count(f"{phrase} among the Counterpoise models")
        alone = {name: row for name, row in of.items() if name != "external:x"}
        assert "among the Counterpoise" not in str(assess(alone, folds=5, metric="roc_auc").verdict)


def test_the_interval_of_a_cost_begins_at_the_least_possible_cost() -> None:
    """Costs spread widely over the folds. Student's interval of them would begin far below 0."""
    scores = {"none": {"expected_cost": [5.0, 90.0, 20.0]}, "threshold": {"expected_cost": [4.0, 60.0, 9.0]}}
    interval = assess(scores, folds=3, metric="expected_cost", least_cost=0.0).scores["none"]["expected_cost"]
    assert (interval.low, interval.high) == fold_interval([5.0, 90.0, 20.0], 0.5, low=0.0, high=math.inf)
    assert 0 < interval.low < interval.mean < interval.high
    # With benefits, costs may be negative.
    free = assess(scores, folds=3, metric="expected_cost").scores["none"]["expected_cost"]
    assert free.low < 0
