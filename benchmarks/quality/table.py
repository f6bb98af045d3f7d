"""Results to numbers: scores by set and parent, ranks, wins and ties with intervals over parents."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.quality.models import ENSEMBLE, NEEDED, SINGLES
from benchmarks.quality.sets import group_of

#: A smaller difference in average precision is a tie.
TIE = 0.01
#: metric -> whether larger is better.
METRICS = {
    "average_precision": True, "roc_auc": True, "balanced_accuracy": True, "f1": True, "log_loss": False,
    "log_loss_uncorrected": False, "ece": False,
}  # fmt: skip
Parents = dict[str, dict[str, dict[str, float]]]


def load(folder: Path) -> Parents:
    """set -> model -> metric -> mean over folds; ours are named "network strategy"."""
    scores: Parents = defaultdict(dict)
    for record in records(folder):
        for name, row in record["models"].items():
            if "scores" in row and "choice" not in record:  # whose models other pieces measure with more repeats
                scores[record["set"]][label_of(name, record)] = {
                    m: float(np.nanmean(v)) for m, v in row["scores"].items()
                }
    return scores


def label_of(model: str, record: dict[str, Any]) -> str:
    """What the page calls a model of a result: ours by their network too."""
    return model if model.startswith("external:") else f"{record['network']} {model}"


def by_parent(folder: Path) -> Parents:
    """parent -> model -> metric: the mean over its sets, of models that finished all of them.

    Sets on which a piece is still missing are left out.
    """
    parents = {record["set"]: record["parent"] for record in records(folder)}
    groups: dict[str, list[dict[str, dict[str, float]]]] = defaultdict(list)
    scores = load(folder)
    for name in complete(folder):
        groups[parents[name]].append(scores[name])
    return {
        parent: {
            label: {m: float(np.mean([one[label][m] for one in many])) for m in METRICS}
            for label in sorted(set.intersection(*(set(one) for one in many)))
        }
        for parent, many in sorted(groups.items())
    }


def complete(folder: Path) -> list[str]:
    """Sets that have every piece that their group needs."""
    pieces: dict[str, set[str]] = defaultdict(set)
    needed: dict[str, set[str]] = {}
    for record in records(folder):
        pieces[record["set"]].add(record["piece"])
        needed[record["set"]] = set(NEEDED[group_of(record["parent"])])
    return [name for name, measured in pieces.items() if needed[name] <= measured]


def rivals_in(parents: Parents) -> list[str]:
    """Models that are no networks of ours, on whichever parents they finished."""
    return sorted({n for models in parents.values() for n in models if n.startswith("external:")})


def against_rivals(parents: Parents, name: str) -> Parents:
    """One model of ours and the rivals, all others left out."""
    kept = {name, *rivals_in(parents)}
    return {parent: {n: e for n, e in models.items() if n in kept} for parent, models in parents.items()}


def ranks(parents: Parents, metric: str) -> dict[str, float]:
    """Mean rank of each model over the parents on which all of them finished; 1 is best."""
    names = sorted(set.intersection(*(set(models) for models in parents.values())))
    sign = -1.0 if METRICS[metric] else 1.0
    table = np.array([rankdata([sign * parents[p][n][metric] for n in names]) for p in parents])
    return dict(sorted(zip(names, table.mean(axis=0).tolist(), strict=True), key=lambda pair: pair[1]))


def wins(parents: Parents, ours: str, rivals: Sequence[str]) -> tuple[float, float, float, int]:
    """Wins plus half the ties in average precision over parents, with a 90% bootstrap interval, and their number.

    Of several rivals the best on each parent counts; one that failed there is no rival on it.
    """
    both = [p for p in parents.values() if ours in p and any(rival in p for rival in rivals)]
    ap = [(p[ours]["average_precision"], max(p[r]["average_precision"] for r in rivals if r in p)) for p in both]
    ahead = np.array([mine - best for mine, best in ap])
    points = np.where(np.abs(ahead) < TIE, 0.5, (ahead > 0).astype(float))
    return *_interval(points), len(points)


def against_singles(folder: Path, group: str) -> tuple[float, float, float, int]:
    """Mean difference in average precision to the best single plan, chosen on half of the folds, over parents.

    Folds are halved both ways: the best of `SINGLES` by the even folds is scored on the odd ones, and the reverse.
    """
    by_parent: dict[str, list[float]] = defaultdict(list)
    for record in records(folder):
        rows = {f"{record['network']} {name}": row for name, row in record["models"].items() if "scores" in row}
        if {ENSEMBLE, *SINGLES} <= set(rows) and group_of(record["parent"]) == group:
            ap = {name: np.array(rows[name]["scores"]["average_precision"]) for name in (ENSEMBLE, *SINGLES)}
            by_parent[record["parent"]].append(_ahead_of_best(ap))
    differences = np.array([np.mean(each) for each in by_parent.values()])
    return (*_interval(differences), len(differences)) if len(differences) else (np.nan, np.nan, np.nan, 0)


def own_choice(folder: Path, group: str) -> tuple[float, float, float, int]:
    """How far the choice of `compare` lies behind the strategy that turned out best, in average precision.

    The choice is made again inside each training part and scored on rows that chose nothing; the best is named by the
    scored rows themselves, which favors it. Median over parents with a 90% bootstrap interval, and their number.
    """
    by_parent: dict[str, list[float]] = defaultdict(list)
    for record in records(folder):
        if "choice" in record and group_of(record["parent"]) == group:
            rows = [row for row in record["models"].values() if "scores" in row]
            best = max(float(np.nanmean(row["scores"]["average_precision"])) for row in rows)
            by_parent[record["parent"]].append(best - record["choice"]["mean"])
    behind = np.array([np.mean(each) for each in by_parent.values()])
    return (*_interval(behind, np.median), len(behind)) if len(behind) else (np.nan, np.nan, np.nan, 0)


def _ahead_of_best(ap: dict[str, np.ndarray]) -> float:
    ahead = []
    for first in (0, 1):
        best = max(SINGLES, key=lambda name: np.nanmean(ap[name][first::2]))
        ahead.append(np.nanmean(ap[ENSEMBLE][1 - first :: 2]) - np.nanmean(ap[best][1 - first :: 2]))
    return float(np.mean(ahead))


def _interval(values: np.ndarray, middle: Callable[..., Any] = np.mean) -> tuple[float, float, float]:
    """Mean (or another middle) and a 90% bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = middle(values[rng.integers(0, len(values), (2000, len(values)))], axis=1)
    return float(middle(values)), *map(float, np.quantile(drawn, [0.05, 0.95]))


def records(folder: Path) -> list[dict[str, Any]]:
    """Every result, as it was written, and its piece."""
    files = sorted(folder.glob("*.json"))
    return [json.loads(path.read_text()) | {"piece": path.name.split(".")[-2]} for path in files]
