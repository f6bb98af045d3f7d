"""Cells to the leaderboard record: scores per fold, costs, per-class table, curves (plain values, no TensorFlow)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.comparison.effect import Costs
from counterpoise.comparison.verdict import Judgment
from counterpoise.core.proportions import shares_of_classes
from counterpoise.core.records import Examples, FoldResult
from counterpoise.metrics.decision_scores import confusion, default_decision, per_class
from counterpoise.metrics.members import member_table
from counterpoise.metrics.rank_scores import average_precision
from counterpoise.metrics.scores import score_all
from counterpoise.pipeline.budget import Training
from counterpoise.report.summary import curves_of, rarest_codes

Array = np.ndarray
SUFFIXES = ("", "_default", "_uncorrected")


def fold_scores(cells: Sequence[FoldResult], examples: Examples) -> dict[str, Array]:
    """Metric key -> float (R K,), one score per cell, repeat after repeat."""
    rows = [_score(cell, examples) for cell in cells]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def fold_counts(cells: Sequence[FoldResult], examples: Examples) -> dict[str, Array]:
    """Suffix -> confusion matrices (R K, C, C), rows = truth, at the cell's rule, the default and the raw output."""
    n = examples.n_classes
    out: dict[str, list[Array]] = {suffix: [] for suffix in SUFFIXES}
    for cell in cells:
        y = examples.y[cell.rows]
        for suffix, decision in zip(SUFFIXES, _decisions(cell, examples), strict=True):
            out[suffix].append(confusion(y, decision, n))
    return {suffix: np.array(matrices) for suffix, matrices in out.items()}


def strategy_row(
    cells: Sequence[FoldResult],
    examples: Examples,
    judgment: Judgment,
    costs: Costs | None = None,
    tuned: Sequence[Mapping[str, float]] = (),
    parts: Sequence[str] = (),
    training: Training | None = None,
) -> dict[str, Any]:
    """One row of leaderboard.json for a strategy that ran."""
    y, decision = _joined(cells, examples, "decision")
    recall, precision, support = per_class(y, decision, examples.n_classes)
    classes = [
        {"label": str(label), "recall": _plain(r), "precision": _plain(p), "support": int(s)}
        for label, r, p, s in zip(examples.classes, recall, precision, support, strict=True)
    ]
    name = cells[0].strategy
    judged = judgment.row(name)
    return {
        "strategy": name,
        "rank": judged["rank"],
        "status": "ok",
        "error": None,
        "fits": sum(c.fits for c in cells),
        "steps": sum(c.steps for c in cells),
        "limit": 0 if training is None else training.limit,
        "cut_off": None if training is None else training.cut_off,
        "rows_seen": sum(c.rows_seen for c in cells),
        "seconds": sum(c.seconds for c in cells),
        "seconds_shared": sum(c.seconds_shared for c in cells),
        "memory_mb": max(c.memory for c in cells) / 2**20,
        "cost": None if costs is None else costs.total(confusion(y, decision, 2)),
        "scores": judged["scores"],
        "skill_below_0": bool((judged["scores"]["skill"]["mean"] or 0.0) < 0),
        "per_class": classes,
        "vs_none": judged["vs_none"],
        "twin_free": twin_free(cells, examples),
        "rule_notes": list(cells[0].rule.notes) if cells[0].rule else [],
        "tuned": [dict(values) for values in tuned],
        "members": members(cells, examples, parts),
    }


def failed_row(strategy: str, rank: int, error: str, status: str = "failed", steps: int = 0) -> dict[str, Any]:
    """One row of leaderboard.json for a strategy that could not run, or was stopped before it could be judged."""
    zero = ("fits", "steps", "limit", "cut_off", "rows_seen", "seconds", "seconds_shared", "memory_mb")
    numbers: dict[str, Any] = {**dict.fromkeys(zero, 0), "steps": steps, "limit": steps, "cut_off": None, "cost": None}
    parts: dict[str, Any] = {"scores": {}, "skill_below_0": False, "per_class": [], "vs_none": {}, "twin_free": None}
    parts |= {"rule_notes": [], "tuned": [], "members": []}
    return {"strategy": strategy, "rank": rank, "status": status, "error": error, **numbers, **parts}


