"""The Keras metrics of probabilities equal scikit-learn, with weights and ties, in memory and inside fit."""

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


def specificity_at(y, s, w, floor):
    fpr, tpr, _ = sk.roc_curve(y, s, sample_weight=w, drop_intermediate=False)
    return 1 - fpr[tpr >= floor - 1e-12].min()


def ece(y, p, w, bins):
    k = p.argmax(1) if p.shape[1] > 2 else np.ones(len(y), int)
    score, hit = p[np.arange(len(y)), k], k == y
    total = 0.0
    for b in range(bins):
        here = (score > b / bins) & (score <= (b + 1) / bins)
        total += abs(np.sum(w[here] * (score[here] - hit[here])))
    return total / w.sum()


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
        at = shown(S.SpecificityAtSensitivity(0.8, 80), y, z, w)
        assert at == pytest.approx(specificity_at(positive, s, w, 0.8), abs=1e-6)
        brier = sk.brier_score_loss(y, p[:, 1] if units < 3 else p, sample_weight=w)
        assert shown(S.BrierScore(), y, z, w) == pytest.approx(brier, abs=1e-6)
        assert shown(S.ECE(10), y, z, w) == pytest.approx(ece(y, p, w, 10), abs=1e-6)


def test_probabilities_give_the_same_and_class_zero_is_the_mirror():
    y, z, _ = case(5, 1)
    p = 1 / (1 + np.exp(-z))
    for build in (S.AveragePrecision, S.BrierScore):
        room = {"capacity": 60} if build is S.AveragePrecision else {}
        assert shown(build(from_logits=False, **room), y, p) == pytest.approx(shown(build(**room), y, z), abs=1e-6)
    other = sk.average_precision_score(y == 0, -z[:, 0])
    assert shown(S.AveragePrecision(60, class_id=0), y, z) == pytest.approx(other)


def test_row_beyond_capacity_is_an_error():
    y, z, _ = case(0, 1)
    metric = S.AveragePrecision(capacity=50)
    shown(metric, y, z)
    with pytest.raises(OptionError, match="51 rows but has room for capacity=50"):
        metric.update_state(y[:1], z[:1])
    metric.reset_state()
    assert shown(metric, y, z) == pytest.approx(sk.average_precision_score(y, z[:, 0]))


def compiled(capacity):
    model = keras.Sequential([keras.layers.Dense(1)])
    metrics = [S.AveragePrecision(capacity), S.SpecificityAtSensitivity(0.9, capacity), S.ECE(), S.BrierScore()]
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), metrics=metrics)
    return model


def test_fit_shows_the_exact_value_and_refuses_an_overflow():
    y, z, _ = case(1, 1)
    model = compiled(capacity=50)
    history = model.fit(z, y, batch_size=16, verbose=0, validation_data=(z, y)).history
    s = model.predict(z, verbose=0)[:, 0]
    assert history["val_average_precision"][0] == pytest.approx(sk.average_precision_score(y, s))
    at = specificity_at(y, s, None, 0.9)
    assert history["val_specificity_at_sensitivity"][0] == pytest.approx(at)
    with pytest.raises(OptionError, match="capacity=40"):
        compiled(capacity=40).fit(z, y, batch_size=16, verbose=0)


def test_update_compiled_by_xla_agrees():
    y, z, w = case(2, 1)
    metric = S.AveragePrecision(50)
    tf.function(metric.update_state, jit_compile=True)(tf.constant(y), tf.constant(z), tf.constant(w, "float32"))
    assert float(metric.result()) == pytest.approx(sk.average_precision_score(y, z[:, 0], sample_weight=w))


def test_config_round_trip_and_bad_arguments():
    for metric in (S.AveragePrecision(9, class_id=0), S.SpecificityAtSensitivity(0.5, 9), S.ECE(7), S.BrierScore()):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert again.get_config() == metric.get_config()
    with pytest.raises(OptionError, match="sensitivity"):
        S.SpecificityAtSensitivity(0.0, 9)
    with pytest.raises(OptionError, match="capacity"):
        S.AveragePrecision(0)
    with pytest.raises(ModelError, match="class_id=2"):
        S.AveragePrecision(9, class_id=2).update_state(np.zeros(3), np.zeros((3, 1)))
