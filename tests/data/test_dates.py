"""Dates, times and durations as days, from types and from text."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError
from counterpoise.data.dates import days, parse_dates, parse_times
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows

DAY = dt.datetime(2024, 3, 1)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-03-01", DAY),
        ("2024/03/01", DAY),
        ("2024-03-01 07:30", DAY.replace(hour=7, minute=30)),
        ("2024-03-01T07:30:01.25", DAY.replace(hour=7, minute=30, second=1, microsecond=250_000)),
        ("2024-03-01T07:30:00Z", DAY.replace(hour=7, minute=30)),
        ("2024-03-01 07:30:00 +0200", DAY.replace(hour=5, minute=30)),
        ("2024-03-01T07:30:00-01:30", DAY.replace(hour=9)),
        ("2024-02-30", None),
        ("01.03.2024", DAY),
        ("1.3.2024 7:30", None),
        ("1.3.2024 07:30", DAY.replace(hour=7, minute=30)),
        ("32.01.2024", None),
        ("03/01/2024", None),
        ("soon", None),
    ],
)
def test_dates_that_begin_with_the_year(text, utc):
    assert parse_dates(pl.Series([text])).to_list() == [utc]
    assert parse_dates(pl.Series(["2024-03-01", text, "2024-03-01 00:00Z", None])).to_list() == [DAY, utc, DAY, None]


def test_times_of_day():
    assert parse_times(pl.Series(["7:05", "23:59:59.5", "24:00", "7"])).to_list() == [
        dt.time(7, 5), dt.time(23, 59, 59, 500_000), None, None,
    ]  # fmt: skip


def test_durations_are_read_from_text_as_from_their_type():
    spans = [dt.timedelta(hours=30), dt.timedelta(days=-1, hours=3), dt.timedelta(days=2, microseconds=500)] * 9
    found = read({"a": spans, "z": np.arange(27) / 7}, y=[0, 1, 1] * 9)
    for text in (map(str, spans), map(str, pd.Series(spans))):
        written = list(text)
        assert np.array_equal(
            encode_rows(found.schema, {"a": written, "z": [0.0] * 27})["numeric"][:, 0], found.x["numeric"][:, 0]
        )
        assert read({"a": written, "z": np.arange(27) / 7}, y=[0, 1, 1] * 9).schema.numeric[0].unit == "duration"


def test_dates_of_uncertain_order_are_named():
    found = read(
        {"a": [f"{1 + i % 12}/{1 + i % 28}/2024" for i in range(60)], "z": np.arange(60) / 7}, y=[0, 1, 1] * 20
    )
    assert "'a' holds dates such as '1/1/2024', in which the order of day and month is not certain" in found.warnings[0]


def test_hours_beyond_a_day_make_a_column_of_durations():
    hours = [f"{h}:30:00" for h in (*range(20), *range(30, 40))]
    assert read({"a": hours, "z": np.arange(30) / 7}, y=[0, 1, 1] * 10).schema.numeric[0].unit == "duration"


def test_days_keep_the_time_of_day_and_time_zones_are_instants():
    stamps = pd.Series(pd.to_datetime(["2024-03-01 18:00", "2024-03-02 06:00"]))
    assert np.diff(days(pl.from_pandas(stamps)).to_list()).tolist() == [0.5]
    utc = stamps.dt.tz_localize("UTC")
    for zone in ("Europe/Zurich", "America/New_York"):
        assert days(pl.from_pandas(utc.dt.tz_convert(zone))).equals(days(pl.from_pandas(utc)))


@pytest.mark.parametrize("word", ["unknown", "0000-00-00", "12/2024"])
def test_a_stray_word_among_dates_is_missing_and_named(word):
    values = [str(DAY + dt.timedelta(days=i)) for i in range(60)]
    values[5] = word
    found = read({"when": values, "z": np.arange(60) / 7}, y=np.arange(60) % 2)
    column = found.schema.numeric[0]
    assert (column.unit, column.missing, column.written.words) == ("date", 1, (word,))
    assert f"holds dates, but 1 of 60 values (1.7%) is not: {word!r} in row 6" in " ".join(found.warnings)
    assert np.isnan(encode_rows(found.schema, {"when": [word], "z": [0.0]})["numeric"][0, 0])


def test_other_units_in_prediction_are_refused_by_name():
    dated = read({"when": [DAY, DAY + dt.timedelta(days=9), None]}, y=[0, 1, 1]).schema
    counted = read({"when": [1.5, 2.5, None]}, y=[0, 1, 1]).schema
    assert encode_rows(dated, {"when": [19_783.5]})["numeric"].tolist() == [[encode_days(dated, 19_783.5)]]
    with pytest.raises(ColumnError, match=r"'when' is 1700000000.* in row 1; expected dates, or days since"):
        encode_rows(dated, {"when": [1.7e9]})
    with pytest.raises(ColumnError, match=r"'when' holds durations, but held dates in training"):
        encode_rows(dated, {"when": [dt.timedelta(days=3)]})
    with pytest.raises(ColumnError, match=r"'when' holds dates, but held numbers in training"):
        encode_rows(counted, {"when": [DAY]})
    with pytest.raises(ColumnError, match=r"'when' is 'x' in row 1; expected a date such as 2024-12-31"):
        encode_rows(dated, {"when": ["x"]})


def encode_days(schema, value):
    return float(np.float32(value - schema.numeric[0].offset))
