"""Known posteriors are recovered from the outputs of trained models, by a_c or by the closed inverse."""

import numpy as np
import pytest
import tensorflow as tf
from loss_cases import effective
from scipy.optimize import minimize

from counterpoise import losses as L

POSTERIOR = np.array([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9], [0.34, 0.33, 0.33], [0.01, 0.6, 0.39]])
COUNTS = [900, 90, 10]


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def descend(loss_of, start):
    """The logits, in float64, at which `loss_of(tensor)` is least."""

    def value_and_slope(flat):
        x = tf.reshape(tf.constant(flat), start.shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss_of(x)
        return float(value), np.ravel(tape.gradient(value, x))

    minimum = minimize(value_and_slope, start.ravel(), jac=True, options={"gtol": 1e-8, "maxiter": 500})
    return minimum.x.reshape(start.shape)


def minimizer(loss, target, start):
    """Free logits per row (N, units): the minimizer of the expected loss when class c has share target[:, c]."""
    rows, classes = target.shape
    y = np.tile(np.arange(classes), rows)
    return descend(lambda z: loss(y, tf.repeat(z, classes, axis=0), target.ravel()), start)


@pytest.mark.parametrize(
    "build",
    [
        lambda **o: L.CrossEntropy(**o),
        lambda **o: L.Focal(2.0, **o),
        lambda **o: L.Focal(0.7, [0.5, 1.0, 4.0], **o),
        lambda **o: L.LabelSmoothing(COUNTS, 0.3, 0.05, **o),
        lambda **o: L.LogitAdjusted(COUNTS, **o),
        lambda **o: L.LogitAdjusted(COUNTS, tau=0.5, **o),
        lambda **o: L.ClassWeighted(effective(COUNTS, 0.99), L.CrossEntropy(**o)),
        lambda **o: L.ClassWeighted(effective(COUNTS, 0.99), L.Focal(2.0, **o)),
        lambda **o: L.ClassWeighted(effective(COUNTS, 0.9), L.LogitAdjusted(COUNTS, **o)),
    ],
    ids=["ce", "focal", "focal-alpha", "smoothed", "balanced", "adjusted", "cb-ce", "cb-focal", "cb-balanced"],
)
def test_inverse_recovers_the_posterior(build):
    loss = build(dtype="float64", reduction="sum")
    z = minimizer(loss, POSTERIOR, np.zeros((4, 3)))
    np.testing.assert_allclose(loss.inverse(softmax(z)), POSTERIOR, atol=5e-4)
    if (a := loss.additive([0.9, 0.09, 0.01])) is not None:
        np.testing.assert_allclose(softmax(z + a), POSTERIOR, atol=5e-4)


def test_inverse_on_one_unit_and_per_label():
    p = np.array([[0.03], [0.4], [0.9]])
    loss = L.Focal(2.0, alpha=0.75, dtype="float64", reduction="sum")
    z = minimizer(loss, np.concatenate([1 - p, p], axis=1), np.zeros((3, 1)))
    q = np.concatenate([1 - 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(-z))], axis=1)
    np.testing.assert_allclose(L.Focal(2.0, alpha=0.75).inverse(q)[:, 1:], p, atol=5e-4)
    labels = np.array([[0.1, 0.8], [0.5, 0.02]])
    loss = L.MultiLabelFocal(2.0, alpha=[0.75, 0.4], dtype="float64", reduction="sum")
    z = descend(lambda z: loss(labels, z), np.zeros((2, 2)))
    np.testing.assert_allclose(loss.inverse(1 / (1 + np.exp(-z))), labels, atol=5e-4)


def test_balanced_softmax_on_two_gaussians_recovers_the_posterior():
    rng = np.random.default_rng(1)
    n0, n1, gap = 60_000, 3_000, 1.5
    x = np.concatenate([rng.normal(0, 1, n0), rng.normal(gap, 1, n1)])
    y = np.repeat([0, 1], [n0, n1])
    loss = L.LogitAdjusted([n0, n1], dtype="float64")
    grid = np.linspace(-2, 4, 13)
    fitted = descend(lambda line: loss(y, (line[0] * x + line[1])[:, None]), np.zeros(2))
    a = loss.additive([0.5, 0.5])
    logit = fitted[0] * grid + fitted[1] + a[1] - a[0]
    truth = gap * grid - gap**2 / 2 + np.log(n1 / n0)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-truth)), atol=0.01)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_inverse_stays_a_distribution_at_the_rim(gamma):
    q = np.array([[1.0, 0.0], [1 - 1e-12, 1e-12], [0.5, 0.5], [0.0, 1.0]])
    p = L.Focal(gamma).inverse(q)
    assert np.all(np.isfinite(p))
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(p[2], 0.5)
    np.testing.assert_allclose(p[[0, 3]], [[1, 0], [0, 1]], atol=1e-6)


def test_smoothing_is_undone_to_shares_even_where_no_shares_give_the_outputs():
    p = L.LabelSmoothing(COUNTS, head=0.3, tail=0.1).inverse(np.array([[0.01, 0.01, 0.98], [1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert np.all(p >= 0)
    assert p.argmax(axis=1).tolist() == [2, 0]


def test_losses_without_an_inverse_say_so():
    for loss in (
        L.LDAM(COUNTS),
        L.VectorScaling(COUNTS),
        L.ExpectedCost(np.ones((3, 3))),
        L.PairwiseAUC(),
        L.Tversky(),
    ):
        assert loss.needs_calibration
        assert loss.additive([0.2, 0.3, 0.5]) is None
        assert loss.inverse(POSTERIOR) is None
    for loss in (L.CrossEntropy(), L.Focal(), L.LogitAdjusted(COUNTS), L.VectorScaling(COUNTS, gamma=0.0)):
        assert not loss.needs_calibration
