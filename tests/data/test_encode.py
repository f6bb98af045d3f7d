"""The encoder: what it learns, what it leaves alone, and that every row stays finite."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from counterpoise.core import structure
from counterpoise.data import encode
from counterpoise.data.columns import raw_columns, raw_inputs, safe_names
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows


@pytest.fixture(name="examples")
def _examples():
    rng = np.random.default_rng(0)
    n = 200
    frame = pl.DataFrame(
        {
            "age": [None if i % 9 == 0 else float(v) for i, v in enumerate(rng.normal(50, 9, n))],
            "Net.Sales (€)": rng.lognormal(3, 2, n),
            "sex": [None if i % 11 == 0 else "mf"[i % 2] for i in range(n)],
            "smoker": [bool(v) for v in rng.random(n) < 0.3],
            "city": [f"c{int(v)}" for v in rng.integers(0, 12, n)],
        }
    )
    return frame, read(frame, y=(rng.random(n) < 0.3).astype(int))


def build(examples, rows=None):
    layer = encode.encoder_for(examples)
    x = examples.x if rows is None else structure.take(examples.x, rows)
    for variable, value in zip(layer.variables, layer.learned(x), strict=True):
        variable.assign(value)
    return layer


def test_width_names_and_values_are_finite(examples):
    _, data = examples
    layer = build(data)
    out = np.asarray(layer(data.x))
    assert out.shape == (len(data), layer.width) == (200, len(layer.names))
    assert np.isfinite(out).all()
    assert np.abs(out[:, :2]).max() <= 3


def test_what_is_learned_comes_from_the_training_rows_alone(examples):
    _, data = examples
    rows = np.arange(50)
    other = {k: v.copy() for k, v in data.x.items()}
    other["numeric"][50:] *= 1e6
    other["categorical"][50:] = 0
    layer = encode.encoder_for(data)
    for a, b in zip(
        layer.learned(structure.take(data.x, rows)), layer.learned(structure.take(other, rows)), strict=True
    ):
        assert np.array_equal(a, b)


def test_numbers_are_centered_scaled_and_clipped_smoothly():
    values = np.arange(101, dtype="float32")[:, None]
    center, factor = encode.learn_numbers(values)
    assert center.tolist() == [50.0]
    assert factor[0] == pytest.approx(1 / 50)
    constant = encode.learn_numbers(np.full((5, 1), 7, "float32"))
    assert (constant[0][0], constant[1][0]) == (7.0, 0.0)
    missing = encode.learn_numbers(np.full((5, 1), np.nan, "float32"))
    assert (missing[0][0], missing[1][0]) == (0.0, 0.0)


def test_missing_sets_the_indicator_and_the_median(examples):
    _, data = examples
    layer = build(data)
    out = np.asarray(layer(data.x))
    gone = np.isnan(data.x["numeric"][:, 0])
    assert np.array_equal(out[:, layer.names.index("age is missing")] == 1, gone)
    assert np.all(out[gone, 0] == 0)


def test_levels_unseen_or_pooled(examples):
    _, data = examples
    ids = np.array([1, 1, 1, 2, 2, 3])  # level 3 once: pooled into "other"
    ids_of_levels = encode.learn_levels(ids, 4)
    assert ids_of_levels.tolist() == [-1, 2, 3, 1, 1, 1]
    assert encode.learn_levels(np.array([1, 1, 2, 2]), 3).tolist() == [-1, 2, 3, -1, -1]
    layer = build(data)
    unseen = {k: v[:1].copy() for k, v in data.x.items()}
    unseen["categorical"][0] = [len(c.levels) + 1 for c in data.schema.categorical]
    assert np.isfinite(np.asarray(layer(unseen))).all()


def test_most_levels_is_a_bound():
    ids = np.repeat(np.arange(1, 201), 3)
    ids_of_levels = encode.learn_levels(ids, 200)
    assert (ids_of_levels >= 2).sum() == encode.MAX_LEVELS
    assert ids_of_levels.max() == encode.MAX_LEVELS + 1


def test_compiled_is_the_same(examples):
    import tensorflow as tf

    _, data = examples
    layer = build(data)
    x = {k: tf.constant(v) for k, v in data.x.items()}
    compiled = tf.function(layer.call, jit_compile=True)(x)
    assert np.allclose(compiled, layer(data.x), atol=1e-6)


def test_raw_columns_give_what_encode_rows_gives(examples):
    import keras

    frame, data = examples
    fresh = frame.head(40).with_columns(pl.Series("city", ["nowhere", *frame["city"][1:40]]))
    names = safe_names([c.name for c in [*data.schema.numeric, *data.schema.categorical]])
    inputs = raw_inputs(data.schema)
    model = keras.Model(inputs, raw_columns(data.schema)(inputs))
    import tensorflow as tf

    numeric = {c.name for c in data.schema.numeric}
    x = {
        names[c]: tf.constant(fresh[c].cast(pl.Float32).fill_null(float("nan")).to_numpy()[:, None])
        if c in numeric
        else tf.constant([[("True" if v else "False") if isinstance(v, bool) else v or ""] for v in fresh[c]])
        for c in names
    }
    got, want = model(x), encode_rows(data.schema, fresh)
    assert np.allclose(got["numeric"], want["numeric"], equal_nan=True)
    assert np.array_equal(got["categorical"], want["categorical"])


def test_safe_names_never_meet():
    hostile = ["a b", "a.b", "a_b", "a_b_2", "", "é", "1", "a/b", "A B"]
    safe = safe_names(hostile)
    assert len(set(safe.values())) == len(hostile)
    assert all(n.isascii() and n[0].isalpha() and n.replace("_", "a").isalnum() for n in safe.values())


def test_numbers_far_out_and_tiny_spreads_stay_finite_and_in_order():
    layer = encode.TableEncoder(1, [], [])
    far = np.array([[-3e38], [-1e25], [-9.0], [0.0], [9.0], [1e25], [3e38]], "float32")
    out = np.asarray(layer({"numeric": far})).ravel()
    assert np.all(np.diff(out) >= 0)
    assert out[[0, 1, -2, -1]] == pytest.approx([-3, -3, 3, 3])
    for scale in (1e-40, 1e-30, 1e30, 3e38):
        rows = (np.linspace(-1, 1, 41) * scale).astype("float32")[:, None]
        for variable, value in zip(layer.variables, layer.learned({"numeric": rows}), strict=True):
            assert np.isfinite(value).all()
            variable.assign(value)
        assert np.isfinite(np.asarray(layer({"numeric": rows}))).all()


@pytest.mark.filterwarnings("error")
def test_a_column_missing_in_one_fold_and_a_level_seen_in_another_only(examples):
    _, data = examples
    part = {k: v[:40].copy() for k, v in data.x.items()}
    part["numeric"][:, 0], part["categorical"][:, 0] = np.nan, 0
    layer = build(dataclasses.replace(data, x=part))
    out = np.asarray(layer(data.x))
    assert np.isfinite(out).all()
    assert np.all(out[:, 0] == 0)
    assert out.shape[1] == len(layer.names)


def test_no_label_and_no_order_of_rows_matters(examples):
    _, data = examples
    layer = encode.encoder_for(data)
    turned = structure.take(data.x, np.random.default_rng(1).permutation(len(data)))
    for a, b in zip(layer.learned(data.x), layer.learned(turned), strict=True):
        assert np.array_equal(a, b)


def test_inputs_of_any_structure_are_taken():
    from collections import namedtuple

    pair = namedtuple("pair", "a b")
    x = {"one": np.arange(5), "two": (np.arange(5), [np.arange(5)]), "three": pair(np.arange(5), np.arange(5))}
    got = structure.take(x, np.array([4, 0]))
    assert got["two"][1][0].tolist() == [4, 0]
    assert got["three"] == pair(*got["three"])
    assert isinstance(got["three"], pair)


@pytest.mark.parametrize("bins", [1, 4, 16])
def test_bins_hold_how_far_a_number_has_come_through_each_quantile_bin(bins):
    rng = np.random.default_rng(3)
    values = np.stack([rng.lognormal(size=300), rng.integers(0, 3, 300), np.full(300, 7.0)], axis=1).astype("float32")
    values[5, 0] = np.nan
    layer = encode.TableEncoder(3, [], [], bins=bins)
    for variable, value in zip(layer.variables, layer.learned({"numeric": values}), strict=True):
        variable.assign(value)
    out = np.asarray(layer({"numeric": values}))
    assert out.shape == (300, layer.width) == (300, 3 + 3 * bins)
    for column in range(3):
        known = values[:, column][np.isfinite(values[:, column])]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)).astype("float32"))
        numbers = np.where(np.isnan(values[:, column]), np.median(known), values[:, column])
        for number in range(bins):
            got = out[:, 3 + column * bins + number]
            if number + 1 < len(edges):
                low, high = edges[number], edges[number + 1]
                assert np.allclose(got, np.clip((numbers - low) / (high - low), 0, 1), atol=1e-4)
            else:
                assert not got.any()


def test_bins_have_names_of_their_own(examples):
    _, data = examples
    layer = encode.encoder_for(data, bins=3)
    assert len(layer.names) == len(set(layer.names)) == layer.width
    again = encode.TableEncoder.from_config(layer.get_config())
    assert (again.width, again.bins) == (layer.width, 3)


@pytest.mark.parametrize("bins", [0, 4])
def test_a_table_without_numbers_is_encoded(bins):
    frame = pl.DataFrame({"sex": ["m", "f", "f", "m"] * 10, "city": list("abcde") * 8})
    data = read(frame, y=[0, 1, 0, 0] * 10)
    layer = encode.encoder_for(data, bins=bins)
    for variable, value in zip(layer.variables, layer.learned(data.x), strict=True):
        variable.assign(value)
    assert np.asarray(layer(data.x)).sum(axis=1).tolist() == [2.0] * 40
