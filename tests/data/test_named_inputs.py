"""Named inputs: a column is fed by its name, in the form that the input takes, in training and prediction alike."""

from __future__ import annotations

import datetime

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError, DataError
from counterpoise.data.named_inputs import NamedInput, NamedInputs

TAKES = NamedInputs(
    (
        NamedInput("age", (1,), "float32"),
        NamedInput("zip", (1,), "int64"),
        NamedInput("sex", (), "string"),
        NamedInput("scan", (2, 2), "float32"),
    )
)
COLUMNS = NamedInputs(TAKES.inputs[:3])
ROWS = {"zip": [7, 3000], "sex": ["f", "m"], "age": [31.0, 40.5]}


def as_frames():
    frame = pd.DataFrame(ROWS)
    yield ROWS
    yield {name: np.array(column)[:, None] for name, column in ROWS.items()}
    yield frame
    yield frame[["age", "sex", "zip"]].assign(unknown=1)
    yield frame.astype({"sex": "category", "zip": "Int64", "age": "float64"})
    yield pl.DataFrame(ROWS)
    yield pl.DataFrame(ROWS).cast({"sex": pl.Categorical, "age": pl.Decimal(6, 2), "zip": pl.UInt16})


@pytest.mark.parametrize("source", list(as_frames()))
def test_every_form_of_the_rows_gives_the_same_arrays(source):
    x, notes = COLUMNS.rows(source)
    assert list(x) == ["age", "zip", "sex"]
    assert x["age"].dtype == np.float32
    assert x["zip"].dtype == np.int32
    assert (x["age"].tolist(), x["zip"].tolist(), x["sex"].tolist()) == ([[31.0], [40.5]], [[7], [3000]], ["f", "m"])
    left = ["Left out the columns 'unknown', because the model has no inputs of these names."]
    assert notes == (left if "unknown" in source else [])


def test_arrays_of_several_values_pass_and_codes_in_files_stay_as_written(tmp_path):
    scan = np.zeros((2, 2, 2), "uint8")
    x, _ = TAKES.rows({**ROWS, "scan": scan})
    assert x["scan"] is scan
    (tmp_path / "rows.csv").write_text("sex,age,zip\n007,1,2\n08,3,4\n")
    assert COLUMNS.rows(tmp_path / "rows.csv")[0]["sex"].tolist() == ["007", "08"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": ["old", "41"]}, r"'age' contains 'old' in row.* 1.*float32\) needs numbers"),
        ({"age": [None, 41.0]}, r"'age' has no value in row 1.*Fill in"),
        ({"age": [1.0, np.inf]}, r"'age' contains inf in row 2.*finite"),
        ({"age": [datetime.date(2024, 1, 1)] * 2}, r"'age' contains datetime.date"),
        ({"zip": [1.5, 2.0]}, r"'zip' contains 1.5 in row 1.*int64\) needs whole numbers"),
        ({"zip": [1, 3_000_000_000]}, r"'zip' contains 3000000000 in row 2.*32 bits"),
        ({"sex": ["f", None]}, r"'sex' has no value in row 2.*Write ''"),
    ],
)
def test_what_an_input_does_not_take_is_named_with_row_and_input(change, message):
    with pytest.raises(ColumnError, match=message):
        COLUMNS.rows(pl.DataFrame({**ROWS, **change}, strict=False))


def test_an_input_without_a_column_is_named():
    with pytest.raises(ColumnError, match=r"the pandas frame lacks the column 'age', .* Did you mean 'Age'\?"):
        COLUMNS.rows(pd.DataFrame(ROWS).rename(columns={"age": "Age"}))
    with pytest.raises(ColumnError, match=r"lacks the column 'age' \(and 1 more\)"):
        COLUMNS.rows({"sex": ["f"]})
    with pytest.raises(ColumnError, match=r"needs rows of shape \(2, 2\).*dict of arrays"):
        TAKES.rows(pd.DataFrame(ROWS).assign(scan=1))
    with pytest.raises(DataError, match="lengths"):
        TAKES.rows({**ROWS, "age": [1], "scan": np.zeros((2, 2, 2))})


def test_which_models_have_named_inputs():
    one, two = keras.Input((1,), name="one"), keras.Input((3,), name="two", dtype="int32")
    assert [one.name for one in NamedInputs.of({"b": two, "a": one}).inputs] == ["b", "a"]
    assert NamedInputs.of([one, two]).inputs == (
        NamedInput("one", (1,), "float32"),
        NamedInput("two", (3,), "int32"),
    )
    assert NamedInputs.of({"a": one}) is not None
    assert NamedInputs.of([one]) is NamedInputs.of(one) is NamedInputs.of(None) is None
