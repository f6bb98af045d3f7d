"""Black and white of images whose files do not define them: a Keras layer, learned from training rows of one fold.

Model files keep the two values (variables `low` and `high`, in this order) and the argument `pictures`.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Array = np.ndarray

#: Percentiles of the training pixels that become black and white.
LOW, HIGH = 0.5, 99.5
#: Training pictures that are looked at.
PICTURES = 512


@keras.saving.register_keras_serializable(package="counterpoise")
class PixelRange(keras.layers.Layer):
    """Keras layer that converts stored values to pixels from 0 (black) to 255 (white); others are clipped.

    The variables are set by `learned`, never by gradient.

    Args:
        pictures: Training pictures that are looked at, spread evenly over all of them.

    Example:
        >>> layer = PixelRange()
        >>> layer.set_weights([np.array(-1000.0), np.array(400.0)])
        >>> np.asarray(layer(np.array([[-2000.0], [-300.0], [400.0]]))).ravel().tolist()
        [0.0, 127.5, 255.0]
    """

    #: Largest value that comes out.
    peak = 255.0

    def __init__(self, pictures: int = PICTURES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pictures = int(pictures)
        self.low = self.add_weight(name="low", shape=(), initializer="zeros", trainable=False)
        self.high = self.add_weight(name="high", shape=(), initializer="ones", trainable=False)

    def call(self, x: Any) -> Any:
        """Return float32 pixels: `low` becomes 0, `high` becomes 255, the rest is clipped."""
        low, high = ops.convert_to_tensor(self.low), ops.convert_to_tensor(self.high)
        return 255.0 * ops.clip((ops.cast(x, "float32") - low) / (high - low), 0.0, 1.0)

    def compute_output_spec(self, x: Any) -> Any:
        """Return shape and type of the pixels as a symbolic tensor."""
        return keras.KerasTensor(x.shape, "float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, which model files keep.

        `networks.encoder.encoder_of_config` recognizes the layer by the key "pictures".
        """
        return {**super().get_config(), "pictures": self.pictures}

    def rows_to_look_at(self, rows: Array) -> Array:
        """Return the numbers of the training rows that determine the range: at most `pictures`, evenly spread."""
        return rows[np.linspace(0, len(rows) - 1, min(len(rows), self.pictures)).astype(int)]

    def learned(self, x: Array) -> list[Array]:
        """Return `low` and `high`, float32, for pictures (N, height, width, channels).

        They are percentiles of all pixels, or the smallest and largest value if the percentiles are equal. `high` is
        always larger than `low`.
        """
        low, high = np.percentile(x, [LOW, HIGH])
        if not low < high:  # nearly all of one value
            low, high = float(np.min(x)), float(np.max(x))
        return [np.array(low, np.float32), np.array(high if high > low else low + 1.0, np.float32)]
