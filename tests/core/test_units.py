from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.units import Units, one_per_group, scores_of_rows, scores_of_units


def test_units_are_aggregated_as_by_hand():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 7, 50)
    codes[:7] = np.arange(7)
    values, y = rng.random((50, 3)), rng.integers(-1, 2, (50, 2))
    units = Units(codes, ("patient",))
    assert len(units) == 7
    for unit in range(7):
        mine = codes == unit
        assert units.mean(values)[unit] == pytest.approx(values[mine].mean(axis=0))
        assert units.largest(values)[unit] == pytest.approx(values[mine].max(axis=0))
        assert units.labels(y)[unit].tolist() == y[mine].max(axis=0).tolist()
        assert units.first[unit] == np.flatnonzero(mine)[0]


def test_units_of_some_rows_have_numbers_of_their_own_and_keep_their_rows():
    units = Units(np.array([3, 0, 0, 2, 1]), ("study",), "max").at(np.array([4, 0, 4]))
    assert units.codes.tolist() == [0, 1, 0]
    assert (units.columns, units.aggregate) == (("study",), "max")


def test_one_row_of_each_group_is_drawn_from_all_its_rows():
    groups, y = np.repeat(np.arange(40), 5), np.tile([0, 0, 1, 1, 1], 40)
    by_class, alone = (one_per_group(groups, y, by_class=b) for b in (True, False))
    assert len(by_class) == 80
    assert sorted(groups[alone]) == list(range(40))
    assert np.bincount(y[by_class]).tolist() == [40, 40]
    assert len(set((by_class % 5).tolist())) == 5, "not always the first row"
    assert np.mean([y[one_per_group(groups, y, False, seed)].mean() for seed in range(200)]) == pytest.approx(
        0.6, abs=0.02
    )


def test_scores_of_units_differ_from_those_of_rows():
    scores = {"y": 1, "unit_y": 2, "unit_guarantee_group": 3, "guarantee_y": 4}
    assert scores_of_units(scores) == {"y": 2, "guarantee_group": 3}
    assert scores_of_rows(scores) == {"y": 1, "guarantee_y": 4}
