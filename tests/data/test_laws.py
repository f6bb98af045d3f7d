"""Training and prediction read a row alike: laws over types, names, levels and missing values."""

from __future__ import annotations

import datetime as dt
import json
import uuid
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from counterpoise.core.errors import CounterpoiseError
from counterpoise.core.structure import take
from counterpoise.data.precision import floats
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows, schema_from_dict, schema_to_dict
from counterpoise.data.series import to_series

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ROWS = st.integers(2, 40)

finite = st.floats(-1e12, 1e12, allow_nan=False)
texts = st.text(max_size=6)
dates = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
stamps = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
spans = st.timedeltas(dt.timedelta(days=-999), dt.timedelta(days=999))
decimals = st.decimals(-10_000, 10_000, places=2)
words = st.sampled_from(["unknown", "n/a", "-", "NA", "", " ", "3+", "nan", "inf", "k\x00", "ß", "a,b", '"', "\n"])


def written(number):
    """Ways to write a number."""
    return st.sampled_from(
        [f"{number:.2f}", f"${number:,.2f}", f"{number:.1f} %", f"{number:.2f}".replace(".", ","), f"{number:,.0f}",
         f"({abs(number):.0f})", f"{number:.1f} kg", f"{number:e}", f"0{abs(number):.0f}"]
    )  # fmt: skip


VALUES = {
    "int": st.integers(-(2**40), 2**40), "small": st.integers(0, 3), "big": st.integers(2**53, 2**62), "float": finite,
    "fraction": st.sampled_from([0.5, 1.0, 2.0, 1e20]), "bool": st.booleans(), "text": texts, "date": dates,
    "stamp": stamps, "span": spans, "time": st.times(), "decimal": decimals, "word": words,
    "level": st.sampled_from(list("abcd")), "number text": finite.flatmap(written),
    "bytes": st.sampled_from([b"a", b"b"]),
    "mixed": st.one_of(st.integers(0, 3), st.sampled_from(["a", "1"]), st.booleans(), st.sampled_from([0.5, 2.0])),
    "iso": stamps.map(str), "odd": st.sampled_from([[1], {}, 1 + 2j, object()]),
}  # fmt: skip

#: Library types that a column of some values may be brought to; what cannot be brought there stays a list.
TYPES = {
    "list": lambda v: v,
    "array": lambda v: np.array([np.nan if x is None else x for x in v]),
    "pandas": lambda v: pd.Series(v),
    "category": lambda v: pd.Series(pd.Categorical(v)),
    "nullable": lambda v: pd.Series(v).convert_dtypes(),
    "pyarrow": lambda v: pd.Series(v).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda v: pl.Series(v, strict=False),
    "levels": lambda v: pl.Series(v, strict=False).cast(pl.String).cast(pl.Categorical),
    "float32": lambda v: np.array([np.nan if x is None else x for x in v], np.float32),
    "arrow": lambda v: pa.array(v),
    "dictionary": lambda v: pa.array(v).dictionary_encode(),
    "cut": lambda v: pd.cut(pd.Series(v, dtype=float), 3),
    "zone": lambda v: pd.Series(pd.to_datetime(v, utc=True)).dt.tz_convert("Asia/Tokyo"),
    "period": lambda v: pd.Series(pd.PeriodIndex(v, freq="D")),
    "sparse": lambda v: pd.Series(pd.arrays.SparseArray([np.nan if x is None else x for x in v])),
}


@st.composite
def columns(draw, rows):
    """A column of `rows` values of one kind, some missing, in some library's type."""
    values = VALUES[draw(st.sampled_from(sorted(VALUES)))]
    items = draw(st.lists(values, min_size=rows, max_size=rows))
    if draw(st.booleans()):
        gone = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
        items = [None if lacks else item for item, lacks in zip(items, gone, strict=True)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            column = TYPES[draw(st.sampled_from(sorted(TYPES)))](items)
            return column if np.ndim(column) == 1 and len(column) == rows else items
    except Exception:  # these values do not come in that type
        return items


@st.composite
def tables(draw):
    rows = draw(ROWS)
    names = draw(
        st.lists(
            st.one_of(texts, st.sampled_from(["a", "A ", "y", "0", "numeric"])), min_size=1, max_size=3, unique=True
        )
    )
    kinds = {
        n: draw(st.sampled_from(["numeric", "categorical", "boolean"])) for n in names if draw(st.integers(0, 3)) == 0
    }
    return {name: draw(columns(rows)) for name in names}, kinds, rows


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=k == "numeric") for k in a)


def part_of(column, rows):
    """Some rows of a column, in its own type."""
    if isinstance(column, list):
        return [column[i] for i in rows]
    if isinstance(column, pd.Series):
        return column.iloc[rows]
    return column.take(pa.array(rows)) if isinstance(column, pa.Array) else column[rows]


