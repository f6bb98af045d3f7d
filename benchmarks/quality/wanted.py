"""What is asked for on the confirmatory parents, and what came out."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.quality.models import ENSEMBLE, NAMED, RIVAL_GROUPS, SINGLES
from benchmarks.quality.sets import group_of
from benchmarks.quality.table import (
    Parents,
    against_rivals,
    against_singles,
    own_choice,
    ranks,
    records,
    rivals_in,
    wins,
)

#: What `tabular` on one pass may take of the time of one plain network.
MOST_TIME = 1.3


def wanted(parents: Parents, folder: Path, group: str) -> list[str]:
    """A table with a line for each number; nothing where the named strategy has met no rival."""
    named = NAMED[group]
    if not rivals_in(parents) or not all(named in models for models in parents.values()):
        return []
    alone = against_rivals(parents, named)
    limits = (("average_precision", 1), ("log_loss", 1), ("roc_auc", 2))
    lines = [_rank_line(alone, named, metric, limit) for metric, limit in limits]
    lines.append(_raw(alone, named))
    for name, rivals in RIVAL_GROUPS.items():
        point, low, high, _ = wins(parents, named, rivals)
        got = f"{point:.0%} [{low:.0%}, {high:.0%}]"
        lines.append((f"wins and half the ties against {name}", "60%, above 50%", got, point >= 0.6 and low > 0.5))
    middle, low, high, n = against_singles(folder, group)
    if n:
        got = f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"
        lines.append(
            (f"`{ENSEMBLE}` less its best plan", "-0.005, above -0.015", got, middle >= -0.005 and low >= -0.015)
        )
    if times := _times(folder, group):
        ratio = float(np.median(times))
        text = f"its training time by that of `{SINGLES[0]}`, median over parents"
        lines.append((text, f"at most {MOST_TIME} x", f"{ratio:.2f} x", ratio <= MOST_TIME))
    middle, low, high, n = own_choice(folder, group)
    if n:
        got = f"{middle:.3f} [{low:.3f}, {high:.3f}]"
        lines.append(("own choice of `compare` behind the best", "at most 0.010", got, middle <= 0.01))
    head = ["### What is asked for", "", "| | wanted | got | |", "|---|---|---|---|"]
    return [*head, *(f"| {n} | {w} | {g} | {'reached' if ok else 'not reached'} |" for n, w, g, ok in lines), ""]


Line = tuple[str, str, str, bool]


def _rank_line(alone: Parents, named: str, metric: str, limit: int) -> Line:
    """The place by mean rank; who is level with it stands before it."""
    mean = {name: round(value, 9) for name, value in ranks(alone, metric).items()}
    mine = mean.pop(named)
    before = {name: value for name, value in mean.items() if value <= mine}
    others = ", ".join(f"`{name}` {value:.2f}" for name, value in before.items())
    asked = "first" if limit == 1 else "first or second"
    got = f"{mine:.2f}, " + (f"behind or level with {others}" if before else "first")
    return f"place of `{named}` by mean rank in {metric}", asked, got, len(before) < limit


def _raw(alone: Parents, named: str) -> Line:
    mean, rival = ranks(alone, "log_loss_uncorrected"), "external:lightgbm"
    got = f"{mean[named]:.2f} and {mean[rival]:.2f}"
    return "its mean rank in raw log loss, and that of plain LightGBM", "ahead", got, mean[named] < mean[rival]


def _times(folder: Path, group: str) -> list[float]:
    """Seconds of the ensemble in one pass by those of one plain network, mean over the sets of a parent."""
    by_parent: dict[str, list[float]] = defaultdict(list)
    for record in records(folder):
        rows, name = record["models"], ENSEMBLE.split()[1]
        both = {name, "none"} <= {n for n, row in rows.items() if "seconds" in row}
        if record["network"] == "tabular" and group_of(record["parent"]) == group and both:
            by_parent[record["parent"]].append(rows[name]["seconds"] / rows["none"]["seconds"])
    return [float(np.mean(each)) for each in by_parent.values()]
