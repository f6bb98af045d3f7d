"""Realistic records, made from simulated scores, for the tests of the page."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from counterpoise.report.curves import curves_of

SIX = ("none", "threshold", "class_weight", "oversample", "undersample", "resampling_ensemble")
QUALITY = {
    "none": 0.0,
    "threshold": 0.0,
    "class_weight": -0.02,
    "oversample": 0.03,
    "undersample": -0.25,
    "resampling_ensemble": 0.12,
}
FOLDS = 5


def make_binary(rows: int = 11183, positives: int = 260, seed: int = 3) -> dict[str, Any]:
    """Six strategies on data like a mammography screening set."""
    rng = np.random.default_rng(seed)
    y = np.zeros(rows, int)
    y[rng.choice(rows, positives, replace=False)] = 1
    fold = rng.permutation(np.arange(rows) % FOLDS)
    base = rng.normal(size=rows)
    record = _frame("mammography.csv", rows, ["-1", "1"], np.bincount(y), "average_precision")
    for rank, name in enumerate(sorted(SIX, key=lambda n: -QUALITY[n]), 1):
        raw, proba = _scores(y, base, name, rng)
        decision = _cross_fitted(y, proba[:, 1], fold, 0.5 if name == "none" else None)
        record["rows"].append(_row(name, rank, y, raw, proba, decision, fold, ["-1", "1"]))
        record["curves"][name] = curves_of(y, raw, proba, decision, ["-1", "1"], 1) | {"history": _history(rng, name)}
    _against_none(record)
    record["verdict"] = {
        "winner": "resampling_ensemble",
        "word": "inconclusive",
        "not_different_from": ["oversample"],
        "headline": "Inconclusive. Use Resampling ensemble for now.",
        "recommendation": "Resampling ensemble is not significantly better than the baseline (average precision "
        "0.601 vs. "
        "0.580; difference +0.021, 95% CI -0.026 to +0.068).",
        "evidence": "It ranks first and beats the baseline by more than 0.010 with 77% probability, so the baseline is "
        "likely worse.",
        "next_step": "Run 4 more repeats (`--repeats 5`). This would probably settle the question.",
        "effect": _effect(record, "resampling_ensemble", 1),
    }
    record |= {
        "network": "mlp",
        "settings": {"epochs": 30, "batch_size": 256, "tune": 20, "tune_steps": 300, "limit": 400_000},
        "costs": {"cost_fp": 1.0, "cost_fn": 20.0},
        "nested": {
            "inner_folds": 3,
            "chosen": ["oversample"] * 3 + ["none"] * 2,
            **_spread([0.6, 0.58, 0.63, 0.55, 0.6]),
        },
    }
    for row in record["rows"]:
        matrix = np.array(record["curves"][row["strategy"]]["confusion"]["matrix"])
        row["cost"] = float(10_000 * (matrix[0, 1] + 20 * matrix[1, 0]) / rows)
        if row["strategy"] in ("oversample", "undersample"):
            row["tuned"] = [{"ratio": round(float(v), 4)} for v in rng.random(FOLDS)]
    record["diagnosis"] = {
        "facts": [["imbalance ratio", "42.0 to 1"], ["in each of 5 folds", "52 rare rows: recall to ±0.11"]],
        "advice": [
            {"text": "Do not judge by accuracy.", "reason": "Always predicting -1 is 97.7% accurate."},
        ],
    }
    record["verdict"]["model"] = "resampling_ensemble"
    record["model_card"] = {
        "strategy": "Resampling ensemble",
        "classes": [{"label": c["label"], "count": c["count"], "share": c["share"]} for c in record["data"]["classes"]],
        "metrics": {"recall": {"value": 0.71, "low": 0.6, "high": 0.8}},
        "threshold": {"value": 0.31, "aim": "f1", "word": "estimate", "text": "The threshold was chosen for F1."},
        "versions": {"counterpoise": "0.1.0", "keras": "3.15.0", "tensorflow": "2.21.0"},
        "train_prior": {"-1": 0.9768, "1": 0.0232},
    }
    return record


def make_seven(rows: int = 4200, seed: int = 5) -> dict[str, Any]:
    """Four strategies on seven classes with a long tail, one label hostile, one strategy failed."""
    rng = np.random.default_rng(seed)
    labels = ["walking", "sitting", "standing", "lying", "stairs up", "stairs down", "<script>alert(1)</script>"]
    prior = np.array([0.42, 0.25, 0.15, 0.09, 0.05, 0.03, 0.01])
    y = rng.choice(7, rows, p=prior)
    fold = rng.permutation(np.arange(rows) % FOLDS)
    record = _frame("wearable.parquet", rows, labels, np.bincount(y, minlength=7), "balanced_accuracy")
    record["data"]["positive"] = None
    for rank, (name, sharp) in enumerate(
        {"class_weight": 2.3, "oversample": 2.2, "none": 2.1, "focal": 1.9}.items(), 1
    ):
        logits = np.log(prior) + sharp * (np.eye(7)[y] + rng.normal(0, 0.55, (rows, 7)))
        proba = _softmax(logits)
        raw = proba if name == "none" else _softmax(logits - np.log(prior))
        decision = proba.argmax(1) if name == "none" else _softmax(logits - 0.7 * np.log(prior)).argmax(1)
        record["rows"].append(_row(name, rank, y, raw, proba, decision, fold, labels))
        record["curves"][name] = curves_of(y, raw, proba, decision, labels, 6)
    record["rows"].append(
        {
            "strategy": "smote",
            "rank": None,
            "status": "failed",
            "error": "DataError: class '<b>rare</b>' has 4 rows, SMOTE needs 6.",
            "scores": {},
        }
    )
    _against_none(record)
    record["verdict"] = {
        "winner": "class_weight",
        "word": "better",
        "not_different_from": [],
        "headline": "Use Class weights. It is significantly better than the baseline.",
        "recommendation": "Its balanced accuracy is 0.8, compared with 0.7 for the baseline.",
        "evidence": "Class weights also has the highest mean.",
        "next_step": "Choose the decision threshold for your costs.",
        "effect": _effect(record, "class_weight", 6),
    }
    return record


def _effect(record: dict[str, Any], name: str, code: int) -> dict[str, Any]:
    """As `counterpoise.comparison.effect`, from the confusion tables of the record."""
    labels = [c["label"] for c in record["data"]["classes"]]
    counts = {
        n: _counts(np.array(record["curves"][n]["confusion"]["matrix"]))
        for n in (name, "none", "threshold")
        if n in record["curves"]
    }
    change = {key: counts[name][key] - counts["none"][key] for key in ("found", "false_positives")}
    each = [{"label": c, **{k: v[i] for k, v in change.items()}} for i, c in enumerate(labels)]
    mine = {n: {k: v[code] for k, v in count.items()} | {"cost": None} for n, count in counts.items()}
    cases = 10_000 * record["data"]["classes"][code]["share"]
    own = {"strategy": name, "against": "none", "per": 10_000, "cases": cases, "cost": None, **each[code]}
    return own | {"counts": mine, "classes": each if len(each) > 2 else [], "text": "Per 10,000 cases ..."}


def _counts(matrix: np.ndarray) -> dict[str, np.ndarray]:
    per = 10_000 / matrix.sum()
    return {"found": per * np.diag(matrix), "false_positives": per * (matrix.sum(0) - np.diag(matrix))}


def _frame(source: str, rows: int, labels: list[str], counts: np.ndarray, metric: str) -> dict[str, Any]:
    classes = [{"label": c, "count": int(n), "share": float(n / rows)} for c, n in zip(labels, counts, strict=True)]
    return {
        "schema": 2,
        "version": "0.1.0",
        "data": {
            "source": source,
            "rows": rows,
            "columns": 7,
            "target": "severity",
            "positive": labels[-1],
            "excluded_columns": [{"name": "patient_id", "kind": "identifier", "reason": "different on every row"}],
            "duplicates": {"rows": 3329, "share": 3329 / rows, "crossing_folds": 3301},
            "classes": classes,
        },
        "metric": metric,
        "folds": FOLDS,
        "repeats": 1,
        "seed": 0,
        "budget": "steps",
        "epochs": 30,
        "batch_size": 256,
        "warnings": [
            "3,329 rows share their features with another row; the score without such rows is listed as well."
        ],
        "rows": [],
        "curves": {},
    }


def _scores(y: np.ndarray, base: np.ndarray, name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two normal populations of log-odds: exact posterior, then shifted as balanced training does."""
    own = "none" if name == "threshold" else name
    gap = 2.55 + QUALITY[own]
    noise = np.random.default_rng(len(own)).normal(size=len(y))
    z = gap * y + 0.92 * base + 0.39 * noise
    true = gap * z - gap**2 / 2 + np.log(y.mean() / (1 - y.mean()))
    shift = {"none": 0.0, "resampling_ensemble": 2.2}.get(own, -np.log(y.mean() / (1 - y.mean())))
    p, q = 1 / (1 + np.exp(-true)), 1 / (1 + np.exp(-(true + shift)))
    return np.stack([1 - q, q], 1), np.stack([1 - p, p], 1)


