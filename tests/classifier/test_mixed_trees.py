"""Logits of mixed rows by trees against the layers on each mixed row, and effects of blends against single rows."""

from __future__ import annotations

from datetime import date, timedelta

import keras
import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.classifier import shapley
from counterpoise.classifier.mixed_trees import mixed_trees
from counterpoise.classifier.raw_columns import ExplainedColumns, log_odds
from counterpoise.core.structure import leaves, rows_in, take

N = 240


def table(seed=0):
    """Numbers and levels with gaps, and days that go through their week."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, N))
    return pl.DataFrame(
        {
            "a": [None if i % 7 == 0 else float(v) for i, v in enumerate(a)],
            "b": b,
            "few": [None if i % 5 == 0 else str(v) for i, v in enumerate(rng.choice(["u", "v", "w"], N))],
            "day": [date(2020, 1, 1) + timedelta(int(v)) for v in rng.integers(0, 700, N)],
        }
    )


def labels(kind, rows):
    rng = np.random.default_rng(1)
    score = rows["b"].to_numpy() + (rows["few"] == "u").fill_null(value=False).to_numpy() + rng.normal(size=N)
    one = np.digitize(score, [0.3, 1.2])
    if kind in ("two", "three"):
        return one if kind == "three" else (one == 2).astype(int)
    several = np.stack([one > 0, one > 1, score < rng.normal(size=N)], axis=1).astype(float)
    if kind == "gaps":
        several[::3, 1] = np.nan
    return several


@pytest.mark.parametrize("name", ["boosted", "forest"])
@pytest.mark.parametrize("kind", ["two", "three", "labels", "gaps"])
def test_logits_are_those_of_each_mixed_row(name, kind):
    frame = table()
    clf = cp.fit(cp.trees(name, n_estimators=6), frame, labels(kind, frame), verbose=0)
    encoded, columns = clf.encoded(frame), ExplainedColumns.of(clf)
    rows, base, d = take(encoded, np.arange(0, 20, 5)), take(encoded, np.arange(50, 53)), 4
    trees = mixed_trees(keras.tree.flatten(clf.members.output)[0])
    rank = np.argsort([[2, 0, 1, 3], [3, 1, 0, 2], [1, 3, 2, 0]], axis=1)
    way, sets = trees.on_the_way(rows, base, rank), trees.every_set(rows, base, d)
    for i in range(rows_in(rows)):
        for m in range(rows_in(base)):
            row, other = take(rows, np.array([i])), take(base, np.array([m]))

            def layer(masks, row=row, other=other):
                return clf.encoded_logits(columns.mixed(row, other, masks))[0]

            steps = rank[m] < np.arange(d + 1)[:, None]
            assert way[i, m] == pytest.approx(layer(steps), abs=1e-5)
            every = (np.arange(2**d)[:, None] >> np.arange(d)) & 1 == 1
            assert sets[i, m] == pytest.approx(layer(every), abs=1e-5)


@pytest.fixture(scope="module", name="blend")
def _blend():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=(N, 4)), rng.integers(0, 2, (N, 6))], axis=1).astype(np.float32)
    y = (rng.random(N) < 1 / (1 + np.exp(1 - x[:, 0] * x[:, 1] - x[:, 2] - x[:, 9]))).astype(int)
    forest = cp.trees("forest", n_estimators=8)
    return cp.fit(cp.blend(["mlp", forest, cp.trees("boosted", n_estimators=6)]), x, y, epochs=2, verbose=0), x


def test_a_blend_is_explained_as_row_by_row(blend, monkeypatch):
    """Effects of a row are the same alone, and if no member is taken for trees and no mixed rows for equal."""
    clf, x = blend
    monkeypatch.setattr(shapley, "AT_ONCE", 1000)  # several rows at once, several times
    done = []
    several = shapley.explain_rows(clf, x[:9], x[100:110], progress=lambda *of: done.append(of))
    assert done == [("explaining", 5, 9), ("explaining", 9, 9)]
    assert not several.exact
    alone = [clf.explain(x[i : i + 1], background=x[100:110]).effects[0] for i in (0, 5)]
    assert several.effects[[0, 5]] == pytest.approx(np.stack(alone), abs=1e-5)

    def plainly(mixed, rows, explained):
        n, (m, k, d) = rows_in(rows), mixed.game.masks.shape
        own, base = np.repeat(np.arange(n), m * k), np.tile(np.repeat(np.arange(m), k), n)
        masks = np.tile(mixed.game.masks.reshape(-1, d), (n, 1))
        whole = mixed.columns.mixed(take(rows, own), take(mixed.base, base), masks)
        return log_odds(clf, whole)[:, 1].reshape(n, m, k)

    monkeypatch.setattr(shapley._MixedLogOdds, "__call__", plainly)
    assert several.effects == pytest.approx(clf.explain(x[:9], background=x[100:110]).effects, abs=1e-5)


def test_equal_mixed_rows_go_through_the_networks_once(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (N, 9)).astype(np.float32)
    clf = cp.fit("mlp", x, x[:, 0].astype(int), epochs=1, verbose=0)
    seen, run = [], clf._forward

    def counted(batch):
        seen.append(np.concatenate([np.asarray(part) for part in leaves(batch)], axis=1))
        return run(batch)

    monkeypatch.setattr(clf, "_forward", counted)
    clf.explain(x[:1], background=x[1:40])
    assert len(np.unique(seen[-1], axis=0)) == len(seen[-1]) < 2 * 32 * 8 * 0.7
