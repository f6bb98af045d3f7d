"""The layer of trees refuses what no trees have, so that a file cannot ask for it."""

import numpy as np
import pytest

from counterpoise.core.errors import ArtifactError, OptionError
from counterpoise.forests.tree_layer import TreeEnsemble
from counterpoise.forests.trees import Tree, assembled

X = np.array([[0.0], [1.0], [np.nan]], "float32")
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


def test_stored_arrays_that_are_no_trees_are_refused():
    stump = Tree(np.array([1, -1, -1]), np.array([2, -1, -1]), np.zeros(3, int), np.array([0.5, 0, 0]),
                 np.full(3, np.inf), {}, np.array([[0.0], [-1.0], [1.0]]))  # fmt: skip
    made = TreeEnsemble.of(assembled([stump, stump], width=1), name="trees")
    stored = {}
    made.save_own_variables(stored)
    other = TreeEnsemble.from_config(made.get_config())
    other.build((None, 1))
    other.load_own_variables(stored)
    assert np.array_equal(other(X), [[-2.0], [2.0], [2.0]])
    for name, index, value, match in (
        ("left", 0, 9, "nodes that do not exist"),
        ("left", 0, 0, "nodes that do not exist"),  # a loop
        ("left", 1, 0, "nodes that do not exist"),
        ("left", 0, 2, "nodes that do not exist"),  # its right child is of the next tree
        ("column", 0, 1, "columns that do not exist"),
        ("bit_column", 0, -1, "columns that do not exist"),
        ("source", 0, 1, "columns that rows of 1"),
        ("value", 1, np.nan, "value that is not finite"),
        ("threshold", 0, np.inf, "threshold that is not finite"),
        ("bit_mask", 0, 0, "exclude every leaf"),
    ):
        key = str(list(made._variable_shapes()).index(name))
        changed = np.array(stored[key])
        changed.flat[index] = value
        with pytest.raises(ArtifactError, match=match):
            other.load_own_variables({**stored, key: changed})
