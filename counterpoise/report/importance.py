"""The importance of columns as a figure, its table, and a page of both.

It is measured by `classifier.importance`. The report, `cp.plot`, and `counterpoise explain` show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from counterpoise.report import words
from counterpoise.report.captioned import Figure, captioned
from counterpoise.report.figures import still
from counterpoise.report.marks import ACCENT, MUTED, framed, rounded, tooltip
from counterpoise.report.plain_page import html_page
from counterpoise.report.series import Spec

#: Columns that are drawn at most; the table has all.
MOST_DRAWN = 25
TITLE = "Importance of the columns"

Importance = Mapping[str, Any]


def importance_spec(importance: Importance) -> Spec:
    """Draw the average precision lost without each column as bars with 95% CIs.

    Args:
        importance: What `cp.explain` returned.
    """
    values = [
        {"column": column_names(one), **{end: rounded(one["importance"][end]) for end in ("value", "low", "high")}}
        for one in importance["columns"][:MOST_DRAWN]
    ]
    axis = {"labelLimit": 190, "grid": False, "domain": False, "ticks": False, "labelPadding": 8}
    y = {"field": "column", "type": "nominal", "sort": [v["column"] for v in values], "title": None, "axis": axis}
    x = {"field": "value", "type": "quantitative", "title": "Average precision lost"}
    tips = tooltip("column", "value", "low", "high")
    bars = {"mark": {"type": "bar", "color": ACCENT, "opacity": 0.45, "height": {"band": 0.62}},
            "encoding": {"y": y, "x": x, "tooltip": tips}}  # fmt: skip
    spans = {"mark": {"type": "rule", "color": ACCENT, "strokeWidth": 2},
             "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}, "tooltip": tips}}  # fmt: skip
    zero = {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "color": MUTED, "strokeWidth": 1},
            "encoding": {"x": {"field": "zero", "type": "quantitative"}}}  # fmt: skip
    return framed([]) | {
        "width": 460,
        "height": 22 * len(values),
        "data": {"values": values},
        "layer": [zero, bars, spans],
    }


def importance_figure(importance: Importance, of: str = "") -> Figure:
    """Return the figure with its caption, and the table of all columns.

    `importance` is what `cp.explain` returned. `of` is a last sentence of the caption on what was measured, or "".
    """
    more = len(importance["columns"]) - MOST_DRAWN
    caption = (
        "Each bar shows the average precision that the model loses if the values of the column are shuffled "
        "between rows. The longer the bar, the more the model needs the column. Lines are 95% CIs. If two "
        "columns contain the same information, both can look unimportant."
        + (f" The table also has the other {more:,} columns." if more > 0 else "")
        + (f" {of}" if of else "")
    )
    rows = [
        [column_names(one), *(words.number(one["importance"][end], 4) for end in ("value", "low", "high"))]
        for one in importance["columns"]
    ]
    table = f"Loss of average precision after one column is shuffled, {words.count(importance['rows'])} rows"
    return captioned(TITLE, caption, importance_spec(importance), ["Column", "Loss", "CI from", "to"], rows, table)


def importance_page(importance: Importance, name: str) -> str:
    """Return an HTML page with the drawing and the table, which needs no other file.

    Args:
        importance: What `cp.explain` returned. name: Of the model file.
    """
    figure = importance_figure(importance)
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in figure["heads"])
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in rest) + "</tr>"
        for first, *rest in figure["rows"]
    )
    scored = f"{importance['rows']:,} rows. Average precision with all columns: {importance['average_precision']:.4f}."
    drawing = str(still(figure["spec"]))
    body = (
        f"<h1>{TITLE}: {escape(name)}</h1><p>{scored}</p><figure>{drawing}"
        f"<figcaption>{escape(figure['caption'])}</figcaption></figure>"
        f'<div class="wide" tabindex="0"><table><caption>{escape(figure["table"])}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return html_page(f"{TITLE}: {name}", body)


def column_names(one: Mapping[str, Any]) -> str:
    """Return the columns that are shuffled together as one name.

    Example:
        >>> column_names({"columns": ["lat", "lon"]})
        'lat + lon'
    """
    return " + ".join(one["columns"])
