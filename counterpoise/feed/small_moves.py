"""The default augmentation of images: rotation, shift and zoom by one resampling, and flips.

Saved in model files: the name of the layer and its arguments. The order of the draws determines results.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from counterpoise.data.image_form import FLIPS, check_contrast, check_flip


@keras.saving.register_keras_serializable(package="counterpoise")
class SmallMoves(keras.layers.Layer):
    """Small random rotation, shift and zoom of each image in training; outside training, images do not change.

    By default nothing is flipped, which would swap sides and mirror letters, and no value is changed, which may be a
    measurement. What comes in from beyond an edge repeats the edge.

    Args:
        rotation: Largest turn, as a share of a full one, in both directions.
        shift: Largest shift, as a share of height and width.
        zoom: Largest change of scale, as a share.
        flip: A name of `FLIPS`: half of the images are mirrored along each of its axes; None: none.
        contrast: Largest change of contrast, as a share: the distances of the values of each channel from their mean,
            which stays. Values may leave the range that the images have.
        seed: Seed of the draws.

    Example:
        >>> import numpy as np
        >>> layer, x = SmallMoves(seed=0), np.random.default_rng(0).random((2, 8, 8, 1)).astype("float32")
        >>> bool(np.array_equal(layer(x), x)), bool(np.array_equal(layer(x, training=True), x))
        (True, False)
    """

    def __init__(
        self, rotation: float = 0.03, shift: float = 0.06, zoom: float = 0.1, flip: str | None = None,
        contrast: float = 0.0, seed: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.rotation, self.shift, self.zoom, self.seed = float(rotation), float(shift), float(zoom), seed
        self.flip, self.contrast = check_flip(flip), check_contrast(contrast)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: Any, training: bool = False) -> Any:
        """Return images (N, height, width, channels), changed at random only in training."""
        if not training:
            return x
        out = ops.cast(x, "float32")
        if self.rotation or self.shift or self.zoom:
            out = self._affine_moved(out)
        for axis in FLIPS.get(self.flip or "", ()):
            out = ops.where(self._number_per_image(x) > 0, ops.flip(out, axis), out)
        if self.contrast:
            mean = ops.mean(out, axis=(1, 2), keepdims=True)
            out = mean + (1.0 + self.contrast * self._number_per_image(x)) * (out - mean)
        return ops.cast(out, self.compute_dtype)

    def _affine_moved(self, x: Any) -> Any:
        """Return images that are rotated, scaled and shifted at random, each by one affine transform."""
        height, width = x.shape[1:3]
        # Four draws for each image: rotation, scale, and the two shifts.
        draws = keras.random.uniform((4, ops.shape(x)[0]), -1.0, 1.0, seed=self.seed_generator)
        angle = 2.0 * math.pi * self.rotation * draws[0]
        scale = 1.0 + self.zoom * draws[1]
        cos, sin = ops.cos(angle) / scale, ops.sin(angle) / scale
        # A pixel (x, y) of the output comes from (a0 x + a1 y + a2, b0 x + b1 y + b2) of the input.
        middle_x, middle_y = (width - 1) / 2.0, (height - 1) / 2.0
        dx, dy = self.shift * width * draws[2], self.shift * height * draws[3]
        a2 = middle_x + dx - cos * middle_x + sin * middle_y
        b2 = middle_y + dy - sin * middle_x - cos * middle_y
        none = ops.zeros_like(cos)
        transform = ops.stack([cos, -sin, a2, sin, cos, b2, none, none], axis=1)
        return ops.image.affine_transform(
            x, transform, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
        )

    def _number_per_image(self, x: Any) -> Any:
        """Draw a number from -1 to 1 for each image, float32 (N, 1, 1, 1)."""
        return keras.random.uniform((ops.shape(x)[0], 1, 1, 1), -1.0, 1.0, seed=self.seed_generator)

    def compute_output_spec(self, x: Any, training: bool = False) -> Any:
        return keras.KerasTensor(x.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"rotation": self.rotation, "shift": self.shift, "zoom": self.zoom, "seed": self.seed}
        return {**super().get_config(), **own, "flip": self.flip, "contrast": self.contrast}
