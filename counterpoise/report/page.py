"""From a record to one self-contained HTML file.

`render` shows what `answer`, `tables`, `figure_tables` and `figures` computed; it computes nothing itself.
The file works without a network and refuses one (Content-Security-Policy); only the scripts written
here may run, by their hashes. Every label goes through the template's escaping, and through
`as_script` inside a script element.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup, escape

from counterpoise.core.checks import check_path
from counterpoise.core.errors import ArtifactError, OptionError
from counterpoise.core.files import write_text
from counterpoise.core.json_values import jsonable
from counterpoise.core.titles import BASELINE
from counterpoise.report import audit, board, tables, words
from counterpoise.report.answer import answer
from counterpoise.report.facts import (
    card_text,
    data_facts,
    diagnosis_facts,
    duplicate_free,
    leak_checks,
    members,
    method_facts,
)
from counterpoise.report.figure_tables import all_figures
from counterpoise.report.marks import MOST_BANDS
from counterpoise.report.series import block_of, drawn, rarest, styles

#: Folder of the templates, and the scripts of the page in the order in which they run.
TEMPLATE = Path(__file__).with_name("template")
SCRIPTS = ("table.js", "charts.js", "slider.js", "start.js")
#: Entries that a record must have.
NEEDED = ("data", "metric", "rows")


def render(record: Mapping[str, Any]) -> str:
    """Return the report of a comparison as one HTML document.

    Args:
        record: The content of `leaderboard.json`, and optionally

            - "curves": `{strategy: block}`, each block made by `counterpoise.report.curves_of`, with an
              optional "history" `{"steps": [...], "stop_loss": [[...] per member]}`;
            - "pictures": `[{"title", "count", "shown": [{"src", "heat", "name", "label", "decided", "proba"}]}]`,
              thumbnails and heat maps as data URIs; with "about" of their own, and "lines" in place of the last three;
            - "diagnosis" ("facts": pairs of name and text, "advice": text and reason) and "model_card" (a dict).

            Entries that are absent are left out of the page.

    Raises:
        OptionError: data, metric or rows are missing.

    Example:
        >>> data = {"classes": [{"label": "a", "count": 9}, {"label": "<b>", "count": 1}], "rows": 10}
        >>> page = render({"data": data, "metric": "average_precision", "rows": []})
        >>> "<b>" in page, "&lt;b&gt;" in page
        (False, True)
    """
    missing = [key for key in NEEDED if not record.get(key) and key != "rows"] + ["rows"] * ("rows" not in record)
    if missing:
        raise OptionError(f"The record has no {', '.join(missing)}. A report needs {', '.join(NEEDED)}.")
    return _environment().get_template("page.html.j2").render(_template_values(record))


def write(record: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write the report, whole or not at all.

    Returns:
        The path written.

    Raises:
        ArtifactError: the folder is full or not writable.
        OptionError: as in `render`.
    """
    target = check_path(path)
    write_text(target, render(record))
    return target


