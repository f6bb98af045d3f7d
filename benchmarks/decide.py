"""What each step of the rule does to probabilities, on every two-class set of a folder.

    python -m benchmarks.decide [--data FOLDER] [--folds 3] [--epochs 30] [--rows 40000] [--store FILE] [--report]

Per treated strategy: how far skill lies below that of the baseline (median over the sets, and the worst set that
has 100 positives or more), calibration slope and mean probability over observed share (medians), on how many sets the
mean is within 10% or 2 standard errors of the share, and the change of average precision against the rule with an
intercept only (mean). Steps: raw output; training shift removed; residual intercept added; the rule as it ships; every
kind of calibrator allowed. A rule is fitted on the other folds, so no row enters the rule that it is judged by.

With `--store` each set's numbers are kept when it is done; a second run goes on with the sets that are missing, and
`--report` only shows the numbers that are there.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.examples import Examples
from counterpoise.data.given_split import Split
from counterpoise.data.read import read
from counterpoise.decide.pooling import pool
from counterpoise.decide.rule import apply_rule_to_log_p, fit_rule_from_log_p
from counterpoise.metrics.calibration_scores import calibration_slope
from counterpoise.metrics.scores import average_precision, skill
from counterpoise.networks.network import Network
from counterpoise.pipeline.order import cross_validate
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.resolve import resolved
from counterpoise.strategies.select import Strategy, select

Array = np.ndarray
TREATED = ("class_weight", "oversample", "undersample", "resampling_ensemble")
STEPS = ("raw", "shift removed", "+ intercept", "as shipped", "+ any calibrator")
#: From this many positives on, every single set counts and not only the median.
MANY = 100
Scores = dict[str, dict[str, dict[str, float]]]


def sets(folder: Path) -> list[dict[str, Any]]:
    """Entries of the folder's manifest that hold two classes of rows of numbers, or of pictures."""
    entries = json.loads((folder / "manifest.json").read_text())["datasets"]
    return [entry for entry in entries if entry["task"].startswith(("binary", "image binary"))]


def load(folder: Path, entry: dict[str, Any], rows: int) -> tuple[Examples, str]:
    """At most `rows` rows of a set, and the network for them."""
    source = folder / entry["file"]
    if source.suffix == ".npz":
        stored = np.load(source, allow_pickle=False)
        labels = (stored["labels"].astype(str) == entry["positive"]).astype(int)
        return read(stored["images"][..., None], y=labels), "cnn"
    drop = [*entry.get("drop", ()), *entry.get("leak", ())]
    table: Any = source
    if entry["rows"] > rows:
        table = (pl.read_parquet if source.suffix == ".parquet" else pl.read_csv)(source)
        table = table.sample(rows, seed=0, shuffle=True)
    return read(table, target=entry["target"], positive=entry["positive"], drop=drop), "mlp"


def probabilities(examples: Examples, strategy: Strategy, results: list, log_p: Array) -> dict[str, Array]:
    """Step -> probabilities (N, 2) of every row, by a rule fitted on the other folds."""
    out = {step: np.full((len(examples), 2), np.nan) for step in STEPS}
    for result in results:
        rest = np.concatenate([c.rows for c in results if c.fold != result.fold])
        parts, y = list(log_p[:, rest]), examples.y[rest]
        test, shifts = list(log_p[:, result.rows]), result.rule.log_shifts
        out["raw"][result.rows] = result.raw
        out["shift removed"][result.rows] = np.exp(pool(test, strategy.pooling[0], None))
        out["as shipped"][result.rows] = result.proba
        for step, kind in (("+ intercept", None), ("+ any calibrator", "auto")):
            rule = fit_rule_from_log_p(parts, y, list(shifts), aim=strategy.aim, calibrate=kind)
            out[step][result.rows] = apply_rule_to_log_p(rule, test).proba
    return out


