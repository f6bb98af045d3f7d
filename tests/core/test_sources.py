"""Sources are indexed as arrays are, and rows that are not in memory are never made up."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.errors import DataError
from counterpoise.core.sources import InMemoryRows, JoinedSource, SubsetSource

ROWS = np.arange(24.0).reshape(12, 2)


@pytest.mark.parametrize(
    "rows",
    [
        3,
        -1,
        slice(2, 9, 3),
        slice(None, None, -1),
        [4, 4, 0],
        np.array([5, -1, 5]),
        np.array([7, 0], np.uint8),
        np.arange(12) % 3 == 0,
        np.empty(0, np.int64),
    ],
    ids=str,
)
def test_an_index_means_what_it_means_for_an_array(rows):
    all_kept = InMemoryRows(ROWS, np.arange(12), 12)
    for source in (
        all_kept,
        SubsetSource(all_kept, np.arange(12)),
        JoinedSource([ROWS[:5], InMemoryRows(ROWS[5:], np.arange(7), 7)]),
    ):
        assert np.array_equal(source[rows], ROWS[rows])


@pytest.mark.parametrize("rows", [12, np.array([0, 12]), np.array([-13])])
def test_a_row_that_does_not_exist_is_an_index_error(rows):
    with pytest.raises(IndexError):
        InMemoryRows(ROWS, np.arange(12), 12)[rows]


def test_rows_have_the_numbers_of_the_larger_input():
    numbers = np.array([1, 2, 40, 99])
    kept = InMemoryRows(ROWS[:4], numbers, 100)
    assert kept.shape == (100, 2)
    assert np.array_equal(kept[numbers[::-1]], ROWS[:4][::-1])
    for absent in (0, 3, 98):
        with pytest.raises(DataError, match=f"Row {absent} is not in memory"):
            kept[np.array([1, absent])]
