"""Several data sets: brute force, published table values, SciPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from counterpoise.comparison.ranks import cliques, critical_difference, friedman, mean_ranks, signed_rank
from counterpoise.core.errors import OptionError


def test_signed_rank_by_double_loop() -> None:
    d, rope = np.array([0.05, -0.02, 0.015, 0.03]), 0.01
    rng = np.random.default_rng(0)
    z = np.r_[0.0, d]
    wins = np.zeros(3)
    for w in rng.dirichlet(np.r_[0.5, np.ones(4)], 4000):
        mass = np.zeros(3)
        for i, j in itertools.product(range(5), repeat=2):
            mean = (z[i] + z[j]) / 2
            mass[0 if mean < -rope else 2 if mean > rope else 1] += w[i] * w[j]
        wins[mass.argmax()] += 1
    assert signed_rank(d, rope) == pytest.approx(tuple(wins / 4000), abs=0.03)


def test_signed_rank_laws() -> None:
    d = np.array([0.05, -0.02, 0.015, 0.03, 0.02])
    one, two = signed_rank(d), signed_rank(-d)
    assert sum(one) == pytest.approx(1)
    assert (one.left, one.rope, one.right) == pytest.approx((two.right, two.rope, two.left))
    assert signed_rank(np.zeros(6)).rope == 1
    assert signed_rank(np.full(6, 0.01)).rope == 1
    assert signed_rank(np.r_[d, math.nan]) == signed_rank(d)
    with pytest.raises(OptionError, match="one difference or more"):
        signed_rank([math.nan])


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_published_quantiles(k: int, q: float) -> None:
    assert critical_difference(k, 7) == pytest.approx(q * math.sqrt(k * (k + 1) / 42), rel=1e-3)


def test_ranks_and_friedman() -> None:
    table = np.random.default_rng(1).normal([0, 0.3, 0.6, 0.9], size=(12, 4))
    ranks = mean_ranks(table)
    assert ranks.sum() == pytest.approx(10)
    chi2 = stats.friedmanchisquare(*table.T).statistic
    f = 11 * chi2 / (12 * 3 - chi2)
    assert friedman(table) == pytest.approx(stats.f.sf(f, 3, 33))
    assert friedman([[2, 1]] * 5) == 0
    with pytest.raises(OptionError, match="data sets, strategies"):
        mean_ranks([[1.0, math.nan]])


def test_cliques_overlap_and_cover() -> None:
    assert cliques([2.0, 1.0, 1.8, 2.9], 1.05) == [(1, 2, 0), (0, 3)]
    assert cliques([1.0, 3.0], 1.0) == []


def test_friedman_corrects_for_ties() -> None:
    """The baseline and its tuned threshold have equal scores on every data set."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        scores = rng.random((8, 3))
        tied = np.c_[scores, scores[:, 0]]
        chi2 = stats.friedmanchisquare(*tied.T).statistic
        assert friedman(tied) == pytest.approx(stats.f.sf(7 * chi2 / (24 - chi2), 3, 21))
    assert friedman(np.ones((4, 3))) == 1.0
