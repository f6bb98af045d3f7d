"""The head of a classifier: the layer whose kernel and bias make the logits, and its bias set from the prior.

For models that a user trains (`cp.networks`, `cp.compile_balanced`): the head is found by the types of layers. The
training of `fit` and `compare` finds its output bias by trial instead (`networks.output_bias`).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from counterpoise.core.checks import check_finite
from counterpoise.core.code_hash import is_user_code
from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.per_class import in_class_order, in_unit_order

Array = np.ndarray

#: Layers that may stand behind the head without changing what a bias means.
_MAY_FOLLOW = (
    keras.layers.Softmax,
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.Reshape,
    keras.layers.Flatten,
)
#: What the head's activation may be: logits, or probabilities made of them.
_ACTIVATIONS = ("linear", "softmax", "sigmoid")


def find_head(model: keras.Model, layer: str | None = None) -> Any:
    """Return the layer that makes the logits: the last one with a kernel, behind which only activations stand.

    Args:
        model: A built Sequential or functional model (inner models and `TimeDistributed` are looked into).
        layer: Name of the layer, where the search cannot tell.

    Raises:
        ModelError: no such layer, or something behind it changes its output; the message names what was found.

    Example:
        >>> inputs = keras.Input((3,))
        >>> h = keras.layers.Dense(8, activation="relu")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", name="out")(h))
        >>> find_head(model).name
        'out'
    """
    if layer is not None:
        return _inner_layer(_layer_named(model, layer))
    for candidate in reversed(_flat_layers(model)):
        inner = _inner_layer(candidate)
        if _has_kernel(inner):
            return _with_known_activation(inner, candidate)
        if not (isinstance(candidate, _MAY_FOLLOW) or type(candidate).__name__ == "ProbabilityToLogit"):
            raise ModelError(
                f"The output comes from layer {candidate.name!r} ({type(candidate).__name__}). Expected a Dense or "
                f"convolution layer, followed only by activations. Name the head with layer=."
            )
    raise ModelError(
        f"The model {model.name!r} has no layer with a kernel. Expected a Dense or convolution layer "
        f"as head. Name it with layer=."
    )


def _flat_layers(model: keras.Model) -> list[Any]:
    """Return all layers in order, with the layers of inner models in place of these models."""
    out: list[Any] = []
    for layer in getattr(model, "layers", []):
        out.extend(_flat_layers(layer) if isinstance(layer, keras.Model) else [layer])
    return out


def _inner_layer(layer: Any) -> Any:
    """Return the layer inside a `TimeDistributed`; any other layer is returned as it is."""
    return layer.layer if isinstance(layer, keras.layers.TimeDistributed) else layer


def _has_kernel(layer: Any) -> bool:
    """Return whether a layer has a bias and a kernel, which Keras calls `_kernel` in some layers."""
    return hasattr(layer, "bias") and (hasattr(layer, "kernel") or hasattr(layer, "_kernel"))


def _layer_named(model: keras.Model, name: str) -> Any:
    """Return the layer of a name, also in inner models.

    Raises:
        ModelError: There is no such layer, or it has no kernel.
    """
    layers = {layer.name: layer for layer in _flat_layers(model)}
    if name not in layers:
        raise ModelError(f"The model has no layer {name!r}.{did_you_mean(name, layers)}")
    if not _has_kernel(_inner_layer(layers[name])):
        raise ModelError(
            f"Layer {name!r} ({type(layers[name]).__name__}) has no kernel. Name a Dense or convolution layer."
        )
    return layers[name]


def _with_known_activation(layer: Any, shown: Any) -> Any:
    """Return the layer, if its activation is one that ends a classifier.

    `shown` is the layer to name in the message: the same one, or the `TimeDistributed` around it.

    Raises:
        ModelError: The layer has another activation.
    """
    function = getattr(layer, "activation", None)
    activation = getattr(function, "__name__", "linear")
    own = is_user_code(function)  # may have the name of one of Keras, and do something else
    if activation not in _ACTIVATIONS or own:
        raise ModelError(
            f"The last layer with a kernel, {shown.name!r}, ends in {'your own function ' * own}{activation!r}, so it "
            "is not a classifier's head. Expected linear, softmax, or sigmoid of Keras. Name another layer with layer=."
        )
    return layer


def prior_logits(counts: Any, units: int, rows: float | None = None) -> Array:
    """Return the constants that a model without inputs should predict, float64 (units,).

    C units: log(n_c / n). One unit: log(n_1 / n_0). With `rows` (independent labels): log(n_l / (rows - n_l)).

    Args:
        counts: Rows per class (C,), two for one unit, in code order or by code; with `rows`, rows in which each label
            is present (L,).
        units: Units of the output.
        rows: Number of rows, for independent labels.

    Raises:
        OptionError: counts that do not fit the units, or are not above 0 (with `rows`: and below it).

    Example:
        >>> prior_logits([90, 10], 1).round(4).tolist()
        [-2.1972]
    """
    given = in_class_order(counts, "counts", fill=0) if rows is None else in_unit_order(counts, "counts")
    n = check_finite(np.asarray(given, dtype=np.float64), "counts")
    wanted = units if rows is not None or units > 1 else 2
    if n.shape != (wanted,):
        raise OptionError(
            f"counts= has shape {n.shape}. Expected ({wanted},), because the output of the model has {units} unit(s)."
        )
    low = np.flatnonzero((n <= 0) | (n >= (np.inf if rows is None else rows)))
    if len(low):
        raise OptionError(
            f"counts[{low[0]}] is {n[low[0]]:g}. Each class must occur in some rows, but not in all rows, because "
            "otherwise its bias is infinite."
        )
    if rows is not None:
        return np.log(n) - np.log(rows - n)
    return np.log(n[1:] / n[:1]) if units == 1 else np.log(n / n.sum())


def init_output_bias(
    model: keras.Model, counts: Any, *, rows: float | None = None, layer: str | None = None, verbose: bool = False
) -> str:
    """Set the output bias so that an untrained model predicts the class proportions.

    Without this bias, the first training steps only learn how rare the classes are. The bias does not change the best
    probabilities, so they need no correction.

    Args:
        model: A built Keras model. Its head is the last Dense or convolution layer (see `find_head`). The activation
            can be part of this layer or follow it.
        counts: Number of rows per class in code order (C,), for one unit (n_0, n_1). With `rows`, the number of rows
            with each label (L,).
        rows: Number of rows, if the units are independent labels.
        layer: Name of the head, if it cannot be found automatically.
        verbose: Whether to print the layer and its new bias.

    Returns:
        The name of the layer that was set.

    Raises:
        ModelError: The model has no head, or the head has no bias.
        OptionError: The counts do not fit the head.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid", name="risk")])
        >>> init_output_bias(model, [900, 100], verbose=True)
        bias of layer 'risk' set to [-2.1972]
        'risk'

    Source: Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017).
    """
    head = find_head(model, layer)
    if head.bias is None:
        raise ModelError(
            f"The head {head.name!r} has no bias (use_bias=False), so the prior cannot be stored. Add a bias."
        )
    values = prior_logits(counts, int(head.bias.shape[-1]), rows)
    head.bias.assign(values)
    if verbose:
        print(f"bias of layer {head.name!r} set to {np.round(values, 4).tolist()}")
    return str(head.name)
