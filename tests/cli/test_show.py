"""A comparison in the terminal, from a record made by hand."""

from __future__ import annotations

import pytest
from rich.console import Console

from counterpoise.cli.show import class_text, leaderboard_table, print_comparison
from counterpoise.comparison.result import Comparison
from counterpoise.decide.aim import threshold_text

TEXTS = {
    "headline": "Inconclusive. Keep it for now.",
    "recommendation": "It [is] so.",
    "evidence": "5% better.",
    "next_step": "Collect more data.",
}


def row(strategy, difference=None, **means):
    scores = {k: {"mean": v, "low": v - 0.1, "high": v + 0.1, "folds": []} for k, v in means.items()}
    against = {"difference": difference, "low": -0.1, "high": 0.1, "p": 0.5, "p_holm": 1.0}
    each = [{"label": "1", "recall": means["recall"], "precision": 0.5, "support": 50}]
    vs_none = {} if difference is None else {"average_precision": against}
    cost = {"steps": 1200, "seconds": 1.5, "memory_mb": 812.4, "model": "mlp"}
    return {"strategy": strategy, "status": "ok", "error": None, "scores": scores, "vs_none": vs_none,
            "per_class": each, **cost}  # fmt: skip


def comparison(*more, positive="1"):
    rows = [row("none", average_precision=0.5, recall=0.12), row("threshold", 0.0, average_precision=0.5, recall=0.48)]
    verdict = {"winner": "none", "word": "inconclusive", "not_different_from": [], **TEXTS}
    classes = [{"label": "0", "count": 950, "share": 0.95}, {"label": "1", "count": 50, "share": 0.05}]
    data = {"positive": positive, "rows": 1000, "classes": classes}
    rows = [*rows, *more]
    record = {"metric": "average_precision", "rows": rows, "verdict": verdict, "data": data, "warnings": ["odd [row]"]}
    return Comparison(record, {}, ())


FAILED = {"strategy": "smote", "status": "failed", "error": "2 [neighbors] <missing>", "scores": {}, "model": "mlp"}


def drawn(table, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize("width", [50, 80, 140])
def test_the_table_fits_the_terminal_and_cuts_no_name(width):
    text = drawn(leaderboard_table(comparison(FAILED), width), width)
    assert max(map(len, text.splitlines())) <= width
    if width > 50:
        for word in ("Strategy", "Recall", "Precision", "Baseline *", "Tuned threshold", "SMOTE", "failed", "0.500"):
            assert word in text
    assert ("[-0.100, +0.100]" in text) == (width == 140)


def test_several_models_have_a_column():
    boosted = {**row("boosted:none", 0.1, average_precision=0.6, recall=0.5), "model": "boosted"}
    lines = drawn(leaderboard_table(comparison(boosted), 100), 100).splitlines()
    assert lines[1].split()[:2] == ["Strategy", "Model"]
    assert any(line.split()[:2] == ["Baseline", "boosted"] for line in lines)
    assert any(line.split()[:3] == ["Baseline", "*", "mlp"] for line in lines), "the recommended row is marked"


def test_a_column_has_one_number_of_decimals():
    tight = row("focal", 0.0, average_precision=0.1234, recall=0.5)
    tight["scores"]["average_precision"] |= {"low": -0.0123, "high": 0.0723}
    text = drawn(leaderboard_table(comparison(tight), 80), 80)
    assert "0.123 [-0.012, 0.072]" in text
    assert "0.500 [0.400, 0.600]" in text


def test_the_four_texts_the_warnings_and_the_files_are_printed(capsys, tmp_path):
    (tmp_path / "report.html").write_text("")
    print_comparison(comparison(FAILED), tmp_path)
    printed = " ".join(capsys.readouterr().out.split())
    order = [printed.index(text) for text in TEXTS.values()]
    assert order == sorted(order)
    assert "for '1' (5% of 1,000 rows)" in printed
    assert "! smote failed: 2 [neighbors] <missing>" in printed
    assert "! odd [row]" in printed
    assert "report.html" in printed
    assert "model.keras" not in printed


def test_averages_over_classes_are_not_called_those_of_one():
    assert class_text(comparison(positive=None).record["data"]) is None


def test_a_threshold_in_words():
    assert threshold_text(0.03, "recall_floor(0.9)") == "decision threshold 0.03 (chosen for recall at least 0.9)"


def test_as_text_and_html():
    shown = comparison(FAILED)
    assert "SMOTE" in str(shown)
    assert "failed: 2 [neighbors] <missing>" in repr(shown)
    assert max(map(len, str(shown).splitlines())) <= 100
    page = shown._repr_html_()
    assert "failed: 2 [neighbors] &lt;missing&gt;" in page
    assert page.count("<tr>") == 4
