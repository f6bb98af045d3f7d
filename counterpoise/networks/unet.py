"""The built-in network for masks: a small U-Net, logits for each pixel (see `networks.built_in` for what is kept)."""

from __future__ import annotations

from typing import Any

import keras

from counterpoise.core.errors import ModelError
from counterpoise.networks.input_spec import InputSpec

#: Widths of the levels of `unet`, from the picture inwards; each level has half the sides of the one before.
WIDTHS = (16, 32, 64, 64, 64)
#: `unet` goes inwards until the shorter side is no longer than this.
SIDE = 8
#: Groups of channels that are normalized, and the share of units of the innermost level that training leaves out.
GROUPS, DROPOUT = 8, 0.2


def unet(spec: InputSpec, units: int) -> keras.Model:
    """The network for masks: pictures (height, width) or (height, width, channels) to logits (height, width, units).

    Two convolutions 3 x 3 at each level of `WIDTHS`, each followed by a normalization over groups of channels of each
    picture and a ReLU; inwards a maximum over 2 x 2, outwards the nearest values, next to those of the same level
    on the way in. Pictures of any size: zeros are added at the lower and right edge inside, and what they became is cut
    off again. Values are scaled to -1..1 first.

    A normalization over the batch would learn the means of the pictures that a sampling plan draws, and apply them to
    pictures as they are; here an output depends on its own picture alone.

    Args:
        spec: The inputs, in `counterpoise.InputSpec`.
        units: Logits of a pixel.

    Raises:
        ModelError: the input is not a picture.

    Example:
        >>> unet(InputSpec((37, 50, 3), peak=255.0), 1).output.shape
        (None, 37, 50, 1)

    Source: Ronneberger, Fischer and Brox, "U-Net" (MICCAI 2015); Wu and He, "Group Normalization" (ECCV 2018).
    """
    shape = spec.shape
    if not (isinstance(shape, tuple) and len(shape) in (2, 3) and all(isinstance(n, int) for n in shape)):
        raise ModelError(
            f"The network 'unet' is for images (height, width, channels), but the rows have shape {shape}. Pass "
            f"your own model, which returns logits for each element."
        )
    inputs = spec.inputs()
    h = keras.ops.expand_dims(inputs, -1) if len(shape) == 2 else inputs
    h = keras.layers.Rescaling(2.0 / spec.peak, offset=-1.0)(h)
    depth = _depth(min(shape[:2]))
    missing = [-side % 2**depth for side in shape[:2]]  # pixels up to the next multiple of 2**depth
    edges = tuple((0, n) for n in missing)
    h = keras.layers.ZeroPadding2D(edges)(h) if any(missing) else h
    skips = []
    for width in WIDTHS[:depth]:
        h = _block(h, width)
        skips.append(h)
        h = keras.layers.MaxPooling2D(2)(h)
    h = keras.layers.Dropout(DROPOUT)(_block(h, WIDTHS[depth]))
    for width, skip in zip(WIDTHS[:depth][::-1], skips[::-1], strict=True):
        h = keras.layers.UpSampling2D(2)(h)
        h = _block(keras.layers.Concatenate()([h, skip]), width)
    h = keras.layers.Cropping2D(edges)(h) if any(missing) else h
    return keras.Model(inputs, keras.layers.Dense(units, name="logits")(h), name="unet")


def _depth(side: int) -> int:
    """Return how often pictures are halved, given their shorter side in pixels.

    They are halved until the side is at most `SIDE`, but no more often than `WIDTHS` has levels below the first.
    """
    return next((n for n in range(len(WIDTHS) - 1) if side / 2**n <= SIDE), len(WIDTHS) - 1)


def _block(h: Any, width: int) -> Any:
    """Apply two 3 x 3 convolutions of `width` channels, each with normalization and ReLU."""
    for _ in range(2):
        h = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(h)
        h = keras.layers.ReLU()(keras.layers.GroupNormalization(GROUPS)(h))
    return h
