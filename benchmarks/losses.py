"""Losses and second stages on long-tailed sets: balanced accuracy and log loss of each, over seeds.

    python -m benchmarks.losses [--data FOLDER] [--seeds 5]

Digits (scikit-learn): class sizes fall exponentially by a ratio of 100, the classes in another order for each seed; the
test rows are balanced. Shuttle: the official split, 7 classes, the rarest 10 rows in 58,000. Same network, steps and
initial weights for every row of a table; no early stopping. Balanced accuracy is that of the largest raw output, except
for "post hoc", which subtracts the log of the training shares. Log loss is that of the corrected probabilities at the
training shares. Intervals are paired over seeds (t, 95%).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

import counterpoise as cp
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.core.logits import log_proba
from counterpoise.data.read import read
from counterpoise.networks.network import Network
from counterpoise.pipeline.fold_results import corrected_log_p
from counterpoise.pipeline.jobs import jobs_of
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.stages import trained_members
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.select import find
from counterpoise.targets.kinds import target_of

Array = np.ndarray
#: Strategy -> what the literature calls it.
ROWS = {
    "none": "cross-entropy",
    "class_weight": "re-weighted",
    "focal": "focal",
    "effective_number": "class-balanced",
    "class_balanced_focal": "class-balanced focal",
    "ldam_drw": "LDAM-DRW",
    "drw": "cross-entropy-DRW",
    "balanced_softmax": "balanced softmax = logit-adjusted loss (tau 1)",
    "crt": "cRT",
}
POST_HOC = "logit adjustment, post hoc"


def mlp(spec: cp.InputSpec, n_classes: int) -> keras.Model:
    """Two hidden layers; the head is the last Dense."""
    inputs = spec.inputs()
    h = keras.layers.Dense(128, activation="relu")(inputs)
    h = keras.layers.Dense(64, activation="relu")(h)
    return keras.Model(inputs, keras.layers.Dense(n_classes)(h))


def digits(seed: int) -> tuple[Examples, Array, Array]:
    """Long-tailed training rows and balanced test rows, as row numbers."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order, train, test = rng.permutation(10), [], []
    for rank, label in enumerate(order):
        rows = rng.permutation(np.flatnonzero(y == label))
        test.append(rows[:60])
        train.append(rows[60 : 60 + max(1, round(110 * 100 ** (-rank / 9)))])
    return read((x / 16).astype("float32"), y=y, table=False), np.concatenate(train), np.concatenate(test)


def shuttle(folder: Path) -> Callable[[int], tuple[Examples, Array, Array]]:
    """The official split."""
    import polars as pl

    frame = pl.read_parquet(folder / "shuttle.parquet")
    x = frame.drop("split", "class").to_numpy().astype("float32")
    is_test = (frame["split"] == "test").to_numpy()
    x = (x - x[~is_test].mean(axis=0)) / x[~is_test].std(axis=0)
    examples = read(np.arcsinh(x), y=frame["class"].to_numpy(), table=False)
    return lambda seed: (examples, np.flatnonzero(~is_test), np.flatnonzero(is_test))


def scores(examples: Examples, train: Array, test: Array, settings: Settings) -> Iterator[tuple[str, float, float]]:
    """Name, balanced accuracy and log loss of every method on one split."""
    fold = Fold(0, 0, train, train[:0], test)
    trainer = Trainer.of(examples, Network(mlp, examples), settings)
    jobs = {name: jobs_of(find(name), trainer, fold) for name in ROWS}
    trained = trainer.train([job for group in jobs.values() for job in group])
    y, shares = examples.y[test], np.bincount(examples.y[train], minlength=examples.n_classes) / len(train)
    weights = shares[y] / np.bincount(y, minlength=examples.n_classes)[y]
    for name, title in ROWS.items():
        member = trained_members(find(name), jobs[name], trained, trainer)[0]
        true = corrected_log_p(target_of("one_of"), member)
        loss = float(-np.average(np.maximum(true[np.arange(len(y)), y], -34), weights=weights))
        yield title, balanced(y, log_proba(member.logits).argmax(axis=1)), loss
        if name == "none":
            yield POST_HOC, balanced(y, (true - np.log(shares)).argmax(axis=1)), loss


def balanced(y: Array, decided: Array) -> float:
    """Mean recall over the classes."""
    return float(np.mean([np.mean(decided[y == c] == c) for c in np.unique(y)]))


