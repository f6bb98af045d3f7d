"""Are guarantees kept? The whole path, re-fit included, over many draws of data whose truth is known.

    python -m benchmarks.guarantees [--draws 500] [--store FILE]
    python -m benchmarks.guarantees --patients [--draws 1000]

Each draw makes new rows, trains with `cp.fit(..., folds=2, guarantee_rows=0.5)` (out-of-fold rule, then one training on
all other rows), asks for recall at least 0.9 with confidence 0.95, and measures recall on 20,000 fresh positives. Two
scorers: a linear one, and a network that learns its few rows by heart. For comparison, the same floor as an estimate
(without `confidence`). With `--store` finished draws are kept, and a second run goes on.

With `--patients` nothing is trained: scores of several images per patient are drawn, those of one patient alike, and
recall at least 0.95 with confidence 0.95 is asked for. Three guarantees: of patients decided by the mean or the largest
probability of their images; of images, of which one counts for each patient; and, for comparison, of images as if they
were independent. The truth is the recall over 20,000 fresh patients (of images: the mean over patients of their share).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.stats import binom

import counterpoise as cp
from counterpoise.core.rule import Rule
from counterpoise.core.units import Units
from counterpoise.targets.kinds import target_of
from counterpoise.targets.thresholds import choose

Array = np.ndarray
FLOOR, CONFIDENCE = 0.9, 0.95
FEATURES, SHARE, ROWS, FRESH = 10, 0.3, 600, 20_000


def linear(spec: Any, n_classes: int) -> keras.Model:
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


def memorizing(spec: Any, n_classes: int) -> keras.Model:
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(128, "relu")(inputs)))


#: name -> builder, learning rate, epochs
SCORERS = {"linear": (linear, 0.05, 6), "over-fitted": (memorizing, 0.03, 25)}


def rows(rng: np.random.Generator, y: Array) -> Array:
    """Two normal clouds one and a half standard deviations apart, in one of ten directions."""
    x = rng.normal(size=(len(y), FEATURES)).astype(np.float32)
    x[:, 0] += 1.5 * y
    return x


def draw(scorer: str, number: int) -> dict[str, float]:
    """Recall of the guaranteed and of the estimated threshold on fresh positives; log loss there over training's."""
    builder, rate, epochs = SCORERS[scorer]
    rng = np.random.default_rng([number, 1])
    y = (rng.random(ROWS) < SHARE).astype(int)
    clf = cp.fit(
        builder, rows(rng, y), y, strategy="oversample", folds=2, guarantee_rows=0.5, epochs=epochs, batch_size=64,
        patience=epochs, optimizer=keras.optimizers.Adam(rate), seed=number, verbose=0,
    )  # fmt: skip
    fresh = rows(rng, np.ones(FRESH))
    guaranteed, estimated = clf.decide(recall_floor=FLOOR, confidence=CONFIDENCE), clf.decide(recall_floor=FLOOR)
    return {"guaranteed": float(guaranteed.predict(fresh).mean()), "estimated": float(estimated.predict(fresh).mean())}


def show(scorer: str, draws: list[dict[str, float]]) -> None:
    n = len(draws)
    least = int(binom.ppf(0.01, n, CONFIDENCE))
    for word in ("guaranteed", "estimated"):
        recalls = np.array([one[word] for one in draws])
        kept = int(np.sum(recalls >= FLOOR))
        note = f", at least {least} expected but for 1 in 100 runs" if word == "guaranteed" else ""
        print(
            f"{scorer:12} {word:10} kept in {kept} of {n} draws ({kept / n:.1%}{note}); "
            f"mean recall {recalls.mean():.3f}, lowest {recalls.min():.3f}"
        )


PATIENTS, PATIENT_FLOOR = 300, 0.95
PLAIN = Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.5, 0.5]), threshold=0.5)


@dataclass(frozen=True)
class Images:
    """Images of patients: label, probability (N,), and patient."""

    y: Array
    proba: Array
    patient: Array


