"""Masks: made lesions, found by plain Keras `fit` of a U-Net and by `cp.fit` of the same network.

    python -m benchmarks.masks [--seeds 5] [--images 160] [--epochs 30] [--strategies A,B]

Lesions of several sizes and contrasts, about 1% of the pixels, in half of the images, between vessels and spots that
are none; patients have several images, one gain and one texture each. A fifth of the patients ends training; 400 images
of others score. Same network, optimizer, batches and epochs at most; both stop early. Plain `fit` decides at 0.5,
`cp.fit` at the threshold that it chose. On the test images, of each:

- recall of lesions and false positives per image at that threshold; recall at one false positive per image at most,
  from findings at that threshold ("own") and, so that the threshold is no part of it, at 0.1 for both ("low");
- Dice over all pixels; log loss of pixels, over that of strategy `threshold` (the baseline with a threshold that was
  tuned), and mean probability over the share.

Differences to plain `fit` are paired over seeds, each with data, split and weights of its own (t, 90%).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy import ndimage, stats
from sklearn.metrics import average_precision_score, log_loss

import counterpoise as cp
from benchmarks._turns import Numbers, measure
from counterpoise.metrics.lesions import find_lesions, lesion_recall
from counterpoise.metrics.region_scores import dice, pixel_counts, pooled
from counterpoise.networks.built_in import BUILT_IN
from counterpoise.networks.input_spec import InputSpec

Array = np.ndarray
SIDE, TEST, BATCH, RATE, LOW = 48, 400, 16, 3e-3, 0.1


class Images(NamedTuple):
    """Images with masks: uint8 (N, H, W, 1), int32 (N, H, W), and the patient of each image (N,)."""

    x: Array
    masks: Array
    patients: Array


def made_lesions(seed: int, images: int = 300, side: int = SIDE) -> Images:
    """Make images with lesions (see the module)."""
    rng = np.random.default_rng([seed, 20])
    patients = np.sort(rng.integers(0, max(2, images // 5), images))
    looks = {
        patient: (rng.uniform(0.7, 1.3), rng.uniform(2, 5), rng.uniform(0.3, 0.9)) for patient in np.unique(patients)
    }
    made = [_image(rng, side, *looks[patient]) for patient in patients]
    return Images(np.stack([x for x, _ in made])[..., None], np.stack([mask for _, mask in made]), patients)


def _image(rng: np.random.Generator, side: int, gain: float, scale: float, noise: float) -> tuple[Array, Array]:
    ground = ndimage.gaussian_filter(rng.normal(size=(side, side)), scale)
    x = 0.7 * ground / ground.std()
    for _ in range(rng.integers(1, 4)):
        x += rng.uniform(1, 3) * _vessel(rng, side)
    for _ in range(rng.integers(1, 4)):  # spots with an even inside and a sharp edge
        x += rng.uniform(1, 3) * (_distance(rng, side, rng.uniform(1.0, 4.0)) < 1)
    mask = np.zeros((side, side), np.int32)
    for _ in range(rng.integers(1, 4) if rng.random() < 0.5 else 0):  # lesions fade to their edge
        distance = _distance(rng, side, rng.choice([1.5, 2.5, 4.0, 6.0], p=[0.25, 0.25, 0.25, 0.25]))
        x += rng.uniform(2.0, 7.0) * np.clip(1.3 - distance, 0, None)
        mask |= distance < 1
    x += noise * rng.normal(size=x.shape)
    return np.clip(gain * (96 + 24 * x), 0, 255).astype(np.uint8), mask


def _distance(rng: np.random.Generator, side: int, radius: float) -> Array:
    """Distance of each pixel from the middle of an ellipse, 1 on its edge."""
    row, column = np.mgrid[:side, :side] - rng.uniform(3, side - 3, (2, 1, 1))
    angle, flat = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
    along = row * np.cos(angle) + column * np.sin(angle)
    across = column * np.cos(angle) - row * np.sin(angle)
    return np.sqrt((along / radius) ** 2 + (across / (flat * radius)) ** 2)


def _vessel(rng: np.random.Generator, side: int) -> Array:
    """A bright line of 1 to 3 pixels across the image, bent."""
    row, column = np.mgrid[:side, :side] / side
    angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
    along = (row - 0.5) * np.cos(angle) + (column - 0.5) * np.sin(angle)
    across = (
        (column - 0.5) * np.cos(angle) - (row - 0.5) * np.sin(angle) - bend * np.sin(6 * along) - rng.uniform(-0.4, 0.4)
    )
    return np.exp(-((across * side / rng.uniform(0.7, 1.5)) ** 2))


class Parts(NamedTuple):
    """Images that train (those that end the training of plain `fit` last), and images that score."""

    train: Images
    stopping: int
    test: Images


@lru_cache(maxsize=1)
def parts(seed: int, images: int) -> Parts:
    """Images of other patients score; a fifth of the patients ends the training of plain `fit`."""
    data = made_lesions(seed, images)
    order = np.random.default_rng(seed).permutation(np.unique(data.patients))
    stopping = np.isin(data.patients, order[: len(order) // 5])
    train = np.concatenate([np.flatnonzero(~stopping), np.flatnonzero(stopping)])
    return Parts(Images(*(column[train] for column in data)), int(stopping.sum()), made_lesions(1000 + seed, TEST))


def by_fit(seed: int, images: int, epochs: int) -> Numbers:
    """Plain `fit`, with early stopping on the log loss of held-out images."""
    data = parts(seed, images)
    keras.utils.set_random_seed(seed)
    model = BUILT_IN["unet"](InputSpec(data.train.x.shape[1:], peak=255.0), 2)
    model.compile(keras.optimizers.Adam(RATE), keras.losses.BinaryCrossentropy(from_logits=True))
    x, y = data.train.x.astype(np.float32), data.train.masks[..., None].astype(np.float32)
    end = len(x) - data.stopping
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    model.fit(
        x[:end], y[:end], validation_data=(x[end:], y[end:]), batch_size=BATCH, epochs=epochs, callbacks=[stop],
        verbose=0,
    )  # fmt: skip
    logits = model.predict(data.test.x.astype(np.float32), verbose=0)[..., 0].astype(np.float64)
    return scores(data.test.masks, 1 / (1 + np.exp(-logits)), 0.5)


def by_strategy(name: str, seed: int, images: int, epochs: int) -> Numbers:
    """`cp.fit` with a strategy."""
    data = parts(seed, images)
    clf = cp.fit(
        "unet", data.train.x, data.train.masks, groups=data.train.patients, strategy=name, seed=seed, epochs=epochs,
        batch_size=BATCH, optimizer=keras.optimizers.Adam(RATE), verbose=0,
    )  # fmt: skip
    proba = clf.predict_proba(data.test.x)[..., 1]
    return scores(data.test.masks, proba, float(clf.card["threshold"]["value"]))


def scores(masks: Array, proba: Array, threshold: float) -> Numbers:
    """All scores of the module's text."""
    own, low = (find_lesions(masks, proba, t) for t in (threshold, LOW))
    hits, false, missed = own.counts().sum(axis=0).tolist()
    decided = (proba >= threshold).astype(np.int32)
    y, p = masks.ravel(), proba.ravel().clip(1e-7, 1 - 1e-7)
    return {
        "recall": hits / (hits + missed), "false": false / len(masks), "recall_own": lesion_recall(own),
        "recall_low": lesion_recall(low), "dice": float(dice(pooled(pixel_counts(masks, decided, 2)))[1]),
        "ap": float(average_precision_score(y, p)), "log_loss": float(log_loss(y, p)),
        "mean": float(p.mean() / y.mean()), "threshold": threshold,
    }  # fmt: skip


