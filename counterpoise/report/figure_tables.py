"""The figures of the page, each with a caption and a table of the same numbers.

Drawings come from `report.figures`. The ids of `ORDER` are parts of links to the page.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.titles import BASELINE, PER, metric_name
from counterpoise.report import figures, words
from counterpoise.report.audit import measured_on
from counterpoise.report.captioned import Figure, captioned
from counterpoise.report.curve_marks import rare_scale, who_heads
from counterpoise.report.curves import MOST_CLASSES
from counterpoise.report.importance import importance_figure
from counterpoise.report.marks import has_panels
from counterpoise.report.region_figures import region_figures
from counterpoise.report.series import block_of, drawn, folds_of, prevalence, rarest, several_labels, styles
from counterpoise.report.training_figures import training_figures

Record = Mapping[str, Any]

#: Columns of the tables: recalls, false-positive rates, shares of rows, and thresholds that curves are read at.
RECALLS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
FALSE_RATES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.25)
SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
#: The figures that are open come first.
ORDER = ("pr", "calibration", "froc", "dice_images", "gain", "roc", "decision", "folds", "training", "learning",
         "importance")  # fmt: skip
OPEN = ("pr", "calibration")
BANDS = "Bands are 95% CIs at each point, from resampled test rows."


def all_figures(record: Record) -> dict[str, Figure]:
    """Return the figures that the record has data for, by their id, in the order of `ORDER`.

    "open" says whether a figure is unfolded at first, and "half" whether it takes half of the width.
    """
    drawings = _drawings(record)
    half = not has_panels(record)
    return {
        key: drawings[key] | {"open": key in OPEN, "half": key in OPEN and half} for key in ORDER if key in drawings
    }


def _drawings(record: Record) -> dict[str, Figure]:
    """Return the figures that the record has data for, by their id.

    A record without curves has only the folds and the importance.
    """
    drawings = {"folds": folds_figure(record)} if any(folds_of(s) for s in _main_scores(record)) else {}
    if importance := (record.get("audit") or {}).get("importance"):
        drawings["importance"] = importance_figure(importance, measured_on(record))
    if not record.get("curves"):
        return drawings
    drawings |= {"pr": precision_recall_figure(record), "roc": roc_figure(record)}
    drawings["calibration"] = calibration_figure(record)
    if any("gain" in block_of(record, name) for name in drawn(record)):
        drawings |= {"gain": gain_figure(record), "decision": decision_figure(record)}
    return drawings | region_figures(record) | training_figures(record)


def precision_recall_figure(record: Record) -> Figure:
    """Return precision against recall, with a table of precisions at chosen recalls."""
    if has_panels(record):
        labels = several_labels(record)
        pair = "the rows with one label with the rows without it" if labels else "one class with all other classes"
        what = f"Each panel compares {pair}{_whose(record)}. The precision of random guessing equals the share of the "
        what += "label." if labels else "class."
    else:
        what = "Markers show each strategy at its own threshold (baseline: 0.5). The dashed line, "
        what += f"{words.share(prevalence(record))}, is random guessing."
        if {BASELINE, "threshold"} <= set(drawn(record)):
            what += " Baseline and Tuned threshold use the same network, so their curves nearly coincide."
    caption = f"Higher is better. {what} {BANDS}"
    rows = [[*who, *(_best_at(curve, r) for r in RECALLS)] for who, curve in _labeled_curves(record, "pr")]
    heads = [*who_heads(record), *(f"at recall {r:g}" for r in RECALLS)]
    return captioned(
        "Precision and recall", caption, figures.pr_spec(record), heads, rows, "Best precision at a recall of at least"
    )


def roc_figure(record: Record) -> Figure:
    """Return the ROC curve, with a table of the recall at chosen false-positive rates."""
    many = has_panels(record)
    caption = f"Higher is better. The dashed diagonal is random guessing{_whose(record)}."
    if not many:
        false_positives = 100 * (1 - prevalence(record))
        caption += (
            " ROC curves look optimistic for a rare class: a false-positive rate of 0.01 means "
            f"{words.number(false_positives, 0)} false positives per 10,000 cases here."
        )
    caption = f"{caption} {BANDS}"
    rows = [[*who, *(_most_until(curve, r) for r in FALSE_RATES)] for who, curve in _labeled_curves(record, "roc")]
    heads = [*who_heads(record), *(f"at {r:g}" for r in FALSE_RATES)]
    return captioned(
        "ROC curve", caption, figures.roc_spec(record), heads, rows, "Recall at a false-positive rate of at most"
    )


def gain_figure(record: Record) -> Figure:
    """Return the figure of the share of rare cases that are among the highest scores."""
    many = has_panels(record)
    axis = " The horizontal axis has a square-root scale." if "type" in rare_scale(record) else ""
    cases = "of a class" if many else f"of {rarest(record)['label']!r}"
    caption = (
        f"The curve shows the share of the cases {cases} that you find if you review only the cases with the "
        f"highest scores{_whose(record)}. Higher is better. The dashed line is a review in random "
        f"order.{axis} {BANDS}"
    )
    rows = [
        [*who, *(_interpolated(curve, "share", "found", s) for s in SHARES)]
        for who, curve in _labeled_curves(record, "gain")
    ]
    heads = [*who_heads(record), *(f"top {100 * s:g}%" for s in SHARES)]
    return captioned(
        "Gain",
        caption,
        figures.gain_spec(record),
        heads,
        rows,
        "Share of all rare rows that are among the highest scores",
    )


def decision_figure(record: Record) -> Figure:
    """Return the net benefit of alerts by score, and of alerts on all rows or none."""
    caption = (
        "Net benefit is the cases found minus the false positives, weighted by their costs, as a share of all "
        f"cases{_whose(record)}. Higher is better: a perfect model has 1, and a model without alerts has 0. The dashed "
        "line shows an alert for every row. Choose the threshold by your costs: at 0.1, one case found is worth 9 "
        f"false positives. {BANDS}"
    )
    rows = [
        [*who, *(_interpolated(curve, "threshold", "benefit", t, PER, 1) for t in THRESHOLDS)]
        for who, curve in _labeled_curves(record, "decision")
    ]
    heads = [*who_heads(record), *(f"at {t:g}" for t in THRESHOLDS)]
    table = f"Net benefit per {PER:,} cases: cases found minus (false positives x odds of the threshold)"
    return captioned("Decision curve", caption, figures.decision_spec(record), heads, rows, table)


def calibration_figure(record: Record) -> Figure:
    """Return observed against predicted shares in bins, before and after the correction."""
    many = has_panels(record)
    what = "the predicted class" if many else repr(rarest(record)["label"])
    scale = " Both axes have a square-root scale." if not many and prevalence(record) < 0.2 else ""
    caption = (
        f"Predicted probability of {what} (horizontal) and observed frequency (vertical). Dashed lines with "
        "squares are before the correction, and solid lines with circles are after it. On the diagonal, "
        f"calibration is perfect. All bins have the same expected number of rows of {what}. Bars are 95% "
        f"CIs.{scale} The table names the correction of each strategy."
    )
    rows = [
        [
            v["strategy"],
            v["stage"],
            *(words.number(v[k], 4) for k in ("predicted", "observed", "low", "high")),
            words.count(v["count"]),
        ]
        for v in figures.calibration_spec(record)["data"]["values"]
    ]
    heads = ["Strategy", "Output", "Predicted", "Observed", "Low", "High", "Rows"]
    return captioned("Calibration", caption, figures.calibration_spec(record), heads, rows, "Every bin")


def folds_figure(record: Record) -> Figure:
    """Return the figure of the main metric in each fold, with a table of all folds."""
    key = metric_name(record["metric"])
    looks = styles(record)
    scored = [(looks[r["strategy"]].title, (r.get("scores") or {}).get(record["metric"]) or {}) for r in record["rows"]]
    most = max(len(s.get("folds") or []) for _, s in scored)
    rows = [
        [t, *(words.number(v, 4) for v in s["folds"]), *[words.NOTHING] * (most - len(s["folds"]))]
        for t, s in scored
        if s.get("folds")
    ]
    caption = (
        f"Circles show the {key} in each fold. Ticks show the mean, and bands the 95% CI. Test rows were not "
        "used for training or tuning."
    )
    return captioned(
        "Fold by fold",
        caption,
        figures.folds_spec(record),
        ["Strategy", *(f"fold {i + 1}" for i in range(most))],
        rows,
        "Every fold",
    )


def _main_scores(record: Record) -> list[Mapping[str, Any]]:
    """Return the entry of the main metric of each row; {} for a row without one."""
    return [(row.get("scores") or {}).get(record["metric"]) or {} for row in record["rows"]]


def _whose(record: Record) -> str:
    """Return a part of a caption on which classes or labels are drawn; "" if all are."""
    many, what = len(record["data"]["classes"]), "labels" if several_labels(record) else "classes"
    return f" (the {MOST_CLASSES} rarest of {many:,} {what})" if many > MOST_CLASSES else ""


def _labeled_curves(record: Record, kind: str) -> list[tuple[list[str], Mapping[str, Any]]]:
    """Return each curve of a kind as the record has it, with its strategy (and class, if there are several).

    `curve_marks.labeled_curves` is for drawing: its net benefit is relative to a perfect model.
    """
    curves: list[tuple[list[str], Mapping[str, Any]]] = []
    for name, style in drawn(record).items():
        block = block_of(record, name).get(kind) or {}
        if "classes" in block:
            curves += [([style.title, str(curve["label"])], curve) for curve in block["classes"]]
        else:
            curves.append(([style.title], block))
    return curves


def _best_at(curve: Mapping[str, Any], recall: float) -> str:
    """Return the best precision at a recall of at least `recall`, as text with its band."""
    able = [b for a, b in zip(curve.get("recall", []), curve.get("precision", []), strict=True) if a >= recall]
    return _with_band(max(able, default=None), curve, recall)


def _most_until(curve: Mapping[str, Any], most: float) -> str:
    """Return the recall at a false-positive rate of at most `most`, with its band."""
    rates: Sequence[float] = curve.get("fpr", [])
    count = bisect.bisect_right(rates, most)
    return _with_band(curve["tpr"][count - 1] if count else None, curve, most)


def _interpolated(curve: Mapping[str, Any], x: str, y: str, at: float, times: float = 1.0, places: int = 3) -> str:
    """Return the interpolated value `y` of a curve where `x` is `at`, as text with its band.

    The value is multiplied by `times` and rounded to `places` decimals.
    """
    value = float(np.interp(at, curve[x], curve[y])) * times if curve.get(x) else None
    return _with_band(value, curve, at, times, places)


def _with_band(value: float | None, curve: Mapping[str, Any], at: float, times: float = 1.0, places: int = 3) -> str:
    """Return a value as text, with the band of the curve at `at` in brackets, if there is one.

    `times` applies only to the band. A value None gives the sign for a missing value.
    """
    text, band = words.number(value, places), curve.get("band")
    if value is None or not band:
        return text
    low, high = (words.number(float(np.interp(at, band["x"], band[k])) * times, places) for k in ("low", "high"))
    return f"{text} [{low}, {high}]"
