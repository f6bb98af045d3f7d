"""The one reader of labels: every kind gives the same codes, what is missing or no class is named, at every door."""

from __future__ import annotations

import datetime
import decimal
import enum
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import counterpoise as cp
from counterpoise.core.errors import CounterpoiseError, TargetError
from counterpoise.core.label_names import look_alike_doubt
from counterpoise.core.labels import class_labels, codes_among, read_labels
from counterpoise.data.read import read
from counterpoise.feed.batching import batches

CODE = np.array([0, 1, 0, 0, 2, 1, 0, 0])
NAMES = np.array(["ill", "ok", "sick"], object)
TEXT = NAMES[CODE]
TEXTS = {
    "list": TEXT.tolist(),
    "object": TEXT,
    "str": TEXT.astype(str),
    "bytes": TEXT.astype("S"),
    "column": TEXT[:, None],
    "pd object": pd.Series(TEXT, index=range(8, 0, -1)),
    "pd string": pd.Series(TEXT, dtype="string"),
    "pd category": pd.Series(TEXT, dtype="category"),
    "pd Categorical": pd.Categorical(TEXT),
    "pd Index": pd.Index(TEXT),
    "pd arrow": pd.Series(TEXT, dtype="string[pyarrow]"),
    "pd frame": pd.DataFrame({"y": TEXT}),
    "polars": pl.Series(TEXT.tolist()),
    "polars category": pl.Series(TEXT.tolist(), dtype=pl.Categorical),
    "polars enum": pl.Series(TEXT.tolist(), dtype=pl.Enum(["sick", "ok", "ill", "unused"])),
    "arrow": pa.array(TEXT.tolist()),
    "arrow dictionary": pa.array(TEXT.tolist()).dictionary_encode(),
    "arrow chunks": pa.chunked_array([TEXT[:3].tolist(), TEXT[3:].tolist()]),
    "arrow table": pa.table({"y": TEXT.tolist()}),
}
NUMBERS = {
    "ints": CODE,
    "int8": CODE.astype("int8"),
    "big-endian": CODE.astype(">i4"),
    "floats": CODE.astype(float),
    "halves": CODE.astype("float16"),
    "object": CODE.astype(object),
    "decimals": [decimal.Decimal(int(c)) for c in CODE],
    "bool beside ints": [True if c == 1 else int(c) for c in CODE],
    "Int64": pd.Series(CODE, dtype="Int64"),
    "Float64": pd.Series(CODE, dtype="Float64"),
    "pd arrow": pd.Series(CODE, dtype="int64[pyarrow]"),
    "category of floats": pd.Series(CODE.astype(float)).astype("category"),
    "sparse": pd.Series(pd.arrays.SparseArray(CODE)),
    "polars": pl.Series(CODE),
    "polars floats": pl.Series(CODE.astype(float)),
    "arrow": pa.array(CODE),
    "masked": np.ma.array(CODE, mask=False),
    "range": [int(c) for c in CODE],
}
AT = np.arange(8) == 2
GAPS = {
    "None": np.where(AT, None, TEXT),
    "NaN among text": [np.nan if a else v for a, v in zip(AT, TEXT, strict=True)],
    "NA": pd.Series(TEXT, dtype="string").where(~AT),
    "NaT": np.where(AT, pd.NaT, TEXT),
    "blank": np.where(AT, " ", TEXT),
    "NaN": np.where(AT, np.nan, CODE),
    "Int64": pd.Series(CODE, dtype="Int64").where(~AT),
    "boolean": pd.Series(CODE > 0, dtype="boolean").where(~AT),
    "category": pd.Series(TEXT, dtype="category").where(~AT),
    "masked": np.ma.array(CODE, mask=AT),
    "masked text": np.ma.array(TEXT.astype(str), mask=AT),
    "polars": pl.Series([None if a else v for a, v in zip(AT, TEXT, strict=True)]),
    "polars ints": pl.Series([None if a else int(c) for a, c in zip(AT, CODE, strict=True)]),
    "arrow": pa.array([None if a else v for a, v in zip(AT, TEXT, strict=True)]),
    "arrow dictionary": pa.array([None if a else v for a, v in zip(AT, TEXT, strict=True)]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_of_every_kind(kind):
    labels = class_labels(TEXTS[kind])
    assert labels.classes == ("ill", "ok", "sick")
    assert labels.codes.dtype == np.int32
    np.testing.assert_array_equal(labels.codes, CODE)
    np.testing.assert_array_equal(labels.values, TEXT)


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_kind(kind):
    labels = class_labels(NUMBERS[kind])
    assert labels.classes == (0, 1, 2)
    assert {type(c) for c in labels.classes} == {int}
    np.testing.assert_array_equal(labels.codes, CODE)


@pytest.mark.parametrize("kind", GAPS)
def test_missing_labels_of_every_kind(kind):
    assert class_labels(GAPS[kind], missing=True).codes.tolist().index(-1) == 2
    with pytest.raises(TargetError, match=r"y is missing in row 3\. Fill in"):
        class_labels(GAPS[kind])
    counted = read_labels(GAPS[kind], counted=~AT)
    assert (counted.codes[2], len(counted.classes)) == (
        -1,
        len(set((CODE > 0)[~AT] if kind == "boolean" else CODE[~AT])),
    )


X = np.arange(16.0).reshape(8, 2)
#: Functions that take labels, where nothing has to be trained.
DOORS = {
    "sample_weight": cp.sample_weight,
    "class_weight": cp.class_weight,
    "oversample": lambda y: cp.plans.oversample(y).counts,
    "power": lambda y: cp.plans.power(y).prior,
    "batches": lambda y: batches(X, y, batch_size=8)[0][1],
    "quota": lambda y: batches(X, y, quota="equal", batch_size=8),
    "weight_map": lambda y: cp.weight_map(y).weights(y),
    "make_imbalanced": lambda y: cp.feed.make_imbalanced(X, y, 2),
    "PerClass": lambda y: cp.callbacks.PerClass(X, y, labels=list(class_labels(y).classes), show=False),
    "diagnose": lambda y: cp.diagnose(X, y, quick=False).record.classes,
    "wrap": lambda y: cp.wrap(np.full((8, 3), 1 / 3), y),
    "PlanSampler": lambda y: cp.sklearn.PlanSampler("oversample").fit_resample(X, y),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_names_the_row_without_a_label(door):
    for kind, y in GAPS.items():
        with pytest.raises(CounterpoiseError) as caught:
            DOORS[door](y)
        assert "missing in row 3" in str(caught.value), kind


@pytest.mark.parametrize("door", [d for d in DOORS if d not in ("wrap", "PerClass")])
def test_every_door_reads_every_kind_alike(door):
    def plain(value):
        return (
            value[0].shape
            if door in ("make_imbalanced", "PlanSampler")
            else np.asarray(value if door != "quota" else 0)
        )

    for group in (TEXTS, NUMBERS):
        want = plain(DOORS[door](next(iter(group.values()))))
        for kind, y in group.items():
            np.testing.assert_array_equal(plain(DOORS[door](y)), want, err_msg=kind)


def test_the_estimator_names_the_row_without_a_label():
    for y in (GAPS["None"], GAPS["NaN"], GAPS["NA"]):
        for x in (X, pd.DataFrame(X)):
            with pytest.raises(TargetError, match="missing in row 3"):
                cp.CounterpoiseClassifier("mlp", epochs=1).fit(x, y)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1.0, 0.5], r"numbers that are not classes \(for example 0.5\), in row 2"),
        ([1.0, np.inf], r"for example inf\), in row 2"),
        (np.array(["2020-01-01"], "M8[ns]"), "y contains dates .*, in row 1"),
        ([datetime.date(2020, 1, 1)], "contains dates"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), "contains dates"),
        (pl.Series([datetime.date(2020, 1, 1)]), "contains dates"),
        ([[1], [1, 2]], "sequences of different lengths"),
        ([np.arange(2), np.arange(3)], "sequences of different lengths"),
        (pd.Series([[1], [1, 2]]), "sequences of different lengths"),
        (pl.Series([[1], [1, 2]]), "sequences of different lengths"),
        (pa.array([[1], [1, 2]]), "sequences of different lengths"),
        (pd.Series(pd.arrays.ArrowExtensionArray(pa.array([[1], [1, 2]]))), "sequences of different lengths"),
        ([{"a": 1}], "contains dict objects"),
        (pd.MultiIndex.from_tuples([("a", 1)]), "contains tuple objects"),
        (np.array([object()]), "contains object objects"),
        (np.array([1j]), "type complex128"),
        ({1, 2}, "y is set"),
        ("abc", "y is str"),
        ((i for i in range(2)), "y is generator. Expected one label per row"),
        ({"a": 1, "b": 0}.values(), "y is dict_values"),
        ([], r"shape \(0,\)"),
        (np.zeros((2, 3, 3)), r"shape \(2, 3, 3\)"),
        (["k", "k\0"], r"contains text with a NUL character \('k\\x00'\), in row 2"),
        (np.array([b"\xff", b"\xfe"]), r"bytes that are not UTF-8 \(b'\\xff'\), in row 1"),
        ([b"\xff", "a"], "bytes that are not UTF-8"),
        (pd.DataFrame([[1, 0], [0, 1]], columns=["a", "a"]), "y has two columns 'a'"),
        ([[1, 1], [0, 1]], "not one-hot"),
        ([["0", "1"]], "not one-hot"),
    ],
)
def test_what_is_no_class_is_named(y, words):
    with pytest.raises(TargetError, match=words):
        class_labels(y)


