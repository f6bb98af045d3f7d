"""Layers that change pictures at random while a network trains, between its encoder and the user's model.

They are layers of the network, so they are in its saved file too, but they act only while it trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.structure import leaves, mapped
from counterpoise.feed.augmenting import layers_of
from counterpoise.feed.small_moves import SmallMoves

#: Arguments of `fit` and `compare` that change pictures.
OPTIONS = ("augment", "flip", "contrast")


def asked_for(options: Mapping[str, Any]) -> str:
    """Return the first of `OPTIONS` that asks for a change; "" if none does.

    Example:
        >>> asked_for({"augment": False, "flip": "both"}), asked_for({"augment": None})
        ('flip', '')
    """
    return next((name for name in OPTIONS if options.get(name) not in (None, False, 0)), "")


class Augmentation:
    """A recipe for such layers: each network gets its own, with random states of its own.

    Args:
        augment: "auto", Keras layers or a list of these (see `feed.augmenting.layers_of`); None or False: none of them.
        flip, contrast: What is added to these (see `SmallMoves`).

    Raises:
        OptionError: it is none of these, or changes repeats alone.
    """

    def __init__(self, augment: Any, flip: str | None = None, contrast: float | None = None) -> None:
        if isinstance(augment, tuple) and augment and augment[0] == "repeats":
            raise OptionError(
                'augment=("repeats", layers) is supported only in cp.batches. Expected layers that change '
                "every row. Pass the layers alone."
            )
        layers = [] if augment is None or augment is False else layers_of(augment)
        if flip is not None or contrast:
            layers = [*layers, SmallMoves(rotation=0, shift=0, zoom=0, flip=flip, contrast=contrast or 0.0)]
        self._recipes = [(type(layer), layer.get_config()) for layer in layers]

    def __bool__(self) -> bool:
        return bool(self._recipes)

    def __call__(self, h: Any, gray: bool = False) -> Any:
        """Add the layers to the inputs of a model that are pictures; leave other inputs.

        Args:
            h: The inputs: tensors, or a structure of them.
            gray: Whether (height, width) is a picture too, because the model is one for pictures.

        Raises:
            ModelError: no input is a picture, or a layer changes its shape.
        """
        if gray and not isinstance(h, (dict, tuple, list)) and len(h.shape) == 3:
            sides = tuple(h.shape[1:])
            return keras.layers.Reshape(sides)(self._augmented(keras.layers.Reshape((*sides, 1))(h)))
        if not any(len(tensor.shape) == 4 for tensor in leaves(h)):
            shapes = ", ".join(str(tuple(tensor.shape[1:])) for tensor in leaves(h))
            raise ModelError(
                "augment, flip, and contrast are for images (height, width, channels), but the rows have shape "
                f"{shapes}. Leave these arguments out."
            )
        return mapped(lambda tensor: self._augmented(tensor) if len(tensor.shape) == 4 else tensor, h)

    def _augmented(self, h: Any) -> Any:
        """Pass images through new layers.

        Raises:
            ModelError: The layers change the shape of the images.
        """
        out = h
        for layer in self._new_layers():
            out = layer(out)
        if tuple(out.shape) != tuple(h.shape):
            raise ModelError(
                f"augment turns images of shape {tuple(h.shape[1:])} into {tuple(out.shape[1:])}. Expected layers "
                f"that keep the shape. To resize images, use size= of cp.images."
            )
        return out

    def _new_layers(self) -> Sequence[keras.layers.Layer]:
        """Make new layers, without names, so that several networks can have them."""
        return [kind.from_config({**config, "name": None}) for kind, config in self._recipes]