def members(cells: Sequence[FoldResult], examples: Examples, names: Sequence[str]) -> list[dict[str, Any]]:
    """What each member of an ensemble scores alone on the test rows of all folds; nothing for a single network."""
    if len(names) < 2:
        return []
    rows = np.concatenate([c.rows for c in cells])
    proba = np.concatenate([np.stack(c.member_proba) for c in cells], axis=1)
    given = [c.member_weights for c in cells if c.member_weights is not None]
    weights = np.mean(given, axis=0) if given else None
    return member_table(names, proba, examples.y[rows], weights=weights, sample_weight=examples.weights_of(rows))


def twin_free(cells: Sequence[FoldResult], examples: Examples) -> dict[str, Any] | None:
    """Average precision on the test rows that have no twin in training, mean over folds, or None."""
    found = []
    for cell in cells:
        if cell.twin_free is None:
            return None
        y, proba = examples.y[cell.rows][cell.twin_free], cell.proba[cell.twin_free]
        if len(np.unique(y)) == examples.n_classes:
            found.append(average_precision(y, proba))
    rows = int(sum(np.sum(c.twin_free) for c in cells if c.twin_free is not None))
    return {"rows": rows, "folds": len(found), "average_precision": float(np.mean(found)) if found else None}


def curves(cells: Sequence[FoldResult], examples: Examples) -> dict[str, Any]:
    """What the page draws of a strategy: test rows of the first repeat, each scored once."""
    first = [c for c in cells if c.repeat == 0]
    y, raw = _joined(first, examples, "raw")
    proba, decision = _joined(first, examples, "proba")[1], _joined(first, examples, "decision")[1]
    groups = None if examples.groups is None else examples.groups[np.concatenate([c.rows for c in first])]
    labels = [str(c) for c in examples.classes]
    block = curves_of(y, raw, proba, decision, labels, examples.positive, groups=groups)
    histories = [h for h in first[0].history if h.get("stop_loss")]
    rarest = {int(code): labels[code] for code in rarest_codes(examples.counts)}
    return block | ({"history": _history(histories, rarest)} if histories else {})


def _history(histories: Sequence[Mapping[str, list[float]]], labels: Mapping[int, str]) -> dict[str, Any]:
    """Stopping score and recall of each class (code -> label) by step, one list per member, of the first fold."""
    recall = [
        {"label": label, "members": [h.get(f"recall {code}", []) for h in histories]} for code, label in labels.items()
    ]
    longest = max((h["step"] for h in histories), key=len)
    return {"steps": longest, "stop_loss": [h["stop_loss"] for h in histories], "recall": recall}


def data_block(examples: Examples) -> dict[str, Any]:
    """The "data" part of leaderboard.json."""
    schema = examples.schema
    repeated = None if examples.twins is None else int(len(examples) - len(np.unique(examples.twins)))
    positive = str(examples.classes[examples.positive]) if examples.binary else None
    return {
        "source": examples.source,
        "rows": len(examples),
        "columns": None if schema is None else len(schema.columns),
        "target": None if schema is None else schema.target,
        "positive": positive,
        "excluded_columns": [] if schema is None else [{"name": c.name, "reason": c.kind} for c in schema.excluded],
        "duplicates": repeated,
        "classes": shares_of_classes(examples.classes, examples.counts),
    }


def _score(cell: FoldResult, examples: Examples) -> Mapping[str, float]:
    y = examples.y[cell.rows]
    weights = examples.weights_of(cell.rows)
    return score_all(
        y, cell.proba, cell.raw, cell.decision, n_classes=examples.n_classes, positive=1, sample_weight=weights
    )


def _decisions(cell: FoldResult, examples: Examples) -> tuple[Array, Array, Array]:
    return cell.decision, default_decision(cell.proba, 1), default_decision(cell.raw, 1)


def _joined(cells: Sequence[FoldResult], examples: Examples, field: str) -> tuple[Array, Array]:
    rows = np.concatenate([c.rows for c in cells])
    return examples.y[rows], np.concatenate([getattr(c, field) for c in cells])


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
