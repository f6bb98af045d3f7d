"""Trees for several labels: each booster is that of its label alone, forests are scikit-learn's, the layer is both."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.metrics import log_loss

import counterpoise as cp
from counterpoise.core.errors import ModelError
from counterpoise.forests.fitting import Rows
from counterpoise.forests.model import BOOSTED, TreeModel
from counterpoise.forests.several_labels import grow_boosters, grow_label_forests, layer_of_labels
from counterpoise.forests.tree_layer import FLOOR

RNG = np.random.default_rng(3)
N, L = 300, 3
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = (RNG.random((N, L)) < 1 / (1 + np.exp(1.5 - 2 * X[:, :L]))).astype(np.int32)
GAPS = np.where(RNG.random((N, L)) < 0.2, -1, Y).astype(np.int32)
PRIOR = np.array([[0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
STOP = slice(200, None)
HOW = {"rounds": 30, "patience": 5, "categorical": [], "monotone": [], "seed": 0}


def test_every_booster_is_that_of_its_label_alone_on_the_rows_that_know_it():
    weights = RNG.integers(1, 4, (N, L)).astype(float)
    shift = np.array([[0.0, 0.0], [-0.5, 0.5], [0.1, -0.1]])
    rows, stop = Rows(X[:200], GAPS[:200], weights[:200]), Rows(X[STOP], GAPS[STOP])
    grown = grow_boosters(rows, stop, shift, BOOSTED, **HOW)
    by_round, alone = [], []
    for label in range(L):
        known, seen = np.flatnonzero(GAPS[:200, label] >= 0), 200 + np.flatnonzero(GAPS[STOP, label] >= 0)
        data = lightgbm.Dataset(X[known], GAPS[known, label], weight=weights[known, label])
        parameters = {**BOOSTED, "objective": "binary", "seed": 0, "deterministic": True, "force_row_wise": True}
        one = lightgbm.train({**parameters, "num_threads": 1, "verbosity": -1}, data, len(grown.history["step"]))
        each = [one.predict(X[seen], raw_score=True, num_iteration=k + 1) for k in range(one.current_iteration())]
        gap = shift[label, 1] - shift[label, 0]
        by_round.append([log_loss(GAPS[seen, label], 1 / (1 + np.exp(gap - z))) for z in each])
        alone.append(one.predict(X, raw_score=True, num_iteration=grown.rounds))
    assert grown.history["stop_loss"] == pytest.approx(np.mean(by_round, axis=0), abs=1e-6)
    assert grown.rounds == np.argmin(grown.history["stop_loss"]) + 1
    assert TreeModel().logits(grown, PRIOR, X) == pytest.approx(np.stack(alone, axis=1), abs=1e-6)
    assert np.asarray(layer_of_labels(grown, PRIOR)(X)) == pytest.approx(np.stack(alone, axis=1), abs=1e-5)


def test_boosting_that_changes_earlier_trees_does_not_stop_early():
    """A later round of "dart" changes earlier trees: the first rounds are not those that stopping rows scored."""
    options = BOOSTED | {"boosting": "dart", "learning_rate": 0.9}
    grown = grow_boosters(Rows(X[:200], Y[:200]), Rows(X[STOP], Y[STOP]), np.zeros((L, 2)), options, **HOW)
    assert (grown.rounds, grown.ended) == (30, None)


def test_a_booster_that_can_split_no_more_waits_for_the_others():
    y = Y.copy()
    y[:, 0] = 0
    y[0, 0] = 1  # one row with the label: no leaf of twenty rows can tell it
    grown = grow_boosters(Rows(X, y), Rows(X[:0], y[:0]), np.zeros((L, 2)), BOOSTED, **(HOW | {"rounds": 6}))
    assert grown.rounds == 6
    logits = TreeModel().logits(grown, PRIOR, X)
    assert np.asarray(layer_of_labels(grown, PRIOR)(X)) == pytest.approx(logits, abs=1e-5)
    assert np.isfinite(logits).all()


def test_a_forest_is_that_of_scikit_learn_with_one_more_tree():
    grown = grow_label_forests(Rows(X, Y), {}, kind="forest", trees=20, seed=5)
    theirs = RandomForestClassifier(20, random_state=5).fit(X, Y)
    p = (20 * np.stack([both[:, 1] for both in theirs.predict_proba(X)], axis=1) + PRIOR[:, 1]) / 21
    logits = TreeModel("forest").logits(grown, PRIOR, X)
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(p, abs=1e-9)
    assert np.asarray(layer_of_labels(grown, PRIOR)(X)) == pytest.approx(logits, abs=1e-5)


@pytest.mark.parametrize("kind", ["forest", "extra_trees"])
@pytest.mark.parametrize("together", [True, False])
def test_missing_labels_teach_a_forest_nothing(kind, together):
    """Each forest is that of the rows where its labels are known, with one more tree; no other row or label counts."""
    known = np.repeat(RNG.random((N, 1)) < 0.7, L, axis=1)
    if not together:
        known[:, 2] = RNG.random(N) < 0.5
    y, odds, own = np.where(known, Y, -1), np.array([1.0, 4.0, 0.5]), RNG.integers(0, 3, N).astype(float)
    weights = np.where(y == 1, odds, 1.0) * known * own[:, None]
    grown = grow_label_forests(Rows(X, y, weights, own), {"max_depth": 3}, kind=kind, trees=4, seed=1)
    theirs = {"forest": RandomForestClassifier, "extra_trees": ExtraTreesClassifier}[kind]
    total = np.tile(PRIOR[:, 1], (N, 1))
    for labels in [[0, 1, 2]] if together else [[0, 1], [2]]:
        rows = known[:, labels[0]] & (own > 0)
        forest = theirs(4, max_depth=3, random_state=1).fit(X[rows], np.squeeze(y[np.ix_(rows, labels)]), own[rows])
        for tree in forest.estimators_:
            each = np.reshape(tree.predict_proba(X), (len(labels), N, 2))
            positive = odds[labels] * each[..., 1].T
            total[:, labels] += positive / (positive + each[..., 0].T)
    p = np.clip(total / 5, FLOOR, 1 - FLOOR)
    by_hand = np.log(p) - np.log(1 - p)
    assert TreeModel(kind).logits(grown, PRIOR, X) == pytest.approx(by_hand, abs=1e-9)
    assert np.asarray(layer_of_labels(grown, PRIOR)(X)) == pytest.approx(by_hand, abs=1e-5)


def test_labels_that_all_rows_have_or_no_row_knows():
    y = np.stack([np.ones(N, np.int32), np.full(N, -1), GAPS[:, 2]], axis=1)
    grown = grow_label_forests(Rows(X, y), {}, kind="forest", trees=4, seed=1)
    logits = TreeModel("forest").logits(grown, PRIOR, X)
    p = 1 / (1 + np.exp(-logits))
    assert p[:, :2] == pytest.approx(np.tile([(4 + 0.2) / 5, 0.3], (N, 1)), abs=1e-9)
    assert np.asarray(layer_of_labels(grown, PRIOR)(X)) == pytest.approx(logits, abs=1e-5)


def test_weights_of_rows_go_into_the_trees_and_not_into_the_odds_of_labels():
    own = RNG.integers(1, 4, N).astype(float)
    weights = np.where(GAPS == 1, 3.0, 1.0) * (GAPS >= 0) * own[:, None]
    grown = grow_label_forests(Rows(X, GAPS, weights, own), {}, kind="forest", trees=2, seed=1)
    assert np.concatenate([one.odds for one in grown.model.forests]) == pytest.approx(np.full(L, 3.0))


@pytest.mark.parametrize("name", ["boosted", "forest"])
def test_trees_ship_in_one_file(name, tmp_path):
    y = np.where(GAPS < 0, np.nan, GAPS)
    clf = cp.fit(cp.trees(name, n_estimators=8), X, y, strategy="class_weight", verbose=0)
    clf.save(tmp_path / "labels.keras")
    loaded = cp.load(tmp_path / "labels.keras")
    assert loaded.predict_proba(X) == pytest.approx(clf.predict_proba(X), abs=1e-7)
    share = np.nanmean(y, axis=0)
    assert clf.predict_proba(X).mean(axis=0) == pytest.approx(share, abs=0.08), "weights of labels are removed again"


def test_forests_that_balance_classes_are_refused():
    with pytest.raises(ModelError, match="'balanced_forest' takes one class per row"):
        cp.fit("balanced_forest", X, Y, verbose=0)
