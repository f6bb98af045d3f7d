from __future__ import annotations

import numpy as np
import pytest

from counterpoise import class_weight, plans, sample_weight
from counterpoise.core import checks
from counterpoise.core.errors import DataError, OptionError
from counterpoise.data.read import read


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", None])
def test_a_count_is_a_whole_number_of_at_least_the_minimum(value):
    with pytest.raises(OptionError, match="folds"):
        checks.check_int(value, "folds")


@pytest.mark.parametrize(
    ("value", "bounds", "fits"), [(0, "[]", True), (0, "(]", False), (1, "[)", False), (np.nan, "[]", False)]
)
def test_a_range_says_whether_its_ends_belong_to_it(value, bounds, fits):
    if fits:
        assert checks.check_range(value, "share", 0, 1, bounds) == value
    else:
        with pytest.raises(OptionError, match="share is"):
            checks.check_range(value, "share", 0, 1, bounds)


def test_a_wrong_choice_names_the_nearest():
    with pytest.raises(OptionError, match="Did you mean 'soft'"):
        checks.check_choice("sofd", "vote", ["soft", "hard"])


def test_lengths_are_all_named():
    with pytest.raises(DataError, match="x has 3, y has 2"):
        checks.check_lengths({"x": [1, 2, 3], "y": [1, 2]})


@pytest.mark.parametrize("weights", [[1, -1], [0, 0], [1, np.nan], [1, np.inf], [1], ["a", "b"]])
def test_weights_count_examples(weights):
    with pytest.raises(DataError, match="sample_weight"):
        checks.check_weights(weights, 2)


def test_the_first_bad_value_is_placed():
    array = np.zeros((4, 2, 2))
    array[2, 0, 1] = np.inf
    with pytest.raises(DataError, match=r"row 3 at position \(0, 1\)"):
        checks.check_finite(array, "x")


LOST = np.array([1.0, 2.0, 0.0, 0.0, 3.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda y, w: read(np.arange(5.0)[:, None], y=y, sample_weight=w),
        lambda y, w: plans.oversample(y, sample_weight=w),
        lambda y, w: plans.class_weight(y, sample_weight=w),
        lambda y, w: plans.oversample(y).with_weights(w),
        lambda y, w: plans.quota(y, "equal", batch_size=4, sample_weight=w),
        lambda y, w: class_weight(y, sample_weight=w),
        lambda y, w: sample_weight(y, sample_weight=w),
    ],
)
def test_weights_that_remove_a_class_are_refused(call):
    with pytest.raises(DataError, match="sample_weight is 0 in every row of class 'b', which removes the class"):
        call(["a", "a", "b", "b", "a"], LOST)
    call(["a", "a", "b", "a", "b"], LOST)  # one row of each class is left


def test_padding_and_labels_that_are_left_out_may_weigh_nothing():
    assert class_weight(["a", "a", "b", "b", "a"], sample_weight=LOST, ignore="b") == {"a": 0.5}
    assert class_weight([[0, 0, 9], [1, 0, 9]], sample_weight=[[1, 1, 0], [1, 1, 0]]).keys() == {0, 1}
