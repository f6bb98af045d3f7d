from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from counterpoise.core.errors import OptionError, TargetError
from counterpoise.data.labels import encode_labels, find_label


def encode(values, **options):
    return encode_labels(pl.Series("y", values), **options)


@pytest.mark.parametrize(
    ("written", "classes"),
    [
        (["1", "0", "0"], (0, 1)),
        (["-1", "1", "1"], (1, -1)),
        (["01", "02", "02"], ("02", "01")),
        (["1.0", "0.0", "0.0"], (0, 1)),
        (["True", "False", "False"], (False, True)),
        (["true", "false", "false"], ("false", "true")),
        (["1", "b", "b"], ("b", "1")),
        (
            ["1000000000000000002", "1000000000000000001", "1000000000000000001"],
            ("1000000000000000001", "1000000000000000002"),
        ),
    ],
)
def test_text_of_a_file_gets_its_type_back(written, classes):
    read_back = encode(written, written=True).classes
    assert read_back == classes
    assert [type(c) for c in read_back] == [type(c) for c in classes]


def test_text_in_memory_stays_text():
    assert encode(["1", "0", "0"]).classes == ("0", "1")


@pytest.mark.parametrize("positive", [False, "False", "false", "0", 0])
def test_positive_is_found_by_value_or_text(positive):
    assert encode([True, False, True], positive=positive).classes == (True, False)


def test_codes_are_the_inverse_of_classes():
    labels = np.random.default_rng(0).choice(["c", "a", "b"], 50)
    encoded = encode(labels)
    assert encoded.classes == ("a", "b", "c")
    assert np.array_equal(np.array(encoded.classes)[encoded.codes], labels)


def test_the_rarer_of_two_is_positive_and_a_tie_goes_to_the_later():
    assert encode([0, 1, 1]).classes == (1, 0)
    assert encode([0, 1]).classes == (0, 1)


def test_one_against_the_rest_keeps_its_name_and_is_positive():
    encoded = encode([1, 2, 3, 3, 3], one_vs_rest="3")
    assert (encoded.classes, encoded.codes.tolist()) == (("not 3", "3"), [0, 0, 1, 1, 1])


def test_merged_classes_stand_where_the_first_stood():
    encoded = encode([3, 4, 10, 11], merge_rare=["10", 4])
    assert (encoded.classes, encoded.codes.tolist()) == (("3", "10+4", "11"), [0, 1, 1, 2])


def test_merged_classes_can_be_held_against_the_rest():
    assert encode([3, 4, 10, 10], merge_rare=[3, 4], one_vs_rest="3+4").classes == ("not 3+4", "3+4")


@pytest.mark.parametrize(
    ("values", "options", "error", "words"),
    [
        ([1, 1], {}, TargetError, "one class only"),
        ([1, None], {}, TargetError, "missing in row 2"),
        ([0.5, 1.0], {}, TargetError, r"0.5\), in row 1"),
        (np.arange(60.0), {}, TargetError, "60 distinct values"),
        ([f"r{i}" for i in range(60)], {}, TargetError, "each class has one row"),
        ([1, 2, 3], {"positive": 1}, OptionError, "1, 2, 3.*--one-vs-rest"),
        ([1, 2], {"positive": "yes"}, TargetError, "not a class of target 'y'"),
        ([1, 2, 3], {"one_vs_rest": 9}, TargetError, "There are: 1, 2, 3"),
        (["cat", "dog", "cow"], {"merge_rare": ["cat", "dot"]}, TargetError, "Did you mean 'dog'"),
        ([1, 2, 3], {"merge_rare": [1]}, OptionError, "at least two"),
        (["A", "B", "C"], {"merge_rare": "AB"}, TargetError, "'AB' is not a class"),
        (["A", "B", "AB"], {"merge_rare": "AB"}, OptionError, "contains 1 class"),
        ([1, 2], {"merge_rare": [1, 2]}, TargetError, "merges all classes"),
    ],
)
def test_refusals(values, options, error, words):
    with pytest.raises(error, match=words):
        encode(values, **options)


def test_exact_text_wins_over_other_ways():
    assert find_label("A", ("a", "A")) == 1
    assert find_label(" yes ", ("no", "Yes")) == 1
    assert find_label(1.0, (0, 1)) == 1
    assert find_label(True, (0, 1)) == find_label(np.True_, ("0", "1")) == find_label("1.0", (0, 1)) == 1
    assert find_label("12345678901234567892", ("12345678901234567890", "x")) is None  # equal as floats
