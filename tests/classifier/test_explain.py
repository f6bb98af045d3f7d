"""Why: importance of columns, and Shapley values against formulas, orders one by one, and scikit-learn."""

from __future__ import annotations

from itertools import permutations

import keras
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

import counterpoise as cp
from counterpoise.classifier.importance import mean_average_precision
from counterpoise.classifier.raw_columns import log_odds
from counterpoise.core.errors import DataError, OptionError


def classifier(weights, hidden=False, seed=0):
    """A network of known weights, adopted with rows of which only its first columns matter."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, len(weights))).astype(np.float32)
    y = (rng.random(300) < 1 / (1 + np.exp(-(x @ weights)))).astype(int)
    inputs = keras.Input((len(weights),))
    outer = keras.layers.Dense(1)
    body = keras.layers.Dense(5, "tanh")(inputs) if hidden else inputs
    model = keras.Model(inputs, outer(body))
    if not hidden:
        outer.set_weights([np.asarray(weights, np.float32)[:, None], np.zeros(1, np.float32)])
    return cp.wrap(model, x, y, output="logits"), x, y


@pytest.mark.parametrize("columns", [3, 10])  # exact, and sampled
def test_of_a_linear_model_effects_are_slopes_times_distances(columns):
    weights = np.r_[1.5, -1.0, np.zeros(columns - 2)]
    clf, x, _ = classifier(weights)
    reasons = clf.explain(x[:3], background=x[100:120])
    z = log_odds(clf, x)[:, 1]
    slope = np.polyfit(x @ weights, z, 1)[0]
    assert np.allclose(reasons.effects, slope * weights * (x[:3] - x[100:120].mean(axis=0)), atol=1e-5)
    assert np.allclose(reasons.effects.sum(axis=1), reasons.log_odds - reasons.base, atol=1e-6)
    assert reasons.exact == (columns == 3)
    assert np.allclose(reasons.log_odds, z[:3], atol=1e-5)
    strongest = reasons.strongest(2)
    assert strongest.columns == ["reason_1", "reason_1_effect", "reason_2", "reason_2_effect"]
    assert set(strongest["reason_1"]) <= {"x0", "x1"}


def test_effects_are_the_mean_over_every_order():
    clf, x, _ = classifier(np.array([1.0, -1.0, 0.5]), hidden=True)
    row, base = x[0], x[10:15]
    reasons = clf.explain(x[:1], background=base)

    def value(columns):
        mixed = base.copy()
        mixed[:, list(columns)] = row[list(columns)]
        return log_odds(clf, mixed)[:, 1].mean()

    orders = list(permutations(range(3)))
    for j in range(3):
        gains = [value((*o[: o.index(j)], j)) - value(o[: o.index(j)]) for o in orders]
        assert reasons.effects[0, j] == pytest.approx(np.mean(gains), abs=1e-5)
    with pytest.raises(OptionError, match="A single row"):
        clf.explain(x[:1])


def test_importance():
    clf, x, y = classifier(np.array([1.5, -1.0, 0.0]))
    importance = cp.explain(clf, x, y, resamples=30)
    assert [one["columns"] for one in importance["columns"]] == [["x0"], ["x1"], ["x2"]]
    assert importance["average_precision"] == pytest.approx(average_precision_score(y, clf.predict_proba(x)[:, 1]))
    first, *_, noise = (one["importance"] for one in importance["columns"])
    assert noise["low"] < noise["value"] == 0 < noise["high"] < first["low"]
    both = cp.explain(clf, x, y, together=[("x0", "x1")], groups=np.arange(300) // 2, resamples=10)["columns"][0]
    assert both["columns"] == ["x0", "x1"]
    assert both["importance"]["value"] > first["value"]
    with pytest.raises(OptionError, match="does not use"):
        cp.explain(clf, x, y, together=[("x0", "y9")])
    with pytest.raises(DataError, match="data has 300, y has 10"):
        cp.explain(clf, x, y[:10])
    with pytest.raises(OptionError, match=r"resamples is 0\. Expected a whole number of at least 2"):
        cp.explain(clf, x, y, resamples=0)


def test_importance_with_few_rows_of_a_class():
    """Bootstrap draws without a row of the class do not count; nearly every interval would be nan otherwise."""
    clf, x, y = classifier(np.array([1.5, -1.0, 0.0]))
    rows = np.concatenate([np.flatnonzero(y == 1)[:3], np.flatnonzero(y == 0)[:60]])
    for one in cp.explain(clf, x[rows], y[rows], resamples=60)["columns"]:
        importance = one["importance"]
        assert importance["low"] < importance["value"] < importance["high"]
    three = np.array([0, 0, 0, 1, 1, 2])
    score = np.random.default_rng(0).normal(size=(6, 3))
    weights = np.array([[1.0, 1, 1, 1, 1, 1], [1, 2, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
    means = mean_average_precision(three, score, weights)
    for mean, weight, known in zip(means, weights, (3, 2), strict=False):  # the second has no weight on class 2
        each = [average_precision_score(three == c, score[:, c], sample_weight=weight) for c in range(known)]
        assert mean == pytest.approx(np.mean(each))
    assert np.isnan(means[2])


def test_weighted_average_precision_with_ties():
    rng = np.random.default_rng(0)
    y, score = rng.integers(0, 2, 50), rng.integers(0, 8, 50) / 8.0
    weights = rng.integers(0, 3, (4, 50)).astype(float)
    means = mean_average_precision(y, np.stack([-score, score], axis=1), weights)
    assert np.allclose(means, [average_precision_score(y, score, sample_weight=w) for w in weights])


def test_tables_and_more_classes():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"v": rng.normal(size=240), "site": rng.choice(["a", "b"], 240)})
    y = np.where(frame["v"] > 0.7, "high", np.where(frame["site"] == "a", "low", "mid"))
    clf = cp.fit("mlp", frame, y, strategy="none", epochs=2, verbose=0)
    reasons = clf.explain(frame[:4])
    assert reasons.columns == ("v", "site")
    assert (clf.classes_[reasons.explained] == clf.classes_[clf.predict_proba(frame[:4]).argmax(axis=1)]).all()
    assert np.allclose(reasons.effects.sum(axis=1), reasons.log_odds - reasons.base, atol=1e-6)
    assert {one["columns"][0] for one in cp.explain(clf, frame, y, resamples=5)["columns"]} == {"v", "site"}
    pictures = keras.Input((4, 4, 1))
    model = keras.Model(pictures, keras.layers.Dense(1)(keras.layers.Flatten()(pictures)))
    images = rng.normal(size=(40, 4, 4, 1))
    adopted = cp.wrap(model, images, np.arange(40) % 2, output="logits")
    assert adopted.explain(images).shape == (40, 4, 4)
    with pytest.raises(OptionError, match="tables and arrays"):
        cp.explain(adopted, images, np.arange(40) % 2)


@pytest.mark.parametrize("columns", [3, 10])  # exact, and sampled
def test_a_named_label_of_several_is_explained(columns):
    """It has the effects of its own linear network; without a name, each row has those of its most probable label."""
    rng = np.random.default_rng(0)
    slopes = np.zeros((columns, 2), np.float32)
    slopes[:3] = [[1.5, 0.0], [-1.0, 0.5], [0.0, 2.0]]
    x = rng.normal(size=(300, columns)).astype(np.float32)
    y = (rng.random((300, 2)) < 1 / (1 + np.exp(-(x @ slopes)))).astype(int)
    inputs, outer = keras.Input((columns,)), keras.layers.Dense(2)
    model = keras.Model(inputs, outer(inputs))
    outer.set_weights([slopes, np.zeros(2, np.float32)])
    clf = cp.wrap(model, x, pl.DataFrame(y, schema=["a", "b"]), output="logits")
    away = x[:6] - x[100:120].mean(axis=0)
    for index, label in enumerate("ab"):
        reasons = clf.explain(x[:6], background=x[100:120], label=label)
        factor = np.polyfit(x @ slopes[:, index], log_odds(clf, x)[:, index], 1)[0]
        assert reasons.effects == pytest.approx(factor * slopes[:, index] * away, abs=1e-5)
        assert reasons.effects.sum(axis=1) == pytest.approx(reasons.log_odds - reasons.base, abs=1e-6)
        assert reasons.strongest(1)["reason_label"].to_list() == [label] * 6
    best = clf.explain(x[:6], background=x[100:120])
    assert best.explained.tolist() == clf.predict_proba(x[:6]).argmax(axis=1).tolist()
    with pytest.raises(OptionError, match=r"label is 'c'\. Expected one of a, b"):
        clf.explain(x[:6], label="c")
    with pytest.raises(OptionError, match=r"only for one class per row.*clf\.explain\(x, label=\.\.\.\)"):
        cp.explain(clf, x, y)


def test_a_class_that_is_named_is_explained():
    clf, x, _ = classifier(np.array([1.0, -1.0, 0.5]), hidden=True)
    both = [clf.explain(x[:3], background=x[10:15], label=label).effects for label in (0, 1)]
    assert both[0] == pytest.approx(-both[1], abs=1e-6)
