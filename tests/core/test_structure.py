"""Inputs of any structure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counterpoise.core.structure import join, leaves, mapped, rows_in, take


class Pair(NamedTuple):
    left: np.ndarray
    right: list[np.ndarray]


def pair() -> Pair:
    return Pair(np.arange(4), [np.arange(8).reshape(4, 2), np.array(list("abcd"))])


def test_rows_are_taken_from_every_array_and_the_structure_stays() -> None:
    some = take({"x": pair()}, np.array([3, 0]))["x"]
    assert type(some) is Pair
    assert type(some.right) is list
    assert some.left.tolist() == [3, 0]
    assert some.right[0].tolist() == [[6, 7], [0, 1]]
    assert some.right[1].tolist() == ["d", "a"]


def test_what_was_cut_is_joined() -> None:
    parts = [take(pair(), slice(0, 3)), take(pair(), slice(3, 4))]
    whole = join(parts)
    for got, want in zip(leaves(whole), leaves(pair()), strict=True):
        np.testing.assert_array_equal(got, want)
    assert [rows_in(part) for part in (*parts, whole)] == [3, 1, 4]


def test_a_function_gets_the_arrays_of_one_place() -> None:
    assert mapped(lambda *same: same, {"a": (1, [2])}, {"a": (3, [4])}) == {"a": ((1, 3), [(2, 4)])}
