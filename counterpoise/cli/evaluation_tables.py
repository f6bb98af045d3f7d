"""The tables of `counterpoise evaluate --full`, except those of metrics, labels and units, which `evaluate` makes.

They read the keys of `classifier.evaluation.evaluate` and measure nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise.report.words import OF_GROUP, value_with_interval


def all_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the Rich tables of `cp.evaluate` after the metrics, and notes as text.

    In order: scores by group with their notes, bins of probabilities, spread of the threshold, and review.
    """
    for table in record["by"]:
        yield _group_table(table)
        yield from table["notes"]
    for table in record["reliability"]:
        yield _bin_table(table)
    if record["threshold_spread"] is not None:
        yield _spread_table(record["threshold_spread"])
    if record["review"] is not None:
        yield review_table(record["review"])


def _empty_table(title: str, *columns: str) -> Any:
    """Return an empty Rich table without a frame, whose columns fit the longest word of a head."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    shown.min_width = min(len(title), 78)  # else a title is broken at the width of a narrow table
    for column in columns:
        shown.add_column(column, min_width=max(map(len, column.split()), default=0))
    return shown


def number_text(value: float | None) -> str:
    """Return a number with four digits, and a dash for None.

    Example:
        >>> number_text(0.12345), number_text(None)
        ('0.1235', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def _group_table(table: Mapping[str, Any]) -> Any:
    """Return a table of scores by value of a column, with differences from a reference."""
    title = (
        f"by {table['column']}, class {table['class']!r} (95% CIs; for each score, all CIs of differences are correct "
        "together, with 95% confidence)"
    )
    shown = _empty_table(title, table["column"], "score", "value", f"difference from {table['reference']!r}")
    for value in table["values"]:
        shown.add_row(value["value"], "rows", f"{value['rows']:,}", "")
        shown.add_row("", "positive", f"{value['positives']:,}", "")
        for key, name in OF_GROUP.items():
            difference = value["differences"].get(key)
            cell = "" if difference is None else value_with_interval(difference, signed=True)
            shown.add_row("", name, value_with_interval(value["scores"][key]), cell)
    return shown


def _bin_table(table: Mapping[str, Any]) -> Any:
    """Return a table of bins of probabilities: rows, mean prediction and observed share."""
    errors = (
        f"expected calibration error (ECE) {number_text(table['ece'])}, root mean square "
        f"calibration error {number_text(table['calibration_error'])}"
    )
    title = f"probabilities of {table['class']!r}: {errors}"
    shown = _empty_table(title, "rows", "predicted", "observed", "95% interval")
    for b in table["bins"]:
        ends = f"{number_text(b['low'])} to {number_text(b['high'])}"
        shown.add_row(f"{b['rows']:,}", number_text(b["predicted"]), number_text(b["observed"]), ends)
    return shown


def review_table(review: Mapping[str, Any], what: str = "rows") -> Any:
    """Return a table of the shares that go to a human and of wrong decisions, by class.

    `what` is what is decided, such as "units".
    """
    title = (
        f"for a human: {value_with_interval(review['share'])} of the {what}; wrong decisions among the other {what}: "
        f"{value_with_interval(review['error'])}"
    )
    shown = _empty_table(title, "class", "for a human", "decided wrongly")
    for c in review["classes"]:
        shown.add_row(c["label"], value_with_interval(c["share"]), value_with_interval(c["missed"]))
    return shown


def _spread_table(spread: Mapping[str, Any]) -> Any:
    """Return a table of the chosen threshold and the ends of its range, with scores."""
    shown = _empty_table("threshold on resampled rows (95% range)", "", "threshold", "recall", "precision", "alerts")
    for end, at in spread.items():
        name = {"low": "low end", "value": "chosen", "high": "high end"}[end]
        shown.add_row(name, *(number_text(at[k]) for k in ("threshold", "recall", "precision", "alert_rate")))
    return shown
