"""Numbers too close for their size: centered in float64, or named."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from counterpoise.data.precision import minus_offset, precision_of
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows

rng = np.random.default_rng(0)
STEPS = rng.integers(0, 400, 1_000)


@pytest.mark.parametrize("start", [1.7e9, 1.7e12, 4e15, -1.7e9])
def test_a_constant_is_subtracted_where_float32_would_make_one_value_of_many(start):
    examples = read({"t": start + STEPS, "z": rng.normal(size=1_000)}, y=STEPS > 350)
    offset = examples.schema.numeric[0].offset
    assert offset == np.sort(start + STEPS)[500]
    assert np.array_equal(examples.x["numeric"][:, 0].astype(float), start + STEPS - offset)
    assert any("'t' alone predicts the target almost perfectly" in w for w in examples.warnings)
    assert not any("float32" in w for w in examples.warnings)


def test_zeros_for_missing_among_seconds_do_not_hide_them():
    values = np.where(rng.random(1_000) < 0.3, 0.0, 1.7e9 + STEPS)
    examples = read({"t": values}, y=STEPS > 350)
    assert len(np.unique(examples.x["numeric"])) == len(np.unique(values))


@pytest.mark.parametrize(
    "values", [rng.normal(50, 9, 2_000), np.arange(500.0), np.array([0.1, 0.2] * 50), [1e30, 2e30]]
)
def test_other_numbers_stay_as_they_are(values):
    assert precision_of(pl.Series(np.asarray(values))).offset == 0.0


def test_whole_numbers_beyond_float64_are_subtracted_exactly():
    large = [10**20 + int(step) for step in STEPS]
    examples = read({"account": large}, y=STEPS > 350)
    assert len(np.unique(examples.x["numeric"])) == len(set(large))
    assert minus_offset(pl.Series([2**63 - 1]), 2.0**63).tolist() == [-1.0]


def test_values_that_collapse_all_the_same_are_named():
    accounts = rng.integers(10**9, 9 * 10**9, 1_000) // 10 * 10 + rng.integers(0, 2, 1_000)
    pairs = np.concatenate([accounts, accounts + 1])
    examples = read({"account": pairs}, y=np.arange(2_000) % 2)
    assert any("'account' has" in w and "single precision (float32)" in w for w in examples.warnings)


def test_arrays_for_an_own_network_are_named_too():
    x = np.stack([1.7e9 + STEPS, rng.normal(size=1_000)], axis=1)
    examples = read(x, y=STEPS > 350, table=False)
    assert ["x[:, 0] has 400" in w or "x[:, 0] has 3" in w for w in examples.warnings if "float32" in w] == [True]


def test_an_array_in_prediction_is_centered_as_the_frame_is():
    x = np.stack([1.7e9 + STEPS, rng.normal(size=1_000)], axis=1)
    examples = read(x, y=STEPS > 350)
    assert np.array_equal(encode_rows(examples.schema, x)["numeric"], examples.x["numeric"])
    assert np.array_equal(encode_rows(examples.schema, x.tolist())["numeric"], examples.x["numeric"])


def test_named_inputs_of_an_own_network_are_named_too():
    from counterpoise.data.named_inputs import NamedInput, NamedInputs

    takes = NamedInputs((NamedInput("t", (1,), "float32"), NamedInput("z", (1,), "float32")))
    table = pl.DataFrame({"t": 1.7e9 + STEPS, "z": rng.normal(size=1_000)})
    examples = read(table, y=STEPS > 350, inputs=takes)
    assert [w.split(" has ")[0] for w in examples.warnings if "float32" in w] == ["Column 't'"]
