"""The answer at the top of the page: what to use, compared with the baseline, how sure that is, and what to do next.

The verdict itself is made in `comparison.verdict`. The template and `report.notebook` read the keys of `answer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from counterpoise.core.titles import BASELINE, capital, metric_name
from counterpoise.report import board, words
from counterpoise.report.series import rarest, several_labels, styles
from counterpoise.report.tables import Record, Row, row_of
from counterpoise.report.unit_record import unit_name

TEXTS = ("headline", "recommendation", "evidence", "next_step")


def answer(record: Record) -> Row:
    """Return the four texts of the verdict (by `TEXTS`), "data", "table" and "facts".

    Absent texts are "", but there is always a headline. The table may be None.
    """
    verdict = record.get("verdict") or {}
    texts = {name: str(verdict.get(name) or "") for name in TEXTS}
    texts["headline"] = texts["headline"] or "No verdict: no strategy could be scored."
    return texts | {"data": _data_line(record), "table": _comparison_table(record), "facts": _answer_facts(record)}


def _data_line(record: Record) -> str:
    """Return the data in one line: name of the source, number of rows, and the rare class."""
    data, rare = record["data"], rarest(record)
    rows = f"{words.count(data.get('rows'))} rows" if words.finite(data.get("rows")) else ""
    if unit_name(record):
        rows = f"{words.count(data['rows'])} units ({unit_name(record)}) of {words.count(data['single_rows'])} rows"
    source = words.file_name(data.get("source"))
    share = words.share(rare.get("share"))
    kind = "rarest label" if several_labels(record) else "rare class"
    what = "units" if unit_name(record) else "pixels or steps" if data.get("kind") == "elements" else "rows"
    count = f"{kind}: {rare['label']!r}, {words.count(rare['count'])} {what} ({share})"
    return " · ".join(text for text in (source, rows, count) if text)


def _comparison_table(record: Record) -> Row | None:
    """Return the table of the baseline and the recommended strategy, or None.

    It is None if there are no two columns to compare. Its rows are score, threshold, and decisions per number of cases.
    If the baseline is recommended, the second column is the baseline at a tuned threshold.
    """
    verdict, looks = record.get("verdict") or {}, styles(record)
    effect = verdict.get("effect")
    chosen = str(effect["strategy"] if effect else verdict.get("winner"))
    baseline, row = row_of(record, BASELINE), row_of(record, chosen)
    if baseline is None or chosen == BASELINE or (row is None and effect is None):
        return None
    rows = [] if row is None else [_score_row(record, baseline, row), _threshold_row(record, chosen)]
    rows += _decision_rows(effect) if effect else []
    title = looks[chosen].title if chosen in looks else "Tuned threshold"
    return {
        "caption": "The baseline, and the same network with a tuned threshold"
        if verdict.get("winner") == BASELINE
        else "Baseline and recommended strategy",
        "columns": [looks[BASELINE].title, title],
        "rows": [line for line in rows if line],
        "alone": _threshold_alone(effect) if effect and chosen != "threshold" else "",
    }


def _table_row(name: str, baseline: str, value: str, difference: str = "", group: bool = False) -> Row:
    """Return one row of the table from its texts; `group` marks a heading of the rows below it."""
    return {"name": name, "cells": [baseline, value, difference], "group": group, "detail": ""}


def _score_row(record: Record, baseline: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
    """Return the row with the main metric of both strategies and their difference.

    Interval and p-value of the difference are in "detail". They are left out if both have the same scores, because they
    share the network.
    """
    scores, gains = board.scores(record), board.gains(record)
    gain, interval = gains[row["strategy"]]
    compared = board.vs_baseline(record, row) or {}
    sure = f"95% CI {interval.strip('[]').replace(', ', ' to ')}" if interval else ""
    p = words.probability(compared.get("p_holm"))
    detail = ", ".join(text for text in (sure, f"Holm-adjusted p {p}" if p != words.NOTHING else "") if text)
    same_network = compared.get("p") == 1 and not compared.get("difference")
    name = capital(metric_name(record["metric"]))
    line = _table_row(name, scores[baseline["strategy"]][0], scores[row["strategy"]][0], gain)
    return line | {"detail": "" if same_network else detail}


def _threshold_row(record: Record, chosen: str) -> Row | None:
    """Return the row with the threshold of the saved model, for two classes.

    Return None if there is no such threshold, or if the page recommends another model than the saved one.
    """
    threshold = (record.get("model_card") or {}).get("threshold")
    saved = (record.get("verdict") or {}).get("model")
    if not isinstance(threshold, Mapping) or chosen != saved or not words.finite(threshold.get("value")):
        return None
    aim = str(threshold.get("aim") or "")
    return _table_row("Decision threshold", "0.5", words.significant(threshold["value"]), f"tuned for {aim.upper()}"
                 if aim == "f1" else f"tuned for {aim}" if aim != "argmax" else "")  # fmt: skip


def _decision_rows(effect: Mapping[str, Any]) -> list[Row]:
    """Return a heading with the number of cases, and rows of what is decided among them.

    The rows are cases found, false positives, and cost. `effect` is that of the verdict. What was not measured has no
    row.
    """
    counts = effect["counts"]
    old, new = counts[BASELINE], counts[effect["strategy"]]
    per, label = words.count(effect["per"]), effect["label"]
    cases = words.count(round(effect["cases"]))
    lines = [_table_row(f"Per {per} cases ({cases} {label!r})", "", "", group=True)]
    for key, name in (("found", "cases found"), ("false_positives", "false positives"), ("cost", "cost")):
        if words.finite(effect[key]):
            change = words.case_count(effect[key], True)
            lines.append(_table_row(name, words.case_count(old[key]), words.case_count(new[key]), change))
    return lines


def _threshold_alone(effect: Mapping[str, Any]) -> str:
    """Return a sentence with the effect of threshold tuning alone, or "" if not measured."""
    alone, old = effect["counts"].get("threshold"), effect["counts"][BASELINE]
    if alone is None:
        return ""
    hits, alerts = (words.case_count(alone[key] - old[key], True) for key in ("found", "false_positives"))
    return f"Threshold tuning alone, without retraining: {hits} found, {alerts} false positives."


def _answer_facts(record: Record) -> list[tuple[str, str]]:
    """Return (name, text) pairs: time of training, file, costs of errors, and nested choice.

    A pair is left out if the record does not have its values.
    """
    verdict = record.get("verdict") or {}
    row = row_of(record, verdict.get("winner"))
    facts = []
    if row is not None and words.finite(row.get("seconds")):
        members = len(row.get("members") or []) or 1
        models = "1 model" if members == 1 else f"{members} models"
        what = "the split" if record.get("split") else f"{record.get('folds')} folds"
        facts.append(("Training", f"{models} per fold, {words.seconds(row['seconds'])} s for {what}"))
    if record.get("model_card"):
        facts.append(("File", "model.keras"))
    if record.get("costs"):
        facts.append(("Costs", words.prices(record["costs"])))
    return facts + _nested_facts(record)


def _nested_facts(record: Record) -> list[tuple[str, str]]:
    """Return one (name, text) pair with the score of the nested choice, or [] without one.

    The text also contains how often each strategy was chosen.
    """
    nested = record.get("nested")
    if not nested:
        return []
    value, interval = words.interval(nested)
    looks = styles(record)
    chosen = Counter(looks[name].title if name in looks else name for name in nested.get("chosen") or [])
    times = ", ".join(f"{name} {count} times" for name, count in chosen.most_common())
    score = f"{metric_name(record['metric'])} {value} {interval}".strip()
    return [("Nested choice", f"{score}; chosen: {times}")]
