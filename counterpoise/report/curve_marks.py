"""Curves with their bands: one line per strategy, the point at its own threshold, panels for several classes.

The parts that the figures of curves share (`report.figures`, `report.region_figures`). Numbers come from the curves
of a record (`report.curves`) and are only thinned and rounded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from counterpoise.report.curves import thin_curve
from counterpoise.report.marks import (
    Names,
    Record,
    channel,
    frame_of,
    has_panels,
    only_shown,
    panels,
    rounded,
    tooltip,
)
from counterpoise.report.series import Spec, block_of, class_shares, drawn, prevalence

#: Points of all curves of one figure together, and of each curve at least.
MOST_POINTS, FEWEST_POINTS = 3000, 24
#: Half a pixel of a figure: a point nearer to the line than this cannot be seen.
SEEN = 1.2e-3


def curve_rows(record: Record, strategies: Names, kind: str, x: str, y: str) -> list[Spec]:
    """Return the points of the curves and then of their bands, as rows of a figure.

    A point of a curve has strategy, x and y; a point of a band has strategy, x, low and high. `kind` is the curve in
    the record, such as "pr". `x` and `y` are keys of its points.
    """
    drawn_curves = list(labeled_curves(record, strategies, kind))
    most = max(FEWEST_POINTS, MOST_POINTS // max(1, len(drawn_curves)))
    points = [row for who, curve in drawn_curves for row in _points(who, curve, x, y, most)]
    return points + [row for who, curve in drawn_curves for row in _band_points(who, curve, x)]


def labeled_curves(record: Record, strategies: Names, kind: str) -> Iterator[tuple[Spec, Mapping[str, Any]]]:
    """Yield the strategy (and class, if there are several) of each curve, and the curve.

    Net benefit (kind "decision") is relative to that of a perfect model (Kerr et al. 2016), so that classes share an
    axis.
    """
    of_class = class_shares(record)
    for name, style in drawn(record, strategies).items():
        block = block_of(record, name).get(kind) or {}
        for curve in block.get("classes", [block]):
            label = {"class": str(curve["label"])} if "label" in curve else {}
            # The share of the class, or of the rare class if there are no labels of classes.
            share = of_class.get(label.get("class", ""), 0.0) or prevalence(record) or 1.0
            yield {"strategy": style.title, **label}, _per_best(curve, share) if kind == "decision" else curve


def who_heads(record: Record) -> list[str]:
    """Return the heads of the first columns of a table of curves: what `labeled_curves` yields with each curve."""
    return ["Strategy", "Class"] if has_panels(record) else ["Strategy"]


def panel_labels(record: Record, strategies: Names) -> list[str]:
    """Return the classes that have curves, each for a separate panel; empty with two classes."""
    blocks = [block_of(record, name).get("pr") or {} for name in drawn(record, strategies)]
    return list(dict.fromkeys(str(curve["label"]) for block in blocks for curve in block.get("classes", [])))


def _per_best(curve: Mapping[str, Any], share: float) -> Mapping[str, Any]:
    """Return a decision curve relative to `share`, the net benefit of a perfect model."""
    band = curve.get("band")
    scaled = band and {"x": band["x"], **{k: [v / share for v in band[k]] for k in ("low", "high")}}
    return {**curve, "benefit": [v / share for v in curve.get("benefit", [])], "band": scaled}


def _points(who: Spec, curve: Mapping[str, Any], x: str, y: str, most: int) -> list[Spec]:
    """Return one row per point of a curve, thinned to at most `most` points.

    `who` is part of each row.
    """
    xs, ys = np.asarray(curve.get(x, [])), np.asarray(curve.get(y, []))
    keep = thin_curve(xs, ys, most, tolerance=SEEN).tolist() if len(xs) else []
    return [{**who, x: round(float(xs[i]), 4), y: round(float(ys[i]), 4)} for i in keep]


def _band_points(who: Spec, curve: Mapping[str, Any], x: str) -> list[Spec]:
    """Return one row per point of the band of a curve; empty without a band."""
    band = curve.get("band")
    if not band:
        return []
    ends = zip(band["x"], band["low"], band["high"], strict=True)
    return [{**who, x: round(at, 4), "low": round(low, 4), "high": round(high, 4)} for at, low, high in ends]


def rule_points(record: Record, strategies: Names, x: str, y: str) -> Spec:
    """Return a layer with one point per strategy, at its own threshold.

    Rates come from its confusion matrix. A strategy is left out if a rate has the denominator 0.
    """
    values = []
    for name, style in drawn(record, strategies).items():
        matrix, positive = block_of(record, name)["confusion"]["matrix"], _positive_index(record, name)
        tp, fn = matrix[positive][positive], matrix[positive][1 - positive]
        fp, tn = matrix[1 - positive][positive], matrix[1 - positive][1 - positive]
        rates = {"recall": (tp, tp + fn), "precision": (tp, tp + fp), "fpr": (fp, fp + tn)}
        rates |= {"tpr": rates["recall"], "found": rates["recall"], "share": (tp + fp, tp + fp + tn + fn)}
        if all(rates[axis][1] for axis in (x, y)):
            values.append({"strategy": style.title, **{k: rounded(rates[k][0] / rates[k][1]) for k in (x, y)}})
    return {
        "data": {"values": values},
        "transform": [only_shown()],
        "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1, "stroke": "white", "strokeWidth": 1},
        "encoding": {
            "x": {"field": x, "type": "quantitative"},
            "y": {"field": y, "type": "quantitative"},
            "color": channel(record, strategies, "color"),
            "shape": channel(record, strategies, "shape", legend=None),
            "tooltip": tooltip("strategy", x, y),
        },
    }


def _positive_index(record: Record, name: str) -> int:
    """Return the position of the positive class in the confusion matrix.

    Without such a class, return the last position.
    """
    labels = block_of(record, name)["confusion"]["labels"]
    positive = str(record["data"].get("positive"))
    return labels.index(positive) if positive in labels else len(labels) - 1


#: Legend of a color: the strategies that are shown, as lines.
STROKES: Spec = {"values": {"expr": "shown"}, "symbolType": "stroke", "symbolOpacity": 1}
#: Key of the points of a curve -> title of its axis, in panels and in figures of the full width.
SHORT_AXES = {
    "recall": "Recall",
    "precision": "Precision",
    "fpr": "False-positive rate",
    "tpr": "True-positive rate",
    "share": "Share reviewed",
    "found": "Share found",
    "threshold": "Threshold",
    "benefit": "Net benefit",
    "false_positives": "False positives",
    "lesion_recall": "Lesion recall",
    "dice": "Dice",
    "images": "Share of images",
}
AXIS_WORDS = SHORT_AXES | {
    "recall": "Recall (share of the rare class found)",
    "precision": "Precision (share of alerts that are correct)",
    "tpr": "True-positive rate (recall)",
    "share": "Share of all cases reviewed, from the highest score down",
    "found": "Share of the rare class found",
    "threshold": "Threshold probability",
    "benefit": "Net benefit (1 = perfect)",
    "false_positives": "False positives per image",
    "lesion_recall": "Lesion recall (share of the lesions that are hit)",
    "dice": "Dice coefficient of an image",
    "images": "Share of the images with at least this Dice coefficient",
}
#: Scale of shares.
UNIT: Spec = {"domain": [0, 1]}


def rare_scale(record: Record) -> Spec:
    """Return a scale from 0 to 1, with square roots if a class is below 20%.

    Small shares are then legible.
    """
    least = min(class_shares(record).values()) if has_panels(record) else prevalence(record)
    return UNIT | {"type": "sqrt"} if least < 0.2 else UNIT


def curves_spec(
    record: Record,
    strategies: Names,
    values: list[Spec],
    axes: tuple[str, str],
    under: list[Spec],
    over: list[Spec],
    scales: tuple[Spec, Spec] = (UNIT, UNIT),
) -> Spec:
    """Return one figure: bands, `under`, lines, `over`, and the points of tooltips.

    The layers are in this order; the last is invisible. `values` are all points (see `curve_rows`), `axes` the keys of
    x and y, and `scales` their scales. With several classes, the figure has one panel per class.
    """
    many = has_panels(record)
    titles = SHORT_AXES if many else AXIS_WORDS
    x, y = (_axis(f, titles[f], scale) for f, scale in zip(axes, scales, strict=True))
    color = channel(record, strategies, "color", legend=STROKES)
    line = {
        "transform": [only_shown(), _valid(axes[1])],
        "mark": {"type": "line", "strokeWidth": 1.8, "strokeJoin": "round", "clip": True},
        "encoding": {"x": x, "y": y, "order": None, "color": color, "strokeDash": channel(record, strategies, "dash")},
    }
    band = {
        "transform": [only_shown("banded"), only_shown(), _valid("high")],
        "mark": {"type": "area", "opacity": 0.13, "clip": True, "line": False},
        "encoding": {
            "x": x,
            "y": y | {"field": "low"},
            "y2": {"field": "high"},
            "color": color,
            "detail": {"field": "strategy"},
        },
    }
    hover = {
        "transform": [only_shown(), _valid(axes[1])],
        "mark": {"type": "point", "size": 70, "opacity": 0, "clip": True, "aria": False},
        "encoding": {"x": x, "y": y, "tooltip": tooltip("strategy", *(["class"] if many else []), *axes)},
    }
    width, height = (220, 180) if many else (420, 320)
    panel: Spec = {"width": width, "height": height, "layer": [band, *under, line, *over, hover]}
    if many:
        return panels(record, strategies, values, panel, by="class", order=panel_labels(record, strategies))
    # Layers do not share a scale of shapes: only the points at the thresholds have shapes.
    panel["resolve"] = {"scale": {"shape": "independent"}}
    return frame_of(record, strategies) | panel | {"data": {"values": values}}


def _axis(field: str, title: str, scale: Spec) -> Spec:
    """Return the encoding of an axis; a square-root scale gets fixed marks."""
    marks = (
        {"axis": {"values": [0, 0.05, 0.2, 0.5, 1], "labelOverlap": False, "format": "~"}} if "type" in scale else {}
    )
    return {"field": field, "type": "quantitative", "scale": scale, "title": title, **marks}


def _valid(field: str) -> Spec:
    """Return a filter for rows with a number in a field: lines and bands share data."""
    return {"filter": f"isValid(datum.{field})"}
