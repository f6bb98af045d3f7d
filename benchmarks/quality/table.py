"""Results to RESULTS.md: per-set table, ranks, wins and ties with intervals over parents."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.quality.entrants import ENSEMBLE, NAMED, RIVAL_GROUPS, SINGLES
from benchmarks.quality.sets import CONFIRMATORY

#: A smaller difference in average precision is a tie.
TIE = 0.01
#: metric -> whether larger is better.
METRICS = {
    "average_precision": True, "roc_auc": True, "balanced_accuracy": True, "f1": True, "log_loss": False,
    "log_loss_uncorrected": False, "ece": False,
}  # fmt: skip
#: What was tried for `tabular` before the confirmatory run, on five development sets (113 to 1,023 training rows).
TRIED = """## What was tried

For average precision and log loss of `tabular`, on five small development sets (five folds; means of both), before the
confirmatory run; what helped is in its recipe since:

- Training ended by the lowest log loss of the stopping rows: 0.50 and 0.231. That is luck with few positives. A fixed
  number of 100 steps: 0.556 and 0.222. Kept: a later round has to be better by three standard errors.
- Averaged weights lower the log loss: kept.
- The stopping rows as training rows, once the number of steps is known: +0.007 and -0.02. Kept up to 5,000 rows.
- Leaving out three inputs of ten: -0.02 of log loss, but -0.04 of average precision where every level counts
  (`car-good`). Kept at one of ten.
- Without bins of the numbers: 0.52.

For the choice of `compare`, on 72 development sets of 20 parents, each fold chosen for by the other four: taking the
simplest of what is not shown worse lies 0.010 behind the best (median over parents) and gains 0.077 over the untouched
network (mean); the best mean 0.003 and 0.085, but costs one parent 0.026; the simplest that is not behind with a
probability of 2/3: 0.009, 0.082 and 0.006. Kept: the last.
""".splitlines()
Parents = dict[str, dict[str, dict[str, float]]]


def load(folder: Path) -> Parents:
    """set -> entrant -> metric -> mean over folds; ours are named "network strategy"."""
    found: Parents = defaultdict(dict)
    for record in _records(folder):
        for name, row in record["entrants"].items():
            if "scores" in row and "choice" not in record:  # whose entrants other pieces measure with more repeats
                label = name if name.startswith("external:") else f"{record['network']} {name}"
                found[record["set"]][label] = {m: float(np.nanmean(v)) for m, v in row["scores"].items()}
    return found


def by_parent(folder: Path) -> Parents:
    """parent -> entrant -> metric: the mean over its sets, of entrants that finished all of them.

    Once rivals have raced on some sets, those on which they have not yet are left out.
    """
    parents = {record["set"]: record["parent"] for record in _records(folder)}
    groups: dict[str, list[dict[str, dict[str, float]]]] = defaultdict(list)
    found = load(folder)
    raced = {name for name, entrants in found.items() if any(label.startswith("external:") for label in entrants)}
    for name in raced or found:
        groups[parents[name]].append(found[name])
    return {
        parent: {
            label: {m: float(np.mean([one[label][m] for one in many])) for m in METRICS}
            for label in sorted(set.intersection(*(set(one) for one in many)))
        }
        for parent, many in sorted(groups.items())
    }


def ranks(parents: Parents, metric: str) -> dict[str, float]:
    """Mean rank of each entrant over the parents on which all of them finished; 1 is best."""
    names = sorted(set.intersection(*(set(entrants) for entrants in parents.values())))
    sign = -1.0 if METRICS[metric] else 1.0
    table = np.array([rankdata([sign * parents[p][n][metric] for n in names]) for p in parents])
    return dict(sorted(zip(names, table.mean(axis=0).tolist(), strict=True), key=lambda pair: pair[1]))


def wins(parents: Parents, ours: str, rivals: Sequence[str]) -> tuple[float, float, float, int]:
    """Wins plus half the ties in average precision over parents, with a 90 % bootstrap interval, and their number.

    Of several rivals the best on each parent counts; one that failed there is no rival on it.
    """
    both = [p for p in parents.values() if ours in p and any(rival in p for rival in rivals)]
    ap = [(p[ours]["average_precision"], max(p[r]["average_precision"] for r in rivals if r in p)) for p in both]
    ahead = np.array([mine - best for mine, best in ap])
    points = np.where(np.abs(ahead) < TIE, 0.5, (ahead > 0).astype(float))
    return *_interval(points), len(points)


def against_singles(folder: Path, confirmed: bool) -> tuple[float, float, float, int]:
    """Mean difference in average precision to the best single plan, chosen on half of the folds, over parents.

    Folds are halved both ways: the best of `SINGLES` by the even folds is scored on the odd ones, and the reverse.
    """
    by_parent: dict[str, list[float]] = defaultdict(list)
    for record in _records(folder):
        rows = {f"{record['network']} {name}": row for name, row in record["entrants"].items() if "scores" in row}
        if {ENSEMBLE, *SINGLES} <= set(rows) and (record["parent"] in CONFIRMATORY) == confirmed:
            ap = {name: np.array(rows[name]["scores"]["average_precision"]) for name in (ENSEMBLE, *SINGLES)}
            by_parent[record["parent"]].append(_ahead_of_best(ap))
    differences = np.array([np.mean(each) for each in by_parent.values()])
    return (*_interval(differences), len(differences)) if len(differences) else (np.nan, np.nan, np.nan, 0)


def own_choice(folder: Path, confirmed: bool) -> tuple[float, float, float, int]:
    """How far the choice of `compare` lies behind the strategy that turned out best, in average precision.

    The choice is made anew inside each training part and scored on rows that chose nothing; the best is named by the
    scored rows themselves, which favours it. Median over parents with a 90 % bootstrap interval, and their number.
    """
    by_parent: dict[str, list[float]] = defaultdict(list)
    for record in _records(folder):
        if "choice" in record and (record["parent"] in CONFIRMATORY) == confirmed:
            rows = [row for row in record["entrants"].values() if "scores" in row]
            best = max(float(np.nanmean(row["scores"]["average_precision"])) for row in rows)
            by_parent[record["parent"]].append(best - record["choice"]["mean"])
    behind = np.array([np.mean(each) for each in by_parent.values()])
    return (*_interval(behind, np.median), len(behind)) if len(behind) else (np.nan, np.nan, np.nan, 0)


def _ahead_of_best(ap: dict[str, np.ndarray]) -> float:
    found = []
    for first in (0, 1):
        best = max(SINGLES, key=lambda name: np.nanmean(ap[name][first::2]))
        found.append(np.nanmean(ap[ENSEMBLE][1 - first :: 2]) - np.nanmean(ap[best][1 - first :: 2]))
    return float(np.mean(found))


def _interval(values: np.ndarray, middle: Callable[..., Any] = np.mean) -> tuple[float, float, float]:
    """Mean (or another middle) and a 90 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = middle(values[rng.integers(0, len(values), (2000, len(values)))], axis=1)
    return float(middle(values)), *map(float, np.quantile(drawn, [0.05, 0.95]))


