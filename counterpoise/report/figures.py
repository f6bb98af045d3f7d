"""Vega-Lite specifications of every figure, as functions of a record.

The page draws them in the browser; `still` turns the same specification into SVG or PNG for papers,
READMEs and documentation. All data are inline, rounded to four decimals or more. Labels appear only as
data values and scale domains, never as field names or expressions.
"""

from __future__ import annotations

import json

import vl_convert

from counterpoise.core.errors import OptionError
from counterpoise.report import words
from counterpoise.report.marks import (
    ACCENT,
    MUTED,
    WARM,
    Names,
    Record,
    calibration_rows,
    curve_rows,
    curves,
    has_panels,
    panels,
    rule_points,
    scored_dots,
    short,
    tooltip,
)
from counterpoise.report.series import Spec, block_of, drawn, prevalence


def pr_spec(record: Record, strategies: Names = None, width: int | None = None, height: int | None = None) -> Spec:
    """Precision against recall, one line per strategy, and the point where its own rule stands.

    The dashed level is the share of the positive class: what guessing reaches. With more than two
    classes there is one panel per class, one versus the rest.

    Args:
        record: A comparison with "curves" (see `counterpoise.report.page.render`).
        strategies: Names to draw; None draws every strategy that has curves.
        width: Width of the drawing area in pixels (of one panel, with several classes); 420, or 220.
        height: Its height in pixels; 320, or 180.

    Raises:
        OptionError: a name that the record has no curves for, or no curves at all.
    """
    data = curve_rows(record, strategies, "pr", "recall", "precision")
    baseline = {
        "data": {"values": [{"level": prevalence(record)}]},
        "mark": {"type": "rule", "color": MUTED, "strokeDash": [3, 3]},
        "encoding": {"y": {"field": "level", "type": "quantitative"}},
    }
    points = [] if has_panels(record) else [rule_points(record, strategies, "recall", "precision")]
    layers = [] if has_panels(record) else [baseline]
    return curves(record, strategies, data, ("recall", "precision"), layers, points, (width, height))


def roc_spec(record: Record, strategies: Names = None, width: int | None = None, height: int | None = None) -> Spec:
    """True-positive rate against false-positive rate (arguments and errors as in `pr_spec`)."""
    data = curve_rows(record, strategies, "roc", "fpr", "tpr")
    guess = {
        "data": {"values": [{"a": 0, "b": 1}]},
        "mark": {"type": "rule", "color": MUTED, "strokeDash": [3, 3]},
        "encoding": {
            "x": {"field": "a", "type": "quantitative"},
            "y": {"field": "a", "type": "quantitative"},
            "x2": {"field": "b"},
            "y2": {"field": "b"},
        },
    }
    points = [] if has_panels(record) else [rule_points(record, strategies, "fpr", "tpr")]
    return curves(record, strategies, data, ("fpr", "tpr"), [guess], points, (width, height))


def calibration_spec(record: Record, strategies: Names = None, width: int = 220, height: int = 200) -> Spec:
    """Observed against predicted share before and after the correction, one panel per strategy.

    Both axes are square-root scaled where the rare class is below 20 %, so that small probabilities
    can be read. Bars are 95 % Wilson intervals (arguments and errors as in `pr_spec`).
    """
    values = calibration_rows(record, strategies)
    scale: Spec = {"domain": [0, 1]}
    if not has_panels(record) and prevalence(record) < 0.2:
        scale |= {"type": "sqrt"}
    axis: Spec = {"values": [0, 0.05, 0.2, 0.5, 1], "labelOverlap": False, "format": "~"} if "type" in scale else {}
    x = {"field": "predicted", "type": "quantitative", "scale": scale, "axis": axis, "title": "Predicted"}
    y = {"field": "observed", "type": "quantitative", "scale": scale, "axis": axis, "title": "Observed"}
    stage = {
        "field": "stage",
        "type": "nominal",
        "scale": {"domain": ["as trained", "corrected"], "range": [WARM, ACCENT]},
    }
    shape = stage | {"scale": {"domain": ["as trained", "corrected"], "range": ["square", "circle"]}}
    dash = stage | {"scale": {"domain": ["as trained", "corrected"], "range": [[4, 3], [1, 0]]}}
    diagonal = {
        "data": {"values": [{"a": 0}, {"a": 1}]},
        "mark": {"type": "line", "color": MUTED, "strokeDash": [3, 3], "strokeWidth": 1},
        "encoding": {"x": x | {"field": "a"}, "y": y | {"field": "a"}},
    }
    shared = {
        "x": x,
        "y": y,
        "color": stage | {"legend": {"symbolOpacity": 1, "symbolSize": 60, "symbolStrokeWidth": 0}},
    }
    bars = {
        "mark": {"type": "rule", "opacity": 0.55},
        "encoding": shared | {"y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    lines = {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": shared | {"strokeDash": dash}}
    tips = tooltip("strategy", "stage", "predicted", "observed", "low", "high", "count")
    dots = {
        "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1},
        "encoding": shared | {"shape": shape, "tooltip": tips},
    }
    panel = {"width": width, "height": height, "layer": [diagonal, bars, lines, dots]}
    return panels(record, strategies, values, panel)


def folds_spec(record: Record, strategies: Names = None, width: int = 460, step: int = 34) -> Spec:
    """The main metric on every fold, with its mean and interval, strategies by rank from the top.

    Args:
        record: As in `pr_spec`; only its rows are read.
        strategies: Names to draw; None draws all that did not fail.
        width: Width of the drawing area in pixels.
        step: Height of one strategy in pixels.
    """
    return scored_dots(record, strategies, width, step, with_folds=True)


def leaderboard_spec(record: Record, strategies: Names = None, width: int = 460, step: int = 30) -> Spec:
    """The main metric with its interval, strategies by rank from the top (arguments as in `folds_spec`)."""
    return scored_dots(record, strategies, width, step, with_folds=False)


def training_spec(record: Record, strategies: Names = None, width: int = 220, height: int = 150) -> Spec:
    """Log loss on the stopping rows by optimiser step, one panel per strategy, one line per member."""
    values = [
        {"strategy": style.title, "member": f"member {m + 1}", "step": step, "loss": short(loss)}
        for name, style in drawn(record, strategies).items()
        for m, losses in enumerate((block_of(record, name).get("history") or {}).get("stop_loss", []))
        for step, loss in zip(block_of(record, name)["history"]["steps"], losses, strict=False)
        if words.finite(loss)
    ]
    encoding = {
        "x": {"field": "step", "type": "quantitative", "title": "Optimiser step"},
        "y": {"field": "loss", "type": "quantitative", "title": "Log loss", "scale": {"zero": False}},
        "detail": {"field": "member"},
        "tooltip": tooltip("strategy", "member", "step", "loss"),
    }
    line = {"type": "line", "strokeWidth": 1.2, "color": ACCENT, "opacity": 0.8}
    return panels(record, strategies, values, {"width": width, "height": height, "mark": line, "encoding": encoding})


def still(spec: Spec, kind: str = "svg", scale: float = 2.0) -> str | bytes:
    """Draw a specification without a browser.

    Args:
        spec: What one of the functions above returned.
        kind: "svg" (text) or "png" (bytes).
        scale: Pixels per unit of a PNG.

    Raises:
        OptionError: another kind.
    """
    text = json.dumps(spec)
    if kind == "svg":
        return vl_convert.vegalite_to_svg(text)
    if kind == "png":
        return vl_convert.vegalite_to_png(text, scale=scale)
    raise OptionError(f"A still figure is 'svg' or 'png', got {kind!r}.")