def _cross_fitted(y: np.ndarray, p: np.ndarray, fold: np.ndarray, fixed: float | None) -> np.ndarray:
    decision = np.zeros(len(y), int)
    for k in range(FOLDS):
        precision, recall, cut = sk.precision_recall_curve(y[fold != k], p[fold != k])
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        decision[fold == k] = p[fold == k] >= (fixed or cut[min(f1.argmax(), len(cut) - 1)])
    return decision


def _row(
    name: str, rank: int, y: Any, raw: Any, proba: Any, decision: Any, fold: Any, labels: list[str]
) -> dict[str, Any]:
    per_fold = [_measure(y[fold == k], raw[fold == k], proba[fold == k], decision[fold == k]) for k in range(FOLDS)]
    scores = {key: _spread([f[key] for f in per_fold]) for key in per_fold[0]}
    precision, recall, _, support = sk.precision_recall_fscore_support(
        y, decision, labels=range(len(labels)), zero_division=0
    )
    cost = {"none": 1, "threshold": 0, "resampling_ensemble": 3}.get(name, 1)
    return {
        "strategy": name,
        "rank": rank,
        "status": "ok",
        "error": None,
        "fits": 5 * cost,
        "steps": 5250 * cost,
        "rows_seen": 5250 * 256 * cost,
        "seconds": 4.13 * cost + 0.02,
        "seconds_shared": 4.1 if cost == 3 else 0.0,
        "scores": scores,
        "per_class": [
            {"label": c, "recall": float(r), "precision": float(p), "support": int(s)}
            for c, r, p, s in zip(labels, recall, precision, support, strict=True)
        ],
    }


