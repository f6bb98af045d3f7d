"""Several labels per row: is the default choice good, are its probabilities right, how fast is it, do guarantees hold?

    python -m benchmarks.labels yeast [--data FOLDER] [--seeds 5] [--by compare|fit]
    python -m benchmarks.labels speed
    python -m benchmarks.labels guarantees [--draws 1000]

`yeast`: two thirds of yeast_multilabel (2,417 rows, 14 labels) train, one third scores; macro average precision of
what `compare` recommends with its default set (or of `fit` with no option set), of a random forest for each label, and
of a network with 14 sigmoids trained by plain `fit` with early stopping; log loss and mean probability of every
strategy, out of fold. `speed`: 14 labels, 20,000 rows, 100 columns, the default set on three folds against a loop of
`fit` over the same trainings. `guarantees`: at score level, recall at least 0.9 with confidence 0.95 for one label, and
for 14 labels together; how often they hold.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
from scipy.stats import binom, t
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score

import counterpoise as cp
from counterpoise.decide.guarantee import guarantee_recall

Array = np.ndarray
LABELS = [f"Class{number}" for number in range(1, 15)]
FLOOR, CONFIDENCE = 0.9, 0.95


def macro_ap(y: Array, scores: Array) -> float:
    return float(np.mean([average_precision_score(y[:, j], scores[:, j]) for j in range(y.shape[1])]))


def forests(x: Array, y: Array, fresh: Array, seed: int) -> Array:
    """One random forest for each label."""
    each = [RandomForestClassifier(300, random_state=seed, n_jobs=-1).fit(x, y[:, j]) for j in range(y.shape[1])]
    return np.stack([model.predict_proba(fresh)[:, 1] for model in each], axis=1)


def by_fit(x: Array, y: Array, fresh: Array, seed: int) -> Array:
    """A network with a sigmoid for each label, trained by `fit`."""
    keras.utils.set_random_seed(seed)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    layers = [
        keras.layers.Dense(128, "relu"),
        keras.layers.Dense(64, "relu"),
        keras.layers.Dense(y.shape[1], "sigmoid"),
    ]
    model = keras.Sequential([keras.Input((x.shape[1],)), *layers])
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    model.fit(
        (x - mean) / spread, y, validation_split=0.2, epochs=100, batch_size=64, callbacks=[stop], verbose=0
    )  # fmt: skip
    return np.asarray(model.predict((fresh - mean) / spread, verbose=0))


def paired(differences: list[float]) -> str:
    """Mean difference with its 90% interval (t, paired)."""
    values = np.array(differences)
    half = t.ppf(0.95, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():+.4f} [{values.mean() - half:+.4f}, {values.mean() + half:+.4f}]"


def yeast(folder: Path, seeds: int, by: str) -> None:
    table = pl.read_parquet(folder / "yeast_multilabel.parquet")
    y_all = table.select(pl.col(LABELS).cast(pl.Int32)).to_numpy()
    features = [name for name in table.columns if name not in LABELS]
    table = table.with_columns(pl.col(features).cast(pl.Float64), pl.col(LABELS).cast(pl.Int32))
    x_all = table.select(features).to_numpy()
    scores: dict[str, list[float]] = {}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(table))
        train, test = order[: 2 * len(order) // 3], order[2 * len(order) // 3 :]
        comparison = None if by == "fit" else cp.compare("auto", table[train], LABELS, folds=3, seed=seed, verbose=0)
        ours = comparison.best if comparison else cp.fit(data=table[train], y=LABELS, seed=seed, verbose=0)
        outputs = {
            "counterpoise": ours.predict_proba(table[test]),
            "forests": forests(x_all[train], y_all[train], x_all[test], seed),
            "fit": by_fit(x_all[train], y_all[train], x_all[test], seed),
        }
        for name, output in outputs.items():
            scores.setdefault(name, []).append(macro_ap(y_all[test], np.asarray(output)))
        choice = comparison.verdict.winner if comparison else "fit"
        print(seed, choice, {name: round(values[-1], 4) for name, values in scores.items()}, flush=True)
        if comparison and seed == 0:
            probabilities(comparison, y_all[train])
    for rival in ("forests", "fit"):
        print(f"minus {rival}:", paired(np.subtract(scores["counterpoise"], scores[rival]).tolist()))


def probabilities(comparison: Any, y: Array) -> None:
    """Macro log loss of each strategy over that of the baseline, and labels whose mean probability is off."""
    base = next(row for row in comparison.leaderboard if row["strategy"] == "none")["scores"]["log_loss"]["mean"]
    for row in comparison.leaderboard:
        results = [result for result in comparison.fold_results if result.strategy == row["strategy"]]
        rows = np.concatenate([result.rows for result in results])
        proba = np.concatenate([result.proba for result in results])
        share, mean = y[rows].mean(axis=0), proba.mean(axis=0)
        error = np.sqrt(share * (1 - share) / len(rows))
        wrong = int(np.sum(np.abs(mean - share) > np.maximum(0.1 * share, 2 * error)))
        ratio = row["scores"]["log_loss"]["mean"] / base
        print(f"  {row['strategy']:20} log loss {ratio:.3f} of the baseline's; mean probability off for {wrong} labels")


def speed() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 100)).astype(np.float32)
    y = (rng.random((20_000, 14)) < 1 / (1 + np.exp(3 - x[:, :14]))).astype(np.int32)
    started = time.perf_counter()
    comparison = cp.compare("mlp", x, y, folds=3, epochs=10, early_stopping=False, refit=False, verbose=0)
    ours = time.perf_counter() - started
    steps = sum(row["steps"] for row in comparison.leaderboard if row["strategy"] != "threshold")
    started, taken = time.perf_counter(), 0
    while taken < steps / 4:  # a quarter of the steps, then scaled
        keras.utils.set_random_seed(taken)
        model = keras.Sequential(
            [
                keras.Input((100,)),
                keras.layers.Dense(128, "relu"),
                keras.layers.Dense(64, "relu"),
                keras.layers.Dense(14),
            ]
        )
        model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
        model.fit(x[:10_667], y[:10_667], epochs=10, batch_size=256, verbose=0)
        taken += 10 * -(-10_667 // 256)
    loop = (time.perf_counter() - started) * steps / taken
    print(f"{steps:,} steps: compare {ours:.1f} s, a loop of fit {loop:.1f} s ({loop / ours:.1f} x)")


def guarantees(draws: int) -> None:
    rng = np.random.default_rng(0)
    for labels in (1, 14):
        confidence = 1 - (1 - CONFIDENCE) / labels
        kept = 0
        for _ in range(draws):
            held = True
            for _ in range(labels):
                y = np.r_[np.ones(130, int), np.zeros(400, int)]
                scores = 1 / (1 + np.exp(-(rng.normal(size=len(y)) + 2 * y - 1)))
                threshold = guarantee_recall(scores, y, FLOOR, confidence).threshold
                fresh = 1 / (1 + np.exp(-(rng.normal(size=20_000) + 1)))
                held &= bool(np.mean(fresh >= threshold) >= FLOOR)
            kept += held
        least = int(binom.ppf(0.01, draws, CONFIDENCE))
        print(f"{labels} labels: held in {kept} of {draws} draws (at least {least} but for 1 in 100 runs)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=("yeast", "speed", "guarantees"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--by", choices=("compare", "fit"), default="compare", help="what chooses on yeast")
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args()
    if given.work == "yeast":
        yeast(given.data, given.seeds, given.by)
    elif given.work == "speed":
        speed()
    else:
        guarantees(given.draws)


if __name__ == "__main__":
    main()
