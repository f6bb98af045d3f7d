"""Tests of strategies over several data sets: Bayesian signed-rank test, Friedman's test, mean ranks and their critical
difference, for `compare_many`. `significance` has the tests on one data set.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from counterpoise.core.errors import OptionError
from counterpoise.core.seeds import generator

Array = np.ndarray


class SignedRank(NamedTuple):
    """Probability that in practice the second is better (left), neither (rope), the first is better (right)."""

    left: float
    rope: float
    right: float


def signed_rank(
    differences: Any, rope: float = 0.01, *, prior: float = 0.5, samples: int = 50_000, seed: int = 0
) -> SignedRank:
    """Run the Bayesian signed-rank test over data sets (Benavoli et al., ICML 2014; JMLR 18, 2017, section 4.2).

    The data sets' differences z_1 ... z_q and a pseudo-observation z_0 = 0 get Dirichlet(prior, 1, ..., 1)
    weights w. Each draw gives the mass of pairs with (z_i + z_j) / 2 below -rope, within, and above rope;
    returned is how often each of the three masses is the largest (equal masses share).

    Args:
        differences: float (q,), one mean difference per data set, above 0 when the first is better.
        rope: Half-width of the region of practical equivalence.
        prior: Strength of the pseudo-observation, which speaks for "no difference".
        samples: Dirichlet draws.
        seed: Seed of the draws.

    Raises:
        OptionError: No finite difference, or a value out of range.

    Example:
        >>> result = signed_rank([0.05, 0.08, 0.03, 0.06, 0.07, 0.04, 0.09, 0.05])
        >>> result.right > 0.99
        True
    """
    d = np.asarray(differences, dtype=np.float64).ravel()
    d = d[np.isfinite(d)]
    if len(d) == 0 or rope < 0 or prior <= 0 or samples < 1:
        raise OptionError(
            f"differences has {len(d)} finite numbers, rope={rope}, prior={prior}, samples={samples}. Expected one "
            "difference or more, rope= of 0 or more, and prior= and samples= above 0."
        )
    z = np.concatenate([[0.0], d])
    # Sums that equal the edge up to rounding belong to the rope, its edge included.
    edge = 2 * rope + 1e-12
    pairs = z[:, None] + z[None, :]
    rng = generator(seed, "signed rank")
    wins = np.zeros(3)
    for start in range(0, samples, 5000):
        w = rng.dirichlet(np.concatenate([[prior], np.ones(len(d))]), size=min(5000, samples - start))
        left, right = (((w @ mask) * w).sum(axis=1) for mask in (pairs < -edge, pairs > edge))
        mass = np.stack([left, 1 - left - right, right], axis=1).round(12)
        top = mass == mass.max(axis=1, keepdims=True)
        wins += (top / top.sum(axis=1, keepdims=True)).sum(axis=0)
    return SignedRank(*(wins / samples).tolist())


def mean_ranks(scores: Any) -> Array:
    """Compute the mean rank of each strategy over the data sets, float64 (strategies,).

    Rank 1 is the highest score, and ties share their mean rank.

    Args:
        scores: float (data sets, strategies).

    Raises:
        OptionError: Not a table of finite numbers.

    Example:
        >>> mean_ranks([[0.9, 0.8, 0.8], [0.7, 0.6, 0.5]]).tolist()
        [1.0, 2.25, 2.75]
    """
    return _ranks(scores).mean(axis=0)


def _ranks(scores: Any) -> Array:
    """Return the rank of each strategy on each data set, 1 for the highest score, float64 (data sets, strategies).

    Equal scores share the mean of their ranks. Scores that are no table of finite numbers are an OptionError.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise OptionError(f"scores has shape {table.shape}. Expected finite numbers, (data sets, strategies).")
    return np.asarray(stats.rankdata(-table, axis=1))


def friedman(scores: Any) -> float:
    """Return the p-value of "all strategies do equally well", by Friedman's test in Iman and Davenport's form.

    `scores` are float (data sets, strategies). (Demsar, JMLR 7, 2006, section 3.2.2; corrected for ties.) nan with
    fewer than 2 strategies or 2 data sets.

    Example:
        >>> round(friedman([[3, 2, 1], [3, 2, 1], [3, 1, 2], [3, 2, 1]]), 4)
        0.0066
    """
    ranks = _ranks(scores)
    n, k = ranks.shape
    if n < 2 or k < 2:
        return math.nan
    # Without ties, the squares of the ranks of all data sets sum to n k (k + 1) (k - 1) / 12.
    squares = float(((ranks - (k + 1) / 2) ** 2).sum())
    if squares == 0:
        return 1.0
    chi2 = n**2 * (k - 1) * float(((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum()) / squares
    rest = n * (k - 1) - chi2
    return float(stats.f.sf((n - 1) * chi2 / rest, k - 1, (k - 1) * (n - 1))) if rest > 1e-12 else 0.0


def critical_difference(strategies: int, data_sets: int, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference of mean ranks: q sqrt(k (k + 1) / (6 n)) (Demsar 2006, section 3.2.2).

    q is the quantile of the studentized range over infinite degrees of freedom, divided by sqrt 2.

    Raises:
        OptionError: A value is out of range.

    Example:
        >>> round(critical_difference(4, 14), 2)
        1.25
    """
    if strategies < 2 or data_sets < 1 or not 0 < alpha < 1:
        raise OptionError(
            f"strategies={strategies}, data_sets={data_sets}, alpha={alpha}. Expected 2 strategies or more, 1 data set "
            "or more, and alpha between 0 and 1."
        )
    q = float(stats.studentized_range.isf(alpha, strategies, math.inf)) / math.sqrt(2)
    return q * math.sqrt(strategies * (strategies + 1) / (6 * data_sets))


def cliques(ranks: Any, critical: float) -> list[tuple[int, ...]]:
    """Find the largest groups of strategies whose mean ranks differ by less than `critical`.

    The bars of a critical-difference figure: positions in `ranks`, best first; groups of one are left out.

    Example:
        >>> cliques([1.0, 1.5, 3.0, 3.2], 1.0)
        [(0, 1), (2, 3)]
    """
    r = np.asarray(ranks, dtype=np.float64)
    order = np.argsort(r, kind="stable")
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = int(np.searchsorted(r[order], r[order[start]] + critical, side="left"))
        # A group that does not reach beyond an earlier one is part of it.
        if end - start > 1 and end > reached:
            groups.append(tuple(int(i) for i in order[start:end]))
        reached = max(reached, end)
    return groups