@given(tables(), st.randoms(use_true_random=False))
@QUICK
def test_prediction_encodes_as_training_did_or_one_of_our_errors_says_why(made, random):
    table, kinds, rows = made
    try:
        examples = read(table, y=np.arange(rows) % 2, kinds=kinds)
    except CounterpoiseError:
        return
    if examples.schema is None:  # lists of one length are an array
        return
    schema = schema_from_dict(json.loads(json.dumps(schema_to_dict(examples.schema))))
    assert schema == examples.schema
    chosen = sorted(random.sample(range(rows), random.randint(1, rows)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the rows of training give nothing to say
        assert same(encode_rows(schema, table), examples.x)
        some = {name: part_of(column, chosen) for name, column in table.items()}
        assert same(encode_rows(schema, some), take(examples.x, np.array(chosen)))


plain_columns = {
    "whole": st.integers(-1000, 1000), "number": st.floats(-1e6, 1e6, width=32),
    "kind": st.sampled_from(["u", "v", "w x"]),
    "flag": st.booleans(), "day": dates, "when": stamps.map(lambda t: t.replace(microsecond=0)),
}  # fmt: skip


@given(st.data(), st.integers(3, 30))
@settings(QUICK, max_examples=12)
def test_the_same_table_in_every_form_is_encoded_alike(tmp_path_factory, data, rows):
    items = {n: data.draw(st.lists(st.none() | v, min_size=rows, max_size=rows), n) for n, v in plain_columns.items()}
    assume(all(any(v is not None for v in column) for column in items.values()))
    frame = pl.DataFrame(items, strict=False)
    kinds = {"whole": data.draw(st.sampled_from(["numeric", "categorical"]), "kind of whole")}
    examples = read(frame, y=np.arange(rows) % 2, kinds=kinds)
    folder = tmp_path_factory.mktemp("forms")
    frame.write_csv(folder / "a.csv")
    frame.write_parquet(folder / "a.parquet")
    forms = [folder / "a.csv", folder / "a.parquet", frame.to_pandas(), frame.to_arrow(), items, frame.to_dict()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for form in forms:
            assert same(encode_rows(examples.schema, form), examples.x)


LEVELS = {
    "floats": [0.5, 1.0, 2.0, 4.0], "whole floats": [1.0, 2.0, 3.0], "large": [1e20, 1.0, 0.5], "ints": [1, 2, 3],
    "booleans": [True, False], "days": [dt.date(2024, 1, 1), dt.date(2024, 2, 1)],
    "stamps": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 12, 30)], "decimals": [Decimal("1.50"), Decimal("2")],
    "intervals": [pd.Interval(0, 0.5), pd.Interval(0.5, 1)], "spans": [pd.Timedelta("1h"), pd.Timedelta("2h")],
    "words": ["a", "b"], "mixed": ["a", 1, 2.5], "periods": [pd.Period("2024-01"), pd.Period("2024-02")],
}  # fmt: skip


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_is_found_again_as_a_category_alone_and_as_a_plain_value(name):
    levels = LEVELS[name]
    values = levels * 10
    table = {"a": pd.Series(pd.Categorical(values, categories=levels)), "z": np.arange(len(values)) / 7}
    examples = read(table, y=np.arange(len(values)) % 2)
    column = examples.schema.categorical[0]
    assert len(column.levels) == len(levels)
    for row, value in enumerate(levels):
        for form in (pd.Series([value], dtype="category"), pd.Series([value], dtype=object), [value]):
            got = encode_rows(examples.schema, {"a": form, "z": [0.0]})["categorical"]
            assert got.tolist() == examples.x["categorical"][[row]].tolist()


NUMBERS = {
    "decimals with NaN": ([Decimal("NaN"), Decimal("1.5"), Decimal("sNaN")], [np.nan, 1.5, np.nan]),
    "decimals of many digits": ([Decimal("1e30"), Decimal("1e-30"), Decimal(2)], [1e30, 1e-30, 2]),
    "nanoseconds": (
        np.array([np.datetime64("2024-01-02T12", "ns"), np.datetime64("NaT"), dt.datetime(2024, 1, 1)], object),
        [19724.5, np.nan, 19723],
    ),
    "spans of nanoseconds": (np.array([np.timedelta64(3, "h"), np.timedelta64(1, "D").astype("m8[ns]"), None], object),
                             [0.125, 1, np.nan]),
    "an offset": (pa.array([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2), None], pa.timestamp("us", "+05:30")),
                  [19723, 19724, np.nan]),
    "runs": (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([1.5, 2.5])), [1.5, 1.5, 2.5]),
    "objects of polars": (pl.Series([1, 2.5, None], dtype=pl.Object), [1, 2.5, np.nan]),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_and_instants_in_odd_types(name):
    column, wanted = NUMBERS[name]
    series = to_series("a", column, "the data")
    np.testing.assert_allclose(floats(series), np.array(wanted))


def test_integers_that_no_type_holds_are_large_and_not_missing():
    assert to_series("a", [10**50, 10**400, None], "the data").to_list() == [1e50, np.inf, None]
    with pytest.raises(CounterpoiseError, match="'a' contains a value too large for float32 in row 1"):
        read({"a": [10**50, 1, 2], "z": [0.5, 1, 2]}, y=[0, 1, 0])


def test_types_of_arrow_beside_its_own_are_what_they_stand_for():
    ids = [uuid.UUID(int=k) for k in (1, 2)]
    assert to_series("a", pa.array([i.bytes for i in ids], pa.uuid()), "the data").to_list() == list(map(str, ids))
    flags = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8()))
    assert to_series("a", flags, "the data").to_list() == [True, False, None]
    with pytest.raises(CounterpoiseError, match="Column 'a' of the data contains objects"):
        to_series("a", pd.Series(pd.Categorical([("b", 1), ("c", 2)])), "the data")
