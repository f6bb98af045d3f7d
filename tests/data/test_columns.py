"""Raw columns in the saved model mean what `encode_rows` makes of the same rows."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from counterpoise.data.columns import RawColumns, raw_columns, raw_inputs, safe_names
from counterpoise.data.encode import encoder_for
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows

N = 60


@pytest.fixture(scope="module", name="data")
def _data():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "Größe / m": [None if i % 7 == 0 else float(v) for i, v in enumerate(rng.normal(size=N))],
            "city": [None if i % 9 == 0 else ("Bern", "Genève", "Zürich HB")[i % 3] for i in range(N)],
            "smoker": [None if i % 8 == 0 else bool(v) for i, v in enumerate(rng.random(N) < 0.4)],
            "stage": [None if i % 5 == 0 else int(v) for i, v in enumerate(rng.integers(1, 4, N))],
            "grade": [float(v) / 2 for v in rng.integers(1, 4, N)],
            "city.": [("a", "b")[i % 2] for i in range(N)],
        }
    )
    kinds = {"stage": "categorical", "grade": "categorical"}
    return frame, read(frame, y=np.arange(N) % 2, kinds=kinds)


def model_of(schema, encoder=None):
    inputs = raw_inputs(schema)
    out = raw_columns(schema)(inputs)
    return keras.Model(inputs, out if encoder is None else encoder(out))


def tensors(schema, columns):
    """What a user of the file holds: float32 (N, 1) and text (N, 1), by safe name."""
    names = safe_names([c.name for c in [*schema.numeric, *schema.categorical]])
    numeric = {c.name for c in schema.numeric}
    return {names[c]: tf.constant([[v] for v in columns[c]], tf.float32 if c in numeric else tf.string) for c in names}


def as_text(values):
    return ["" if v is None else str(v) for v in values]


def columns_of(frame, schema):
    numeric = {c.name for c in schema.numeric}
    return {
        c: [np.nan if v is None else v for v in frame[c]] if c in numeric else as_text(frame[c]) for c in frame.columns
    }


def test_kinds_are_those_that_the_test_wants(data):
    _, examples = data
    assert [c.name for c in examples.schema.numeric] == ["Größe / m"]
    assert {c.name: c.numeric_levels for c in examples.schema.categorical} == {
        "city": False, "smoker": True, "stage": True, "grade": True, "city.": False,
    }  # fmt: skip


@pytest.mark.parametrize("rows", ["all", "training part"])
def test_the_same_encoded_row_from_raw_columns_and_from_the_frame(data, rows):
    frame, examples = data
    encoder = encoder_for(examples)
    part = examples.x if rows == "all" else {k: v[:15] for k, v in examples.x.items()}
    for variable, value in zip(encoder.variables, encoder.learned(part), strict=True):
        variable.assign(value)
    got = model_of(examples.schema, encoder)(tensors(examples.schema, columns_of(frame, examples.schema)))
    want = np.asarray(encoder(encode_rows(examples.schema, frame)))
    assert want.shape == (N, encoder.width)
    assert np.allclose(got, want, atol=1e-6)


#: column -> spellings, each of them what one row of a CSV file might hold.
SPELLINGS = {
    "smoker": ["True", "true", "TRUE", "1", "1.0", "False", "false", "0", "0.0", "yes", "2", "", "  "],
    "stage": ["1", "1.0", "01", "+1", "1e0", "2", "2.00", ".3e1", "4", "1.5", "one", "", "true"],
    "grade": ["0.5", ".5", "5e-1", "1", "1.0", "1.5", "1.50", "2", "half", "-0.5", "", " ", "0", "false"],
    "city": ["Bern", "bern", "Genève", "Zürich HB", "Zürich", "", "  ", "nan", "Basel", "1", "a", "b", "None", "0"],
}


@pytest.mark.parametrize("column", SPELLINGS)
def test_every_spelling_of_a_level_gets_the_id_that_a_frame_gets(data, column):
    _, examples = data
    size = len(SPELLINGS[column])
    frame = pl.DataFrame({c: ["a"] * size for c in ("city", "smoker", "stage", "grade", "city.")}).with_columns(
        pl.Series("Größe / m", [0.0] * size), pl.Series(column, SPELLINGS[column])
    )
    got = model_of(examples.schema)(tensors(examples.schema, columns_of(frame, examples.schema)))
    assert np.array_equal(got["categorical"], encode_rows(examples.schema, frame)["categorical"])


def test_booleans_in_any_spelling_are_two_levels(data):
    _, examples = data
    number = [c.name for c in examples.schema.categorical].index("smoker")
    columns = {c.name: ["x"] * 7 for c in examples.schema.categorical} | {"Größe / m": [0.0] * 7}
    columns["smoker"] = ["True", "true", "1", "False", "false", "0", ""]
    ids = np.asarray(model_of(examples.schema)(tensors(examples.schema, columns))["categorical"])[:, number]
    assert ids[0] == ids[1] == ids[2] != ids[3] == ids[4] == ids[5]
    assert set(ids) == {0, 1, 2}


def test_columns_may_come_in_any_order_and_with_company(data):
    frame, examples = data
    want = encode_rows(examples.schema, frame)
    turned = frame.select(reversed(frame.columns)).with_columns(more=pl.lit("x"))
    for source in (turned, turned.to_pandas(), {c: turned[c].to_numpy() for c in turned.columns}):
        got = encode_rows(examples.schema, source)
        assert np.allclose(got["numeric"], want["numeric"], equal_nan=True)
        assert np.array_equal(got["categorical"], want["categorical"])


def test_a_pandas_frame_with_categories_and_gaps(data):
    frame, examples = data
    pandas = frame.to_pandas()
    pandas["city"] = pandas["city"].astype("category")
    pandas["stage"] = pandas["stage"].astype("Int64")
    pandas["smoker"] = pandas["smoker"].astype("boolean")
    assert isinstance(pandas, pd.DataFrame)
    got = encode_rows(examples.schema, pandas)
    assert np.array_equal(got["categorical"], encode_rows(examples.schema, frame)["categorical"])


def test_the_layer_survives_its_file(data, tmp_path):
    frame, examples = data
    model = model_of(examples.schema)
    model.save(tmp_path / "columns.keras")
    again = keras.models.load_model(tmp_path / "columns.keras", safe_mode=True)
    x = tensors(examples.schema, columns_of(frame, examples.schema))
    for part, value in model(x).items():
        assert np.array_equal(again(x)[part], value, equal_nan=True)


def test_a_file_from_before_values_were_compared_still_loads():
    layer = RawColumns(["a"], ["b"], [["x", "y"]])
    old = {k: v for k, v in layer.get_config().items() if k != "by_value"}
    x = {"a": tf.constant([[1.0], [2.0]]), "b": tf.constant([["y"], ["z"]])}
    assert np.asarray(RawColumns.from_config(old)(x)["categorical"]).tolist() == [[2], [3]]


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_one_kind_of_column_alone(kind):
    column = {"numeric": np.arange(30) / 7, "categorical": ["u", "v", "w"] * 10}[kind]
    examples = read({"only": np.array(column)}, y=np.arange(30) % 2)
    out = model_of(examples.schema)(tensors(examples.schema, {"only": column}))
    assert list(out) == [kind]
    assert np.allclose(out[kind], examples.x[kind])


HOSTILE = [
    "",
    " ",
    "a",
    "A",
    "a_2",
    "a 2",
    "a.2",
    "_",
    "é",
    "ß",
    "1",
    "1a",
    "c_1",
    "a\n2",
    "training",
    "x" * 300,
    "日本",
]


def test_safe_names_are_unique_for_hostile_names_in_any_order():
    for names in (HOSTILE, HOSTILE[::-1], *itertools.islice(itertools.permutations(HOSTILE[:8]), 0, 40320, 997)):
        safe = safe_names(names)
        assert list(safe) == list(names)
        assert len(set(safe.values())) == len(names)


def test_hostile_names_become_inputs_of_a_model():
    frame = pl.DataFrame({name: np.random.default_rng(i).normal(size=30) for i, name in enumerate(HOSTILE[1:])})
    examples = read(frame, y=np.arange(30) % 2)
    out = model_of(examples.schema)(tensors(examples.schema, columns_of(frame, examples.schema)))
    assert np.allclose(out["numeric"], examples.x["numeric"], atol=1e-6)


def test_offsets_are_subtracted_in_float64_in_the_model_and_survive_its_file(tmp_path):
    seconds = 1.7e9 + np.arange(60.0) ** 2 / 16
    examples = read({"sec": seconds, "z": np.arange(60) / 7}, y=np.arange(60) % 2)
    model = model_of(examples.schema)
    model.save(tmp_path / "m.keras")
    for whole in (model, keras.models.load_model(tmp_path / "m.keras", safe_mode=True)):
        assert {i.name: i.dtype for i in whole.inputs} == {"sec": "float64", "z": "float32"}
        x = {"sec": tf.constant(seconds[:, None]), "z": tf.constant(np.arange(60, dtype="f4")[:, None] / 7)}
        assert np.array_equal(whole(x)["numeric"], examples.x["numeric"])


def test_blanks_of_any_kind_around_a_level_do_not_count_in_the_model(data):
    _, examples = data
    blanks = [" Bern\t", "\u00a0Bern", "Bern\u2009", "\u3000Bern\n", "\x85Bern", "\x0bBern"]
    columns = {c.name: ["1"] * len(blanks) for c in examples.schema.categorical} | {"Größe / m": [0.0] * len(blanks)}
    columns["city"] = blanks
    ids = np.asarray(model_of(examples.schema)(tensors(examples.schema, columns))["categorical"])
    frame = pl.DataFrame(columns)
    assert np.array_equal(ids, encode_rows(examples.schema, frame)["categorical"])
    number = [c.name for c in examples.schema.categorical].index("city")
    assert len(set(ids[:, number])) == 1


def test_a_wide_table_has_two_inputs_and_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoise.data.columns.MOST_INPUTS", 3)
    seconds = 1.7e9 + np.arange(40.0) ** 2 / 16
    frame = pl.DataFrame(
        {
            "sec": seconds,
            "z": [None, *map(float, range(39))],
            "city": ["Bern", "Genève", None, " Bern"] * 10,
            "grade": [0.5, 1.0, 1.5, 1.0] * 10,
        }
    )
    examples = read(frame, y=np.arange(40) % 2, kinds={"grade": "categorical"})
    model = model_of(examples.schema)
    model.save(tmp_path / "m.keras")
    texts = [["Bern", "0.50"], ["Genève", "1"], ["", "1.5"], [" Bern", "+1e0"]] * 10
    x = {
        "numeric": tf.constant(np.column_stack([seconds, [np.nan, *range(39)]])),
        "categorical": tf.constant(texts),
    }
    for whole in (model, keras.models.load_model(tmp_path / "m.keras", safe_mode=True)):
        assert {i.name: (i.shape[1], i.dtype) for i in whole.inputs} == {
            "numeric": (2, "float64"),
            "categorical": (2, "string"),
        }
        out = whole(x)
        assert np.array_equal(out["numeric"], examples.x["numeric"], equal_nan=True)
        assert np.array_equal(out["categorical"], examples.x["categorical"])
        odd = whole({**x, "categorical": tf.constant([["Basel", "7"]] * 40)})["categorical"]
        assert np.unique(odd, axis=0).tolist() == [[3, 4]]
