"""Rare pathology in a folder of images: one sub-folder per class, balanced by plan, augmented alike.

python examples/rare_images.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import counterpoise as cp

SIZE = 20


def scan(ill: bool, rng: np.random.Generator) -> np.ndarray:
    """A noisy disc; the ill ones hold a bright spot."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    picture = 90.0 * ((rows - 10) ** 2 + (columns - 10) ** 2 < 64) + rng.normal(60, 12, (SIZE, SIZE))
    if ill:
        at = rng.uniform(6, 14, 2)
        picture += 110 * np.exp(-((rows - at[0]) ** 2 + (columns - at[1]) ** 2) / 3)
    return np.clip(picture, 0, 255).astype("uint8")


def write(folder: Path, counts: dict[str, int], seed: int) -> Path:
    """PNG files, one sub-folder per class."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(scan(name == "ill", rng)).save(folder / name / f"{number:04d}.png")
    return folder


def main(out: Path = Path()) -> None:
    """Train on a folder, predict on another, draw the most suspicious scans."""
    with tempfile.TemporaryDirectory() as folder:
        train = write(Path(folder) / "train", {"healthy": 360, "ill": 40}, seed=0)
        new = write(Path(folder) / "new", {"healthy": 180, "ill": 20}, seed=1)
        how = {"strategy": "oversample", "epochs": 10, "batch_size": 32, "verbose": 0}
        clf = cp.fit("cnn", cp.images(train, SIZE), optimizer=keras.optimizers.Adam(0.003), **how)
        pictures = cp.images(new, SIZE)
        probability = clf.predict_proba(pictures)[:, list(clf.classes_).index("ill")]
        files = pictures.paths
        order = np.argsort(-probability)[:8]
        figure, axes = plt.subplots(2, 4, figsize=(6, 3.4), layout="constrained")
        for axis, place_of in zip(axes.flat, order, strict=True):
            axis.imshow(Image.open(files[place_of]), cmap="gray")
            axis.set_title(f"{Path(files[place_of]).parent.name}: {probability[place_of]:.0%}", fontsize=9)
            axis.set_axis_off()
        figure.suptitle("the eight most suspicious new scans")
        figure.savefig(out / "rare_images.png", dpi=120)
        plt.close(figure)
    print(f"mean probability of the ill {probability.mean():.3f}, share {20 / 200:.3f}")


if __name__ == "__main__":
    main()
