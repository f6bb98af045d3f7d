"""Laws of feeds: every row, in any input, drawn by (seed, epoch, step) alone."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError
from counterpoise.feed.batching import batches

sizes = st.lists(st.integers(1, 40), min_size=2, max_size=4)


def labels(counts, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def seen(feed, epoch=0):
    return np.concatenate([feed.rows(epoch, k) for k in range(feed.num_batches)])


@given(sizes, st.integers(1, 50), st.integers(0, 4))
def test_an_epoch_of_batches_is_the_epoch_of_the_plan(counts, batch_size, epoch):
    y = labels(counts)
    plan = plans.oversample(y)
    feed = batches(np.arange(len(y)), y, plan, batch_size=batch_size, seed=3)
    assert seen(feed, epoch).tolist() == plan.rows(epoch, 3).tolist()
    assert feed.num_batches == -(-len(plan) // batch_size)
    for step in range(feed.num_batches):
        batch = feed.batch(epoch, step)
        assert batch.x.tolist() == batch.rows.tolist()
        assert batch.y.tolist() == y[batch.rows].tolist()


@given(sizes, st.integers(1, 50), st.integers(0, 200))
def test_resuming_at_a_step_equals_the_uninterrupted_run(counts, batch_size, start):
    y = labels(counts)
    feed = batches(np.arange(len(y)), y, plans.oversample(y), batch_size=batch_size)
    whole, later = feed.endless(), feed.endless(start)
    for k in range(3):
        assert whole[start + k][0].tolist() == later[k][0].tolist()


def test_without_a_plan_every_row_comes_once_an_epoch():
    feed = batches(np.arange(10), batch_size=4)
    assert sorted(seen(feed)) == list(range(10))
    assert len(feed[0]) == 1


def test_fewer_rows_than_one_batch_are_one_batch():
    feed = batches(np.arange(3), np.array([0, 1, 1]), batch_size=256)
    assert feed.num_batches == 1
    assert len(feed[0][0]) == 3
    with pytest.raises(OptionError, match="drop_last"):
        batches(np.arange(3), batch_size=256, drop_last=True)


def test_drop_last_leaves_out_the_short_batch():
    feed = batches(np.arange(10), batch_size=4, drop_last=True)
    assert [len(feed[k][0]) for k in range(feed.num_batches)] == [4, 4]


def test_keras_moves_the_epoch_on_and_an_index_beyond_it_is_the_next_epoch():
    feed = batches(np.arange(20), np.arange(20) % 2, batch_size=5)
    ahead = feed[feed.num_batches][0]
    feed.on_epoch_end()  # one that never began
    feed.on_epoch_begin()
    feed.on_epoch_end()
    assert feed[0][0].tolist() == ahead.tolist()


STORES = {
    "array": lambda x: x,
    "columns": lambda x: np.asfortranarray(x),
    "sparse": scipy.sparse.csc_matrix,
    "sparse array": scipy.sparse.coo_array,
    "pandas": pd.DataFrame,
    "polars": lambda x: pl.DataFrame(x, schema=[f"x{i}" for i in range(x.shape[1])]),
    "tensor": tf.constant,
}


@pytest.mark.parametrize("name", STORES)
def test_any_store_gives_the_same_batches(name):
    x, y = np.random.default_rng(0).normal(size=(30, 3)).astype("float32"), labels([25, 5])
    plan = plans.oversample(y)
    want, got = batches(x, y, plan, 16), batches(STORES[name](x), y, plan, 16)
    for k in range(want.num_batches):
        assert np.array_equal(want[k][0], got[k][0])
    for a, b in zip(want.as_dataset(epochs=1), got.as_dataset(epochs=1), strict=True):
        assert np.array_equal(a[0], b[0])


def test_memory_maps_and_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    x, y = np.random.default_rng(0).normal(size=(30, 4, 2)), labels([25, 5])
    np.save(tmp_path / "x.npy", x)
    plan = plans.oversample(y)
    want = batches(x, y, plan, 16)
    mapped = batches(np.load(tmp_path / "x.npy", mmap_mode="r"), y, plan, 16)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        stored = batches(file["x"], y, plan, 16)
        for k in range(want.num_batches):
            assert np.array_equal(want[k][0], mapped[k][0])
            assert np.array_equal(want[k][0], stored[k][0])
    assert not isinstance(mapped[0][0], np.memmap)


def test_files_are_loaded_when_they_are_drawn(tmp_path):
    paths = []
    for i in range(6):
        paths.append(str(tmp_path / f"{i}.npy"))
        np.save(paths[-1], np.full((2, 2), i))
    y = np.array([0, 0, 0, 0, 0, 1])
    feed = batches(paths, y, plans.oversample(y), 4, load=np.load)
    for k in range(feed.num_batches):
        batch = feed.batch(0, k)
        assert np.array_equal(batch.x[:, 0, 0], batch.rows)


def test_frames_of_mixed_columns_are_dicts_of_columns():
    feed = batches(pd.DataFrame({"a": [1.0, 2.0], "b": ["u", "v"]}), np.array([0, 1]))
    x, _ = feed[0]
    assert set(x) == {"a", "b"}
    assert sorted(x["b"]) == ["u", "v"]


def test_text_labels_become_the_codes_of_the_plan():
    y = np.array(["no", "yes", "no", "maybe"])
    plan = plans.oversample(y, classes=["yes", "no", "maybe"])
    batch = batches(np.arange(4), y.tolist(), plan).batch(0, 0)
    assert batch.y.tolist() == plan.codes[batch.rows].tolist()
    alone = batches(np.arange(4), pd.Series(y, dtype="object")).batch(0, 0)
    assert alone.y.tolist() == np.array([1, 2, 1, 0])[alone.rows].tolist()


@given(st.integers(1, 12), st.integers(1, 30))
def test_small_classes_are_walked_through_before_a_row_comes_again(rare, steps):
    y = np.array([0] * 40 + [1] * rare)
    plan = plans.quota(y, {0: 2, 1: 3}, steps=steps)
    walk = np.concatenate([plan.rows(e, 5).reshape(steps, 5) for e in range(4)])
    times = np.zeros(len(y), int)
    for batch in walk:
        np.add.at(times, batch, 1)
        assert np.ptp(times[40:]) <= 1


def test_weights_of_the_plan_and_your_own_multiply_and_have_mean_one():
    y = labels([30, 10])
    own = np.random.default_rng(0).uniform(0.5, 2, len(y))
    feed = batches(np.arange(len(y)), y, plans.class_weight(y), 8, sample_weight=own)
    got = np.concatenate([feed[k][2] for k in range(feed.num_batches)])
    want = plans.class_weight(y, sample_weight=own).weights()
    assert got.mean() == pytest.approx(1, abs=1e-5)
    assert np.ptp((want * 1.0)[seen(feed)] / got) < 0.7  # same order of size; the base population differs
    assert len(batches(np.arange(4), np.array([0, 0, 1, 1]))[0]) == 2


def test_weights_are_given_once():
    y = labels([6, 3])
    for plan in (plans.uniform(y, sample_weight=np.ones(9)), plans.per_group(y, y)):
        with pytest.raises(OptionError, match="after it was made"):
            batches(y, y, plan, sample_weight=np.ones(9))


def test_weights_of_0_may_leave_out_values_of_a_number():
    feed = batches(np.zeros(3), np.array([2.5, 7.0, 2.5]), sample_weight=[1, 0, 1])
    assert sorted(feed[0][2]) == pytest.approx([0, 1.5, 1.5])


def test_extras_travel_along():
    y, groups = labels([20, 4]), np.arange(24) // 2
    feed = batches(np.arange(24), y, plans.oversample(y), 8, extras={"group": groups})
    batch = feed.batch(0, 1)
    assert batch.extras["group"].tolist() == groups[batch.rows].tolist()
    last = list(feed.as_dataset(epochs=1, extras=True))[-1]
    assert last[-1]["group"].numpy().tolist() == groups[last[0].numpy()].tolist()


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(workers):
    y = labels([60, 8])
    x = np.random.default_rng(0).normal(size=(68, 3)).astype("float32")

    def losses(count):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        feed = batches(x, y, plans.undersample(y), 4, workers=count)
        return model.fit(feed, epochs=3, verbose=0, shuffle=False).history["loss"], feed.epoch

    assert losses(workers) == losses(1)
    assert losses(workers)[1] == 3


def test_fit_sees_fresh_rows_each_epoch_and_all_of_them_in_the_end():
    y = labels([60, 6])
    met = []

    class Noting(keras.layers.Layer):
        def call(self, x):
            tf.py_function(lambda v: met.extend(v.numpy().ravel().tolist()), [x], [])
            return x

    model = keras.Sequential([keras.Input((1,)), Noting(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.arange(len(y), dtype="float32")[:, None]
    model.fit(batches(x, y, plans.undersample(y), 4), epochs=10, verbose=0)
    assert set(met) == set(range(len(y)))


def test_two_inputs_and_token_sequences_train_from_feeds_and_datasets():
    rng = np.random.default_rng(0)
    y = labels([60, 8])
    x = {"image": rng.normal(size=(68, 8, 8, 1)).astype("float32"), "table": rng.normal(size=(68, 3)).astype("float32")}
    image, table = keras.Input((8, 8, 1), name="image"), keras.Input((3,), name="table")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(image), table])
    two = keras.Model({"image": image, "table": table}, keras.layers.Dense(2)(joined))
    tokens = rng.integers(0, 20, (68, 7))
    sequence = keras.Sequential(
        [keras.Input((7,), dtype="int64"), keras.layers.Embedding(20, 4), keras.layers.GlobalAveragePooling1D(),
         keras.layers.Dense(2)]
    )  # fmt: skip
    for model, data in ((two, x), (sequence, tokens)):
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        feed = batches(data, y, plans.oversample(y), 16)
        model.fit(feed, epochs=2, verbose=0)
        model.fit(feed.as_dataset().prefetch(2), epochs=2, steps_per_epoch=feed.num_batches, verbose=0)


def test_datasets_hold_the_same_batches_as_the_feed():
    y = labels([60, 8])
    x = {"a": np.arange(68.0), "b": np.arange(68.0)[:, None] ** 2}
    feed = batches(x, y, plans.class_weight(y), 16)
    for k, batch in enumerate(feed.as_dataset(epochs=2)):
        want = feed.batch(*divmod(k, feed.num_batches))
        assert np.array_equal(batch[0]["b"], want.x["b"])
        assert np.array_equal(batch[2], want.weight)
    assert int(feed.as_dataset().cardinality()) == tf.data.INFINITE_CARDINALITY
    later = next(iter(feed.as_dataset(start=7)))
    assert np.array_equal(later[0]["a"], feed.batch(*divmod(7, feed.num_batches)).x["a"])


@given(sizes, st.integers(1, 5))
@settings(max_examples=40)
def test_quotas_are_exact_in_every_batch(counts, epochs):
    y = labels(counts)
    wanted = {code: 1 + code for code in range(len(counts))}
    feed = batches(np.arange(len(y)), y, quota=wanted, seed=1)
    drawn = {code: [] for code in wanted}
    for epoch in range(epochs):
        for step in range(feed.num_batches):
            rows = feed.rows(epoch, step)
            assert np.bincount(y[rows], minlength=len(counts)).tolist() == list(wanted.values())
            for code in wanted:
                drawn[code].append(np.sort(rows[y[rows] == code]))
    for code, n in enumerate(counts):
        times = np.bincount(np.concatenate(drawn[code]), minlength=len(y))[y == code]
        assert np.ptp(times) <= 1, n


def test_equal_quota_shares_the_batch_and_knows_its_prior():
    y = labels([60, 6, 3])
    feed = batches(np.arange(69), y, quota="equal", batch_size=16)
    assert feed.batch_size == 15
    assert feed.plan.prior == pytest.approx(np.full(3, 1 / 3))
    assert len(feed.plan) == 5 * 15


def test_augmentation_is_a_pure_function_and_no_repeat_looks_alike():
    x = np.random.default_rng(0).uniform(size=(12, 8, 8, 1)).astype("float32")
    y = np.array([0] * 10 + [1] * 2)
    layer = keras.layers.RandomTranslation(0.4, 0.4, seed=1)
    feed = batches(x, y, plans.oversample(y), 20, augment=layer)
    first, again = feed.batch(0, 0), feed.batch(0, 0)
    assert np.array_equal(first.x, again.x)
    assert not np.array_equal(first.x, feed.batch(1, 0).x)
    repeats = first.x[first.rows == 11]
    assert len(repeats) == 5
    assert len({one.tobytes() for one in repeats}) == 5


def test_augmenting_only_repeats_warns_and_asks_for_calibration():
    x, y = np.ones((12, 8, 8, 1), "float32"), np.array([0] * 10 + [1] * 2)
    with pytest.warns(UserWarning, match="cue|traces"):
        feed = batches(x, y, plans.oversample(y), 20, augment=("repeats", keras.layers.RandomBrightness(0.5, (0, 1))))
    assert feed.needs_calibration
    batch = feed.batch(0, 0)
    changed = np.any(batch.x != 1, axis=(1, 2, 3))
    assert not changed[batch.y == 0].any()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: batches(np.zeros(3), np.zeros(2)), DataError, "x has 3, y has 2"),
        (lambda: batches({"a": np.zeros(3), "b": np.zeros(2)}), DataError, "input 'a' has 3, input 'b' has 2"),
        (lambda: batches(np.zeros(3), np.zeros(3), plans.uniform([0, 1])), DataError, "made for 2 rows"),
        (lambda: batches(np.zeros((0, 2))), DataError, "no rows"),
        (lambda: batches(3), DataError, "without rows"),
        (lambda: batches([[1, 2], [3]]), DataError, "different lengths"),
        (lambda: batches(np.zeros(3), batch_size=0), OptionError, "batch_size is 0"),
        (
            lambda: batches(np.zeros(3), [0, 1, 1], plans.uniform([0, 1, 1]), quota="equal"),
            OptionError,
            "cannot be combined",
        ),
        (lambda: batches(np.zeros(3), [0, 1, 1], quota={0: 1}), OptionError, "Class 1 has no quota"),
        (lambda: batches(np.zeros(3), [0, 1, 1], quota="equal", batch_size=1), OptionError, "at least 2 rows"),
        (lambda: batches(np.zeros(3), quota="equal"), OptionError, "Pass the labels"),
        (lambda: batches(np.zeros(3), [0, 1, 1], augment="flip"), OptionError, "Keras layers such as"),
        (lambda: batches("a.png", load=len), DataError, "list of items"),
        (lambda: batches(np.zeros(3), [0, 1, 1], sample_weight=[1, 0, 0]), DataError, "removes the class"),
        (lambda: batches(np.zeros(2), np.array(["a", "b"]), sample_weight=[1, 0]), DataError, "removes the class"),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("form", ["codes", "column", "one_hot", "text"])
def test_rows_made_by_a_plan_are_fed_behind_the_given_ones(form):
    rng = np.random.default_rng(0)
    y = labels([40, 10])
    x = {"a": rng.normal(size=(50, 2)).astype("float32"), "b": rng.normal(size=(50, 2, 2)).astype("float32")}
    target = {"codes": y, "column": y[:, None], "one_hot": np.eye(2)[y], "text": np.array(["no", "yes"])[y]}[form]
    feed = batches(x, target, plans.synthesize(target), 16, seed=2)
    drawn = [feed.batch(0, k) for k in range(feed.num_batches)]
    rows = np.concatenate([batch.rows for batch in drawn])
    assert sorted(rows) == list(range(80))
    given = np.concatenate([batch.x["b"] for batch in drawn])[rows < 50]
    assert np.array_equal(given, x["b"][rows[rows < 50]])
    assert drawn[0].y.shape[1:] == target.shape[1:]
    made = np.concatenate([batch.y for batch in drawn])[rows >= 50]
    assert np.array_equal(made, np.broadcast_to(1 if form == "text" else target[y == 1][0], made.shape))
    for batch, want in zip(feed.as_dataset(epochs=1), drawn, strict=True):
        assert np.array_equal(batch[0]["a"], want.x["a"])


def test_a_plan_that_cleans_feeds_what_it_keeps():
    x, y = np.random.default_rng(0).normal(size=(60, 2)), labels([50, 10])
    plan = plans.clean(y, "enn")
    assert sorted(seen(batches(x, y, plan, 8))) == plan.kept(x).tolist()
    with pytest.raises(OptionError, match="have no group"):
        batches(x, y, plans.synthesize(y), 8, extras={"group": y})


def test_labels_in_a_tuple_are_labels_and_arrays_in_a_tuple_are_outputs():
    x, y = np.arange(8.0)[:, None], (0, 0, 0, 0, 0, 0, 1, 1)
    plan = plans.oversample(y)
    given, want = (batches(x, labels, plan, batch_size=4) for labels in (y, np.array(y)))
    assert np.array_equal(given[0][1], want[0][1])
    two = batches(x, (np.array(y), np.array(y)), batch_size=4)
    assert len(two[0][1]) == 2
