"""A comparison in the terminal: leaderboard, verdict, and where the files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise.cli.terminal import Terminal

if TYPE_CHECKING:
    from counterpoise.comparison.compare import Comparison

#: Metric key -> heading, the most telling first; a narrow terminal shows the first ones.
SHOWN = {
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "log_loss": "log loss",
    "log_loss_uncorrected": "log loss uncorrected",
}
#: Columns of text that a table with all of them needs.
WIDE = 120


def comparison_text(comparison: Comparison, out: Path) -> None:
    """Print leaderboard, verdict and the files written."""
    from rich.text import Text

    console = Terminal()
    console.print(leaderboard_table(comparison, console.width))
    if said := positive_text(comparison.record["data"]):
        console.print(Text(said, style="dim"))
    for row in comparison.leaderboard:
        if row["status"] != "ok":
            console.print(Text(f"! {row['strategy']} {row['status']}: {row['error']}", style="yellow"))
    if (times := comparison.record.get("settings", {}).get("extension", 1)) > 1:
        console.print(
            Text(f"all strategies could take {times} times the steps: some were still improving", style="dim")
        )
    console.print()
    first, stop, rest = comparison.verdict.text.partition(". ")
    console.print(Text.assemble((first + stop.strip(), "bold"), f" {rest}" if rest else ""))
    if said := threshold_text(comparison):
        console.print(Text(said))
    for warning in comparison.record["warnings"]:
        console.print(Text(f"! {warning}", style="yellow"))
    console.print()
    for name, what in (("report.html", "the report"), ("model.keras", "the model"), ("leaderboard.json", "numbers")):
        if (out / name).exists():
            console.print(Text(f"  {what}: {out / name}"), soft_wrap=True)  # a path stays on one line, to be copied


def positive_text(data: Mapping[str, Any]) -> str | None:
    """Which class recall, precision and F1 speak of, for two classes.

    Example:
        >>> data = {"positive": "1", "rows": 1000, "classes": [{"label": "1", "share": 0.0232}]}
        >>> positive_text(data)
        "recall, precision and F1 are of class '1': 2.32 % of 1,000 rows"
    """
    share = next((c["share"] for c in data["classes"] if c["label"] == data["positive"]), None)
    if share is None:
        return None
    return f"recall, precision and F1 are of class {data['positive']!r}: {100 * share:.3g} % of {data['rows']:,} rows"


def threshold_text(comparison: Comparison) -> str | None:
    """What tuning only the threshold changes, when the untouched model is recommended and `threshold` raced."""
    rows = {row["strategy"]: row for row in comparison.leaderboard if row["status"] == "ok"}
    if comparison.verdict.winner != "none" or "threshold" not in rows:
        return None
    before, after = ([rows[name]["scores"][k]["mean"] for k in ("recall", "f1")] for name in ("none", "threshold"))
    if None in (*before, *after):
        return None
    return (
        f"A tuned threshold costs no training: recall {after[0]:.2f} instead of {before[0]:.2f}, "
        f"F1 {after[1]:.2f} instead of {before[1]:.2f} (strategy 'threshold')."
    )


def model_text(clf: Any) -> str:
    """The models of a classifier; of several that are pooled, with their weights."""
    names, weights = clf.card["network"].split("+"), clf.rule.weights
    if len(names) < 2 or np.ndim(weights) != 1 or len(weights) % len(names):
        return str(clf.card["network"])
    each = weights.reshape(len(names), -1).sum(axis=1)
    return " + ".join(f"{name} {weight:.2f}" for name, weight in zip(names, each, strict=True))


def rule_text(rule: Any, classes: Sequence[Any]) -> str:
    """`cut_text` of a rule; of several labels, where each is decided."""
    if len(rule.problem_rules) == 1:
        return cut_text(rule.threshold, rule.aim)
    cuts = ", ".join(f"{label} {part.threshold:.4g}" for label, part in zip(classes, rule.problem_rules, strict=True))
    return f"decides each label at a threshold of its own ({cuts})"


def cut_text(threshold: float | None, aim: str) -> str:
    """Where a classifier decides, and why there.

    Example:
        >>> cut_text(0.5, "argmax"), cut_text(0.0123, "f1"), cut_text(None, "f1")
        ('decides at 0.5', 'decides at 0.0123, chosen for f1', 'decides with class offsets, chosen for f1')
        >>> cut_text(None, "argmax")
        'decides for the largest probability'
        >>> cut_text(0.2, "given"), cut_text(0.0123, "recall_floor(0.9)")
        ('decides at 0.2, as was given', 'decides at 0.0123, chosen for recall at least 0.9')
    """
    from counterpoise.decide.aim import in_words

    if aim == "argmax":
        return "decides for the largest probability" if threshold is None else f"decides at {threshold:.4g}"
    where = "with class offsets" if threshold is None else f"at {threshold:.4g}"
    return f"decides {where}, " + ("as was given" if aim == "given" else f"chosen for {in_words(aim)}")


def leaderboard_table(comparison: Comparison, width: int = WIDE) -> Any:
    """The rows as a rich table: the judged metric with its interval, then what accuracy hides, then cost."""
    from rich.table import Table
    from rich.text import Text

    from counterpoise.report.columns import intervals
    from counterpoise.report.words import number

    metric = comparison.record["metric"]
    keys = [metric, *(k for k in SHOWN if k != metric)][: None if width >= WIDE else 5]
    binary = comparison.record["data"]["positive"] is not None
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("strategy", no_wrap=True)
    for key in keys:
        macro = " (macro)" if key in ("recall", "precision", "f1") and not binary else ""
        interval = "\n(95 %)" if key == metric else ""
        table.add_column(SHOWN.get(key, key.replace("_", " ")) + macro + interval, justify="right")
    if width >= WIDE:
        table.add_column("steps", justify="right")
        table.add_column("seconds", justify="right")
        table.add_column("MB", justify="right")
    judged = intervals(row["scores"].get(metric) for row in comparison.leaderboard)
    for row, score in zip(comparison.leaderboard, judged, strict=True):
        if row["status"] != "ok":
            table.add_row(Text(row["strategy"]), row["status"])
            continue
        others = [number((row["scores"].get(key) or {}).get("mean")) for key in keys[1:]]
        cells = [Text(_typed(text)) for text in (" ".join(score).strip(), *others)]
        cost = [f"{row['steps']:,}", f"{row['seconds']:.1f}", f"{row['memory_mb']:,.0f}"] if width >= WIDE else []
        table.add_row(row["strategy"], *cells, *cost)
    return table


def _typed(text: str) -> str:
    """Minus signs and dashes as keyboards have them: a terminal may know no others."""
    return text.replace("−", "-").replace("–", "-")
