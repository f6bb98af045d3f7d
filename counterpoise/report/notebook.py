"""A comparison or a model card as a small HTML block for notebooks: verdict, leaderboard with drawn intervals.

Styles are part of the elements, because the block becomes a part of pages of others. Texts are those of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from counterpoise.report import board
from counterpoise.report.answer import answer
from counterpoise.report.card_page import html_sections

Record = Mapping[str, Any]

_RIGHT = 'style="text-align:right;font-variant-numeric:tabular-nums"'
_LEFT = 'style="text-align:left"'


def tables_html(record: Record) -> str:
    """Return verdict and leaderboard of a comparison (see `counterpoise.report.page.render`), every label escaped."""
    shown, texts = board.leaderboard(record), answer(record)
    effect = (record.get("verdict") or {}).get("effect")
    heads = ("", "Strategy", f"{shown['metric']} (95% CI)", "", "Difference (95% CI)", "Recall", "Precision", "Seconds")
    top = "".join(f"<th {_LEFT}>{escape(str(h))}</th>" for h in heads)
    body = "".join(_board_row(row) for row in shown["rows"])
    following = f"Next: {texts['next_step']}" if texts["next_step"] else ""
    lines = (texts["recommendation"], texts["evidence"], effect["text"] if effect else "", following)
    rest = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return f"<div><p><b>{escape(texts['headline'])}</b></p>{rest}<table><tr>{top}</tr>{body}</table></div>"


def card_html(title: str, card: Mapping[str, Any]) -> str:
    """Render a model card under a title.

    Example:
        >>> "<td>&lt;b&gt;</td>" in card_html("Classifier", {"plan": "<b>"})
        True
    """
    return f"<div><p><b>{escape(title)}</b></p>{html_sections(card, None, heading='h4')}</div>"


def _board_row(row: Mapping[str, Any]) -> str:
    """Return a line of the leaderboard as HTML, with the error of a failed strategy."""
    name = f"<td {_LEFT}>{escape(row['style'].title)}</td>"
    if row["failed"]:
        error = escape(f"{row['status'].lower()}: {row['error']}")
        return f'<tr><td></td>{name}<td colspan="6" {_LEFT}>{error}</td></tr>'
    score = f"<td {_RIGHT}>{escape(row['value'])} {escape(row['span'])}</td><td>{_bar(row['bar'])}</td>"
    gain = f"{row['gain']} {row['gain_span']}".strip()
    others = "".join(f"<td {_RIGHT}>{escape(v)}</td>" for v in (gain, row["recall"], row["precision"], row["seconds"]))
    return f"<tr><td>{row['rank']}</td>{name}{score}{others}</tr>"


def _bar(bar: Mapping[str, float | None]) -> str:
    """Return the interval as a small drawing on the common axis; "" if there is none."""
    mean = bar["mean"]
    if mean is None:
        return ""
    low, high = (mean if end is None else end for end in (bar["low"], bar["high"]))
    return (
        '<svg width="110" height="12" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="{low}" y="3" width="{max(0.0, high - low):.2f}" height="6" fill="#0072b2" opacity=".25"/>'
        f'<rect x="{mean - 0.7:.2f}" y="0" width="1.4" height="12" fill="#0072b2"/></svg>'
    )
