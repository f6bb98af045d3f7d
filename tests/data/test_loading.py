"""Datasets in batches become arrays: every row once, whatever the form; no surprise in size or labels."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import counterpoise as cp
from counterpoise import plans
from counterpoise.classifier.evaluation import evaluate
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.data import loading
from counterpoise.data.loading import dataset_kind, has_single_elements, load, load_features
from counterpoise.data.read import read
from counterpoise.feed.batching import batches

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
        (lambda: Dataset.from_tensor_slices((X, Y)).repeat(), DataError, "has no end. Expected one pass"),
        (lambda: Dataset.from_tensor_slices(X).batch(9), DataError, r"Expected \(x, y\) or \(x, y, weight\)"),
        (lambda: Dataset.from_tensor_slices((X, X)).batch(9), TargetError, "numbers that are not classes"),
        (
            lambda: Dataset.from_tensor_slices((X, (Y, Y))).batch(9),
            TargetError,
            r"several outputs.*cp\.compile_balanced",
        ),
        (lambda: Dataset.from_tensor_slices((X[:0], Y[:0])).batch(9), DataError, "has no elements"),
        (lambda: batches(X, Y, plans.oversample(Y)), OptionError, "A sampling plan was already applied"),
    ],
)
def test_what_cannot_be_read_is_reported(make, error, words):
    with pytest.raises(error, match=words):
        load(make())


def test_several_labels_of_a_dataset_stay_zeros_and_ones():
    several = np.stack([Y, 1 - Y, np.where(np.arange(240) % 3, 1, -1)], axis=1)
    assert np.array_equal(load(Dataset.from_tensor_slices((X, several)).batch(9))[1], several)


@pytest.mark.parametrize("shape", [(40, 4, 4), (40, 4, 4, 1), (40, 5)])
def test_classes_of_elements_stay_as_a_dataset_has_them(shape):
    codes = np.arange(np.prod(shape)).reshape(shape) % 4 - 1
    x = np.zeros((40, 4, 4, 1), np.float32)
    assert np.array_equal(load(Dataset.from_tensor_slices((x, codes)).batch(9))[1], codes)


FORMS = {
    "rows": Dataset.from_tensor_slices(X),
    "batches": Dataset.from_tensor_slices(X).batch(50),
    "rows and labels": Dataset.from_tensor_slices((X, Y)),
    "batches and labels": Dataset.from_tensor_slices((X, Y)).batch(50, drop_remainder=False),
    "one-hot rows": Dataset.from_tensor_slices((X, np.eye(2)[Y])),
    "weights": Dataset.from_tensor_slices((X, Y, np.ones(240))).batch(7),
}


@pytest.mark.parametrize("form", [*FORMS, "PyDataset"])
def test_features_come_once_and_in_order_whatever_stands_beside_them(form):
    dataset = FORMS.get(form) or Batched()
    assert np.array_equal(load_features(dataset, (3,)), X)


@pytest.mark.parametrize(
    ("shapes", "row", "single"),
    [
        (((3,), ()), None, True),
        (((None, 3), (None,)), None, False),
        (((32, 3), (32,)), None, False),
        (((28, 28), (10,)), None, True),
        (((3,), (3,)), None, True),
        ((({"a": ()}), ()), None, True),
        ((({"a": (32,)}), (32,)), None, False),
        ((3,), (3,), True),
        ((None, 3), (3,), False),
        ((), (1,), True),
        ((1,), (1,), True),
        ((None,), (1,), False),
        (((8, 8, 1), (8, 8)), (8, 8, 1), True),
        (((None, None, 3), (None, None, 1)), (None, None, None), True),
        (((None, 12, 12), (None,)), (None, None, None), False),  # gray images
        (((8, 12, 12), (8,)), (None, None, None), False),
        (((8, 12, 12), (8, 12, 12)), (None, None, None), False),
        (((12, 12, 3), (2,)), (None, None, None), True),
        (((8, 8, 1), (8, 8)), (8, 1), False),
        (((None, 8, 8), (None,)), (8, 8, 1), False),
        (((4, 8, 8, 1), (4, 8, 8)), (8, 8, 1), False),
    ],
)
def test_rows_differ_from_batches_by_their_shapes(shapes, row, single):
    def spec(shape):
        if isinstance(shape, dict):
            return {name: spec(part) for name, part in shape.items()}
        return tuple(map(spec, shape)) if shape and isinstance(shape[0], (tuple, dict)) else tf.TensorSpec(shape)

    assert has_single_elements(spec(shapes), row) is single


@pytest.mark.parametrize(
    "given", [lambda: ((X, Y) for _ in range(2)), lambda: iter([(X, Y)]), lambda: map(np.asarray, (X, Y))]
)
def test_generators_of_python_are_refused_before_any_talk_of_labels(given):
    with pytest.raises(DataError, match=r"can be read only once .* from_generator\(\.\.\.\)\.take\(steps\)"):
        read(given())


def test_a_generator_without_an_end_stops_with_a_line(monkeypatch):
    monkeypatch.setattr(loading, "MOST_UNKNOWN", 400)

    def forever():
        while True:
            yield X[0], 0

    endless = Dataset.from_generator(forever, output_signature=(tf.TensorSpec(3), tf.TensorSpec((), tf.int32)))
    for work in (
        load,
        cp.diagnose,
        cp.weight_map,
        lambda d: load_features(d, (3,)),
        lambda d: cp.weight_map(d.batch(8)),
    ):
        with pytest.raises(DataError, match=r"did not end after [45]\d\d rows.*take"):
            work(endless)
    assert len(load(endless.take(300))[1]) == 300


def test_a_trained_classifier_reads_datasets_as_it_reads_arrays():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    clf = cp.fit(model, X, Y, epochs=2, verbose=0)
    for form in ("rows", "batches", "one-hot rows", "weights"):
        assert np.array_equal(clf.predict_proba(FORMS[form]), clf.predict_proba(X))
        assert np.array_equal(clf.predict(FORMS[form]), clf.predict(X))
    weight = np.linspace(0.5, 2, 60)
    weighed = Dataset.from_tensor_slices((X[:60], Y[:60], weight)).batch(50)
    assert evaluate(clf, weighed, resamples=5) == evaluate(clf, X[:60], Y[:60], sample_weight=weight, resamples=5)
    wrapped = [cp.wrap(model, *rows).predict_proba(X) for rows in ((X, Y), (FORMS["batches and labels"],))]
    assert np.array_equal(*wrapped)
    with pytest.raises(OptionError, match="wrap"):
        cp.wrap(model, FORMS["weights"])
    with pytest.raises(DataError, match="gives x alone"):
        evaluate(clf, FORMS["batches"])


@pytest.mark.parametrize("shapes", [True, False])
def test_single_images_are_read_as_batches_of_them_are(shapes):
    """Whatever an image has: a class or a mask; and whether the dataset knows the shapes or not."""
    images = np.random.default_rng(0).random((24, 6, 6, 1)).astype("float32")
    masks = (images[..., 0] > 0.8).astype("int32")
    flat = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")])
    pixels = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(1, 3, padding="same")])
    for model, y in ((flat, np.arange(24) % 3 // 2), (pixels, masks), (pixels, masks[..., None])):
        single = Dataset.from_tensor_slices((images, y))
        if not shapes:
            single = Dataset.from_generator(lambda y=y: zip(images, y, strict=True), (tf.float32, tf.int32))
        how = {"epochs": 1, "verbose": 0}
        clf, same = (cp.fit(model, data, **how) for data in (single, single.batch(7)))
        assert len(clf.predict(single)) == 24
        assert np.array_equal(clf.predict_proba(single), same.predict_proba(images))
        assert evaluate(clf, single, resamples=3) == evaluate(clf, images, y, resamples=3)
        cp.fit(model, images, y, validation=single, **how)
        board = cp.compare(model, single, strategies="none", folds=2, **how).leaderboard
        assert board[0]["status"] == "ok"
    with pytest.raises(DataError, match=r"shapes \(6, 6, 1\) and \(6, 6, 1\), which may be one image with its mask"):
        cp.diagnose(single)
    assert cp.diagnose(single.batch(4), quick=False).record.rows == 24


def test_diagnose_reads_a_dataset():
    diagnosis, same = (cp.diagnose(*rows, quick=False) for rows in ((FORMS["one-hot rows"],), (X, Y)))
    assert diagnosis.record.imbalance_ratio == same.record.imbalance_ratio


def test_the_size_of_single_rows_is_not_taken_for_that_of_batches():
    assert len(load(FORMS["rows and labels"], limit=2 * X.nbytes)[1]) == 240


def test_too_large_is_refused_after_one_batch_where_the_number_is_known():
    with pytest.raises(DataError, match=r"Expected at most 0.0 GB.* cp.scan"):
        load(Batched(), limit=2000)
    assert dataset_kind(X) is None


@pytest.mark.parametrize("make", [Batched, lambda: Dataset.from_tensor_slices((X, Y)).batch(60)])
def test_fit_reads_it_and_the_card_says_so(make):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    clf = cp.fit(model, make(), strategy="oversample", epochs=2, engine="fit", verbose=0)
    assert clf.card["source"] == f"240 rows of a {dataset_kind(make())}, read into memory"
    same = cp.fit(model, X, Y, strategy="oversample", epochs=2, engine="fit", verbose=0)
    assert np.allclose(clf.predict_proba(X), same.predict_proba(X))
    with pytest.raises(OptionError, match="y was given with a"):
        cp.fit(model, make(), Y)
