"""Scores of many classes at once are those of scikit-learn, class by class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from counterpoise.metrics import ranking
from counterpoise.metrics.ranking import Ranking, mean_scores, rankings
from counterpoise.metrics.scores import average_precision, partial_auc, roc_auc


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 9), st.sampled_from([1, 2, 15]), st.booleans(), st.integers(1, 500))
def test_as_scikit_learn(seed, classes, digits, counted, cells):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    y = rng.integers(0, classes, n)
    p = rng.dirichlet(np.ones(classes), n).round(digits)
    w = rng.integers(0, 3, n).astype(float) if counted else rng.random(n) + 0.1
    present = [c for c in range(classes) if w[y == c].sum() > 0]
    if len(present) < 2:
        return
    kept, ranking.CELLS = ranking.CELLS, cells
    try:
        got = mean_scores(rankings(y, p), w)
        alone = (average_precision(y, p, sample_weight=w), roc_auc(y, p, sample_weight=w))
    finally:
        ranking.CELLS = kept
    wanted = [
        np.mean([score(y == c, p[:, c], sample_weight=w) for c in present])
        for score in (average_precision_score, roc_auc_score)
    ]
    assert got == pytest.approx(wanted, abs=1e-12)
    assert alone == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 2, 15]), st.booleans(), st.sampled_from([0.05, 0.1, 0.5, 1.0]))
def test_two_classes_as_scikit_learn(seed, digits, counted, farthest):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 60))
    y = rng.permutation(np.arange(n) % 3 == 0).astype(int)
    score = rng.random(n).round(digits)
    w = rng.integers(0, 3, n).astype(float) if counted else rng.random(n) + 0.1
    if not (w[y == 1].any() and w[y == 0].any()):
        return
    p = np.stack([1 - score, score], axis=1)
    got = (average_precision(y, p, sample_weight=w), roc_auc(y, p, sample_weight=w),
           partial_auc(y, p, farthest, sample_weight=w))  # fmt: skip
    wanted = (average_precision_score(y, score, sample_weight=w), roc_auc_score(y, score, sample_weight=w),
              roc_auc_score(y, score, sample_weight=w, max_fpr=farthest))  # fmt: skip
    assert got == pytest.approx(wanted, abs=1e-12)


def test_what_is_not_defined_is_nan():
    ap, auc = Ranking(np.array([0, 0]), np.array([[0.2, 0.1], [0.4, 0.3]]), np.array([0, 1])).scores(np.ones(2))
    assert ap.tolist()[0] == 1.0
    assert np.isnan([ap[1], *auc]).all()
