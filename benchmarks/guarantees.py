"""Are guarantees kept? The whole path, re-fit included, over many draws of data whose truth is known.

    python -m benchmarks.guarantees [--draws 500] [--store FILE]

Each draw makes new rows, trains with `cp.fit(..., folds=2, guarantee_rows=0.5)` (out-of-fold rule, then one training on
all other rows), asks for recall at least 0.9 with confidence 0.95, and measures recall on 20,000 fresh positives. Two
scorers: a linear one, and a network that learns its few rows by heart. For comparison, the same floor as an estimate
(without `confidence`). With `--store` finished draws are kept, and a second run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.stats import binom

import counterpoise as cp

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


def show(scorer: str, found: list[dict[str, float]]) -> None:
    n = len(found)
    least = int(binom.ppf(0.01, n, CONFIDENCE))
    for word in ("guaranteed", "estimated"):
        recalls = np.array([one[word] for one in found])
        kept = int(np.sum(recalls >= FLOOR))
        note = f", at least {least} expected but for 1 in 100 runs" if word == "guaranteed" else ""
        print(
            f"{scorer:12} {word:10} kept in {kept} of {n} draws ({kept / n:.1%}{note}); "
            f"mean recall {recalls.mean():.3f}, lowest {recalls.min():.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
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
    for scorer, found in kept.items():
        show(scorer, found[: given.draws])


if __name__ == "__main__":
    main()
