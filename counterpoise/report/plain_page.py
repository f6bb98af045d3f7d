"""A small HTML page that needs no script and no other file, for model cards and importance of columns."""

from __future__ import annotations

from html import escape

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0}"
    "td,th{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:left}th[scope=row]{font-weight:normal}"
    ".wide{overflow-x:auto}td{font-variant-numeric:tabular-nums}small{display:block;white-space:nowrap}"
    "figure{margin:1rem 0}figure svg{max-width:100%;height:auto}figcaption,caption{color:#555;text-align:left}"
    "pre{background:#f5f5f5;padding:1rem;overflow:auto}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#222}td,th{border-color:#444}"
    "figcaption,caption{color:#aaa}}"
)


def html_page(title: str, body: str) -> str:
    """Return a document with a title and a body of safe HTML.

    Example:
        >>> "<title>a &lt; b</title>" in html_page("a < b", "<p>c</p>")
        True
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>\n'
    )
