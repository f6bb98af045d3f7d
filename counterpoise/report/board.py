"""The leaderboard of the page and of notebooks: texts column by column, bars on one axis, what rows are sorted by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.report import columns, words
from counterpoise.report.series import rarest, several_labels, styles
from counterpoise.report.tables import PER, Record, Row, mean, of_class, ranked


def leaderboard(record: Record) -> Row:
    """Return the columns and rows of the leaderboard; bars are placed on one common axis, in percent."""
    key = record["metric"]
    axis = _axis(record, key)
    looks = styles(record)
    texts = _texts(record)
    rows = [
        {**_board_row(record, row, axis, looks[row["strategy"]]), **{key: cells[place] for key, cells in texts.items()}}
        for place, row in enumerate(ranked(record))
    ]
    known = [row for row in record["rows"] if row.get("status", "ok") == "ok"]
    heads = [("gain", "Against untouched"), ("recall", "Recall"), ("precision", "Precision"), ("log_loss", "Log loss")]
    heads += [("cost", f"Cost per {PER:,}")] if any(words.finite(row.get("cost")) for row in known) else []
    heads += [("seconds", "Seconds")]
    heads += [("memory", "MB")] if any(words.finite(row.get("memory_mb")) for row in known) else []
    heads += [("steps", "Steps"), ("rows_seen", "Rows seen")]
    title = words.capital(words.metric(key))
    of = "means over the labels" if several_labels(record) else f"those of class “{rarest(record)['label']}”"
    return {"metric": title, "axis": axis, "rows": rows, "of": of, "heads": heads}


def scores(record: Record) -> dict[str, tuple[str, str]]:
    """Return the main metric of every strategy, by rank, as text with its interval."""
    rows = ranked(record)
    told = columns.intervals((row.get("scores") or {}).get(record["metric"]) for row in rows)
    return dict(zip((row["strategy"] for row in rows), told, strict=True))


def gains(record: Record) -> dict[str, tuple[str, str]]:
    """Return the difference of every strategy to the untouched model, by rank, as text with its interval."""
    rows = ranked(record)
    told = columns.intervals((against(record, row) for row in rows), sign=True, at="difference")
    return dict(zip((row["strategy"] for row in rows), told, strict=True))


def against(record: Record, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the difference of a row to the untouched model in the main metric, None for that model itself."""
    return (row.get("vs_none") or {}).get(record["metric"]) if row["strategy"] != "none" else None


def _board_row(record: Record, row: Mapping[str, Any], axis: Row, style: Any) -> Row:
    """What a row of the leaderboard shows beside the numbers in its columns."""
    score = (row.get("scores") or {}).get(record["metric"]) or {}
    return {
        "strategy": row["strategy"],
        "style": style,
        "key": row["strategy"] if style.title.lower() != str(row["strategy"]).lower() else "",
        "failed": row.get("status", "ok") != "ok",
        "status": words.capital(str(row.get("status", "ok"))),
        "error": row.get("error") or "failed without a message",
        "rank": row.get("rank"),
        "winner": row["strategy"] == (record.get("verdict") or {}).get("winner"),
        "flags": flags(row),
        "tied": row["strategy"] in ((record.get("verdict") or {}).get("tied_with") or []),
        "bar": {k: _place(score.get(k), axis) for k in ("low", "mean", "high")},
        "p": words.probability((against(record, row) or {}).get("p")),
        "sort": {k: v if words.finite(v) else "" for k, v in _values(record, row).items()},
    }


def flags(row: Mapping[str, Any]) -> list[str]:
    """What to know of a row before its numbers: a training that was cut off, a skill below 0.

    Example:
        >>> flags({"cut_off": True, "skill_below_0": False}), flags({"cut_off": None})
        (['cut off'], [])
    """
    told = {"cut_off": "cut off", "skill_below_0": "skill below 0"}
    return [text for key, text in told.items() if row.get(key)]


def _texts(record: Record) -> dict[str, list[str]]:
    """The numbers of the leaderboard as text, column by column."""
    values = [_values(record, row) for row in ranked(record)]
    of = {key: [row[key] for row in values] for key in (values[0] if values else ())}
    told, apart = scores(record).values(), gains(record).values()
    if not of:
        return {}
    return {
        "value": [value for value, _ in told],
        "span": [span for _, span in told],
        "gain": [value for value, _ in apart],
        "gain_span": [span for _, span in apart],
        **{key: [words.number(v, 3) for v in of[key]] for key in ("recall", "precision")},
        "log_loss": [words.number(v, 4) for v in of["log_loss"]],
        "seconds": columns.seconds(of["seconds"]),
        **{key: [words.number(v, 0) for v in of[key]] for key in ("memory", "cost")},
        **{key: columns.counts(of[key]) for key in ("steps", "rows_seen")},
    }


def _values(record: Record, row: Mapping[str, Any]) -> Row:
    """The numbers of a row: what the leaderboard is sorted by."""
    mine = of_class(row, rarest(record)["label"])
    return {
        "rank": row.get("rank"),
        "value": mean(row, record["metric"]),
        "gain": (against(record, row) or {}).get("difference"),
        "recall": mean(row, "recall") if several_labels(record) else mine.get("recall"),
        "precision": mean(row, "precision") if several_labels(record) else mine.get("precision"),
        "log_loss": mean(row, "log_loss"),
        "seconds": row.get("seconds"),
        "memory": row.get("memory_mb"),
        "cost": row.get("cost"),
        "steps": row.get("steps"),
        "rows_seen": row.get("rows_seen"),
    }


def _axis(record: Record, key: str) -> Row:
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


def _place(value: Any, axis: Row) -> float | None:
    if not words.finite(value):
        return None
    return round(100 * (value - axis["low"]) / (axis["high"] - axis["low"]), 2)
