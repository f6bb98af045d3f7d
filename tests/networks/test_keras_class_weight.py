"""What plain Keras makes of `class_weight`, target by target: the table of the how-to page comes from here.

The loss that `fit` logs (with a step size of 0) is compared with the mean of weight x loss, element by element.
Run this file as a script to print the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "class-weights.md"
WEIGHTS = {0: 1.0, 1: 10.0, 2: 100.0}
INPUTS = ("arrays", "tf.data", "PyDataset")
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Target:
    """A target, the loss that fits it, and the shape of an element."""

    title: str
    y: Any
    loss: Any
    units: int = 3
    shape: tuple[int, ...] = ()
    weights: Any = None


def codes(*shape: int) -> np.ndarray:
    return RNG.choice(3, p=[0.5, 0.3, 0.2], size=shape).astype("int32")


def sparse() -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def dense() -> Any:
    return keras.losses.CategoricalCrossentropy(from_logits=True)


def binary() -> Any:
    return keras.losses.BinaryCrossentropy(from_logits=True)


HOT = np.eye(3, dtype="float32")
TAGS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 0]] * 4, "float32")
TARGETS = [
    Target("one class per row: integers (N,)", codes(16), sparse()),
    Target("one class per row: one-hot (N, C)", HOT[codes(16)], dense()),
    Target("two classes, one output unit: labels (N, 1)", (codes(16, 1) == 2).astype("float32"), binary(), 1),
    Target("integers, a class without a weight", codes(16), sparse(), weights={0: 1.0, 2: 100.0}),
    Target(
        "text labels (N,)", np.array(["a", "b", "c"])[codes(16)], sparse(), weights={"a": 1.0, "b": 10.0, "c": 100.0}
    ),
    Target("multi-label (N, L)", TAGS, binary()),
    Target("several outputs", {"a": codes(16), "b": codes(16)}, {"a": sparse(), "b": sparse()}),
    Target("sequences (N, T)", codes(16, 5), sparse(), shape=(5,)),
    Target("sequences, one-hot (N, T, C)", HOT[codes(16, 5)], dense(), shape=(5,)),
    Target("masks (N, H, W)", codes(16, 4, 6), sparse(), shape=(4, 6)),
    Target("masks (N, H, W, 1)", codes(16, 4, 6, 1), sparse(), shape=(4, 6)),
    Target("masks, one-hot (N, H, W, C)", HOT[codes(16, 4, 6)], dense(), shape=(4, 6)),
]


class Batches(keras.utils.PyDataset):
    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.batch = (x, y)

    num_batches = 1

    def __getitem__(self, index: int) -> Any:
        return self.batch


def network(target: Target) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((*target.shape, 2))
    if isinstance(target.y, dict):
        return keras.Model(inputs, {k: keras.layers.Dense(target.units, name=k)(inputs) for k in target.y})
    return keras.Model(inputs, keras.layers.Dense(target.units)(inputs))


def losses(y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Loss and class of each element, in NumPy."""
    if y is TAGS or z.shape[-1] == 1:
        return np.logaddexp(0, z) - y * z, y
    c = y.argmax(-1) if y.shape[-1] == 3 and y.dtype.kind == "f" else y.reshape(z.shape[:-1])
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, c[..., None].astype(int), -1)[..., 0], c


def wanted(target: Target, z: Any) -> float:
    """The mean of weight x loss over elements; multi-label: WEIGHTS are those of each label's positives."""
    if isinstance(target.y, dict):
        return sum(wanted(Target("", y, None), z[k]) for k, y in target.y.items())
    loss, c = losses(target.y, np.asarray(z, float))
    if target.y is TAGS:
        return float((np.where(c == 1, [1.0, 10.0, 100.0], 1.0) * loss).mean())
    return float((np.vectorize(WEIGHTS.get)(c.astype(int)) * loss).mean())


def outcome(target: Target, how: str) -> str:
    n = 16
    x = RNG.normal(size=(n, *target.shape, 2)).astype("float32")
    model = network(target)
    model.compile(keras.optimizers.SGD(0.0), target.loss)
    z = model(x)
    weights = target.weights or WEIGHTS
    try:
        if how == "arrays":
            log = model.fit(x, target.y, class_weight=weights, batch_size=n, shuffle=False, verbose=0)
        else:
            data = tf.data.Dataset.from_tensors((x, target.y)) if how == "tf.data" else Batches(x, target.y)
            log = model.fit(data, class_weight=weights, verbose=0)
    except Exception:
        return "error"
    if target.weights:
        return "**silently wrong**"  # the missing class should have been named
    return "right" if np.isclose(log.history["loss"][0], wanted(target, z), rtol=1e-4) else "**silently wrong**"


def table() -> str:
    lines = [f"| target | {' | '.join(INPUTS)} |", "|---|---|---|---|"]
    lines += [f"| {t.title} | {' | '.join(outcome(t, how) for how in INPUTS)} |" for t in TARGETS]
    return "\n".join(lines)


@pytest.mark.pages
def test_the_page_shows_what_keras_does():
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split("<!-- keras table -->\n")[1].split("\n<!-- end -->")[0].strip()
    assert shown == table(), f"write this into {PAGE.name}:\n{table()}"


if __name__ == "__main__":
    print(table())
