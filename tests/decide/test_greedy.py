"""Greedy selection against a plain loop over lists, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss

from counterpoise.core.errors import OptionError
from counterpoise.decide.greedy import greedy_weights
from counterpoise.decide.pooling import learned_weights
from counterpoise.decide.prior import log_softmax
from counterpoise.decide.rule import fit_rule_from_log_p

RNG = np.random.default_rng(2)


def library(members=4, rows=120, classes=2):
    y = np.arange(rows) % (3 * classes) % classes
    return [log_softmax(RNG.normal(size=(rows, classes)) + 0.8 * np.eye(classes)[y]) for _ in range(members)], y


def score(chosen, lps, y):
    """Average precision and log loss of the soft mean of members, by scikit-learn."""
    proba = np.mean([np.exp(lps[m]) for m in chosen], axis=0)
    classes = proba.shape[1]
    if classes == 2:
        ap = average_precision_score(y, proba[:, 1])
    else:
        ap = np.mean([average_precision_score(y == c, proba[:, c]) for c in range(classes)])
    return ap, -log_loss(y, proba, labels=range(classes))


@pytest.mark.parametrize("classes", [2, 3])
def test_every_joining_is_the_best_of_all(classes):
    lps, y = library(classes=classes)
    chosen, best = [], (-np.inf, [])
    for _ in range(6):
        chosen.append(max(range(len(lps)), key=lambda m: score([*chosen, m], lps, y)))
        best = max(best, (score(chosen, lps, y), list(chosen)), key=lambda pair: pair[0] if pair[1] else (-1,))
    expected = np.bincount(best[1], minlength=len(lps)) / len(best[1])
    assert greedy_weights(lps, y, np.ones(len(y)), rounds=6, patience=6) == pytest.approx(expected)


def test_two_members_and_the_whole_grid_of_weights():
    """With k joinings of two members every share j / k is in reach; where greed finds the best of them, it is taken."""
    for _ in range(5):
        lps, y = library(2)
        w = greedy_weights(lps, y, np.ones(len(y)), rounds=12, patience=12)
        grid = [(k, j) for k in range(1, 13) for j in range(k + 1)]
        scores = [score([0] * j + [1] * (k - j), lps, y)[0] for k, j in grid]
        own = average_precision_score(y, (w[0] * np.exp(lps[0]) + w[1] * np.exp(lps[1]))[:, 1])
        assert own <= max(scores) + 1e-12
        assert own >= max(scores) - 0.01
        assert own >= max(score([m], lps, y)[0] for m in (0, 1)) - 1e-12


def test_it_ranks_no_worse_than_the_best_member_and_than_learned_weights():
    lps, y = library(5)
    w = greedy_weights(lps, y, np.ones(len(y)))
    proba = sum(wm * np.exp(p) for wm, p in zip(w, lps, strict=True))
    learned = sum(wm * np.exp(p) for wm, p in zip(learned_weights(lps, y, np.ones(len(y))), lps, strict=True))
    ap = average_precision_score(y, proba[:, 1])
    assert ap >= max(score([m], lps, y)[0] for m in range(5))
    assert ap >= average_precision_score(y, learned[:, 1]) - 0.005
    assert w.sum() == pytest.approx(1)


def test_laws():
    lps, y = library(3)
    weight = RNG.integers(1, 3, len(y))
    doubled = greedy_weights([np.repeat(p, weight, axis=0) for p in lps], np.repeat(y, weight), np.ones(weight.sum()))
    assert greedy_weights(lps, y, weight) == pytest.approx(doubled)
    assert greedy_weights([lps[0]] * 3, y, np.ones(len(y))) == pytest.approx(1 / 3), "equal members share"
    noise = [log_softmax(RNG.normal(size=(len(y), 2))) for _ in range(2)]
    sure = log_softmax(9 * np.eye(2)[y])
    assert greedy_weights([*noise, sure], y, np.ones(len(y))).tolist() == [0, 0, 1]


def test_the_rule_votes_softly_with_them():
    lps, y = library(3)
    rule = fit_rule_from_log_p(lps, y, [np.zeros(2)] * 3, vote="greedy", check_intercept=False)
    assert rule.weights == pytest.approx(greedy_weights(lps, y, np.ones(len(y))))
    assert rule.vote == "greedy"
    with pytest.raises(OptionError, match="numbers, 'learned', 'greedy', or None"):
        fit_rule_from_log_p(lps, y, [np.zeros(2)] * 3, weights="grabby")


def test_the_copies_of_a_bag_share_the_weight_of_their_member():
    lps, y = library(2)
    alone = greedy_weights(lps, y, np.ones(len(y)))
    assert greedy_weights(lps * 3, y, np.ones(len(y))) == pytest.approx(np.tile(alone / 3, 3))
