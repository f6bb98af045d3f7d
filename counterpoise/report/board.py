"""The leaderboard of the page and of notebooks: texts column by column, bars on one axis, what rows are sorted by.

Ranks and scores are those of the record. The template, `report.notebook`, and `Comparison` as text read the keys of
`leaderboard`; those of "sort" are also attributes that `table.js` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.core.titles import BASELINE, PER, capital, metric_name, strategy_title
from counterpoise.report import columns, words
from counterpoise.report.series import class_shares, rarest, several_labels, styles
from counterpoise.report.tables import Record, Row, mean, of_class, ranked
from counterpoise.report.unit_record import unit_name


def leaderboard(record: Record) -> Row:
    """Return the columns and rows of the leaderboard; bars are on one common axis, in percent."""
    key = record["metric"]
    axis, looks, texts = _score_axis(record, key), styles(record), _cells_by_column(record)
    rows = [
        {**_board_row(record, row, axis, looks[row["strategy"]]), **{key: cells[i] for key, cells in texts.items()}}
        for i, row in enumerate(ranked(record))
    ]
    models = {row["model"] for row in rows}
    of = "means over the labels" if several_labels(record) else f"for {rarest(record)['label']!r}"
    of += f", of units ({unit_name(record)})" if unit_name(record) else ""
    return {
        "metric": capital(metric_name(key)),
        "metric_name": metric_name(key),
        "axis": axis,
        "rows": rows,
        "of": of,
        "models": len(models) > 1,
        "constant": _constant_model_row(record),
        "heads": [("recall", "Recall"), ("precision", "Precision"), ("seconds", "Seconds"), *_single_rows_head(record)],
    }


def _single_rows_head(record: Record) -> list[tuple[str, str]]:
    """Return key and heading of the scores of single rows, if other scores are for units."""
    return [("single", "Single rows")] if unit_name(record) else []


def scores(record: Record) -> dict[str, tuple[str, str]]:
    """Return the main metric of every strategy, by rank, as text with its interval."""
    rows = ranked(record)
    texts = columns.intervals((row.get("scores") or {}).get(record["metric"]) for row in rows)
    return dict(zip((row["strategy"] for row in rows), texts, strict=True))


def gains(record: Record) -> dict[str, tuple[str, str]]:
    """Return the difference of every strategy to the baseline, by rank, as text with its interval."""
    rows = ranked(record)
    texts = columns.intervals((vs_baseline(record, row) for row in rows), sign=True, at="difference")
    return dict(zip((row["strategy"] for row in rows), texts, strict=True))


def vs_baseline(record: Record, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the difference of a row to the baseline in the main metric, None for the baseline itself."""
    return (row.get("vs_none") or {}).get(record["metric"]) if row["strategy"] != BASELINE else None


def resources(record: Record) -> list[Row]:
    """Return what every strategy was trained with: networks, steps, rows seen, seconds, memory; and its log loss."""
    rows = [row for row in ranked(record) if row.get("status", "ok") == "ok"]
    looks, of = styles(record), lambda key: [row.get(key) for row in rows]
    texts = {
        "log_loss": [words.number(mean(row, "log_loss"), 4) for row in rows],
        "cost": [words.number(value, 0) for value in of("cost")],
        "cost_span": [_cost_span(row) for row in rows],
        "cost_share": [words.share(value) for value in of("largest_cost_share")],
        "fits": [words.count(value) for value in of("fits")],
        "steps": columns.counts(of("steps")),
        "rows_seen": columns.counts(of("rows_seen")),
        "seconds": columns.seconds(of("seconds")),
        "memory": [words.number(value, 0) for value in of("memory_mb")],
    }
    return [
        {"name": looks[row["strategy"]].title, **{key: cells[i] for key, cells in texts.items()}}
        for i, row in enumerate(rows)
    ]


def _cost_span(row: Mapping[str, Any]) -> str:
    """Return the interval of the cost of 10,000 cases as text: "LOW to HIGH"."""
    score = (row.get("scores") or {}).get("expected_cost") or {}
    scaled = {
        key: PER * value for key, value in score.items() if key in ("mean", "low", "high") and words.finite(value)
    }
    return words.interval(scaled, places=0)[1].replace("[", "").replace("]", "").replace(", ", " to ")


def flags(row: Mapping[str, Any]) -> list[str]:
    """Return what qualifies the numbers of a row: a training that ended too early, a skill below 0.

    Example:
        >>> flags({"cut_off": True, "skill_below_0": False}), flags({"cut_off": None})
        (['still improving'], [])
    """
    texts = {"cut_off": "still improving", "skill_below_0": "skill below 0"}
    return [text for key, text in texts.items() if row.get(key)]


