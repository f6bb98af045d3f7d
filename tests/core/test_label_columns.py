"""Several labels per row, however they are written, are read alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.label_columns import are_names, as_in_training, as_labels_if_several
from counterpoise.pipeline.reading import read_for
from counterpoise.targets.new_labels import several_codes

WANTED = [[1, 0], [0, -1], [1, 1], [0, 0]]
TAGS = ["a", None, "a|b", ""]
CELLS = {
    "numbers": [[1.0, 0.0], [0.0, np.nan], [1.0, 1.0], [0.0, 0.0]],
    "masked": np.ma.masked_array([[1, 0], [0, 5], [1, 1], [0, 0]], [[0, 0], [0, 1], [0, 0], [0, 0]]),
    "words": [["yes", "no"], ["No", None], ["YES", "yes"], ["no", "no"]],
    "text": [["1", "0"], ["0", ""], ["1.0", "1"], ["0", "0"]],
    "pandas": pd.DataFrame({"a": [True, False, True, False], "b": pd.array([0, None, 1, 0], "Int64")}),
    "polars": pl.DataFrame({"a": [1, 0, 1, 0], "b": [False, None, True, False]}),
}


@pytest.mark.parametrize("case", CELLS)
def test_columns_in_any_form(case):
    examples = cp.labels(CELLS[case]).read(CELLS[case])
    assert examples.codes.tolist() == WANTED
    assert examples.classes == (("a", "b") if case in ("pandas", "polars") else ("label_0", "label_1"))


def test_what_gaps_and_doubts_mean():
    y = [[1, -1], [np.nan, 0], [0, 1]]
    assert cp.labels(y, missing="absent", uncertain="one").read(y).codes.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert cp.labels(y, uncertain="zero").read(y).codes.tolist() == [[1, 0], [-1, 0], [0, 1]]
    assert cp.labels(y).read(y).codes.tolist() == [[1, -1], [-1, 0], [0, 1]]


@pytest.mark.parametrize(
    "make", [list, np.array, pd.Series, lambda v: pl.DataFrame({"t": v})], ids=["list", "array", "series", "frame"]
)
def test_separated_text_and_lists_are_sets_of_labels(make):
    tags = cp.labels("t", separator="|", missing="ignore").read(make(TAGS))
    assert tags.classes == ("a", "b")
    assert tags.codes.tolist() == [[1, 0], [-1, -1], [1, 1], [0, 0]]
    assert cp.labels("t", separator="|").read(make(TAGS)).codes[1].tolist() == [0, 0]
    lists = cp.labels([["b"], [], ["b", "a"]], names=["b", "a", "c"])
    assert lists.read(lists.target).codes.tolist() == [[1, 0, 0], [0, 0, 0], [1, 1, 0]]


def test_missing_values_in_lists_are_no_labels():
    cells = [["a", None], [float("nan")], ["b", float("nan")], pd.NA, []]
    for missing, empty in (("absent", 0), ("ignore", -1)):
        tags = cp.labels("t", missing=missing).read(cells)
        assert tags.classes == ("a", "b")
        assert tags.codes.tolist() == [[1, 0], [empty, empty], [0, 1], [empty, empty], [0, 0]]
    frame = pd.DataFrame({"x": range(16), "t": [pd.NA, ["a"], ["b", "a"], ["b"]] * 4})
    assert read_for("mlp", frame, "t").y[:2].tolist() == [[0, 0], [1, 0]]


def as_array(rows):
    return pd.Series(rows).to_numpy()


def as_arrow_series(rows):
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(rows)))


@pytest.mark.parametrize("make", [list, pd.Series, as_array, pa.array, as_arrow_series])
def test_lists_of_names_in_any_container(make):
    for rows, names in (([["a"], ["a", "b"], None, []], ("a", "b")), ([[1.0], [1, 2], [], [3.0]], ("1", "2", "3"))):
        spec = cp.labels(make(rows))
        assert spec.read(spec.target).classes == names
    with pytest.raises(TargetError, match="different lengths"):
        cp.labels(make([[1, 0], [1]])).read(make([[1, 0], [1]]))


def test_separated_texts_of_arrow_are_read_as_those_of_a_list():
    texts = ["a;b", "", "b", None]
    spec = cp.labels(texts, separator=";")
    for given in (pa.array(texts), pa.chunked_array([texts[:2], texts[2:]])):
        assert spec.read(given).codes.tolist() == spec.read(texts).codes.tolist()


def test_a_separator_that_was_not_passed_is_named():
    texts = ["a|b", "b", "a"]
    for separator in (None, ";"):
        with pytest.raises(OptionError, match=r"pass separator='\|'"):
            cp.labels("t", separator=separator).read(texts)
    assert cp.labels("t").read(["a, b", "b", "c"]).classes == ("a, b", "b", "c")


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, dict])
@pytest.mark.parametrize("y", ["t", cp.labels("t")], ids=["name", "spec"])
def test_a_column_of_lists(kind, y):
    rows = read_for("mlp", kind({"x": list(range(16)), "t": [["a"], ["a", "b"], [], ["b"]] * 4}), y)
    assert rows.classes == ("a", "b")
    assert rows.y[:4].tolist() == [[1, 0], [1, 1], [0, 0], [0, 1]]
    assert [c.name for c in rows.schema.columns] == ["x"]


@pytest.mark.parametrize("y", ["t", cp.labels("t")], ids=["name", "spec"])
@pytest.mark.parametrize("kind", ["file", "lazy", "arrow"])
def test_a_column_of_lists_of_tables_without_cells(kind, y, tmp_path):
    frame = pl.DataFrame({"x": list(range(16)), "t": [["a"], ["a", "b"], [], None] * 4})
    frame.write_parquet(tmp_path / "t.parquet")
    data = {"file": str(tmp_path / "t.parquet"), "lazy": frame.lazy(), "arrow": frame.to_arrow()}[kind]
    rows = read_for("mlp", data, y)
    assert rows.classes == ("a", "b")
    assert rows.y[:4].tolist() == [[1, 0], [1, 1], [0, 0], [0, 0]]
    one = frame.select("x", y=pl.Series([0, 1] * 8))
    assert read_for("mlp", one.lazy(), "y").y.tolist() == [0, 1] * 8


def test_one_hot_rows_stay_one_class():
    one_hot = np.eye(3, dtype=int)[[0, 1, 2, 1]]
    assert as_labels_if_several(one_hot) is one_hot
    assert as_labels_if_several(["a", "b"]) == ["a", "b"]
    assert as_labels_if_several(np.array([[1, 0, 1], [0, 0, 0]])).kind == "labels"
    assert not are_names(["ill", "well", "ill"])


@pytest.mark.parametrize("how", ["names", "index", "spec", "file", "array"])
def test_a_table_gives_its_label_columns(how, tmp_path):
    frame = pd.DataFrame({"x": range(12), "u": [1, 0] * 6, "v": [0, 1, 1, None] * 3})
    frame.to_csv(tmp_path / "t.csv", index=False)
    data, y = {
        "names": (frame, ["u", "v"]),
        "index": (frame, frame.columns[1:]),
        "spec": (frame, cp.labels(["u", "v"])),
        "file": (str(tmp_path / "t.csv"), ["u", "v"]),
        "array": (frame[["x"]], frame[["u", "v"]]),
    }[how]
    rows = read_for("mlp", data, y)
    assert (rows.kind, rows.classes, rows.n_classes) == ("labels", ("u", "v"), 2)
    assert rows.y.tolist() == [[1, 0], [0, 1], [1, 1], [0, -1]] * 3
    assert [c.name for c in rows.schema.columns] == ["x"]
    assert not rows.binary


def test_labels_that_no_split_carries_are_set_aside_by_name():
    y = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]] * 3)
    y[1:, 2] = 0
    y[0] = [1, 0, 1]
    rows = read_for("mlp", np.arange(12.0)[:, None], y)
    assert rows.classes == ("label_0", "label_1")
    assert "'label_2' was left out" in rows.warnings[-1]


def test_labels_of_new_rows_are_put_in_order():
    known = np.array(["a", "b"])
    assert several_codes(pd.DataFrame({"b": [0, 1], "a": [1, 1]}), known).tolist() == [[1, 0], [1, 1]]
    assert several_codes([[1, 0], [1, 1]], known).tolist() == [[1, 0], [1, 1]]
    assert several_codes(cp.labels(["b", "a|b"], separator="|", names=["a", "b"]), known).tolist() == [[0, 1], [1, 1]]
    with pytest.raises(TargetError, match=r"the label 'c'\. Expected one column for each of a, b"):
        several_codes(pd.DataFrame({"a": [1, 0], "c": [1, 1]}), known)
    with pytest.raises(TargetError, match="3 columns without names, but the classifier has 2 labels: a, b"):
        several_codes([[1, 0, 1], [1, 1, 1]], known)


def test_labels_that_new_rows_or_the_classifier_lack():
    known = np.array(["a", "b"])
    for given in ([["b"], []], pd.Series([["b"], []]), cp.labels(["b", ""], separator="|")):
        assert several_codes(given, known).tolist() == [[0, 1], [0, 0]]
    gap = cp.labels([["b"], None, ["b", "b"]], missing="ignore")
    assert several_codes(gap, known).tolist() == [[0, 1], [-1, -1], [0, 1]]
    more = [["a", "c"], ["b"]], pd.DataFrame({"c": [1, 0], "b": [0, 1], "a": [1, 0]})
    for given in more:
        with pytest.warns(UserWarning, match="does not have: 'c'. They were left out"):
            assert several_codes(given, known).tolist() == [[1, 0], [0, 1]]
    with pytest.warns(UserWarning, match="'label_1'"):
        assert several_codes([[1, 0, 0], [0, 1, 1]], np.array(["label_0", "label_2"])).tolist() == [[1, 0], [0, 1]]


def test_what_is_wrong_is_named():
    for make, words in (
        (lambda: cp.labels([[1, 7], [0, 1]]), r"'label_1' is 7 in row 1\. Expected 1, 0"),
        (lambda: cp.labels([[1, 0.5], [0, 1]]), r"'label_1' is 0\.5 in row 1"),
        (lambda: cp.labels([[1], [0]]), "Expected one column per label"),
        (lambda: cp.labels([["z"], ["a"]], names=["a", "b"]), "The label 'z' in row 1 is not among names="),
    ):
        spec = make()
        with pytest.raises(TargetError, match=words):
            spec.read(spec.target)
    for given in ({"missing": "gone"}, {"uncertain": 1}, {"separator": ""}, {"names": "ab"}):
        with pytest.raises(OptionError):
            cp.labels([[1, 0]], **given)
    with pytest.raises(TargetError, match=r"Target 'w' is not a column"):
        read_for("mlp", pd.DataFrame({"x": [1, 2], "u": [0, 1]}), ["u", "w"])


def test_several_labels_that_look_alike_are_reported():
    table = pd.DataFrame({"x": np.arange(40) / 7, "tags": ["a|b", "A", "b", "a"] * 10})
    notes = [note for note in read_for("mlp", table, cp.labels("tags", separator="|")).warnings if "labels" in note]
    assert len(notes) == 1
    assert "the labels 'A' and 'a', which differ only in case or blanks" in notes[0]
    assert "merge_rare" not in notes[0]


def test_a_name_with_another_mark_is_one_label_where_the_separator_occurs():
    texts = ["Action|Drama", "Drama", "Action/Drama", "Action"]
    assert cp.labels("t", separator="|").read(texts).classes == ("Action", "Action/Drama", "Drama")
    later = as_in_training(["b", "a|b", "b"], cp.labels("t", separator="|").options)
    assert later.separator == "|"  # texts in a list are cells, as in a series


def test_a_label_of_two_groups_stays_where_the_split_is_given():
    frame = pl.DataFrame(
        {"x": np.arange(20) / 7, "a": [0, 1] * 10, "b": [0, 0, 1, 1] * 5, "site": ["u"] * 10 + ["v"] * 10}
    )
    parts = ["train"] * 10 + ["validation"] * 10
    rows = read_for("mlp", frame, ["a", "b"], groups="site", split=parts)
    assert rows.classes == ("a", "b")
    assert read_for("mlp", frame, ["a", "b"], groups="site").classes == ("a", "b")