def scored(y: Array, p: Array, results: list) -> dict[str, float]:
    """Skill, slope, mean over share, the same difference in standard errors, average precision (mean of the folds)."""
    mean, error = p[:, 1].mean(), np.sqrt(np.sum(p[:, 1] * p[:, 0])) / len(y)
    return {
        "skill": skill(y, p),
        "slope": calibration_slope(y, p),
        "ratio": mean / y.mean(),
        "errors": abs(mean - y.mean()) / error,
        "ap": float(np.mean([average_precision(y[c.rows], p[c.rows]) for c in results])),
    }


def measured(examples: Examples, model: str, folds: int, epochs: int) -> Scores:
    """strategy -> step -> scores."""
    trainer = Trainer.of(examples, Network(model, examples), Settings(epochs=epochs))
    strategies = [resolved(s, trainer.models) for s in select("default")]
    outcome = cross_validate(trainer, strategies, Split(folds=folds).of(examples))
    scores: Scores = {}
    for strategy in strategies:
        results = [c for c in outcome.fold_results if c.strategy == strategy.name]
        steps = probabilities(examples, strategy, results, outcome.log_p[strategy.name][0])
        scores[strategy.name] = {step: scored(examples.y, p, results) for step, p in steps.items()}
    return scores


def every_set(
    folder: Path, store: Path | None, rows: int, folds: int, epochs: int, report: bool = False
) -> dict[str, dict[str, Any]]:
    """name -> positives and scores, of all sets; those that the store holds are not measured again."""
    key = f"{rows} rows, {folds} folds, {epochs} epochs"
    kept = json.loads(store.read_text()) if store is not None and store.exists() else {}
    done = kept.setdefault(key, {})
    for entry in [] if report else sets(folder):
        if entry["name"] in done:
            continue
        started = time.perf_counter()
        examples, model = load(folder, entry, rows)
        scores = measured(examples, model, folds, epochs)
        done[entry["name"]] = {"rows": len(examples), "positives": int(examples.counts[1]), "scores": scores}
        if store is not None:
            store.write_text(json.dumps(kept, indent=1))
        print(f"{entry['name']}: {len(examples):,} rows, {time.perf_counter() - started:.0f} s", flush=True)
    return done


def show(done: dict[str, dict[str, Any]]) -> None:
    print(f"\n{len(done)} sets, {sum(s['positives'] >= MANY for s in done.values())} with {MANY} positives or more")
    print(
        f"{'strategy':20} {'step':17} {'skill lost':>10} {'worst':>6} {'slope':>6} {'mean/share':>10} "
        f"{'right':>6} {'AP':>8}"
    )
    for strategy in TREATED:
        for step in STEPS:
            print(f"{strategy:20} {step:17} {line(done, strategy, step)}")


def line(done: dict[str, dict[str, Any]], strategy: str, step: str) -> str:
    each = [(s["positives"], s["scores"]["none"]["raw"], s["scores"][strategy]) for s in done.values()]
    lost = [none["skill"] - ours[step]["skill"] for _, none, ours in each]
    worst = max(gap for gap, (positives, *_) in zip(lost, each, strict=True) if positives >= MANY)
    slope, ratio = (np.median([ours[step][key] for *_, ours in each]) for key in ("slope", "ratio"))
    right = sum(abs(ours[step]["ratio"] - 1) <= 0.1 or ours[step]["errors"] <= 2 for *_, ours in each)
    ap = np.mean([ours[step]["ap"] - ours["+ intercept"]["ap"] for *_, ours in each])
    return f"{np.median(lost):10.3f} {worst:6.3f} {slope:6.2f} {ratio:10.3f} {right:3}/{len(each):<2} {ap:+8.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--report", action="store_true", help="measure nothing: show what --store holds")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"decide: there is no folder {given.data}; give one with --data.")
        return
    done = every_set(given.data, given.store, given.rows, given.folds, given.epochs, given.report)
    if not done:
        print(f"decide: the store {given.store} holds no set for these options; run without --report.")
        return
    show(done)


if __name__ == "__main__":
    main()
