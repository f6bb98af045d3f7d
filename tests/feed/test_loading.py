"""Datasets in batches become arrays: every row once, whatever the form; no surprise in size or labels."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import counterpoise as cp
from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.feed.batching import batches
from counterpoise.feed.loading import dataset_kind, load

Y = (np.arange(240) % 8 == 0).astype("int32")
X = (np.random.default_rng(0).normal(size=(240, 3)) + 1.5 * Y[:, None]).astype("float32")
Dataset = tf.data.Dataset


class Batched(keras.utils.PyDataset):
    """40 rows at a time."""

    def __init__(self, count=6):
        super().__init__()
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        part = slice(index * 40, (index + 1) * 40)
        return X[part], Y[part][:, None]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dataset.from_tensor_slices((X, Y)),
        lambda: Dataset.from_tensor_slices((X, Y)).batch(50),
        lambda: Dataset.from_tensor_slices((X, np.eye(2, dtype="float32")[Y])).batch(50),
        lambda: Dataset.from_generator(
            lambda: zip(X, Y, strict=True), output_signature=(tf.TensorSpec(3), tf.TensorSpec((), tf.int32))
        ),
        Batched,
    ],
)
def test_every_row_comes_once_and_in_order(make):
    x, y, weight = load(make())
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)
    assert weight is None


def test_structures_text_and_weights():
    words = np.array(["héllo", "b"] * 120)
    x, _, weight = load(Dataset.from_tensor_slices(({"t": words, "n": X}, Y, np.arange(240.0))).batch(7))
    assert (x["t"].tolist(), x["n"].shape) == (words.tolist(), (240, 3))
    assert np.array_equal(weight, np.arange(240.0))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Dataset.from_tensor_slices((X, Y)).repeat(), DataError, "has no end; take one pass"),
        (lambda: Dataset.from_tensor_slices(X).batch(9), DataError, r"expected \(x, y\) or \(x, y, weight\)"),
        (lambda: Dataset.from_tensor_slices((X, X > 0)).batch(9), TargetError, r"y has shape \(240, 3\), but its rows"),
        (lambda: Dataset.from_tensor_slices((X[:0], Y[:0])).batch(9), DataError, "has no elements"),
        (lambda: batches(X, Y, plans.oversample(Y)), OptionError, "drawn by a plan; pass x and y"),
    ],
)
def test_what_cannot_be_read_is_said(make, error, words):
    with pytest.raises(error, match=words):
        load(make())


def test_too_large_is_refused_after_one_batch_where_the_number_is_known():
    with pytest.raises(DataError, match=r"holds more than the 0.0 GB .* cp.scan"):
        load(Batched(), limit=2000)
    assert dataset_kind(X) is None


@pytest.mark.parametrize("make", [Batched, lambda: Dataset.from_tensor_slices((X, Y)).batch(60)])
def test_fit_reads_it_and_the_card_says_so(make):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    clf = cp.fit(model, make(), strategy="oversample", epochs=2, engine="fit", verbose=0)
    assert clf.card["source"] == f"240 rows of a {dataset_kind(make())}, read into memory"
    same = cp.fit(model, X, Y, strategy="oversample", epochs=2, engine="fit", verbose=0)
    assert np.allclose(clf.predict_proba(X), same.predict_proba(X))
    with pytest.raises(OptionError, match="y does not go with a"):
        cp.fit(model, make(), Y)
