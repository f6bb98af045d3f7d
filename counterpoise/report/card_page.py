"""The model card as text: HTML for its own page, the report and notebooks, or Markdown in the layout of Hugging Face.

It reads the entries of `Classifier.card`, which model files contain, so cards of older files lack some of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from counterpoise.core.titles import SUFFIXES, capital, metric_name, metric_title, strategy_title
from counterpoise.report.plain_page import html_page
from counterpoise.report.words import OF_GROUP, value_with_interval

#: Labels that the first sentence lists at most.
MOST_LABELS = 10
#: A sentence of the sections with scores of several labels per row.
MEANS_OVER_LABELS = " Scores are means over the labels."


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
    card: Mapping[str, Any], name: str | None = "model.keras", evaluation: Mapping[str, Any] | None = None
) -> list[Section]:
    """Return the sections of a card in the order of the page; some may have no blocks.

    Args:
        card: `Classifier.card`. name: Name of the model file; None leaves out how to load it. evaluation: What
            `cp.evaluate` returned: scores on other rows, and of groups.
    """
    listed = [Section("", [_summary(card)]), Section("Data", list(_data_blocks(card)))]
    listed += [Section("Training", list(_training_blocks(card))), Section("Decision", list(_decision_blocks(card)))]
    if card.get("metrics"):
        note = f"{capital(card.get('metrics_of', 'stored rows'))}."
        note += MEANS_OVER_LABELS if _label_thresholds(card) else ""
        listed.append(Section("Scores", [note, _score_table(card["metrics"])]))
    if evaluation is not None:
        listed += _evaluation_sections(evaluation)
    listed.append(Section("Limits", list(_limit_sentences(card))))
    versions = [[package, version] for package, version in card.get("versions", {}).items()]
    listed.append(Section("Versions", [Table(("package", "version"), versions)] if versions else []))
    if name is None:
        return listed
    code = f'import counterpoise as cp\n\nclf = cp.load("{name}")\nclf.predict_proba(rows)\nclf.predict(rows)'
    return [*listed, Section("How to load", [], code)]


def _label_thresholds(card: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the entry of each label's threshold; empty unless rows have several labels."""
    return card.get("threshold", {}).get("labels", ())


def _summary(card: Mapping[str, Any]) -> str:
    """Return what the model predicts and which version made it, as far as this is known."""
    labels = [repr(str(c["label"])) for c in card.get("classes", ())]
    shown = ", ".join(labels[:MOST_LABELS]) + (
        f", and {len(labels) - MOST_LABELS} more" if labels[MOST_LABELS:] else ""
    )
    version = f" Made with Counterpoise {card['counterpoise']}." if "counterpoise" in card else ""
    if _label_thresholds(card):
        return f"A Keras model that predicts {len(labels)} labels per row: {shown}.{version}"
    if len(labels) == 2:
        return f"A Keras model that predicts {labels[1]} (the positive class) or {labels[0]}.{version}"
    return f"A Keras model that predicts one of {len(labels)} classes: {shown}.{version}" if labels else version.strip()


def _data_blocks(card: Mapping[str, Any]) -> Iterator[str | Table]:
    """Yield what the card contains about the rows: number, classes, columns, images or text."""
    classes = card.get("classes", ())
    # With a class per pixel or step, classes count more elements than there are rows.
    elements = not _label_thresholds(card) and sum(c["count"] for c in classes) > card.get("rows", math.inf)
    if "rows" in card:
        source = card.get("source")
        yield f"{card['rows']:,} rows{'' if source in (None, 'the data') else f' from {source}'}."
    if classes:
        heads = ("class", "pixels or steps" if elements else "rows")
        heads = ("label", "positive rows") if _label_thresholds(card) else heads
        yield Table((*heads, "share"), [[c["label"], f"{c['count']:,}", f"{100 * c['share']:.3g}%"] for c in classes])
    columns = card.get("columns")
    if columns and columns["numeric"] + columns["categorical"]:
        left_out = f" Left out: {', '.join(columns['excluded'])}." if columns["excluded"] else ""
        yield f"{columns['numeric']} numeric and {columns['categorical']} categorical columns.{left_out}"
    if pictures := card.get("images"):
        yield (
            f"Color mode of images: {pictures['color_mode']}. Images with other proportions than the input are resized "
            f"with aspect={pictures['aspect']!r}."
        )
    if card.get("text_column"):
        yield f"Text column: {card['text_column']}."


def _training_blocks(card: Mapping[str, Any]) -> Iterator[str | Table]:
    """Yield a table of strategy, model, plan and seed, as far as the card has them."""
    known = {"strategy": "Strategy", "idea": "Idea", "network": "Model", "plan": "Sampling plan", "seed": "Seed"}
    titles = {"strategy": strategy_title}
    rows = [[title, str(titles.get(key, str)(card[key]))] for key, title in known.items() if card.get(key) is not None]
    if rows:
        yield Table(("", ""), rows)


