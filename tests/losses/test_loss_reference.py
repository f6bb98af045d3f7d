"""Value and gradient of every loss against NumPy loops and finite differences."""

import loss_reference as ref
import numpy as np
import pytest
import tensorflow as tf
from loss_cases import CASES, IDS


def value_and_gradient(loss, y, z, dtype):
    z = tf.constant(z, dtype)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(y, z)
    return value, tape.gradient(value, z)


@pytest.mark.parametrize(("make", "reference", "y", "z"), [case[1:] for case in CASES], ids=IDS)
class TestEveryLoss:
    def test_value_in_float64(self, make, reference, y, z):
        np.testing.assert_allclose(float(make(dtype="float64")(y, z)), reference(y, z), rtol=1e-6)

    def test_gradient_in_float64(self, make, reference, y, z):
        value, slope = value_and_gradient(make(dtype="float64"), y, z, "float64")
        assert value.dtype == tf.float64
        expected = ref.gradient(reference, y, z)
        np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())

    def test_value_and_gradient_in_float32(self, make, reference, y, z):
        value, slope = value_and_gradient(make(), y, z, "float32")
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, reference(y, z), rtol=1e-4)
        expected = ref.gradient(reference, y, z)
        np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_label_losses_read_probabilities_as_log_odds_whatever_their_number():
    import numpy as np

    from counterpoise.losses.multilabel import MultiLabelFocal

    p, t = np.array([[0.2, 0.7], [0.9, 0.4]]), np.array([[0.0, 1.0], [1.0, 1.0]])
    want = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert abs(float(MultiLabelFocal(0.0, from_logits=False)(t, p)) - want) < 1e-5
