"""Pictures turned, shifted and scaled a little while a network trains: one resampling for all three."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="counterpoise")
class SmallMoves(keras.layers.Layer):
    """Small random rotation, shift and zoom of each picture in training; outside training pictures as they are.

    Nothing is flipped, which would swap sides and mirror letters, and no value is changed, which may be a measurement:
    add layers for that where it makes sense. What comes in from beyond an edge repeats the edge.

    Args:
        rotation: Largest turn, as a share of a full one, in both directions.
        shift: Largest shift, as a share of height and width.
        zoom: Largest change of scale, as a share.
        seed: Seed of the draws.

    Example:
        >>> import numpy as np
        >>> layer, x = SmallMoves(seed=0), np.random.default_rng(0).random((2, 8, 8, 1)).astype("float32")
        >>> bool(np.array_equal(layer(x), x)), bool(np.array_equal(layer(x, training=True), x))
        (True, False)
    """

    def __init__(
        self, rotation: float = 0.03, shift: float = 0.06, zoom: float = 0.1, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rotation, self.shift, self.zoom, self.seed = float(rotation), float(shift), float(zoom), seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        height, width = x.shape[1:3]
        draws = keras.random.uniform((4, ops.shape(x)[0]), -1.0, 1.0, seed=self.seed_generator)
        angle = 2.0 * math.pi * self.rotation * draws[0]
        scale = 1.0 + self.zoom * draws[1]
        cos, sin = ops.cos(angle) / scale, ops.sin(angle) / scale
        # Places of the output to places of the input, around the middle: (a0, a1, a2; b0, b1, b2).
        middle_x, middle_y = (width - 1) / 2.0, (height - 1) / 2.0
        dx, dy = self.shift * width * draws[2], self.shift * height * draws[3]
        a2 = middle_x + dx - cos * middle_x + sin * middle_y
        b2 = middle_y + dy - sin * middle_x - cos * middle_y
        none = ops.zeros_like(cos)
        transform = ops.stack([cos, -sin, a2, sin, cos, b2, none, none], axis=1)
        moved = ops.image.affine_transform(
            ops.cast(x, "float32"), transform, interpolation="bilinear", fill_mode="nearest",
            data_format="channels_last",
        )  # fmt: skip
        return ops.cast(moved, self.compute_dtype)

    def compute_output_spec(self, x: Any, training: bool = False) -> Any:
        return keras.KerasTensor(x.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"rotation": self.rotation, "shift": self.shift, "zoom": self.zoom, "seed": self.seed}
        return {**super().get_config(), **own}
