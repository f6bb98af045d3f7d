"""All tables of an evaluation in the terminal, which `--full` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise.report.words import OF_GROUP, value_with_interval


def tables_of(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the Rich tables of `cp.evaluate` after the metrics, and notes as text.

    In order: scores by group with their notes, bins of probabilities, spread of the threshold, and review.
    """
    for table in record["by"]:
        yield _of_groups(table)
        yield from table["notes"]
    for table in record["reliability"]:
        yield _of_bins(table)
    if record["threshold_spread"] is not None:
        yield _of_spread(record["threshold_spread"])
    if record["review"] is not None:
        yield _of_review(record["review"])


def _table(title: str, *columns: str) -> Any:
    """Return an empty table without a frame, whose columns fit the longest word of a head."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    shown.min_width = min(len(title), 78)  # else a title is broken at the width of a narrow table
    for column in columns:
        shown.add_column(column, min_width=max(map(len, column.split()), default=0))
    return shown


def number(value: float | None) -> str:
    """Four digits, and a dash where there is none.

    Example:
        >>> number(0.12345), number(None)
        ('0.1235', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def _of_groups(table: Mapping[str, Any]) -> Any:
    """Return a table of scores by value of a column, with differences from a reference."""
    title = (
        f"by {table['column']}, class {table['class']!r} (95% CIs; for each score, all CIs of differences are correct "
        "together, with 95% confidence)"
    )
    shown = _table(title, table["column"], "score", "value", f"difference from {table['reference']!r}")
    for value in table["values"]:
        shown.add_row(value["value"], "rows", f"{value['rows']:,}", "")
        shown.add_row("", "positive", f"{value['positives']:,}", "")
        for key, name in OF_GROUP.items():
            difference = value["differences"].get(key)
            cell = "" if difference is None else value_with_interval(difference, signed=True)
            shown.add_row("", name, value_with_interval(value["scores"][key]), cell)
    return shown


def _of_bins(table: Mapping[str, Any]) -> Any:
    """Return a table of bins of probabilities: rows, mean prediction and observed share."""
    errors = (
        f"expected calibration error (ECE) {number(table['ece'])}, root mean square "
        f"calibration error {number(table['calibration_error'])}"
    )
    shown = _table(f"probabilities of {table['class']!r}: {errors}", "rows", "predicted", "observed", "95% interval")
    for b in table["bins"]:
        ends = f"{number(b['low'])} to {number(b['high'])}"
        shown.add_row(f"{b['rows']:,}", number(b["predicted"]), number(b["observed"]), ends)
    return shown


def _of_review(review: Mapping[str, Any]) -> Any:
    """Return a table of the shares that go to a human and of wrong decisions, by class."""
    title = (
        f"for a human: {value_with_interval(review['share'])} of the rows; wrong decisions among the other rows: "
        f"{value_with_interval(review['error'])}"
    )
    shown = _table(title, "class", "for a human", "decided wrongly")
    for c in review["classes"]:
        shown.add_row(c["label"], value_with_interval(c["share"]), value_with_interval(c["missed"]))
    return shown


def _of_spread(spread: Mapping[str, Any]) -> Any:
    """Return a table of the chosen threshold and the ends of its range, with scores."""
    shown = _table("threshold on resampled rows (95% range)", "", "threshold", "recall", "precision", "alerts")
    for end, at in spread.items():
        keys = ("threshold", "recall", "precision", "alert_rate")
        shown.add_row({"low": "low end", "value": "chosen", "high": "high end"}[end], *(number(at[k]) for k in keys))
    return shown
