"""Dates, times and durations as days, from types and from text."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError
from counterpoise.data.date_text import parse_dates, parse_times
from counterpoise.data.dates import days
from counterpoise.data.kinds import infer_column
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
        ("20240301T073001", DAY.replace(hour=7, minute=30, second=1)),
        ("20240301T0730Z", DAY.replace(hour=7, minute=30)),
        ("20240301T073001.25+0100", DAY.replace(hour=6, minute=30, second=1, microsecond=250_000)),
        ("20240301", None),
        ("2024-02-30", None),
        ("01.03.2024", DAY),
        ("1.3.2024 7:30", DAY.replace(hour=7, minute=30)),
        ("1 Mar 2024", DAY),
        ("01-MAR-2024", DAY),
        ("01Mar2024", DAY),
        ("March 1st, 2024 7:30 am", DAY.replace(hour=7, minute=30)),
        ("Fri, 1 March 2024 07:30:01 GMT", DAY.replace(hour=7, minute=30, second=1)),
        ("2024-03-01 12 AM", DAY),
        ("2024-03-01 1:30:00 p.m.", DAY.replace(hour=13, minute=30)),
        ("2024-03-01 13:30 PM", None),
        ("30 Feb 2024", None),
        ("March 2024", None),
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
    assert parse_times(pl.Series(["7:05", "23:59:59.5", "24:00", "7", "12:05 am", "1 PM"])).to_list() == [
        dt.time(7, 5), dt.time(23, 59, 59, 500_000), None, None, dt.time(0, 5), dt.time(13),
    ]  # fmt: skip


def test_durations_are_read_from_text_as_from_their_type():
    spans = [dt.timedelta(hours=30), dt.timedelta(days=-1, hours=3), dt.timedelta(days=2, microseconds=500)] * 9
    examples = read({"a": spans, "z": np.arange(27) / 7}, y=[0, 1, 1] * 9)
    for text in (map(str, spans), map(str, pd.Series(spans))):
        written = list(text)
        assert np.array_equal(
            encode_rows(examples.schema, {"a": written, "z": [0.0] * 27})["numeric"][:, 0], examples.x["numeric"][:, 0]
        )
        assert read({"a": written, "z": np.arange(27) / 7}, y=[0, 1, 1] * 9).schema.numeric[0].unit == "duration"


def test_dates_of_uncertain_order_are_named():
    examples = read(
        {"a": [f"{1 + i % 12}/{1 + i % 11}/2024" for i in range(60)], "z": np.arange(60) / 7}, y=[0, 1, 1] * 20
    )
    assert (
        "'a' is read as text, because dates such as '1/1/2024' may begin with the day or the month"
        in examples.warnings[0]
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [("%d-%b-%y", "the century of dates such as '10-Mar-24'"), ("%d.%m.%y", "the century of dates such as '10.03.24'"),
     ("%m/%d/%y %H:%M", "the century of dates"), ("%b %d, %y", "the century of dates"),
     ("%Y-%m-%d %H:%M CET", "contain dates, for example '2024-03-10 00:00 CET'")],
)  # fmt: skip
def test_dates_that_are_not_certain_are_named(written, words):
    values = [(DAY + dt.timedelta(days=9 * i)).strftime(written) for i in range(60)]
    examples = read({"a": values[1:], "z": np.arange(59) / 7}, y=np.arange(59) % 2)
    assert words in examples.warnings[0]
    versions = read({"a": [f"{i % 7}.{i % 5}.{i % 3}" for i in range(59)], "z": np.arange(59) / 7}, y=np.arange(59) % 2)
    assert "dates" not in " ".join(versions.warnings)


def test_one_word_may_fill_most_of_a_column_of_dates():
    values = [str(DAY + dt.timedelta(days=i)) if i % 4 == 0 else "never" for i in range(120)]
    examples = read({"left": values, "z": np.arange(120) / 7}, y=np.arange(120) % 2)
    column = examples.schema.numeric[0]
    assert (column.unit, column.missing, column.written.words) == ("date", 90, ("never",))


@pytest.mark.parametrize(
    ("written", "order"),
    [("%m/%d/%Y", "month first"), ("%d/%m/%Y %H:%M", "day first"), ("%d-%m-%Y", "day first"),
     ("%m/%d/%Y, %I:%M:%S %p", "month first"), ("%A, %d %B %Y", ""), ("%b %d, %Y %I:%M %p", "")],
)  # fmt: skip
def test_dates_in_one_order_are_those_of_their_type(written, order, tmp_path):
    """In a frame, in a file and at prediction, row by row too; a word for what is missing counts as missing."""
    stamps = [DAY + dt.timedelta(days=9 * i, hours=i % 24) for i in range(60)]
    dates = [stamp if "%H" in written or "%I" in written else stamp.replace(hour=0) for stamp in stamps]
    typed, z, y = pl.Series(dates), np.arange(60) / 7, np.arange(60) % 2
    text = [stamp.strftime(written) for stamp in stamps[:-1]] + ["unknown"]
    examples, expected = read({"when": text, "z": z}, y=y), read({"when": typed, "z": z}, y=y)
    column = examples.schema.numeric[0]
    assert (column.unit, column.written.order, column.missing) == ("date", order, 1)
    days = examples.x["numeric"][:-1, 0] + column.offset
    assert np.array_equal(days, expected.x["numeric"][:-1, 0] + expected.schema.numeric[0].offset)
    pl.DataFrame({"when": text, "z": z, "y": y}).write_csv(tmp_path / "a.csv")
    for source in ({"when": text, "z": z}, tmp_path / "a.csv"):
        assert np.array_equal(encode_rows(examples.schema, source)["numeric"], examples.x["numeric"], equal_nan=True)
    assert np.array_equal(read(tmp_path / "a.csv", "y").x["numeric"], examples.x["numeric"], equal_nan=True)
    one = encode_rows(examples.schema, {"when": [text[3]], "z": z[3:4]})
    assert np.array_equal(one["numeric"], examples.x["numeric"][3:4])


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
    examples = read({"when": values, "z": np.arange(60) / 7}, y=np.arange(60) % 2)
    column = examples.schema.numeric[0]
    assert (column.unit, column.missing, column.written.words) == ("date", 1, (word,))
    assert f"contains dates, but 1 of 60 values (1.7%) is not: {word!r} in row 6" in " ".join(examples.warnings)
    assert np.isnan(encode_rows(examples.schema, {"when": [word], "z": [0.0]})["numeric"][0, 0])


def test_other_units_in_prediction_are_refused_by_name():
    dated = read({"when": [DAY, DAY + dt.timedelta(days=9), None]}, y=[0, 1, 1]).schema
    counted = read({"when": [1.5, 2.5, None]}, y=[0, 1, 1]).schema
    assert encode_rows(dated, {"when": [19_783.5]})["numeric"].tolist() == [[encode_days(dated, 19_783.5)]]
    with pytest.raises(ColumnError, match=r"'when' contains 1700000000.* in row 1. Expected dates, or days since"):
        encode_rows(dated, {"when": [1.7e9]})
    with pytest.raises(ColumnError, match=r"'when' contains durations, but contained dates in training"):
        encode_rows(dated, {"when": [dt.timedelta(days=3)]})
    with pytest.raises(ColumnError, match=r"'when' contains dates, but contained numbers in training"):
        encode_rows(counted, {"when": [DAY]})
    with pytest.raises(ColumnError, match=r"'when' contains 'x' in row 1. Expected a date such as 2024-12-31"):
        encode_rows(dated, {"when": ["x"]})


def encode_days(schema, value):
    return float(np.float32(value - schema.numeric[0].offset))


def test_a_note_states_that_times_of_a_zone_are_in_utc():
    stamps = pd.Series(pd.date_range("2024-01-01", periods=40, freq="7h"))
    for zone, notes in (("Europe/Zurich", 1), ("UTC", 0), (None, 0)):
        inferred = infer_column(pl.from_pandas(stamps.dt.tz_localize(zone)).alias("at")).notes
        assert sum("'at' has the time zone Europe/Zurich" in note for note in inferred) == notes
