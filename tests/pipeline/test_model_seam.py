"""A model of another kind takes one file and one line in `engines.run.FITTED`: here, the centroids of the classes."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.job import Member
from counterpoise.engines import run
from counterpoise.networks.input_spec import spec_of

RNG = np.random.default_rng(4)
N = 240
Y = (np.arange(N) % 4 == 0).astype(int)
X = RNG.normal(size=(N, 3)).astype(np.float32) + 2 * Y[:, None].astype(np.float32)
QUICK = {"verbose": 0, "folds": 2}


class Centroids:
    """Equal spread around the centroid of each class: logit_c = x . m_c - |m_c|^2 / 2 + log(share of c)."""

    kind, label, stops_early, refit_rows = "centroids", "centroids", False, 0

    def content(self):
        return self.label

    def limits(self, given, steps, early_stopping):
        return replace(given, steps=1, round_steps=1, patience=None, plateau=None, average=0.0)

    def to_keras(self, weights, examples):
        inputs = spec_of(examples).inputs()
        dense = keras.layers.Dense(2)
        model = keras.Model(inputs, dense(inputs))
        dense.set_weights(list(weights))
        return model


def train(job, examples, model):
    rows = job.plan.rows(0, 0)
    weights, y = job.plan.weights()[rows], examples.y[job.train[rows]]
    x = examples.x[job.train[rows]]
    means = np.array([np.average(x[y == c], axis=0, weights=weights[y == c]) for c in (0, 1)])
    share = np.bincount(y, weights) / weights.sum()
    kernel, bias = means.T.astype(np.float32), (np.log(share) - (means**2).sum(axis=1) / 2).astype(np.float32)
    logits = examples.x @ kernel + bias
    return Member(
        job.id, (kernel, bias), logits[job.score], logits[job.stop], job.plan.log_shift, 1, 1, len(rows), 0.0,
        engine="centroids",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _one_line(monkeypatch):
    monkeypatch.setitem(run.FITTED, "centroids", train)


def test_it_is_fitted_saved_loaded_and_predicts(tmp_path):
    clf = cp.fit(Centroids(), X, Y, strategy="oversample", verbose=0)
    assert (clf.card["network"], clf.card["engines"]) == ("centroids", ["centroids"])
    assert np.exp(clf.card["log_shifts"][0][1]) > 1, "half of what was drawn is positive"
    proba = clf.predict_proba(X)
    assert (proba[Y == 1, 1] > 0.5).mean() > 0.7
    assert abs(proba[:, 1].mean() - Y.mean()) < 0.05
    clf.save(tmp_path / "m.keras")
    assert np.array_equal(cp.load(tmp_path / "m.keras").predict_proba(X), proba)


def test_it_is_compared_with_others_and_a_store_keeps_it(tmp_path):
    models = ["mlp", Centroids()]
    how = {"strategies": "oversample", "epochs": 1, "store": tmp_path / "run", **QUICK}
    comparison = cp.compare(models, X, Y, **how)
    rows = {row["strategy"]: row for row in comparison.leaderboard}
    assert set(rows) == {"none", "oversample", "centroids:none", "centroids:oversample"}
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert rows["centroids:none"]["scores"]["average_precision"]["mean"] > 0.8

    def nothing(jobs, *_, **__):
        assert list(jobs) == [], "all is kept"
        yield from ()

    again = cp.compare(models, X, Y, executor=nothing, **how)
    assert [r["scores"] for r in again.leaderboard] == [r["scores"] for r in comparison.leaderboard]