def _board_row(record: Record, row: Mapping[str, Any], axis: Row, style: Any) -> Row:
    """Return what a row of the leaderboard shows in addition to the texts of its columns."""
    score = (row.get("scores") or {}).get(record["metric"]) or {}
    verdict, name = record.get("verdict") or {}, str(row["strategy"])
    # Without "MODEL:" in front, if the comparison has several models.
    own = name.rpartition(":")[2] if row.get("model") and not name.startswith("external:") else name
    return {
        "strategy": name,
        "style": style,
        "name": strategy_title(own),
        "key": name if style.title.lower() != name.lower() else "",
        "model": row.get("model") or "",
        "failed": row.get("status", "ok") != "ok",
        "status": capital(str(row.get("status", "ok"))),
        "error": row.get("error") or "It failed without a message.",
        "rank": row.get("rank"),
        "winner": name == verdict.get("winner"),
        "flags": flags(row),
        "tied": name in (verdict.get("not_different_from") or []),
        "bar": {k: _position(score.get(k), axis) for k in ("low", "mean", "high")},
        "p": words.probability((vs_baseline(record, row) or {}).get("p_holm")),
        "sort": {k: v if words.finite(v) else "" for k, v in _sort_values(record, row).items()},
    }


def _cells_by_column(record: Record) -> dict[str, list[str]]:
    """Return the numbers of the leaderboard as text: key of a column -> its cells by rank."""
    values = [_sort_values(record, row) for row in ranked(record)]
    if not values:
        return {}
    of = {key: [row[key] for row in values] for key in values[0]}
    value, span = zip(*scores(record).values(), strict=True)
    gain, gain_span = zip(*gains(record).values(), strict=True)
    return {
        "value": list(value),
        "span": list(span),
        "gain": list(gain),
        "gain_span": list(gain_span),
        **{key: [words.number(v, 3) for v in of[key]] for key in ("recall", "precision")},
        "seconds": columns.seconds(of["seconds"]),
        "single": [words.number(value, 3) for value in of["single"]],
    }


def _sort_values(record: Record, row: Mapping[str, Any]) -> Row:
    """Return the numbers of a row, by which the leaderboard can be sorted."""
    mine = of_class(row, rarest(record)["label"])
    return {
        "rank": row.get("rank"),
        "value": mean(row, record["metric"]),
        "gain": (vs_baseline(record, row) or {}).get("difference"),
        "recall": mean(row, "recall") if several_labels(record) else mine.get("recall"),
        "precision": mean(row, "precision") if several_labels(record) else mine.get("precision"),
        "seconds": row.get("seconds"),
        "single": ((row.get("row_scores") or {}).get(record["metric"]) or {}).get("mean"),
    }


def _constant_model_row(record: Record) -> Row | None:
    """Return the row of a model that always predicts the most common class.

    It shows what accuracy hides. None: there are several labels per row, or no strategies.
    """
    if several_labels(record) or not record["rows"]:
        return None
    shares, classes = class_shares(record), record["data"]["classes"]
    common = max(classes, key=lambda c: c["count"])
    accuracy, recall = shares[str(common["label"])], float(common is rarest(record))
    # What such a model scores; other metrics have no value in the row.
    known = {
        "accuracy": accuracy,
        "average_precision": shares[str(rarest(record)["label"])] if len(classes) == 2 else 1 / len(classes),
        "roc_auc": 0.5,
        "balanced_accuracy": 1 / len(classes),
        "recall": recall if len(classes) == 2 else 1 / len(classes),
    }
    return {
        "name": f"Always predicts {common['label']!r}",
        "note": f"accuracy {words.share(accuracy)}",
        "value": words.number(known.get(record["metric"]), 3),
        "recall": words.number(recall, 3),
    }


def _score_axis(record: Record, key: str) -> Row:
    """Return the ends of an axis for all intervals of a metric, also as text."""
    values = [
        s[k]
        for row in record["rows"]
        if (s := (row.get("scores") or {}).get(key))
        for k in ("low", "mean", "high")
        if words.finite(s.get(k))
    ]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.05
    return {"low": low - pad, "high": high + pad, "from": words.number(low - pad, 2), "to": words.number(high + pad, 2)}


def _position(value: Any, axis: Row) -> float | None:
    """Return the position of a value on the axis in percent; None if it is not finite."""
    if not words.finite(value):
        return None
    return round(100 * (value - axis["low"]) / (axis["high"] - axis["low"]), 2)
