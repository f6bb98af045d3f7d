"""The course of training: early-stopping score and recall of every class, by optimizer step.

They read the entry "history" of the curves. Its rows are early-stopping rows, never test rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise.report import words
from counterpoise.report.captioned import Figure, captioned
from counterpoise.report.marks import ACCENT, Names, Record, panels, rounded, tooltip
from counterpoise.report.series import COLORS, DASHES, Spec, block_of, drawn

#: Classes with a line of their own, the rarest first: as many as there are colors.
MOST_CLASSES = len(COLORS)


def training_spec(record: Record, strategies: Names = None) -> Spec:
    """Return the figure of the log loss on the early-stopping rows, by step.

    It has one panel per strategy and one line per member.
    """
    values = [
        {"strategy": style.title, "member": f"member {m + 1}", "step": step, "loss": rounded(loss)}
        for name, style in drawn(record, strategies).items()
        for m, losses in enumerate((block_of(record, name).get("history") or {}).get("stop_loss", []))
        for step, loss in zip(block_of(record, name)["history"]["steps"], losses, strict=False)
        if words.finite(loss)
    ]
    encoding = {
        "x": {"field": "step", "type": "quantitative", "title": "Optimizer step"},
        "y": {"field": "loss", "type": "quantitative", "title": "Log loss", "scale": {"zero": False}},
        "detail": {"field": "member"},
        "tooltip": tooltip("strategy", "member", "step", "loss"),
    }
    line = {"type": "line", "strokeWidth": 1.2, "color": ACCENT, "opacity": 0.8}
    return panels(record, strategies, values, {"width": 220, "height": 150, "mark": line, "encoding": encoding})


def class_recall_spec(record: Record, strategies: Names = None) -> Spec:
    """Return the figure of the recall of each class on the early-stopping rows, by step.

    It has one panel per strategy and one line per class and member. The decision is the most probable class after the
    correction. Only the `MOST_CLASSES` rarest classes are drawn.
    """
    labels = [str(c["label"]) for c in sorted(record["data"]["classes"], key=lambda c: c["count"])][:MOST_CLASSES]
    values = [
        {"strategy": title, "class": label, "member": f"member {m + 1}", "step": step, "recall": rounded(recall)}
        for title, label, m, steps, curve in recall_curves(record, strategies)
        if label in labels
        for step, recall in zip(steps, curve, strict=False)
        if words.finite(recall)
    ]
    look = {"field": "class", "type": "nominal"}
    encoding = {
        "x": {"field": "step", "type": "quantitative", "title": "Optimizer step"},
        "y": {"field": "recall", "type": "quantitative", "title": "Recall", "scale": {"domain": [0, 1]}},
        "detail": {"field": "member"},
        "color": look | {"scale": {"domain": labels, "range": list(COLORS[: len(labels)])}},
        "strokeDash": look | {"scale": {"domain": labels, "range": [list(d) for d in DASHES[: len(labels)]]}},
        "tooltip": tooltip("strategy", "class", "member", "step", "recall"),
    }
    line = {"type": "line", "strokeWidth": 1.4, "opacity": 0.9}
    return panels(record, strategies, values, {"width": 220, "height": 150, "mark": line, "encoding": encoding})


def recall_curves(record: Record, strategies: Names = None) -> Iterator[tuple[str, str, int, list[float], list[Any]]]:
    """Yield the data of every curve in the record.

    Each item is (title of the strategy, class, number of the member, steps, recalls).
    """
    for name, style in drawn(record, strategies).items():
        history: Mapping[str, Any] = block_of(record, name).get("history") or {}
        for of_class in history.get("recall") or []:
            for m, curve in enumerate(of_class["members"]):
                if curve:
                    yield style.title, str(of_class["label"]), m, history["steps"], curve


def training_figures(record: Record) -> dict[str, Figure]:
    """Return the figures of training for which the record has data, by their id on the page."""
    histories = [block_of(record, name).get("history") or {} for name in drawn(record)]
    losses = {"training": _loss_figure(record)} if any(h.get("stop_loss") for h in histories) else {}
    return losses | ({"learning": _recall_figure(record)} if any(h.get("recall") for h in histories) else {})


def _loss_figure(record: Record) -> Figure:
    """Return the figure of the early-stopping log loss by step.

    Its table contains the best step of every member.
    """
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
        "Each line is the log loss of one network on the early-stopping rows, after correction. Lower is "
        "better. These rows are not used for scoring."
    )
    heads = ["Strategy", "Member", "Best step", "Best log loss", "Last log loss"]
    return captioned("Training", caption, training_spec(record), heads, rows, "Best step of every member")


def _recall_figure(record: Record) -> Figure:
    """Return the figure of the recall of each class over training, with its table."""
    rows = [
        [title, label, str(m + 1), words.number(max(curve), 3), words.number(curve[-1], 3)]
        for title, label, m, _, curve in recall_curves(record)
    ]
    many = len(record["data"]["classes"])
    caption = (
        "Recall of each class on the early-stopping rows, if the most probable class is predicted"
        + (f", for the {MOST_CLASSES} rarest classes. " if many > MOST_CLASSES else ". ")
        + "A rare class often stays near 0 here. With a tuned threshold, its recall is higher."
    )
    heads = ["Strategy", "Class", "Member", "Best recall", "Last recall"]
    return captioned("Recall while training", caption, class_recall_spec(record), heads, rows, "Recall")
