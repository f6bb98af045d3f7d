"""Curves are computed once, when they are read, and saved copies have all of them."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from counterpoise.comparison.lazy_curves import LazyCurves


def test_each_strategy_is_computed_once_when_it_is_read():
    asked: list[str] = []
    curves = LazyCurves(["none", "threshold"], lambda name: asked.append(name) or {"pr": name})
    assert (asked, list(curves), len(curves)) == ([], ["none", "threshold"], 2)
    assert curves["threshold"] is curves["threshold"]
    assert asked == ["threshold"]
    with pytest.raises(KeyError):
        curves["oversample"]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda curves: pickle.loads(pickle.dumps(curves))], ids=["deepcopy", "pickle"]
)
def test_copies_are_dicts_of_all_curves(copied):
    curves = LazyCurves(["none", "threshold"], lambda name: {"pr": name})
    assert copied(curves) == {"none": {"pr": "none"}, "threshold": {"pr": "threshold"}}
    assert type(copied(curves)) is dict
    assert curves == copied(curves)


def test_it_is_written_and_compared_as_the_dict_of_all_curves():
    whole = {"none": {"pr": "none"}, "threshold": {"pr": "threshold"}}

    def lazy():
        return LazyCurves(whole, lambda name: {"pr": name})

    for read in (dict, lambda c: {**c}, lambda c: c | {}, lambda c: c.copy(), lambda c: dict(c.items()), copy.copy,
                 lambda c: dict(zip(c, c.values(), strict=True)), lambda c: {n: c.get(n) for n in c}):  # fmt: skip
        assert read(lazy()) == whole
    assert lazy() == whole
    assert whole == lazy()
    assert lazy() != {}
    assert lazy().get("other", 3) == lazy().pop("other", 3) == 3
    assert lazy().pop("none") == whole["none"]
    for options in ({}, {"indent": 1}, {"sort_keys": True}):
        assert json.dumps(lazy(), **options) == json.dumps(whole, **options)