def _measure(y: Any, raw: Any, proba: Any, decision: Any) -> dict[str, float]:
    many = proba.shape[1] > 2
    hot = np.eye(proba.shape[1])[y]
    codes = range(proba.shape[1])
    ranks = proba if many else proba[:, 1]
    average = {"average": "macro"} if many else {}
    prior = hot.mean(0)
    return {
        "average_precision": sk.average_precision_score(hot if many else y, ranks),
        "roc_auc": sk.roc_auc_score(hot if many else y, ranks),
        "log_loss": sk.log_loss(y, proba, labels=codes),
        "log_loss_uncorrected": sk.log_loss(y, raw, labels=codes),
        "skill": 1 + sk.log_loss(y, proba, labels=codes) / (prior * np.log(np.maximum(prior, 1e-9))).sum(),
        "accuracy": sk.accuracy_score(y, decision),
        "accuracy_uncorrected": sk.accuracy_score(y, raw.argmax(1)),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decision),
        "recall": sk.recall_score(y, decision, zero_division=0, **average),
        "recall_uncorrected": sk.recall_score(y, raw.argmax(1), zero_division=0, **average),
        "precision": sk.precision_score(y, decision, zero_division=0, **average),
        "f1": sk.f1_score(y, decision, zero_division=0, **average),
    }


def _spread(values: list[float]) -> dict[str, Any]:
    mean, half = float(np.mean(values)), float(2.776 * np.std(values, ddof=1) * np.sqrt(0.2 + 0.25))
    return {"mean": mean, "low": mean - half, "high": mean + half, "folds": [float(v) for v in values]}


def _against_none(record: dict[str, Any]) -> None:
    good = [r for r in record["rows"] if r["status"] == "ok"]
    for rank, row in enumerate(sorted(good, key=lambda r: -r["scores"][record["metric"]]["mean"]), 1):
        row["rank"] = rank
    none = next(r for r in record["rows"] if r["strategy"] == "none")
    for row in record["rows"]:
        if row["status"] == "ok":
            row["vs_none"] = {k: _difference(s["folds"], none["scores"][k]["folds"]) for k, s in row["scores"].items()}


def _difference(a: list[float], b: list[float]) -> dict[str, float]:
    gap = _spread(list(np.array(a) - np.array(b)))
    sure = gap["low"] > 0 or gap["high"] < 0
    return {
        "difference": gap["mean"],
        "low": gap["low"],
        "high": gap["high"],
        "p": 0.012 if sure else 1.0 if gap["mean"] == 0 else 0.31,
        "p_holm": 0.036 if sure else 1.0,
    }


def _history(rng: np.random.Generator, name: str) -> dict[str, Any]:
    steps = list(range(35, 1051, 35))
    members = 3 if name == "resampling_ensemble" else 1
    start, floor = 0.11, 0.058 - 0.01 * QUALITY[name]
    curve = floor + start * np.exp(-np.array(steps) / 210) + 6e-6 * np.maximum(np.array(steps) - 500, 0)
    rise = 0.6 * (1 - np.exp(-np.array(steps) / 300))
    recall = {"-1": 1 - 0.01 * rise, "1": rise}
    return {
        "steps": steps,
        "recall": [
            {"label": c, "members": [(r - 0.02 * m).tolist() for m in range(members)]} for c, r in recall.items()
        ],
        "stop_loss": [(curve + rng.normal(0, 0.0012, len(steps)) + 0.004 * m).tolist() for m in range(members)],
    }


def _softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


_MADE: dict[str, dict[str, Any]] = {}


def _cached(name: str, make: Any) -> dict[str, Any]:
    if name not in _MADE:
        _MADE[name] = make()
    return copy.deepcopy(_MADE[name])


@pytest.fixture
def binary_record() -> dict[str, Any]:
    """A fresh copy of the record of six strategies on two classes."""
    return _cached("binary", make_binary)


@pytest.fixture
def seven_record() -> dict[str, Any]:
    """A fresh copy of the record of seven classes."""
    return _cached("seven", make_seven)
