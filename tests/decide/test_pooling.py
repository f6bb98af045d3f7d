"""Laws of pooling, and learned weights against a general optimizer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from counterpoise.core.errors import OptionError
from counterpoise.decide.pooling import VOTES, hard_vote, learned_weights, pool
from counterpoise.decide.prior import log_softmax
from counterpoise.decide.shapes import codes

RNG = np.random.default_rng(1)


def some(members: int, rows: int = 40, classes: int = 3) -> list[np.ndarray]:
    return [log_softmax(RNG.normal(scale=2, size=(rows, classes))) for _ in range(members)]


@pytest.mark.parametrize("vote", VOTES)
def test_identical_members_are_one_member(vote: str) -> None:
    (one,) = some(1)
    np.testing.assert_allclose(pool([one] * 4, vote, np.array([1, 2, 3, 4])), one, atol=1e-12)


@pytest.mark.parametrize("vote", VOTES)
def test_order_of_members_and_rows_does_not_matter(vote: str) -> None:
    lps, w = some(4), np.array([0.1, 0.2, 0.3, 0.4])
    order, rows = RNG.permutation(4), RNG.permutation(40)
    whole = pool(lps, vote, w)
    np.testing.assert_allclose(pool([lps[i] for i in order], vote, w[order]), whole, atol=1e-12)
    np.testing.assert_allclose(pool([p[rows] for p in lps], vote, w), whole[rows], atol=1e-12)


def test_formulas() -> None:
    lps, w = some(3), np.array([0.5, 0.5, 1.0])
    soft = sum(wm * np.exp(p) for wm, p in zip(w / 2, lps, strict=True))
    np.testing.assert_allclose(np.exp(pool(lps, "weighted", w)), soft, rtol=1e-12)
    np.testing.assert_allclose(pool(lps, "hard", w), pool(lps, "soft", w))
    log = np.exp(sum(wm * p for wm, p in zip(w / 2, lps, strict=True)))
    np.testing.assert_allclose(np.exp(pool(lps, "log", w)), log / log.sum(axis=1, keepdims=True), rtol=1e-12)


def test_weight_zero_is_absence_even_of_a_certain_member() -> None:
    a, b = some(2)
    b = np.where(np.arange(3) == 0, 0.0, -np.inf) + 0 * a
    for vote in ("soft", "log"):
        np.testing.assert_allclose(pool([a, b], vote, np.array([1.0, 0.0])), a, atol=1e-12)


def test_hard_vote_majority_and_ties() -> None:
    choices = np.array([[0, 1, 2], [0, 2, 2], [1, 0, 1]])
    assert hard_vote(choices, None, np.array([1, 2, 0]), 3).tolist() == [0, 2, 2]
    heavy = hard_vote(choices, np.array([0.2, 0.2, 0.6]), np.array([0, 0, 0]), 3)
    assert heavy.tolist() == [1, 0, 1]
    # a tie between 1 and 2 where the soft mean says 0: the first of the tied
    assert hard_vote(np.array([[1], [2]]), None, np.array([0]), 3).tolist() == [1]


@pytest.mark.parametrize("members", [2, 3, 6])
def test_learned_weights_reach_the_optimum_of_a_general_solver(members: int) -> None:
    truth = log_softmax(RNG.normal(scale=2, size=(500, 3)))
    y = np.array([RNG.choice(3, p=np.exp(row)) for row in truth])
    lps = [log_softmax(truth * RNG.uniform(0.3, 1.5) + RNG.normal(scale=1, size=truth.shape)) for _ in range(members)]
    likelihood = np.stack([np.exp(p[np.arange(500), y]) for p in lps], axis=1)

    def loss(w: np.ndarray) -> float:
        return float(-np.mean(np.log(likelihood @ w)))

    w = learned_weights(lps, y, np.ones(len(y)))
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1.0)
    reference = minimize(
        loss, np.full(members, 1 / members), bounds=[(0, 1)] * members, method="SLSQP",
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1}, options={"ftol": 1e-15, "maxiter": 500},
    )  # fmt: skip
    assert loss(w) <= reference.fun + 1e-9
    np.testing.assert_allclose(w, reference.x, atol=1e-4)
    gap = np.max(np.mean(likelihood / (likelihood @ w)[:, None], axis=0)) - 1
    assert gap < 1e-6


def test_learned_weights_laws() -> None:
    lps, y = some(3, rows=200), RNG.integers(3, size=200)
    w = RNG.integers(0, 3, size=200)
    doubled = learned_weights([np.repeat(p, w, axis=0) for p in lps], np.repeat(y, w), np.ones(w.sum()))
    np.testing.assert_allclose(learned_weights(lps, y, w), doubled, atol=1e-7)
    np.testing.assert_allclose(learned_weights([lps[0]] * 3, y, np.ones(len(y))), np.full(3, 1 / 3), atol=1e-6)
    np.testing.assert_allclose(learned_weights(lps[:1], y, np.ones(len(y))), [1.0])


def test_learned_weights_survive_certain_and_wrong_members() -> None:
    sure = np.where(np.eye(2)[[0, 1, 0]] > 0, 0.0, -np.inf)
    wrong = sure[:, ::-1]
    np.testing.assert_allclose(learned_weights([sure, wrong], np.array([0, 1, 0]), np.ones(3)), [1, 0], atol=1e-9)
    np.testing.assert_allclose(learned_weights([wrong, wrong], np.array([0, 1, 0]), np.ones(3)), [0.5, 0.5])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: pool([]), "No members"),
        (lambda: pool(some(2), "sft"), "Did you mean 'soft'"),
        (lambda: pool(some(2), "soft", np.array([1.0])), "1 weights for 2 members"),
        (lambda: pool(some(2), "soft", np.array([1.0, -1.0])), "not negative"),
        (lambda: pool([*some(1), *some(1, rows=3)]), "have different shapes"),
        (
            lambda: pool([np.array([[0.0, -np.inf]]), np.array([[-np.inf, 0.0]])], "log"),
            "In row 1, each class gets the probability 0",
        ),
        (lambda: codes(np.zeros(3), 40, 3), "one class code per row"),
    ],
)
def test_bad_input(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((OptionError, ValueError), match=says):
        call()
