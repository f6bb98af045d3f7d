"""Rows with several labels, dealt into parts."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.errors import SplitError
from counterpoise.core.examples import Examples
from counterpoise.data.label_split import split_by_labels
from counterpoise.data.split import hold_out, make_folds, without_rare_labels

RNG = np.random.default_rng(0)
Y = (RNG.random((400, 5)) < [0.4, 0.2, 0.1, 0.05, 0.02]).astype(np.int32)
Y[RNG.random(Y.shape) < 0.1] = -1
ROWS = Examples(np.arange(400.0)[:, None], Y, tuple("abcde"), kind="labels")


def test_every_part_has_its_share_of_every_label():
    part = split_by_labels(Y, None, [1.0] * 5, state=1)
    held = np.stack([(Y[part == p] == 1).sum(axis=0) for p in range(5)])
    assert np.ptp(held, axis=0).max() <= 2
    assert np.ptp(np.bincount(part)) <= 4
    assert np.array_equal(part, split_by_labels(Y, None, [1.0] * 5, state=1))
    assert not np.array_equal(part, split_by_labels(Y, None, [1.0] * 5, state=2))


def test_groups_stay_whole_and_labels_are_still_spread():
    groups = np.arange(400) // 4
    part = split_by_labels(Y, groups, [0.8, 0.2], state=0)
    assert all(len(set(part[groups == g])) == 1 for g in range(100))
    shares = [(Y[part == 1] == 1).sum(axis=0) / (Y == 1).sum(axis=0)]
    assert np.all(np.abs(shares[0] - 0.2) < 0.15)


def test_folds_and_held_out_rows_are_disjoint_and_complete():
    for fold in make_folds(ROWS, 3):
        rows = np.concatenate([fold.train, fold.stop, fold.test])
        assert np.array_equal(np.sort(rows), np.arange(400))
        assert min((Y[part] == 1).sum(axis=0).min() for part in (fold.train, fold.test)) >= 1
    train, held = hold_out(ROWS, 0.25)
    assert len(held) == pytest.approx(100, abs=8)
    assert len(train) + len(held) == 400


def test_a_label_that_folds_do_not_carry_is_named():
    rare = Y.copy()
    rare[:, 4] = 0
    rare[:2, 4] = 1
    rows = Examples(ROWS.x, rare, ROWS.classes, kind="labels")
    with pytest.raises(SplitError, match=r"label 'e' as 1 has 2 rows.*remove the label from the target"):
        make_folds(rows, 5)
    left = without_rare_labels(rows, 5)
    assert left.classes == tuple("abcd")
    assert left.y.shape == (400, 4)
    with pytest.raises(SplitError, match="Fewer than two labels"):
        without_rare_labels(Examples(ROWS.x, rare[:, 3:] * 0, ("d", "e"), kind="labels"))


def test_rows_without_a_label_are_spread_if_they_are_few():
    """Such as labels that are seldom recorded as absent: every part needs both values."""
    y = Y.copy()
    y[:, 0] = np.where(np.arange(400) % 50 == 7, 0, np.where(Y[:, 0] == 1, 1, -1))  # 8 rows without label a
    for state in range(20):
        for shares in ([1.0] * 5, [0.8, 0.2]):
            part = split_by_labels(y, None, shares, state)
            assert min((y[part == p, 0] == 0).sum() for p in range(len(shares))) >= 1
        rows = Examples(ROWS.x, y, ROWS.classes, kind="labels")
        train, held = hold_out(rows, 0.2, state)
        assert (y[train, 0] == 0).sum() >= 4
        assert (y[held, 0] == 0).sum() >= 1
        make_folds(rows, 5, seed=state)


def test_a_label_of_too_few_groups_is_left_out_by_name():
    y, groups = Y.copy(), np.arange(400) // 4
    y[:, 4] = np.isin(groups, (3, 30, 60))
    rows = Examples(ROWS.x, y, ROWS.classes, kind="labels", groups=groups)
    assert without_rare_labels(rows).classes == ROWS.classes
    left = without_rare_labels(rows, 4)
    assert left.classes == tuple("abcd")
    assert left.warnings[-1].startswith(
        "The label 'e' was left out. Its rarer value (1 or 0) occurs in 12 rows of 3 groups, which is too few for 4 "
        "folds of whole groups."
    )
