"""What all parts of the page read from a record: strategies and their styles, curves, the rare class, and shares.

A strategy keeps its color, dash and marker throughout the page. Six colors that are distinct for
color-blind readers (after Okabe and Ito 2008, darkened to reach a contrast of 3 to 1 on
both white and near-black), combined with six dashes, so that no line depends on its color alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.titles import BASELINE, strategy_title
from counterpoise.report import words

Spec = dict[str, Any]

#: The look of the baseline, and what other strategies take in turn.
GRAY = "#7d838b"
COLORS = ("#1f7fbf", "#d55e00", "#0b9a72", "#b5529b", "#a37500", "#6f63d6")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [12, 4], [5, 2, 1, 2, 1, 2])
SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")


@dataclass(frozen=True)
class Style:
    """How one strategy is named and drawn."""

    title: str
    color: str
    dash: list[int]
    shape: str


def styles(record: Mapping[str, Any]) -> dict[str, Style]:
    """Give each strategy of the record its style; titles are unique, the baseline is gray.

    Colors, dashes and markers change from strategy to strategy in the order of the rows.

    Example:
        >>> styles({"rows": [{"strategy": "none"}, {"strategy": "focal"}]})["none"].color
        '#7d838b'
    """
    looks: dict[str, Style] = {}
    taken: set[str] = set()
    colored = 0
    for row in record["rows"]:
        name = str(row["strategy"])
        title = strategy_title(name)
        title = title if title not in taken else f"{title} ({name})"
        taken.add(title)
        if name == BASELINE:
            looks[name] = Style(title, GRAY, [1, 0], "circle")
            continue
        # After each turn through the colors, the dashes are moved on, so that no color repeats its dash.
        turn = colored // len(COLORS)
        looks[name] = Style(title, COLORS[colored % 6], DASHES[(colored + turn + 1) % 6], SHAPES[(colored + 1) % 6])
        colored += 1
    return looks


def block_of(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the curve block of one strategy, empty when there is none."""
    return (record.get("curves") or {}).get(name) or {}


def drawn(record: Mapping[str, Any], strategies: Sequence[str] | None = None) -> dict[str, Style]:
    """Return the styles of the strategies to draw, in the order of the rows.

    Without `strategies`, these are all strategies that have curves.

    Raises:
        OptionError: One of `strategies` has no curves, or the record has none.
    """
    able = {name: style for name, style in styles(record).items() if block_of(record, name)}
    if not able:
        raise OptionError("The record contains no curves. Add a 'curves' entry made by report.curves_of.")
    unknown = [name for name in strategies or () if name not in able]
    if unknown:
        raise OptionError(f"The record contains no curves of strategy {unknown[0]!r}.{did_you_mean(unknown[0], able)}")
    return {name: style for name, style in able.items() if strategies is None or name in strategies}


def folds_of(score: Mapping[str, Any]) -> list[float]:
    """Return the scores per fold that are numbers."""
    return [value for value in score.get("folds") or [] if words.finite(value)]


def rarest(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the class of the page: the positive class, else the one with the fewest rows."""
    classes = record["data"]["classes"]
    positive = record["data"].get("positive")
    named = [c for c in classes if positive is not None and str(c["label"]) == str(positive)]
    return named[0] if named else min(classes, key=lambda c: c["count"])


def several_labels(record: Mapping[str, Any]) -> bool:
    """Whether rows have several labels, and scores are means over these."""
    return record["data"].get("kind") == "labels"


def class_shares(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of each class, by label: the level of random guessing in the figures, and of a constant model.

    It is the share among all rows, or units, pixels or steps, as the record counts classes. With several labels per
    row, it is the share of each label among the rows where the label is known, which counts do not show. With weights,
    it is the weighted share, as in all scores.
    """
    classes = record["data"]["classes"]
    if classes and all("weighted_share" in c for c in classes):
        return {str(c["label"]): float(c["weighted_share"]) for c in classes}
    if several_labels(record):
        return {str(c["label"]): float(c["share"]) for c in classes}
    total = sum(c["count"] for c in classes) or 1
    return {str(c["label"]): c["count"] / total for c in classes}


def prevalence(record: Mapping[str, Any]) -> float:
    """Return the share of the class that the page is about (see `rarest`)."""
    return class_shares(record)[str(rarest(record)["label"])]
