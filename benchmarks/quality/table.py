"""Results to RESULTS.md: per-set table, ranks, wins and ties with intervals over parents."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.quality.entrants import NAMED
from benchmarks.quality.sets import CONFIRMATORY

#: A smaller difference in average precision is a tie.
TIE = 0.01
#: metric -> whether larger is better.
METRICS = {"average_precision": True, "roc_auc": True, "balanced_accuracy": True, "f1": True, "log_loss": False}


def load(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """set -> entrant -> metric -> mean over folds; ours are named "network strategy"."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        for name, row in record["entrants"].items():
            if "scores" in row:
                label = name if name.startswith("external:") else f"{record['network']} {name}"
                found[record["set"]][label] = {m: float(np.nanmean(v)) for m, v in row["scores"].items()}
    return found


def by_parent(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """parent -> entrant -> metric: the mean over its sets, of entrants that finished all of them."""
    parents = {json.loads(p.read_text())["set"]: json.loads(p.read_text())["parent"] for p in folder.glob("*.json")}
    groups: dict[str, list[dict[str, dict[str, float]]]] = defaultdict(list)
    for name, entrants in load(folder).items():
        groups[parents[name]].append(entrants)
    return {
        parent: {
            label: {m: float(np.mean([one[label][m] for one in many])) for m in METRICS}
            for label in sorted(set.intersection(*(set(one) for one in many)))
        }
        for parent, many in sorted(groups.items())
    }


def ranks(parents: dict[str, dict[str, dict[str, float]]], metric: str) -> dict[str, float]:
    """Mean rank of each entrant over the parents on which all of them finished; 1 is best."""
    names = sorted(set.intersection(*(set(entrants) for entrants in parents.values())))
    sign = -1.0 if METRICS[metric] else 1.0
    table = np.array([rankdata([sign * parents[p][n][metric] for n in names]) for p in parents])
    return dict(sorted(zip(names, table.mean(axis=0).tolist(), strict=True), key=lambda pair: pair[1]))


def wins(parents: dict[str, dict[str, dict[str, float]]], ours: str, rival: str) -> tuple[float, float, float]:
    """Wins plus half the ties in average precision over parents, with a 90 % bootstrap interval."""
    both = [p for p in parents.values() if ours in p and rival in p]
    ahead = np.array([p[ours]["average_precision"] - p[rival]["average_precision"] for p in both])
    points = np.where(np.abs(ahead) < TIE, 0.5, (ahead > 0).astype(float))
    rng = np.random.default_rng(0)
    drawn = points[rng.integers(0, len(points), (2000, len(points)))].mean(axis=1)
    return float(points.mean()), *map(float, np.quantile(drawn, [0.05, 0.95]))


def write_report(folder: Path, target: Path) -> None:
    """Write the page: development and confirmatory parents apart."""
    parents = by_parent(folder)
    if not parents:
        print(f"there are no results in {folder} yet; start with: python -m benchmarks.quality run")
        return
    text = ["# Quality beside trees and forests", "", "Made by `python -m benchmarks.quality report`.", ""]
    confirmed = {p: e for p, e in parents.items() if p in CONFIRMATORY}
    developed = {p: e for p, e in parents.items() if p not in CONFIRMATORY}
    for title, chosen in (("Confirmatory parents", confirmed), ("Development parents", developed)):
        text += [f"## {title} ({len(chosen)})", ""]
        text += _part(chosen) if chosen else ["Not run yet: nothing is claimed.", ""]
    text += ["## Average precision, set by set", "", *_sets(load(folder)), ""]
    target.write_text("\n".join(text))
    print(f"wrote {target}")


def _part(parents: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    every = {m: ranks(parents, m) for m in METRICS}
    lines = ["| mean rank | " + " | ".join(METRICS) + " |", "|---|" + "---|" * len(METRICS)]
    lines += [
        f"| {n} | " + " | ".join(f"{every[m][n]:.2f}" for m in METRICS) + " |" for n in every["average_precision"]
    ]
    rivals = [n for n in every["average_precision"] if n.startswith("external:")]
    lines += ["", f"Wins plus half the ties (|difference| < {TIE}) of `{NAMED}`, 90 % interval over parents:", ""]
    if NAMED in every["average_precision"]:
        for rival in rivals:
            point, low, high = wins(parents, NAMED, rival)
            word = "" if point >= 0.6 and low > 0.5 else " (not shown)"
            lines.append(f"- {rival}: {point:.0%} [{low:.0%}, {high:.0%}]{word}")
    return [*lines, ""]


def _sets(found: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    names: list[Any] = sorted({n for entrants in found.values() for n in entrants})
    lines = ["| set | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for name, entrants in found.items():
        cells = [f"{entrants[n]['average_precision']:.3f}" if n in entrants else "-" for n in names]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
