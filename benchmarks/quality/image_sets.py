"""The image sets of the bench: pictures, classes, groups, and which rows are test rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Images:
    """One set: pictures, class codes, groups (or None), and which rows are test rows."""

    x: Array
    y: Array
    classes: list[str]
    test: Array
    groups: Array | None = None


def pneumonia(folder: Path) -> Images:
    with np.load(folder / "pneumonia_mnist_imb.npz") as z:
        x, y, split = z["images"], z["labels"].astype(int), z["split"]
    kept = split != "val"
    return Images(x[kept], 1 - y[kept], ["pneumonia", "normal"], split[kept] == "test")


def blood_cells(folder: Path) -> Images:
    with np.load(folder / "blood_cells_bccd.npz") as z:
        classes, y = np.unique(z["labels"], return_inverse=True)
        _, smear = np.unique(z["names"], return_inverse=True)
        return Images(z["images"], y, list(map(str, classes)), drawn(smear, y), smear)


def magnetic_tile(folder: Path) -> Images:
    import counterpoise as cp

    with np.load(folder / "magnetic_tile.npz") as z:
        classes, y = np.unique(z["labels"], return_inverse=True)
        x = z["images"]
    return Images(x, y, list(map(str, classes)), drawn(cp.diagnosis.near_duplicates(x), y))


def drawn(groups: Array, y: Array) -> Array:
    """Three of ten groups, each class with its share."""
    from sklearn.model_selection import StratifiedGroupKFold

    parts = list(StratifiedGroupKFold(10, shuffle=True, random_state=0).split(y, y, groups))
    return np.isin(np.arange(len(y)), np.concatenate([rows for _, rows in parts[:3]]))


SETS: dict[str, Callable[[Path], Images]] = {
    "pneumonia_mnist_imb": pneumonia,
    "blood_cells_bccd": blood_cells,
    "magnetic_tile": magnetic_tile,
}
