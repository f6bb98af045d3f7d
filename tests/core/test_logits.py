"""Log-probabilities, against SciPy and hand values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax
from sklearn import metrics

from counterpoise.core import logits as lg


def test_log_softmax_is_scipys_even_at_extremes():
    z = np.array([[1e4, -1e4, 0.0], [3.0, 2.0, 1.0]])
    assert lg.log_softmax(z) == pytest.approx(scipy_log_softmax(z, axis=1))


def test_one_unit_is_two_classes():
    z = np.array([[-2.0], [0.0], [3.0]])
    assert np.exp(lg.log_proba(z))[:, 1] == pytest.approx(1 / (1 + np.exp(-z[:, 0])))


def test_shift_on_one_unit_and_on_two_is_the_same():
    z, shift = np.array([[-2.0], [0.7]]), np.log([0.5, 9.0])
    assert lg.log_proba(z, shift) == pytest.approx(lg.log_proba(lg.softmax_logits(z), shift))


def test_log_loss_is_scikit_learns():
    rng = np.random.default_rng(0)
    log_p, y, w = lg.log_softmax(rng.normal(size=(50, 3))), rng.integers(0, 3, 50), rng.random(50)
    assert lg.log_loss(log_p, y) == pytest.approx(metrics.log_loss(y, np.exp(log_p), labels=[0, 1, 2]))
    assert lg.log_loss(log_p, y, w) == pytest.approx(
        metrics.log_loss(y, np.exp(log_p), labels=[0, 1, 2], sample_weight=w)
    )


def test_softplus_is_logaddexp_with_0():
    z = np.concatenate([np.linspace(-800, 800, 4001), [-np.inf, np.inf, 1e-300, -1e-300]])
    np.testing.assert_allclose(lg.softplus(z), np.logaddexp(0.0, z), rtol=1e-15, atol=0)
    assert np.isnan(lg.softplus(np.array([np.nan]))).all()
