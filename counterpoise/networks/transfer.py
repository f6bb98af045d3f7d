"""Transfer: a backbone that others trained, a new head, and one training that frees the last layers late and slowly.

`transfer` is public and returns a `BuiltIn`. The backbone runs inside or, if frozen, before the training
(`networks.frozen_body`). A saved model contains both backbone and head.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import ModelError
from counterpoise.networks.built_in import BuiltIn, Frozen
from counterpoise.networks.cloning import clone
from counterpoise.networks.input_spec import InputSpec

#: Share of the units before the head that are left out while training.
DROPOUT = 0.2


class LateAndSlow(keras.optimizers.Adam):
    """Adam that keeps marked variables still for some steps and then moves them at a part of the learning rate.

    A variable is marked by an attribute `slow`.

    Args:
        still: Steps for which they do not move.
        rate: Part of the learning rate at which they move afterwards.
    """

    def __init__(self, learning_rate: Any = 1e-3, still: int = 0, rate: float = 0.1, **more: Any) -> None:
        super().__init__(learning_rate, **more)
        self.still, self.rate = int(still), float(rate)
        self._slow: list[bool] = []

    def build(self, variables: Any) -> None:
        """As in Keras; notes which variables are marked."""
        super().build(variables)
        self._slow = [bool(getattr(variable, "slow", False)) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable as Adam does, but a marked one late and slowly."""
        if self._slow[self._get_variable_index(variable)]:
            moving = ops.cast(self.iterations >= self.still, learning_rate.dtype)
            learning_rate = learning_rate * self.rate * moving
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "still": self.still, "rate": self.rate}


def transfer(
    backbone: keras.Model,
    *,
    preprocess: Callable[[Any], Any] | None = None,
    last: int = 0,
    still: int = 500,
    rate: float = 0.1,
    learning_rate: Any = 1e-3,
) -> BuiltIn:
    """Build a network on a backbone of `keras.applications`, KerasHub, or your own.

    Pass the result to `fit`, `compare`, or `CounterpoiseClassifier`.

    Images are resized to the size and number of channels of the backbone, and preprocessed inside the model. The
    weights of the backbone are kept, and its batch normalization does not change. The output of the backbone is
    averaged over places, and a new layer computes the logits. A frozen backbone processes every image once, before the
    training (see `networks.frozen_body`). Strategies then draw, create and mix rows of this output, and external models
    in a comparison receive this output. The backbone processes images in every step if callbacks need the whole model,
    or if `preprocess` augments images. With `last`, the last layers of the backbone are trained too. They stay frozen
    for the first `still` steps, until the head has learned. Then they are trained at `rate` times the learning rate.

    Args:
        backbone: A built Keras model without its head, with its weights loaded. `transfer` downloads nothing.
        preprocess: Function of pixel values from 0 to 255, for example
            `keras.applications.efficientnet_v2.preprocess_input`; None scales to -1 .. 1.
        last: Number of layers at the end of the backbone that are trained too. 0 keeps the backbone frozen.
        still: Number of steps for which these layers stay frozen.
        rate: Factor for the learning rate of these layers, above 0 and at most 1.
        learning_rate: Learning rate of Adam, a number or a Keras schedule. With your own `optimizer=`, all trained
            layers have the same learning rate.

    Returns:
        The argument `model` of `fit`: `cp.fit(cp.transfer(backbone), images, y)`.

    Raises:
        ModelError: The backbone is not a built Keras model with one input and one output, or does not accept the rows.
        OptionError: A number is out of range.

    Example:
        >>> pixels = keras.Input((8, 8, 3))
        >>> backbone = keras.Model(pixels, keras.layers.Conv2D(4, 3, activation="relu")(pixels))
        >>> model = transfer(backbone)(InputSpec((16, 16), peak=255.0), 2)
        >>> model.output.shape, len(model.trainable_variables)
        ((None, 1), 2)
    """
    if not isinstance(backbone, keras.Model) or not backbone.built or len(backbone.inputs) != 1:
        raise ModelError(f"backbone is {type(backbone).__name__}. Expected a built Keras model with one input.")
    check_int(last, "last", 0)
    check_int(still, "still", 0)
    check_range(rate, "rate", 0.0, 1.0, "(]")
    if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        check_range(learning_rate, "learning_rate", 0.0, bounds="()")

    def features_and_body(spec: InputSpec) -> tuple[keras.Model, keras.Model]:
        """Return a model from rows to the output of the backbone, and its copy of the backbone."""
        inputs = spec.inputs()
        body = _partly_frozen(clone(backbone, keep=True), last)
        pictures = _images_for_backbone(inputs, spec, body.input_shape, preprocess)
        return keras.Model(inputs, _mean_over_places(body(pictures, training=False)), name="backbone_features"), body

    def frozen_features(spec: InputSpec) -> keras.Model | None:
        """Return the model of features; None if its preprocessing draws random numbers."""
        features, body = features_and_body(spec)
        return None if any(_draws_at_random(layer) for layer in features.layers if layer is not body) else features

    def build(spec: InputSpec, units: int) -> keras.Model:
        """Return the whole network, from rows to logits."""
        features, _ = features_and_body(spec)
        return keras.Model(features.input, _dropout_and_logits(features.output, units), name="transfer")

    def head(spec: InputSpec, units: int) -> keras.Model:
        """Return the head alone, from outputs of the frozen backbone to logits."""
        inputs = spec.inputs()
        return keras.Model(inputs, _dropout_and_logits(inputs, units), name="transfer")

    build.__name__ = head.__name__ = f"transfer of {backbone.name}"
    optimizer = partial(LateAndSlow, learning_rate, still=still, rate=rate)
    return BuiltIn(build, optimizer=optimizer, frozen=None if last else Frozen(frozen_features, head))