def table(make: Callable[[int], tuple[Examples, Array, Array]], seeds: int, epochs: int, batch: int) -> None:
    """Print mean and paired difference to cross-entropy of each method."""
    by_title: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        settings = Settings(epochs=epochs, batch_size=batch, early_stopping=False, seed=seed, engine="fit")
        for title, accuracy, loss in scores(*make(seed), settings):
            by_title.setdefault(title, []).append((accuracy, loss))
    print(f"{'':<50} balanced accuracy   minus cross-entropy [95% CI]   log loss")
    base = np.array(by_title["cross-entropy"])
    for title, values in by_title.items():
        now = np.array(values)
        shown = interval(now[:, 0] - base[:, 0])
        print(f"{title:<50} {now[:, 0].mean():17.3f}   {shown:<26}   {now[:, 1].mean():8.3f}")


def interval(gap: Array) -> str:
    """Mean of paired differences (seeds,) with its 95% interval (t), as text."""
    half = stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.nan
    return f"{gap.mean():+.3f} [{gap.mean() - half:+.3f}, {gap.mean() + half:+.3f}]"


def yeast(folder: Path, seeds: int) -> Mapping[str, Array]:
    """Macro average precision and macro F1 at 0 of plain and weighted cross-entropy, 14 labels."""
    import polars as pl

    frame = pl.read_parquet(folder / "yeast_multilabel.parquet")
    labels = [c for c in frame.columns if c.startswith("Class")]
    x, y = frame.drop(labels).to_numpy().astype("float32"), frame.select(labels).to_numpy().astype("float32")
    by_name: dict[str, list[tuple[float, float]]] = {"plain": [], "compile_balanced": []}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(x))
        train, test = order[:1600], order[1600:]
        for name, values in by_name.items():
            keras.utils.set_random_seed(seed)
            inputs = keras.Input((x.shape[1],))
            h = keras.layers.Dense(64, activation="relu")(inputs)
            model = keras.Model(inputs, keras.layers.Dense(len(labels))(h))
            if name == "plain":
                model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
            else:
                cp.compile_balanced(model, y[train].sum(axis=0), rows=len(train))
            model.fit(x[train], y[train], epochs=20, batch_size=64, verbose=0)
            z = model.predict(x[test], verbose=0)
            macro = f1_score(y[test], z > 0, average="macro", zero_division=0)
            values.append((average_precision_score(y[test], z, average="macro"), macro))
    return {name: np.mean(values, axis=0) for name, values in by_name.items()}


def mammography(folder: Path, seeds: int) -> Mapping[str, Array]:
    """ROC AUC (seeds,) on a random third of the rows: cross-entropy, and the two forms of the AUC margin loss."""
    import polars as pl

    frame = pl.read_csv(folder / "mammography.csv")
    target = frame.columns[-1]
    x, names = frame.drop(target).to_numpy().astype("float32"), frame[target].cast(pl.String).to_numpy()
    y = (names == min(set(names), key=lambda name: np.sum(names == name))).astype("int32")
    areas: dict[str, list[float]] = {"cross-entropy": [], "AUCMargin": [], "MinimaxHead": []}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(x))
        test, train = np.split(order, [len(x) // 3])
        scaled = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
        for name, values in areas.items():
            keras.utils.set_random_seed(seed)
            inputs = keras.Input((x.shape[1],))
            model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(64, activation="relu")(inputs)))
            trained, loss = model, cp.losses.CrossEntropy() if name == "cross-entropy" else cp.losses.AUCMargin()
            if name == "MinimaxHead":
                trained = keras.Model(inputs, cp.losses.MinimaxHead()(model.output))
                loss = cp.losses.AUCMinimax(prior=float(y[train].mean()))
            trained.compile(keras.optimizers.Adam(0.002), loss)
            trained.fit(scaled[train], y[train], epochs=30, batch_size=256, verbose=0)
            values.append(roc_auc_score(y[test], model.predict(scaled[test], verbose=0)[:, 0]))
    return {name: np.array(values) for name, values in areas.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    print("digits, ratio 100, balanced test rows")
    table(digits, given.seeds, epochs=80, batch=32)
    if not given.data.is_dir():
        print(f"losses: there is no folder {given.data}; give one with --data for the other tables.")
        return
    print("\nshuttle, 7 classes, official split")
    table(shuttle(given.data), given.seeds, epochs=6, batch=256)
    print("\nyeast, 14 labels: macro average precision, macro F1 at logit 0")
    for name, (precision, f1) in yeast(given.data, given.seeds).items():
        print(f"{name:<20} {precision:.3f}  {f1:.3f}")
    print("\nmammography: ROC AUC, difference to cross-entropy [95% CI]")
    areas = mammography(given.data, given.seeds)
    for name, values in areas.items():
        gap = values - areas["cross-entropy"]
        print(f"{name:<20} {values.mean():.4f}  {interval(gap)}")


if __name__ == "__main__":
    main()
