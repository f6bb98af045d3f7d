"""Decisions by costs against brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.core.errors import OptionError
from counterpoise.decide.costs import cost_matrix, threshold_of_costs
from counterpoise.decide.threshold import bayes_decision
from counterpoise.losses import ExpectedCost


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_no_other_decision_is_cheaper(seed, c):
    rng = np.random.default_rng(seed)
    costs, p = rng.normal(size=(c, c)), rng.dirichlet(np.ones(c), 20)
    for row, decided in zip(p, bayes_decision(p, costs), strict=True):
        expected = [sum(row[true] * costs[true, k] for true in range(c)) for k in range(c)]
        assert expected[decided] == pytest.approx(min(expected))
    if c == 2 and costs[0, 1] > costs[0, 0] and costs[1, 0] > costs[1, 1]:
        assert ((p[:, 1] >= threshold_of_costs(costs)) == bayes_decision(p, costs)).all()


def test_one_sided_costs():
    assert threshold_of_costs(np.array([[0.0, -1.0], [3.0, 0.0]])) == 0.0  # every row is flagged
    assert threshold_of_costs(np.array([[0.0, 1.0], [0.0, 3.0]])) > 1.0  # none is
    with pytest.raises(OptionError, match="exchanged"):
        threshold_of_costs(np.array([[5.0, 0.0], [0.0, 5.0]]))


def test_a_frame_of_costs_is_read_by_its_labels():
    """In any order of rows and columns; classes are seldom in the order in which a user writes them."""
    frame = pd.DataFrame([[0, 9], [1, -2]], index=["ill", "ok"], columns=["ill", "ok"])
    for table in (frame, frame.iloc[::-1], frame[["ok", "ill"]], frame.astype(object)):
        assert cost_matrix(table, ("ok", "ill")).tolist() == [[-2, 1], [9, 0]]
    assert cost_matrix(pd.DataFrame([[0, 9], [1, 0]]), ("ok", "ill")).tolist() == [[0, 9], [1, 0]]  # no labels
    assert cost_matrix(pd.DataFrame([[0, 9], [1, 0]]), (1, 0)).tolist() == [[0, 1], [9, 0]]  # the labels are numbers
    assert ExpectedCost(pd.DataFrame([[0, 9], [1, 0]], [1, 0], [1, 0])).costs.tolist() == [[0, 1], [9, 0]]
    with pytest.raises(OptionError, match="contains the class 0"):
        cost_matrix(frame.reset_index(drop=True), ("ok", "ill"))
    for table in (pl.from_pandas(frame), pa.Table.from_pandas(frame, preserve_index=False)):
        with pytest.raises(OptionError, match="rows have no labels"):
            cost_matrix(table, ("ok", "ill"))


def test_costs_by_label():
    """By value or by text, the diagonal 0 unless it is given."""
    matrix = cost_matrix({"1": {"0": 9, "2": 1}, 0: {1: 2, 2: 3, 0: -1}, 2: {0: 4, 1: 5}}, (0, 1, 2))
    assert matrix.tolist() == [[-1, 2, 3], [9, 0, 1], [4, 5, 0]]
    for costs, match in (
        ({"a": {"b": 1}}, "no cost of predicting 'a' if the class is 'b'"),
        ({"a": {"c": 1}, "b": {"a": 1}}, "contains the class 'c'"),
        ({"a": 3, "b": {"a": 1}}, "decided label: cost"),
        ([[0, np.inf], [1, 0]], "not finite"),
        ([1, 2], "has shape"),
        ("cheap", "not a table of numbers"),
    ):
        with pytest.raises(OptionError, match=match):
            cost_matrix(costs, ("a", "b"))
