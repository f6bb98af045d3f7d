"""Curves are computed once, when they are read, and saved copies have all of them."""

from __future__ import annotations

import copy
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
