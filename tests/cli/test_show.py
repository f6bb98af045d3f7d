"""A comparison in the terminal, from a record made by hand."""

from __future__ import annotations

import pytest
from rich.console import Console

from counterpoise.cli.show import comparison_text, cut_text, leaderboard_table, threshold_text
from counterpoise.comparison.result import Comparison


def row(strategy, **means):
    scores = {k: {"mean": v, "low": v - 0.1, "high": v + 0.1, "folds": []} for k, v in means.items()}
    cost = {"steps": 1200, "seconds": 1.5, "memory_mb": 812.4}
    return {"strategy": strategy, "status": "ok", "error": None, "scores": scores, **cost}


def comparison(winner="none", *more, positive="1"):
    rows = [
        row("none", average_precision=0.5, accuracy=0.95, recall=0.12, precision=0.6, f1=0.2, log_loss=0.3),
        row("threshold", average_precision=0.5, accuracy=0.9, recall=0.48, precision=0.5, f1=0.49, log_loss=0.3),
        *more,
    ]
    verdict = {"winner": winner, "word": "inconclusive", "tied_with": [], "text": "Stay. For now. It [is] so."}
    classes = [{"label": "0", "count": 950, "share": 0.95}, {"label": "1", "count": 50, "share": 0.05}]
    data = {"positive": positive, "rows": 1000, "classes": classes}
    record = {"metric": "average_precision", "rows": rows, "verdict": verdict, "data": data, "warnings": ["odd [row]"]}
    return Comparison(record, {}, ())


FAILED = {"strategy": "smote", "status": "failed", "error": "2 [neighbors] <missing>", "scores": {}}


def drawn(table, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_fits_the_terminal_and_cuts_no_name(width):
    text = drawn(leaderboard_table(comparison("none", FAILED), width), width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("strategy", "average precision", "(95 %)", "recall", "threshold", "failed", "0.500 [0.400, 0.600]"):
        assert word in text
    assert ("log loss" in text) == (width == 140)


def test_a_column_has_one_number_of_decimals():
    tight = row("focal", average_precision=0.1234, accuracy=0.9, recall=0.5, precision=0.5, f1=0.5, log_loss=0.3)
    tight["scores"]["average_precision"] |= {"low": -0.0123, "high": 0.0723}
    text = drawn(leaderboard_table(comparison("none", tight), 80), 80)
    assert "0.123 [-0.012, 0.072]" in text
    assert "0.500 [0.400, 0.600]" in text


def test_everything_is_told(capsys, tmp_path):
    (tmp_path / "report.html").write_text("")
    comparison_text(comparison("none", FAILED), tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    assert "class '1': 5 % of 1,000 rows" in told
    assert "! smote failed: 2 [neighbors] <missing>" in told
    assert "Stay. For now. It [is] so." in told
    assert "! odd [row]" in told
    assert "recall 0.48 instead of 0.12, F1 0.49 instead of 0.20" in told
    assert "report.html" in told
    assert "model.keras" not in told


def test_the_threshold_is_spoken_of_only_beside_an_untouched_winner():
    assert threshold_text(comparison("threshold")) is None
    alone = comparison()
    alone.record["rows"].pop()
    assert threshold_text(alone) is None


def test_averages_over_classes_are_called_so():
    text = drawn(leaderboard_table(comparison(positive=None), 100), 100)
    assert "recall (macro)" in text


def test_where_a_classifier_decides():
    assert cut_text(0.03, "recall_floor(0.9)") == "decides at 0.03, chosen for recall at least 0.9"


def test_as_text_and_html():
    shown = comparison("none", FAILED)
    assert "smote" in str(shown)
    assert "failed: 2 [neighbors] <missing>" in repr(shown)
    assert max(map(len, str(shown).splitlines())) <= 100
    page = shown._repr_html_()
    assert "failed: 2 [neighbors] &lt;missing&gt;" in page
    assert page.count("<tr>") == 4
