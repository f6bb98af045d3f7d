"""The registry: names, order, selection, ensembles."""

from __future__ import annotations

import numpy as np
import pytest
from trainers import jobs_of

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.engines.batch_order import Order
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies import select as s


def test_the_seed_set_is_registered_simplest_first():
    assert s.DEFAULT == ("none", "threshold", "class_weight", "oversample", "undersample", "resampling_ensemble")
    assert [n for n in s.names() if n in s.DEFAULT] == list(s.DEFAULT)
    assert s.names()[0] == "none"
    assert [x.name for x in s.select("default")] == list(s.DEFAULT)
    assert [x.name for x in s.select("all")] == list(s.names())


def test_none_is_always_compared_and_comes_first():
    assert [x.name for x in s.select("undersample, class_weight")] == ["none", "class_weight", "undersample"]
    own = s.Strategy("mine")
    assert [x.name for x in s.select([own, "oversample"])] == ["none", "oversample", "mine"]


def test_unknown_names():
    with pytest.raises(OptionError, match="Did you mean 'undersample'"):
        s.find("undersampel")


def test_ensembles_flatten_and_scale_their_weights():
    e = s.ensemble(["none", "resampling_ensemble"], weights=[1, 1, 1, 1])
    assert [m.name for m in e.members] == ["none", "none", "oversample", "undersample"]
    assert e.weights == (0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"members": []}, "no members"),
        ({"members": "none"}, r"members= is 'none'. Expected a list"),
        ({"members": ["none", 3]}, "type int. Expected the name of a strategy"),
        ({"members": ["none"], "vote": "loud"}, "vote= is 'loud'"),
        ({"members": ["none", "oversample"], "weights": [1]}, "Expected 2 numbers"),
        ({"members": ["none", "oversample"], "weights": [0, 0]}, "not all 0"),
        ({"members": ["none", "oversample"], "weights": [2, -1]}, "numbers of 0 or more"),
    ],
)
def test_ensembles_that_cannot_be(how, words):
    with pytest.raises(OptionError, match=words):
        s.ensemble(**how)


def test_what_is_no_strategy_is_refused_with_what_would_be_one():
    refused = r"list with 2 entries\. Expected one strategy\. To compare several, use cp\.compare"
    with pytest.raises(OptionError, match=refused):
        s.find(["none", "oversample"])
    assert [x.name for x in s.select(s.ensemble(["none", "oversample"]))] == ["none", "ensemble"]
    with pytest.raises(OptionError, match=r"strategies= is 5. Expected a list of names or strategies"):
        s.select(5)
    with pytest.raises(OptionError, match=r"To pass names of strategies, call cp.ensemble"):
        s.Ensemble("e", members=("none",))


def test_every_strategy_says_its_idea():
    for name in s.names():
        assert s.find(name).idea.endswith("."), name


@pytest.mark.parametrize(("name", "rare"), [("easy_ensemble", range(40, 41)), ("balanced_bagging", range(18, 34))])
def test_members_of_subset_ensembles_keep_balanced_rows_of_their_own(name, rare):
    y = np.repeat([0, 1], [300, 40]).astype("int32")
    examples = Examples(np.zeros((340, 1), "float32"), y, (0, 1))
    everything, nothing = np.arange(340), np.empty(0, np.int64)
    jobs = jobs_of(s.find(name), examples, Fold(0, 0, everything, nothing, nothing), Settings(epochs=2))
    assert len({job.id for job in jobs}) == len(jobs) == 5
    sets = []
    for job in jobs:
        order = Order(job)
        assert np.array_equal(np.sort(order.epoch(0)), np.sort(order.epoch(1)))
        assert np.bincount(y[order.epoch(0)]).tolist() == [40, 40]
        sets.append(set(order.epoch(0).tolist()))
        assert len({i for i in sets[-1] if y[i] == 1}) in rare
    assert len(set.union(*sets) & set(range(300))) > 100  # together they see far more than one of them


def test_two_strategies_of_one_name_are_refused_and_a_repeated_one_is_not():
    own = s.Strategy("own")
    assert [x.name for x in s.select([own, "none", own, s.find("none"), "focal", "focal"])] == ["none", "focal", "own"]
    assert len(s.select(["external:lightgbm", "external:lightgbm"])) == 2
    with pytest.raises(OptionError, match=r"Two strategies have the name 'own'\. Give each a name of its own"):
        s.select([own, s.Strategy("own", loss="focal")])
    with pytest.raises(OptionError, match="the name 'none', which is the name of the baseline"):
        s.select([s.Strategy("none", loss="focal")])
