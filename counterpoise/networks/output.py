"""The output of a user's model: logits or probabilities, and in how many units.

Saved models contain `ProbabilityToLogit` by its name and `get_config`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from counterpoise.core.errors import ModelError
from counterpoise.core.target import Target
from counterpoise.networks.cloning import last_activation
from counterpoise.networks.user_loss import from_logits

#: Activations that turn logits into probabilities.
PROBABILITY_ACTIVATIONS = ("softmax", "sigmoid")


@keras.saving.register_keras_serializable(package="counterpoise")
class ProbabilityToLogit(keras.layers.Layer):
    """Undo the last activation: log p for softmax, log p - log(1 - p) for sigmoids.

    Args:
        independent: Whether several units are sigmoids; one unit always is.
    """

    def __init__(self, independent: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.independent = bool(independent)

    def call(self, p: Any) -> Any:
        """Return float32 logits of probabilities p (..., units), which are clipped first."""
        tiny = 1e-7
        p = ops.clip(ops.cast(p, "float32"), tiny, 1.0 - tiny)
        return ops.log(p) - ops.log1p(-p) if self.independent or p.shape[-1] == 1 else ops.log(p)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "independent": self.independent}


def takes_probabilities(members: keras.Model) -> bool:
    """Return whether a classifier was made from probabilities: its networks only turn them to logits."""
    return len(members.layers) == 2 and isinstance(members.layers[1], ProbabilityToLogit)


def emits_probabilities(model: keras.Model, output: str, loss: Any = None, given: bool = True) -> bool:
    """Decide whether a model puts out probabilities.

    Args:
        model: The user's model, or a copy.
        output: "probabilities", "logits", or "auto": as the loss reads it, else by the last activation.
        loss: The loss that the model was compiled with, or None.
        given: Whether it is the user's own object; the model of a builder puts out logits unless it shows otherwise.

    Raises:
        ModelError: Neither the loss nor the last activation decides it.
    """
    if output != "auto":
        return output == "probabilities"
    reads_logits = None if loss is None else from_logits(loss)
    if reads_logits is not None:
        return not reads_logits
    activation = last_activation(model)
    if activation in PROBABILITY_ACTIVATIONS:
        return True
    if activation == "linear" or not given:
        return False
    raise ModelError(
        f"The model ends in {activation or 'no known activation'}, so Counterpoise cannot determine whether its output "
        'is logits or probabilities. Pass output="logits" or output="probabilities".'
    )


def check_units(logits: Any, target: Target, classes: int, elements: tuple[int, ...] = ()) -> None:
    """Raise a ModelError unless the output of a model has a shape that the target takes.

    `logits` are (N, units), or for `elements` (the shape of the labels of a row) (N, ..., units).
    """
    shape, widths = tuple(logits.shape), target.widths(classes)
    if not target.fits(shape, classes) or shape[1:-1] != elements:
        if elements and len(shape) > 2 and shape[-1] in widths:
            of_model, given = (" x ".join(map(str, sides)) for sides in (shape[1:-1], elements))
            raise ModelError(
                f"The model predicts {of_model} elements per row, but each row has {given} labels. Expected equal "
                "shapes. Resize images and masks to the same size. For color masks, pass one channel: masks[..., 0]."
            )
        wanted, what = " or ".join(map(str, widths)), "labels" if target.independent else "classes"
        raise ModelError(
            f"The model's output has shape {shape}. Expected ({', '.join(['None', *map(str, elements), 'units'])}) "
            f"with {wanted} units for {classes} {what}. Change the last layer."
        )