def test_numbers_beside_text_are_text_whatever_holds_them():
    for y in ([1, "a", 2.0, True], np.array([1, "a", 2.0, True], object), pd.Series([1, "a", 2.0, True], dtype=object)):
        labels = class_labels(y)
        assert [labels.classes[c] for c in labels.codes][1:3] == ["a", "2"]
        assert {type(c) for c in labels.classes} == {str}


def test_intervals_and_large_numbers_keep_their_names():
    cut = pd.cut(pd.Series([1, 5, 9]), [0, 4, 10])
    assert class_labels(cut).classes == ("(0, 4]", "(4, 10]")
    assert class_labels([2**60, 2**60 + 1]).classes == (2**60, 2**60 + 1)
    assert class_labels(pl.Series([2**100, 3], dtype=pl.Int128)).classes == (3, 2**100)
    assert class_labels(np.array([-128, 127], np.int8)).classes == (-128, 127)
    assert class_labels(np.array([2**64 - 1, 0], np.uint64)).classes == (0, 2**64 - 1)


def test_a_member_of_an_enum_is_its_value_as_in_tables():
    kind = enum.Enum("kind", {"GOOD": "good", "BAD": "bad"})
    y = [kind.GOOD, kind.BAD, kind.GOOD]
    assert class_labels(y).classes == class_labels(pl.DataFrame({"y": y})["y"]).classes == ("bad", "good")


