"""Models trained elsewhere get corrected probabilities, thresholds and a file."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import counterpoise as cp
from counterpoise.core.errors import DataError, ModelError, OptionError, TargetError


def rows(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.08).astype(int)
    return (rng.normal(size=(n, 2)) + 1.5 * y[:, None]).astype("float32"), y


def test_scores_of_a_balanced_scikit_learn_model_become_true():
    x, y = rows()
    other = LogisticRegression(class_weight="balanced").fit(*rows(seed=1))
    scores = other.predict_proba(x)
    clf = cp.wrap(scores, y)
    fresh, truth = rows(seed=2)
    output = clf.predict_proba(other.predict_proba(fresh))[:, 1]
    assert other.predict_proba(fresh)[:, 1].mean() > 0.2
    assert abs(output.mean() - truth.mean()) < 0.02
    assert clf.decide(recall_floor=0.9).card["threshold"]["word"] == "estimate"
    assert clf.card["metrics"]["roc_auc"]["value"] > 0.9


def test_the_plan_alone_removes_its_shift():
    """Without labels: log-odds fall by log m_1 - log m_0, whatever the model."""
    plan = cp.plans.class_weight(rows()[1])
    p = np.array([0.2, 0.5, 0.9])
    clf = cp.wrap(p, plan=plan)
    moved = np.log(p / (1 - p)) - (plan.log_shift[1] - plan.log_shift[0])
    assert clf.predict_proba(p)[:, 1] == pytest.approx(1 / (1 + np.exp(-moved)), abs=1e-6)


def test_the_shift_of_a_plan_follows_the_order_of_the_classes():
    labels = np.where(rows()[1] == 1, "bad", "good")
    plan, p = cp.plans.undersample(labels), np.array([0.2, 0.5, 0.9])
    sorted_order = cp.wrap(1 - p, plan=plan).predict_proba(1 - p)
    given_order = cp.wrap(p, plan=plan, classes=["good", "bad"])
    assert given_order.predict_proba(p) == pytest.approx(sorted_order[:, ::-1], abs=1e-6)
    assert given_order.rule.prior == pytest.approx(plan.base_prior[::-1])


@pytest.mark.parametrize(("units", "activation"), [(1, "sigmoid"), (2, "softmax"), (1, None)])
def test_a_keras_model_is_wrapped_and_saved(units, activation, tmp_path):
    x, y = rows(500)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, activation=activation)])
    clf = cp.wrap(model, x, y, aim="balanced_accuracy")
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.array_equal(again.predict(x), clf.predict(x))
    assert again.card["strategy"] == "wrapped"


def test_labels_of_text_and_a_given_order():
    scores = np.array([[0.1, 0.7, 0.2], [0.8, 0.1, 0.1], [0.2, 0.2, 0.6]] * 30)
    clf = cp.wrap(scores, np.array(["c", "b", "a"] * 30), classes=["b", "c", "a"], aim="argmax")
    assert clf.predict(scores[:3]).tolist() == ["c", "b", "a"]


def test_refusals():
    x, y = rows(100)
    with pytest.raises(OptionError, match="Expected a Keras model, or an array of scores"):
        cp.wrap("mlp", y)
    with pytest.raises(TargetError, match="one label per row"):
        cp.wrap(np.linspace(0, 1, 50), y)
    with pytest.raises(OptionError, match="NaN"):
        cp.wrap(np.array([0.1, np.nan]), [0, 1])
    with pytest.raises(OptionError, match="Pass classes"):
        cp.wrap(np.full((3, 3), 1 / 3), [0, 1, 0])
    odd = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="tanh")])
    with pytest.raises(ModelError, match="logits or probabilities"):
        cp.wrap(odd, x, y)
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(OptionError, match="Labels were passed without rows"):
        cp.wrap(plain, y=y)


def test_scores_of_several_labels_are_wrapped_label_by_label(tmp_path):
    rng = np.random.default_rng(4)
    z = rng.normal(size=(900, 2))
    y = (rng.random((900, 2)) < 1 / (1 + np.exp(1.5 - 2 * z))).astype(float)
    balanced = 1 / (1 + np.exp(-2 * z))
    y[::5, 1] = np.nan
    clf = cp.wrap(balanced, y, classes=["edema", "mass"])
    known = ~np.isnan(y[:, 1])
    for label, rows in (("edema", slice(None)), ("mass", known)):
        i = clf.classes_.tolist().index(label)
        alone = cp.wrap(balanced[rows, i], y[rows, i].astype(int))
        assert clf.predict_proba(balanced[rows])[:, i] == pytest.approx(alone.predict_proba(balanced[rows, i])[:, 1])
        assert clf.rule.problem_rules[i].threshold == pytest.approx(alone.rule.threshold)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "sigmoid")])
    wrapped = cp.wrap(network, z.astype("float32"), y)
    wrapped.save(tmp_path / "labels.keras")
    same = cp.load(tmp_path / "labels.keras").predict_proba(z.astype("float32"))
    assert same == pytest.approx(wrapped.predict_proba(z.astype("float32")), abs=1e-7)
    exclusive = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    with pytest.raises(ModelError, match="ends in softmax"):
        cp.wrap(exclusive, z.astype("float32"), y)


def test_other_scores_than_probabilities_are_refused_by_a_classifier_of_probabilities():
    """They would be clipped: all logits above 1 would get the same, largest probability."""
    x, y = rows()
    z = x[:, 0] - 1.5
    clf = cp.wrap(1 / (1 + np.exp(-z)), y)
    for method in (clf.predict, clf.predict_proba, clf.predict_frame, lambda scores: cp.monitor(clf, scores)):
        with pytest.raises(OptionError, match="made from probabilities"):
            method(z)
    with pytest.raises(OptionError, match="made from probabilities"):
        cp.wrap(z, y, output="probabilities")
    assert cp.wrap(z, y).predict_proba(z).shape == (len(y), 2)
    with pytest.raises(TargetError, match="only one class"):
        cp.wrap(z, np.zeros(len(z), int))


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_columns_of_scores_that_have_the_names_of_the_classes(library):
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 600)
    y = np.array(["x", "y", "z"])[[rng.choice(3, p=row) for row in p]]
    expected = cp.wrap(p, y)
    for order in ("xyz", "zxy"):
        scores = library.DataFrame({name: p[:, "xyz".index(name)] for name in order})
        clf = cp.wrap(scores, y)
        assert clf.classes_.tolist() == list(order)
        columns = ["xyz".index(name) for name in order]
        assert clf.predict_proba(scores) == pytest.approx(expected.predict_proba(p)[:, columns], abs=1e-6)
        assert clf.predict_proba(scores[["y", "z", "x"]]) == pytest.approx(clf.predict_proba(scores), abs=1e-9)
        assert (clf.predict(scores) == expected.predict(p)).all()
    with pytest.raises(OptionError, match="order of the columns"):
        cp.wrap(scores, y, classes=["x", "y", "z"])
    assert cp.wrap(library.DataFrame({f"p_{name}": p[:, i] for i, name in enumerate("xyz")}), y).classes_.tolist() == [
        *"xyz"
    ]


def test_columns_of_scores_that_have_the_names_of_the_labels():
    rng = np.random.default_rng(0)
    p = rng.random((500, 3))
    truth = pd.DataFrame((rng.random((500, 3)) < p).astype(int), columns=["edema", "mass", "nodule"])
    scores = pd.DataFrame(p, columns=truth.columns)[["mass", "nodule", "edema"]]
    clf = cp.wrap(scores, truth)
    assert clf.classes_.tolist() == ["mass", "nodule", "edema"]
    for label in truth:
        right = roc_auc_score(truth[label], clf.predict_proba(scores)[:, clf.classes_.tolist().index(label)])
        assert right == pytest.approx(roc_auc_score(truth[label], scores[label]), abs=1e-6)
    assert cp.evaluate(clf, scores, truth, resamples=20)["metrics"]["roc_auc"]["value"] > 0.7


def test_labels_of_wrap_in_another_order_than_the_scores_are_refused():
    scores = pd.Series(np.random.default_rng(0).random(50))
    y = pd.Series(np.arange(50) % 2)
    with pytest.raises(DataError, match="in another order"):
        cp.wrap(scores, y.sample(frac=1, random_state=0))
