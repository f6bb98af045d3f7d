"""The importance of columns: drawn as bars with intervals, with a table of all."""

from __future__ import annotations

import pytest

from counterpoise.core.errors import OptionError
from counterpoise.report.figure_tables import all_figures
from counterpoise.report.figures import still
from counterpoise.report.importance import MOST_DRAWN, importance_figure, importance_page, importance_spec
from counterpoise.report.page import render
from counterpoise.report.plots import Plots


def explained(count=3):
    columns = [
        {"columns": [f"c{i}", "<b>"], "importance": {"value": 0.2 / (i + 1), "low": 0.1 / (i + 1), "high": 0.3}}
        for i in range(count)
    ]
    return {"rows": 1200, "average_precision": 0.61, "columns": columns}


def test_bars_and_intervals_are_the_numbers_in_their_order():
    spec = importance_spec(explained())
    assert [row["column"] for row in spec["data"]["values"]] == [f"c{i} + <b>" for i in range(3)]
    assert [row["value"] for row in spec["data"]["values"]] == [0.2, 0.1, round(0.2 / 3, 6)]
    fields = {
        layer["mark"]["type"]: {layer["encoding"][axis]["field"] for axis in ("x", "x2") if axis in layer["encoding"]}
        for layer in spec["layer"][1:]
    }
    assert fields == {"bar": {"value"}, "rule": {"low", "high"}}
    svg = still(spec)
    assert "Average precision lost" in svg
    assert "<b>" not in svg


def test_the_table_has_the_columns_that_are_not_drawn():
    figure = importance_figure(explained(MOST_DRAWN + 4))
    assert len(figure["spec"]["data"]["values"]) == MOST_DRAWN
    assert len(figure["rows"]) == MOST_DRAWN + 4
    assert "the other 4 columns" in figure["caption"]


def test_a_page_of_its_own_is_self_contained_and_escaped():
    page = importance_page(explained(), "<m>.keras")
    assert page.count("<svg") == 1
    assert page.count("<tr>") == 4
    for absent in ("<m>", "<b>", "<script", "http://", "src="):
        assert absent not in page.replace('xmlns="http://www.w3.org/2000/svg"', "").replace(
            'xmlns:xlink="http://www.w3.org/1999/xlink"', ""
        )


def test_the_report_draws_it_if_it_was_measured(binary_record):
    assert "importance" not in all_figures(binary_record)
    record = {**binary_record, "audit": {"strategy": binary_record["rows"][0]["strategy"], "importance": explained()}}
    figure = all_figures(record)["importance"]
    assert "Measured for " in figure["caption"]
    assert not figure["open"]
    page = render(record)
    assert 'data-chart="importance"' in page
    assert Plots(record).importance().svg().startswith("<svg")
    with pytest.raises(OptionError, match="importance=True"):
        Plots(binary_record).importance()
