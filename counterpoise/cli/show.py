"""A comparison in the terminal: the verdict's four texts, the leaderboard, and the files.

`summary` shares the texts on models and thresholds. The numbers are those of `report.board`, as on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise.cli.terminal import Terminal

if TYPE_CHECKING:
    from counterpoise.comparison.compare import Comparison

#: Characters per line from which the leaderboard has all columns, the seconds, and the intervals.
WIDE, MEDIUM, NARROW = 110, 86, 76


def print_comparison(comparison: Comparison, out: Path) -> None:
    """Print the verdict, leaderboard, warnings, and paths of the files that exist in `out`."""
    from rich.text import Text

    from counterpoise.report.unit_record import of_units
    from counterpoise.report.words import delay

    console = Terminal()
    headline, *texts = comparison.verdict.lines()
    console.print(Text(headline, style="bold"))
    for text in texts:
        console.print(Text(text))
    console.print()
    console.print(leaderboard_table(comparison, console.width))
    if note := class_text(of_units(comparison.record)["data"]):
        console.print(Text(note, style="dim"))
    if comparison.record.get("label_delay"):
        console.print(Text(f"Label delay: {delay(comparison.record['label_delay'])}", style="dim"))
    for row in comparison.leaderboard:
        if row["status"] != "ok":
            console.print(Text(f"! {row['strategy']} {row['status']}: {row['error']}", style="yellow"))
    for warning in comparison.record["warnings"]:
        console.print(Text(f"! {warning}", style="yellow"))
    for name, what in (("report.html", "Report"), ("model.keras", "Model"), ("leaderboard.json", "Numbers")):
        if (out / name).exists():
            console.print(Text(f"{what}: {out / name}"), soft_wrap=True)  # a path stays on one line, to be copied


def class_text(data: Mapping[str, Any]) -> str | None:
    """Return a sentence on which class recall and precision are for, or None if no class is the positive one.

    `data` is the entry "data" of a record.

    Example:
        >>> class_text({"positive": "1", "rows": 1000, "classes": [{"label": "1", "share": 0.0232}]})
        "Recall and precision: for '1' (2.32% of 1,000 rows), at each strategy's own threshold."
    """
    share = next((c["share"] for c in data["classes"] if c["label"] == data["positive"]), None)
    if share is None:
        return None
    what = "units" if data.get("units") else "rows"
    elements = "the pixels or steps of " if data.get("kind") == "elements" else ""
    rows = f"{100 * share:.3g}% of {elements}{data['rows']:,} {what}"
    return f"Recall and precision: for {data['positive']!r} ({rows}), at each strategy's own threshold."


def model_text(card: Mapping[str, Any], weights: Any) -> str:
    """Return the names of a classifier's models, with total weights if they are pooled.

    `weights` (M,) has one weight per member. Members of the same model are summed.

    Example:
        >>> card = {"network": "tabular+boosted", "models": ["tabular", "boosted"] * 2}
        >>> model_text(card, np.array([0.3, 0.2, 0.3, 0.2]))
        'tabular 0.60 + boosted 0.40'
    """
    names = card["network"].split("+")
    if len(names) < 2 or np.ndim(weights) != 1:
        return str(card["network"])
    each = [sum(w for w, model in zip(weights, card["models"], strict=True) if model == name) for name in names]
    return " + ".join(f"{name} {weight:.2f}" for name, weight in zip(names, each, strict=True))


def rule_text(rule: Any, classes: Sequence[Any]) -> str:
    """Return a text on the threshold of a rule; with several labels, on the threshold of each label.

    If the rule has thresholds for groups, their number and column are added.
    """
    from counterpoise.decide.aim import threshold_text

    if len(rule.problem_rules) == 1:
        text = threshold_text(rule.threshold, rule.aim)
        return (
            text
            if rule.by is None
            else f"{text}, and one for each of {len(rule.by.values)} values of column {rule.by.name!r}"
        )
    thresholds = ", ".join(
        f"{label} {own.threshold:.4g}" for label, own in zip(classes, rule.problem_rules, strict=True)
    )
    return f"one decision threshold per label ({thresholds})"


def leaderboard_table(comparison: Comparison, width: int = WIDE) -> Any:
    """Return the leaderboard as a rich table.

    A narrower terminal has no interval of the difference, then no seconds, then no interval of the score.
    """
    from rich.table import Table
    from rich.text import Text

    from counterpoise.report.board import leaderboard
    from counterpoise.report.unit_record import of_units

    board = leaderboard(of_units(comparison.record))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Strategy", overflow="fold")
    if board["models"]:
        table.add_column("Model", overflow="fold")
    wide, medium = width >= WIDE, width >= MEDIUM
    ci = "\n(95% CI)"
    heads = [board["metric"] + (ci if width >= NARROW else ""), "Difference" + (ci if wide else "")]
    single = ["Single rows"] if any(key == "single" for key, _ in board["heads"]) else []
    for head in (*heads, "Recall", "Precision", *(["Seconds"] if medium else []), *single):
        table.add_column(head, justify="right", no_wrap=head != heads[0] or width >= NARROW)
    for row in board["rows"]:
        name = [Text((row["name"] if board["models"] else row["style"].title) + (" *" if row["winner"] else ""))]
        name += [Text(row["model"])] if board["models"] else []
        if row["failed"]:
            table.add_row(*name, row["status"].lower())
            continue
        score = f"{row['value']} {row['span']}".strip() if width >= NARROW else row["value"]
        gain = f"{row['gain']} {row['gain_span']}".strip() if wide else row["gain"]
        cells = [score, gain, row["recall"], row["precision"], *([row["seconds"]] if medium else [])]
        cells += [row["single"]] if single else []
        table.add_row(*name, *(Text(_keyboard_text(cell)) for cell in cells))
    return table


def _keyboard_text(text: str) -> str:
    """Replace minus signs and dashes by hyphens, which every terminal can print."""
    return text.replace("−", "-").replace("–", "-")
