"""The sections of the page for an auditor, as text and tables.

The numbers are the entry "audit" of a record, made by `comparison.audit`. The ids are parts of links to the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from counterpoise.core.titles import PER
from counterpoise.report import columns, words
from counterpoise.report.series import styles
from counterpoise.report.tables import Record, Row, ranked, row_of

#: Key -> heading, of the scores of a group; shorter than the names in `report.words`.
OF_GROUP = {
    "prevalence": "Observed", "mean_probability": "Predicted", "alert_rate": "Alerts", "recall": "Recall",
    "precision": "Precision", "false_positive_rate": "FPR",
}  # fmt: skip
#: Key -> heading, of the differences between groups.
OF_DIFFERENCE = {
    "prevalence": "Observed", "calibration_gap": "Predicted − observed", "alert_rate": "Alerts", "recall": "Recall",
    "precision": "Precision", "false_positive_rate": "FPR",
}  # fmt: skip
#: Key -> name, of the thresholds in the table of their spread.
ENDS = {"low": "Low end", "value": "Chosen", "high": "High end"}


def sections(record: Record) -> list[Row]:
    """Return the sections that the record has data for: id, title, text and tables."""
    audit = record.get("audit") or {}
    of = measured_on(record)
    parts: Sequence[tuple[str, str, Callable[[], tuple[str, list[Row]]]]] = (
        ("spread", "Uncertainty of the threshold", lambda: _threshold_spread(record, audit)),
        ("groups", "Groups", lambda: _groups(audit)),
        ("costs", "Costs", lambda: _costs(record)),
        ("review", "When to ask a human", lambda: _review(audit)),
        ("reliability", "Reliability of each class", lambda: _reliability(audit)),
        ("importance", "Importance of the columns", lambda: _importance(record, audit)),
    )
    listed = []
    for key, title, make in parts:
        text, tables = make()
        if tables or (text and key == "importance"):  # the text tells how to measure the importance
            about = of if tables and key != "costs" else ""
            listed.append({"id": key, "title": title, "text": text, "tables": tables, "of": about})
    return listed


def measured_on(record: Record) -> str:
    """Return a sentence on the strategy and the rows that the sections are for."""
    look = styles(record).get(str((record.get("audit") or {}).get("strategy")))
    rows = "the test rows" if record.get("split") else "the test rows of all folds"
    return f"Measured for {look.title} on {rows}." if look else f"Measured on {rows}."


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Row:
    """Return a table of texts as a row of the page; the caption is also its title."""
    return {"title": caption, "table": caption, "heads": list(heads), "rows": [list(row) for row in rows]}


def score_cell(score: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Format a score and its interval as a cell of the page; a dash if there is no score.

    `words.value_with_interval` is the same for terminals, with plain signs.

    Example:
        >>> score_cell({"value": 0.5, "low": 0.25, "high": 0.75}), score_cell(None)
        ('0.500 (0.250 to 0.750)', '–')
    """
    if not score or not words.finite(score.get("value")):
        return words.NOTHING
    value, low, high = (words.number(score.get(key), digits) for key in ("value", "low", "high"))
    return value if words.NOTHING in (low, high) else f"{value} ({low} to {high})"


def _threshold_spread(record: Record, audit: Mapping[str, Any]) -> tuple[str, list[Row]]:
    """Return the text and tables on thresholds that other rows would have chosen.

    One table is for resampled rows, if they were drawn. The other is for folds, if their thresholds differ.
    """
    tables, spread = [], audit.get("threshold_spread")
    if spread:
        keys = ("recall", "precision", "alert_rate")
        rows = [
            [ENDS[end], words.significant(at["threshold"]), *(words.number(at[key], 3) for key in keys)]
            for end, at in spread.items()
        ]
        caption = (
            "Range of 95% of the thresholds that were chosen on resampled rows, with recall, precision, and alerts at "
            "both ends"
        )
        tables.append(_table(caption, ("", "Threshold", "Recall", "Precision", "Alerts (share of rows)"), rows))
    own = [
        (styles(record)[row["strategy"]].title, [v for v in row.get("thresholds") or [] if words.finite(v)])
        for row in ranked(record)
    ]
    rows = [
        [name, *(words.significant(value) for value in (min(cuts), median(cuts), max(cuts)))]
        for name, cuts in own
        if len(cuts) > 1 and min(cuts) < max(cuts)
    ]
    if rows:
        tables.append(_table("Thresholds of the folds", ("Strategy", "Lowest", "Median", "Highest"), rows))
    text = (
        "Another sample of rows would give another threshold. If the range is wide, more rows would make the "
        "threshold more certain."
    )
    return text, tables


