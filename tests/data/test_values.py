"""Text in prediction is read by the convention of training."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError
from counterpoise.core.schema import Column, TextFormat
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows
from counterpoise.data.values import numeric_values

N = 100
MONEY = [f"{i},5 €" if i % 10 else "unbekannt" for i in range(N)]


@pytest.fixture(scope="module", name="schema")
def _schema():
    return read({"paid": MONEY, "z": np.arange(N) / 7}, y=np.arange(N) % 2).schema


def encode(schema, *values):
    return encode_rows(schema, {"paid": list(values), "z": [0.0] * len(values)})["numeric"][:, 0].tolist()


def test_a_row_alone_is_read_as_in_its_column(schema):
    assert schema.numeric[0].written == TextFormat(",", "", "€", ("unbekannt",))
    assert encode(schema, "1,25") == [1.25]
    assert np.isnan(encode(schema, "unbekannt")).all()
    assert encode(schema, 12.5) == [12.5]


def test_a_new_word_counts_as_missing_and_warns(schema):
    with pytest.warns(
        UserWarning, match=r"'paid' contains words that training rows did not contain \('k. A.', row 2\)"
    ):
        assert np.isnan(encode(schema, "1,5 €", "k. A.")[1])


def test_another_convention_is_refused_by_row(schema):
    with pytest.raises(ColumnError, match=r"'paid' contains '1.5' in rows 1, 2, .* such as '1234,5 €'"):
        encode(schema, *["1.5"] * 6)


def test_a_word_where_training_met_none_is_refused():
    with pytest.raises(ColumnError, match=r"'a' contains 'x' in row 2. Expected a number. Leave missing values blank"):
        numeric_values(Column("a", "numeric"), pl.Series("a", ["1", "x"]))
    with pytest.raises(ColumnError, match=r"'a' contains an infinite value in row 1"):
        numeric_values(Column("a", "numeric", offset=1e9), pl.Series("a", ["inf"]))


def test_the_convention_of_a_file_is_that_of_training(tmp_path):
    rows = [f'"{1000 + i:,}.50",{i % 3}' for i in range(N)]
    (tmp_path / "train.csv").write_text("paid,y\n" + "\n".join(rows))
    (tmp_path / "new.csv").write_text('paid\n7.5\n"1,000"\n')
    examples = read(tmp_path / "train.csv", "y")
    assert examples.x["numeric"][:2, 0].tolist() == [1000.5, 1001.5]
    assert encode_rows(examples.schema, tmp_path / "new.csv")["numeric"].ravel().tolist() == [7.5, 1000]


def test_shares_in_a_column_of_percentages_are_reported(recwarn):
    schema = read({"rate": [f"{i % 40 / 10}%" for i in range(60)]}, y=[0, 0, 1] * 20).schema
    encode_rows(schema, {"rate": [0.2, 12.0, 0.4, 0.1, 0.9]})
    assert not [w for w in recwarn if "percent" in str(w.message)]
    with pytest.warns(UserWarning, match="Column 'rate' contains only numbers from -1 to 1, but percentages"):
        values = encode_rows(schema, {"rate": [0.2, 0.12, 0.4, 0.1, None, 0.9]})["numeric"].ravel()
    assert values[1] == np.float32(0.12)


def test_numbers_of_hours_in_a_column_of_times_are_refused():
    schema = read({"at": [f"{i % 24}:30" for i in range(60)]}, y=[0, 0, 1] * 20).schema
    assert encode_rows(schema, {"at": [0.5]})["numeric"].item() == 0.5  # noon
    with pytest.raises(ColumnError, match=r"Column 'at' contains 13.* in row 2. Expected times of day"):
        encode_rows(schema, {"at": [0, 13]})


def test_points_that_may_separate_thousands_are_reported(tmp_path, recwarn):
    """Training had 1200 and 950. A file from a spreadsheet has 1.200 and 950, which would silently be 1.2 and 950."""
    counts = np.arange(N) * 17
    schema = read({"count": counts, "z": np.arange(N) / 7}, y=np.arange(N) % 2).schema

    def predicted(*texts):
        path = tmp_path / "new.csv"
        path.write_text("count,z\n" + "".join(f"{text},0.5\n" for text in texts))
        return encode_rows(schema, path)["numeric"][:, 0].tolist()

    with pytest.warns(UserWarning, match=r"Column 'count' contains numbers such as '1.200' and whole numbers"):
        assert predicted("950", "1.200", "17", "2.000", "3") == pytest.approx([950, 1.2, 17, 2, 3])
    recwarn.clear()
    predicted("950", "1.2", "17", "2.000", "3")  # a point before one digit separates no thousands
    predicted("1.200", "1.250", "1.375", "2.000", "3.125")  # measured to three digits
    predicted("950", "1200", "17", "2000", "3")
    predicted("950", "1.200")
    assert not recwarn
    grouped = read({"count": [f"{c:,}".replace(",", ".") for c in counts]}, y=np.arange(N) % 2).schema
    assert encode_rows(grouped, {"count": ["950", "1.200", "17", "2.000", "3"]})["numeric"][1, 0] == 1200
    assert not [w for w in recwarn if "and whole numbers" in str(w.message)]
