"""Vega-Lite specifications of every figure, as functions of a record.

The page draws them in the browser; `still` turns the same specification into SVG or PNG for papers,
READMEs and documentation. All data are inline, rounded to six decimals. Labels appear only as data
values and scale domains, never as field names or expressions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import vl_convert

from counterpoise.core.errors import OptionError
from counterpoise.report import words
from counterpoise.report.series import Spec, Style, block_of, drawn, folds_of, prevalence, styles

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

Record = Mapping[str, Any]
Names = Sequence[str] | None


def pr_spec(record: Record, strategies: Names = None, width: int = 420, height: int = 320) -> Spec:
    """Precision against recall, one line per strategy, and the point where its own rule stands.

    The dashed level is the share of the positive class: what guessing reaches. With more than two
    classes there is one panel per class, one versus the rest.

    Args:
        record: A comparison with "curves" (see `counterpoise.report.page.render`).
        strategies: Names to draw; None draws every strategy that has curves.
        width: Width of the drawing area in pixels (of one panel, with several classes).
        height: Its height in pixels.

    Raises:
        OptionError: a name that the record has no curves for, or no curves at all.
    """
    data = _curve_rows(record, strategies, "pr", "recall", "precision")
    baseline = {
        "data": {"values": [{"level": prevalence(record)}]},
        "mark": {"type": "rule", "color": MUTED, "strokeDash": [3, 3]},
        "encoding": {"y": {"field": "level", "type": "quantitative"}},
    }
    points = [] if _many(record) else [_rule_points(record, strategies, "recall", "precision")]
    layers = [] if _many(record) else [baseline]
    return _curves(record, strategies, data, ("recall", "precision"), layers, points, (width, height))


def roc_spec(record: Record, strategies: Names = None, width: int = 420, height: int = 320) -> Spec:
    """True-positive rate against false-positive rate (arguments and errors as in `pr_spec`)."""
    data = _curve_rows(record, strategies, "roc", "fpr", "tpr")
    guess = {
        "data": {"values": [{"a": 0, "b": 1}]},
        "mark": {"type": "rule", "color": MUTED, "strokeDash": [3, 3]},
        "encoding": {
            "x": {"field": "a", "type": "quantitative"},
            "y": {"field": "a", "type": "quantitative"},
            "x2": {"field": "b"},
            "y2": {"field": "b"},
        },
    }
    points = [] if _many(record) else [_rule_points(record, strategies, "fpr", "tpr")]
    return _curves(record, strategies, data, ("fpr", "tpr"), [guess], points, (width, height))


def calibration_spec(record: Record, strategies: Names = None, width: int = 220, height: int = 200) -> Spec:
    """Observed against predicted share before and after the correction, one panel per strategy.

    Both axes are square-root scaled where the rare class is below 20 %, so that small probabilities
    can be read. Bars are 95 % Wilson intervals (arguments and errors as in `pr_spec`).
    """
    values = _calibration_rows(record, strategies)
    scale: Spec = {"domain": [0, 1]}
    if not _many(record) and prevalence(record) < 0.2:
        scale |= {"type": "sqrt"}
    axis: Spec = {"values": [0, 0.05, 0.2, 0.5, 1], "labelOverlap": False, "format": "~"} if "type" in scale else {}
    x = {"field": "predicted", "type": "quantitative", "scale": scale, "axis": axis, "title": "Predicted"}
    y = {"field": "observed", "type": "quantitative", "scale": scale, "axis": axis, "title": "Observed"}
    stage = {
        "field": "stage",
        "type": "nominal",
        "scale": {"domain": ["as trained", "corrected"], "range": [WARM, ACCENT]},
    }
    shape = stage | {"scale": {"domain": ["as trained", "corrected"], "range": ["square", "circle"]}}
    dash = stage | {"scale": {"domain": ["as trained", "corrected"], "range": [[4, 3], [1, 0]]}}
    diagonal = {
        "data": {"values": [{"a": 0}, {"a": 1}]},
        "mark": {"type": "line", "color": MUTED, "strokeDash": [3, 3], "strokeWidth": 1},
        "encoding": {"x": x | {"field": "a"}, "y": y | {"field": "a"}},
    }
    shared = {"x": x, "y": y, "color": stage | {"legend": {"symbolOpacity": 1, "symbolSize": 60}}}
    bars = {
        "mark": {"type": "rule", "opacity": 0.55},
        "encoding": shared | {"y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    lines = {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": shared | {"strokeDash": dash}}
    tips = _tooltip("strategy", "stage", "predicted", "observed", "low", "high", "count")
    dots = {
        "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1},
        "encoding": shared | {"shape": shape, "tooltip": tips},
    }
    panel = {"width": width, "height": height, "layer": [diagonal, bars, lines, dots]}
    return _panels(record, strategies, values, panel)


def folds_spec(record: Record, strategies: Names = None, width: int = 460, step: int = 34) -> Spec:
    """The main metric on every fold, with its mean and interval, strategies by rank from the top.

    Args:
        record: As in `pr_spec`; only its rows are read.
        strategies: Names to draw; None draws all that did not fail.
        width: Width of the drawing area in pixels.
        step: Height of one strategy in pixels.
    """
    return _dots(record, strategies, width, step, with_folds=True)


def leaderboard_spec(record: Record, strategies: Names = None, width: int = 460, step: int = 30) -> Spec:
    """The main metric with its interval, strategies by rank from the top (arguments as in `folds_spec`)."""
    return _dots(record, strategies, width, step, with_folds=False)


def training_spec(record: Record, strategies: Names = None, width: int = 220, height: int = 150) -> Spec:
    """Log loss on the stopping rows by optimiser step, one panel per strategy, one line per member."""
    values = [
        {"strategy": style.title, "member": f"member {m + 1}", "step": step, "loss": _short(loss)}
        for name, style in _chosen(record, strategies).items()
        for m, losses in enumerate((block_of(record, name).get("history") or {}).get("stop_loss", []))
        for step, loss in zip(block_of(record, name)["history"]["steps"], losses, strict=False)
        if words.finite(loss)
    ]
    encoding = {
        "x": {"field": "step", "type": "quantitative", "title": "Optimiser step"},
        "y": {"field": "loss", "type": "quantitative", "title": "Log loss", "scale": {"zero": False}},
        "detail": {"field": "member"},
        "tooltip": _tooltip("strategy", "member", "step", "loss"),
    }
    line = {"type": "line", "strokeWidth": 1.2, "color": ACCENT, "opacity": 0.8}
    return _panels(record, strategies, values, {"width": width, "height": height, "mark": line, "encoding": encoding})


def still(spec: Spec, kind: str = "svg", scale: float = 2.0) -> str | bytes:
    """Draw a specification without a browser.

    Args:
        spec: What one of the functions above returned.
        kind: "svg" (text) or "png" (bytes).
        scale: Pixels per unit of a PNG.

    Raises:
        OptionError: another kind.
    """
    text = json.dumps(spec)
    if kind == "svg":
        return vl_convert.vegalite_to_svg(text)
    if kind == "png":
        return vl_convert.vegalite_to_png(text, scale=scale)
    raise OptionError(f"A still figure is 'svg' or 'png', got {kind!r}.")


def _many(record: Record) -> bool:
    return len(record["data"]["classes"]) > 2


def _short(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _chosen(record: Record, strategies: Names) -> dict[str, Style]:
    return drawn(record, strategies)


def _tooltip(*fields: str) -> list[Spec]:
    numeric = {"recall", "precision", "fpr", "tpr", "predicted", "observed", "low", "high", "loss", "value", "mean"}
    return [{"field": f, **({"type": "quantitative", "format": ".4~f"} if f in numeric else {})} for f in fields]


def _curve_rows(record: Record, strategies: Names, curve: str, x: str, y: str) -> list[Spec]:
    rows: list[Spec] = []
    for name, style in _chosen(record, strategies).items():
        block = block_of(record, name).get(curve) or {}
        for part in block.get("classes", [block]):
            rows += _points(style.title, part, x, y)
    return rows


def _points(title: str, part: Mapping[str, Any], x: str, y: str) -> Iterable[Spec]:
    label = {"class": str(part["label"])} if "label" in part else {}
    pairs = zip(part.get(x, []), part.get(y, []), strict=True)
    return ({"strategy": title, **label, "order": i, x: _short(a), y: _short(b)} for i, (a, b) in enumerate(pairs))


def _calibration_rows(record: Record, strategies: Names) -> list[Spec]:
    return [
        {"strategy": style.title, "stage": stage, **{k: _short(v) for k, v in one.items()}}
        for name, style in _chosen(record, strategies).items()
        for stage, key in (("as trained", "raw"), ("corrected", "corrected"))
        for one in (block_of(record, name).get("calibration") or {}).get(key, [])
    ]


def _rule_points(record: Record, strategies: Names, x: str, y: str) -> Spec:
    """Where each strategy's own decision rule stands on its curve."""
    values = []
    for name, style in _chosen(record, strategies).items():
        matrix, positive = block_of(record, name)["confusion"]["matrix"], _positive_place(record, name)
        tp, fn = matrix[positive][positive], matrix[positive][1 - positive]
        fp, tn = matrix[1 - positive][positive], matrix[1 - positive][1 - positive]
        rates = {"recall": (tp, tp + fn), "tpr": (tp, tp + fn), "precision": (tp, tp + fp), "fpr": (fp, fp + tn)}
        if all(rates[axis][1] for axis in (x, y)):
            values.append(
                {"strategy": style.title, x: _short(rates[x][0] / rates[x][1]), y: _short(rates[y][0] / rates[y][1])}
            )
    return {
        "data": {"values": values},
        "transform": [_filter()],
        "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1, "stroke": "white", "strokeWidth": 1},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "color": _channel(record, strategies, "color", legend=None),
            "shape": _channel(record, strategies, "shape", legend=None),
            "tooltip": _tooltip("strategy", x, y),
        },
    }


