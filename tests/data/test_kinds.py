from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError
from counterpoise.data.kinds import infer_column
from counterpoise.data.values import numeric_values

rng = np.random.default_rng(0)
N = 200
GAPS = np.cumsum(rng.integers(5, 90, N))


def kind(values, name="a", **options):
    return infer_column(pl.Series(name, values), **options).column.kind


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (rng.normal(size=N), "a", "numeric"),
        (rng.normal(size=N), "id", "numeric"),
        ([0, 1] * N, "a", "numeric"),
        (rng.permutation(GAPS), "amount", "numeric"),
        (rng.permutation(GAPS), "customer_id", "identifier"),
        (rng.permutation(GAPS), "customerID", "identifier"),
        (rng.permutation(GAPS), "paid", "numeric"),
        (rng.permutation(GAPS).astype(float), "id", "identifier"),
        (np.arange(N), "a", "identifier"),
        (rng.permutation(N) + 7, "a", "identifier"),
        (np.concatenate([np.arange(50)] * 4), "patch", "identifier"),
        (np.arange(5), "a", "numeric"),
        ([f"name {i}" for i in range(N)], "a", "identifier"),
        (["u", "v", "w"] * N, "a", "categorical"),
        (["red", "blue"] * N, "a", "categorical"),
        (["Yes", "no"] * N, "a", "boolean"),
        (["t", "f", None], "a", "boolean"),
        ([True, False], "a", "boolean"),
        ([True, True], "a", "constant"),
        (["x", "x"], "a", "constant"),
        ([3, 3], "a", "constant"),
        (["x", None], "a", "boolean"),
        ([3.0, None], "a", "boolean"),
        ([None, None], "a", "missing"),
    ],
)
def test_kinds(values, name, expected):
    assert kind(values, name) == expected


def test_levels_come_in_their_order():
    column = infer_column(pl.Series("a", ["v", "u", "w", "w", None])).column
    assert (column.levels, column.missing, column.numeric_levels) == (("u", "v", "w"), 1, False)


def test_numbers_can_be_levels_on_request():
    column = infer_column(pl.Series("code", [3.0, 3.0, 10.0]), kind="categorical").column
    assert (column.kind, column.levels, column.numeric_levels) == ("categorical", ("3", "10"), True)


def test_text_as_number_on_request_names_the_odd_row():
    with pytest.raises(ColumnError, match=r"'a' contains 'x' in row 2"):
        infer_column(pl.Series("a", ["1", "x"]), kind="numeric")


def test_dates_become_days():
    column = infer_column(pl.Series("when", ["1970-01-02", None, "1970-01-03 12:00"]).str.to_datetime(strict=False))
    assert column.column.kind == "numeric"
    assert "'when' contains dates" in column.notes[0]
    assert column.column.unit == "date"
    assert numeric_values(column.column, column.series)[0] + column.column.offset == 1.0


def test_stray_words_among_numbers_are_shown():
    values = [str(i % 50) for i in range(N)] + ["n.a."]
    assert f"'n.a.' in row {N + 1}" in infer_column(pl.Series("fee", values)).notes[0]


def test_many_levels_are_reported():
    values = [f"w{i % 600}" for i in range(1_800)]
    assert "600 categories" in infer_column(pl.Series("word", values)).notes[0]


def test_prose_is_not_called_an_identifier():
    note = infer_column(pl.Series("note", [f"patient {i} came back today" for i in range(N)])).notes[0]
    assert note == (
        "Column 'note' is free text (200 distinct texts in 200 rows) that only the network 'text' reads and is left "
        "out."
    )


def test_categories_that_differ_only_in_case_are_reported():
    texts = ["yes", "no", "YES", "No", "y", "n"] * 10
    (note,) = infer_column(pl.Series("paid", texts)).notes
    assert note.startswith(
        "Column 'paid' has the categories 'No' and 'n' and 'no' (1 more such groups), which differ only"
    )
    assert note.endswith("They are read as different categories. If they mean the same, write them in the same way.")
    for fine in (["yes", "no"], ["red", "blue", "n", "no"], ["1a", "01a", "2"]):
        assert not infer_column(pl.Series("paid", fine * 15)).notes