HOT = np.eye(3, dtype=int)[CODE]
FRAME = pd.DataFrame(HOT, columns=["a", "b", "c"])
HOTS = {
    "ints": HOT,
    "floats": HOT.astype(float),
    "bools": HOT.astype(bool),
    "list": HOT.tolist(),
    "sparse": sp.csr_matrix(HOT),
    "objects": HOT.astype(object),
    "frame": pd.DataFrame(HOT),
    "named": FRAME,
    "boolean": FRAME.astype("boolean"),
    "Int8": FRAME.astype("Int8"),
    "object frame": FRAME.astype(bool).astype(object),
    "arrow": FRAME.astype("bool[pyarrow]"),
    "polars": pl.from_pandas(FRAME),
    "table": pa.Table.from_pandas(FRAME),
}


@pytest.mark.parametrize("kind", HOTS)
def test_one_hot_rows_of_every_kind(kind):
    labels = class_labels(HOTS[kind])
    np.testing.assert_array_equal(labels.codes, CODE)
    assert labels.classes in ((0, 1, 2), ("a", "b", "c"))
    assert (labels.classes == (0, 1, 2)) == (
        kind not in ("named", "boolean", "Int8", "object frame", "arrow", "polars", "table")
    )
    np.testing.assert_allclose(cp.sample_weight(HOTS[kind]), cp.sample_weight(CODE))
    assert [*cp.class_weight(HOTS[kind]).values()] == [*cp.class_weight(CODE).values()]
    np.testing.assert_allclose(
        cp.sample_weight(HOTS[kind], kind="multi_label"), cp.sample_weight(HOT, kind="multi_label")
    )
    assert cp.plans.weigh_labels(HOTS[kind]).labels.tolist() == HOT.tolist()


def test_a_missing_entry_of_a_one_hot_frame_is_named():
    with pytest.raises(TargetError, match="missing in row 2"):
        cp.sample_weight(FRAME.astype("boolean").mask(np.arange(8)[:, None] * np.ones(3) == 1), kind="one_hot")
    with pytest.raises(TargetError, match="missing in row 2"):
        class_labels(FRAME.astype("Int8").mask(np.arange(8)[:, None] * np.ones(3) == 1))


