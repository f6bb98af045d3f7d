"""A figure of the page: caption, spoken description, and the table with the same numbers.

Every file of figures uses it. The template reads the keys of a `Figure`.
"""

from __future__ import annotations

from typing import Any

from counterpoise.report.series import Spec

Figure = dict[str, Any]


def captioned(title: str, caption: str, spec: Spec, heads: list[str], rows: list[list[str]], table: str) -> Figure:
    """Return a figure: a drawing, and its table with `heads`, `rows` and the heading `table`.

    The description becomes a part of the drawing, because screen readers look for it there.
    """
    described = {"description": f"{title}. {caption} The table below the figure contains the numbers."}
    return {"title": title, "caption": caption, "spec": spec | described, "heads": heads, "rows": rows, "table": table}
