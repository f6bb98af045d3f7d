"""The model card as a page of its own: HTML, or Markdown in the layout of Hugging Face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from counterpoise.metrics.catalog import FURTHER, METRICS
from counterpoise.metrics.group_scores import COMPARED


class Table(NamedTuple):
    """Headings and rows of text."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """A heading and what is below: sentences, tables, and code."""

    title: str
    blocks: Sequence[str | Table]
    code: str = ""


def sections(
    card: Mapping[str, Any], name: str = "model.keras", evaluation: Mapping[str, Any] | None = None
) -> list[Section]:
    """The sections of a card.

    Args:
        card: `Classifier.card`. name: Of the model file. evaluation: What `cp.evaluate` returned: scores on other rows,
            and of groups.
    """
    listed = [Section("Data", list(_data(card))), Section("Training", list(_training(card)))]
    listed.append(Section("Decision", list(_decision(card))))
    if card.get("metrics"):
        note = f"The rows: {card.get('metrics_of', 'stored rows')}."
        listed.append(Section("Scores", [note, _scores(card["metrics"])]))
    if evaluation is not None:
        text = f"{evaluation['rows']:,} rows that were not used for training."
        listed.append(
            Section("Scores on other rows", [text, _scores({**evaluation["metrics"], **evaluation.get("further", {})})])
        )
        listed += [_group(table) for table in evaluation.get("by", ())]
    listed.append(Section("Limits", list(_limits(card))))
    versions = [[package, version] for package, version in card.get("versions", {}).items()]
    listed.append(Section("Versions", [Table(("package", "version"), versions)] if versions else []))
    code = f'import counterpoise as cp\n\nclf = cp.load("{name}")\nclf.predict_proba(rows)\nclf.predict(rows)'
    return [*listed, Section("How to load", [], code)]


def _data(card: Mapping[str, Any]) -> Iterator[str | Table]:
    if "rows" in card:
        yield f"{card['rows']:,} rows of {card.get('source', 'data')}."
    classes = card.get("classes", ())
    if classes:
        yield Table(("class", "rows", "share"), [[c["label"], f"{c['count']:,}", f"{c['share']:.2%}"] for c in classes])
    columns = card.get("columns")
    if columns:
        left_out = ", ".join(columns["excluded"]) or "none"
        yield f"{columns['numeric']} numeric and {columns['categorical']} categorical columns; left out: {left_out}."


def _training(card: Mapping[str, Any]) -> Iterator[str | Table]:
    known = {"strategy": "Strategy", "idea": "Idea", "network": "Network", "plan": "Sampling plan", "seed": "Seed"}
    rows = [[title, str(card[key])] for key, title in known.items() if card.get(key) is not None]
    if rows:
        yield Table(("what", "value"), rows)


def _decision(card: Mapping[str, Any]) -> Iterator[str | Table]:
    """How a decision is made: thresholds, their spread, and those of groups and units."""
    threshold = card.get("threshold", {})
    if threshold.get("value") is not None:
        common = "Common decision" if threshold.get("by") else "Decision"
        yield f"{common} threshold: {threshold['value']:.6g}."
    if threshold.get("spread"):
        low, high = (threshold["spread"][end] for end in ("low", "high"))
        yield f"On resampled rows, the chosen threshold is between {low:.4g} and {high:.4g} (95% of bootstrap draws)."
    for key in ("text", "budgets", "review"):
        if threshold.get(key):
            yield str(threshold[key])
    if by := threshold.get("by"):
        own = [[value, f"{cut:.6g}"] for value, cut in by["thresholds"].items()]
        few = [[value, f"{threshold['value']:.6g} (common: too few rows)"] for value in by["common"]]
        yield Table((by["column"], "threshold"), [*own, *few])
    if unit := card.get("unit"):
        yield (
            f"Units ({' + '.join(unit['columns'])}) get one decision each, by the {unit['aggregate']} of their rows' "
            f"probabilities, calibrated on {unit['count']:,} units. {unit['threshold']['text']}"
        )
        if unit.get("metrics"):
            yield "Scores of units:"
            yield _scores(unit["metrics"])


def _scores(metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for key, score in metrics.items():
        value = score.get("value", score.get("mean"))
        if value is None:
            continue
        ends = "" if score.get("low") is None else f"{score['low']:.4g} to {score['high']:.4g}"
        known = METRICS.get(key) or FURTHER.get(key)
        rows.append([key if known is None else known.title, f"{value:.4g}", ends])
    return Table(("score", "value", "95% interval"), rows)


def _group(table: Mapping[str, Any]) -> Section:
    """The section on one column whose values are scored separately."""
    keys = ("prevalence", "mean_probability", "alert_rate", "recall", "precision", "false_positive_rate")
    rows = []
    for value in table["values"]:
        cells = [_with_ends(value["scores"][key]) for key in keys]
        rows.append([value["value"], f"{value['rows']:,}", *cells])
    headings = (table["column"], "rows", *(key.replace("_", " ") for key in keys))
    blocks: list[str | Table] = ["Scores, with a 95% interval each:", Table(headings, rows), *table["notes"]]
    differences = [
        [v["value"], *(_with_ends(v["differences"][key]) for key in COMPARED)]
        for v in table["values"]
        if v["differences"]
    ]
    if differences:
        blocks.append(f"Differences from {table['reference']} (the intervals of a column hold together, with 95%):")
        blocks.append(Table((table["column"], *(key.replace("_", " ") for key in COMPARED)), differences))
    return Section(f"By {table['column']}, class {table['class']}", blocks)


def _with_ends(score: Mapping[str, Any]) -> str:
    value, low, high = (score[end] for end in ("value", "low", "high"))
    if value is None or value != value:
        return "-"
    return f"{value:.2f}" if low is None or low != low else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _limits(card: Mapping[str, Any]) -> Iterator[str | Table]:
    if card.get("needs_calibration"):
        yield "The outputs of this strategy are scores. Calibrate them before you use them as probabilities."
    if card.get("threshold", {}).get("word") == "estimate":
        yield "The threshold is an estimate from rows that also fitted the rule, not a guarantee."
    yield "Probabilities are for the class proportions of the training data. For other proportions, pass prior=."
    yield "Scores are for rows like the rows above. Monitor new rows with cp.monitor, and evaluate each relevant group."


def to_markdown(card: Mapping[str, Any], name: str = "model.keras", evaluation: Mapping[str, Any] | None = None) -> str:
    """Render a card as Markdown with the front matter of Hugging Face (`README.md` of a model).

    Example:
        >>> print(to_markdown({"strategy": "none"})[:24])
        ---
        library_name: keras
    """
    front = ["---", "library_name: keras", "tags:", "- counterpoise", "- imbalanced-classification"]
    if card.get("images"):
        front += ["- image-classification", "pipeline_tag: image-classification"]
    elif card.get("columns"):
        front += ["- tabular-classification", "pipeline_tag: tabular-classification"]
    keys = [
        key for key in ("average_precision", "roc_auc", "recall", "precision", "f1") if key in card.get("metrics", {})
    ]
    front += ["metrics:", *(f"- {key}" for key in keys)] if keys else []
    lines = [*front, "---", "", f"# {_plain(name)}", ""]
    for section in sections(card, name, evaluation):
        if not section.blocks and not section.code:
            continue
        lines += [f"## {_plain(section.title)}", ""]
        for block in section.blocks:
            lines += [*(_markdown_table(block) if isinstance(block, Table) else [_plain(block)]), ""]
        if section.code:
            lines += ["```python", section.code, "```", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that Markdown takes as it is, on one line."""
    marked = "".join("\\" + sign if sign in "\\`*_|<>[]#" else sign for sign in text)
    return " ".join(marked.split())


