"""Rows are laid out for trees by one rule: by NumPy before training, by the layer in the file."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import keras
import numpy as np
import polars as pl
import pytest

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.structure import take
from counterpoise.data.read import read
from counterpoise.forests.row_layer import TreeRows
from counterpoise.forests.rows import FlatRows

RNG = np.random.default_rng(0)
N = 200
TABLE = read(
    pl.DataFrame(
        {
            "amount": np.where(RNG.random(N) < 0.1, np.nan, RNG.lognormal(3, 2, N)),
            "when": [datetime(2024, 1, 1) + timedelta(hours=int(h)) for h in RNG.integers(0, 9000, N)],
            "city": RNG.choice(["Bonn", "Kiel", "Ulm", None], N),
            "code": [f"c{i % 60}" for i in range(N)],
        }
    ),
    y=np.arange(N) % 4 == 0,
)


@pytest.mark.parametrize("keep_nan", [True, False])
@pytest.mark.parametrize("integer_levels", [0, 10, 254])
def test_the_layer_lays_out_a_table_as_numpy_does(keep_nan, integer_levels):
    flat = FlatRows(TABLE, np.arange(0, N, 2), keep_nan=keep_nan, integer_levels=integer_levels)
    layer = TreeRows.of(flat)
    rows = np.arange(N)
    wanted = flat.matrix(rows)
    assert wanted.shape == (N, flat.width) == (N, layer.columns)
    np.testing.assert_array_equal(np.asarray(layer(take(TABLE.x, rows))), wanted)
    again = TreeRows.from_config(json.loads(json.dumps(layer.get_config())))
    again.fill.assign(layer.fill)
    np.testing.assert_array_equal(np.asarray(again(take(TABLE.x, rows))), wanted)


def test_unseen_levels_are_no_known_category():
    flat = FlatRows(TABLE, np.arange(N), keep_nan=True, integer_levels=254)
    x = {"numeric": TABLE.x["numeric"][:1], "categorical": np.array([[4, 61]], np.int32)}
    row = np.asarray(TreeRows.of(flat)(x))[0]
    assert row[flat.categorical].tolist() == [3.0, 60.0]  # one more than the last level that was seen


@pytest.mark.parametrize(
    "x", [RNG.normal(size=(9, 2, 3)), {"b": RNG.normal(size=(9, 2)), "a": np.eye(9, dtype="int64")}]
)
def test_arrays_of_any_rank_and_several_inputs(x):
    flat = FlatRows(Examples(x, np.arange(9) % 2, (0, 1)), np.arange(9), keep_nan=True)
    columns = np.asarray(TreeRows.of(flat)(keras.tree.map_structure(lambda a: a.astype("float32"), x)))
    np.testing.assert_array_equal(columns, flat.matrix(np.arange(9)))


@pytest.mark.parametrize(
    "changed",
    [
        {"width": -1}, {"width": "2"}, {"keep_nan": "no"}, {"indicated": [2]}, {"indicated": [0, 0]},
        {"integers": [-1]}, {"integers": [1]}, {"integers": [0, 0]}, {"kept": [[9, [1]]]}, {"kept": [[0, ["a"]]]},
        {"cycles": [[0, 0.0]]}, {"cycles": [[5, 1.0]]},
    ],
)  # fmt: skip
def test_positions_that_no_rows_have_are_refused(changed):
    with pytest.raises(OptionError, match=next(iter(changed))):
        TreeRows(**{"width": 2, **changed}).build({"numeric": (None, 2), "categorical": (None, 1)})