def as_script(value: Any) -> str:
    """Return JSON that is safe inside a script element: no character can end the element or open a comment.

    Numbers that JSON lacks become null.

    Example:
        >>> as_script({"label": "</script>", "score": float("nan")})
        '{"label":"\\\\u003c/script\\\\u003e","score":null}'
    """
    text = json.dumps(jsonable(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@functools.cache
def _environment() -> jinja2.Environment:
    """Return the environment of the templates, which escapes all text.

    An unknown name in a template is an error.
    """
    loader = jinja2.FileSystemLoader(TEMPLATE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["code"] = _with_code
    return environment


def _with_code(text: str) -> Markup:
    """Return escaped text, with text between backticks as code.

    If the number of backticks is odd, the backticks stay.
    """
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    marked = [
        escape(piece) if i % 2 == 0 else Markup("<code>{}</code>").format(piece) for i, piece in enumerate(pieces)
    ]
    return Markup("").join(marked)


@functools.cache
def _charting_script() -> str:
    """Return the charting library as one script.

    Raise an ArtifactError if it could end its script element.
    """
    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("\r", "")
    if "</script" in text.lower() or "<!--" in text:
        raise ArtifactError("The charting library cannot be put inside a page. Install vl-convert-python 1.9.")
    return text


@functools.cache
def _page_script() -> str:
    """Return the scripts of the page as one script, inside one function."""
    scripts = [(TEMPLATE / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(scripts) + "})();\n"


def _policy_hash(script: str) -> str:
    """Return the hash of a script as the Content-Security-Policy writes it."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def _policy() -> str:
    """Return the Content-Security-Policy of the page, which allows only its own scripts."""
    scripts = " ".join(_policy_hash(text) for text in (_charting_script(), _page_script()))
    rest = "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {scripts}; {rest}"


def _template_values(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template shows: each section of the page, as plain values by the names in `page.html.j2`."""
    figures = all_figures(record)
    slider, source = _slider(record), words.file_name(record["data"].get("source"))
    payload = {"specs": {key: figure["spec"] for key, figure in figures.items()}, "slider": slider}
    return {
        "policy": _policy(),
        "css": (TEMPLATE / "page.css").read_text(encoding="utf-8"),
        "library": _charting_script() if figures else "",
        "program": _page_script(),
        "payload": as_script(payload),
        "title": f"Counterpoise report: {source or record['data'].get('target') or 'comparison'}",
        "source": source,
        "target": record["data"].get("target"),
        "answer": answer(record),
        "board": board.leaderboard(record),
        "resources": board.resources(record),
        "costed": bool(record.get("costs")),
        "losses": tables.losses(record),
        "figures": figures,
        "shown": list(drawn(record).values()) if record.get("curves") else [],
        "first_shown": _first_shown(record),
        "chosen_title": styles(record)[str(_first_strategy(record))].title if _first_strategy(record) else None,
        "confusions": tables.confusions(record),
        "chosen": _first_strategy(record),
        "pictures": [kind for kind in record.get("pictures") or [] if kind["count"]],
        "heated": any(p.get("heat") for kind in record.get("pictures") or [] for p in kind["shown"]),
        "slider": slider,
        "costs": _slider_costs(record.get("costs") or {}),
        "rare": rarest(record)["label"],
        "common": _other_class(record),
        "every_score": tables.every_score(record),
        "members": members(record),
        "per_class": tables.per_class(record),
        "labels": tables.labels(record),
        "tuned": tables.tuned(record),
        "changes": tables.changes(record),
        "warnings": [str(w) for w in record.get("warnings") or []],
        "data": data_facts(record),
        "diagnosis": diagnosis_facts(record),
        "checks": leak_checks(record),
        "duplicate_free": duplicate_free(record),
        "audit": audit.sections(record),
        "methods": method_facts(record),
        "split": record.get("split"),
        "card": card_text(record),
        "version": record.get("version"),
        "count": words.count,
    }


def _slider_costs(costs: Mapping[str, Any]) -> dict[str, str]:
    """Return the costs that the threshold panel starts with, as text.

    They are the costs of the comparison. Of a cost column it is the mean; without costs, 1 and 20.
    """
    matrix = costs.get("matrix")
    if matrix is not None and len(matrix) == 2:
        fp, fn = matrix[0][1] - matrix[0][0], matrix[1][0] - matrix[1][1]
    else:
        fp, fn = costs.get("cost_fp", 1), costs.get("mean_amount", costs.get("cost_fn", 20))
    return {"cost_fp": f"{fp:.6g}", "cost_fn": f"{fn:.6g}"}


def _first_strategy(record: Mapping[str, Any]) -> str | None:
    """Return the strategy that the confusion tables and the slider show first.

    It is the winner if it has curves, else the best with curves, or None.
    """
    winner = (record.get("verdict") or {}).get("winner")
    able = [row["strategy"] for row in tables.ranked(record) if block_of(record, row["strategy"])]
    return winner if winner in able else next(iter(able), None)


def _other_class(record: Mapping[str, Any]) -> Any:
    """Return the name of the class that is not the rarest, or "other" if there are several."""
    others = [c["label"] for c in record["data"]["classes"] if c is not rarest(record)]
    return others[0] if len(others) == 1 else "other"


def _first_shown(record: Mapping[str, Any]) -> set[str]:
    """Return the titles of the strategies that figures show at first.

    They are the baseline, the chosen strategy, and the best ranks.
    """
    if not record.get("curves"):
        return set()
    able = drawn(record)
    first = [name for name in (BASELINE, _first_strategy(record)) if name in able]
    # The tuned threshold has the same curves as the baseline.
    ranks = [row["strategy"] for row in tables.ranked(record) if row["strategy"] in able]
    order = dict.fromkeys([*first, *(name for name in ranks if name != "threshold")])
    return {able[name].title for name in list(order)[:MOST_BANDS]}


def _slider(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the exact counts of each strategy by threshold, for the slider.

    A row is [threshold, tp, fp, fn, tn], and "start" the index nearest to the own threshold. Strategies
    without such a table are left out.
    """
    entries = {}
    for name, style in styles(record).items():
        table = block_of(record, name).get("thresholds")
        if table:
            rows = [[t["threshold"], t["tp"], t["fp"], t["fn"], t["tn"]] for t in table]
            entries[name] = {
                "title": style.title,
                "rows": rows,
                "start": _nearest_row(table, tables.binary_counts(record, name)),
            }
    return entries


def _nearest_row(table: list[dict[str, Any]], own: dict[str, int] | None) -> int:
    """Return the index of the entry with counts nearest to `own`.

    Without counts, return the middle index.
    """
    if own is None:
        return len(table) // 2
    return min(range(len(table)), key=lambda i: abs(table[i]["tp"] - own["tp"]) + abs(table[i]["fp"] - own["fp"]))
