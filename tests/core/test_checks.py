from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core import checks
from counterpoise.core.errors import DataError, OptionError


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


def test_shapes_are_never_repaired():
    assert checks.check_shape(np.zeros((3, 1)), "p", (None, 1)).shape == (3, 1)
    with pytest.raises(DataError, match=r"\(3, 1\); expected \(any,\)"):
        checks.check_shape(np.zeros((3, 1)), "p", (None,))


def test_lengths_are_all_named():
    with pytest.raises(DataError, match="x has 3, y has 2"):
        checks.check_lengths({"x": [1, 2, 3], "y": [1, 2]})


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ([0.2, 1.2], "1.2 in row 2"),
        ([[0.2, 0.2]], "sums to 0.4"),
        ([0.1, np.nan], "NaN in row 2"),
        ([[0.1, -0.1]], "-0.1 in row 1"),
    ],
)
def test_probabilities_lie_on_the_simplex(p, words):
    with pytest.raises(DataError, match=words):
        checks.check_probabilities(p)


@pytest.mark.parametrize("weights", [[1, -1], [0, 0], [1, np.nan], [1, np.inf], [1], ["a", "b"]])
def test_weights_count_examples(weights):
    with pytest.raises(DataError, match="sample_weight"):
        checks.check_weights(weights, 2)


def test_the_first_bad_value_is_placed():
    array = np.zeros((4, 2, 2))
    array[2, 0, 1] = np.inf
    with pytest.raises(DataError, match=r"row 3 at position \(0, 1\)"):
        checks.check_finite(array, "x")
