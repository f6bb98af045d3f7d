"""The Keras metrics of decisions equal scikit-learn on random cases, with weights, ties and missing classes."""

import keras
import numpy as np
import pytest
from sklearn import metrics as sk

import counterpoise as cp
from counterpoise.core.errors import ModelError
from counterpoise.core.saved_names import SAVED
from counterpoise.metrics import display as D


def case(seed, classes, rows=60):
    """Labels, coarse logits (ties), their decisions, and weights with zeros."""
    rng = np.random.default_rng(seed)
    y = rng.choice(classes, rows, p=np.arange(classes, 0, -1) / (classes * (classes + 1) / 2))
    z = np.round(rng.normal(size=(rows, 1 if classes == 2 else classes)), 1).astype("float32")
    decided = (z[:, 0] >= 0).astype(int) if classes == 2 else z.argmax(1)
    return y, z, decided, rng.choice([0.0, 0.5, 1.0, 3.0], rows)


def shown(metric, y, z, w=None, batch=25):
    for i in range(0, len(y), batch):
        metric.update_state(y[i : i + batch], z[i : i + batch], None if w is None else w[i : i + batch])
    return float(metric.result())


REFERENCES = [
    ("balanced", lambda c: D.BalancedAccuracy(c), lambda y, d, w: sk.balanced_accuracy_score(y, d, sample_weight=w)),
    ("mcc", lambda c: D.MCC(c), lambda y, d, w: sk.matthews_corrcoef(y, d, sample_weight=w)),
]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("build", "reference"), [r[1:] for r in REFERENCES], ids=[r[0] for r in REFERENCES])
def test_equals_the_reference(build, reference, classes):
    for seed in range(4):
        y, z, decided, w = case(seed, classes)
        expected = reference(y, decided, np.ones(len(y)))
        assert shown(build(classes), y, z) == pytest.approx(expected, abs=1e-9)
        assert shown(build(classes), y, z, w) == pytest.approx(reference(y, decided, w), abs=1e-9)


def test_class_without_labels_is_left_out():
    y, z = np.array([0, 0, 2]), np.eye(3)[[0, 1, 2]]
    assert shown(D.BalancedAccuracy(3), y, z) == pytest.approx(0.75)
    assert shown(D.MCC(3), np.zeros(3, int), z) == 0


def test_shapes_of_labels_outputs_and_weights_agree():
    y, z, _, w = case(1, 4)
    expected = shown(D.BalancedAccuracy(4), y, z, w)
    assert shown(D.BalancedAccuracy(4), np.eye(4)[y], z, w) == pytest.approx(expected)
    assert shown(D.BalancedAccuracy(4), y[:, None], z, w[:, None]) == pytest.approx(expected)
    grid = (y.reshape(6, 10), z.reshape(6, 10, 4), w.reshape(6, 10))
    assert shown(D.BalancedAccuracy(4), *grid) == pytest.approx(expected)
    rows = np.arange(1.0, 7.0)
    assert shown(D.BalancedAccuracy(4), *grid[:2], rows) == pytest.approx(
        shown(D.BalancedAccuracy(4), y, z, np.repeat(rows, 10))
    )


def test_two_units_one_unit_and_probabilities_agree():
    y, z, _, _ = case(2, 2)
    pair = np.concatenate([np.zeros_like(z), z], axis=1)
    p = 1 / (1 + np.exp(-z))
    one = shown(D.BalancedAccuracy(), y, z)
    assert shown(D.BalancedAccuracy(), y, pair) == one
    assert shown(D.BalancedAccuracy(from_logits=False), y, p) == one


def test_fit_shows_it_and_reset_forgets():
    y, z, _, w = case(3, 2)
    x = np.concatenate([z, z**2], axis=1)
    model = keras.Sequential([keras.layers.Dense(1)])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=[D.MCC()], weighted_metrics=[D.BalancedAccuracy()])
    history = model.fit(x, y, sample_weight=w, epochs=2, verbose=0, validation_data=(x, y)).history
    decided = (model.predict(x, verbose=0)[:, 0] >= 0).astype(int)
    assert history["val_mcc"][-1] == pytest.approx(sk.matthews_corrcoef(y, decided))
    assert history["val_balanced_accuracy"][-1] == pytest.approx(sk.balanced_accuracy_score(y, decided))
    metric = D.MCC()
    shown(metric, y, z)
    metric.reset_state()
    assert shown(metric, y[:9], z[:9]) == pytest.approx(shown(D.MCC(), y[:9], z[:9]))


def test_config_round_trip():
    for metric in (D.MCC(4), D.BalancedAccuracy(3, from_logits=False)):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert again.get_config() == metric.get_config()


def test_misuse_is_refused():
    with pytest.raises(ModelError, match="num_classes"):
        D.BalancedAccuracy(3).update_state(np.zeros(4), np.zeros((4, 1)))
    with pytest.raises(ModelError, match="do not fit"):
        D.BalancedAccuracy(3).update_state(np.zeros((4, 2)), np.zeros((4, 3)))
    assert np.isnan(shown(D.BalancedAccuracy(3), np.array([0, 7]), np.eye(3)[:2]))
    assert np.isnan(shown(D.MCC(3), np.array([0, 7]), np.eye(3)[:2]))


def test_all_are_found_under_their_public_name():
    for module in ("metrics.display", "metrics.display_scores"):
        for name in SAVED[module]:
            assert getattr(cp.metrics, name).__module__ == f"counterpoise.{module}"
            assert name in dir(cp.metrics)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = cp.metrics.Nonsense
