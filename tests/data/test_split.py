"""Folds: every class in every part, groups and time whole, each row with one task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from counterpoise.core.errors import OptionError, SplitError
from counterpoise.core.examples import Examples
from counterpoise.core.units import Units
from counterpoise.data.given_split import Split, given_fold
from counterpoise.data.split import check_counts, hold_out, make_folds


def examples(sizes, **more):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
    return Examples(np.arange(len(y), dtype="float32")[:, None], y, tuple(f"c{i}" for i in range(len(sizes))), **more)


@pytest.mark.parametrize("sizes", [[200, 20], [100, 40, 7], [500, 5]])
def test_each_row_has_one_task_and_each_class_is_everywhere(sizes):
    data = examples(sizes)
    folds = make_folds(data, 5, repeats=2, seed=1)
    assert [(f.repeat, f.index) for f in folds] == [(r, k) for r in range(2) for k in range(5)]
    for fold in folds:
        parts = np.concatenate([fold.train, fold.stop, fold.test])
        assert np.array_equal(np.sort(parts), np.arange(len(data)))
        for code in range(len(sizes)):
            assert (data.y[fold.test] == code).sum() >= 1
            assert (data.y[fold.train] == code).sum() >= 2
            assert (data.y[fold.stop] == code).sum() >= 1
    for repeat in range(2):
        tested = np.concatenate([f.test for f in folds if f.repeat == repeat])
        assert np.array_equal(np.sort(tested), np.arange(len(data)))


def test_the_stopping_part_is_a_fifth_of_the_rest():
    fold = make_folds(examples([400, 100]), 5)[0]
    assert len(fold.stop) == pytest.approx(0.2 * 400, abs=2)


def test_seeds_repeat_and_differ():
    data = examples([60, 12])
    same, again, other = make_folds(data, 3, seed=1), make_folds(data, 3, seed=1), make_folds(data, 3, seed=2)
    assert np.array_equal(same[0].test, again[0].test)
    assert not np.array_equal(same[0].test, other[0].test)
    two = make_folds(data, 3, repeats=2, seed=1)
    assert not np.array_equal(two[0].test, two[3].test)


def test_too_few_rows_names_class_and_the_number_that_works():
    data = examples([50, 5])
    with pytest.raises(SplitError, match=r"class 'c1' has 5 rows, .* 10 folds\. .* Use 5 folds, .*--merge-rare"):
        make_folds(data, 10)
    make_folds(data, 5)
    with pytest.raises(SplitError, match="No number of folds works: merge"):
        check_counts(examples([50, 2]), 2)


def test_groups_are_never_on_both_sides():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 400)
    data = examples([300, 100], groups=groups)
    for fold in make_folds(data, 4, seed=3):
        sides = [set(groups[part]) for part in (fold.train, fold.stop, fold.test)]
        assert sum(len(side) for side in sides) == len(set.union(*sides))
        assert (data.y[fold.test] == 1).any()
    train, held = hold_out(data, 0.25)
    assert not set(groups[train]) & set(groups[held])


def test_a_class_in_few_groups_is_named():
    y = np.repeat([0, 1], [90, 10]).astype(np.int32)
    groups = np.where(y == 1, 0, np.arange(100))
    with pytest.raises(SplitError, match="Class 'b' occurs in 1 group, too few for 3"):
        make_folds(Examples(np.zeros((100, 1)), y, ("a", "b"), groups=groups), 3)


def test_time_trains_on_the_past_and_no_step_is_on_both_sides():
    rng = np.random.default_rng(1)
    time = rng.integers(0, 60, 600)
    data = examples([450, 150], time=time)
    folds = make_folds(data, 4)
    assert len(folds) == 4
    for fold in folds:
        assert time[fold.train].max() < time[fold.stop].min()
        assert time[fold.stop].max() < time[fold.test].min()
    train, held = hold_out(data, 0.2)
    assert time[train].max() < time[held].min()


def test_labels_of_training_rows_are_known_before_the_test_period():
    time = np.random.default_rng(2).integers(0, 60, 600).astype(float)
    data = examples([450, 150], time=time)
    plain = make_folds(data, 4)
    split = Split(folds=4, label_delay=5.0)
    for fold, late in zip(plain, split.of(data), strict=True):
        assert np.array_equal(fold.test, late.test)
        start = time[fold.test].min()
        known = time[fold.all_training().train] + 5 <= start
        assert np.array_equal(late.all_training().train, fold.all_training().train[known])
        assert time[late.train].max() < time[late.stop].min()
    gone = [
        len(f.all_training().train) - len(w.all_training().train) for f, w in zip(plain, split.of(data), strict=True)
    ]
    assert split.left_out(data, split.of(data)) == gone
    assert min(gone) > 0
    assert Split(folds=4).left_out(data, plain) == []
    given = replace(data, split=np.where(time < 30, 0, np.where(time < 40, 1, 2)).astype(np.int8))
    (fold,) = Split(label_delay=3.0).of(given)
    assert time[fold.stop].max() == 37
    assert len(fold.train) == len(given.rows_with_role(0))
    with pytest.raises(SplitError, match="label_delay is 50, but no row of fold 1"):
        Split(folds=4, label_delay=50).of(data)
    with pytest.raises(OptionError, match="label_delay= requires time="):
        Split(label_delay=1).of(examples([50, 50]))
    for wrong in (-1, "3", float("nan"), True):
        with pytest.raises(OptionError, match="Expected a number of 0 or more"):
            Split(label_delay=wrong)


def test_time_with_one_value_or_repeats_is_refused():
    with pytest.raises(SplitError, match="time= has 1 distinct values"):
        make_folds(examples([50, 50], time=np.zeros(100)), 3)
    with pytest.raises(OptionError, match="repeats= is 2"):
        make_folds(examples([50, 50], time=np.arange(100)), 3, repeats=2)
    with pytest.raises(OptionError, match="groups= and time="):
        make_folds(examples([50, 50], time=np.arange(100), groups=np.arange(100)), 3)


def test_most_rows_at_the_first_time_leave_the_later_ones_to_hold_out():
    time = np.repeat([0.0, 1.0, 2.0], [85, 10, 5])
    train, held = hold_out(examples([50, 50], time=time), 0.2)
    assert time[train].max() == 0
    assert time[held].min() == 1
    with pytest.raises(SplitError, match="All training rows have the same time"):
        hold_out(examples([50, 50], time=np.zeros(100)), 0.2)


def test_groups_are_never_divided_in_time_order():
    both = {"time": np.arange(100.0), "groups": np.arange(100) % 10}
    with pytest.raises(OptionError, match="groups= and time= cannot be combined"):
        hold_out(examples([50, 50], **both))
    split = np.repeat([0, 2], [80, 20]).astype(np.int8)
    both["groups"] = np.where(split == 2, 10, both["groups"])
    with pytest.raises(OptionError, match="groups= and time= cannot be combined"):
        given_fold(examples([50, 50], split=split, **both))
    split[70:80] = 1
    both["groups"] = split.astype(int)
    given_fold(examples([50, 50], split=split, **both))  # both are checked, and nothing is divided


def test_arguments_that_duplicates_group_does_not_go_with_are_named():
    copies = np.arange(100) // 2
    with pytest.raises(OptionError, match="duplicates='group' and time= cannot be combined"):
        make_folds(examples([50, 50], time=np.arange(100), duplicate_ids=copies), 3, duplicates="group")
    for more, name in (({}, "groups="), ({"units": Units(np.arange(100), ("patient",))}, "unit=")):
        data = examples([50, 50], groups=np.arange(100), duplicate_ids=copies, **more)
        with pytest.raises(OptionError, match=f"^{name} and duplicates='group' cannot be combined"):
            make_folds(data, 3, duplicates="group")


def test_duplicates_group_drop_error():
    duplicate_ids = np.arange(120)
    duplicate_ids[60:90] = duplicate_ids[:30]
    data = examples([80, 40], duplicate_ids=duplicate_ids)
    for fold in make_folds(data, 3, duplicates="group"):
        assert not set(duplicate_ids[fold.test]) & set(duplicate_ids[np.concatenate([fold.train, fold.stop])])
    kept = np.concatenate([f.test for f in make_folds(data, 3, duplicates="drop")])
    assert len(kept) == len(set(duplicate_ids[kept])) == 90
    with pytest.raises(SplitError, match="30 rows repeat"):
        make_folds(data, 3, duplicates="error")
    with pytest.raises(OptionError, match="duplicates= is 'merge'"):
        make_folds(data, 3, duplicates="merge")


@pytest.mark.parametrize("roles", [[0, 2], [0, 1, 2]])
@pytest.mark.parametrize("share", [20, 1, 0, -0.2])
def test_a_share_out_of_range_is_refused_with_a_split_too(roles, share):
    data = examples([90, 30], split=np.resize(roles, 120).astype(np.int8))
    with pytest.raises(OptionError, match=f"validation= is {share}. Expected a share between 0 and 1"):
        given_fold(data, share)


@pytest.mark.parametrize(("how", "words"), [({"folds": 1}, "folds= is 1"), ({"repeats": 0}, "repeats= is 0")])
def test_numbers_out_of_range(how, words):
    with pytest.raises(OptionError, match=words):
        make_folds(examples([20, 20]), **how)


@pytest.mark.parametrize("share", [0, 1, -0.2, 1.5])
def test_hold_out_needs_a_share(share):
    with pytest.raises(OptionError, match="validation= is"):
        hold_out(examples([20, 20]), share)


def test_wine_like_counts_run_with_as_many_folds_as_the_rarest_class_has_rows():
    data = examples([20, 163, 1457, 2198, 880, 175, 5])
    for fold in make_folds(data, 5, seed=4):
        assert (data.y[fold.test] == 6).sum() == 1
        assert (data.y[fold.train] == 6).sum() >= 2
        assert (data.y[fold.stop] == 6).sum() >= 1
    with pytest.raises(SplitError, match=r"class 'c6' has 5 rows.*Use 5 folds"):
        make_folds(data, 6)


def test_three_rows_need_three_folds_and_the_message_says_so():
    with pytest.raises(SplitError, match=r"class 'c1' has 3 rows, too few for 2 folds\. .* Use 3 folds"):
        make_folds(examples([50, 3]), 2)
    assert len(make_folds(examples([50, 3]), 3)) == 3


@pytest.mark.parametrize("count", [1, 2])
def test_hold_out_names_a_class_that_cannot_be_in_both_parts(count):
    with pytest.raises(
        SplitError,
        match=rf"class 'c1' has {count} rows?, of which 0 are among the held-out rows\. .*At least 3 rows .*merge_rare",
    ):
        hold_out(examples([50, count]))


def test_hold_out_in_time_or_of_groups_names_the_class_that_a_part_lacks():
    y = np.repeat([0, 1], [80, 20]).astype(np.int32)
    late = Examples(np.zeros((100, 1)), y, ("a", "b"), time=np.arange(100))
    with pytest.raises(
        SplitError, match=r"class 'a' has 80 rows, of which 0 are among the held-out rows in time order"
    ):
        hold_out(late)
    one = Examples(np.zeros((100, 1)), y, ("a", "b"), groups=np.where(y == 1, 0, np.arange(100)))
    with pytest.raises(
        SplitError, match=r"class 'b' has 20 rows, of which 0 are among the (held-out|training) rows of whole"
    ):
        hold_out(one)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_hold_out_takes_its_share_of_each_class_and_follows_the_seed(share):
    data = examples([400, 100, 40])
    train, held = hold_out(data, share, seed=5)
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(540))
    assert np.bincount(data.y[held]).tolist() == [round(share * n) for n in (400, 100, 40)]
    assert np.array_equal(held, hold_out(data, share, seed=5)[1])
    assert not np.array_equal(held, hold_out(data, share, seed=6)[1])


def test_ties_in_time_at_every_cut_stay_on_one_side():
    rng = np.random.default_rng(3)
    for seed in range(20):
        time = np.random.default_rng(seed).integers(0, 30, 300) // 3
        data = Examples(np.zeros((300, 1)), rng.integers(0, 2, 300).astype(np.int32), (0, 1), time=time)
        for fold in make_folds(data, 3):
            sides = [set(time[part]) for part in (fold.train, fold.stop, fold.test)]
            assert sum(map(len, sides)) == len(set.union(*sides))
            assert max(sides[0]) < min(sides[1]) <= max(sides[1]) < min(sides[2])


@pytest.mark.parametrize("share", [0.1, 0.2, 0.4, 0.75, 0.9])
def test_whole_groups_come_near_any_share(share):
    rng = np.random.default_rng(0)
    data = Examples(
        np.zeros((2000, 1)), (rng.random(2000) < 0.3).astype(np.int32), (0, 1), groups=rng.integers(0, 200, 2000)
    )
    train, held = hold_out(data, share)
    assert len(held) / 2000 == pytest.approx(share, abs=0.03)
    assert not set(data.groups[train]) & set(data.groups[held])


def test_rows_of_weight_0_do_not_count_as_rows_of_a_class():
    y = np.repeat([0, 1], [30, 8]).astype(np.int32)
    weight = np.ones(38, np.float32)
    weight[30:37] = 0  # one row of class 1 is left
    rows = Examples(np.zeros((38, 1)), y, (0, 1), sample_weight=weight)
    with pytest.raises(SplitError, match="class 1 has 1 row, too few for 2 folds"):
        make_folds(rows, 2)
    with pytest.raises(SplitError, match="class 1 has"):
        hold_out(rows)