def _positive_place(record: Record, name: str) -> int:
    labels = block_of(record, name)["confusion"]["labels"]
    positive = str(record["data"].get("positive"))
    return labels.index(positive) if positive in labels else len(labels) - 1


def _channel(record: Record, strategies: Names, attribute: str, **more: Any) -> Spec:
    chosen = _chosen(record, strategies).values()
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


def _curves(
    record: Record,
    strategies: Names,
    values: list[Spec],
    axes: tuple[str, str],
    under: list[Spec],
    over: list[Spec],
    size: tuple[int, int],
) -> Spec:
    many = _many(record)
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
            "order": {"field": "order"},
            "color": _channel(record, strategies, "color", legend=STROKES),
            "strokeDash": _channel(record, strategies, "dash"),
        },
    }
    hover = {
        "transform": [_filter()],
        "mark": {"type": "point", "size": 70, "opacity": 0},
        "encoding": {"x": x, "y": y, "tooltip": _tooltip("strategy", *(["class"] if many else []), *axes)},
    }
    panel: Spec = {"width": size[0], "height": size[1], "layer": [*under, line, *over, hover]}
    if many:
        panel |= {"width": 220, "height": 180}
        return _panels(
            record, strategies, values, panel, by="class", order=[c["label"] for c in record["data"]["classes"]]
        )
    panel["resolve"] = {"scale": {"shape": "independent", "color": "independent"}}
    return _top(record, strategies) | panel | {"data": {"values": values}}


