"""Losses with class weights inside: values by hand, limits, saved models."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from counterpoise.core.errors import OptionError
from counterpoise.losses.pointwise import CrossEntropy, Focal
from counterpoise.losses.prior import LogitAdjusted
from counterpoise.losses.weighted import ClassWeighted, LabelWeighted

Z = np.array([[0.3, -1.0, 2.0], [0.1, 0.2, -0.5]], "float32")
W = [0.5, 1.0, 8.0]


def by_hand(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -(z - np.log(np.exp(z).sum(-1, keepdims=True)))[np.arange(len(y)), y]


def test_value_is_weight_times_loss():
    y = np.array([2, 0])
    want = (np.array(W)[y] * by_hand(Z, y)).mean()
    assert float(ClassWeighted(W)(y, Z)) == pytest.approx(want, rel=1e-6)
    assert float(ClassWeighted(W)(np.eye(3)[y], Z)) == pytest.approx(want, rel=1e-6)
    twice = float(ClassWeighted(W)(y, Z, np.array([2.0, 0.0])))
    assert twice == pytest.approx(W[2] * by_hand(Z, y)[0], rel=1e-6)


def test_mix_goes_from_plain_to_weighted():
    loss, y = ClassWeighted(W, Focal(1.0)), np.array([2, 0])
    full = float(loss(y, Z))
    loss.mix.assign(0.0)
    plain = float(loss(y, Z))
    assert plain == pytest.approx(float(Focal(1.0)(y, Z)))
    loss.mix.assign(0.25)
    assert float(loss(y, Z)) == pytest.approx(0.75 * plain + 0.25 * full, rel=1e-6)


def test_labels_are_weighted_one_by_one_and_empty_rows_count():
    weights = np.array([[0.5, 4.0], [1.0, 2.0]])
    t, z = np.array([[0, 0], [1, 0]]), np.array([[0.4, -1.0], [0.2, 3.0]])
    s = 1 / (1 + np.exp(-z))
    want = -(t * weights[:, 1] * np.log(s) + (1 - t) * weights[:, 0] * np.log(1 - s)).mean()
    assert float(LabelWeighted(weights)(t, z)) == pytest.approx(want, rel=1e-5)
    assert float(LabelWeighted(np.ones((2, 2)))(t, z)) == pytest.approx(
        float(keras.losses.BinaryCrossentropy(from_logits=True)(t, z)), rel=1e-5
    )


def test_the_way_back_to_probabilities():
    true = np.array([0.7, 0.2, 0.1])
    trained = true * W / (true * W).sum()
    loss = ClassWeighted(W)
    np.testing.assert_allclose(loss.inverse(trained), true)
    assert ClassWeighted(W, LogitAdjusted([5, 3, 2])).additive(np.ones(3)).shape == (3,)
    labels = LabelWeighted([[0.5, 4.0]])
    np.testing.assert_allclose(labels.inverse([[0.3 * 4 / (0.3 * 4 + 0.7 * 0.5)]]), [[0.3]])


def test_a_saved_model_has_its_weights(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", ClassWeighted(W, Focal(2.0)))
    y = np.array([2, 0])
    before = model.evaluate(Z, y, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.evaluate(Z, y, verbose=0) == pytest.approx(before)
    assert again.loss.loss.gamma == 2.0


def test_ignored_elements_and_probabilities():
    y = np.array([2, 255])
    p = np.exp(Z) / np.exp(Z).sum(-1, keepdims=True)
    want = W[2] * by_hand(Z, np.array([2, 0]))[0]
    assert float(ClassWeighted(W, ignore_class=255)(y, Z)) == pytest.approx(want, rel=1e-5)
    assert float(ClassWeighted(W, from_logits=False)([2], p[:1])) == pytest.approx(want, rel=1e-5)


def test_bad_weights_are_refused():
    with pytest.raises(OptionError, match=r"Expected \(labels, 2\)"):
        LabelWeighted([1.0, 2.0])
    with pytest.raises(OptionError, match="weights is 0 for class 1"):
        ClassWeighted([1.0, 0.0])
    with pytest.raises(OptionError, match="one value per element"):
        ClassWeighted([1.0, 2.0], keras.losses.BinaryCrossentropy())
    assert ClassWeighted([1.0, 2.0]).loss.__class__ is CrossEntropy


def test_options_reach_the_wrapped_loss_and_its_ignored_class_stays():
    y, p = np.array([2, 0]), np.exp(Z) / np.exp(Z).sum(-1, keepdims=True)
    want = float(ClassWeighted(W)(y, Z))
    for loss in (ClassWeighted(W, CrossEntropy(), from_logits=False), ClassWeighted(W, from_logits=False)):
        assert float(loss(y, p)) == pytest.approx(want, rel=1e-5)
        assert float(ClassWeighted.from_config(loss.get_config())(y, p)) == pytest.approx(want, rel=1e-5)
    ignoring = ClassWeighted(W, CrossEntropy(ignore_class=255), ignore_class=None)
    assert float(ignoring(np.array([2, 255]), Z)) == pytest.approx(float(ClassWeighted(W)(y[:1], Z[:1])), rel=1e-6)
