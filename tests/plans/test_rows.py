"""Laws of draws and of counting labels, also at sizes where they take another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise import plans
from counterpoise.core.labels import count_codes
from counterpoise.plans.labels import by_class, codes_of
from counterpoise.plans.rows import permutation_part, shuffle, walk_block

keys = st.lists(st.integers(0, 2**64 - 1), min_size=8, max_size=8).map(lambda k: np.array(k, np.uint64))


@given(st.integers(1, 3000), keys)
def test_scattered_is_a_permutation(n, key):
    assert np.array_equal(np.sort(permutation_part(n, 0, n, key)), np.arange(n))


@given(st.integers(2, 3000), st.data(), keys)
def test_a_block_of_a_scattered_permutation_is_its_slice(n, data, key):
    start = data.draw(st.integers(0, n - 1))
    assert np.array_equal(permutation_part(n, start, n, key), permutation_part(n, 0, n, key)[start:])


def test_scattered_places_are_uniform_and_not_in_order():
    n, block = 40_000, 2_000
    places = np.concatenate([walk_block(n, block, epoch * 20, seed, "test") for seed in range(20) for epoch in (0, 1)])
    counts = np.histogram(places, bins=20, range=(0, n))[0]
    expected = len(places) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 45  # chi-square, 19 degrees: 0.9993 quantile
    assert abs(np.corrcoef(places[:block], np.arange(block))[0, 1]) < 0.1


@given(st.lists(st.integers(0, 2**31 - 1), max_size=50), st.sampled_from([np.int32, np.int64]), st.integers(0, 99))
def test_a_shuffle_keeps_what_it_orders(rows, kind, seed):
    out = np.array(rows, kind)
    shuffle(out, np.random.default_rng(seed))
    assert (out.dtype, sorted(out.tolist())) == (kind, sorted(rows))


def test_shuffled_orders_are_all_equally_likely():
    rng, orders = np.random.default_rng(0), {}
    for _ in range(4800):
        rows = np.arange(4, dtype=np.int32)
        shuffle(rows, rng)
        orders[tuple(rows.tolist())] = orders.get(tuple(rows.tolist()), 0) + 1
    counts = np.array(list(orders.values()))
    assert len(counts) == 24
    assert ((counts - 200) ** 2 / 200).sum() < 50  # chi-square, 23 degrees: 0.999 quantile


def test_large_classes_are_walked_through_before_a_row_comes_again():
    n, size = 20_000, 1_000
    seen = np.concatenate([walk_block(n, size, epoch, 3, "test") for epoch in range(20)])
    assert np.array_equal(np.sort(seen), np.arange(n))
    assert walk_block(n, size, 20, 3, "test").tolist() != walk_block(n, size, 0, 3, "test").tolist()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_row_numbers_by_class_are_those_of_a_stable_sort(codes):
    codes = np.array(codes, np.int32)
    for size in (10, 3):
        keys = codes % size
        got = by_class(keys, count_codes(keys, size), np.int32)
        assert got.tolist() == np.argsort(keys, kind="stable").tolist()


@pytest.mark.parametrize(
    "y",
    [
        np.array([-128, 127, 0], np.int8),
        np.array([2**63, 2**63 + 5], np.uint64),
        np.array([True, False, True]),
        np.array([5, 10**12]),
        np.array([1.0, 3.0, 1.0]),
        np.array(["b", "a"]),
        np.array([-(2**63), 2**63 - 1]),
    ],
)
def test_labels_and_codes_give_the_column_back(y):
    codes, labels = codes_of(y)
    assert [labels[c] for c in codes] == y.tolist()
    assert list(labels) == sorted(labels)
    assert codes.dtype == np.int32


def test_one_call_of_rows_takes_no_more_than_nine_bytes_a_drawn_row():
    import tracemalloc

    y = (np.arange(3_000_000) % 200 == 0).astype(np.int8)
    for make in (plans.uniform, plans.oversample, lambda y: plans.oversample(y, draw="replacement")):
        plan = make(y)
        tracemalloc.start()
        rows = plan.rows(0, 0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        fixed = 2 * 2**20  # chunks, whatever the size
        assert rows.nbytes == 4 * len(rows)
        assert peak < 9 * len(rows) + fixed
