"""Scores of many classes at once are those of scikit-learn, class by class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from counterpoise.metrics import ranking
from counterpoise.metrics.ranking import Ranking, mean_scores, rankings
from counterpoise.metrics.scores import average_precision, roc_auc


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


def test_what_is_not_defined_is_nan():
    ap, auc = Ranking(np.array([0, 0]), np.array([[0.2, 0.1], [0.4, 0.3]]), np.array([0, 1])).scores(np.ones(2))
    assert ap.tolist()[0] == 1.0
    assert np.isnan([ap[1], *auc]).all()