def _panels(
    record: Record,
    strategies: Names,
    values: list[Spec],
    panel: Spec,
    by: str = "strategy",
    order: list[str] | None = None,
) -> Spec:
    titles = order or [s.title for s in _chosen(record, strategies).values()]
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
    return _frame([s.title for s in _chosen(record, strategies).values()])


def _frame(shown: list[str]) -> Spec:
    params = [{"name": "shown", "value": shown}]
    return {"$schema": SCHEMA, "background": "white", "padding": 6, "config": CONFIG, "params": params}


def _dots(record: Record, strategies: Names, width: int, step: int, with_folds: bool) -> Spec:
    key = record["metric"]
    rows = [r for r in sorted(record["rows"], key=_by_rank) if r.get("status", "ok") == "ok"]
    rows = [r for r in rows if strategies is None or r["strategy"] in strategies]
    named = styles(record)
    scores = [(named[r["strategy"]].title, (r.get("scores") or {}).get(key) or {}) for r in rows]
    means = [
        {"strategy": t, **{k: _short(s.get(k)) for k in ("mean", "low", "high")}}
        for t, s in scores
        if words.finite(s.get("mean"))
    ]
    points = [{"strategy": t, "fold": i + 1, "value": _short(v)} for t, s in scores for i, v in enumerate(folds_of(s))]
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
        "encoding": {"y": y, "x": x | {"field": "mean"}, "tooltip": _tooltip("strategy", "mean", "low", "high")},
    }
    dots = {
        "data": {"values": points},
        "transform": [_filter()],
        "mark": {"type": "point", "size": 36, "color": MUTED, "strokeWidth": 1.4, "opacity": 1},
        "encoding": {"y": y, "x": x | {"field": "value"}, "tooltip": _tooltip("strategy", "fold", "value")},
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