def _decision_blocks(card: Mapping[str, Any]) -> Iterator[str | Table]:
    """Yield how a decision is made: thresholds, their spread, and those of groups and units."""
    threshold = card.get("threshold", {})
    if threshold.get("value") is not None:
        common = "Common decision" if threshold.get("by") else "Decision"
        yield f"{common} threshold: {threshold['value']:.6g}."
    if threshold.get("spread"):
        low, high = (threshold["spread"][end] for end in ("low", "high"))
        yield f"On resampled rows, 95% of the chosen thresholds are between {low:.4g} and {high:.4g}."
    for key in ("text", "budgets", "review"):
        if threshold.get(key):
            yield str(threshold[key])
    if by := threshold.get("by"):
        own = [[value, f"{cut:.6g}"] for value, cut in by["thresholds"].items()]
        few = [
            [value, f"{threshold['value']:.6g} (the common threshold, because there were too few rows)"]
            for value in by["common"]
        ]
        yield Table((by["column"], "threshold"), [*own, *few])
    if labels := _label_thresholds(card):
        yield Table(("label", "threshold"), [[one["label"], _significant(one["value"])] for one in labels])
    if unit := card.get("unit"):
        yield (
            f"Each unit ({' + '.join(unit['columns'])}) gets one decision, by the {unit['aggregate']} of the "
            f"probabilities of its rows. {_unit_calibration(unit)} {unit['threshold']['text']}"
        )
        if unit.get("metrics"):
            yield "Scores of units:"
            yield _score_table(unit["metrics"])


def _unit_calibration(unit: Mapping[str, Any]) -> str:
    """Return a sentence on the calibration of units; `unit` is their entry of the model card."""
    if unit.get("calibrated", True):
        return f"The {unit['aggregate']} is calibrated on {unit['count']:,} units."
    return (
        f"The {unit['aggregate']} is not calibrated, because {unit['count']:,} units are too few, or because a "
        "calibrator did not lower their log loss."
    )


def _significant(value: float | None) -> str:
    """Return three significant digits; "-" if there is no number (plain signs, unlike `words.significant`)."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.3g}"


def _score_table(metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table of scores, with 95% intervals if a score has one.

    Scores of the default threshold or of uncorrected probabilities are left out, as are scores that are not finite.
    """
    rows = []
    for key, score in metrics.items():
        value, low, high = score.get("value", score.get("mean")), score.get("low"), score.get("high")
        if key.endswith(tuple(SUFFIXES)) or value is None or not math.isfinite(value):
            continue
        ends = "" if low is None or not math.isfinite(low) else f"{_significant(low)} to {_significant(high)}"
        rows.append([metric_title(key), _significant(value), ends])
    if any(ends for _, _, ends in rows):
        return Table(("score", "value", "95% CI"), rows)
    return Table(("score", "value"), [row[:2] for row in rows])


