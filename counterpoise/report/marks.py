"""The building blocks of figures: frame, panels, dots with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.core.titles import capital, metric_name
from counterpoise.report import words
from counterpoise.report.series import Spec, block_of, drawn, folds_of, several_labels, styles

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
        "columns": 3,
        "columnPadding": 18,
        "rowPadding": 5,
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "title": None, "labelPadding": 6, "labelAnchor": "start"},
    "title": {"color": INK, "fontSize": 13, "anchor": "start", "fontWeight": "normal"},
}

#: Bands of more strategies at once hide each other: none is drawn unless asked for.
MOST_BANDS = 4
#: Height of one strategy in `folds_spec`, in pixels.
STRATEGY_HEIGHT = 34
#: Fields that tooltips show with decimals.
NUMERIC = frozenset(
    "recall precision fpr tpr share found threshold benefit predicted observed low high loss value mean".split()
)

Record = Mapping[str, Any]
Names = Sequence[str] | None


def has_panels(record: Record) -> bool:
    return several_labels(record) or len(record["data"]["classes"]) > 2


def short(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def tooltip(*fields: str) -> list[Spec]:
    return [{"field": f, **({"type": "quantitative", "format": ".4~f"} if f in NUMERIC else {})} for f in fields]


def calibration_rows(record: Record, strategies: Names) -> list[Spec]:
    """Return the points of all calibration curves, each with its strategy and stage.

    The stage is "uncorrected" or "corrected".
    """
    return [
        {"strategy": style.title, "stage": stage, **{k: short(v) for k, v in one.items()}}
        for name, style in drawn(record, strategies).items()
        for stage, key in (("uncorrected", "raw"), ("corrected", "corrected"))
        for one in (block_of(record, name).get("calibration") or {}).get(key, [])
    ]


def channel(record: Record, strategies: Names, attribute: str, **more: Any) -> Spec:
    """Return the Vega-Lite encoding of strategies by an attribute of their style.

    For example, the color.
    """
    chosen = drawn(record, strategies).values()
    scale = {"domain": [s.title for s in chosen], "range": [getattr(s, attribute) for s in chosen]}
    return {"field": "strategy", "type": "nominal", "scale": scale, **more}


def only_shown(signal: str = "shown") -> Spec:
    """Return the Vega-Lite filter for strategies in the list of a signal (see `framed`)."""
    return {"filter": f"indexof({signal}, datum.strategy) >= 0"}


def panels(
    record: Record,
    strategies: Names,
    values: list[Spec],
    panel: Spec,
    by: str = "strategy",
    order: list[str] | None = None,
) -> Spec:
    """Return a figure with one small figure `panel` for each value of the field `by`.

    Three panels are in a line.
    `values` are the data of all panels. `order` contains the values of `by` in the order of the panels; by default, the
    titles of the strategies.
    """
    titles = order or [s.title for s in drawn(record, strategies).values()]
    filters = {"transform": [only_shown()]} if by == "strategy" else {}
    facet = {"field": by, "type": "nominal", "sort": [str(t) for t in titles], "title": None}
    return top(record, strategies) | {
        "data": {"values": values},
        **filters,
        "facet": facet,
        "columns": 3,
        "spec": panel,
        "resolve": {"axis": {"x": "independent"}},  # otherwise the last line has axes below missing panels
    }


def top(record: Record, strategies: Names) -> Spec:
    return framed([s.title for s in drawn(record, strategies).values()])


def framed(shown: list[str]) -> Spec:
    """Return the part that all figures have in common.

    `shown` contains the titles of the strategies that are drawn at first.
    """
    # The page switches strategies and their bands by these two signals.
    params = [{"name": "shown", "value": shown}, {"name": "banded", "value": shown if len(shown) <= MOST_BANDS else []}]
    return {"$schema": SCHEMA, "background": "white", "padding": 6, "config": CONFIG, "params": params}


def folds_spec(record: Record, strategies: Names = None) -> Spec:
    """Return the figure of the main metric, with each fold, the mean and its interval.

    Strategies are in the order of their rank, from the top. Failed strategies are left out.

    Args:
        record: As for `figures.pr_spec`; only its rows are read.
        strategies: Names to draw; None draws all that did not fail.
    """
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
        "axis": {"labelLimit": 190, "grid": False, "domain": False, "ticks": False, "labelPadding": 8},
    }
    x = {"type": "quantitative", "title": capital(metric_name(key)), "scale": {"zero": False, "nice": True}}
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
        "transform": [only_shown()],
        "mark": {"type": "point", "size": 36, "color": MUTED, "strokeWidth": 1.4, "opacity": 1},
        "encoding": {"y": y, "x": x | {"field": "value"}, "tooltip": tooltip("strategy", "fold", "value")},
    }
    top = framed([t for t, _ in scores])
    return top | {
        "width": 460,
        "height": STRATEGY_HEIGHT * len(means),
        "usermeta": {"step": STRATEGY_HEIGHT},  # the page makes it as high as the strategies that it shows
        "data": {"values": means},
        "transform": [only_shown()],
        "layer": [span, mean, dots],
    }


def _by_rank(row: Mapping[str, Any]) -> float:
    return row["rank"] if words.finite(row.get("rank")) else float("inf")
