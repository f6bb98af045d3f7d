"""The question answered point by point: each plain recipe, what it costs, and the Counterpoise line beside it.

    python -m benchmarks.question [--data ../shared/data] [--repeats 5]

One table (mammography, 11,183 rows, 2.3% positive), stratified 70/30 splits, Dense 128-64-1, 20 epochs of batch 256.
Every recipe is scored on rows that no recipe touched; "its own test" is what the recipe itself would report.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
EPOCHS, BATCH = 20, 256


def rows_of(path: Path) -> tuple[Array, Array]:
    """Features, standardized for the plain recipes, and 0/1 labels."""
    import polars as pl

    frame = pl.read_csv(path / "mammography.csv")
    target = frame.columns[-1]
    x = frame.drop(target).to_numpy().astype("float32")
    y = frame[target].cast(pl.String).to_numpy()
    rare = min(np.unique(y), key=lambda label: (y == label).sum())
    return (x - x.mean(0)) / x.std(0), (y == rare).astype(int)


def network(seed: int) -> Any:
    """The model that everybody writes."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(128, "relu"), keras.layers.Dense(64, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile("adam", "binary_crossentropy")
    return model


def fitted(x: Array, y: Array, seed: int, **options: Any) -> Callable[[Array], Array]:
    """Train and return a function giving the probability of the rare class."""
    model = network(seed)
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0, **options)
    return lambda rows: model.predict(rows, batch_size=4096, verbose=0)[:, 0].astype(float)


def oversampled(x: Array, y: Array, seed: int) -> tuple[Array, Array]:
    """scikit-learn's `resample`, up to the majority's size."""
    from sklearn.utils import resample

    rare = resample(np.flatnonzero(y == 1), n_samples=int((y == 0).sum()), random_state=seed)
    rows = np.concatenate([np.flatnonzero(y == 0), rare])
    return x[rows], y[rows]


def undersampled(x: Array, y: Array, seed: int) -> tuple[Array, Array]:
    """scikit-learn's `resample` without replacement, down to the minority's size."""
    from sklearn.utils import resample

    some = resample(np.flatnonzero(y == 0), replace=False, n_samples=int(y.sum()), random_state=seed)
    rows = np.concatenate([some, np.flatnonzero(y == 1)])
    return x[rows], y[rows]


def scores(y: Array, p: Array, decision: Array | None = None) -> dict[str, float]:
    """Average precision, log loss, mean probability over share, recall and precision of the decision."""
    from sklearn.metrics import average_precision_score, log_loss

    decided = p >= 0.5 if decision is None else decision == 1
    hits = float((decided & (y == 1)).sum())
    return {
        "AP": average_precision_score(y, p),
        "log loss": log_loss(y, np.clip(p, 1e-7, 1 - 1e-7)),
        "mean p / share": p.mean() / y.mean(),
        "recall": hits / y.sum(),
        "precision": hits / max(1, decided.sum()),
    }


def leaky(x: Array, y: Array, seed: int) -> dict[str, float]:
    """Oversample first, then split: what that test set says."""
    from sklearn.model_selection import train_test_split

    a, b, c, d = train_test_split(*oversampled(x, y, seed), test_size=0.3, random_state=seed)
    return scores(d, fitted(a, c, seed)(b))


def recipes(x: Array, y: Array, tx: Array, ty: Array, seed: int) -> dict[str, dict[str, float]]:
    """Scores of each plain recipe and of the Counterpoise line beside it, on test rows that no recipe touched."""
    import counterpoise as cp

    plain = fitted(x, y, seed)(tx)
    over, under = fitted(*oversampled(x, y, seed), seed)(tx), fitted(*undersampled(x, y, seed), seed)(tx)
    share = y.mean()
    weights = {0: 0.5 / (1 - share), 1: 0.5 / share}
    weighted = fitted(x, y, seed, class_weight=weights)(tx)
    results = {
        "nothing": scores(ty, plain),
        "oversample by hand": scores(ty, over),
        "undersample by hand": scores(ty, under),
        "fit(class_weight=...)": scores(ty, weighted),
        "mean of three by hand": scores(ty, (plain + over + under) / 3),
    }
    for name in ("none", "threshold", "oversample", "undersample", "class_weight", "resampling_ensemble"):
        clf = cp.fit("mlp", x, y, strategy=name, epochs=EPOCHS, batch_size=BATCH, seed=seed, verbose=0)
        results[f'cp "{name}"'] = scores(ty, clf.predict_proba(tx)[:, 1], clf.predict(tx))
    return results


def main() -> None:
    """Print the table, means over the splits."""
    from sklearn.model_selection import train_test_split

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    x, y = rows_of(args.data)
    runs: list[dict[str, dict[str, float]]] = []
    for seed in range(args.repeats):
        a, b, c, d = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
        runs.append({"oversample, then split (its own test)": leaky(x, y, seed), **recipes(a, c, b, d, seed)})
    keys = list(next(iter(runs[0].values())))
    print("| recipe | " + " | ".join(keys) + " |\n|---|" + "---|" * len(keys))
    for name in runs[0]:
        means = [np.mean([run[name][key] for run in runs]) for key in keys]
        print(f"| {name} | " + " | ".join(f"{m:.3f}" for m in means) + " |")


if __name__ == "__main__":
    main()
