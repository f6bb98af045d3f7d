"""The Keras metric of average precision equals scikit-learn's, with weights and ties, in memory and inside fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as sk

from counterpoise.core.errors import ModelError, OptionError
from counterpoise.metrics import display_scores as S


def case(seed, units, rows=50):
    rng = np.random.default_rng(seed)
    y = rng.choice(max(units, 2), rows)
    z = (np.round(rng.normal(size=(rows, units)) * 8) / 8).astype("float32")  # eighths: differences tie exactly
    return y, z, rng.choice([0.0, 0.5, 2.0], rows)


def proba(z):
    if z.shape[1] == 1:
        p = 1 / (1 + np.exp(-z.astype(float)))
        return np.concatenate([1 - p, p], axis=1)
    e = np.exp(z.astype(float))
    return e / e.sum(1, keepdims=True)


def shown(metric, y, z, w=None, batch=20):
    for i in range(0, len(y), batch):
        metric.update_state(y[i : i + batch], z[i : i + batch], None if w is None else w[i : i + batch])
    return float(metric.result())


@pytest.mark.parametrize("units", [1, 2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_reference(units, weighted):
    for seed in range(3):
        y, z, w = case(seed, units)
        w = w if weighted else np.ones(len(y))
        p = proba(z)
        positive, s = y == 1, z[:, 0] if units == 1 else np.round(np.log(p[:, 1]), 9)
        ap = sk.average_precision_score(positive, s, sample_weight=w)
        assert shown(S.AveragePrecision(80), y, z, w) == pytest.approx(ap, abs=1e-6)


def test_probabilities_give_the_same_and_class_zero_is_the_mirror():
    y, z, _ = case(5, 1)
    p = 1 / (1 + np.exp(-z))
    of_proba = shown(S.AveragePrecision(60, from_logits=False), y, p)
    assert of_proba == pytest.approx(shown(S.AveragePrecision(60), y, z), abs=1e-6)
    other = sk.average_precision_score(y == 0, -z[:, 0])
    assert shown(S.AveragePrecision(60, class_id=0), y, z) == pytest.approx(other)


def test_row_beyond_capacity_is_an_error():
    y, z, _ = case(0, 1)
    metric = S.AveragePrecision(capacity=50)
    shown(metric, y, z)
    with pytest.raises(OptionError, match="was given 51 rows, but has room for capacity=50"):
        metric.update_state(y[:1], z[:1])
    metric.reset_state()
    assert shown(metric, y, z) == pytest.approx(sk.average_precision_score(y, z[:, 0]))


def compiled(capacity):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), metrics=[S.AveragePrecision(capacity)])
    return model


def test_fit_shows_the_exact_value_and_refuses_an_overflow():
    y, z, _ = case(1, 1)
    model = compiled(capacity=50)
    history = model.fit(z, y, batch_size=16, verbose=0, validation_data=(z, y)).history
    s = model.predict(z, verbose=0)[:, 0]
    assert history["val_average_precision"][0] == pytest.approx(sk.average_precision_score(y, s))
    with pytest.raises(OptionError, match="capacity=40"):
        compiled(capacity=40).fit(z, y, batch_size=16, verbose=0)


def test_update_compiled_by_xla_agrees():
    y, z, w = case(2, 1)
    metric = S.AveragePrecision(50)
    tf.function(metric.update_state, jit_compile=True)(tf.constant(y), tf.constant(z), tf.constant(w, "float32"))
    assert float(metric.result()) == pytest.approx(sk.average_precision_score(y, z[:, 0], sample_weight=w))


def test_config_round_trip_and_bad_arguments():
    metric = S.AveragePrecision(9, class_id=0)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.get_config() == metric.get_config()
    with pytest.raises(OptionError, match="capacity"):
        S.AveragePrecision(0)
    with pytest.raises(ModelError, match="class_id=2"):
        S.AveragePrecision(9, class_id=2).update_state(np.zeros(3), np.zeros((3, 1)))