def write_report(folder: Path, target: Path) -> None:
    """Write the page and its picture: development and confirmatory parents apart."""
    parents = by_parent(folder)
    if not parents:
        print(f"there are no results in {folder} yet; start with: python -m benchmarks.quality run")
        return
    text = ["# Quality beside trees and forests", "", *_how(folder)]
    for title, confirmed in (("Confirmatory parents", True), ("Development parents", False)):
        chosen = {p: e for p, e in parents.items() if (p in CONFIRMATORY) == confirmed}
        of_all = f" of {len(CONFIRMATORY)}" if confirmed else ""
        text += [f"## {title} ({len(chosen)}{of_all})", ""]
        if not chosen:
            text += ["Not raced with the rivals yet: nothing is claimed.", "", *_chosen(own_choice(folder, confirmed))]
            continue
        picture = target.with_name(f"ranks-{'confirmatory' if confirmed else 'development'}.svg")
        draw_ranks(ranks(chosen, "average_precision"), len(chosen), picture)
        text += [f"![Mean ranks in average precision]({picture.name})", "", *_part(chosen)]
        text += _singles(against_singles(folder, confirmed)) + _chosen(own_choice(folder, confirmed))
    text += [*TRIED, "", "## Average precision, set by set", "", *_sets(load(folder)), ""]
    target.write_text("\n".join(text))
    print(f"wrote {target}")