def _markdown_table(table: Table) -> list[str]:
    rows = [table.headings, ["---"] * len(table.headings)]
    texts = ["| " + " | ".join(rows[1]) + " |"]
    head = "| " + " | ".join(map(_plain, table.headings)) + " |"
    return [head, *texts, *("| " + " | ".join(map(_plain, row)) + " |" for row in table.rows)]


STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0}"
    "td,th{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:left}"
    "pre{background:#f5f5f5;padding:1rem;overflow:auto}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#222}td,th{border-color:#444}}"
)


def to_html(card: Mapping[str, Any], name: str = "model.keras", evaluation: Mapping[str, Any] | None = None) -> str:
    """Render a card as a page that needs no other file.

    Example:
        >>> "<h2>Limits</h2>" in to_html({"strategy": "none"})
        True
    """
    body = [f"<h1>{escape(name)}</h1>"]
    for section in sections(card, name, evaluation):
        if not section.blocks and not section.code:
            continue
        body.append(f"<h2>{escape(section.title)}</h2>")
        body += [_html_table(b) if isinstance(b, Table) else f"<p>{escape(b)}</p>" for b in section.blocks]
        body += [f"<pre><code>{escape(section.code)}</code></pre>"] if section.code else []
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        + "\n".join(body)
        + "</body></html>\n"
    )


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in table.headings)
    rows = ("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
