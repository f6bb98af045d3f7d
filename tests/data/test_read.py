from __future__ import annotations

import sys
from subprocess import run

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from counterpoise.core.element_labels import elements
from counterpoise.core.errors import ColumnError, CounterpoiseError, DataError, OptionError, TargetError
from counterpoise.core.label_columns import as_labels_if_several
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows

TABLE = {
    "age": [31.0, None, 50.0, 44.0, 23.0, 61.0],
    "town": ["Ulm", "Bonn", "Ulm", None, "Ulm", "Bonn"],
    "y": ["well", "ill", "well", "well", "well", "ill"],
}


def csv(tmp_path, text, name="a.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_every_source_gives_the_same_rows(tmp_path):
    frame = pl.DataFrame(TABLE)
    frame.write_csv(tmp_path / "a.csv")
    frame.write_parquet(tmp_path / "a.parquet")
    first = read(frame, "y")
    columns = {name: np.array(values, dtype=object) for name, values in TABLE.items()}
    for source in (tmp_path / "a.csv", str(tmp_path / "a.parquet"), frame.to_pandas(), frame.to_arrow(), columns):
        other = read(source, "y")
        assert other.schema == first.schema
        assert (other.classes, other.y.tolist()) == (first.classes, first.y.tolist())
        assert np.array_equal(other.x["numeric"], first.x["numeric"], equal_nan=True)
        assert np.array_equal(other.x["categorical"], first.x["categorical"])


def test_parts_follow_the_record():
    rows = read(TABLE | {"id": [f"r{i}" for i in range(6)]}, "y", drop=["id"])
    assert rows.x["numeric"].dtype == np.float32
    assert rows.x["categorical"].dtype == np.int32
    assert rows.x["categorical"].ravel().tolist() == [2, 1, 2, 0, 2, 1]
    assert np.isnan(rows.x["numeric"][1, 0])
    assert rows.classes == ("well", "ill")
    assert rows.y.dtype == np.int32
    assert [c.name for c in rows.schema.columns] == ["age", "town"]


def test_a_real_array_is_a_table_of_numbers():
    x, y = load_breast_cancer(return_X_y=True)
    rows = read(x, y=y)
    assert np.array_equal(rows.x["numeric"], x.astype(np.float32))
    assert [c.name for c in rows.schema.columns][:2] == ["x0", "x1"]
    assert rows.counts.tolist() == [357, 212]
    assert rows.classes == (1, 0)


def test_arrays_pass_unchanged():
    image, y = np.zeros((4, 2, 2, 3), dtype=np.uint8), [0, 1, 0, 0]
    assert read(image, y=y).x is image
    assert read(np.zeros((4, 2)), y=y, table=False).schema is None
    several = {"a": np.zeros((4, 2)), "b": np.zeros((4, 1, 2))}
    assert read(several, y=y).x.keys() == several.keys()
    assert len(read(tuple(several.values()), y=y).x) == 2
    assert read(np.array(["a b", "c", "d", "e"]), y=y).x.dtype.kind == "U"


def test_beside_columns_are_no_features():
    frame = pd.DataFrame({"a": [1.5, 2, 3], "who": ["q", "p", "q"], "day": ["2024-01-02", "2024-01-01", "2024-01-03"]})
    rows = read(frame.assign(w=[1, 2, 1]), y=[0, 1, 0], groups="who", time="day", sample_weight="w")
    assert [c.name for c in rows.schema.columns] == ["a"]
    assert rows.groups.tolist() == [1, 0, 1]
    assert np.argsort(rows.time).tolist() == [1, 0, 2]
    assert rows.sample_weight.tolist() == [1, 2, 1]


@pytest.mark.parametrize("groups", [["p", "q", "p"], [1, 2, 1], [True, False, True], [0.5, 1.5, 0.5]])
def test_groups_of_any_type_become_codes(groups):
    codes = read({"a": [1.5, 2.0, 3.0]}, y=[0, 1, 0], groups=groups).groups
    assert codes.dtype == np.int64
    assert codes[0] == codes[2] != codes[1]


@pytest.mark.parametrize("form", [list, tuple, pd.Series, pa.array, lambda groups: [[group] for group in groups]])
@pytest.mark.parametrize("missing", [None, float("nan")])
def test_rows_without_a_group_or_unit_are_refused_in_any_form(form, missing):
    table, gap = {"a": [1.5, 2.0, 3.0]}, None if form is pa.array else missing
    for name in ("groups",) if form is tuple else ("groups", "unit"):  # a tuple of units names columns
        with pytest.raises(ColumnError, match=f"{name}= has no value in row 2"):
            read(table, y=[0, 1, 0], **{name: form(["p", gap, "nan"])})
    assert read(table, y=[0, 1, 0], groups=form(["p", "nan", "p"])).groups.tolist() == [1, 0, 1]


@pytest.mark.parametrize("name", ["y", "groups", "sample_weight", "by"])
def test_values_with_the_index_of_the_rows_in_another_order_are_refused(name):
    frame = pd.DataFrame({"a": [1.5, 2.0, 3.0]}, index=[7, 8, 9])
    moved = pd.Series([0, 1, 1], index=[9, 7, 8]) + (name == "sample_weight")
    given = {"y": [0, 1, 0], name: {"site": moved} if name == "by" else moved}
    with pytest.raises(DataError, match="has the same index as the rows, but in another order"):
        read(frame, **given)
    given[name] = {"site": moved.loc[frame.index]} if name == "by" else moved.loc[frame.index]
    assert len(read(frame, **given)) == 3
    given[name] = {"site": moved.set_axis([0, 1, 2])} if name == "by" else moved.set_axis([0, 1, 2])
    assert len(read(frame, **given)) == 3  # an index of its own is ignored


def test_decimals_without_a_fraction_are_times_weights_and_values_of_by():
    frame = pl.DataFrame({"a": [1.5, 2.0, 3.0], "n": pl.Series([3, 1, 2]).cast(pl.Decimal(20, 0)), "y": [0, 1, 0]})
    for name in ("time", "sample_weight"):
        assert getattr(read(frame, "y", **{name: "n"}), name).tolist() == [3, 1, 2]
    assert read(frame, "y", by="n").by["n"].tolist() == [3, 1, 2]
    assert read(frame.with_columns(n=10**20 + pl.col("n")), "y", time="n").time.tolist() == [1e20] * 3


def test_values_of_by_go_with_arrays_and_need_a_name():
    x, site = np.zeros((3, 2, 2)), np.array(["n", "s", "n"])
    assert read(x, y=[0, 1, 0], by={"site": site}).by["site"].tolist() == site.tolist()
    with pytest.raises(OptionError, match=r"by='site' names a column, but the data are arrays"):
        read(x, y=[0, 1, 0], by="site")
    for values in (np.arange(3), [1, 2, 1], pl.Series([1.5, 2.5, 3.5])):
        with pytest.raises(OptionError, match=r"by= is a .* of values\. Expected names of columns"):
            read(x, y=[0, 1, 0], by=values)


def test_masks_in_which_255_may_mean_no_class_are_reported():
    x, codes = np.zeros((4, 3, 3, 1)), np.arange(36).reshape(4, 3, 3) % 3
    doubts = [
        [text for text in read(x, y=y, pick=as_labels_if_several).warnings if "255" in text]
        for y in (
            np.where(codes == 2, 255, codes),
            codes,
            255 * (codes > 1),
            elements(np.where(codes == 2, 255, codes), ignore=255),
        )
    ]
    assert [len(texts) for texts in doubts] == [1, 0, 0, 0]
    assert "If 255 means no class (void), ignore it: pass ignore=255 (--ignore 255)" in doubts[0][0]


def test_an_infinite_time_is_refused():
    with pytest.raises(ColumnError, match="time= contains an infinite value in row 2"):
        read({"a": [1.5, 2.0, 3.0]}, y=[0, 1, 0], time=[1.0, np.inf, 2.0])


@pytest.mark.parametrize("role", ["groups", "unit"])
def test_names_of_groups_that_are_decimal_numbers_are_reported(role):
    rows = {"a": np.arange(20) / 7, "patient": [1.1, 1.1, 2.3, 2.3] * 5, "y": [0, 1] * 10}
    table = pl.DataFrame(rows)  # a file is read as it is written
    notes = [note for note in read(table, "y", **{role: "patient"}).warnings if "1.1 and 1.10 are the same" in note]
    assert len(notes) == 1
    assert f"{role}='patient' contains numbers with decimals (1.1)" in notes[0]
    whole = pl.DataFrame({"a": np.arange(4) / 7, "patient": [1.0, 2.0, 1.0, 2.0], "y": [0, 1, 1, 0]})
    assert not [note for note in read(whole, "y", **{role: "patient"}).warnings if "decimals" in note]


def test_an_identifier_alone_is_kept_by_its_type():
    table = pd.DataFrame({"name": [f"name {i}" for i in range(40)], "y": [0, 1] * 20})
    with pytest.raises(ColumnError, match="pass a frame in which it has a categorical type"):
        read(table, "y")
    assert read(table.astype({"name": "category"}), "y").schema.columns[0].kind == "categorical"


def test_blanks_around_groups_do_not_count():
    assert read({"a": [1.5, 2.0, 3.0]}, y=[0, 1, 0], groups=["p1", "p2", "p1 "]).groups.tolist() == [0, 1, 0]


def test_times_sort_as_written():
    order = [1, 0, 2]
    for time in (np.array(["2024-02-01", "2023-12-31", "2024-10-01"], dtype="M8[D]"), [2, 1, 10], [0.2, 0.1, 1.0]):
        assert np.argsort(read({"a": [1.5, 2.0, 3.0]}, y=[0, 1, 0], time=time).time).tolist() == order


PIECES = [
    *'1,",a?;x\t',
    "yes",
    "no",
    "\n",
    "\r\n",
    "NaN",
    "inf",
    "1e400",
    "é",
    "2024-01-01",
    "2024-99-99",
    "true",
    "9" * 25,
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.booleans())
def test_any_text_is_read_or_refused_by_our_errors(tmp_path, pieces, skip_bad):
    path = csv(tmp_path, "a,y\n1,0\n2,1\n" + "".join(pieces))
    try:
        rows = read(path, "y", skip_bad=skip_bad)
    except CounterpoiseError:
        return
    assert len(rows) == len(rows.x.get("numeric", rows.x.get("categorical")))


def test_csv_tolerates_what_people_write(tmp_path):
    text = '\ufeffa; name of it ;y\r\n 1;x;no\r\n2; ?;yes\r\n\r\n;"x;""q""\nr";no\r\n'
    rows = read(csv(tmp_path, text), "y")
    assert [(c.name, c.kind, c.missing) for c in rows.schema.columns] == [
        ("a", "numeric", 1),
        ("name of it", "categorical", 1),
    ]
    assert rows.schema.columns[1].levels == ("x", 'x;"q"\nr')


def test_first_lines_do_not_mislead(tmp_path):
    lines = [f"{i % 7},,{i % 2}" for i in range(12_000)] + ["1.5,2.5,0", "2.5,3,1"]
    rows = read(csv(tmp_path, "a,b,y\n" + "\n".join(lines)), "y")
    assert [c.kind for c in rows.schema.columns] == ["numeric", "numeric"]
    assert rows.x["numeric"][-1].tolist() == [2.5, 3.0]


def test_skip_bad_leaves_out_and_says_so(tmp_path):
    good = "a,y\n1,u\n2,v\n3,v\n"
    for bad in ("4,u,9\n", "5\n", "6,\n", "inf,u\n"):
        rows = read(csv(tmp_path, good + bad), "y", skip_bad=True)
        assert len(rows) == 3
        assert "eft out" in rows.warnings[0]
    (tmp_path / "b.csv").write_bytes(b"a,y\n1,u\n\xff,u\n2,v\n")
    assert len(read(tmp_path / "b.csv", "y", skip_bad=True)) == 2


def test_what_is_left_out_is_reported():
    n = 40
    frame = pl.DataFrame({"row": range(n), "same": [1] * n, "void": [None] * n, "a": np.linspace(0, 1, n)})
    rows = read(frame, y=[0, 1] * (n // 2))
    outputs = " ".join(rows.warnings)
    assert [f"Column {name!r}" in outputs for name in ("row", "same", "void")] == [True, False, True], (
        "constant: no warning"
    )
    assert [c.name for c in rows.schema.excluded] == ["row", "same", "void"]
    assert [c.name for c in rows.schema.columns if c.used] == ["a"]
    assert read(frame, y=[0, 1] * (n // 2), kinds={"row": "numeric"}).x["numeric"].shape == (n, 2)


def test_what_is_true_of_many_columns_is_reported_once():
    frame = {f"c{j}": [None] * 3 for j in range(50)} | {"a": [1.5, 2.0, 3.0], "same": [1] * 3}
    outputs = read(pl.DataFrame(frame), y=[0, 1, 1]).warnings
    assert outputs == ("Each of 50 columns ('c0', 'c1', 'c2', ...) has only missing values and is left out.",)


def test_repeats_and_conflicts_are_counted():
    rows = read({"a": [1.0, 1.0, 2.0, 2.0, np.nan, np.nan]}, y=[0, 1, 0, 0, 1, 1])
    assert rows.duplicate_ids.tolist() == [0, 0, 1, 1, 2, 2]
    assert "3 of 6 rows (50.0%) repeat an earlier row; 2 rows have a duplicate" in rows.warnings[0]


def test_a_leak_is_named():
    rng = np.random.default_rng(0)
    y = (rng.random(500) < 0.2).astype(int)
    rows = read({"noise": rng.normal(size=500), "after": y * 2.0 + rng.random(500)}, y=y)
    assert [w.split("'")[1] for w in rows.warnings] == ["after"]


def test_labels_are_named_once():
    with pytest.raises(OptionError, match="--target"):
        read(TABLE)
    with pytest.raises(TargetError, match="merge_rare='AB' is not a class"):
        read({"a": [1.5, 2.5, 3.5]}, y=["A", "B", "C"], merge_rare="AB")
    with pytest.raises(OptionError, match="twice"):
        read(TABLE, "y", y=[0] * 6)
    with pytest.raises(OptionError, match="arrays"):
        read(np.zeros((2, 2, 2)), "y")


def test_dictionary_encoded_and_nullable_columns_are_read():
    arrow = pa.table({"c": pa.array(["p", "q", None]).dictionary_encode(), "y": [0, 1, 1]})
    assert read(arrow, "y").x["categorical"].ravel().tolist() == [1, 2, 0]
    frame = pd.DataFrame(
        {
            "level": pd.Categorical([3, 4, None]),
            "mixed": ["a", None, 3],
            "flag": pd.array([True, None, False], dtype="boolean"),
            "count": pd.array([1, None, 3], dtype="Int64"),
        },
        index=[7, 8, 9],
    )
    rows = read(frame, y=pd.Series([0, 1, 1], index=[1, 2, 3]))
    assert [c.kind for c in rows.schema.columns] == ["categorical", "categorical", "boolean", "numeric"]
    assert rows.x["categorical"].tolist() == [[1, 2, 2], [2, 0, 0], [0, 1, 1]]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pd.Categorical([3, 4, 4]), (4, 3)),
        (pd.Categorical(["u", "v", "v"]), ("v", "u")),
        (np.array(["u", 1, 1], dtype=object), ("1", "u")),
        (np.array([True, False, False]), (False, True)),
        (np.array([2.0, 1.0, 1.0]), (1, 2)),
        (pl.Series("a", ["u", "v", "v"]), ("v", "u")),
        (np.array([b"u", b"v", b"v"]), ("v", "u")),
    ],
)
def test_labels_keep_their_type(labels, classes):
    frame = pd.DataFrame({"a": [1.5, 2.0, 3.0]})
    both = [read(frame, y=labels), read(frame.assign(label=np.asarray(labels)), "label")]
    if isinstance(labels, pd.Categorical):
        both.append(read(frame.assign(label=labels), "label"))
    for rows in both:
        assert rows.classes == classes
        assert [type(c) for c in rows.classes] == [type(c) for c in classes]
        assert rows.y.tolist() == [1, 0, 0]


def test_reading_imports_neither_keras_nor_pandas():
    code = (
        "import sys; from counterpoise.data.read import read; read({'a': [1.5, 2, 3]}, y=[0, 1, 1]);"
        "assert not {'keras', 'tensorflow', 'pandas'} & set(sys.modules)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_column_of_labels_and_one_hot_rows_count_as_labels_but_several_labels_do_not():
    x = np.random.default_rng(0).random((3, 2))
    assert read(x, y=[[0], [1], [1]]).y.tolist() == [1, 0, 0]
    hot = pd.DataFrame({"ill": [0, 1, 0], "well": [1, 0, 1]}, dtype="boolean")
    assert (read(x, y=hot).classes, read(x, y=hot.to_numpy()).classes) == (("well", "ill"), (1, 0))
    with pytest.raises(TargetError, match="not one-hot"):
        read(x, y=[[1, 1], [0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ('"",a,y\n"1",5,no\n"2",7,yes\n"3",5,no\n', ["column 1", "a"]),
        ("a,,y\n5,1,no\n7,2,yes\n5,3,no\n", ["a", "column 2"]),
        (",a,,y\n1,5,2,no\n2,7,2,yes\n3,5,2,no\n", ["column 1", "a", "column 3"]),
    ],
)
def test_columns_without_a_name_get_one(tmp_path, text, columns):
    rows = read(csv(tmp_path, text), "y")
    assert [c.name for c in rows.schema.columns] == columns
    assert any("no name in" in w for w in rows.warnings)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_comma_within_quotes_of_the_header_separates_nothing(tmp_path, separator):
    lines = ['"length, cm"', "y"], ["5", "no"], ["7", "yes"], ["5", "no"]
    rows = read(csv(tmp_path, "\n".join(separator.join(line) for line in lines)), "y")
    assert [c.name for c in rows.schema.columns] == ["length, cm"]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_comma_in_a_name_or_a_number_separates_nothing(tmp_path, separator):
    lines = ["length, cm", "m", "y"], ["5,5", "1", "no"], ["7,25", "2", "yes"], ["6,5", "1", "no"]
    rows = read(csv(tmp_path, "\n".join(separator.join(line) for line in lines)), "y")
    assert [c.name for c in rows.schema.columns] == ["length, cm", "m"]
    assert rows.x["numeric"][:, 0].tolist() == [5.5, 7.25, 6.5]


@pytest.mark.parametrize("more", ["", '3,"x y",no\n'])
def test_a_header_that_comes_again_is_no_row(tmp_path, more):
    """As in files that were joined: its names would be a label and levels."""
    header, body = "a,b,y\n", "1,u,no\n2,v,yes\n" + more
    path = csv(tmp_path, header + body + header + body)
    with pytest.raises(
        DataError, match=rf"line {header.count(chr(10)) + body.count(chr(10)) + 1}: this line repeats the header"
    ):
        read(path, "y")
    rows = read(path, "y", skip_bad=True)
    assert (len(rows), rows.classes) == (2 * body.count("\n"), read(csv(tmp_path, header + body + body), "y").classes)
    assert any("1 line was left out of" in text for text in rows.warnings)


def test_a_series_of_text_is_an_array_of_text():
    texts, y = ["good film", "bad film", "good film"], [0, 1, 0]
    for source in (pd.Series(texts), pl.Series("t", texts), np.array(texts, dtype=object), np.array(texts), texts):
        rows = read(source, y=y, table=False)
        assert rows.x.shape == (3,)
        assert rows.duplicate_ids.tolist() == [0, 1, 0]
    with pytest.raises(
        DataError, match=r"x contains text, but row 2 contains None\. Expected text in every row\. Use ''"
    ):
        read(np.array(["a", None, "b"], dtype=object), y=y, table=False)
    with pytest.raises(DataError, match="x contains text, but row 3 contains nan"):
        read(np.array(["a", "b", np.nan], dtype=object), y=y, table=False)
    with pytest.raises(DataError, match="or text of shape"):
        read(np.array([1, None, 2], dtype=object), y=y, table=False)
    with pytest.raises(DataError, match=r"t mixes objects .for example None.. Expected an array of numbers or of text"):
        read({"t": np.array([["a"], [None], ["b"]], dtype=object)}, y=y, table=False)


@pytest.mark.parametrize("above", ["# made by hand, in 2024\n", "# a\n#  b, c, d\n\n", "// note\n", "sep=,\n"])
def test_comment_lines_above_the_header_are_left_out_and_named(tmp_path, above):
    (tmp_path / "a.csv").write_text(above + "a,y\n1.5,0\n2.5,1\n4,1\n")
    examples = read(tmp_path / "a.csv", "y")
    assert examples.x["numeric"].ravel().tolist() == [1.5, 2.5, 4]
    assert "above the header" in examples.warnings[0]
    (tmp_path / "b.csv").write_text(above + "a,y\n1.5,0\n2.5,1,7\n")
    with pytest.raises(DataError, match=f"line {above.count(chr(10)) + 3}: this line has 3 fields"):
        read(tmp_path / "b.csv", "y")


def test_a_header_may_begin_with_a_hash(tmp_path):
    (tmp_path / "a.csv").write_text("## variants\n#pos,y\n1.5,0\n2.5,1\n")
    assert [c.name for c in read(tmp_path / "a.csv", "y").schema.numeric] == ["#pos"]


def test_digits_that_begin_with_zero_are_codes(tmp_path):
    (tmp_path / "a.csv").write_text("zip,n,y\n" + "02139,0.5,0\n12345,0,1\n02139,1.5,1\n" * 10)
    schema = read(tmp_path / "a.csv", "y").schema
    assert [(c.name, c.kind) for c in schema.columns] == [("zip", "categorical"), ("n", "numeric")]
    assert schema.columns[0].levels == ("02139", "12345")
    assert encode_rows(schema, {"zip": ["2139", "02139"], "n": [0, 0]})["categorical"].tolist() == [[3], [1]]


def test_thousands_of_columns_are_read_as_one_is_and_reported_in_few_lines(tmp_path):
    rng = np.random.default_rng(0)
    made = {
        "whole": lambda j: [str(i * j) for i in range(30)],
        "real": lambda j: [f"{v:.2f}" for v in rng.normal(size=30)],
        "code": lambda j: [f"0{i % 7}" for i in range(30)],
        "truth": lambda j: ["true", "FALSE", ""] * 10,
        "date": lambda j: [f"2024-01-{1 + i % 28:02d}" for i in range(30)],
        "stray": lambda j: [f"?{j}" if i == 3 else str(i / 8) for i in range(30)],
    }
    frame = pl.DataFrame({f"{kind}{j}": make(j) for j in range(2, 72) for kind, make in made.items()})
    frame.write_csv(tmp_path / "wide.csv")
    wide = read(tmp_path / "wide.csv", y=np.arange(30) % 2)
    kinds = {column.name: column.kind for column in wide.schema.columns}
    for kind in made:
        frame.select(f"{kind}7").write_csv(tmp_path / "one.csv")
        one = read(tmp_path / "one.csv", y=np.arange(30) % 2)
        assert one.schema.columns[0] == next(c for c in wide.schema.columns if c.name == f"{kind}7")
    assert set(kinds.values()) == {"numeric", "categorical", "boolean"}
    assert 50 < len(wide.warnings) < 70
    assert any("more notes about columns" in warning for warning in wide.warnings)


def test_columns_of_tuples_and_names_that_are_patterns_are_refused_in_one_line():
    with pytest.raises(ColumnError, match="contains objects"):
        read(pd.DataFrame({"a": np.arange(4.0), "b": [("x", 1)] * 4}), y=[0, 1, 0, 1])
    with pytest.raises(ColumnError, match="pattern"):
        read(pl.DataFrame({"^a$": [1.0, 2.0]}), y=[0, 1])


def test_a_whole_array_with_the_target_inside_is_predicted_as_it_was_trained():
    table = np.random.default_rng(0).normal(size=(20, 5))
    table[:, 3], table[:, 4] = np.arange(20) % 2, np.arange(20) // 2
    examples = read(table, "x3", groups="x4")
    assert len(encode_rows(examples.schema, table)["numeric"]) == 20


def test_a_blank_group_is_no_group():
    with pytest.raises(ColumnError, match="has no value in row 2"):
        read({"a": [1.5, 2.0, 3.0]}, y=[0, 1, 0], groups=["p", "  ", "q"])


@pytest.mark.parametrize(("y", "words"), [(["ill"], "pass 'ill'"), (["ill", "a", "a"], "'a' twice")], ids=str)
def test_names_of_columns_that_are_no_target_are_named(y, words):
    frame = pl.DataFrame({"x": [0.5, 1.5, 2.5, 3.5], "ill": [0, 1, 0, 1], "a": [1, 0, 0, 1]})
    with pytest.raises(OptionError, match=words):
        read(frame, y=y)
    assert read(frame.head(3), y=["ill", "a", "a"]).classes == ("a", "ill"), "three labels of three rows"


def test_ambiguous_amounts_of_a_column_that_is_no_feature_are_refused_in_training():
    """Prediction refuses them too, because it does not know which number they mean."""
    frame = pl.DataFrame({"x": np.arange(20.0), "cost": ["1,200", "3,400"] * 10, "y": [0, 1] * 10})
    with pytest.raises(OptionError, match="whose comma may separate decimals or thousands"):
        read(frame, target="y", cost_column="cost", drop=["cost"])
    kept = read(frame, target="y", cost_column="cost")
    assert kept.amount.tolist() == [1200, 3400] * 10


@pytest.mark.parametrize("role", ["groups", "unit"])
def test_names_of_groups_and_units_are_read_from_a_file_as_they_are_written(role, tmp_path):
    lines = [f"{i * 7 % 24 / 8},{name},{i % 2}" for i, name in enumerate(["1.1", "1.10", "007", "7"] * 6)]
    (tmp_path / "t.csv").write_text("\n".join(["x,patient,ill", *lines]))
    rows = read(tmp_path / "t.csv", target="ill", **{role: "patient"})
    assert len(np.unique(rows.groups)) == 4
    assert not [text for text in rows.warnings if "compared as numbers" in text]
    if role == "unit":
        assert len(rows.units) == 4


def test_a_warning_names_the_class_that_is_rarer_by_weight():
    y, weight = ["ill"] * 30 + ["well"] * 20, np.repeat([1.0, 90.0], [30, 20])
    x = {"a": np.arange(50.0) ** 2}
    rarer = [note for note in read(x, y=y, sample_weight=weight).warnings if "rarer" in note]
    assert rarer == [
        "By the sum of their weights, 'ill' is rarer than the positive class 'well'. To score 'ill', pass "
        "positive='ill' (--positive ill)."
    ]
    balanced = np.repeat([1 / 30, 1 / 20], [30, 20])
    for how in ({"positive": "ill"}, {"positive": "well"}, {"sample_weight": balanced}):
        notes = read(x, y=y, **{"sample_weight": weight} | how).warnings
        assert not any("rarer" in note for note in notes)
