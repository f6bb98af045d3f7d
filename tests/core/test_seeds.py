"""Randomness is a function of where it is used, and of nothing else."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from counterpoise.core import seeds
from counterpoise.core.errors import OptionError

PLACES = [(s, stage, *i) for s in (0, 1, 2) for stage in ("rows", "split") for i in ((0, 0), (0, 1), (1, 0), (1, 1))]


def test_the_same_words_give_the_same_stream_and_others_another():
    drawn = {position: seeds.generator(*position).random(4).tobytes() for position in PLACES}
    assert all(seeds.generator(*position).random(4).tobytes() == stream for position, stream in drawn.items())
    assert len(set(drawn.values())) == len(PLACES)
    assert len({seeds.integer(*position) for position in PLACES}) == len(PLACES)


def test_neighboring_seeds_are_not_shifted_copies():
    streams = [[seeds.integer(s, "rows", epoch) for epoch in range(50)] for s in range(5)]
    assert len(set(itertools.chain(*streams))) == 250


def test_nothing_global_is_read_or_moved():
    before, state = random.getstate(), np.random.get_state()[1].copy()
    first = seeds.integer(3, "order", 1)
    np.random.seed(1)
    random.seed(1)
    assert seeds.integer(3, "order", 1) == first
    random.setstate(before)
    np.random.set_state(("MT19937", state, *np.random.get_state()[2:]))


def test_integers_suit_libraries_that_want_a_plain_default_set():
    values = [seeds.integer(s, "x") for s in range(200)]
    assert all(isinstance(v, int) and 0 <= v < 2**31 for v in values)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_numpy_whole_numbers_are_the_same_words(kind):
    assert seeds.integer(kind(7), "x", kind(2)) == seeds.integer(7, "x", 2)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(OptionError, match="seed is"):
        seeds.generator(seed, "rows")
