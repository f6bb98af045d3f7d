"""A converted forest or booster gives what its own library gives, for every kind of row."""

from __future__ import annotations

import keras
import lightgbm as lgb
import numpy as np
import pytest
from imblearn.ensemble import BalancedRandomForestClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from counterpoise.core.errors import ModelError
from counterpoise.forests.conversion import layer_of
from counterpoise.forests.tree_layer import portable

QUIET = {"verbosity": -1, "n_jobs": 1, "min_child_samples": 5, "min_data_per_group": 5, "cat_smooth": 1.0}


def rows(n=600, missing=True):
    """Numbers, tied numbers, categories of few and of many levels, and labels 0, 1, 2 that depend on all of them."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    x[:, 2] = np.round(x[:, 2], 1)
    x[:, 4], x[:, 5] = rng.integers(0, 9, n), rng.integers(0, 90, n)
    if missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    z = np.nan_to_num(x[:, 0]) + np.isin(x[:, 4], [1, 4]) - np.isnan(x[:, 1]) + np.isin(x[:, 5], np.arange(0, 90, 7))
    z = z + rng.normal(size=n) * 0.3
    return x, (z > 0.5).astype(int) + (z > 1.5)


X, Y = rows()
#: Rows that training did not see: categories out of range, huge and infinite numbers, all missing.
ODD = np.concatenate(
    [X, np.float32([[np.inf, -np.inf, 3e38, 0, -1, 500], [0, 0, 0, 0, 9, 8.0], [np.nan] * 6, [0.1] * 4 + [2, 1e9]])]
)


def boosted(y, **options):
    model = lgb.LGBMClassifier(n_estimators=12, **QUIET | options)
    return model.fit(X, y, categorical_feature=[4, 5])


@pytest.mark.parametrize("leaves", [7, 31, 60])
@pytest.mark.parametrize("classes", [2, 3])
def test_raw_scores_of_boosted_trees(leaves, classes):
    model = boosted(np.minimum(Y, classes - 1), num_leaves=leaves)
    layer = layer_of(model)
    assert layer.small == (leaves <= 31)
    assert layer.sets > 0, "the trees test categories"
    raw = model.booster_.predict(ODD, raw_score=True).reshape(len(ODD), -1)
    assert np.asarray(layer(ODD)) == pytest.approx(raw, abs=1e-5)


def test_both_forms_reach_the_same_leaf():
    layer = layer_of(boosted(np.minimum(Y, 1)))
    by_bits = np.asarray(layer(ODD))
    with portable(layer):
        assert layer.portable
        assert np.array_equal(by_bits, np.asarray(layer(ODD)))
    assert not layer.portable


@pytest.mark.parametrize("options", [{"use_missing": False}, {"boosting_type": "rf", "subsample": 0.7,
    "subsample_freq": 1}, {"sigmoid": 2.0}, {"is_unbalance": True}, {"boosting_type": "dart"}])  # fmt: skip
def test_probabilities_whatever_the_options(options):
    model = boosted(np.minimum(Y, 1), **options)
    p = keras.ops.sigmoid(layer_of(model)(ODD))
    assert np.asarray(p)[:, 0] == pytest.approx(model.predict_proba(ODD)[:, 1], abs=1e-6)


@pytest.mark.parametrize("make", [RandomForestClassifier, ExtraTreesClassifier, BalancedRandomForestClassifier])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("most", [20, None])
def test_probabilities_of_forests(make, classes, most):
    takes_nan = make is not BalancedRandomForestClassifier
    x, odd = (X, ODD) if takes_nan else (np.nan_to_num(X), np.nan_to_num(ODD, posinf=1e9, neginf=-1e9))
    odd = np.where(np.isinf(odd), np.float32(1e30), odd)  # scikit-learn refuses infinity
    forest = make(6, max_leaf_nodes=most, random_state=0).fit(x, np.minimum(Y, classes - 1))
    z = np.asarray(layer_of(forest)(odd))
    p = 1 / (1 + np.exp(-z[:, 0])) if classes == 2 else np.exp(z[:, -1])
    assert p == pytest.approx(forest.predict_proba(odd)[:, -1], abs=1e-6)


def test_a_row_on_a_threshold_goes_where_the_library_sends_it():
    """The thresholds themselves, and the float32 numbers next to them, as rows."""
    forest = RandomForestClassifier(5, random_state=0).fit(np.nan_to_num(X), np.minimum(Y, 1))
    cuts = np.unique(np.concatenate([one.tree_.threshold for one in forest.estimators_])).astype(np.float32)
    near = np.concatenate([cuts, np.nextafter(cuts, np.float32(-9)), np.nextafter(cuts, np.float32(9))])
    tied = np.repeat(near[:, None], X.shape[1], axis=1)
    p = 1 / (1 + np.exp(-np.asarray(layer_of(forest)(tied))[:, 0]))
    assert p == pytest.approx(forest.predict_proba(tied)[:, 1], abs=1e-6)


def test_saved_and_loaded(tmp_path):
    inputs = keras.Input((X.shape[1],))
    model = keras.Model(inputs, layer_of(boosted(np.minimum(Y, 1)), name="boosted")(inputs))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert np.array_equal(again(ODD), model(ODD))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lgb.LGBMRegressor(n_estimators=2, **QUIET).fit(X, Y), "objective 'regression'.*Expected a classifier"),
        (lambda: boosted(Y, objective="multiclassova"), "objective 'multiclassova'"),
        (lambda: boosted(np.minimum(Y, 1), zero_as_missing=True), "zero_as_missing=True"),
        (lambda: lgb.LGBMClassifier(n_estimators=2, linear_tree=True, **QUIET).fit(np.nan_to_num(X), Y > 0),
         "linear_tree=True"),
        (lambda: boosted(np.minimum(Y, 1), objective=lambda y, z: (z - y, np.ones_like(z))), "objective"),
        (lambda: object(), "object cannot become a Keras layer"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused_in_one_line(make, words):
    with pytest.raises(ModelError, match=words) as fault:
        layer_of(make())
    assert "\n" not in str(fault.value)
