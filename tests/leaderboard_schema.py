"""The schema of leaderboard.json, written out: no key more, none less, every value of its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.metrics.catalog import METRICS, REGION_KEYS

#: Keys of several labels together, and of costs.
TOGETHER = ("average_precision_micro", "roc_auc_micro", "f1_micro", "subset_accuracy", "expected_cost")
#: Keys of the scores that one choice among classes has.
PER_PROBLEM = tuple(key for key in METRICS if key not in {*TOGETHER, *REGION_KEYS})

NUMBER = (int, float)
MAYBE = (int, float, type(None))
SCORE = {"mean": MAYBE, "low": MAYBE, "high": MAYBE, "folds": [MAYBE]}
AGAINST = {"difference": MAYBE, "low": MAYBE, "high": MAYBE, "p": MAYBE, "p_holm": MAYBE}
ROW = {
    "strategy": str,
    "rank": int,
    "status": {"ok", "failed", "stopped early"},
    "error": (str, type(None)),
    "fits": int,
    "steps": int,
    "limit": int,
    "cut_off": (bool, type(None)),
    "rows_seen": int,
    "seconds": NUMBER,
    "seconds_shared": NUMBER,
    "memory_mb": NUMBER,
    "cost": MAYBE,
    "largest_cost_share": MAYBE,
    "thresholds": [MAYBE],
    "scores": Mapping,
    "skill_below_0": bool,
    "per_class": [{"label": str, "recall": MAYBE, "precision": MAYBE, "support": int}],
    "vs_none": Mapping,
    "duplicate_free": (dict, type(None)),
    "rule_notes": [str],
    "corrections": [str],
    "tuned": [dict],
    "members": [{"name": str, "weight": float, "average_precision": MAYBE, "log_loss": MAYBE, "correlation": [MAYBE]}],
    "model": str,
    "units": (dict, type(None)),
}
EFFECT = {
    "strategy": str,
    "against": {"none"},
    "per": int,
    "label": str,
    "cases": NUMBER,
    "found": NUMBER,
    "false_positives": NUMBER,
    "cost": MAYBE,
    "counts": dict,
    "classes": [{"label": str, "found": NUMBER, "false_positives": NUMBER}],
    "text": str,
}
BOARD = {
    "schema": {2},
    "version": str,
    "data": {
        "source": str,
        "rows": int,
        "columns": (int, type(None)),
        "target": (str, type(None)),
        "positive": (str, type(None)),
        "excluded_columns": [{"name": str, "reason": str}],
        "duplicates": (int, type(None)),
        "kind": str,
        "units": (dict, type(None)),
        "classes": [{"label": str, "count": int, "share": float}],
    },
    "metric": str,
    "folds": int,
    "repeats": int,
    "split": (dict, type(None)),
    "label_delay": (dict, type(None)),
    "audit": (dict, type(None)),
    "seed": int,
    "budget": {"steps", "epochs"},
    "network": str,
    "settings": {
        "epochs": int,
        "batch_size": int,
        "extension": {1, 4},
        "early_stopping": bool,
        "init_bias": bool,
        "tune": int,
        "tune_steps": (int, type(None)),
        "limit": MAYBE,
    },
    "time_limited": bool,
    "nested": (dict, type(None)),
    "costs": (dict, type(None)),
    "warnings": [str],
    "verdict": {
        "winner": str,
        "word": {"better", "equivalent", "inconclusive", "others_worse"},
        "headline": str,
        "recommendation": str,
        "evidence": str,
        "next_step": str,
        "not_different_from": [str],
        "more_repeats": (int, type(None)),
        "model": str,
        "chosen_among": int,
        "effect": (dict, type(None)),
    },
    "rows": [ROW],
}


def check_board(board: Any) -> None:
    """Hold a parsed leaderboard.json to `BOARD`, and to what its parts say of each other."""
    _check(board, BOARD, "leaderboard")
    rows = board["rows"]
    cells = board["folds"] * board["repeats"]
    names = [row["strategy"] for row in rows]
    assert sorted(row["rank"] for row in rows) == list(range(1, len(rows) + 1))
    assert len(set(names)) == len(names)
    assert {board["verdict"]["winner"], board["verdict"]["model"], *board["verdict"]["not_different_from"]} <= set(
        names
    )
    assert not board["verdict"]["model"].startswith("external:")
    assert board["verdict"]["winner"] not in board["verdict"]["not_different_from"]
    assert sum(c["count"] for c in board["data"]["classes"]) == board["data"]["rows"]
    verdict = board["verdict"]
    assert len(verdict["headline"].split()) <= 12, verdict["headline"]
    assert verdict["recommendation"]
    assert verdict["next_step"]
    if (effect := verdict["effect"]) is not None:
        _check(effect, EFFECT, "effect")
        change = effect["counts"][effect["strategy"]]["found"] - effect["counts"]["none"]["found"]
        assert abs(change - effect["found"]) < 1e-6
    known = any(row["strategy"] == "none" and row["status"] == "ok" for row in rows)
    for row in rows:
        _check_row(row, cells, [c["label"] for c in board["data"]["classes"]], known)


def _check_row(row: Mapping[str, Any], cells: int, labels: list[str], baseline: bool) -> None:
    name = row["strategy"]
    assert (row["error"] is None) == (row["status"] == "ok")
    if row["status"] != "ok":
        assert (row["scores"], row["vs_none"], row["per_class"]) == ({}, {}, [])
        return
    assert list(row["scores"]) == list(PER_PROBLEM), name
    assert list(row["vs_none"]) == (list(PER_PROBLEM) if baseline and name != "none" else []), name
    assert [c["label"] for c in row["per_class"]] == labels
    assert min(row["fits"], row["steps"], row["rows_seen"], row["seconds"], row["memory_mb"]) > 0
    assert 0 <= row["seconds_shared"] <= row["seconds"]
    for key, score in row["scores"].items():
        _check(score, SCORE, f"{name}.{key}")
        assert len(score["folds"]) == cells
        if score["low"] is not None:
            assert score["low"] <= score["mean"] <= score["high"], (name, key, score)
    for key, against in row["vs_none"].items():
        _check(against, AGAINST, f"{name} against none.{key}")
        assert against["p"] is None or 0 <= against["p"] <= against["p_holm"] <= 1


def _check(value: Any, wanted: Any, where: str) -> None:
    if isinstance(wanted, dict):
        assert isinstance(value, dict), where
        assert list(value) == list(wanted), f"{where}: {sorted(set(value) ^ set(wanted))}"
        for key, part in wanted.items():
            _check(value[key], part, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert isinstance(value, list), where
        for number, item in enumerate(value):
            _check(item, wanted[0], f"{where}[{number}]")
    elif isinstance(wanted, set):
        assert value in wanted, f"{where} is {value!r}"
    else:
        assert isinstance(value, wanted), f"{where} is {value!r}"
        assert bool in (wanted if isinstance(wanted, tuple) else (wanted,)) or not isinstance(value, bool), where
