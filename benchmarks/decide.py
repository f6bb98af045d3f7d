"""The rule and the exports: what each step does to probabilities, and how fast one row is served.

    python -m benchmarks.decide [--data FOLDER] [--folds 3] [--epochs 12] [--rows 40000]

First table, per strategy over the two-class tables: how far skill lies below that of the untouched model (median and
worst table), calibration slope and mean probability over observed share (medians), and the change of average precision
against the intercept-only rule (mean). Lines: raw output; training shift removed; residual intercept added; the rule as
it ships; every kind of calibrator allowed. Rules are fitted on the other folds. Second: seconds per row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import counterpoise as cp
from counterpoise.core.records import Examples
from counterpoise.data.read import read
from counterpoise.decide.pooling import pool
from counterpoise.decide.rule import apply_rule_to_log_p, fit_rule_from_log_p
from counterpoise.jobs import Settings
from counterpoise.metrics.scores import average_precision, calibration_slope, skill
from counterpoise.pipeline import cross_validate
from counterpoise.strategies import Strategy, select
from counterpoise.train.network import Network

Array = np.ndarray
TREATED = ("class_weight", "oversample", "undersample", "resampling_ensemble")
STEPS = ("raw", "shift removed", "+ intercept", "as shipped", "+ any calibrator")


def tables(folder: Path, rows: int) -> dict[str, Examples]:
    """The two-class tables of the folder's manifest, at most `rows` rows each."""
    import polars as pl

    found = {}
    for entry in json.loads((folder / "manifest.json").read_text())["datasets"]:
        if not entry["task"].startswith("binary"):
            continue
        source = folder / entry["file"]
        if entry["rows"] > rows:
            load = pl.read_parquet if source.suffix == ".parquet" else pl.read_csv
            source = load(source).sample(rows, seed=0, shuffle=True)
        drop = [*entry.get("drop", ()), *entry.get("leak", ())]
        found[entry["name"]] = read(source, target=entry["target"], positive=entry["positive"], drop=drop)
    return found


def probabilities(examples: Examples, strategy: Strategy, cells: list, log_p: Array) -> dict[str, Array]:
    """Step -> probabilities (N, 2) of every row, by a rule fitted on the other folds."""
    out = {step: np.full((len(examples), 2), np.nan) for step in STEPS}
    for cell in cells:
        rest = np.concatenate([c.rows for c in cells if c.fold != cell.fold])
        parts, y = list(log_p[:, rest]), examples.y[rest]
        test, shifts = list(log_p[:, cell.rows]), cell.rule.log_shifts
        out["raw"][cell.rows] = cell.raw
        out["shift removed"][cell.rows] = np.exp(pool(test, strategy.vote, None))
        out["as shipped"][cell.rows] = cell.proba
        for step, kind in (("+ intercept", None), ("+ any calibrator", "auto")):
            rule = fit_rule_from_log_p(parts, y, list(shifts), aim=strategy.aim, calibrate=kind)
            out[step][cell.rows] = apply_rule_to_log_p(rule, test).proba
    return out


def measured(examples: Examples, folds: int, epochs: int) -> dict[tuple[str, str], tuple[float, ...]]:
    """(strategy, step) -> skill, slope, mean over share, average precision (mean of the folds)."""
    settings = Settings(epochs=epochs, patience=4)
    outcome = cross_validate(examples, select("seed"), Network("mlp", examples), settings, folds=folds)
    found = {}
    for strategy in select("seed"):
        cells = [c for c in outcome.cells if c.strategy == strategy.name]
        for step, p in probabilities(examples, strategy, cells, outcome.log_p[strategy.name][0]).items():
            ap = np.mean([average_precision(examples.y[c.rows], p[c.rows]) for c in cells])
            ratio = p[:, 1].mean() / examples.y.mean()
            found[strategy.name, step] = (skill(examples.y, p), calibration_slope(examples.y, p), ratio, float(ap))
    return found


def show_rules(sets: dict[str, Examples], folds: int, epochs: int) -> None:
    scores = {}
    for name, examples in sets.items():
        started = time.perf_counter()
        scores[name] = measured(examples, folds, epochs)
        print(f"{name}: {len(examples):,} rows, {time.perf_counter() - started:.0f} s", flush=True)
    print(f"\n{'strategy':20} {'step':18} {'skill lost':>10} {'worst':>7} {'slope':>6} {'mean/share':>10} {'AP':>8}")
    for strategy in TREATED:
        for step in STEPS:
            lost = [s["none", "raw"][0] - s[strategy, step][0] for s in scores.values()]
            slope = np.median([s[strategy, step][1] for s in scores.values()])
            ratio = np.median([s[strategy, step][2] for s in scores.values()])
            ap = np.mean([s[strategy, step][3] - s[strategy, "+ intercept"][3] for s in scores.values()])
            numbers = f"{np.median(lost):10.3f} {max(lost):7.3f} {slope:6.2f} {ratio:10.3f} {ap:+8.4f}"
            print(f"{strategy:20} {step:18} {numbers}")


def seconds(call: Callable[[], object], times: int, repeats: int = 5) -> float:
    """Median over repeats of the mean time of one call."""
    call()
    each = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(times):
            call()
        each.append((time.perf_counter() - started) / times)
    return float(np.median(each))


def show_speed() -> None:
    """One row through LiteRT and SavedModel (20 numeric columns), many rows through `predict_proba`."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    rng = np.random.default_rng(0)
    y = (rng.random(4000) < 0.1).astype(int)
    x = (rng.normal(size=(4000, 20)) + y[:, None]).astype("float32")
    clf = cp.fit("mlp", x, y, strategy="oversample", epochs=2, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        file = clf.export(Path(folder) / "m.tflite", format="litert")
        interpreter = Interpreter(model_path=str(file), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[:1])
        print(f"LiteRT, one row of 20 numbers: {seconds(interpreter.invoke, 2000) * 1e6:.1f} us (at most 20)")
        serve = tf.saved_model.load(str(clf.export(Path(folder) / "served"))).signatures["serve"]
        row = {f"x{j}": tf.constant(x[:1, j]) for j in range(20)}
        print(f"SavedModel, one row: {seconds(lambda: serve(**row), 200) * 1e3:.3f} ms (at most 1)")
    many = rng.normal(size=(1_000_000, 30)).astype("float32")
    wide = cp.fit("mlp", many[:3000], (many[:3000, 0] > 1.2).astype(int), epochs=1, verbose=0)
    network = wide.members
    bare = tf.function(lambda part: network({"numeric": part}, training=False), reduce_retracing=True)

    def alone() -> None:
        for start in range(0, len(many), 8192):
            bare(tf.constant(many[start : start + 8192]))

    ours, theirs = seconds(lambda: wide.predict_proba(many), 1, 3), seconds(alone, 1, 3)
    print(f"predict_proba, 1M rows x 30: {ours:.2f} s; bare model in batches {theirs:.2f} s: {theirs / ours:.2f} of it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rows", type=int, default=40_000)
    given = parser.parse_args()
    show_speed()
    if given.data.is_dir():
        show_rules(tables(given.data, given.rows), given.folds, given.epochs)
    else:
        print(f"decide: there is no folder {given.data}; give one with --data.")


if __name__ == "__main__":
    main()