def patients(rng: np.random.Generator, count: int, ill_share: float = 0.4) -> Images:
    """One to eight images for each patient; of an ill one, most are positive, and all of a patient are alike."""
    images = rng.integers(1, 9, count)
    of = np.repeat(np.arange(count), images)
    ill = rng.random(count) < ill_share
    y = ill[of] & (rng.random(len(of)) < 0.7)
    y[np.flatnonzero(np.r_[True, of[1:] != of[:-1]])] |= ill  # one at least
    score = 2.5 * y - 1.5 + rng.normal(size=count)[of] + 0.5 * rng.normal(size=len(of))
    return Images(y.astype(int), 1 / (1 + np.exp(-score)), of)


def cut(proba: Array, y: Array, group: Array | None) -> float:
    """The threshold that the library guarantees the recall with."""
    log_p = np.log(np.stack([1 - proba, proba], axis=1))[None]
    scores = {"log_p": log_p, "y": y, "guarantee_log_p": log_p, "guarantee_y": y}
    scores |= {} if group is None else {"guarantee_group": group}
    rule = choose(PLAIN, scores, {"recall_floor": PATIENT_FLOOR}, CONFIDENCE, [0, 1])
    assert rule.threshold is not None
    return rule.threshold


def of_patients(images: Images, how: str) -> tuple[Array, Array]:
    """Probability and label of each patient."""
    units = Units(images.patient, ("patient",), how)
    both = np.stack([1 - images.proba, images.proba], axis=1)
    return target_of("one_of").unit_proba(both, units)[:, 1], units.labels(images.y)


def draw_patients(number: int, fresh: Images) -> dict[str, float]:
    """Recall on fresh patients by each guarantee."""
    drawn = patients(np.random.default_rng([number, 2]), PATIENTS)
    recalls = {}
    for how in ("mean", "max"):
        proba, y = of_patients(drawn, how)
        new, truth = of_patients(fresh, how)
        recalls[f"patients, {how}"] = float((new[truth == 1] >= cut(proba, y, np.arange(len(y)))).mean())
    for name, group in (("images, one of each patient", drawn.patient), ("images as if independent", None)):
        hits = fresh.proba[fresh.y == 1] >= cut(drawn.proba, drawn.y, group)
        each = np.bincount(fresh.patient[fresh.y == 1], hits) / np.bincount(fresh.patient[fresh.y == 1]).clip(1)
        recalls[name] = float(each[np.unique(fresh.patient[fresh.y == 1])].mean())
    return recalls


def show_patients(draws: int) -> None:
    fresh = patients(np.random.default_rng(3), FRESH, 1.0)
    results = [draw_patients(number, fresh) for number in range(draws)]
    least = int(binom.ppf(0.01, draws, CONFIDENCE))
    for name in results[0]:
        recalls = np.array([one[name] for one in results])
        kept = int(np.sum(recalls >= PATIENT_FLOOR))
        print(
            f"{name:28} held in {kept} of {draws} draws ({kept / draws:.1%}; at least {least} expected but for 1 in "
            f"100 runs); mean recall {recalls.mean():.3f}, lowest {recalls.min():.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--patients", action="store_true")
    given = parser.parse_args()
    if given.patients:
        return show_patients(given.draws)
    store: Path | None = given.store
    kept = json.loads(store.read_text()) if store is not None and store.exists() else {}
    started = time.perf_counter()
    for number in range(given.draws):
        for scorer in SCORERS:
            done = kept.setdefault(scorer, [])
            if len(done) <= number:
                done.append(draw(scorer, number))
                keras.backend.clear_session()
        if store is not None:
            store.write_text(json.dumps(kept))
    print(f"{given.draws} draws of each, {time.perf_counter() - started:.0f} s")
    for scorer, draws in kept.items():
        show(scorer, draws[: given.draws])


if __name__ == "__main__":
    main()
