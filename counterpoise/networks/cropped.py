"""A network of images on parts of them: the same layers and weights, inputs of smaller sides.

For the strategy "crops" (`engines.cropping`): weights are shared, so training the smaller model trains the whole one.
"""

from __future__ import annotations

from typing import Any

import keras

from counterpoise.core.errors import ModelError
from counterpoise.networks.cloning import plain


def cropped(model: keras.Model) -> keras.Model:
    """Return a model of the same layers and weights for smaller images.

    Each side is the smallest one, of at least half the side of the network, that its layers take.

    Raises:
        ModelError: The network takes no smaller inputs.

    Example:
        >>> inputs = keras.Input((9, 12, 1))
        >>> model = keras.Model(inputs, keras.layers.Conv2D(1, 3, padding="same")(inputs))
        >>> cropped(model).output.shape
        (None, 5, 6, 1)
    """
    sides = tuple(model.output.shape[1:-1])
    size = tuple(_smallest_side(model, sides, axis) for axis in range(len(sides)))
    smaller = _model_at_size(model, size) if size != sides else None
    if smaller is None:
        text = " x ".join(map(str, sides))
        raise ModelError(
            f"The network trains on images of {text} pixels, so it cannot train on smaller crops. Use a network for "
            "images of any size, such as 'unet' or a model of convolution layers, or choose another strategy."
        )
    return smaller


def _smallest_side(model: keras.Model, sides: tuple[int, ...], axis: int) -> int:
    """Return the smallest size of one side, at least half of it, that the network takes.

    Each size is tried with all other sides as they are. If no smaller one fits, return the given one.
    """
    for side in range(-(-sides[axis] // 2), sides[axis]):
        if _model_at_size(model, (*sides[:axis], side, *sides[axis + 1 :])) is not None:
            return side
    return sides[axis]


def _model_at_size(model: keras.Model, size: tuple[int, ...]) -> keras.Model | None:
    """Return the model on inputs of this size, or None.

    None means that its layers do not take the size, would get new weights, or give outputs of another size.
    """
    whole = model.input
    if not hasattr(whole, "shape") or tuple(whole.shape[1 : 1 + len(size)]) != tuple(model.output.shape[1:-1]):
        return None
    try:
        smaller = _rebuilt(model, (*size, *whole.shape[1 + len(size) :]))
    except Exception:  # a layer may refuse an input in any way
        return None
    shared = {id(weight) for weight in smaller.weights} == {id(weight) for weight in model.weights}
    return smaller if shared and tuple(smaller.output.shape[1:-1]) == size else None


def _rebuilt(model: keras.Model, shape: tuple[int, ...]) -> keras.Model:
    """Return a model that calls the same layers on inputs of another shape.

    `shape` has no axis of rows. Layers of inner models are called in the same way.
    """
    inputs = keras.Input(shape, dtype=model.input.dtype, name=model.input.name)
    if isinstance(model, keras.Sequential):
        outputs = inputs
        for layer in model.layers:
            outputs = _call_rebuilt(layer, outputs)
        return keras.Model(inputs, outputs, name=model.name)
    return keras.models.clone_model(
        model, input_tensors=inputs, clone_function=lambda layer: layer, call_function=_call_rebuilt
    )


def _call_rebuilt(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a layer.

    A plain model inside the network is rebuilt for the shape of its input first.
    """
    if isinstance(layer, keras.Model) and plain(layer) and hasattr(args[0], "shape"):
        return _rebuilt(layer, tuple(args[0].shape[1:]))(*args, **kwargs)
    return layer(*args, **kwargs)
