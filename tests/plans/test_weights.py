"""Class weights: schemes against independent sources, and every misuse by name."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.plans import oversample
from counterpoise.plans.weight_table import Tally
from counterpoise.plans.weights import class_weight, fit_table, sample_weight

Y = np.random.default_rng(0).choice(4, p=[0.7, 0.2, 0.07, 0.03], size=500)
HOT = [[1, 0], [0, 0], [1, 0], [0, 1]]


def test_balanced_is_that_of_scikit_learn():
    want = compute_class_weight("balanced", classes=np.arange(4), y=Y)
    assert class_weight(Y) == pytest.approx(dict(enumerate(want)))
    np.testing.assert_allclose(sample_weight(Y), compute_sample_weight("balanced", Y), rtol=1e-6)


def test_frames_are_weighed_by_the_names_of_their_columns():
    hot = pd.DataFrame({"ok": [1, 1, 1, 0], "broken": [0, 0, 0, 1]})
    text = np.array(["ok", "ok", "ok", "broken"])
    for frame in (hot, hot[["broken", "ok"]]):
        assert class_weight(frame) == pytest.approx(class_weight(text))
        assert class_weight(frame, {"ok": 1, "broken": 3}) == pytest.approx(class_weight(text, {"ok": 1, "broken": 3}))
        np.testing.assert_allclose(sample_weight(frame), sample_weight(text), rtol=1e-6)
    table = fit_table(hot)
    np.testing.assert_allclose(table.of(hot[["broken", "ok"]]), table.of(hot), rtol=1e-6)
    np.testing.assert_allclose(table.of(hot.to_numpy()), table.of(hot), rtol=1e-6)
    with pytest.raises(TargetError, match="Label 'worn' is not one of"):
        table.of(hot.rename(columns={"broken": "worn"}))
    several = pd.DataFrame({"rain": [1, 1, 0, 0], "snow": [0, 1, 0, 0]})
    weights = class_weight(several, kind="multi_label")
    assert list(weights) == ["rain", "snow"]
    swapped = fit_table(several, kind="multi_label").of(several[["snow", "rain"]])
    np.testing.assert_allclose(swapped[:, ::-1], sample_weight(several, kind="multi_label"), rtol=1e-6)
    assert class_weight(several, kind="multi_label", classes=["snow", "rain"]) == weights
    mixed = Tally("multi_label")
    for batch in (several[:2], several[2:][["snow", "rain"]]):
        mixed.add(batch)
    assert mixed.table("balanced").to_dict() == weights
    assert class_weight(np.eye(2)[[0, 0, 1]], classes=["no", "yes"]) == pytest.approx({"no": 0.75, "yes": 1.5})


def test_weights_by_label_keep_their_ratios():
    given = {"ok": 1, "worn": 3, "broken": 20}
    y = np.array(["ok"] * 6 + ["worn"] * 3 + ["broken"])
    weights = class_weight(y, given)
    assert {k: v / weights["ok"] for k, v in weights.items()} == pytest.approx(given)
    assert sample_weight(y, given).mean() == pytest.approx(1)


def test_costs_are_those_of_the_cost_plan():
    from counterpoise.plans.class_plans import cost

    matrix = [[0, 1], [9, 0]]
    np.testing.assert_allclose(sample_weight([0, 0, 0, 1], matrix), cost([0, 0, 0, 1], matrix).weights())


def test_positive_weights_of_labels():
    weights = class_weight(HOT, {"cat": 4.0, "dog": 2.0}, kind="multi_label", classes=["cat", "dog"])
    assert weights["cat"][1] / weights["cat"][0] == pytest.approx(4)
    assert weights["dog"][1] / weights["dog"][0] == pytest.approx(2)
    balanced = class_weight(HOT, kind="multi_label")
    assert balanced[1][1] / balanced[1][0] == pytest.approx(3 / 1)  # negatives over positives


def test_limits_of_the_schemes():
    assert set(class_weight(Y, "power(0)").values()) == {1.0}
    assert class_weight(Y, "power(1)") == pytest.approx(class_weight(Y))
    assert set(class_weight(Y, "effective_number(0)").values()) == {1.0}
    assert class_weight(Y, "effective_number(0.9999999)") == pytest.approx(class_weight(Y), rel=1e-3)
    assert class_weight(Y, None) == class_weight(Y, "none")


def test_permuting_rows_permutes_weights():
    order = np.random.default_rng(1).permutation(len(Y))
    np.testing.assert_array_equal(sample_weight(Y[order]), sample_weight(Y)[order])


def test_class_weights_of_one_output_go_into_keras():
    assert all(type(k) is int and type(v) is float for k, v in class_weight(Y).items())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sample_weight(HOT), TargetError, 'kind="multi_label" for independent labels'),
        (lambda: sample_weight([[0, 1, 1], [0, 0, 0]], mask=[[1, 1, 1], [1, 0, 0]]), TargetError, 'kind="codes"'),
        (lambda: sample_weight(HOT, kind="one_hot"), TargetError, "not one-hot in row 2"),
        (lambda: sample_weight([[2, 0], [0, 1]], kind="multi_label"), TargetError, "needs a target of zeros and ones"),
        (lambda: sample_weight([0.2, 1.0]), TargetError, r"\(for example 0.2\), in row 1"),
        (lambda: sample_weight([0, np.nan]), TargetError, "the target is missing in row 2"),
        (lambda: sample_weight(["a", None]), TargetError, "the target is missing in row 2"),
        (lambda: sample_weight([]), TargetError, "contains no labels"),
        (lambda: sample_weight([0, 1], mask=[0, 0]), TargetError, "Cannot compute class weights"),
        (lambda: sample_weight([0, 1], mask=[1, 1, 1]), DataError, r"mask has shape \(3,\)"),
        (lambda: sample_weight([0, 1], mask=[1, 2]), DataError, "values other than True and False"),
        (lambda: sample_weight([0, 1], sample_weight=[1, -1]), DataError, "negative"),
        (lambda: sample_weight(np.eye(2), ignore=5, kind="one_hot"), DataError, "ignore= cannot be used"),
        (lambda: class_weight([0, 1, 7], classes=3), TargetError, "Label 7 is not one of the classes"),
        (lambda: class_weight([0, 1], classes=3), TargetError, "All elements of class 2 together have weight 0"),
        (lambda: class_weight(np.eye(3)[[0, 1]]), TargetError, "All elements of class 2 together have weight 0"),
        (lambda: class_weight([0, 1], {0: 1}), OptionError, "Class 1 has no weight"),
        (lambda: class_weight(["a", "b"], {"a": 1, "bb": 2}), TargetError, "Did you mean 'b'"),
        (lambda: class_weight([0, 1], {0: 1, 1: -2}), OptionError, "0 or more"),
        (lambda: class_weight([0, 1], {0: 0, 1: 0}), OptionError, "at least one of these classes a weight above 0"),
        (lambda: sample_weight([0, 1], {0: 1, 1: 0}), OptionError, "class 1 is 0, which removes the class"),
        (lambda: class_weight([0, 1], "balancd"), OptionError, "Did you mean 'balanced'"),
        (lambda: class_weight([0, 1], "balanced(2)"), OptionError, "takes no number"),
        (lambda: class_weight([0, 1], "log(0.5)"), OptionError, "is not above 1"),
        (lambda: class_weight([0, 1], kind="codez"), OptionError, "Did you mean 'codes'"),
        (lambda: class_weight([[0, 0], [0, 1]], kind="multi_label"), TargetError, "Label 0 is never present"),
        (
            lambda: class_weight([[1, 0], [0, 1]], [1, 2, 3], kind="multi_label"),
            OptionError,
            "Pass one positive weight for each of the labels",
        ),
        (lambda: class_weight([[1, 0], [0, 1]], 3.0, kind="multi_label"), OptionError, "contains 1 weights"),
        (lambda: sample_weight(np.eye(3), mask=[1, 1]), DataError, r"mask has shape \(2,\)"),
        (lambda: sample_weight(np.eye(3), mask=np.eye(3)), TargetError, 'kind="codes"'),
    ],
)
def test_misuse_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ({"a": "balanced"}, "scheme has no entry for output 'b'"),
        ({"a": "balanced", "c": None}, "names output 'c'"),
        ([1.0, 2.0], "one scheme for each output"),
        ({"a": "balanced", "b": "balancd"}, "Output 'b': There is no scheme"),
    ],
)
def test_schemes_of_several_outputs_are_checked(scheme, words):
    with pytest.raises(OptionError, match=words):
        class_weight({"a": np.array([0, 1]), "b": np.array([0, 1])}, scheme)


def test_a_table_refuses_another_target():
    table = fit_table(HOT, kind="multi_label")
    with pytest.raises(TargetError, match="has 3 labels, but the weights were made for 2"):
        table.of(np.zeros((2, 3)))
    with pytest.raises(TargetError, match="Label 'x' is not one of the classes that have a weight"):
        fit_table(["a", "b"]).of(["x"])


PRICE = np.array([3.5, 2.0, 8.25, 1.0])


def test_an_output_without_a_scheme_is_not_read():
    y = {"kind": np.array([0, 0, 0, 1]), "price": PRICE}
    weights = sample_weight(y, {"kind": "balanced", "price": None})
    assert weights["price"] is None
    np.testing.assert_array_equal(weights["kind"], sample_weight(y["kind"]))
    assert class_weight(y, {"kind": "balanced", "price": None}) == {"kind": class_weight(y["kind"]), "price": None}
    assert sample_weight(list(y.values()), ["balanced", None])[1] is None
    assert sample_weight(y, None) == {"kind": None, "price": None}
    assert sample_weight({"kind": y["kind"], "price": None})["price"] is None
    assert sample_weight([None, y["kind"]])[0] is None
    with pytest.raises(TargetError, match=r"Output 'price': .*scheme=\{'price': None"):
        sample_weight(y)


@pytest.mark.parametrize(
    "y",
    [
        [[0, 0, 1], [0]],
        [["a", "b"], ["a"]],
        [np.array([0, 0, 1]), np.array([0])],
        (np.array([0, 0, 1]), np.array([0])),
        np.array([[0, 1], [0]], dtype=object),
    ],
)
def test_sequences_of_different_lengths_are_refused(y):
    for call in (sample_weight, class_weight, fit_table):
        with pytest.raises(TargetError, match=r"sequences of different lengths.*pad_sequences"):
            call(y)


def test_a_list_of_vectors_is_outputs_and_says_so_where_it_might_be_sequences():
    with pytest.raises(TargetError, match=r"5 arrays of 3 rows.*np.stack"):
        sample_weight([np.array([0, 1, 0])] * 5)
    with pytest.warns(UserWarning, match="reads them as 3 outputs of a model"):
        sample_weight([np.array([0, 1, 0])] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample_weight([np.array([0, 1, 0])] * 3, ["balanced"] * 3)
        sample_weight([np.array([0, 1, 0])] * 2)
    np.testing.assert_allclose(sample_weight([[0, 2, 0]] * 3), sample_weight(np.array([[0, 2, 0]] * 3)))


def test_missing_answers_do_not_count():
    y = np.array([[1, 0], [0, 1], [0, 0], [1, 0], [0, 1]])
    there = np.array([[1, 1], [0, 1], [1, 0], [1, 1], [1, 1]], bool)
    want = sample_weight(y, kind="multi_label", mask=there)
    assert [sample_weight(y[there[:, k], k]).tolist() for k in range(2)] == [
        want[there[:, k], k].tolist() for k in range(2)
    ]
    np.testing.assert_array_equal(sample_weight(np.where(there, y, np.nan), kind="multi_label", mask=there), want)
    np.testing.assert_array_equal(sample_weight(np.where(there, y, -1), kind="multi_label", ignore=-1), want)
    with pytest.raises(TargetError, match=r"missing in rows 2, 3\. Leave such elements out with mask="):
        sample_weight(np.where(there, y, np.nan), kind="multi_label")


def test_what_is_masked_may_hold_any_label():
    want = sample_weight([0, 0, 1, 0], mask=[1, 1, 1, 0])
    for odd in (np.nan, 0.5, np.inf):
        np.testing.assert_array_equal(sample_weight([0, 0, 1, odd], mask=[1, 1, 1, 0]), want)
    assert sample_weight(["a", "a", "b", None], mask=[1, 1, 1, 0]).tolist() == want.tolist()


@pytest.mark.parametrize("call", [class_weight, sample_weight, fit_table, oversample])
def test_counts_are_not_taken_for_labels(call):
    y = pd.Series([1] * 7 + [0] * 2)
    for counts in (Counter(y), dict(Counter(y)), y.value_counts(), y.value_counts(normalize=True)):
        with pytest.raises(TargetError, match=r"with one number per class. Expected one label per row"):
            call(counts)
    assert class_weight(y.rename("count")) == class_weight(y)


def test_label_0_can_be_ignored_in_one_of_several_outputs():
    y = {"a": np.array([0, 0, 1, 2, 2]), "b": np.array([0, 1, 1, 1, 1])}
    weights = class_weight(y, ignore={"a": 0, "b": None})
    assert weights == {"a": class_weight(y["a"], ignore=0), "b": class_weight(y["b"])}
    own = np.array([0.0, 0.0, 1.0, 1.0, 1.0])  # ignored rows may have the weight 0
    assert sample_weight(y["a"], ignore=0, sample_weight=own)[2:].tolist() == [1.5, 0.75, 0.75]


def test_an_ignored_number_given_as_text_is_refused_and_a_numpy_number_of_classes_is_one():
    with pytest.raises(OptionError, match="the text '255', but the labels are numbers"):
        class_weight([[0, 1], [1, 255]], ignore="255", kind="codes")
    assert class_weight([0, 1, 1, 2], classes=np.int64(3)) == class_weight([0, 1, 1, 2], classes=3)
