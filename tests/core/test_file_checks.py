"""Values from files: what passes comes out in the wanted form, all else is one line that names its place."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.core import file_checks as p
from counterpoise.core.errors import ArtifactError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
CHECKS = {
    "text": p.string(), "truth": p.boolean, "whole": p.integer(), "number": p.number(0, 1),
    "choice": p.choice(["a", "b"]),
    "list": p.list_of(p.number()), "mapping": p.mapping_of(p.string()), "numbers": p.numbers((None, 2)),
    "record": p.record({"a": p.string()}, {"b": p.integer()}), "maybe": p.nullable(p.string()), "plain": p.json_value,
}  # fmt: skip


def refusal_of(check, value) -> str:
    try:
        check(value, "the place")
    except ArtifactError as error:
        return str(error)
    return ""


@given(st.sampled_from(sorted(CHECKS)), JSON)
def test_any_value_passes_or_is_refused_in_one_line(name, value):
    message = refusal_of(CHECKS[name], value)
    assert message == "" or message.startswith("the place")
    assert "\n" not in message


@given(JSON)
def test_what_json_writes_comes_back(value):
    text = json.dumps(value)
    if "NaN" in text or "Infinity" in text:
        assert repr(p.read_json(text, "it", finite=False)) == repr(json.loads(text))
    else:
        assert p.read_json(text, "it") == value


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        (p.string(3), "long", "is 4 characters long. Expected at most 3"),
        (p.boolean, 1, "is 1. Expected true or false"),
        (p.integer(), -1, "is -1. Expected a whole number of at least 0"),
        (p.integer(0, 9), 10, "from 0 to 9"),
        (p.integer(), True, "is True. Expected a whole number"),
        (p.integer(), 2.0, "is 2.0. Expected a whole number"),
        (p.integer(), 10**30, "Expected a whole number"),
        (p.number(0, 1), math.nan, "is nan. Expected a finite number from 0 to 1"),
        (p.number(), math.inf, "is inf. Expected a finite number"),
        (p.number(), 10**400, "Expected a finite number"),
        (p.number(), False, "is False"),
        (p.number(0, 1), "0.5", "is '0.5'"),
        (p.choice(["a", "b"]), [], "is a list. Expected one of a, b"),
        (p.list_of(p.string()), "ab", "is 'ab'. Expected a list"),
        (p.list_of(p.string()), ["a", 2], "it, entry 2 is 2. Expected text"),
        (p.list_of(p.string(), 1), ["a", "b"], "contains 2 entries. Expected at most 1"),
        (p.mapping_of(p.string()), {"a": None}, r"it.a is None. Expected text"),
        (p.mapping_of(p.string()), {"\x1b[2J": None}, r"it\['\\x1b\[2J'\] is None"),
        (p.record({"a": p.string()}), {}, "it lacks 'a'"),
        (p.record({"a": p.string()}), {"a": "", "b": 1}, "it contains 'b', which is not one of a"),
        (p.record({"a": p.string()}), [], "is a list. Expected a mapping"),
        (p.numbers((None, 2)), [[1, 2], [3]], "Expected n x 2 numbers"),
        (p.numbers((2,)), [1, 2, 3], "Expected 2 numbers"),
        (p.numbers((2,)), [1, "2"], "Expected 2 numbers"),
        (p.numbers((2,)), [1, None], "Expected 2 numbers"),
        (p.numbers((None,)), [], "Expected n numbers"),
        (p.numbers((2,), 0, 1), [0.5, 1.5], "is 1.5. Expected 2 finite numbers from 0 to 1"),
        (p.numbers((2,)), [1, math.nan], "is nan. Expected 2 finite numbers"),
        (p.json_value, {"a": [math.nan]}, "it.a is nan"),
        (p.json_value, {"a": {1, 2}}, "it.a is set"),
    ],
)
def test_refusals(check, value, words):
    with pytest.raises(ArtifactError, match=words):
        check(value, "it")


def test_numbers_are_float64_of_their_shape():
    numbers = p.numbers((None, 2), -1)([[1, 2], [3, 4]], "it")
    assert (numbers.dtype, numbers.tolist()) == (np.dtype("float64"), [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested deeper than 200 levels"),
        ("[" * 250 + "]" * 250, "nested deeper than 200 levels"),
        (b"\xff\xfe", "is not JSON"),
        ("{", "is not JSON"),
        ("[NaN]", "NaN is not a JSON number"),
        ("9" * 5000, "is not JSON"),
        ("[" + "0," * p.MOST_VALUES + "0]", "contains more than 5,000,000 values"),
    ],
    ids=["very deep", "deep", "not text", "half", "nan", "long number", "many"],
)
def test_json_that_is_not_ours(text, words):
    with pytest.raises(ArtifactError, match=words):
        p.read_json(text, "it")
