"""The layer of trees refuses what no trees have, so that a file cannot ask for it."""

import pytest

from counterpoise.core.errors import OptionError
from counterpoise.forests.tree_layer import TreeEnsemble

SIZES = {"trees": 2, "nodes": 3, "columns": 1, "sets": 0, "levels": 0, "outputs": 1, "classes": 1, "depth": 1}


@pytest.mark.parametrize(
    "changed",
    [
        *({name: value} for name in SIZES for value in (-1, "1", 1.5, None, True)),
        {"depth": 0}, {"depth": 10**9}, {"classes": 3}, {"classes": 0}, {"trees": 0},
        {"scale": "x"}, {"scale": [1]}, {"scale": float("nan")}, {"link": "other"}, {"link": None},
        {"floor": 0.0}, {"floor": 0.7}, {"floor": None}, {"small": "yes"}, {"small": None},
    ],
)  # fmt: skip
def test_values_that_no_trees_have_are_refused(changed):
    with pytest.raises(OptionError, match=next(iter(changed))):
        TreeEnsemble(**{**SIZES, **changed})


def test_a_layer_comes_back_from_its_configuration():
    config = TreeEnsemble(**SIZES).get_config()
    assert TreeEnsemble.from_config(config).get_config() == config