def test_labels_that_differ_in_case_or_blanks_are_reported_at_every_door():
    y = ["ill", "Ill ", "ok", "ok", "ill", "ok", "ok", "ok"]
    for door in ("sample_weight", "class_weight", "oversample", "quota", "weight_map", "make_imbalanced", "diagnose"):
        with pytest.warns(UserWarning, match=r"'Ill ' and 'ill'.*merge_rare"):
            DOORS[door](y)
    assert any("merge_rare" in w for w in cp.diagnose(X, y, quick=False).record.warnings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DOORS["sample_weight"](["ill", "ok", "well"])
    assert look_alike_doubt(["A", "a", "B ", "b"]).count("1 more such group") == 1
    assert r"'ill' and 'ill\u200b', which differ only in invisible" in look_alike_doubt(["ill\u200b", "ill"])
    assert r"'1' and '\uff11', which differ" in look_alike_doubt(["1", "\uff11"])
    assert r"merge_rare=['e\u0301', '\xe9']" in look_alike_doubt(["e\u0301", "\u00e9"])  # they look the same in print


@pytest.mark.parametrize(
    ("classes", "alike"),
    [
        (["0", "0.0", "1", "unknown"], "'0' and '0.0'"),
        (["1", "01", "x"], "'01' and '1'"),
        (["0", "1", "True", "False"], "'0' and 'False'"),
        (["no", "yes", "Y"], "'Y' and 'yes'"),
        (["0", "1", "yes"], "'1' and 'yes'"),
        (["n", "no", "maybe"], None),  # n may stand for another word here
        (["1", "2", "y"], None),
        (["nan", "inf", "1"], None),
        (["T1", "T01"], None),
        (["t", "f"], None),
        (["F", "N"], None),  # letters alone are codes
        (["Y", "T", "F"], None),
        (["12345678901234567890", "12345678901234567891", "x"], None),  # equal as floats
    ],
)
def test_labels_that_are_one_value_are_reported(classes, alike):
    """A column of truth values in three spellings has six classes, which is hardly meant."""
    doubt = look_alike_doubt(classes)
    assert (doubt is None) == (alike is None)
    assert alike is None or f"{alike}" in doubt
    assert alike is None or "differ only in how a value is written" in doubt


def test_a_frame_of_columns_of_text_is_no_sequence():
    refused = r"a frame of 3 columns of text \(for example '[01]'\).*Pass the column of the labels"
    with pytest.raises(TargetError, match=refused):
        cp.sample_weight(FRAME.astype(int).astype(str))
    assert cp.sample_weight(FRAME.astype(int).astype(str), kind="codes").shape == FRAME.shape


def test_codes_among_given_classes():
    assert codes_among(read_labels(["b", "a"]), ("b", "a", "c")).tolist() == [0, 1]
    with pytest.raises(TargetError, match=r"'bb'\. Expected one of the classes\. Did you mean 'b'"):
        codes_among(read_labels(["bb"]), ("b", "a"))


VALUES = st.one_of(
    st.integers(-3, 3), st.booleans(), st.sampled_from(["a", "b", "1"]), st.sampled_from([None, float("nan"), pd.NA])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12))
def test_lists_objects_and_series_agree(values):
    """One reader: a list, an object array and a pandas series of the same values have the same classes and codes."""
    first, *others = (
        read_labels(y, missing=True)
        for y in (values, np.array([*values, None], object)[:-1], pd.Series(values, dtype=object))
    )
    for other in others:
        assert other.classes == first.classes
        np.testing.assert_array_equal(other.codes, first.codes)
    read = [None if c < 0 else first.classes[c] for c in first.codes]
    text = any(isinstance(v, str) for v in values)
    assert read == [None if v is None or v is pd.NA or v != v else str(v) if text else v for v in values]


@pytest.mark.parametrize(
    ("labels", "named"),
    [(["a", "b", "-"], "'-'"), (["a", "b", "N/A"], "'N/A'"), (["1", "2", "<NA>"], "'<NA>'"), (["+", "-", "++"], None),
     (["a", "-"], None), (["none", "crack", "scratch"], None), ([1, 2, 3], None),
     (["0", "1", "None"], "'None'"), ([0, 1, "unknown"], "'unknown'"), (["1", "2", "3+"], None), (["1", "a"], None)],
)  # fmt: skip
def test_a_class_that_may_stand_for_a_missing_label_is_named(labels, named):
    y = labels * 20
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cp.sample_weight(y)
    texts = [str(w.message) for w in caught] + list(read({"a": np.arange(len(y)) / 7}, y=y).warnings)
    notes = [text for text in texts if "is read as a class" in text]
    assert len(notes) == (0 if named is None else 2)
    assert all(f"the label {named}" in text for text in notes)
