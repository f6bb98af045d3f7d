from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.duplicates import count_duplicates, find_duplicates


def brute(rows):
    seen: dict = {}
    return [seen.setdefault(row, len(seen)) for row in rows]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "?"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 2), (5, 1, 2)])
def test_groups_equal_those_of_comparing_rows(dtype, shape):
    x = np.random.default_rng(1).integers(0, 2, (60, *shape)).astype(dtype)
    assert find_duplicates(x).tolist() == brute([row.tobytes() for row in x])


def test_nan_equals_nan_and_zero_equals_minus_zero():
    x = np.array([[np.nan, 0.0], [np.nan, -0.0], [0.0, np.nan]], dtype=np.float32)
    assert find_duplicates(x).tolist() == [0, 0, 1]


def test_parts_count_together():
    x = {"a": np.array([[1.0], [1.0], [1.0]]), "b": np.array([[1], [2], [1]])}
    assert find_duplicates(x).tolist() == [0, 1, 0]
    swapped = (np.array([[1], [2]]), np.array([[2], [1]]))
    assert find_duplicates(swapped).tolist() == [0, 1]


def test_text_has_duplicates_and_objects_have_none():
    assert find_duplicates(np.array(["hi", "ho", "hi"])).tolist() == [0, 1, 0]
    assert find_duplicates(np.array([{}, {}], dtype=object)) is None


def test_blocks_do_not_matter(monkeypatch):
    x = np.random.default_rng(2).integers(0, 2, (50, 6)).astype(np.float32)
    whole = find_duplicates(x)
    monkeypatch.setattr("counterpoise.core.duplicates._CHUNK_WORDS", 7)
    assert np.array_equal(find_duplicates(x), whole)


def test_many_different_rows_stay_different():
    x = np.arange(200_000, dtype=np.float32).reshape(-1, 2)
    assert len(np.unique(find_duplicates(x))) == 100_000


def test_counts_of_repeats_and_conflicts():
    x = np.array([[1], [1], [2], [3], [3], [3]])
    assert count_duplicates(find_duplicates(x), np.array([0, 1, 0, 1, 1, 1])) == (3, 2)
    assert count_duplicates(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)) == (0, 0)
