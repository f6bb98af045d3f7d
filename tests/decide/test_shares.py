"""Class shares without labels: known shifts are estimated, other changes are refused."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.decide.prior import log_softmax
from counterpoise.decide.shares import bbse_prior, em_prior, estimate_prior

OLD = 0.1


def rows(rng: np.random.Generator, n: int, share: float, moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two Gaussians; log-probabilities true at the share OLD. `moved` shifts the features of both classes."""
    y = np.r_[0, 1, (rng.random(n - 2) < share).astype(int)]
    z = 2 * (rng.normal(size=n) + 2 * y - 1 + moved) + np.log(OLD / (1 - OLD))
    return log_softmax(np.stack([np.zeros(n), z], axis=1)), y


def test_em_is_where_the_em_algorithm_ends() -> None:
    lp, _ = rows(np.random.default_rng(0), 3000, 0.3)
    p, old = np.exp(lp), np.array([0.9, 0.1])
    q = old.copy()
    for _ in range(3000):
        resp = p * q / old
        q = (resp / resp.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(em_prior(lp, old), q, atol=1e-6)


@pytest.mark.parametrize("method", ["em", "bbse"])
@pytest.mark.parametrize("share", [0.03, 0.1, 0.5])
def test_a_known_shift_is_recovered_and_accepted(method: str, share: float) -> None:
    rng = np.random.default_rng(5)
    lp, y = rows(rng, 4000, OLD)
    estimate = estimate_prior(lp, y, rows(rng, 3000, share)[0], method=method, draws=60)
    assert estimate.prior[1] == pytest.approx(share, abs=0.03)
    assert estimate.low[1] <= estimate.prior[1] <= estimate.high[1]
    assert estimate.pure
    assert estimate.prior.sum() == pytest.approx(1)


def test_three_classes() -> None:
    rng = np.random.default_rng(0)
    old, new = np.array([0.8, 0.15, 0.05]), np.array([0.4, 0.2, 0.4])

    def some(n: int, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = rng.choice(3, p=prior, size=n)
        x = rng.normal(size=(n, 3)) + 2 * np.eye(3)[y]
        return log_softmax(2 * x + np.log(old)), y

    estimate = estimate_prior(*some(4000, old), some(3000, new)[0], draws=40)
    np.testing.assert_allclose(estimate.prior, new, atol=0.05)
    assert estimate.pure


def test_intervals_cover_and_the_test_keeps_its_level() -> None:
    covered, refused = 0, 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        estimate = estimate_prior(*rows(rng, 500, OLD), rows(rng, 400, 0.3)[0], draws=40, seed=seed)
        covered += estimate.low[1] <= 0.3 <= estimate.high[1]
        refused += not estimate.pure
    assert covered >= 16  # 22 expected; fewer than 16 happens once in a thousand
    assert refused <= 5  # 1 expected


def test_a_change_of_the_features_is_refused() -> None:
    rng = np.random.default_rng(1)
    estimate = estimate_prior(*rows(rng, 3000, OLD), rows(rng, 3000, OLD, moved=0.7)[0], draws=60)
    assert not estimate.pure
    assert "cannot be corrected" in estimate.note


def test_bbse_refuses_a_useless_classifier() -> None:
    rng = np.random.default_rng(0)
    y, d, new = (rng.integers(2, size=300) for _ in range(3))
    with pytest.raises(GuaranteeError, match="smallest singular value"):
        bbse_prior(d, y, new, 2)
    with pytest.raises(GuaranteeError, match="Class 1 has no labeled row"):
        bbse_prior(d, np.zeros(300, int), new, 2)


def test_bbse_solves_the_system() -> None:
    rng = np.random.default_rng(2)
    a = np.array([[0.9, 0.3], [0.1, 0.7]])
    y = np.repeat([0, 1], 5000)
    d = (rng.random(10_000) < a[1, y]).astype(int)
    new = (rng.random(20_000) < a[1] @ [0.6, 0.4]).astype(int)
    np.testing.assert_allclose(bbse_prior(d, y, new, 2), [0.6, 0.4], atol=0.02)


def test_bad_input() -> None:
    lp, y = rows(np.random.default_rng(0), 50, 0.2)
    with pytest.raises(OptionError, match="'em' or 'bbse'"):
        estimate_prior(lp, y, lp, method="mle")
    with pytest.raises(OptionError, match="Expected the same number of classes"):
        estimate_prior(lp, y, np.zeros((5, 3)))
    with pytest.raises(OptionError, match="Class 1 has no labeled row"):
        estimate_prior(lp, np.zeros(50, int), lp)


def test_a_few_new_rows_are_no_change_of_the_class_proportions() -> None:
    rng = np.random.default_rng(0)
    log_p, y = rows(rng, 1000, 0.1)
    moved = 0
    for seed in range(20):
        estimate = estimate_prior(log_p, y, rows(rng, 5, 0.1)[0][2:], draws=20, seed=seed)
        moved += bool(np.any((estimate.source_prior < estimate.low) | (estimate.source_prior > estimate.high)))
    assert moved <= 4


@pytest.mark.parametrize("slope", [0.3, 4.0])
def test_scores_that_are_too_sure_or_too_unsure_give_the_shares_of_calibrated_scores(slope: float) -> None:
    rng = np.random.default_rng(3)
    (lp, y), (new, _) = rows(rng, 1500, OLD), rows(rng, 1500, 0.3)
    right, other = (estimate_prior(log_softmax(a * lp), y, log_softmax(a * new), draws=30) for a in (1.0, slope))
    assert other.prior[1] == pytest.approx(right.prior[1], abs=0.01)
    assert [other.low[1], other.high[1]] == pytest.approx([right.low[1], right.high[1]], abs=0.02)


@pytest.mark.parametrize("slope", [0.0, -1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_scores_that_do_not_separate_the_classes_leave_the_shares(slope: float, classes: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(classes, size=300)
    lp = log_softmax(slope * (rng.normal(size=(300, classes)) + np.eye(classes)[y]) - np.arange(classes))
    estimate = estimate_prior(lp, y, lp[:100], draws=20)
    np.testing.assert_allclose(estimate.prior, estimate.source_prior, atol=1e-3)
    assert estimate.pure


def test_of_six_unchanged_shares_none_seems_to_have_changed() -> None:
    share, moved = np.array([0.5] + [0.1] * 5), 0

    def scores(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
        return log_softmax(2 * (rng.normal(size=(len(y), 6)) + 2 * np.eye(6)[y]) + np.log(share))

    for seed in range(16):
        rng, y = np.random.default_rng(seed), np.repeat(np.arange(6), [150, 30, 30, 30, 30, 30])
        lp, new = scores(rng, y), scores(rng, rng.choice(6, p=share, size=300))
        estimate = estimate_prior(lp, y, new, draws=40, seed=seed)
        moved += bool(np.any((estimate.source_prior < estimate.low) | (estimate.source_prior > estimate.high)))
    assert moved <= 6  # of separate intervals 13
