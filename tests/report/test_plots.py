"""Figures for papers hold the page's numbers; blocks for notebooks run nothing of the user's."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from counterpoise.core.errors import MissingExtraError, OptionError
from counterpoise.report import figures
from counterpoise.report.notebook import card_html, tables_html
from counterpoise.report.plots import Plots

CURVES = {"pr": ("recall", "precision"), "roc": ("fpr", "tpr"), "gain": ("share", "found")}
KINDS = (*CURVES, "decision", "calibration", "leaderboard", "training", "learning")


@pytest.mark.parametrize("name", CURVES)
def test_lines_are_the_curves_of_the_record(binary_record, name):
    (ax,) = getattr(Plots(binary_record), name)(["none", "oversample"]).axes
    lines = {line.get_label(): line for line in ax.get_lines()}
    x, y = CURVES[name]
    curve = binary_record["curves"]["oversample"][name]
    np.testing.assert_allclose(lines["Oversampling"].get_xdata(), curve[x])
    np.testing.assert_allclose(lines["Oversampling"].get_ydata(), curve[y])
    assert set(lines) >= {"Untouched model", "Oversampling"}
    assert len(ax.collections) == 2  # the bands


def test_net_benefit_is_that_of_the_page(binary_record):
    (ax,) = Plots(binary_record).decision(["undersample"]).axes
    line = next(line for line in ax.get_lines() if line.get_label() == "Undersampling")
    spec = figures.decision_spec(binary_record, ["undersample"])
    page = {row["threshold"]: row["benefit"] for row in spec["data"]["values"] if "benefit" in row}
    paper = dict(zip(np.round(line.get_xdata(), 4).tolist(), line.get_ydata(), strict=True))
    assert all(paper[t] == pytest.approx(v, abs=1e-4) for t, v in page.items())


def test_the_leaderboard_shows_means_and_folds(binary_record):
    (ax,) = Plots(binary_record).leaderboard().axes
    best = min(binary_record["rows"], key=lambda row: row["rank"])["scores"]["average_precision"]
    top = [line for line in ax.get_lines() if set(line.get_ydata()) == {0}]
    assert sorted(len(line.get_xdata()) for line in top) == [1, 2, 5]
    assert next(line for line in top if len(line.get_xdata()) == 1).get_xdata()[0] == best["mean"]
    with pytest.raises(OptionError, match="no strategy 'nobody'"):
        Plots(binary_record).leaderboard(["nobody"])


def test_a_long_legend_takes_nothing_from_the_curves(binary_record):
    many = {f"strategy_of_my_own_{k}": binary_record["curves"]["none"] for k in range(24)}
    figure = Plots({**binary_record, "rows": [{"strategy": name} for name in many], "curves": many}).pr()
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    (ax,), (legend,) = figure.axes, figure.legends
    assert ax.get_position().height * figure.get_size_inches()[1] > 2.5
    box = legend.get_window_extent()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0


@pytest.mark.parametrize("name", KINDS)
def test_every_figure_can_be_saved(seven_record, binary_record, name, tmp_path):
    record = binary_record if name in ("training", "learning") else seven_record
    getattr(Plots(record), name)().savefig(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 2000


def test_without_matplotlib_one_line_says_what_to_install(binary_record, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'counterpoise\[plot\]'"):
        Plots(binary_record).pr()


def test_notebook_blocks_escape_labels(binary_record):
    nasty = json.loads(json.dumps(binary_record).replace("Inconclusive", "<script>alert(1)</script>"))
    text = tables_html(nasty)
    assert "<script" not in text
    assert text.count("<svg") == len(binary_record["rows"])
    assert "<script" not in card_html("m", {"note": "<script>", "more": {"<script>": 1}})
