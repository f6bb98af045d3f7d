"""The parts that figures are made of: frame, panels, curves, rule points, dots with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.report import words
from counterpoise.report.series import Spec, block_of, drawn, folds_of, styles
from counterpoise.report.summary import thin

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
FONT = "Inter, 'Helvetica Neue', 'Segoe UI', Roboto, 'Noto Sans', Arial, 'Liberation Sans', sans-serif"
INK, MUTED, GRID, ACCENT, WARM = "#33383f", "#5d646d", "#e4e6e9", "#0072b2", "#d55e00"

CONFIG: Spec = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titlePadding": 8,
        "gridColor": GRID,
        "domainColor": MUTED,
        "tickColor": MUTED,
        "tickSize": 4,
        "tickCount": 5,
    },
    "legend": {
        "orient": "bottom",
        "title": None,
        "labelColor": INK,
        "labelFontSize": 11,
        "symbolSize": 260,
        "labelLimit": 220,
        "columnPadding": 18,
        "rowPadding": 5,
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "title": None, "labelPadding": 6, "labelAnchor": "start"},
    "title": {"color": INK, "fontSize": 13, "anchor": "start", "fontWeight": "normal"},
}

#: Points of all curves of one figure together, and of each curve at least.
MOST_POINTS, FEWEST_POINTS = 3000, 24

Record = Mapping[str, Any]
Names = Sequence[str] | None


def has_panels(record: Record) -> bool:
    return len(record["data"]["classes"]) > 2


def short(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def tooltip(*fields: str) -> list[Spec]:
    numeric = {"recall", "precision", "fpr", "tpr", "predicted", "observed", "low", "high", "loss", "value", "mean"}
    return [{"field": f, **({"type": "quantitative", "format": ".4~f"} if f in numeric else {})} for f in fields]


def curve_rows(record: Record, strategies: Names, curve: str, x: str, y: str) -> list[Spec]:
    blocks = [(s.title, block_of(record, name).get(curve) or {}) for name, s in drawn(record, strategies).items()]
    parts = [(title, part) for title, block in blocks for part in block.get("classes", [block])]
    most = max(FEWEST_POINTS, MOST_POINTS // max(1, len(parts)))
    return [row for title, part in parts for row in _points(title, part, x, y, most)]


def _points(title: str, part: Mapping[str, Any], x: str, y: str, most: int) -> list[Spec]:
    """One row per point of a curve, thinned once more where many curves share a figure."""
    label = {"class": str(part["label"])} if "label" in part else {}
    xs, ys = np.asarray(part.get(x, [])), np.asarray(part.get(y, []))
    keep = thin(xs, ys, most).tolist() if len(xs) else []
    return [{"strategy": title, **label, x: round(float(xs[i]), 4), y: round(float(ys[i]), 4)} for i in keep]


def calibration_rows(record: Record, strategies: Names) -> list[Spec]:
    return [
        {"strategy": style.title, "stage": stage, **{k: short(v) for k, v in one.items()}}
        for name, style in drawn(record, strategies).items()
        for stage, key in (("as trained", "raw"), ("corrected", "corrected"))
        for one in (block_of(record, name).get("calibration") or {}).get(key, [])
    ]


def rule_points(record: Record, strategies: Names, x: str, y: str) -> Spec:
    """Where each strategy's own decision rule stands on its curve."""
    values = []
    for name, style in drawn(record, strategies).items():
        matrix, positive = block_of(record, name)["confusion"]["matrix"], _positive_place(record, name)
        tp, fn = matrix[positive][positive], matrix[positive][1 - positive]
        fp, tn = matrix[1 - positive][positive], matrix[1 - positive][1 - positive]
        rates = {"recall": (tp, tp + fn), "tpr": (tp, tp + fn), "precision": (tp, tp + fp), "fpr": (fp, fp + tn)}
        if all(rates[axis][1] for axis in (x, y)):
            values.append(
                {"strategy": style.title, x: short(rates[x][0] / rates[x][1]), y: short(rates[y][0] / rates[y][1])}
            )
    return {
        "data": {"values": values},
        "transform": [_filter()],
        "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1, "stroke": "white", "strokeWidth": 1},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "color": _channel(record, strategies, "color"),
            "shape": _channel(record, strategies, "shape", legend=None),
            "tooltip": tooltip("strategy", x, y),
        },
    }


def _positive_place(record: Record, name: str) -> int:
    labels = block_of(record, name)["confusion"]["labels"]
    positive = str(record["data"].get("positive"))
    return labels.index(positive) if positive in labels else len(labels) - 1


def _channel(record: Record, strategies: Names, attribute: str, **more: Any) -> Spec:
    chosen = drawn(record, strategies).values()
    scale = {"domain": [s.title for s in chosen], "range": [getattr(s, attribute) for s in chosen]}
    return {"field": "strategy", "type": "nominal", "scale": scale, **more}


def _filter() -> Spec:
    return {"filter": "indexof(shown, datum.strategy) >= 0"}


