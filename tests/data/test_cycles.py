"""Time stamps keep the time of day: cycles, where the data go through them."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.schema import Column, Schema
from counterpoise.data.cycles import CYCLES, cycle_name, cycles_of, named_parts, phases
from counterpoise.data.encode import TableEncoder, encoder_of_schema

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
    found = cycles_of(days, float(np.floor(np.nan_to_num(np.median(days)))))
    assert [cycle_name(period) for period in found] == names


def test_a_time_of_day_goes_round_the_day():
    assert 1.0 in cycles_of(rng.random(100), 0.0, whole_day=True)


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
    assert called["cycles"] == ["when (place in the day)", "when (place in the week)"]
    assert np.array_equal(parts["cycles"], phases(schema, x["numeric"]), equal_nan=True)
    assert np.allclose(parts["cycles"], [[0.25, 3.25 / 7], [np.nan, np.nan]], equal_nan=True)


def test_an_hour_that_gives_the_label_away_is_a_leak():
    from counterpoise.data.read import read

    hours = rng.integers(0, 24, 600)
    stamps = np.datetime64("2024-01-01", "us") + (rng.integers(0, 60, 600) * 24 + hours).astype("m8[h]")
    found = read({"when": stamps, "z": rng.normal(size=600)}, y=(hours >= 21).astype(int))
    assert any("'when (place in the day)' alone nearly gives the target away" in w for w in found.warnings)
