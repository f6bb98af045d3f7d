"""Target shape x input kind x scheme: every way to the weights equals a loop over single elements."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import counterpoise as cp
from counterpoise.core.errors import DataError, OptionError, TargetError

sys.path.insert(0, str(Path(__file__).parents[1] / "plans"))
from target_cases import CASES, SCHEMES, loop


def rows_of(case) -> int:
    return len(next(iter(case.y.values())) if isinstance(case.y, dict) else case.y)


class Batches(keras.utils.PyDataset):
    def __init__(self, arrays, size=5):
        super().__init__()
        self.arrays, self.size = arrays, size

    @property
    def num_batches(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        return tuple({k: v[part] for k, v in a.items()} if isinstance(a, dict) else a[part] for a in self.arrays)


def by_arrays(case, scheme):
    return cp.sample_weight(case.y, scheme, case.mask, **case.options)


def by_dataset(case, scheme):
    arrays = arrays_of(case)
    data = tf.data.Dataset.from_tensor_slices(arrays).batch(5)
    weights = cp.weight_map(data, scheme, **case.options)
    return joined([w for _, _, w in data.map(weights)])


def by_pydataset(case, scheme):
    data = Batches(arrays_of(case))
    wrapped = cp.weight_map(data, scheme, **case.options).wrap(data)
    assert wrapped.num_batches == data.num_batches
    return joined([wrapped[i][2] for i in range(wrapped.num_batches)])


def arrays_of(case):
    x = np.zeros((rows_of(case), 1), "float32")
    return (x, case.y) if case.mask is None else (x, case.y, case.mask.astype("float32"))


def joined(parts):
    if isinstance(parts[0], dict):
        return {k: joined([p[k] for p in parts]) for k in parts[0]}
    return np.concatenate([np.asarray(p) for p in parts])


#: All schemes with arrays; the other ways add up and look up the same table, so two schemes tell.
TABLE = [
    pytest.param(name, scheme, way, id=f"{way.__name__[3:]}: {name}, {scheme}")
    for way in (by_arrays, by_dataset, by_pydataset)
    for name in CASES
    for scheme in (SCHEMES if way is by_arrays else ["balanced", "median_frequency"])
]


@pytest.mark.parametrize(("name", "scheme", "way"), TABLE)
def test_weights_equal_a_loop(name, scheme, way):
    got, want = way(CASES[name], scheme), loop(CASES[name], scheme)
    for key in want if isinstance(want, dict) else [None]:
        g, w = (got, want) if key is None else (got[key], want[key])
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, w, rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_mean_over_what_counts_is_one(name):
    weights = by_arrays(CASES[name], "balanced")
    for part in weights.values() if isinstance(weights, dict) else [weights]:
        assert part[part > 0].mean() == pytest.approx(1, rel=1e-6)


def test_validation_rows_get_the_weights_of_the_training_rows():
    weights = cp.weight_map([0] * 90 + [1] * 10)
    np.testing.assert_allclose(weights.weights([1, 1, 0]), [5, 5, 5 / 9], rtol=1e-6)
    np.testing.assert_allclose(weights(None, np.array([1]), np.array([2.0]))[2], [10.0])
    assert weights.class_weights() == cp.class_weight([0] * 90 + [1] * 10)
    assert weights.wrap((np.zeros(2), np.array([0, 1])))[2].tolist() == weights.weights([0, 1]).tolist()


def test_existing_weights_multiply_in_and_weight_2_is_the_row_twice():
    y, own = np.array([0, 0, 0, 1]), np.array([1, 2, 1, 1.0])
    twice = cp.sample_weight([0, 0, 0, 0, 1])
    one_row = cp.sample_weight(y, sample_weight=own)
    assert one_row.mean() == pytest.approx(1)
    assert one_row[3] / one_row[0] == pytest.approx(twice[4] / twice[0])
    assert one_row[1] == pytest.approx(2 * one_row[0])


def test_weights_reach_keras_as_they_are():
    """Loss of `evaluate` on a mapped dataset = the mean of weight x loss, by hand."""
    y = np.random.default_rng(0).choice(3, p=[0.8, 0.15, 0.05], size=(30, 4))
    x = np.random.default_rng(1).normal(size=(30, 4, 2)).astype("float32")
    inputs = keras.Input((4, 2))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(30)
    got = model.evaluate(cp.weight_map(data).wrap(data), verbose=0)
    z = np.asarray(model(x))
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_p, y[..., None], -1)[..., 0]
    assert got == pytest.approx(float((cp.sample_weight(y) * losses).mean()), rel=1e-5)


@pytest.mark.parametrize("kind", ["codes", "column", "one_hot", "text", "steps", "multi_label"])
def test_before_and_after_batching_the_weights_are_the_same(kind):
    rng = np.random.default_rng(0)
    codes = rng.choice(3, p=[0.7, 0.2, 0.1], size=40)
    y = {
        "codes": codes, "column": codes[:, None], "one_hot": np.eye(3)[codes], "text": np.array(["a", "b", "c"])[codes],
        "steps": rng.integers(0, 3, (40, 5)), "multi_label": rng.integers(0, 2, (40, 3)),
    }[kind]  # fmt: skip
    own, options = rng.random(40).astype("float32"), {"kind": kind} if kind == "multi_label" else {}
    weights = cp.weight_map(y, **options)
    rows = tf.data.Dataset.from_tensor_slices((np.zeros((40, 4)), y, own))
    before, after = (
        np.concatenate([w for _, _, w in data.as_numpy_iterator()])
        for data in (rows.map(weights).batch(16), rows.batch(16).map(weights))
    )
    np.testing.assert_allclose(before, after)
    np.testing.assert_allclose(after, weights.weights(y, own), rtol=1e-6)
    assert cp.weight_map(rows, **options).class_weights() == cp.weight_map(rows.batch(16), **options).class_weights()


def test_several_outputs_each_with_a_scheme_as_a_list_too():
    y = [np.array([0, 0, 1]), np.array([[1, 0], [0, 0], [0, 1]])]
    weights = cp.sample_weight(y, ["balanced", "sqrt"], kind=["auto", "multi_label"])
    np.testing.assert_allclose(weights[0], [0.75, 0.75, 1.5])
    assert weights[1].shape == (3, 2)
    data = tf.data.Dataset.from_tensor_slices((np.zeros(3), tuple(y))).batch(3)
    mapped = cp.weight_map(y, ["balanced", "sqrt"], kind=["auto", "multi_label"]).wrap(data)
    for got, want in zip(next(iter(mapped))[2], weights, strict=True):
        np.testing.assert_allclose(got, want)


def test_label_0_can_be_ignored_in_one_output_of_a_dataset():
    y = {"a": np.array([0, 0, 1, 2, 2]), "b": np.array([0, 1, 1, 1, 1])}
    data = tf.data.Dataset.from_tensor_slices((np.zeros(5), y)).batch(5)
    weights = next(iter(data.map(cp.weight_map(data, ignore={"a": 0, "b": None}))))[2]
    np.testing.assert_allclose(weights["a"], cp.sample_weight(y["a"], ignore=0))


@pytest.mark.parametrize(
    ("y", "bad", "words"),
    [
        ([0, 1, 1], [2], "A label has no weight"),
        (np.eye(2), [[1.0, 1.0]], "Rows are not one-hot"),
        (np.array(["a", "b"]), ["c"], "A label has no weight"),
    ],
)
def test_a_dataset_with_labels_that_have_no_weight_stops(y, bad, words):
    data = tf.data.Dataset.from_tensors((np.zeros(1), np.array(bad))).map(cp.weight_map(y))
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        next(iter(data))


def test_bad_datasets_are_refused():
    data = tf.data.Dataset.from_tensors((np.zeros(1), np.array([0]))).repeat()
    with pytest.raises(DataError, match="has no end"):
        cp.weight_map(data)
    with pytest.raises(DataError, match=r"Expected batches \(x, y\)"):
        cp.weight_map(tf.data.Dataset.from_tensors(np.zeros(1)))
    with pytest.raises(OptionError, match="third entry of each batch"):
        cp.weight_map(data.take(1), mask=[1])
    with pytest.raises(DataError, match=r"Expected a tf\.data"):
        cp.weight_map([0, 1]).wrap([1, 2])
    with pytest.raises(DataError, match=r"weights were made for the outputs \['a'\]"):
        cp.weight_map({"a": np.array([0, 1])}).weights(np.array([0, 1]))
    with pytest.raises(TargetError, match="is not one of the classes that have a weight"):
        cp.weight_map([0, 1]).weights([2])


def test_errors_come_out_of_a_traced_function_as_they_are():
    weights = cp.weight_map({"a": np.array([0, 1])})
    data = tf.data.Dataset.from_tensors((np.zeros(1), np.array([0])))
    with pytest.raises(DataError, match=r"^The weights were made for the outputs \['a'\], but the target has no"):
        data.map(weights)
    with pytest.raises(DataError, match=r"made for the outputs \['a'\]"):  # TensorFlow rewrites this function
        data.map(lambda x, y: weights(x, y))


@pytest.mark.parametrize("whole", [True, False])
def test_an_output_without_weights_passes_through(whole):
    """Found from arrays or from a dataset; on arrays, tf.data and a PyDataset; Keras trains on all of them."""
    y = {"kind": np.array([0, 0, 0, 1, 0, 1]), "price": np.linspace(0, 1, 6)}
    x = np.zeros((6, 2), "float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    weights = cp.weight_map(y if whole else data, {"kind": "balanced", "price": None})
    assert weights.class_weights() == {"kind": cp.class_weight(y["kind"]), "price": None}
    inputs = keras.Input((2,))
    model = keras.Model(inputs, {k: keras.layers.Dense(1, name=k)(inputs) for k in y})
    model.compile(keras.optimizers.SGD(0.0), {"kind": keras.losses.BinaryCrossentropy(True), "price": "mse"})
    want = model.evaluate(x, y, sample_weight=cp.sample_weight(y, {"kind": "balanced", "price": None}), verbose=0)[0]
    for source in (data.unbatch().batch(6), Batches((x, y), 6), (x, y)):
        mapped = weights.wrap(source)
        loss = (
            model.evaluate(*mapped[:2], sample_weight=mapped[2], verbose=0)
            if isinstance(mapped, tuple)
            else model.evaluate(mapped, verbose=0)
        )
        assert loss[0] == pytest.approx(want, rel=1e-6)
    own = {"kind": np.ones(6), "price": np.arange(6.0)}
    np.testing.assert_array_equal(weights.weights(y, own)["price"], own["price"])


def test_missing_answers_are_ignored_in_a_dataset_as_in_arrays():
    y = np.array([[1, 0], [-1, 1], [0, -1], [1, 0], [0, 1]])
    want = cp.sample_weight(y, kind="multi_label", ignore=-1)
    data = tf.data.Dataset.from_tensor_slices((np.zeros(5), y)).batch(2)
    for weights in (
        cp.weight_map(y, kind="multi_label", ignore=-1),
        cp.weight_map(data, kind="multi_label", ignore=-1),
    ):
        np.testing.assert_allclose(joined([w for _, _, w in data.map(weights)]), want)


@pytest.mark.parametrize(
    ("y", "bad", "words"),
    [
        ([0, 1, 1], [0.5], "A label has no weight"),
        (np.eye(2), [[2.0, -1.0]], "Rows are not one-hot"),
        (np.eye(2), [[np.nan, 1.0]], "Rows are not one-hot"),
    ],
)
def test_a_dataset_with_labels_in_between_stops(y, bad, words):
    data = tf.data.Dataset.from_tensors((np.zeros(1), np.array(bad))).map(cp.weight_map(y))
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        next(iter(data))


def test_ragged_tensors_are_refused():
    ragged = tf.ragged.constant([[0, 0, 1], [0]])
    for call in (lambda: cp.sample_weight(ragged), lambda: cp.weight_map([0, 1]).weights(ragged)):
        with pytest.raises(TargetError, match="sequences of different lengths"):
            call()
