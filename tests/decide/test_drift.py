"""Monitoring: what is reported about a shipped rule on rows without labels."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.decide.drift import monitor
from counterpoise.decide.prior import log_softmax
from counterpoise.decide.rule import apply_rule_to_log_p, fit_rule_from_log_p

OLD = 0.1


def rows(rng: np.random.Generator, n: int, share: float, moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two Gaussians; log-probabilities true at the share OLD. `moved` shifts the features of both classes."""
    y = np.r_[0, 1, (rng.random(n - 2) < share).astype(int)]
    z = 2 * (rng.normal(size=n) + 2 * y - 1 + moved) + np.log(OLD / (1 - OLD))
    return log_softmax(np.stack([np.zeros(n), z], axis=1)), y


def test_monitor_offers_the_rule_for_the_new_shares() -> None:
    rng = np.random.default_rng(3)
    lp, y = rows(rng, 4000, OLD)
    new, labels = rows(rng, 4000, 0.4)
    f1 = fit_rule_from_log_p([lp], y, [np.zeros(2)], aim="f1")
    drift = monitor(f1, [lp], y, [new], draws=40)
    assert drift.plausible is False
    assert drift.score_distance > 0.1
    assert drift.flagged_now[1] > drift.flagged_before[1]
    got = apply_rule_to_log_p(drift.rule, [new])
    assert got.proba[:, 1].mean() == pytest.approx(labels.mean(), abs=0.03)
    recall = monitor(fit_rule_from_log_p([lp], y, [np.zeros(2)], aim="recall_floor(0.9)"), [lp], y, [new], draws=40)
    assert recall.plausible is True
    other = monitor(f1, [lp], y, [rows(rng, 4000, OLD, moved=0.7)[0]], draws=40)
    assert other.plausible is None
    assert other.rule is None
    same = monitor(f1, [lp], y, [rows(rng, 4000, OLD)[0]], draws=40)
    assert same.plausible is True


@pytest.mark.parametrize("method", ["em", "bbse"])
def test_weighted_rows_are_compared_with_their_weights(method: str) -> None:
    """Half of the stored rows are positive, and their weights give them the share OLD."""
    rng = np.random.default_rng(9)
    lp, y = rows(rng, 3000, 0.5)
    w = np.where(y == 1, OLD / (1 - OLD), 1.0) * (1 - np.arange(len(y)) % 9 // 8)
    rule = fit_rule_from_log_p([lp], y, [np.zeros(2)], aim="f1", sample_weight=w)
    drift = monitor(rule, [lp], y, [rows(rng, 3000, OLD)[0]], sample_weight=w, method=method, draws=40)
    np.testing.assert_allclose(drift.estimate.source_prior, rule.prior)
    assert drift.estimate.pure
    assert drift.rule is rule
    assert drift.score_distance < 0.05
    assert drift.flagged_before[1] == pytest.approx(drift.flagged_now[1], abs=0.03)
    moved = monitor(rule, [lp], y, [rows(rng, 3000, 0.4)[0]], sample_weight=w, method=method, draws=40)
    assert moved.estimate.prior[1] == pytest.approx(0.4, abs=0.04)
    assert 0.1 < moved.rule.threshold < 0.6
