"""Segmentation: a lesion covers 1% of the pixels, and the default loss accepts "healthy" everywhere.

python examples/lesion_segmentation.py
"""

from __future__ import annotations

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import counterpoise as cp

SIZE = 24


def lesions(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images (n, 24, 24, 1) with one round lesion each, and their masks (n, 24, 24)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    at = rng.uniform(4, SIZE - 4, size=(n, 2, 1, 1))
    mask = ((rows - at[:, 0]) ** 2 + (columns - at[:, 1]) ** 2 < 1.5**2).astype("int32")
    return (rng.normal(size=(n, SIZE, SIZE)) + 2.5 * mask)[..., None].astype("float32"), mask


def network() -> keras.Model:
    """Two convolutions, two logits per pixel."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 1))
    h = keras.layers.Conv2D(8, 5, padding="same", activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same")(h))


def dice(predicted: np.ndarray, mask: np.ndarray) -> float:
    """Twice the overlap over the sum of both."""
    return float(2 * (predicted & mask).sum() / (predicted.sum() + mask.sum()))


def main(out: Path = Path()) -> None:
    """Three losses on the same network; what each finds in one image."""
    x, y = lesions(250, seed=0)
    new, truth = lesions(100, seed=1)
    weights = cp.class_weight(y, "sqrt")
    losses = {
        "plain": cp.losses.CrossEntropy(),
        "weighted": cp.losses.ClassWeighted([weights[0], weights[1]]),
        "cross-entropy and Dice": cp.losses.Combo(),
    }
    masks = {}
    for name, loss in losses.items():
        model = network()
        model.compile(keras.optimizers.Adam(0.01), loss)
        model.fit(x, y, epochs=6, batch_size=16, verbose=0)
        masks[name] = model.predict(new, verbose=0).argmax(axis=-1)
        print(f"{name}: Dice {dice(masks[name], truth):.3f}")

    figure, axes = plt.subplots(1, 5, figsize=(9, 2.2), layout="constrained")
    shown = {"image": new[0, ..., 0], "truth": truth[0], **{name: some[0] for name, some in masks.items()}}
    for axis, (name, picture) in zip(axes, shown.items(), strict=True):
        axis.imshow(picture, cmap="gray")
        axis.set_title(name, fontsize=9)
        axis.set_axis_off()
    figure.savefig(out / "lesion_segmentation.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