def paired(differences: Array) -> str:
    """Mean with its 90% interval."""
    if len(differences) < 2:
        return f"{differences.mean():+.3f}"
    half = stats.t.ppf(0.95, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    return f"{differences.mean():+.3f} [{differences.mean() - half:+.3f}, {differences.mean() + half:+.3f}]"


def table(results: dict[str, dict[str, Numbers]], names: list[str]) -> None:
    """Print means over seeds, and differences to plain `fit`."""
    keys = ("recall", "false", "recall_own", "recall_low", "dice", "ap", "log_loss", "mean", "threshold")
    print(f"{'':24}" + "".join(f"{key:>11}" for key in keys))

    def values(name: str, key: str) -> Array:
        return np.array([of_seed[name][key] for of_seed in results.values()])

    for name in names:
        print(f"{name:24}" + "".join(f"{values(name, key).mean():11.4f}" for key in keys))
    for name in names[1:]:
        less = {key: paired(values(name, key) - values("fit", key)) for key in ("recall_own", "recall_low", "dice")}
        ratio = values(name, "log_loss") / values("threshold" if "threshold" in names else "fit", "log_loss")
        print(f"{name} minus fit: {less}; log loss {ratio.mean():.3f} of the baseline's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--strategies", default="threshold,oversample,dice_cross_entropy,resampling_ensemble")
    parser.add_argument("--kept", type=Path, default=Path("build/bench-masks.json"))
    given = parser.parse_args()
    names = ["fit", *given.strategies.split(",")]
    work: dict[str, Callable[[], Numbers]] = {}
    for seed in range(given.seeds):
        for name in names:
            how: dict[str, Any] = {"seed": seed, "images": given.images, "epochs": given.epochs}
            key = f"{seed} {name} {given.images} images {given.epochs} epochs"
            work[key] = partial(by_fit, **how) if name == "fit" else partial(by_strategy, name, **how)
    results = list(measure(work, given.kept).values())
    by_seed = {
        str(seed): dict(zip(names, results[seed * len(names) : (seed + 1) * len(names)], strict=True))
        for seed in range(given.seeds)
    }
    table(by_seed, names)


if __name__ == "__main__":
    main()
