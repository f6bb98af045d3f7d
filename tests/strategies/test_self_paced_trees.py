"""The self-paced ensemble of trees against its paper's words."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.tree import DecisionTreeClassifier

from counterpoise.core.errors import OptionError
from counterpoise.strategies.external import READY, ready_made
from counterpoise.strategies.self_paced_trees import SelfPacedTrees

RNG = np.random.default_rng(0)
Y = (RNG.random(2000) < 0.05).astype(int)
X = RNG.normal(size=(2000, 4)) + 1.5 * Y[:, None]


class Recorder(DecisionTreeClassifier):
    """Keeps the rows that it was fitted on."""

    seen: ClassVar[list] = []

    def fit(self, x, y):
        Recorder.seen.append((x, y))
        return super().fit(x, y)


def test_every_tree_sees_as_many_rows_of_each_class_and_ever_harder_ones():
    Recorder.seen = []
    y = np.where((Y == 0) & (X[:, 0] > 2), 2, Y)
    model = SelfPacedTrees(Recorder(max_depth=3), n_estimators=8, random_state=0).fit(X, y)
    least = np.bincount(y).min()
    assert all(np.array_equal(np.bincount(labels), [least] * 3) for _, labels in Recorder.seen)
    for rows, _ in Recorder.seen:
        assert len(np.unique(rows, axis=0)) == len(rows)
    hardness = 1 - model.predict_proba(X)[np.arange(len(y)), y]
    of = {tuple(row): h for row, h in zip(X, hardness, strict=True)}
    means = [np.mean([of[tuple(row)] for row in rows[labels == 0]]) for rows, labels in Recorder.seen]
    assert np.mean(means[-3:]) > np.mean(means[1:4])


def test_it_repeats_itself_and_ranks():
    first, again = (
        SelfPacedTrees(n_estimators=5, random_state=3).fit(X[::2], Y[::2]).predict_proba(X) for _ in range(2)
    )
    assert np.array_equal(first, again)
    assert average_precision_score(Y[1::2], first[1::2, 1]) > 5 * Y.mean()
    assert first.sum(axis=1) == pytest.approx(1.0)


def test_missing_values_and_labels_of_any_kind():
    x = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
    labels = np.where(Y == 1, "ill", "well")
    decided = SelfPacedTrees(n_estimators=3, random_state=0).fit(x, labels).predict(x)
    assert set(decided) == {"ill", "well"}


def test_ready_made_external_models_are_made_by_name():
    assert all(hasattr(ready_made(name), "fit") for name in READY)
    with pytest.raises(OptionError, match=r"Did you mean 'external:random_forest'\?"):
        ready_made("external:randomforest")