def _evaluation_sections(evaluation: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the scores on rows evaluated after training, then a section for each group table."""
    labels = evaluation.get("labels") or ()
    text = f"{evaluation['rows']:,} rows. These scores are valid only if the rows were not used for training."
    text += MEANS_OVER_LABELS if labels else ""
    blocks: list[str | Table] = [text, _score_table({**evaluation["metrics"], **evaluation.get("further", {})})]
    if labels:
        keys = ("average_precision", "recall", "precision")
        rows = [[one["label"], *(value_with_interval(one["metrics"][key]) for key in keys)] for one in labels]
        blocks.append(Table(("label", *(f"{metric_name(key)} (95% CI)" for key in keys)), rows))
    if units := evaluation.get("units"):
        blocks += [f"{units['count']:,} units ({' + '.join(units['columns'])}):", _score_table(units["metrics"])]
    if review := evaluation.get("review"):
        share, error = (value_with_interval(review[key]) for key in ("share", "error"))
        blocks.append(
            f"Share of rows that go to a human: {share}. Share of wrong decisions among the other rows: {error}."
        )
    yield Section("Scores on other rows", blocks)
    yield from (_group_section(table) for table in evaluation.get("by", ()))


def _group_section(table: Mapping[str, Any]) -> Section:
    """Return the section on one column whose values are scored separately."""
    keys = [key for key in OF_GROUP if key != "calibration_gap"]
    rows = [
        [v["value"], f"{v['rows']:,}", f"{v['positives']:,}", *(value_with_interval(v["scores"][key]) for key in keys)]
        for v in table["values"]
    ]
    headings = (table["column"], "rows", "positive", *(OF_GROUP[key] for key in keys))
    blocks: list[str | Table] = ["Scores of each group, with 95% CIs:", Table(headings, rows), *table["notes"]]
    differing = [v for v in table["values"] if v["differences"]]
    if differing:
        keys = [key for key in OF_GROUP if key in differing[0]["differences"]]
        differences = [
            [v["value"], *(value_with_interval(v["differences"][key], signed=True) for key in keys)] for v in differing
        ]
        blocks.append(
            f"Differences from {table['reference']}. With 95% confidence, all CIs of a column contain the true "
            "differences:"
        )
        blocks.append(Table((table["column"], *(OF_GROUP[key] for key in keys)), differences))
    return Section(f"By {table['column']}, class {table['class']}", blocks)


def _limit_sentences(card: Mapping[str, Any]) -> Iterator[str | Table]:
    """Yield the limits of the model in sentences; the first two only if they apply."""
    if card.get("needs_calibration"):
        yield (
            "The strategy changed the probabilities in a way that no formula can reverse. The same rows "
            "were used to choose the threshold and to correct the probabilities. Check the calibration slope "
            "before you rely on these probabilities."
        )
    if card.get("threshold", {}).get("word") == "estimate":
        yield (
            "The threshold was chosen on a sample, so it may not reach its goal on new rows. For a guarantee, set "
            "guarantee_rows= and confidence=."
        )
    yield "Probabilities assume the class proportions of the training data. For other proportions, pass prior=."
    yield (
        "Scores apply to rows that are similar to the training rows. Monitor new rows with cp.monitor. Evaluate each "
        "relevant group."
    )


def to_markdown(card: Mapping[str, Any], name: str = "model.keras", evaluation: Mapping[str, Any] | None = None) -> str:
    """Render a card as Markdown in the layout of Hugging Face (`README.md` of a model).

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
    lines = [*front, "---", "", f"# {_escaped_markdown(name)}", ""]
    for section in sections(card, name, evaluation):
        if not section.blocks and not section.code:
            continue
        lines += [f"## {_escaped_markdown(section.title)}", ""] if section.title else []
        for block in section.blocks:
            lines += [*(_markdown_table(block) if isinstance(block, Table) else [_escaped_markdown(block)]), ""]
        if section.code:
            lines += ["```python", section.code, "```", ""]
    return "\n".join(lines)


def _escaped_markdown(text: str) -> str:
    """Return text on one line, with the signs escaped that Markdown would read as format."""
    marked = "".join("\\" + sign if sign in "\\`*_|<>[]#" else sign for sign in text)
    return " ".join(marked.split())


def _markdown_table(table: Table) -> list[str]:
    """Return the lines of a Markdown table."""
    rows = [table.headings, ["---"] * len(table.headings)]
    texts = ["| " + " | ".join(rows[1]) + " |"]
    head = "| " + " | ".join(map(_escaped_markdown, table.headings)) + " |"
    return [head, *texts, *("| " + " | ".join(map(_escaped_markdown, row)) + " |" for row in table.rows)]


def to_html(card: Mapping[str, Any], name: str = "model.keras", evaluation: Mapping[str, Any] | None = None) -> str:
    """Render a card as a page that needs no other file.

    Example:
        >>> "<h2>Limits</h2>" in to_html({"strategy": "none"})
        True
    """
    return html_page(name, f"<h1>{escape(name)}</h1>\n{html_sections(card, name, evaluation)}")


def html_sections(
    card: Mapping[str, Any],
    name: str | None = "model.keras",
    evaluation: Mapping[str, Any] | None = None,
    heading: str = "h2",
) -> str:
    """Render the sections of a card as safe HTML, for a page or a part of one.

    Example:
        >>> html_sections({"seed": 3}, None, heading="h4")[:30]
        '<p></p>\\n<h4>Training</h4>\\n<div'
    """
    body = []
    for section in sections(card, name, evaluation):
        if not section.blocks and not section.code:
            continue
        body += [f"<{heading}>{escape(section.title)}</{heading}>"] if section.title else []
        body += [_html_table(b) if isinstance(b, Table) else f"<p>{escape(b)}</p>" for b in section.blocks]
        body += [f"<pre><code>{escape(section.code)}</code></pre>"] if section.code else []
    return "\n".join(body)


def _html_table(table: Table) -> str:
    """Return a table as HTML that can scroll sideways.

    It has no head if all headings are empty.
    """
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in table.headings)
    rows = ("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in table.rows)
    heading = f"<thead><tr>{head}</tr></thead>" if any(table.headings) else ""
    inner = f"<table>{heading}<tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="Table">{inner}</div>'


def _html_cell(text: str) -> str:
    """Return a cell as HTML; the interval of "0.5 (0.4 to 0.6)" gets an element of its own."""
    value, opened, ends = text.partition(" (")
    if opened and " to " in ends:
        return f"<td>{escape(value)}<small>({escape(ends)}</small></td>"
    return f"<td>{escape(text)}</td>"
