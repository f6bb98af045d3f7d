"""Networks that can be asked for by name, and what a builder is told about its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from counterpoise.core.errors import ModelError

#: Widths of the convolutions of `cnn`, from the picture inwards.
CNN_WIDTHS = (16, 32, 64, 64, 64, 64, 64)
#: `cnn` halves the picture until its shorter side is no longer than this.
CNN_SIDE = 7


@dataclass(frozen=True)
class InputSpec:
    """What a builder's model receives.

    Attributes:
        shape: The encoded row (d,) for tables, the element shape for arrays, a dict or tuple of shapes for several
            inputs.
        dtype: dtype of each input, same structure.
        peak: Largest value that the data's type holds, for one input of bytes 255; else 1.
    """

    shape: Any
    dtype: Any = "float32"
    peak: float = 1.0

    def inputs(self) -> Any:
        """Symbolic Keras inputs of this spec, in the same structure."""
        if isinstance(self.shape, Mapping):
            return {name: keras.Input(shape, dtype=self.dtype[name], name=name) for name, shape in self.shape.items()}
        if isinstance(self.shape, tuple) and self.shape and isinstance(self.shape[0], tuple):
            return tuple(keras.Input(s, dtype=d) for s, d in zip(self.shape, self.dtype, strict=True))
        return keras.Input(self.shape, dtype=self.dtype)


def mlp(spec: InputSpec, n_classes: int) -> keras.Model:
    """The plain network for tables: Dense 128, Dense 64, one unit for two classes, else C units.

    Raises:
        ModelError: the rows are not rows of numbers.
    """
    if not (isinstance(spec.shape, tuple) and len(spec.shape) == 1 and isinstance(spec.shape[0], int)):
        raise ModelError(
            f"the network 'mlp' is for tables; the rows here have shape {spec.shape}. Use 'cnn' for pictures, or a "
            "model of your own."
        )
    inputs = spec.inputs()
    h = keras.layers.Dense(128, activation="relu")(inputs)
    h = keras.layers.Dense(64, activation="relu")(h)
    return keras.Model(inputs, _head(h, n_classes), name="mlp")


def cnn(spec: InputSpec, n_classes: int) -> keras.Model:
    """The plain network for pictures (height, width) or (height, width, channels), bytes scaled to 0..1 inside.

    Convolutions 3 x 3 of `CNN_WIDTHS`, each followed by a maximum over 2 x 2, until the shorter side is at most
    `CNN_SIDE`; then Dense 64 and the logits.

    Raises:
        ModelError: the input is not a picture.
    """
    shape = spec.shape
    if not (isinstance(shape, tuple) and len(shape) in (2, 3) and all(isinstance(n, int) for n in shape)):
        raise ModelError(
            f"the network 'cnn' looks at pictures (height, width, channels); the rows here have shape {shape}. "
            "Use 'mlp' for tables, or a model of your own."
        )
    inputs = spec.inputs()
    h = keras.layers.Reshape((*shape, 1))(inputs) if len(shape) == 2 else inputs
    h = keras.layers.Rescaling(1.0 / spec.peak)(h)
    for width in CNN_WIDTHS:
        h = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(h)
        if min(h.shape[1:3]) <= CNN_SIDE:
            break
        h = keras.layers.MaxPooling2D(2)(h)
    h = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(h))
    return keras.Model(inputs, _head(h, n_classes), name="cnn")


def _head(h: Any, n_classes: int) -> Any:
    return keras.layers.Dense(1 if n_classes == 2 else n_classes, name="logits")(h)


#: Networks that can be asked for by name.
BUILT_IN: dict[str, Callable[[InputSpec, int], keras.Model]] = {"mlp": mlp, "cnn": cnn}
