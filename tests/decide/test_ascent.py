"""The search for offsets: what is kept from offset to offset equals a new count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.decide import ascent
from counterpoise.decide.aim import Aim
from counterpoise.decide.ascent import Leaders, tally
from counterpoise.decide.offsets import _objective


def drawn(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, classes = int(rng.integers(2, 40)), int(rng.integers(2, 6))
    return rng, rng.normal(size=(n, classes)).round(1), rng.integers(0, classes, n), rng.integers(1, 4, n).astype(float)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_the_two_largest_scores_are_kept_while_columns_change(seed):
    rng, scores, _, _ = drawn(seed)
    kept = Leaders(scores.copy())
    for _ in range(8):
        c, values = int(rng.integers(scores.shape[1])), rng.normal(size=len(scores)).round(1)
        decision = kept.with_column(c, kept.without(c), values)
        kept.set(c, values)
        scores[:, c] = values
        assert np.array_equal(decision, scores.argmax(axis=1))
        assert np.array_equal(kept.first, scores.argmax(axis=1))
        rest = scores.copy()
        rest[np.arange(len(rest)), kept.first] = -np.inf
        assert np.array_equal(kept.second, rest.argmax(axis=1))


@pytest.mark.parametrize("aim", ["f1", "g_mean", "mcc"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_score_of_every_offset_equals_a_new_count(aim, seed):
    _, lp, y, w = drawn(seed)
    counts = np.bincount(y, weights=w, minlength=lp.shape[1])
    score = _objective(Aim.parse(aim), counts)
    for c in np.unique(y):
        others = np.where(np.arange(lp.shape[1]) == c, -np.inf, lp)
        rival, d = others.argmax(axis=1), others.max(axis=1) - lp[:, c]
        order = np.argsort(d, kind="stable")
        scores = score.value(ascent._sums_along(rival[order], y[order], w[order], c, score))
        for k in range(len(y) + 1):
            decision = rival.copy()
            decision[order[:k]] = c
            assert scores[k] == pytest.approx(score.compute(*tally(decision, y, w, lp.shape[1])), abs=1e-12)


def test_quantiles_are_those_of_numpy():
    values = np.sort(np.random.default_rng(0).normal(size=301))
    assert np.array_equal(ascent._quantiles(values, 100), np.quantile(values, np.linspace(0, 1, 100)))