def _how(folder: Path) -> list[str]:
    """The command, the machine and how much there is."""
    records = _records(folder)
    machines = sorted({record["machine"] for record in records})
    seconds = sum(record["seconds"] for record in records)
    raced = {record["set"] for record in records if any(name.startswith("external:") for name in record["entrants"])}
    large = {record["set"] for record in records if "hold_outs" in record}
    return [
        "Made by `python -m benchmarks.quality run`, `run --confirm` and `report`; five stratified folds, twice where",
        "fewer than 100 positives are scored, and two splits of 60, 20 and 20 % of a table above 50,000 rows.",
        f"{len(raced)} sets with rivals ({len(large)} of them large), {len({record['set'] for record in records})} for "
        f"the choice of `compare`; {seconds / 3600:.1f} hours of work, mostly two sets at a time on two cores, on: "
        f"{'; '.join(machines)}.",
        "",
    ]


def draw_ranks(mean: dict[str, float], parents: int, target: Path) -> None:
    """Mean ranks as dots; ranks nearer than the critical difference (Nemenyi, 5 %) to the best are filled."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "ranks"
    from matplotlib import pyplot as plt
    from scipy.stats import studentized_range

    k = len(mean)
    gap = studentized_range.ppf(0.95, k, np.inf) * np.sqrt(k * (k + 1) / (12 * parents))
    names, values = list(mean), np.array(list(mean.values()))
    figure, ax = plt.subplots(figsize=(7, 0.28 * k + 1))
    near = values <= values.min() + gap
    ax.scatter(values, range(k), c=["#1f6feb" if n else "white" for n in near], edgecolors="#1f6feb", zorder=2)
    ax.axvspan(values.min(), values.min() + gap, color="#1f6feb", alpha=0.1)
    ax.set_yticks(range(k), names, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel(f"mean rank over {parents} parents\nshaded: within the critical difference of the best")
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def _part(parents: Parents) -> list[str]:
    every = {m: ranks(parents, m) for m in METRICS}
    lines = ["| mean rank | " + " | ".join(METRICS) + " |", "|---|" + "---|" * len(METRICS)]
    lines += [
        f"| {n} | " + " | ".join(f"{every[m][n]:.2f}" for m in METRICS) + " |" for n in every["average_precision"]
    ]
    rivals = sorted({n for entrants in parents.values() for n in entrants if n.startswith("external:")})
    lines += _alone(parents, rivals) if NAMED in every["average_precision"] else []
    lines += ["", f"Wins plus half the ties (|difference| < {TIE}) of `{NAMED}`, 90 % interval over parents:", ""]
    groups = {name: group for name, group in RIVAL_GROUPS.items() if set(group) & set(rivals)}
    if NAMED in every["average_precision"]:
        for name, group in {**groups, **{rival: (rival,) for rival in rivals}}.items():
            point, low, high, n = wins(parents, NAMED, group)
            word = "" if point >= 0.6 and low > 0.5 else " (not shown)"
            lines.append(f"- {name}: {point:.0%} [{low:.0%}, {high:.0%}] of {n}{word}")
    return [*lines, ""]


def _alone(parents: Parents, rivals: Sequence[str]) -> list[str]:
    """Places of the named strategy when no other of ours takes part."""
    alone = {p: {n: e for n, e in entrants.items() if n in {NAMED, *rivals}} for p, entrants in parents.items()}
    said = []
    for metric in METRICS:
        mean = ranks(alone, metric)
        said.append(f"{metric} {list(mean).index(NAMED) + 1} of {len(mean)} ({mean[NAMED]:.2f})")
    return ["", f"`{NAMED}` against peers only, place by mean rank (the rank): " + ", ".join(said) + "."]


def _singles(found: tuple[float, float, float, int]) -> list[str]:
    lead = f"`{ENSEMBLE}` against the best of its three single plans (chosen on one half of the folds): "
    return _told(lead, found, "+", "mean")


def _chosen(found: tuple[float, float, float, int]) -> list[str]:
    lead = "`compare` on `mlp`, choosing on inner rows alone, lies behind the best of its strategies by "
    return _told(lead, found, "", "median")


def _told(lead: str, found: tuple[float, float, float, int], sign: str, kind: str) -> list[str]:
    """A sentence with a middle of average precision over parents and its interval; nothing where there are none."""
    middle, low, high, n = found
    if not n:
        return []
    return [
        f"{lead}{middle:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}] in average precision ({kind} over {n} parents).",
        "",
    ]


def _records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _sets(found: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    names: list[Any] = sorted({n for entrants in found.values() for n in entrants})
    lines = ["| set | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for name, entrants in found.items():
        cells = [f"{entrants[n]['average_precision']:.3f}" if n in entrants else "-" for n in names]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
