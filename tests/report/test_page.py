"""The page as text: everything is there, nothing is fetched, nothing of the user's runs."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest
from markupsafe import escape

from counterpoise.core.errors import ArtifactError, OptionError
from counterpoise.report import page
from counterpoise.report.card_page import html_sections
from counterpoise.report.curves import curves_of

NASTY = "<script>alert(1)</script>"
SECTIONS = ("answer", "threshold", "leaderboard", "figures", "data", "details")


def payload_of(text: str) -> dict:
    match = re.search(r'<script type="application/json" id="payload">(.*?)</script>', text, re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_every_section_is_there(binary_record):
    text = page.render(binary_record)
    assert re.findall('<section id="([a-z]+)"', text) == list(SECTIONS)
    for name in ("scores", "confusion", "methods", "card"):
        assert f'<details id="{name}">' in text
    verdict = binary_record["verdict"]
    for key in ("headline", "recommendation", "evidence", "next_step"):
        assert str(escape(verdict[key])).split("`")[0] in text
    assert "<code>--repeats 5</code>" in text
    assert set(payload_of(text)["specs"]) == {
        "pr", "gain", "roc", "decision", "calibration", "folds", "training", "learning",
    }  # fmt: skip
    assert "42.0 to 1" in text
    assert "Always predicting -1 is 97.7% accurate." in text


def cells(text: str, caption: str) -> list[list[str]]:
    """The rows of the table whose caption begins so, as text."""
    table = text.split(f"<caption>{caption}")[1].split("</table>")[0]
    return [re.sub(r"<[^>]+>", "|", row).strip("|").split("||") for row in re.findall(r"<tr>(.*?)</tr>", table)]


def test_what_was_tuned_chosen_and_what_it_costs_is_reported(binary_record):
    text = page.render(binary_record)
    ratios = next(r["tuned"] for r in binary_record["rows"] if r["strategy"] == "undersample")
    assert ["Undersampling", "ratio", *(f"{v['ratio']:.3g}" for v in ratios)] in cells(
        text, "Value of each hyperparameter"
    )
    assert "chosen: Oversampling 3 times, Baseline 2 times" in text
    shown = cells(text, "Baseline and recommended strategy")
    counts = binary_record["verdict"]["effect"]["counts"]
    assert [row[0] for row in shown[-3:]] == ["Decision threshold", "cases found", "false positives"]
    assert shown[-3][1:] == ["0.5", "0.31", "tuned for F1"]
    assert shown[-2][1:3] == [f"{counts[n]['found']:.0f}" for n in ("none", "resampling_ensemble")]
    alone = counts["threshold"]["found"] - counts["none"]["found"]
    assert f"Threshold tuning alone, without retraining: +{alone:.0f} found" in text
    assert "a false positive costs 1, a missed case costs 20" in text
    assert "20 trials per strategy and fold, at most 300 steps each" in text
    assert "400,000 steps over all networks" in text


def test_both_classes_are_called_by_their_names_beside_the_slider(binary_record):
    named = copy.deepcopy(binary_record)
    for part, name in zip(named["data"]["classes"], ("<i>healthy</i>", "ill"), strict=True):
        part["label"] = name
    named["data"]["positive"] = "ill"
    shown = cells(page.render(named), "Cases at this threshold")
    assert [row[0] for row in shown[1:]] == [str(escape("<i>healthy</i>")), "ill"]


def test_several_classes_have_a_line_each_of_what_would_change(seven_record):
    shown = cells(page.render(seven_record), "Change per 10,000 cases, class by class: Class weights compared")[1:]
    effect = seven_record["verdict"]["effect"]["classes"]
    assert [row[0] for row in shown] == [str(escape(c["label"])) for c in effect]
    assert [float(row[1].replace("−", "-").replace(",", "")) for row in shown] == pytest.approx(
        [c["found"] for c in effect], abs=0.51
    )


def test_the_page_is_small_and_fetches_nothing(binary_record):
    text = page.render(binary_record)
    assert len(text.encode()) < 1_600_000
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    markup = re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", markup)
    assert "@import" not in text.split("<style>")[1].split("</style>")[0]


def test_nothing_of_the_users_is_markup(binary_record):
    record = copy.deepcopy(binary_record)
    raw = json.dumps(record)
    record = json.loads(
        raw.replace('"1"', json.dumps(NASTY)).replace("mammography.csv", "<img src=x onerror=alert(2)>")
    )
    record["warnings"] = [NASTY]
    record["diagnosis"]["facts"].append([NASTY, NASTY])
    text = page.render(record)
    assert NASTY not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert payload_of(text)["specs"]


def test_many_classes_have_no_slider(seven_record):
    text = page.render(seven_record)
    assert '<section id="threshold"' not in text
    assert payload_of(text)["slider"] == {}
    for c in seven_record["data"]["classes"]:
        assert str(escape(c["label"])) in text


def test_a_failed_strategy_is_shown_with_its_error(binary_record):
    record = copy.deepcopy(binary_record)
    empty = {"scores": {}, "per_class": [], "vs_none": {}, "fits": 0, "steps": 0, "rows_seen": 0, "seconds": 0}
    record["rows"].append(
        {"strategy": "smote", "rank": 7, "status": "failed", "error": "6 neighbors asked, 3 rows", **empty}
    )
    assert "6 neighbors asked, 3 rows" in page.render(record)


def test_parts_that_are_absent_are_left_out(binary_record):
    bare = {k: v for k, v in binary_record.items() if k not in ("curves", "diagnosis", "model_card", "warnings")}
    text = page.render(bare)
    assert '<section id="leaderboard"' in text
    assert '<details id="card"' not in text


def test_the_card_of_the_model_is_the_one_of_its_own_page_and_names_no_raw_field(binary_record):
    shown = page.render(binary_record).split('<details id="card">')[1].split("</details>")[0]
    assert html_sections(binary_record["model_card"], heading="h3") in shown
    assert "<h3>Decision</h3>" in shown
    assert "<td>0.6 to 0.8</td>" in shown
    assert "train_prior" not in shown


def test_a_record_without_rows_is_refused():
    with pytest.raises(OptionError, match="no data, metric, rows"):
        page.render({})


def test_writing_is_whole_or_not_at_all(binary_record, tmp_path):
    page.write(binary_record, tmp_path / "report.html")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(ArtifactError, match=r"is a file\. Name a folder"):
        page.write(binary_record, tmp_path / "report.html" / "report.html")


def test_the_verdict_and_the_leaderboard_call_a_strategy_by_the_same_word(binary_record):
    record = copy.deepcopy(binary_record)
    record["data"]["source"] = record["model_card"]["source"] = "/home/somebody/cases.csv"
    text = page.render(record)
    assert '<small class="key">class_weight</small>' in text
    assert "<title>Counterpoise report: cases.csv</title>" in text
    assert "/home/somebody" not in text


def test_a_share_beside_another_has_as_many_decimals(binary_record):
    shown = cells(page.render(binary_record), "Baseline, at its own threshold")[1:]
    decimals = {len(re.search(r"\.(\d+)%$", cell)[1]) for row in shown for cell in row if "%" in cell}
    assert len(decimals) == 1


def test_a_page_of_hundreds_of_classes_is_small_and_says_what_it_leaves_out():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(300), 3)
    p = rng.dirichlet(np.ones(300), len(y))
    labels = [f"species {k}" for k in range(300)]
    row = {"strategy": "none", "rank": 1, "scores": {"f1": {"mean": 0.1, "folds": [0.1, 0.1]}}}
    row["per_class"] = [{"label": c, "recall": 0.1, "precision": 0.2, "support": 3} for c in labels]
    record = {
        "data": {"rows": len(y), "classes": [{"label": c, "count": 3, "share": 1 / 300} for c in labels]},
        "metric": "f1",
        "rows": [row, {**row, "strategy": "oversample", "rank": 2}],
        "curves": {name: curves_of(y, p, p, p.argmax(axis=1), labels, 0) for name in ("none", "oversample")},
    }
    text = page.render(record)
    assert len(text) < 2_000_000
    assert "the 12 rarest of 300 classes" in text
    assert "join the 288 more common classes" in text
    assert text.count("species 299") > 0
