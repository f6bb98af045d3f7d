"""The tables of the page, computed from a record: plain values, ready to be shown.

There is no HTML here, and the template computes nothing: it reads the keys. Also how rows of a record are looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.core.titles import capital, metric_name
from counterpoise.report import columns, words
from counterpoise.report.series import block_of, rarest, several_labels, styles

Record = Mapping[str, Any]
Row = dict[str, Any]


def row_of(record: Record, name: Any) -> Mapping[str, Any] | None:
    """Return the row of a strategy that did not fail, or None."""
    good = (row for row in record["rows"] if row["strategy"] == name and row.get("status", "ok") == "ok")
    return next(good, None)


def ranked(record: Record) -> list[Mapping[str, Any]]:
    """Return the rows by rank, failed ones last."""
    return sorted(record["rows"], key=lambda r: r["rank"] if words.finite(r.get("rank")) else float("inf"))


def losses(record: Record) -> list[Row]:
    """Return the corrections, log losses and calibration slope of each strategy."""
    return [
        {
            "name": styles(record)[row["strategy"]].title,
            "corrections": ", ".join(row.get("corrections") or []) or "none",
            "before": words.number(mean(row, "log_loss_uncorrected"), 4),
            "after": words.number(mean(row, "log_loss"), 4),
            "slope": words.number(mean(row, "calibration_slope"), 2),
        }
        for row in ranked(record)
        if row.get("status", "ok") == "ok"
    ]


def confusions(record: Record) -> list[Row]:
    """Return the confusion tables of each strategy that has curves.

    There is one table at its own threshold and one at the default threshold, if present. Each cell contains its share
    of the row.
    """
    return [
        {
            "strategy": row["strategy"],
            "name": styles(record)[row["strategy"]].title,
            "joined": block_of(record, row["strategy"])["confusion"].get("joined", 0),
            "tables": [
                {
                    "caption": f"{styles(record)[row['strategy']].title}, {caption}",
                    **_confusion_table(block_of(record, row["strategy"])[key]),
                }
                for key, caption in (
                    ("confusion", "at its own threshold"),
                    ("confusion_default", "at the default threshold"),
                )
                if key in block_of(record, row["strategy"])
            ],
        }
        for row in ranked(record)
        if block_of(record, row["strategy"])
    ]


def every_score(record: Record) -> Row:
    """Return all metrics with their intervals: one row per metric, one column per strategy."""
    good = [row for row in ranked(record) if row.get("status", "ok") == "ok"]
    keys = list(dict.fromkeys(key for row in good for key in row.get("scores") or {}))
    rows = [
        {
            "name": capital(metric_name(key)),
            "cells": columns.intervals((row.get("scores") or {}).get(key) for row in good),
        }
        for key in keys
    ]
    return {"columns": [styles(record)[row["strategy"]].title for row in good], "rows": rows}


def per_class(record: Record) -> Row:
    """Return recall and precision as text: one row per class, one column per strategy."""
    good = [row for row in ranked(record) if row.get("per_class")]
    labels = [c["label"] for c in record["data"]["classes"]]
    known = [{str(c["label"]): c for c in row["per_class"]} for row in good]
    rows = []
    for label in labels:
        entries: list[Mapping[str, Any]] = [by_label.get(str(label), {}) for by_label in known]
        cells = [(words.number(c.get("recall"), 3), words.number(c.get("precision"), 3)) for c in entries]
        rows.append(
            {"label": label, "support": words.count(next((c.get("support") for c in entries), None)), "cells": cells}
        )
    return {"columns": [styles(record)[row["strategy"]].title for row in good], "rows": rows}


def labels(record: Record) -> Row | None:
    """Return one row per label for the winner, else for the baseline.

    Return None if rows have one class each.
    """
    row = row_of(record, (record.get("verdict") or {}).get("winner")) or row_of(record, "none")
    if not several_labels(record) or row is None:
        return None
    shares = columns.shares(c.get("share") for c in row["per_class"])
    rows = [
        {
            "label": c["label"],
            "positives": words.count(c["support"]),
            "share": share,
            "known": words.count(c["known"]),
            "cells": [words.number(c[key], 3) for key in ("average_precision", "roc_auc", "recall", "precision")],
            "threshold": words.number(c["threshold"], 3),
        }
        for c, share in zip(row["per_class"], shares, strict=True)
    ]
    return {"name": styles(record)[row["strategy"]].title, "rows": rows}


def tuned(record: Record) -> Row:
    """Return the values of tuned hyperparameters: one row each, one column per fold."""
    rows = [
        {
            "name": styles(record)[row["strategy"]].title,
            "hyperparameter": hyperparameter,
            "values": [v.get(hyperparameter) for v in row["tuned"]],
        }
        for row in ranked(record)
        for hyperparameter in dict.fromkeys(
            hyperparameter for values in row.get("tuned") or [] for hyperparameter in values
        )
    ]
    folds = max((len(row["values"]) for row in rows), default=0)
    texts = [{**row, "values": [words.significant(v) for v in row["values"]]} for row in rows]
    return {"folds": [f"fold {k + 1}" for k in range(folds)], "rows": texts}


def changes(record: Record) -> Row | None:
    """Return the effect of the verdict's strategy on each class, per number of cases.

    Return None without such an effect.
    """
    effect = (record.get("verdict") or {}).get("effect") or {}
    looks = styles(record)
    if not effect.get("classes") or effect["strategy"] not in looks:
        return None
    cases, false_positives = (
        columns.changes(c[key] for c in effect["classes"]) for key in ("found", "false_positives")
    )
    rows = [
        {"label": c["label"], "found": hits, "false_positives": alerts}
        for c, hits, alerts in zip(effect["classes"], cases, false_positives, strict=True)
    ]
    return {"name": looks[effect["strategy"]].title, "per": words.count(effect["per"]), "rows": rows}


def binary_counts(record: Record, name: str) -> dict[str, int] | None:
    """Return tp, fp, fn, tn of a strategy at its own threshold, or None (no curves, more than two classes)."""
    table = block_of(record, name).get("confusion")
    if not table or len(table["labels"]) != 2:
        return None
    labels = [str(label) for label in table["labels"]]
    rare = str(rarest(record)["label"])
    p = labels.index(rare) if rare in labels else 1
    matrix = table["matrix"]
    return {"tp": matrix[p][p], "fp": matrix[1 - p][p], "fn": matrix[p][1 - p], "tn": matrix[1 - p][1 - p]}


def mean(row: Mapping[str, Any], key: str) -> Any:
    """Return the mean of a score of a row, or None if the row does not have the score."""
    return ((row.get("scores") or {}).get(key) or {}).get("mean")


def of_class(row: Mapping[str, Any], label: Any) -> Mapping[str, Any]:
    """Return the entry of a class in a row of the record; {} if there is none."""
    return next((c for c in row.get("per_class") or [] if str(c["label"]) == str(label)), {})


def _confusion_table(table: Mapping[str, Any]) -> Row:
    """Return a confusion table with the share of each cell in its row."""
    rows = [_confusion_row(label, counts) for label, counts in zip(table["labels"], table["matrix"], strict=True)]
    return {"labels": table["labels"], "rows": rows, "joined": table.get("joined", 0)}


def _confusion_row(label: str, counts: Sequence[int]) -> Row:
    """Return one row of a confusion table: counts as text, and their shares of the row."""
    total = sum(counts) or 1
    cells = [{"count": words.count(n), "share": n / total, "percent": f"{100 * n / total:.1f}%"} for n in counts]
    return {"label": label, "cells": cells}
