from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from counterpoise.core.errors import ArtifactError, ColumnError, DataError
from counterpoise.core.schema import Column, Schema
from counterpoise.data.frames import is_table
from counterpoise.data.inputs import check_inputs
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows, schema_from_dict, schema_to_dict

FRAME = pl.DataFrame(
    {
        "Net.Sales / day": [1.5, None, -2.0, 8.0],
        "größe": ["s", "m", None, "s"],
        "flag": [True, False, None, True],
        "code": [3, 4, 4, None],
        "y": ["a", "b", "b", "b"],
    }
)
KINDS = {"code": "categorical"}


@pytest.fixture(scope="module")
def rows():
    return read(FRAME, "y", kinds=KINDS)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") for k in a)


def test_schema_survives_json(rows):
    assert schema_from_dict(json.loads(json.dumps(schema_to_dict(rows.schema)))) == rows.schema


def test_a_foreign_dict_is_refused():
    with pytest.raises(ArtifactError, match="the schema lacks 'target'"):
        schema_from_dict({"columns": [{"name": "a"}]})
    with pytest.raises(ArtifactError, match=r"the schema\.columns, entry 1 lacks 'kind'"):
        schema_from_dict({"target": "y", "columns": [{"name": "a"}]})


def test_encoding_the_same_rows_gives_the_same_parts(rows, tmp_path):
    FRAME.write_csv(tmp_path / "a.csv")
    FRAME.write_parquet(tmp_path / "a.parquet")
    shuffled = FRAME.select(reversed(FRAME.columns))
    as_text = FRAME.with_columns(pl.all().cast(pl.String))
    for source in (FRAME, FRAME.to_pandas(), FRAME.to_arrow(), tmp_path / "a.csv", tmp_path / "a.parquet"):
        assert same(encode_rows(rows.schema, source), rows.x)
    for source in (shuffled, as_text, FRAME.drop("y"), {c: FRAME[c].to_numpy() for c in FRAME.columns}):
        assert same(encode_rows(rows.schema, source), rows.x)


def test_ids(rows):
    new = {"Net.Sales / day": ["1e3", "?"], "größe": ["xl", ""], "flag": ["true", "maybe"], "code": [3.0, 5.0]}
    x = encode_rows(rows.schema, new)
    assert x["categorical"].tolist() == [[3, 2, 1], [0, 3, 3]]
    assert x["numeric"][0, 0] == 1000
    assert np.isnan(x["numeric"][1, 0])


def test_blanks_around_a_level_do_not_count(rows):
    padded = FRAME.with_columns(pl.col("größe") + "  ")
    assert same(encode_rows(rows.schema, padded), rows.x)
    assert read(padded, "y", kinds=KINDS).schema == rows.schema


def test_codes_with_zeros_in_front_stay_text(tmp_path):
    schema = Schema((Column("zip", "categorical", ("007", "abc")),))
    (tmp_path / "new.csv").write_text("zip\n007\n7\n")
    assert encode_rows(schema, tmp_path / "new.csv")["categorical"].tolist() == [[1], [3]]


def test_refusals_name_column_and_row(rows):
    with pytest.raises(ColumnError, match=r"lacks the column 'größe'. Did you mean 'grösse'"):
        encode_rows(rows.schema, FRAME.rename({"größe": "grösse"}))
    odd = FRAME.with_columns(pl.Series("Net.Sales / day", ["1", "2", "three", "4"]))
    with pytest.raises(ColumnError, match=r"'Net\.Sales / day' contains 'three' in row 3"):
        encode_rows(rows.schema, odd)
    with pytest.raises(ColumnError, match="infinite value in row 1"):
        encode_rows(rows.schema, FRAME.with_columns(pl.Series("Net.Sales / day", [np.inf, 1, 2, 3])))
    with pytest.raises(ColumnError, match="Expected a table"):
        encode_rows(rows.schema, np.zeros((2, 2, 2)))


def test_dates_are_days_for_new_rows_too():
    days = pd.to_datetime(["1970-01-02", "1970-01-03", None])
    schema = read(pd.DataFrame({"d": days}), y=[0, 1, 1]).schema
    numbers = encode_rows(schema, {"d": ["1970-01-02", "1970-01-11", ""]})["numeric"].ravel()
    assert (numbers[:2] + schema.numeric[0].offset).tolist() == [1, 10]
    assert np.isnan(numbers[2])


def test_arrays_pass_unchanged():
    x = np.zeros((2, 3, 3), dtype=np.uint8)
    assert encode_rows(None, x) is x


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist])
def test_an_array_with_more_columns_than_in_training_is_refused(form):
    x = np.random.default_rng(0).normal(size=(30, 3))
    schema = read(x, y=[0, 1] * 15).schema
    assert encode_rows(schema, form(x))["numeric"].shape == (30, 3)
    with pytest.raises(DataError, match="The rows have 4 columns, but the model was trained on 3"):
        encode_rows(schema, form(np.hstack([x[:, :1], x])))
    named = read(np.hstack([x, [[0], [1]] * 15]), "x3").schema
    assert encode_rows(named, form(np.hstack([x, x[:, :1]])))["numeric"].shape == (30, 3)  # with the target


def test_inputs_of_different_lengths_and_other_types_are_refused():
    two, three = np.zeros((2, 1)), np.zeros((3, 1))
    for inputs in ((two, three), {"a": three, "b": two}):
        with pytest.raises(DataError, match="The lengths do not match"):
            encode_rows(None, inputs)
    for values in (two + 1j, two.astype("M8[D]")):
        with pytest.raises(DataError, match="Expected an array of numbers or of text"):
            encode_rows(None, values)


def test_text_for_an_input_of_numbers_is_refused_and_numbers_for_text():
    numbers, text = SimpleNamespace(shape=(None, 2), dtype="float32"), SimpleNamespace(shape=(None,), dtype="string")
    check_inputs(np.zeros((3, 2), bool), numbers)
    check_inputs(np.array(["a", "b"]), text)
    with pytest.raises(DataError, match=r"x contains text .* needs numbers"):
        check_inputs(np.array([["1", "2"]]), numbers)
    with pytest.raises(DataError, match=r"x contains numbers .* needs text"):
        check_inputs(np.zeros(3), text)


@pytest.mark.parametrize("form", [pa.array, lambda texts: pa.chunked_array([texts]), pl.Series, pd.Series])
def test_a_column_of_any_library_is_an_array(form):
    assert not is_table(form(["a", "b"]))
    assert encode_rows(None, form(["a", "b"])).tolist() == ["a", "b"]
