"""Shapley values of boosted trees against every set of columns, and when they are left to other ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import comb

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.classifier.raw_columns import ExplainedColumns, log_odds
from counterpoise.classifier.tree_shapley import tree_effects
from counterpoise.core.structure import rows_in, take

N = 400


def table(seed=0):
    """Numbers and levels with gaps, more levels than are split as categories, and days that go through their week."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, N))
    few, common = rng.choice(["u", "v", "w"], N), rng.random(N) < 0.3
    day = rng.integers(0, 700, N)
    y = rng.random(N) < 1 / (1 + np.exp(1 - 2 * a + a * b - (few == "u") * b - (day % 7 > 4) + 2 * common))
    frame = pl.DataFrame(
        {
            "a": [None if i % 7 == 0 else float(v) for i, v in enumerate(a)],
            "b": b,
            "few": [None if i % 5 == 0 else str(v) for i, v in enumerate(few)],
            "many": ["common" if v else f"rare {i}" for i, v in enumerate(common)],
            "day": [date(2020, 1, 1) + timedelta(int(v)) for v in day],
            "ill": np.where(y, "yes", "no"),
        }
    )
    return frame


def by_enumeration(clf, rows, base):
    """Effects over all sets of columns, each by the log-odds of its mixed rows."""
    columns = ExplainedColumns.of(clf)
    d, m, n = len(columns.names), rows_in(base), rows_in(rows)
    sets = (np.arange(2**d)[:, None] >> np.arange(d)) & 1 == 1
    size, effects = sets.sum(axis=1), np.zeros((n, d))
    for i in range(n):
        mixed = columns.mixed(
            take(rows, np.array([i])), take(base, np.tile(np.arange(m), 2**d)), sets.repeat(m, axis=0)
        )
        means = log_odds(clf, mixed)[:, 1].reshape(-1, m).mean(axis=1)
        for j in range(d):
            for s in np.flatnonzero(~sets[:, j]):
                effects[i, j] += (means[s + 2**j] - means[s]) / (d * comb(d - 1, int(size[s])))
    return effects


@pytest.fixture(scope="module", name="clf")
def _clf():
    return cp.fit("boosted", table(), "ill", strategy="oversample", epochs=12, verbose=0)


@pytest.mark.parametrize("slope", [None, 0.6])
def test_effects_are_those_of_every_set_of_columns(clf, slope):
    if slope is not None:
        line = {"kind": "platt", "slopes": [slope, slope], "intercepts": [0.0, -0.4]}
        clf = clf.with_rule(replace(clf.rule, calibrator=line))
    encoded = clf.encoded(table(1).drop("ill"))
    rows, base = take(encoded, np.arange(4)), take(encoded, np.arange(10, 18))
    effects = tree_effects(clf, rows, base, 5)
    assert np.abs(effects).max(axis=0).min() > 0  # each column has an effect on some row
    assert effects == pytest.approx(by_enumeration(clf, rows, base), abs=1e-6)
    z = (log_odds(clf, part)[:, 1] for part in (rows, base))
    assert effects.sum(axis=1) == pytest.approx(next(z) - next(z).mean(), abs=1e-6)


def test_many_columns_are_explained_exactly():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, 10)).astype(np.float32)
    y = (rng.random(N) < 1 / (1 + np.exp(1 - x[:, 0] * x[:, 1] - x[:, 2] - 0.5 * x[:, 9]))).astype(int)
    clf = cp.fit(cp.trees("boosted", num_leaves=6), x, y, strategy="none", epochs=10, verbose=0)
    reasons = clf.explain(x[:2], background=x[100:103])
    assert reasons.exact
    base = clf.encoded(x[100:103])
    assert reasons.effects == pytest.approx(by_enumeration(clf, clf.encoded(x[:2]), base), abs=1e-6)


def test_other_classifiers_are_left_to_other_ways():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(150, 2)).astype(np.float32)
    two, three = (x[:, 0] > 0).astype(int), rng.integers(0, 3, 150)
    quick = {"epochs": 3, "verbose": 0}
    boosted, forest = cp.trees(n_estimators=10), cp.trees("forest", n_estimators=5)
    booster = cp.fit(boosted, x, two, strategy="none", **quick)
    curve = {"kind": "isotonic", "x": [[-9.0, 0.0, 9.0]], "y": [[-1.0, 0.0, 9.0]]}
    others = [
        booster.with_rule(replace(booster.rule, calibrator=curve)),
        booster.with_rule(replace(booster.rule, gammas=np.array([2.0]))),
        cp.fit(forest, x, two, strategy="none", **quick),
        cp.fit(boosted, x, three, strategy="none", **quick),
        cp.fit(boosted, x, two, strategy="easy_ensemble", **quick),
    ]
    rows, base = booster.encoded(x[:2]), booster.encoded(x[2:6])
    assert tree_effects(booster, rows, base, 2) is not None
    for other in others:
        assert tree_effects(other, rows, base, 2) is None
    reasons = others[0].explain(x[:2], background=x[2:6])
    assert reasons.effects == pytest.approx(by_enumeration(others[0], rows, base), abs=1e-6)
