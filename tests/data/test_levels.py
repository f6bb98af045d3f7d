"""The names of levels, and how a value finds its level again."""

from __future__ import annotations

import datetime as dt
import re
import warnings

import numpy as np
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError
from counterpoise.core.schema import Column
from counterpoise.data.kinds import infer_column
from counterpoise.data.levels import compared_by_value, level_text, levels_of
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows
from counterpoise.data.values import level_ids


@pytest.mark.parametrize(
    ("values", "dtype", "names"),
    [
        ([1.0, 0.5, -0.0, 1e20, 2.0**53], pl.Float64, ["1", "0.5", "0", "1e+20", "9007199254740992"]),
        ([0.1, 3.0], pl.Float32, ["0.1", "3"]),
        ([True, False], pl.Boolean, ["True", "False"]),
        ([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 9, 30, 0, 500)], pl.Datetime,
         ["2024-01-01", "2024-01-01 09:30:00.0005"]),
        ([dt.date(2024, 1, 1)], pl.Date, ["2024-01-01"]),
        ([dt.time(9), dt.time(9, 0, 0, 1)], pl.Time, ["09:00:00", "09:00:00.000001"]),
        ([dt.timedelta(hours=36)], pl.Duration, ["P1DT12H"]),
        (["1.50", "2.00"], pl.Decimal(9, 2), ["1.5", "2"]),
        ([" a "], pl.Categorical, ["a"]),
    ],
)  # fmt: skip
def test_names_depend_on_the_value_alone(values, dtype, names):
    series = pl.Series(values).cast(dtype)
    assert level_text(series).to_list() == names
    assert [level_text(series[[i]])[0] for i in range(len(series))] == names


def test_levels_come_in_their_order_however_often_and_wherever_they_stand():
    texts = ["low", "10", "2", "high", "10", None, "10", "-1.5", "low"]
    ordered = ("-1.5", "2", "10", "high", "low")
    assert levels_of(pl.Series("size", texts)) == levels_of(pl.Series("size", texts[::-1])) == ordered


def test_instants_are_named_in_utc():
    tokyo = pl.Series([dt.datetime(2024, 1, 1, 9)]).dt.replace_time_zone("Asia/Tokyo")
    assert level_text(tokyo).to_list() == ["2024-01-01"]


@pytest.mark.parametrize(
    ("levels", "by_value"),
    [(("1", "2"), True), (("0.5", "1e+20"), True), (("True", "false"), True), (("01", "1"), False),
     (("1", "True"), False), (("1.0", "2"), False), (("a", "1"), False), (("inf", "1"), False),
     (("9007199254740993", "9007199254740992"), False)],
)  # fmt: skip
def test_only_plain_numbers_and_truth_values_are_compared_by_value(levels, by_value):
    assert compared_by_value(levels) is by_value


def test_dates_in_any_spelling_are_one_level():
    column = infer_column(pl.Series("day", [dt.date(2024, 1, 1), dt.date(2024, 5, 1)]), "categorical").column
    spelled = pl.Series(["2024-05-01", "2024-05-01T00:00:00", "2024-05-01 02:00:00+02:00", "May 2024", None])
    assert level_ids(column, spelled).tolist() == [2, 2, 2, 3, 0]


@pytest.mark.parametrize("text", ["k\x00", "\x00", "a\x00b"])
def test_a_level_with_a_nul_is_refused_before_training(text):
    with pytest.raises(ColumnError, match=r"'code' has the category .* in row 2, which contains a NUL"):
        read({"code": ["k", text, "k", "z"], "x": [1.5, 2, 3, 4]}, y=[0, 1, 0, 1])


def test_a_column_of_unseen_levels_warns_but_one_new_row_does_not():
    examples = read({"city": ["Bern", "Genf", "Bern"] * 10}, y=[0, 1, 0] * 10)
    with pytest.warns(
        UserWarning,
        match=r"'city' contains new categories in 6 of 8 rows.*'Bern', 'Genf'",
    ):
        encode_rows(examples.schema, {"city": ["bern"] * 6 + ["Bern", "Genf", ""]})
    assert encode_rows(examples.schema, {"city": ["Basel"]})["categorical"].tolist() == [[3]]


def test_a_warning_names_a_level_that_is_spelled_in_another_way_than_in_training():
    """Even if it is in few rows; a new level of its own is no fault."""
    examples = read({"city": ["Bern", "Genf", "1"] * 10, "x": np.arange(30.0) ** 2}, y=[0, 1, 0] * 10)
    for text, level in (("GENF", "Genf"), ("Ge\u200bnf", "Genf"), ("01", "1")):
        cells = ["Bern"] * 20 + [text]
        with pytest.warns(UserWarning, match=rf"'city' contains {re.escape(repr(text))}, which .* contained {level!r}"):
            encode_rows(examples.schema, {"city": cells, "x": list(range(21))})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_rows(examples.schema, {"city": ["Bern"] * 20 + ["Basel", "Genf "], "x": list(range(22))})


def test_levels_are_counted_and_many_are_named():
    column = infer_column(pl.Series("word", [f"w{i % 100}" for i in range(1_000)]))
    assert "has 100 categories in 1,000 rows" in column.notes[0]


def test_ids_of_a_column_without_the_level():
    column = Column("a", "categorical", ("u", "v"))
    assert level_ids(column, pl.Series(["v", "w", None], dtype=pl.Categorical)).dtype == np.int32