def _groups(audit: Mapping[str, Any]) -> tuple[str, list[Row]]:
    """Return the text and tables on scores by group, and on differences between groups."""
    tables = []
    for table in audit.get("by") or []:
        column, of = table["column"], f"{table['column']}, class {table['class']}"
        heads = (column, "Rows", "Positive", *OF_GROUP.values())
        rows = [
            [v["value"], *_row_counts(v), *(score_cell(v["scores"][key], 2) for key in OF_GROUP)]
            for v in table["values"]
        ]
        notes = "".join(f" {note}" for note in table["notes"])
        tables.append(_table(f"By {of} (95% CI).{notes}", heads, rows))
        rows = [
            [v["value"], *(score_cell(v["differences"][k], 2) for k in OF_DIFFERENCE)]
            for v in table["values"]
            if v["differences"]
        ]
        if rows:
            caption = (
                f"Difference from {table['reference']!r}, class {table['class']} (in each column, all "
                "intervals are correct together, with 95% confidence)"
            )
            tables.append(_table(caption, (column, *OF_DIFFERENCE.values()), rows))
    text = (
        "Each value of a column is scored separately. If the share of positives differs between values, only "
        "a perfect model can have all of these: calibrated probabilities, equal recalls, and equal false positive "
        "rates."
    )
    return text, tables


def _costs(record: Record) -> tuple[str, list[Row]]:
    """Return the text and table of the cost per case; "" and none without costs."""
    if not record.get("costs"):
        return "", []
    rows = [row for row in ranked(record) if row.get("status", "ok") == "ok"]
    key = "expected_cost"
    cost = columns.intervals((row.get("scores") or {}).get(key) for row in rows)
    gain = columns.intervals(((row.get("vs_none") or {}).get(key) for row in rows), sign=True, at="difference")
    cells = [
        [styles(record)[row["strategy"]].title, *(f"{v} {span}".strip() for v, span in (cost[i], gain[i])),
         words.number(row.get("cost"), 0), words.share(row.get("largest_cost_share"))]
        for i, row in enumerate(rows)
    ]  # fmt: skip
    heads = ("Strategy", "Cost per case", "Difference", f"Per {PER:,}", "Largest row")
    text = (
        f"Costs: {words.prices(record['costs'])}. The column 'Largest row' shows the share of all costs that "
        "comes from one row. If this share is large, the intervals are too narrow."
    )
    return text, [_table("Mean cost of the decisions [95% CI], lower is better", heads, cells)]


def _review(audit: Mapping[str, Any]) -> tuple[str, list[Row]]:
    """Return text and table on rows that go to a human, and on wrong decisions.

    Each row of the table is one limit of wrong decisions. Without a review, there is no table.
    """
    rows, labels = [], []
    for one in audit.get("review") or []:
        labels = [str(c["label"]) for c in one["classes"]]
        missed = [score_cell(c["missed"]) for c in one["classes"]]
        rows.append([f"{one['alpha']:g}", score_cell(one["share"]), score_cell(one["error"]), *missed])
    heads = (
        "Limit of wrong decisions",
        "To a human",
        "Error of the model's decisions",
        *(f"Wrong: {name}" for name in labels),
    )
    text = (
        "A row that could belong to several classes can be sent to a human. To do so, use "
        "`clf.decide(review_alpha=0.1)` or `--review-alpha`. In each fold, the limits for sending "
        "rows to a human are chosen on the other folds."
    )
    return text, [_table("Share of rows that are sent to a human (95% CI)", heads, rows)] if rows else []


def _reliability(audit: Mapping[str, Any]) -> tuple[str, list[Row]]:
    """Return text and tables on predicted and observed shares of each class, bin by bin."""
    tables = []
    for table in audit.get("reliability") or []:
        rows = [
            [*_row_counts(one), *(words.number(one[key]) for key in ("predicted", "observed")), _interval_text(one)]
            for one in table["bins"]
        ]
        error = (
            f"expected calibration error (ECE) {words.number(table['ece'])}, root mean square "
            f"calibration error {words.number(table['calibration_error'])}"
        )
        heads = ("Rows", "Positive", "Predicted", "Observed", "95% CI")
        tables.append(_table(f"Class {table['class']}: {error}", heads, rows))
    text = (
        "Each row of the table is a bin of cases. A calibrated model has equal predicted and observed shares "
        "in each bin. All bins have the same number of positives."
    )
    return text, tables


def _importance(record: Record, audit: Mapping[str, Any]) -> tuple[str, list[Row]]:
    """Return the text on how to measure importance, "" if it was measured or cannot be.

    There are no tables.
    """
    if audit.get("importance"):
        return "", []  # a figure of its own has the table
    if record["data"].get("columns") and row_of(record, audit.get("strategy")) and record.get("model_card"):
        text = (
            "Not measured. Run the comparison again with `importance=True` (`--importance`), or run "
            "`counterpoise explain` on new rows. Rows of this comparison are not new, because the saved model was "
            "trained on all of them."
        )
        return text, []
    return "", []


def _row_counts(values: Mapping[str, Any]) -> list[str]:
    """Return the cells with the rows and the positives of a group or bin."""
    return [words.count(values["rows"]), words.count(values["positives"])]


def _interval_text(values: Mapping[str, Any]) -> str:
    """Return the interval of a bin as "LOW to HIGH"."""
    return f"{words.number(values['low'])} to {words.number(values['high'])}"
