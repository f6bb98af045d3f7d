"""Figures for papers are the page's; blocks for notebooks run nothing of the user's."""

from __future__ import annotations

import json

import pytest

from counterpoise.core.errors import OptionError
from counterpoise.report import figures
from counterpoise.report.notebook import card_html, tables_html
from counterpoise.report.plots import Plots
from counterpoise.report.training_figures import class_recall_spec, training_spec

KINDS = {
    "pr": figures.pr_spec, "roc": figures.roc_spec, "gain": figures.gain_spec, "decision": figures.decision_spec,
    "calibration": figures.calibration_spec, "leaderboard": figures.folds_spec, "training": training_spec,
    "learning": class_recall_spec,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_figure_is_that_of_the_page(binary_record, name):
    some = ["none", "oversample"]
    assert getattr(Plots(binary_record), name)(some).spec == KINDS[name](binary_record, some)


def test_a_figure_is_saved_by_its_ending(seven_record, tmp_path):
    plot = Plots(seven_record).leaderboard()
    for ending, start in (("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        assert plot.save(tmp_path / f"figure.{ending}").read_bytes().startswith(start)
    assert plot.svg() == plot._repr_svg_()
    with pytest.raises(OptionError, match=r"as 'jpg'\. Expected svg, png or pdf"):
        plot.save(tmp_path / "figure.jpg")
    with pytest.raises(OptionError, match=r"no strategy 'focl' in this comparison\. Did you mean 'focal'"):
        Plots(seven_record).leaderboard(["focl"])


def test_notebook_blocks_escape_labels_and_have_the_four_texts(binary_record):
    verdict = binary_record["verdict"]
    text = tables_html(binary_record)
    for key in ("headline", "recommendation", "evidence", "next_step"):
        assert verdict[key] in text
    nasty = json.loads(json.dumps(binary_record).replace("Inconclusive", "<script>alert(1)</script>"))
    text = tables_html(nasty)
    assert "<script" not in text
    assert text.count("<svg") == len(binary_record["rows"])
    assert "<script" not in card_html("m", {"note": "<script>", "more": {"<script>": 1}})
