"""Numbers per class are read by their labels wherever they name them."""

from __future__ import annotations

from collections import Counter

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import counterpoise as cp
from counterpoise import losses as L
from counterpoise.core.errors import CounterpoiseError, OptionError
from counterpoise.core.per_class import in_class_order

Y = np.repeat([0, 1, 2], [10, 90, 30])  # the order by size is 1, 2, 0
COUNTS = [10, 90, 30]
BY_LABEL = {
    "value_counts": pd.Series(Y).value_counts(),
    "value_counts of floats": pd.Series(Y.astype(float)).value_counts(),
    "value_counts of Int64": pd.Series(Y, dtype="Int64").value_counts(),
    "value_counts of categories": pd.Series(Y).astype("category").value_counts(),
    "value_counts of digits": pd.Series(Y.astype(str)).value_counts(),
    "value_counts of a frame": pd.DataFrame({"y": Y}).value_counts(),
    "as a frame": pd.Series(Y).value_counts().to_frame(),
    "as two columns": pd.Series(Y, name="y").value_counts().reset_index(),
    "groups": pd.DataFrame({"y": Y}).groupby("y").size().sort_values(),
    "polars": pl.Series("y", Y).value_counts(sort=True),
    "polars groups": pl.DataFrame({"y": Y}).group_by("y").len().sort("len"),
    "arrow": pc.value_counts(pa.array(Y[::-1])),
    "Counter": Counter(Y[::-1].tolist()),
    "dict": {2: 30, 0: 10, 1: 90},
}


@pytest.mark.parametrize("kind", BY_LABEL)
def test_counts_are_read_by_their_labels(kind):
    given = BY_LABEL[kind]
    assert in_class_order(given, "counts").tolist() == COUNTS
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    want = cp.compile_balanced(model, COUNTS, init_bias=True).loss.weights
    bias = np.array(model.layers[-1].bias)
    np.testing.assert_allclose(cp.compile_balanced(model, given, init_bias=True).loss.weights, want)
    np.testing.assert_allclose(model.layers[-1].bias, bias)
    for make in (L.LogitAdjusted, L.LDAM, L.ClassWeighted):
        np.testing.assert_array_equal(make(given)(Y[:4], np.zeros((4, 3))), make(COUNTS)(Y[:4], np.zeros((4, 3))))


def test_lists_arrays_and_plain_series_are_in_class_order():
    for given in (COUNTS, tuple(COUNTS), np.array(COUNTS), pd.Series(COUNTS), pl.Series(COUNTS)):
        assert np.asarray(in_class_order(given, "counts")).tolist() == COUNTS


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            pd.Series(["ill", "ok", "ok"]).value_counts(),
            "uses the label 'ok' as a key, but a model identifies classes by their codes",
        ),
        (pd.Series([-1, 1, 1]).value_counts(), "uses the label -1"),
        (pd.Series([0.5, 1]).value_counts(), "uses the label"),
        (pd.Series([0, 1, None]).value_counts(dropna=False), "missing label"),
        ({0: 5, "0": 6}, "names class '0' twice"),
        ({0: 5, 2: 6}, r"(?i)class 1"),
    ],
)
def test_labels_that_are_no_codes_are_refused(given, words):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(CounterpoiseError, match=words):
        cp.compile_balanced(model, given)


def test_weights_shares_and_costs_are_read_by_their_labels():
    y = np.array(["ok"] * 6 + ["ill"] * 2)
    share = pd.Series({"ok": 0.9, "ill": 0.1})
    np.testing.assert_allclose(cp.plans.to_prior(y, share).prior, [0.1, 0.9])
    np.testing.assert_allclose(cp.plans.cost(y, share).class_weights, cp.plans.cost(y, [0.1, 0.9]).class_weights)
    assert cp.class_weight(y, pd.Series({"ok": 1.0, "ill": 5.0})) == cp.class_weight(y, {"ok": 1.0, "ill": 5.0})
    assert L.ClassWeighted(cp.class_weight(Y)).weights.tolist() == [cp.class_weight(Y)[c] for c in range(3)]
    clf = cp.wrap(np.linspace(0.05, 0.6, 8), y[::-1] == "ok")
    np.testing.assert_allclose(
        clf.predict_proba([0.3], prior=pd.Series({True: 0.2, False: 0.8})), clf.predict_proba([0.3], prior=[0.8, 0.2])
    )
    with pytest.raises(OptionError, match="has no number for class 'ill'"):
        cp.plans.to_prior(y, {"ok": 1.0})
    with pytest.raises(OptionError, match="names 'bad', which is not a class"):
        cp.plans.to_prior(y, {"ok": 0.5, "bad": 0.5})


def test_counts_of_independent_labels_stand_in_the_order_of_the_columns():
    frame = pd.DataFrame({"dog": [1, 0, 0, 0], "cat": [1, 1, 1, 0]})
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    weights = cp.compile_balanced(model, frame.sum(), rows=4).loss.weights
    np.testing.assert_allclose(weights, cp.compile_balanced(model, [1, 3], rows=4).loss.weights)
