"""External models: they are compared, may win, may fail, and are never saved."""

from __future__ import annotations

import json

import numpy as np
import pytest
from leaderboard_schema import check_board
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import GaussianNB

import counterpoise as cp
from counterpoise.comparison.judge import assess
from counterpoise.core.errors import OptionError
from counterpoise.core.titles import strategy_name
from counterpoise.strategies.external import External
from counterpoise.strategies.select import DEFAULT, find, select

AS_SHIPPED = True
RNG = np.random.default_rng(1)
Y = (RNG.random(600) < 0.2).astype(int)
X = RNG.normal(size=(600, 3))
X[:, 0] = np.where(Y == 1, np.sign(X[:, 0]) * (2 + np.abs(X[:, 0])), X[:, 0])
QUICK = {"folds": 3, "epochs": 1, "engine": "fit", "verbose": 0}


class Broken(GaussianNB):
    def fit(self, x, y):
        raise RuntimeError("no luck")


@pytest.fixture(scope="module", name="comparison")
def _comparison():
    forest = cp.external("forest", RandomForestClassifier(60))
    return cp.compare("mlp", X, Y, strategies=["threshold", forest, cp.external("broken", Broken())], **QUICK)


def test_a_tree_that_is_shown_better_wins_and_the_model_is_the_best_of_ours(comparison, tmp_path):
    verdict = comparison.verdict
    assert (verdict.winner, verdict.word) == ("external:forest", "better")
    assert verdict.model == comparison.best.card["strategy"]
    assert verdict.model in ("none", "threshold")
    assert verdict.headline == "Use external:forest. It is significantly better than the best Counterpoise model."
    assert f"`model.keras` contains {strategy_name(verdict.model)}" in verdict.recommendation
    own = next(r for r in comparison.leaderboard if r["strategy"] == "threshold")["vs_none"]["average_precision"]
    assert own["p"] == own["p_holm"], "external models are a family of their own"
    comparison.save(tmp_path)
    assert cp.load(tmp_path / "model.keras").card["strategy"] == verdict.model
    check_board(json.loads((tmp_path / "leaderboard.json").read_text()))


def test_its_row_has_scores_of_the_test_rows_and_costs(comparison):
    row = next(r for r in comparison.leaderboard if r["strategy"] == "external:forest")
    results = [c for c in comparison.fold_results if c.strategy == "external:forest"]
    ap = [average_precision_score(Y[c.rows], c.proba[:, 1]) for c in results]
    assert row["scores"]["average_precision"]["folds"] == pytest.approx(ap)
    assert row["rank"] == 1
    assert (row["fits"], row["steps"]) == (3, 180)
    assert row["memory_mb"] > 1
    mean = row["scores"]["average_precision"]["mean"]
    assert mean - row["vs_none"]["average_precision"]["difference"] == pytest.approx(
        next(r for r in comparison.leaderboard if r["strategy"] == "none")["scores"]["average_precision"]["mean"]
    )


def test_one_that_breaks_while_training_is_a_failed_row(comparison):
    row = comparison.leaderboard[-1]
    assert (row["strategy"], row["status"], row["error"]) == ("external:broken", "failed", "RuntimeError: no luck")


def test_it_is_no_classifier_and_no_member():
    with pytest.raises(
        OptionError, match="'external:forest', an external model, which cannot be saved as a classifier"
    ):
        cp.fit("mlp", X, Y, strategy=cp.external("forest", RandomForestClassifier()))
    with pytest.raises(OptionError, match="external:random_forest cannot be a member of an ensemble"):
        cp.ensemble(["none", "external:random_forest"])


def test_external_models_come_last():
    chosen = [s.name for s in select("external:random_forest,oversample,none")]
    assert chosen == ["none", "oversample", "external:random_forest"]
    assert [s.name for s in select("default,external:random_forest")] == [*DEFAULT, "external:random_forest"]
    assert isinstance(find("external:random_forest"), External)
    assert "external:" not in " ".join(s.name for s in select("all"))


def judged(**scores):
    table = {name: {"roc_auc": values} for name, values in scores.items()}
    return assess(table, folds=5, metric="roc_auc", external=["tree", "other"]).verdict


LOW, MIDDLE, HIGH = [0.5, 0.52, 0.48, 0.51, 0.49], [0.6, 0.63, 0.59, 0.6, 0.58], [0.8, 0.81, 0.79, 0.8, 0.82]


def test_it_must_beat_the_best_network_not_only_the_baseline():
    assert judged(none=LOW, ours=MIDDLE, tree=MIDDLE).winner == "ours"
    won = judged(none=LOW, ours=MIDDLE, tree=HIGH, other=HIGH)
    assert (won.winner, won.not_different_from, won.model) == ("tree", ("other",), "ours")
    assert "for Ours, the best Counterpoise model (difference +0.2" in won.recommendation
    lost = judged(none=MIDDLE, ours=HIGH, tree=LOW)
    assert (lost.winner, lost.model or lost.winner) == ("ours", "ours")
    assert "No external model is significantly better" in lost.evidence


def test_the_verdict_over_the_networks_does_not_depend_on_external_models():
    alone, together = judged(none=LOW, ours=MIDDLE), judged(none=LOW, ours=MIDDLE, tree=LOW, other=MIDDLE)
    assert (alone.winner, alone.word, alone.not_different_from) == (
        together.winner,
        together.word,
        together.not_different_from,
    )
    assert (alone.headline, alone.recommendation) == (together.headline, together.recommendation)
    assert together.evidence.startswith(alone.evidence)
