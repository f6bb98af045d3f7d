"""Multi-label targets: a weight for each label, and the shift of each label taken back.

python examples/multi_label.py
"""

from __future__ import annotations

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_multilabel_classification

import counterpoise as cp

LABELS = 6


def network() -> keras.Model:
    """One hidden layer, one logit per label."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((20,))
    h = keras.layers.Dense(32, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Dense(LABELS)(h))


def main(out: Path = Path()) -> None:
    """Train balanced, correct, compare mean probability with the share of each label."""
    x, y = make_multilabel_classification(4000, 20, n_classes=LABELS, n_labels=1, random_state=0)
    x, train, test = x.astype("float32") / 10, slice(0, 2500), slice(2500, None)
    model = network()
    cp.compile_balanced(model, counts=y[train].sum(axis=0), rows=2500)
    model.fit(x[train], y[train], epochs=10, batch_size=64, verbose=0)

    logits = model.predict(x[test], verbose=0)
    weights = model.loss.weights
    shift = np.log(weights[:, 1]) - np.log(weights[:, 0])
    raw, true = (1 / (1 + np.exp(-z)) for z in (logits, logits - shift))
    share = y[test].mean(axis=0)
    print("share of each label:       ", share.round(3))
    print("mean probability, raw:     ", raw.mean(axis=0).round(3))
    print("mean probability, corrected:", true.mean(axis=0).round(3))

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    index = np.arange(LABELS)
    for offset, (name, values) in enumerate({"raw": raw.mean(0), "corrected": true.mean(0), "share": share}.items()):
        axes.bar(index + 0.27 * (offset - 1), values, 0.25, label=name)
    axes.set(xlabel="label", ylabel="mean probability", xticks=index)
    axes.margins(y=0.2)
    axes.legend(frameon=False, ncols=3, loc="upper center")
    figure.savefig(out / "multi_label.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
