"""Multi-class offsets against brute force and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef, recall_score

from counterpoise.core.errors import OptionError
from counterpoise.decide import ascent
from counterpoise.decide import offsets as module
from counterpoise.decide.aim import Aim
from counterpoise.decide.offsets import choose_offsets
from counterpoise.decide.prior import log_softmax


def sample(n: int, seed: int = 0, prior: tuple[float, ...] = (0.85, 0.1, 0.05)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(len(prior)), rng.choice(len(prior), p=prior, size=n - len(prior))]
    z = rng.normal(size=(n, len(prior))) + 1.5 * np.eye(len(prior))[y] + np.log(prior)
    return log_softmax(z), y


def decided(lp: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.argmax(lp + b, axis=1)


@pytest.mark.parametrize("aim", ["f1", "mcc", "g_mean"])
def test_the_search_agrees_with_scikit_learn_and_beats_argmax(aim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HALF_TRUST", 0.0)
    lp, y = sample(800)
    score = {
        "f1": lambda d: f1_score(y, d, average="macro"),
        "mcc": lambda d: matthews_corrcoef(y, d),
        "g_mean": lambda d: np.prod(recall_score(y, d, average=None)) ** (1 / 3),
    }[aim]
    counts, w = np.bincount(y).astype(float), np.ones(len(y))
    ours = module._objective(Aim.parse(aim), counts)
    b = choose_offsets(lp, y, aim)
    assert ascent.score_of_offsets(lp, y, w, b, ours) == pytest.approx(score(decided(lp, b)), abs=1e-12)
    grid = np.linspace(-1, 5, 16)
    best = max(score(decided(lp, np.array([0.0, u, v]))) for u in grid for v in grid)
    assert score(decided(lp, b)) >= best - 0.01
    assert score(decided(lp, b)) >= score(decided(lp, np.zeros(3)))


def test_one_coordinate_is_searched_exactly() -> None:
    lp, y = sample(200, seed=4)
    counts, w = np.bincount(y).astype(float), np.ones(200)
    score = module._objective(Aim("f1"), counts)
    for c in range(3):
        others = np.where(np.arange(3) == c, -np.inf, lp)
        rival = others.argmax(axis=1)
        best = ascent.best_offset(others.max(axis=1) - lp[:, c], rival, y, w, 0.0, c, score)
        values = [f1_score(y, decided(lp, v * np.eye(3)[c]), average="macro") for v in np.linspace(-8, 8, 161)]
        got = f1_score(y, decided(lp, best * np.eye(3)[c]), average="macro")
        assert got >= max(values) - 1e-12


def test_closed_forms() -> None:
    lp, y = sample(500)
    prior = np.bincount(y) / 500
    np.testing.assert_allclose(choose_offsets(lp, y, "argmax"), 0)
    np.testing.assert_allclose(choose_offsets(lp, y, "balanced_accuracy"), -np.log(prior))
    np.testing.assert_allclose(choose_offsets(lp, y, "cost(1, 5, 20)"), np.log([1, 5, 20]))


def test_rare_classes_stay_near_the_start() -> None:
    """With 3 rows a class keeps 3/23 of its deviation, whatever the search gave."""
    lp, y = sample(3000, seed=2, prior=(0.97, 0.029, 0.001))
    b = choose_offsets(lp, y)
    n = np.bincount(y)
    base = -np.log(n / n.sum())
    assert n[2] < 12
    lam = (b[0] - 0.0) / base[0]  # the largest class has no deviation: it tells lambda
    assert 0 <= lam <= 1.5
    assert abs(b[2] - lam * base[2]) < 3.0


def test_a_weight_is_a_repeated_row_and_order_does_not_matter() -> None:
    lp, y = sample(300, seed=7)
    w = np.random.default_rng(0).integers(1, 3, size=300)
    b = choose_offsets(lp, y, "f1", w)
    rows = np.random.default_rng(1).permutation(w.sum())
    again = choose_offsets(np.repeat(lp, w, axis=0)[rows], np.repeat(y, w)[rows], "f1")
    np.testing.assert_allclose(b, again, atol=1e-9)


def test_a_class_without_rows_does_not_break_it() -> None:
    lp, y = sample(300)
    four = log_softmax(np.concatenate([lp, np.full((300, 1), -9.0)], axis=1))
    assert np.all(np.isfinite(choose_offsets(four, y)))


@pytest.mark.parametrize("aim", ["alerts(1, 10)", "cost(1, 2)"])
def test_what_has_no_multiclass_meaning_is_refused(aim: str) -> None:
    lp, y = sample(100)
    with pytest.raises(OptionError, match=r"with all others|one value per class"):
        choose_offsets(lp, y, aim)


@pytest.mark.parametrize("aim", ["f1", "balanced_accuracy"])
def test_weights_that_sum_to_1_choose_as_weights_of_1(aim: str) -> None:
    lp, y = sample(800)
    b = choose_offsets(lp, y, aim)
    assert np.abs(b).max() > 0.1
    np.testing.assert_allclose(choose_offsets(lp, y, aim, np.full(800, 1 / 800)), b)


@pytest.mark.parametrize("aim", ["f1", "mcc", "g_mean", "recall_floor(0.5)"])
def test_rows_of_weight_0_choose_no_offsets(aim: str) -> None:
    lp, y = sample(400)
    w = np.random.default_rng(1).random(400)
    w[w < 0.3] = 0.0
    kept = w > 0
    assert np.array_equal(choose_offsets(lp, y, aim, w), choose_offsets(lp[kept], y[kept], aim, w[kept]))