def _draws_at_random(layer: keras.layers.Layer) -> bool:
    """Return whether a layer, or a layer in it, draws random numbers."""
    return any("seed_generator" in variable.path for variable in layer.variables)


def _dropout_and_logits(h: Any, units: int) -> Any:
    """Return logits (N, units) of features, with dropout in front."""
    h = keras.layers.Dropout(DROPOUT)(h)
    return keras.layers.Dense(units, name="logits")(h)


def _partly_frozen(body: keras.Model, last: int) -> keras.Model:
    """Return the backbone, which is changed: frozen except for its last layers.

    The variables of these are marked as slow. Batch normalization stays frozen among them.
    """
    body.trainable = True  # a frozen model lists no trainable variables, whatever its layers are
    for index, layer in enumerate(reversed(body.layers)):
        layer.trainable = index < last and not isinstance(layer, keras.layers.BatchNormalization)
    for variable in body.trainable_variables:
        variable.slow = True
    return body


def _images_for_backbone(inputs: Any, spec: InputSpec, wanted: tuple[Any, ...], preprocess: Any) -> Any:
    """Return rows as images of the size, the channels and the range that the backbone takes.

    Pixels are scaled to -1 .. 1, or to 0 .. 255 for `preprocess`. Rows that are no images raise a ModelError.
    """
    shape = spec.shape
    if not (isinstance(shape, tuple) and len(wanted) == 4 and len(shape) in (2, 3) and spec.dtype == "float32"):
        raise ModelError(
            f"The backbone takes {wanted[1:]}, but the rows have shape {shape}. Expected images (height, width, "
            f"channels) and a backbone for images."
        )
    h = keras.layers.Reshape((*shape, 1))(inputs) if len(shape) == 2 else inputs
    if h.shape[-1] == 1 and wanted[-1] == 3:
        h = keras.layers.Concatenate()([h, h, h])
    if None not in wanted[1:3] and tuple(h.shape[1:3]) != tuple(wanted[1:3]):
        h = keras.layers.Resizing(*wanted[1:3])(h)
    if preprocess is None:
        return keras.layers.Rescaling(2.0 / spec.peak, offset=-1.0)(h)
    return preprocess(keras.layers.Rescaling(255.0 / spec.peak)(h))


def _mean_over_places(h: Any) -> Any:
    """Return the mean over places, (N, units); a ModelError for outputs of another form."""
    if not hasattr(h, "shape") or len(h.shape) not in (2, 3, 4):
        raise ModelError(
            "Expected a backbone with a single output of shape (N, units), (N, places, units) or (N, height, width, "
            "units). Build a keras.Model that ends in the last layer of the backbone."
        )
    if len(h.shape) == 2:
        return h
    return (keras.layers.GlobalAveragePooling2D if len(h.shape) == 4 else keras.layers.GlobalAveragePooling1D)()(h)
