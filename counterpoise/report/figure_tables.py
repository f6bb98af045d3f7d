"""The figures of the page: caption, spoken description, and the table that says the same in numbers."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.report import figures, words
from counterpoise.report.series import block_of, drawn, folds_of, prevalence, rarest, styles

Record = Mapping[str, Any]
Figure = dict[str, Any]

RECALLS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
FALSE_RATES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.25)


def all_figures(record: Record) -> dict[str, Figure]:
    """Return the figures that the record has data for, by their id on the page."""
    found = {"folds": folds(record)} if any(folds_of(s) for s in _main_scores(record)) else {}
    if not record.get("curves"):
        return found
    found |= {"pr": precision_recall(record), "roc": operating(record), "calibration": calibration(record)}
    if any((block_of(record, name).get("history") or {}).get("stop_loss") for name in drawn(record)):
        found["training"] = training(record)
    return {key: found[key] for key in ("pr", "roc", "calibration", "folds", "training") if key in found}


def precision_recall(record: Record) -> Figure:
    """Precision against recall, and the best precision at chosen recalls."""
    many = len(record["data"]["classes"]) > 2
    caption = (
        "One class against the rest in each panel. What guessing reaches is the share of the class."
        if many
        else "Markers stand where each strategy’s own rule decides. "
        f"The dashed level, {words.share(prevalence(record))}, is the share of class “{rarest(record)['label']}”: "
        "what guessing reaches. "
        "The tuned threshold is the untouched model at another point, so these two lines nearly coincide."
    )
    rows = [[*who, *(_best_at(part, "recall", "precision", r) for r in RECALLS)] for who, part in _parts(record, "pr")]
    heads = [*_who_heads(many), *(f"at recall {r:g}" for r in RECALLS)]
    return _figure(
        "Precision and recall", caption, figures.pr_spec(record), heads, rows, "Best precision at a recall of at least"
    )


def operating(record: Record) -> Figure:
    """Hits against false alarms, and the recall reached at chosen false-positive rates."""
    many = len(record["data"]["classes"]) > 2
    caption = "The dashed diagonal is guessing."
    if not many:
        alarms = 100 * (1 - prevalence(record))
        caption += (
            f" With a rare class this view flatters: a false-positive rate of 0.01, hardly off the left edge, "
            f"is {words.number(alarms, 0)} false alarms in 10,000 cases."
        )
    rows = [[*who, *(_most_until(part, r) for r in FALSE_RATES)] for who, part in _parts(record, "roc")]
    heads = [*_who_heads(many), *(f"at {r:g}" for r in FALSE_RATES)]
    return _figure(
        "ROC curve", caption, figures.roc_spec(record), heads, rows, "Recall at a false-positive rate of at most"
    )


def calibration(record: Record) -> Figure:
    """Observed against predicted share before and after the correction, bin by bin."""
    many = len(record["data"]["classes"]) > 2
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
    return _figure(
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
    return _figure(
        "Fold by fold",
        caption,
        figures.folds_spec(record),
        ["Strategy", *(f"fold {i + 1}" for i in range(most))],
        rows,
        "Every fold",
    )


def training(record: Record) -> Figure:
    """The stopping score by step."""
    rows = []
    for name, style in drawn(record).items():
        history = block_of(record, name).get("history") or {}
        for m, curve in enumerate(history.get("stop_loss") or []):
            known = [(loss, step) for loss, step in zip(curve, history["steps"], strict=False) if words.finite(loss)]
            if known:
                best, step = min(known)
                rows.append(
                    [style.title, str(m + 1), words.count(step), words.number(best, 4), words.number(known[-1][0], 4)]
                )
    caption = (
        "Log loss of the corrected output on the stopping rows, one line per member. "
        "Rows that stop training judge nothing."
    )
    heads = ["Strategy", "Member", "Best step", "Best log loss", "Last log loss"]
    return _figure("Training", caption, figures.training_spec(record), heads, rows, "Best step of every member")


def _figure(
    title: str, caption: str, spec: figures.Spec, heads: list[str], rows: list[list[str]], table: str
) -> Figure:
    # `_top` puts the description first in the drawing, where screen readers look for it.
    described = {"description": f"{title}. {caption} The table below the figure holds the numbers."}
    return {"title": title, "caption": caption, "spec": spec | described, "heads": heads, "rows": rows, "table": table}


def _main_scores(record: Record) -> list[Mapping[str, Any]]:
    return [(row.get("scores") or {}).get(record["metric"]) or {} for row in record["rows"]]


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


def _best_at(part: Mapping[str, Any], x: str, y: str, least: float) -> str:
    able = [b for a, b in zip(part.get(x, []), part.get(y, []), strict=True) if a >= least]
    return words.number(max(able, default=None), 3)


def _most_until(part: Mapping[str, Any], most: float) -> str:
    rates: Sequence[float] = part.get("fpr", [])
    place = bisect.bisect_right(rates, most)
    return words.number(part["tpr"][place - 1] if place else None, 3)
