"""Thresholds against brute force and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, fbeta_score, matthews_corrcoef

from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.decide.aim import AIMS, Aim
from counterpoise.decide.threshold import (
    bayes_decision,
    choose_threshold,
    cost_threshold,
    objective,
    sweep,
)

SCORES = {
    "f1": lambda y, d, w: f1_score(y, d, sample_weight=w, zero_division=0),
    "f_beta(2)": lambda y, d, w: fbeta_score(y, d, beta=2, sample_weight=w, zero_division=0),
    "balanced_accuracy": lambda y, d, w: balanced_accuracy_score(y, d, sample_weight=w),
    "youden": lambda y, d, w: balanced_accuracy_score(y, d, sample_weight=w),
    "mcc": lambda y, d, w: matthews_corrcoef(y, d, sample_weight=w),
    "g_mean": lambda y, d, w: np.sqrt(share(d, y == 1, w) * share(1 - d, y == 0, w)),
}


def share(hit: np.ndarray, rows: np.ndarray, w: np.ndarray) -> float:
    return float(np.average(hit[rows], weights=w[rows]))


def sample(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 0, (rng.random(58) < 0.2).astype(int)]
    p = 1 / (1 + np.exp(-(rng.normal(size=60) + 1.5 * y - 2)))
    return (np.round(p, 1) if ties else p), y, rng.integers(1, 4, size=60).astype(float)


def every_decision(p: np.ndarray) -> list[np.ndarray]:
    return [(p >= t).astype(int) for t in [*np.unique(p), 2.0]]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("aim", SCORES)
def test_no_other_threshold_is_better(aim: str, ties: bool) -> None:
    for seed in range(4):
        p, y, w = sample(seed, ties)
        t = choose_threshold(p, y, aim, w)
        best = max(SCORES[aim](y, d, w) for d in every_decision(p))
        assert SCORES[aim](y, (p >= t).astype(int), w) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("aim", SCORES)
def test_every_entry_of_the_sweep_equals_scikit_learn(aim: str, ties: bool) -> None:
    p, y, w = sample(0, ties)
    table = sweep(p, y, w)
    values = objective(aim)(table)
    for t, value in zip(table.thresholds, values, strict=True):
        assert value == pytest.approx(SCORES[aim](y, (p >= t).astype(int), w), abs=1e-12)


@pytest.mark.parametrize("aim", ["recall_floor(0.8)", "precision_floor(0.4)", "alerts(10, 60)"])
def test_floors_and_budgets_by_brute_force(aim: str) -> None:
    for seed in range(8):
        p, y, _ = sample(seed, ties=True)
        d = (p >= choose_threshold(p, y, aim)).astype(int)
        others = every_decision(p)
        if aim.startswith("recall"):
            assert d[y == 1].mean() >= 0.8
            assert d.sum() == min(o.sum() for o in others if o[y == 1].mean() >= 0.8)
        elif aim.startswith("alerts"):
            assert d.sum() == max(o.sum() for o in others if o.sum() <= 10)
        else:
            good = [o for o in others if o.sum() and y[o == 1].mean() >= 0.4]
            assert y[d == 1].mean() >= 0.4
            assert d[y == 1].sum() == max(o[y == 1].sum() for o in good)


def test_threshold_laws() -> None:
    p, y, w = sample(3, ties=False)
    order = np.random.default_rng(0).permutation(60)
    whole = w.astype(int)
    for aim in ("f1", "mcc", "recall_floor(0.7)"):
        t = choose_threshold(p, y, aim, w)
        assert choose_threshold(p[order], y[order], aim, w[order]) == t
        assert choose_threshold(np.repeat(p, whole), np.repeat(y, whole), aim) == pytest.approx(t, rel=1e-12)


def test_threshold_lies_midway_on_the_logit_scale() -> None:
    p = np.array([0.001, 0.1])
    t = choose_threshold(p, np.array([0, 1]))
    logit = np.log(p / (1 - p))
    assert np.log(t / (1 - t)) == pytest.approx(logit.mean())


def test_scores_at_the_edges() -> None:
    p, y = np.array([0.0, 1.0, 1.0, np.nextafter(1.0, 0.0)]), np.array([0, 1, 1, 0])
    t = choose_threshold(p, y)
    assert ((p >= t) == y).all()
    nothing = sweep(p, y, np.ones(4)).thresholds[0]
    assert not np.any(p >= nothing)
    assert choose_threshold(np.full(5, 0.3), np.array([0, 0, 0, 1, 0]), "alerts(0, 10)") > 0.3


def test_costs_against_expected_cost() -> None:
    rng = np.random.default_rng(5)
    proba = rng.dirichlet(np.ones(3), size=50)
    cost = rng.uniform(0, 10, size=(50, 3, 3))
    expected = np.array([[p @ m[:, k] for k in range(3)] for p, m in zip(proba, cost, strict=True)])
    np.testing.assert_array_equal(bayes_decision(proba, cost), expected.argmin(axis=1))
    np.testing.assert_array_equal(bayes_decision(proba, cost[0]), (proba @ cost[0]).argmin(axis=1))
    p = rng.random(50)
    fp, fn = rng.uniform(1, 3, 50), rng.uniform(1, 30, 50)
    two = np.zeros((50, 2, 2))
    two[:, 0, 1], two[:, 1, 0] = fp, fn
    np.testing.assert_array_equal(bayes_decision(np.stack([1 - p, p], 1), two), p > cost_threshold(fp, fn))
    assert choose_threshold(p, np.ones(50, int), "cost(1, 4)") == pytest.approx(0.2)


def test_aims_print_and_parse_themselves() -> None:
    for name, (_, low, _) in AIMS.items():
        aim = Aim(name, (0.5, 1.0)[:low])
        assert Aim.parse(str(aim)) == aim


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Aim.parse("recal_floor(1)"), "Did you mean 'recall_floor'"),
        (lambda: Aim.parse("f_beta"), "f_beta was given 0 values"),
        (lambda: Aim.parse("recall_floor(95)"), "at most 1"),
        (lambda: Aim.parse("alerts(10, 5)"), "k <= n"),
        (lambda: Aim.parse("cost(-1, 5)"), "above 0"),
        (lambda: Aim.parse("f1 0.5"), "form"),
        (lambda: Aim.parse("cost(a, b)"), "numbers"),
        (lambda: choose_threshold(np.array([0.2]), np.array([0])), "There is no positive row"),
        (lambda: choose_threshold(np.array([0.2]), np.array([1]), "mcc"), "There is no negative row"),
        (lambda: choose_threshold(np.array([0.2, 1.3]), np.array([1, 0])), "one probability per row"),
        (lambda: choose_threshold(np.array([0.2, 0.3]), np.array([1, 2])), "class codes 0 .. 1"),
        (lambda: cost_threshold(0.0, 0.0), "at least one of the two above 0"),
        (lambda: bayes_decision(np.ones((2, 2)), np.ones((3, 3))), "does not fit"),
    ],
)
def test_bad_input(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=says):
        call()


def test_an_unreachable_precision_says_what_can_be() -> None:
    with pytest.raises(GuaranteeError, match=r"The highest is 0\.5"):
        choose_threshold(np.array([0.9, 0.8, 0.1]), np.array([0, 1, 0]), "precision_floor(0.9)")
    assert issubclass(GuaranteeError, ValueError)
    assert issubclass(OptionError, ValueError)


@pytest.mark.parametrize(
    "aim", ["f1", "mcc", "g_mean", "balanced_accuracy", "recall_floor(0.8)", "precision_floor(0.5)", "alerts(1, 10)"]
)
def test_rows_of_weight_0_choose_no_threshold(aim: str) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(200) < 0.3).astype(int)
    p, w = np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0.01, 0.99), rng.random(200)
    w[rng.random(200) < 0.4] = 0.0
    assert choose_threshold(p, y, aim, w) == choose_threshold(p[w > 0], y[w > 0], aim, w[w > 0])


def test_the_text_of_an_aim_keeps_its_numbers() -> None:
    for aim in ("cost(1, 1234567)", "alerts(1234567, 98765432)", "precision_floor(0.9999999)"):
        assert str(Aim.parse(aim)) == aim
