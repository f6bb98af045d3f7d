"""Time stamps keep the time of day: cycles, where the data go through them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from counterpoise.core.schema import Column, Schema
from counterpoise.data.cycles import CYCLES, cycle_name, cycles_of, named_parts, phases
from counterpoise.data.encode import TableEncoder, encoder_of_schema
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows

rng = np.random.default_rng(0)
SECOND = 1 / 86_400


@pytest.mark.parametrize(
    ("days", "names"),
    [
        (19_000 + rng.integers(0, 86_400, 500) * SECOND, ["minute", "hour"]),
        (19_000 + rng.integers(0, 30 * 86_400, 500) * SECOND, ["minute", "hour", "day", "week"]),
        (19_000 + rng.integers(0, 30 * 24, 500) / 24, ["day", "week"]),
        (19_000.0 + rng.integers(0, 30, 500), ["week"]),
        (19_000.0 + rng.integers(0, 3_000, 500), ["week", "year"]),
        (19_000.0 + 7 * rng.integers(0, 30, 500), []),
        (19_000 + rng.integers(0, 9_000 * 86_400, 500) * SECOND, ["hour", "day", "week", "year"]),
        (np.full(5, np.nan), []),
    ],
)
def test_cycles_that_the_stamps_go_through(days, names):
    cycles = cycles_of(days, float(np.floor(np.nan_to_num(np.median(days)))))
    assert [cycle_name(period) for period in cycles] == names


def test_a_time_of_day_goes_round_the_day():
    assert 1.0 in cycles_of(rng.random(100), 0.0, "time")


@pytest.mark.parametrize("period", CYCLES.values())
@pytest.mark.parametrize("compiled", [False, True])
def test_the_encoder_gives_sine_and_cosine_of_the_place_in_the_cycle(period, compiled):
    import tensorflow as tf

    days = (rng.integers(-200 * 86_400, 200 * 86_400, 400) * SECOND).astype(np.float32)
    days[7] = np.nan
    layer = TableEncoder(1, [], [], cycles=[(0, period)])
    call = tf.function(layer.call, jit_compile=True) if compiled else layer
    out = np.asarray(call({"numeric": tf.constant(days[:, None])}))
    angle = 2 * np.pi * days.astype(np.float64) / period
    want = np.nan_to_num(np.stack([np.sin(angle), np.cos(angle)], axis=1))
    assert out.shape == (400, layer.width) == (400, 3)
    assert np.allclose(out[:, 1:], want, atol=0.02 if period < 0.01 else 2e-3)


def test_places_in_cycles_have_names_and_are_checked_for_leaks():
    schema = Schema((Column("z", "numeric"), Column("when", "numeric", unit="date", cycles=(1.0, 7.0))))
    names = encoder_of_schema(schema, bins=2).names
    assert names[-4:] == [f"when {wave} of the {cycle}" for wave in ("sine", "cosine") for cycle in ("day", "week")]
    x = {"numeric": np.array([[0.0, 3.25], [1.0, np.nan]], np.float32)}
    parts, called = named_parts(schema, x)
    assert called["cycles"] == ["when (position in the day)", "when (position in the week)"]
    assert np.array_equal(parts["cycles"], phases(schema, x["numeric"]), equal_nan=True)
    assert np.allclose(parts["cycles"], [[0.25, 3.25 / 7], [np.nan, np.nan]], equal_nan=True)


def test_an_hour_that_gives_the_label_away_is_a_leak():
    hours = rng.integers(0, 24, 600)
    stamps = np.datetime64("2024-01-01", "us") + (rng.integers(0, 60, 600) * 24 + hours).astype("m8[h]")
    examples = read({"when": stamps, "z": rng.normal(size=600)}, y=(hours >= 21).astype(int))
    assert any(
        "'when (position in the day)' alone predicts the target almost perfectly" in w for w in examples.warnings
    )


@pytest.mark.parametrize(
    ("unit", "factor", "dtype"),
    [("milliseconds", 10**3, pl.Int64), ("milliseconds", 10**3, pl.Float64), ("microseconds", 10**6, pl.UInt64),
     ("nanoseconds", 10**9, pl.Int64)],
)  # fmt: skip
def test_unix_stamps_of_other_units_are_named(unit, factor, dtype):
    stamps, y, z = pl.Series(range(200)) * 3_600 + 1_700_000_000, np.arange(200) % 2, np.arange(200) / 7
    examples = read({"created_at": (stamps * factor).cast(dtype), "z": z}, y=y)
    assert f"'created_at' contains Unix {unit}. Convert them to dates or seconds" in examples.warnings[0]
    assert len(np.unique(examples.x["numeric"][:, 0])) == 200
    for dtype in (pl.Int8, pl.Int32, pl.Float32):
        assert not read({"created_at": (stamps % 100).cast(dtype), "z": z}, y=y).warnings


def test_unix_seconds_under_the_name_of_a_time_stamp_have_the_cycles_of_their_dates():
    stamps = pl.Series(1_700_000_000 + 3_600 * np.arange(800)).cast(pl.Int64)
    y, z = np.arange(800) % 2, np.arange(800) / 7
    examples = read({"created_at": stamps, "z": z}, y=y)
    dated = read({"created_at": pl.from_epoch(stamps, "s"), "z": z}, y=y)
    column = examples.schema.numeric[0]
    assert (column.unit, column.offset % 86_400) == ("seconds", 0.0)
    assert np.array_equal(examples.x["numeric"][:, 0].astype(float) + column.offset, stamps.to_numpy())
    assert (
        examples.warnings[0]
        == "Column 'created_at' contains Unix seconds. The model also uses the position of each time in the day, "
        "the week."
    )
    for rows in ({"created_at": stamps, "z": z}, {"created_at": stamps.cast(pl.String), "z": z}):
        assert np.array_equal(encode_rows(examples.schema, rows)["numeric"], examples.x["numeric"])
    ours, theirs = (phases(rows.schema, rows.x["numeric"]) for rows in (examples, dated))
    assert np.allclose(np.exp(2j * np.pi * ours[:, 0]), np.exp(2j * np.pi * theirs[:, 0]), atol=1e-4)
    assert [cycle_name(period, "seconds") for period in column.cycles] == ["day", "week"]
    for name, values in (("amount", stamps), ("time", stamps - 1_600_000_000), ("time", stamps * 1_000)):
        assert not [c for c in read({name: values, "z": z}, y=y).schema.numeric if c.unit]
