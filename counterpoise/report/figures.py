"""Vega-Lite specifications of curves, calibration and folds, as functions of a record; and any of them as a file.

The page draws them in the browser; `still` turns a specification into SVG, PNG or PDF for papers,
READMEs and documentation. All data are inline, rounded to four decimals or more. Labels appear only as
data values and scale domains, never as field names or expressions, so that no label is read as code. `Plots` has a
method for each figure, and `charts.js` sets the signals "shown" and "banded".
"""

from __future__ import annotations

import json
from typing import Any

import vl_convert

from counterpoise.core.errors import OptionError
from counterpoise.core.titles import capital, metric_name
from counterpoise.report import words
from counterpoise.report.curve_marks import UNIT, curve_rows, curves_spec, panel_labels, rare_scale, rule_points
from counterpoise.report.marks import (
    ACCENT,
    MUTED,
    WARM,
    Names,
    Record,
    framed,
    has_panels,
    only_shown,
    panels,
    rounded,
    tooltip,
)
from counterpoise.report.series import Spec, block_of, class_shares, drawn, prevalence, styles
from counterpoise.report.tables import ranked

#: Height of one strategy in `folds_spec`, in pixels.
STRATEGY_HEIGHT = 34


def pr_spec(record: Record, strategies: Names = None) -> Spec:
    """Draw precision against recall, one line per strategy, and the point at its own threshold.

    The dashed level is the share of the positive class: random guessing. With more than two
    classes there is one panel per class, one versus the rest.

    Args:
        record: A comparison with "curves" (see `counterpoise.report.page.render`).
        strategies: Names to draw; None draws every strategy that has curves.

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
    return curves_spec(record, strategies, data, ("recall", "precision"), layers, points)


def roc_spec(record: Record, strategies: Names = None) -> Spec:
    """Draw the true-positive rate against the false-positive rate (arguments and errors as in `pr_spec`)."""
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
    return curves_spec(record, strategies, data, ("fpr", "tpr"), [guess], points)


def gain_spec(record: Record, strategies: Names = None) -> Spec:
    """Draw the share of positives found against the share of cases reviewed (arguments and errors as in `pr_spec`)."""
    data = curve_rows(record, strategies, "gain", "share", "found")
    guess = {
        "data": {"values": [{"share": v / 50, "found": v / 50} for v in range(51)]},
        "mark": {"type": "line", "color": MUTED, "strokeDash": [3, 3], "strokeWidth": 1},
        "encoding": {
            "x": {"field": "share", "type": "quantitative"},
            "y": {"field": "found", "type": "quantitative"},
        },
    }
    points = [] if has_panels(record) else [rule_points(record, strategies, "share", "found")]
    return curves_spec(record, strategies, data, ("share", "found"), [guess], points, (rare_scale(record), UNIT))


def decision_spec(record: Record, strategies: Names = None) -> Spec:
    """Draw net benefit above a threshold, as a share of a perfect model's (arguments and errors as in `pr_spec`).

    The dashed curve is to act on every case, the level 0 to act on none (Vickers and Elkin 2006).
    """
    data = curve_rows(record, strategies, "decision", "threshold", "benefit") + _acting_on_all(record, strategies)
    encoding = {
        "x": {"field": "threshold", "type": "quantitative"},
        "y": {"field": "act_on_all", "type": "quantitative"},
    }
    dashed = {"type": "line", "color": MUTED, "strokeDash": [3, 3], "strokeWidth": 1, "clip": True}
    everyone = {"transform": [{"filter": "isValid(datum.act_on_all)"}], "mark": dashed, "encoding": encoding}
    no_one = {
        "data": {"values": [{"level": 0}]},
        "mark": {"type": "rule", "color": MUTED, "strokeWidth": 1},
        "encoding": {"y": {"field": "level", "type": "quantitative"}},
    }
    scales = (rare_scale(record), {"domain": [-0.2, 1]})
    return curves_spec(record, strategies, data, ("threshold", "benefit"), [everyone, no_one], [], scales)


def _acting_on_all(record: Record, strategies: Names) -> list[Spec]:
    """Return points of acting on every case: net benefit relative to a perfect model, down to the end of the figure."""
    many, shown = has_panels(record), set(panel_labels(record, strategies))
    events: dict[Any, float] = {label: share for label, share in class_shares(record).items() if label in shown}
    if not many:
        events = {None: prevalence(record)}
    rows = []
    for event, share in events.items():
        if share > 0:
            last = 1.3 * share / (1 - share + 1.3 * share)  # where it reaches -0.3
            rows += [
                {"threshold": t, "act_on_all": 1 - (1 - share) / share * t / (1 - t)}
                | ({"class": event} if many else {})
                for t in (last * k / 40 for k in range(41))
            ]
    return rows


def calibration_spec(record: Record, strategies: Names = None) -> Spec:
    """Draw observed against predicted share before and after the correction, one panel per strategy.

    Both axes are square-root scaled if the rare class is below 20%, so that small probabilities
    can be read. Bars are 95% Wilson intervals (arguments and errors as in `pr_spec`).
    """
    values = _calibration_rows(record, strategies)
    scale: Spec = {"domain": [0, 1]}
    if not has_panels(record) and prevalence(record) < 0.2:
        scale |= {"type": "sqrt"}
    axis: Spec = {"values": [0, 0.05, 0.2, 0.5, 1], "labelOverlap": False, "format": "~"} if "type" in scale else {}
    x = {"field": "predicted", "type": "quantitative", "scale": scale, "axis": axis, "title": "Predicted"}
    y = {"field": "observed", "type": "quantitative", "scale": scale, "axis": axis, "title": "Observed"}
    stage = {
        "field": "stage",
        "type": "nominal",
        "scale": {"domain": ["uncorrected", "corrected"], "range": [WARM, ACCENT]},
    }
    shape = stage | {"scale": {"domain": ["uncorrected", "corrected"], "range": ["square", "circle"]}}
    dash = stage | {"scale": {"domain": ["uncorrected", "corrected"], "range": [[4, 3], [1, 0]]}}
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
    panel = {"width": 220, "height": 200, "layer": [diagonal, bars, lines, dots]}
    return panels(record, strategies, values, panel)


def _calibration_rows(record: Record, strategies: Names) -> list[Spec]:
    """Return the points of all calibration curves, each with its strategy and stage.

    The stage is "uncorrected" or "corrected".
    """
    return [
        {"strategy": style.title, "stage": stage, **{k: rounded(v) for k, v in one.items()}}
        for name, style in drawn(record, strategies).items()
        for stage, key in (("uncorrected", "raw"), ("corrected", "corrected"))
        for one in (block_of(record, name).get("calibration") or {}).get(key, [])
    ]


def folds_spec(record: Record, strategies: Names = None) -> Spec:
    """Return the figure of the main metric, with each fold, the mean and its interval.

    Strategies are in the order of their rank, from the top. Failed strategies are left out.

    Args:
        record: As for `pr_spec`; only its rows are read.
        strategies: Names to draw; None draws all that did not fail.
    """
    key = record["metric"]
    rows = [r for r in ranked(record) if r.get("status", "ok") == "ok"]
    rows = [r for r in rows if strategies is None or r["strategy"] in strategies]
    named = styles(record)
    scores = [(named[r["strategy"]].title, (r.get("scores") or {}).get(key) or {}) for r in rows]
    means = [
        {"strategy": t, **{k: rounded(s.get(k)) for k in ("mean", "low", "high")}}
        for t, s in scores
        if words.finite(s.get("mean"))
    ]
    points = [
        {"strategy": t, "fold": number, "value": rounded(v)}
        for t, s in scores
        for number, v in enumerate(s.get("folds") or [], start=1)
        if words.finite(v)
    ]
    y = {
        "field": "strategy",
        "type": "nominal",
        "sort": [t for t, _ in scores],
        "title": None,
        "axis": {"labelLimit": 190, "grid": False, "domain": False, "ticks": False, "labelPadding": 8},
    }
    x = {"type": "quantitative", "title": capital(metric_name(key)), "scale": {"zero": False, "nice": True}}
    span = {
        "mark": {"type": "rule", "strokeWidth": 7, "color": ACCENT, "opacity": 0.22},
        "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}},
    }
    mean = {
        "mark": {"type": "tick", "thickness": 3, "size": 18, "color": ACCENT},
        "encoding": {"y": y, "x": x | {"field": "mean"}, "tooltip": tooltip("strategy", "mean", "low", "high")},
    }
    dots = {
        "data": {"values": points},
        "transform": [only_shown()],
        "mark": {"type": "point", "size": 36, "color": MUTED, "strokeWidth": 1.4, "opacity": 1},
        "encoding": {"y": y, "x": x | {"field": "value"}, "tooltip": tooltip("strategy", "fold", "value")},
    }
    frame = framed([t for t, _ in scores])
    return frame | {
        "width": 460,
        "height": STRATEGY_HEIGHT * len(means),
        "usermeta": {"step": STRATEGY_HEIGHT},  # the page makes it as high as the strategies that it shows
        "data": {"values": means},
        "transform": [only_shown()],
        "layer": [span, mean, dots],
    }


def still(spec: Spec, kind: str = "svg", scale: float = 2.0) -> str | bytes:
    """Draw a specification without a browser.

    Args:
        spec: What one of the functions above returned.
        kind: "svg" (text), "png" or "pdf" (bytes).
        scale: Pixels per unit of a PNG.

    Raises:
        OptionError: another kind.
    """
    text = json.dumps(spec)
    if kind == "svg":
        return vl_convert.vegalite_to_svg(text)
    if kind == "png":
        return vl_convert.vegalite_to_png(text, scale=scale)
    if kind == "pdf":
        return vl_convert.vegalite_to_pdf(text)
    raise OptionError(f"A figure cannot be saved as {kind!r}. Expected svg, png or pdf.")
