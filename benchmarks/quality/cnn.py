"""The built-in `cnn` beside the one of 0.1.0 and beside a ResNet-18 that is trained by plain `fit`.

    python -m benchmarks.quality.cnn [--sets ...] [--models "cnn,cnn of 0.1.0,ResNet-18"] [--seeds 5] [--minutes 60]

The test rows are those of `benchmarks.quality.image_sets`; of the chest X-rays the validation rows of the authors end
every training and choose every threshold, of the other sets a fifth of the training rows (whole smears, or groups of
nearly equal tiles), the same for all models at a seed.

- `cnn`, `cnn of 0.1.0`: `cp.fit(network, ...)` with the strategy "none" and the settings that each comes with.
- `ResNet-18`: that of He et al. (2016), Adam(1e-3), batches of 128, at most `EPOCHS` passes, early stopping on the
  validation loss.
- `ResNet-18 at full size`: the same as MedMNIST has it for small pictures (a first convolution of 3 x 3 without stride,
  no pooling before the blocks): 15 times the work, only if it is asked for with --models.

Scores: ROC AUC (the mean over classes), accuracy at the threshold that is best on the validation rows (two classes) or
of the most probable class, balanced accuracy (at the prior of even classes), and log loss. Differences have 90%
intervals of a paired bootstrap over test rows (whole smears, or groups of tiles) and seeds together.

Probabilities are kept in build/cnn, so that a run that was cut short goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from benchmarks._turns import machine
from benchmarks.quality.image_sets import SETS, Images

Array = np.ndarray
EPOCHS, PATIENCE, BATCH, DRAWS = 30, 5, 128, 1000
KEPT = Path("build/cnn")
SCORES = ("ROC AUC", "accuracy", "balanced accuracy", "log loss")


class Rows(NamedTuple):
    """Pictures (N, height, width, channels) and codes of the training, validation and test rows; test groups."""

    train: tuple[Array, Array]
    validation: tuple[Array, Array]
    test: tuple[Array, Array]
    units: Array
    classes: list[str]


def rows_of(name: str, folder: Path, seed: int) -> Rows:
    data = SETS[name](folder)
    x = data.x[..., None] if data.x.ndim == 3 else data.x
    if name == "pneumonia_mnist_imb":
        with np.load(folder / f"{name}.npz") as z:
            held = z["split"] == "val"
            held_rows = z["images"][held][..., None], 1 - z["labels"][held].astype(int)
        train = np.flatnonzero(~data.test)
    else:
        held, train = _held(data, seed), np.flatnonzero(~data.test)
        held_rows, train = (x[train[held]], data.y[train[held]]), train[~held]
    test = np.flatnonzero(data.test)
    units = np.arange(len(test)) if data.groups is None else np.unique(data.groups[test], return_inverse=True)[1]
    return Rows((x[train], data.y[train]), held_rows, (x[test], data.y[test]), units, data.classes)


def _held(data: Images, seed: int) -> Array:
    """A fifth of the training rows, in whole groups."""
    from sklearn.model_selection import StratifiedGroupKFold

    import counterpoise as cp

    x, y = data.x[~data.test], data.y[~data.test]
    groups = cp.diagnosis.near_duplicates(x) if data.groups is None else data.groups[~data.test]
    held = next(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(y, y, groups))[1]
    return np.isin(np.arange(len(y)), held)


# Models ------------------------------------------------------------------------------------------------------------

Probabilities = tuple[Array, Array]


def of_counterpoise(model: Any, rows: Rows, seed: int) -> Probabilities:
    import counterpoise as cp

    names = np.array(rows.classes)
    x, y = rows.train
    held = rows.validation[0], names[rows.validation[1]]
    clf = cp.fit(model, x, names[y], validation=held, seed=seed, verbose=0)
    order = [clf.classes_.tolist().index(name) for name in names]
    return clf.predict_proba(held[0])[:, order], clf.predict_proba(rows.test[0])[:, order]


def cnn_before() -> Any:
    """The network `cnn` of 0.1.0."""
    from counterpoise.networks.built_in import BuiltIn

    def cnn(spec: Any, units: int) -> keras.Model:
        layers = keras.layers
        inputs = spec.inputs()
        h = layers.Rescaling(2.0 / spec.peak, offset=-1.0)(inputs)
        for width in (16, 32, 64, 64, 64, 64, 64):
            h = layers.Conv2D(width, 3, padding="same", use_bias=False)(h)
            last = min(h.shape[1:3]) <= 7
            h = h if last else layers.MaxPooling2D(2)(h)
            h = layers.ReLU()(layers.GroupNormalization(8)(h))
            if last:
                break
        h = layers.Dropout(0.3)(layers.Flatten()(h))
        h = layers.Dense(64, activation="relu")(h)
        return keras.Model(inputs, layers.Dense(units, name="logits")(h), name="cnn")

    return BuiltIn(cnn)


def resnet18(shape: tuple[int, ...], n_classes: int, full: bool) -> keras.Model:
    layers = keras.layers

    def normalized(h: Any, width: int, side: int, stride: int) -> Any:
        return layers.BatchNormalization()(
            layers.Conv2D(width, side, strides=stride, padding="same", use_bias=False)(h)
        )

    inputs = keras.Input(shape)
    h = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    h = layers.ReLU()(normalized(h, 64, 3, 1) if full else normalized(h, 64, 7, 2))
    h = h if full else layers.MaxPooling2D(3, strides=2, padding="same")(h)
    for width in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if width > 64 and block == 0 else 1
            short = h if h.shape[-1] == width and stride == 1 else normalized(h, width, 1, stride)
            h = normalized(layers.ReLU()(normalized(h, width, 3, stride)), width, 3, 1)
            h = layers.ReLU()(layers.Add()([h, short]))
    return keras.Model(inputs, layers.Dense(n_classes)(layers.GlobalAveragePooling2D()(h)))


def by_fit(rows: Rows, seed: int, full: bool = False) -> Probabilities:
    keras.utils.set_random_seed(seed)
    model = resnet18(rows.train[0].shape[1:], len(rows.classes), full)
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    model.fit(
        *rows.train, validation_data=rows.validation, epochs=EPOCHS, batch_size=BATCH, callbacks=[stop], verbose=0
    )
    held, test = (keras.ops.softmax(model.predict(x, verbose=0)) for x in (rows.validation[0], rows.test[0]))
    return np.asarray(held), np.asarray(test)


MODELS: dict[str, Callable[[Rows, int], Probabilities]] = {
    "cnn": lambda rows, seed: of_counterpoise("cnn", rows, seed),
    "cnn of 0.1.0": lambda rows, seed: of_counterpoise(cnn_before(), rows, seed),
    "ResNet-18": by_fit,
    "ResNet-18 at full size": lambda rows, seed: by_fit(rows, seed, full=True),
}


def kept(name: str, who: str, folder: Path, seed: int, end: float) -> Probabilities | None:
    """Probabilities from the folder, or measured now; None: the time is over."""
    file = KEPT / f"{name}-{who.replace(' ', '-')}-{seed}.npz"
    if not file.exists():
        if time.monotonic() > end:
            return None
        start, processor = time.perf_counter(), time.process_time()
        held, test = MODELS[who](rows_of(name, folder, seed), seed)
        KEPT.mkdir(parents=True, exist_ok=True)
        spent = time.process_time() - processor
        np.savez_compressed(file, held=held, test=test, seconds=spent)
        print(f"{name}, {who}, seed {seed}: {time.perf_counter() - start:.0f} s, {spent:.0f} of a core", flush=True)
    with np.load(file) as z:
        return z["held"], z["test"]


# Scores ------------------------------------------------------------------------------------------------------------


def decided(rows: Rows, held: Array, test: Array) -> tuple[Array, Array]:
    """Class codes for accuracy and for balanced accuracy."""
    prior = np.bincount(rows.train[1], minlength=len(rows.classes)) / len(rows.train[1])
    if len(rows.classes) > 2:
        return test.argmax(axis=1), (test / prior).argmax(axis=1)
    y, p = rows.validation[1], held[:, 1]
    ends = np.unique(p)
    cuts = np.concatenate([[-np.inf], (ends[1:] + ends[:-1]) / 2, [np.inf]])
    right = np.array([(p > cut) == y for cut in cuts], float)
    recalls = np.stack([right[:, y == c].mean(axis=1) for c in (0, 1)])
    return tuple(
        (test[:, 1] > _middle_of_best(cuts, score)).astype(int) for score in (right.mean(axis=1), recalls.mean(axis=0))
    )  # type: ignore[return-value]


def _middle_of_best(cuts: Array, score: Array) -> float:
    best = np.flatnonzero(score == score.max())
    return float(cuts[best[len(best) // 2]])


def scores(rows: Rows, proba: Probabilities, weights: Array) -> Array:
    """The scores (draws, 4) with weights of the test rows (draws, T)."""
    y, (held, test) = rows.test[1], proba
    plain, even = decided(rows, held, test)
    total = weights.sum(axis=1)
    accuracy = weights @ (plain == y) / total
    recalls, areas = [], []
    for c in range(len(rows.classes)):
        mine = weights * (y == c)
        recalls.append(mine @ (even == y) / np.maximum(mine.sum(axis=1), 1e-12))
        if len(rows.classes) > 2 or c == 1:
            areas.append(_areas(test[:, c], y == c, weights))
    loss = weights @ -np.log(np.maximum(test[np.arange(len(y)), y], 1e-7)) / total
    return np.stack([np.mean(areas, axis=0), accuracy, np.mean(recalls, axis=0), loss], axis=1)


def _areas(p: Array, positive: Array, weights: Array) -> Array:
    """ROC AUC for each line of weights: positives above negatives, equal scores half."""
    _, rank = np.unique(p, return_inverse=True)
    size = rank.max() + 1
    ranks = np.zeros((len(p), size))
    ranks[np.arange(len(p)), rank] = 1.0
    ones, zeros = (weights * positive) @ ranks, (weights * ~positive) @ ranks
    below = np.cumsum(zeros, axis=1) - zeros
    return (ones * (below + zeros / 2)).sum(axis=1) / np.maximum(ones.sum(axis=1) * zeros.sum(axis=1), 1e-12)


def table(name: str, folder: Path, proba: dict[str, dict[int, Probabilities]]) -> list[str]:
    """Lines of a table of one set and of the differences, on the seeds that all models have."""
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in proba.values())))
    rows = rows_of(name, folder, 0)
    rng, count = np.random.default_rng(0), rows.units.max() + 1
    draws = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)
    weights = np.concatenate([np.ones((1, count)), draws])[:, rows.units].astype(float)
    picks = rng.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=DRAWS) / len(seeds)
    picks = np.concatenate([np.full((1, len(seeds)), 1 / len(seeds)), picks])
    means = {}
    for who, by_seed in proba.items():
        each = np.stack([scores(rows_of(name, folder, seed), by_seed[seed], weights) for seed in seeds])
        means[who] = np.einsum("ds,sdk->dk", picks, each)
    text = [
        f"### {name}",
        "",
        f"{len(rows.train[1])} training rows, {len(rows.test[1])} test rows; {len(seeds)} seeds.",
    ]
    text += ["", "| | " + " | ".join(SCORES) + " |", "|---" * 5 + "|"]
    text += [f"| {who} | " + " | ".join(f"{value:.3f}" for value in mean[0]) + " |" for who, mean in means.items()]
    text.append("")
    first, *others = means
    for who in others:
        gain = means[first] - means[who]
        gain[:, 3] *= -1
        low, high = np.quantile(gain[1:], [0.05, 0.95], axis=0)
        parts = [
            f"{s} {g:+.3f} [{lo:+.3f}, {hi:+.3f}]" for s, g, lo, hi in zip(SCORES, gain[0], low, high, strict=True)
        ]
        text.append(f"- {first} better than {who} by: " + "; ".join(parts))
    return [*text, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--models", default="cnn,cnn of 0.1.0,ResNet-18")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    print(machine(), flush=True)
    for name in given.sets.split(","):
        proba: dict[str, dict[int, Probabilities]] = {who: {} for who in given.models.split(",")}
        for seed in range(given.seeds):
            for who, by_seed in proba.items():
                made = kept(name, who, given.data, seed, end)
                if made is not None:
                    by_seed[seed] = made
        if all(proba.values()):
            print("\n".join(table(name, given.data, proba)), flush=True)


if __name__ == "__main__":
    main()