STROKES: Spec = {"values": {"expr": "shown"}, "symbolType": "stroke", "columns": 3}
SHORT_AXES = {"recall": "Recall", "precision": "Precision", "fpr": "False-positive rate", "tpr": "True-positive rate"}
AXIS_WORDS = {
    "recall": "Recall (share of the rare class found)",
    "precision": "Precision (share of alarms that are right)",
    "fpr": "False-positive rate",
    "tpr": "True-positive rate (recall)",
}


def curves(
    record: Record,
    strategies: Names,
    values: list[Spec],
    axes: tuple[str, str],
    under: list[Spec],
    over: list[Spec],
    size: tuple[int | None, int | None],
) -> Spec:
    many = has_panels(record)
    x, y = (
        {
            "field": f,
            "type": "quantitative",
            "scale": {"domain": [0, 1]},
            "title": (SHORT_AXES if many else AXIS_WORDS)[f],
        }
        for f in axes
    )
    line = {
        "transform": [_filter()],
        "mark": {"type": "line", "strokeWidth": 1.8, "strokeJoin": "round"},
        "encoding": {
            "x": x,
            "y": y,
            "order": None,
            "color": _channel(record, strategies, "color", legend=STROKES),
            "strokeDash": _channel(record, strategies, "dash"),
        },
    }
    hover = {
        "transform": [_filter()],
        "mark": {"type": "point", "size": 70, "opacity": 0},
        "encoding": {"x": x, "y": y, "tooltip": tooltip("strategy", *(["class"] if many else []), *axes)},
    }
    width, height = (given or usual for given, usual in zip(size, (220, 180) if many else (420, 320), strict=True))
    panel: Spec = {"width": width, "height": height, "layer": [*under, line, *over, hover]}
    if many:
        return panels(
            record, strategies, values, panel, by="class", order=[c["label"] for c in record["data"]["classes"]]
        )
    panel["resolve"] = {"scale": {"shape": "independent"}}
    return _top(record, strategies) | panel | {"data": {"values": values}}


def panels(
    record: Record,
    strategies: Names,
    values: list[Spec],
    panel: Spec,
    by: str = "strategy",
    order: list[str] | None = None,
) -> Spec:
    titles = order or [s.title for s in drawn(record, strategies).values()]
    filters = {"transform": [_filter()]} if by == "strategy" else {}
    facet = {"field": by, "type": "nominal", "sort": [str(t) for t in titles], "title": None}
    return _top(record, strategies) | {
        "data": {"values": values},
        **filters,
        "facet": facet,
        "columns": 3,
        "spec": panel,
    }


def _top(record: Record, strategies: Names) -> Spec:
    return _frame([s.title for s in drawn(record, strategies).values()])


def _frame(shown: list[str]) -> Spec:
    params = [{"name": "shown", "value": shown}]
    return {"$schema": SCHEMA, "background": "white", "padding": 6, "config": CONFIG, "params": params}


def scored_dots(record: Record, strategies: Names, width: int, step: int, with_folds: bool) -> Spec:
    key = record["metric"]
    rows = [r for r in sorted(record["rows"], key=_by_rank) if r.get("status", "ok") == "ok"]
    rows = [r for r in rows if strategies is None or r["strategy"] in strategies]
    named = styles(record)
    scores = [(named[r["strategy"]].title, (r.get("scores") or {}).get(key) or {}) for r in rows]
    means = [
        {"strategy": t, **{k: short(s.get(k)) for k in ("mean", "low", "high")}}
        for t, s in scores
        if words.finite(s.get("mean"))
    ]
    points = [{"strategy": t, "fold": i + 1, "value": short(v)} for t, s in scores for i, v in enumerate(folds_of(s))]
    y = {
        "field": "strategy",
        "type": "nominal",
        "sort": [t for t, _ in scores],
        "title": None,
        "axis": {"labelLimit": 190, "grid": False, "domain": False, "ticks": False},
    }
    x = {"type": "quantitative", "title": words.capital(words.metric(key)), "scale": {"zero": False, "nice": True}}
    span = {
        "mark": {"type": "rule", "strokeWidth": 7, "color": ACCENT, "opacity": 0.22},
        "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}},
    }
    mean = {
        "mark": {"type": "tick", "thickness": 3, "size": 18, "color": ACCENT},
        "encoding": {"y": y, "x": x | {"field": "mean"}, "tooltip": tooltip("strategy", "mean", "low", "high")},
    }
    dots = {
        "data": {"values": points},
        "transform": [_filter()],
        "mark": {"type": "point", "size": 36, "color": MUTED, "strokeWidth": 1.4, "opacity": 1},
        "encoding": {"y": y, "x": x | {"field": "value"}, "tooltip": tooltip("strategy", "fold", "value")},
    }
    top = _frame([t for t, _ in scores])
    layers = [span, mean, dots] if with_folds else [span, mean]
    return top | {
        "width": width,
        "height": step * len(means),
        "data": {"values": means},
        "transform": [_filter()],
        "layer": layers,
    }


def _by_rank(row: Mapping[str, Any]) -> float:
    return row["rank"] if words.finite(row.get("rank")) else float("inf")
