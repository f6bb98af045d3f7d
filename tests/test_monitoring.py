"""Rows without labels: a moved share is found and answered, a moved class is refused."""

from __future__ import annotations

import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.monitoring import adapted, drift_to_dict


def scores(n, share, seed, gap=2.0):
    """Log-odds of a model that knows the truth at a share of 0.2."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    z = rng.normal(size=n) + gap * y
    odds = np.log(0.2 / 0.8) + 2.0 * z - 2.0
    return 1 / (1 + np.exp(-odds)), y


@pytest.fixture(scope="module", name="clf")
def _clf():
    return cp.wrap(*scores(3000, 0.2, 0))


def test_a_moved_share_is_found_and_the_threshold_follows(clf):
    fresh, truth = scores(3000, 0.4, 1)
    drift = cp.monitor(clf, fresh, draws=50)
    assert drift.estimate.pure
    assert drift.estimate.low[1] < truth.mean() < drift.estimate.high[1]
    assert drift.plausible is False
    moved = adapted(clf, drift)
    assert moved.predict_proba(fresh)[:, 1].mean() == pytest.approx(truth.mean(), abs=0.03)
    assert moved.rule.threshold != clf.rule.threshold


def test_the_same_share_changes_nothing(clf):
    drift = cp.monitor(clf, scores(2000, 0.2, 3)[0], draws=50)
    assert drift.plausible is True
    assert drift.estimate.low[1] < 0.2 < drift.estimate.high[1]


def test_a_class_that_looks_different_is_no_prior_shift(clf):
    drift = cp.monitor(clf, scores(3000, 0.3, 4, gap=0.7)[0], draws=50)
    assert not drift.estimate.pure
    with pytest.raises(OptionError, match="no rule for these rows"):
        adapted(clf, drift)
    record = drift_to_dict(clf, drift)
    assert record["threshold_now"] is None
    assert record["pure_prior_shift"] is False


def test_a_classifier_without_scores_is_refused():
    with pytest.raises(OptionError, match="no scores"):
        cp.monitor(cp.wrap(np.array([0.2, 0.8])), np.array([0.5]))
