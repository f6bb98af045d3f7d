"""A model with two inputs, a picture and a table, trained over an ensemble of resamplings in one call.

python examples/two_inputs.py
"""

from __future__ import annotations

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import counterpoise as cp


def patients(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Small scans and two lab values; 8% are ill, and both inputs carry a little information."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.08).astype(int)
    scan = rng.normal(size=(n, 8, 8, 1)).astype("float32")
    scan[y == 1, 2:5, 2:5] += 0.8
    lab = rng.normal(size=(n, 2)).astype("float32") + 0.8 * y[:, None]
    return {"scan": scan, "lab": lab.astype("float32")}, y


def network() -> keras.Model:
    """Both inputs meet before the last layer."""
    scan, lab = keras.Input((8, 8, 1), name="scan"), keras.Input((2,), name="lab")
    h = keras.layers.Conv2D(4, 3, activation="relu")(scan)
    h = keras.layers.Concatenate()([keras.layers.Flatten()(h), lab])
    return keras.Model({"scan": scan, "lab": lab}, keras.layers.Dense(1)(keras.layers.Dense(16, activation="relu")(h)))


def main(out: Path = Path()) -> None:
    """Train, score new patients, draw how probabilities meet reality."""
    x, y = patients(2500, seed=0)
    ensemble = cp.ensemble(["none", "oversample", "undersample"], vote="soft")
    clf = cp.fit(network(), x, y, strategy=ensemble, output="logits", epochs=10, batch_size=64, verbose=0)
    new, truth = patients(4000, seed=1)
    probability = clf.predict_proba(new)[:, 1]
    print(f"mean probability {probability.mean():.3f}, share of ill {truth.mean():.3f}")
    print(f"recall {clf.predict(new)[truth == 1].mean():.2f}")

    edges = np.quantile(probability, np.linspace(0, 1, 9))
    bins = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, 7)
    predicted = [probability[bins == k].mean() for k in range(8)]
    seen = [truth[bins == k].mean() for k in range(8)]
    figure, axes = plt.subplots(figsize=(3.8, 3.5), layout="constrained")
    axes.plot([0, max(predicted)], [0, max(predicted)], color="gray", linewidth=1)
    axes.plot(predicted, seen, marker="o")
    axes.set(xlabel="predicted probability", ylabel="share of ill patients")
    figure.savefig(out / "two_inputs.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
