"""The figures of the page: caption, spoken description, and the table that says the same in numbers."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.report import figures, tables, words
from counterpoise.report.captioned import Figure, captioned
from counterpoise.report.curve_marks import rare_scale
from counterpoise.report.marks import has_panels
from counterpoise.report.series import block_of, drawn, folds_of, prevalence, rarest, styles
from counterpoise.report.summary import MOST_CLASSES
from counterpoise.report.training_figures import training_figures

Record = Mapping[str, Any]

RECALLS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
FALSE_RATES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.25)
SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
ORDER = ("pr", "gain", "roc", "decision", "calibration", "folds", "training", "learning")
BANDS = "Bands are pointwise 95 % intervals from resampled test rows."


def all_figures(record: Record) -> dict[str, Figure]:
    """Return the figures that the record has data for, by their id on the page."""
    found = {"folds": folds(record)} if any(folds_of(s) for s in _main_scores(record)) else {}
    if not record.get("curves"):
        return found
    found |= {"pr": precision_recall(record), "roc": operating(record), "calibration": calibration(record)}
    if any("gain" in block_of(record, name) for name in drawn(record)):
        found |= {"gain": gain(record), "decision": decision(record)}
    found |= training_figures(record)
    return {key: found[key] for key in ORDER if key in found}


def precision_recall(record: Record) -> Figure:
    """Precision against recall, and the best precision at chosen recalls."""
    many = has_panels(record)
    caption = (
        f"One class against the rest in each panel{_whose(record)}. What guessing reaches is the share of the class."
        if many
        else "Markers stand where each strategy’s own rule decides. "
        f"The dashed level, {words.share(prevalence(record))}, is the share of class “{rarest(record)['label']}”: "
        "what guessing reaches. "
        "The tuned threshold is the untouched model at another point, so these two lines nearly coincide."
    )
    caption = f"{caption} {BANDS}"
    rows = [[*who, *(_best_at(part, r) for r in RECALLS)] for who, part in _parts(record, "pr")]
    heads = [*_who_heads(many), *(f"at recall {r:g}" for r in RECALLS)]
    return captioned(
        "Precision and recall", caption, figures.pr_spec(record), heads, rows, "Best precision at a recall of at least"
    )


def operating(record: Record) -> Figure:
    """Hits against false alarms, and the recall reached at chosen false-positive rates."""
    many = has_panels(record)
    caption = f"The dashed diagonal is guessing{_whose(record)}."
    if not many:
        alarms = 100 * (1 - prevalence(record))
        caption += (
            f" With a rare class this view flatters: a false-positive rate of 0.01, hardly off the left edge, "
            f"is {words.number(alarms, 0)} false alarms in 10,000 cases."
        )
    rows = [[*who, *(_most_until(part, r) for r in FALSE_RATES)] for who, part in _parts(record, "roc")]
    heads = [*_who_heads(many), *(f"at {r:g}" for r in FALSE_RATES)]
    return captioned(
        "ROC curve", caption, figures.roc_spec(record), heads, rows, "Recall at a false-positive rate of at most"
    )


def gain(record: Record) -> Figure:
    """How many of the rare cases lie among the highest scores."""
    many = has_panels(record)
    axis = "; square-root axis" if "type" in rare_scale(record) else ""
    caption = (
        "If you can look at only a share of all cases, those with the highest scores, this share of the rare ones is "
        f"among them{axis}{_whose(record)}. The dashed line is looking at random. {BANDS}"
    )
    rows = [[*who, *(_between(part, "share", "found", s) for s in SHARES)] for who, part in _parts(record, "gain")]
    heads = [*_who_heads(many), *(f"top {100 * s:g} %" for s in SHARES)]
    return captioned("Gain", caption, figures.gain_spec(record), heads, rows, "Share found among the highest scores")


def decision(record: Record) -> Figure:
    """Whether acting on the scores does more good than acting on all or on none, at each threshold."""
    many = has_panels(record)
    caption = (
        "Who acts from a probability of 0.1 on holds one case found to be worth 9 false alarms: net benefit is the "
        "cases found, less the false alarms at that price, as a share of what a perfect model reaches. The dashed "
        f"curve is acting on every case, the level line acting on none{_whose(record)}. {BANDS}"
    )
    rows = [
        [*who, *(_between(part, "threshold", "benefit", t, tables.PER, 1) for t in THRESHOLDS)]
        for who, part in _parts(record, "decision")
    ]
    heads = [*_who_heads(many), *(f"at {t:g}" for t in THRESHOLDS)]
    table = f"Net benefit per {tables.PER:,} cases: cases found, less false alarms at the price of the threshold"
    return captioned("Decision curve", caption, figures.decision_spec(record), heads, rows, table)


def calibration(record: Record) -> Figure:
    """Observed against predicted share before and after the correction, bin by bin."""
    many = has_panels(record)
    what = "probability of the decided class" if many else f"probability of class “{rarest(record)['label']}”"
    scale = "; square-root axes" if not many and prevalence(record) < 0.2 else ""
    caption = (
        f"Predicted {what} against what was observed, before (squares, dashed) and after (circles, solid) the training "
        f"shift was removed{scale}. True probabilities lie on the diagonal. "
        "Bins hold equal sums of probability; bars are 95 % intervals."
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
    return captioned(
        "Calibration before and after correction", caption, figures.calibration_spec(record), heads, rows, "Every bin"
    )


def folds(record: Record) -> Figure:
    """The main metric on every fold."""
    key = words.metric(record["metric"])
    looks = styles(record)
    scored = [(looks[r["strategy"]].title, (r.get("scores") or {}).get(record["metric"]) or {}) for r in record["rows"]]
    most = max(len(s.get("folds") or []) for _, s in scored)
    rows = [
        [t, *(words.number(v, 4) for v in s["folds"]), *[words.NOTHING] * (most - len(s["folds"]))]
        for t, s in scored
        if s.get("folds")
    ]
    caption = (
        f"{words.capital(key)} on every fold (rings), its mean (tick) and 95 % interval (band). "
        "Rows that were scored took no part in training, stopping or tuning."
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
    return [(row.get("scores") or {}).get(record["metric"]) or {} for row in record["rows"]]


def _whose(record: Record) -> str:
    """Which classes are drawn, where there are too many."""
    many = len(record["data"]["classes"])
    return f"; the {MOST_CLASSES} rarest of {many:,} classes are drawn" if many > MOST_CLASSES else ""


def _who_heads(many: bool) -> list[str]:
    return ["Strategy", "Class"] if many else ["Strategy"]


def _parts(record: Record, curve: str) -> list[tuple[list[str], Mapping[str, Any]]]:
    found: list[tuple[list[str], Mapping[str, Any]]] = []
    for name, style in drawn(record).items():
        block = block_of(record, name).get(curve) or {}
        if "classes" in block:
            found += [([style.title, str(part["label"])], part) for part in block["classes"]]
        else:
            found.append(([style.title], block))
    return found


def _best_at(part: Mapping[str, Any], recall: float) -> str:
    able = [b for a, b in zip(part.get("recall", []), part.get("precision", []), strict=True) if a >= recall]
    return _with_band(max(able, default=None), part, recall)


def _most_until(part: Mapping[str, Any], most: float) -> str:
    rates: Sequence[float] = part.get("fpr", [])
    place = bisect.bisect_right(rates, most)
    return _with_band(part["tpr"][place - 1] if place else None, part, most)


def _between(part: Mapping[str, Any], x: str, y: str, at: float, times: float = 1.0, places: int = 3) -> str:
    """The curve at a place between its points."""
    value = float(np.interp(at, part[x], part[y])) * times if part.get(x) else None
    return _with_band(value, part, at, times, places)


def _with_band(value: float | None, part: Mapping[str, Any], at: float, times: float = 1.0, places: int = 3) -> str:
    text, band = words.number(value, places), part.get("band")
    if value is None or not band:
        return text
    low, high = (words.number(float(np.interp(at, band["x"], band[k])) * times, places) for k in ("low", "high"))
    return f"{text} [{low}, {high}]"
