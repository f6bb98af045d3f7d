"""The registry: names, order, selection, ensembles."""

from __future__ import annotations

import pytest

from counterpoise import strategies as s
from counterpoise.core.errors import OptionError


def test_the_seed_set_is_registered_simplest_first():
    assert s.SEED == ("none", "threshold", "class_weight", "oversample", "undersample", "resampling_ensemble")
    assert [n for n in s.names() if n in s.SEED] == list(s.SEED)
    assert s.names()[0] == "none"
    assert [x.name for x in s.select("seed")] == list(s.SEED)
    assert [x.name for x in s.select("all")] == list(s.names())


def test_none_always_races_and_comes_first():
    assert [x.name for x in s.select("undersample, class_weight")] == ["none", "class_weight", "undersample"]
    own = s.Strategy("mine")
    assert [x.name for x in s.select([own, "oversample"])] == ["none", "oversample", "mine"]


def test_unknown_and_doubled_names():
    with pytest.raises(OptionError, match="Did you mean 'undersample'"):
        s.find("undersampel")
    with pytest.raises(OptionError, match="called 'none' already"):
        s.register(s.Strategy("none"))


def test_ensembles_flatten_and_scale_their_weights():
    e = s.Ensemble(["none", "resampling_ensemble"], weights=[1, 1, 1, 1])
    assert [m.name for m in e.members] == ["none", "none", "oversample", "undersample"]
    assert e.weights == (0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"members": []}, "no members"),
        ({"members": ["none"], "vote": "loud"}, "vote is 'loud'"),
        ({"members": ["none", "oversample"], "weights": [1]}, "expected 2 numbers"),
        ({"members": ["none", "oversample"], "weights": [0, 0]}, "not all 0"),
        ({"members": ["none", "oversample"], "weights": [2, -1]}, ">= 0"),
    ],
)
def test_ensembles_that_cannot_be(how, words):
    with pytest.raises(OptionError, match=words):
        s.Ensemble(**how)


def test_every_strategy_says_its_idea():
    for name in s.names():
        assert s.find(name).idea.endswith("."), name
