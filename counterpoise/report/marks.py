"""The building blocks of all figures: colors, frame, panels, tooltips, and the filter of shown strategies.

`charts.js` sets the signals "shown" and "banded" of the frame, by the titles of strategies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.report.series import Spec, drawn, several_labels

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
FONT = "Inter, 'Helvetica Neue', 'Segoe UI', Roboto, 'Noto Sans', Arial, 'Liberation Sans', sans-serif"
INK, MUTED, GRID, ACCENT, WARM = "#33383f", "#5d646d", "#e4e6e9", "#0072b2", "#d55e00"

#: Fonts and colors of every figure, as Vega-Lite reads them.
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
#: Fields that tooltips show with decimals.
NUMERIC = frozenset(
    "recall precision fpr tpr share found threshold benefit predicted observed low high loss value mean".split()
)

Record = Mapping[str, Any]
Names = Sequence[str] | None


def has_panels(record: Record) -> bool:
    """Return whether curves have one panel per class or label: for several labels, or more than two classes."""
    return several_labels(record) or len(record["data"]["classes"]) > 2


def rounded(value: Any) -> Any:
    """Return a float with six decimals; any other value is returned as it is."""
    return round(value, 6) if isinstance(value, float) else value


def tooltip(*fields: str) -> list[Spec]:
    """Return the Vega-Lite encoding of a tooltip with these fields."""
    return [{"field": f, **({"type": "quantitative", "format": ".4~f"} if f in NUMERIC else {})} for f in fields]


def channel(record: Record, strategies: Names, attribute: str, **more: Any) -> Spec:
    """Return the Vega-Lite encoding of strategies by an attribute of their style, such as "color"."""
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
    """Return a figure with one small figure `panel` for each value of the field `by`, three in a line.

    `values` are the data of all panels. `order` contains the values of `by` in the order of the panels; by default, the
    titles of the strategies.
    """
    titles = order or [s.title for s in drawn(record, strategies).values()]
    filters = {"transform": [only_shown()]} if by == "strategy" else {}
    facet = {"field": by, "type": "nominal", "sort": [str(t) for t in titles], "title": None}
    return frame_of(record, strategies) | {
        "data": {"values": values},
        **filters,
        "facet": facet,
        "columns": 3,
        "spec": panel,
        "resolve": {"axis": {"x": "independent"}},  # otherwise the last line has axes below missing panels
    }


def frame_of(record: Record, strategies: Names) -> Spec:
    """Return the common part (see `framed`) of a figure of these strategies, all shown at first."""
    return framed([s.title for s in drawn(record, strategies).values()])


def framed(shown: list[str]) -> Spec:
    """Return the part that all figures have in common.

    `shown` contains the titles of the strategies that are drawn at first.
    """
    # The page switches strategies and their bands by these two signals.
    params = [{"name": "shown", "value": shown}, {"name": "banded", "value": shown if len(shown) <= MOST_BANDS else []}]
    return {"$schema": SCHEMA, "background": "white", "padding": 6, "config": CONFIG, "params": params}
