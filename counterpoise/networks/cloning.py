"""A user's Keras model copied: same layers, own weights, what its preprocessing learned kept.

Also what can be seen of a model that others made (its kind, last activation, own training step), and the messages of
Keras errors, because copying and loading fail with these.
"""

from __future__ import annotations

import re
import tempfile
from typing import Any, NamedTuple

import keras

from counterpoise.core import saved_names
from counterpoise.core.errors import ModelError
from counterpoise.core.temporary import scratch

saved_names.register_stand_ins()  # whoever copies or reads a model may meet any of our layers in it


def clone(model: keras.Model, keep: bool) -> keras.Model:
    """Return a copy with the model's weights (`keep`) or new ones; layers that were adapted stay adapted.

    Raises:
        ModelError: the model's class cannot be made again from its configuration.
    """
    try:
        copy = _new_copy(model)
        keep_layer_state(model, copy)
    except Exception as error:
        raise ModelError(
            f"The model {model.name!r} cannot be cloned ({type(error).__name__}: {keras_text(error)}). Pass a builder "
            "function, or clone=False to train the object itself."
        ) from error
    if keep:
        keep_weights(model, copy)
    return copy


def _new_copy(model: keras.Model) -> keras.Model:
    """Return a model of the same structure with new weights.

    A model of a class of its own is made again from its configuration, and called on the inputs to get its weights.
    """
    if plain(model):
        return _clone_uncompiled(model)
    copy = _from_own_config(model)
    if model.built and not copy.built and getattr(model, "inputs", None):
        copy(model.inputs)
    return copy


def _from_own_config(model: keras.Model) -> keras.Model:
    """Return a model of the same class, made from its configuration."""
    config = model.get_config()
    try:
        return type(model).from_config(config)
    except TypeError:  # a constructor that takes no name, trainable and dtype, which Keras adds to the configuration
        return type(model)(**{k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")})


def _clone_uncompiled(model: keras.Model, **how: Any) -> keras.Model:
    """Return Keras's `clone_model` without its repetition of `compile`, which fails on a loss without configuration.

    It is shown a shadow that is not compiled: the model itself may be in use in other threads.
    """
    shadow = object.__new__(type(model))
    shadow.__dict__.update(model.__dict__, compiled=False)
    return keras.models.clone_model(shadow, **how)


def keep_weights(model: keras.Model, copy: keras.Model) -> None:
    """Give a copy the weights of the model, where both have some.

    A model of one's own may call itself built although its layers are not: it has no weights yet.
    """
    if model.built and copy.built and model.weights:
        copy.set_weights(model.get_weights())


class Frozen(NamedTuple):
    """What of a layer may be trained: the layer, its own variables, and the layers inside of it."""

    layer: bool
    variables: tuple[bool, ...]
    parts: tuple[Frozen, ...]

    @classmethod
    def of(cls, layer: Any) -> Frozen:
        """Return what may be trained of a model or layer."""
        variables = tuple(bool(variable.trainable) for variable in layer._trainable_variables)
        return cls(bool(layer.trainable), variables, tuple(map(cls.of, _parts(layer))))

    def apply(self, layer: Any) -> None:
        """Freeze the same in another model or layer of the same structure; layers that it lacks yet are passed."""
        if layer.trainable != self.layer:
            layer.trainable = self.layer  # sets all layers in it too, which follow
        variables, parts = layer._trainable_variables, _parts(layer)
        for variable, trainable in zip(variables, self.variables, strict=False):
            variable.trainable = trainable
        for frozen, part in zip(self.parts, parts, strict=True) if len(parts) == len(self.parts) else ():
            frozen.apply(part)


def keep_layer_state(model: Any, copy: Any) -> None:
    """Give the copy of a model what neither its configuration nor its weights contain.

    That is what is frozen (`trainable`), and what preprocessing layers learned in `adapt`: vocabularies, means,
    boundaries. Layers inside of layers count too. Layers that the copy makes only when it is called are passed: call
    this again then.
    """
    Frozen.of(model).apply(copy)
    _keep_adapted(model, copy)


def _keep_adapted(layer: Any, copy: Any) -> None:
    """Give the copy of a model or layer what preprocessing layers learned in `adapt`."""
    if hasattr(layer, "adapt"):
        _copy_adapted(layer, copy)
    parts, new_parts = _parts(layer), _parts(copy)
    for part, new_part in zip(parts, new_parts, strict=True) if len(parts) == len(new_parts) else ():
        _keep_adapted(part, new_part)


def _parts(layer: Any) -> list[Any]:
    """Return the layers that a model or layer is made of, not those inside of these."""
    return layer.layers if isinstance(layer, keras.Model) else layer._flatten_layers(False, recursive=False)


def _copy_adapted(layer: keras.layers.Layer, other: keras.layers.Layer) -> None:
    """Give `other` what `layer` learned from data: its variables, and files of vocabularies."""
    if layer.built and not other.built:
        other.build_from_config(layer.get_build_config())
    variables: dict[str, Any] = {}
    layer.save_own_variables(variables)
    other.load_own_variables(variables)
    if hasattr(layer, "save_assets"):
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            layer.save_assets(folder)
            other.load_assets(folder)


def plain(model: keras.Model) -> bool:
    """Return whether the model is a Sequential or functional one: its layers are all that it computes."""
    return type(model) is keras.Sequential or type(model).__name__ == "Functional"


def custom_train_step(model: keras.Model) -> str | None:
    """Return the name of the training method that the model's class replaces, or None."""
    for name in ("train_step", "compute_loss"):
        if getattr(type(model), name) is not getattr(keras.Model, name):
            return name
    return None


#: Layers that a search for the last activation passes, because they only arrange or keep the output before them.
_PASSED = (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Identity, keras.layers.Dropout)


def last_activation(model: keras.Model) -> str | None:
    """Return the name of the activation that the model ends in, or None if it cannot be seen.

    `keras.ops.sigmoid` and `keras.ops.softmax` count too. Layers of `_PASSED` behind the activation do not.
    """
    outputs, last = getattr(model, "outputs", None), _last_operation(model)
    made = outputs[0]._keras_history if outputs else None
    while made is not None and isinstance(last, _PASSED):
        made = last._inbound_nodes[made.node_index].input_tensors[0]._keras_history
        last = made.operation
    return activation_of(last)


def activation_of(operation: Any) -> str | None:
    """Return the name of the activation of a layer, a model, or an operation of Keras; None if it has none."""
    if isinstance(operation, keras.Model):
        return last_activation(operation)
    if isinstance(operation, keras.layers.TimeDistributed):
        return activation_of(operation.layer)
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    kind = type(operation)
    if kind.__name__ in ("Sigmoid", "Softmax") and kind.__module__.startswith("keras."):
        return kind.__name__.lower()
    return getattr(getattr(operation, "activation", None), "__name__", None)


def _last_operation(model: keras.Model) -> Any:
    """Return the layer or operation that makes the (first) output, or None if the model has no layers yet.

    Of a subclassed model, that is the layer that was made last.
    """
    outputs, layers = getattr(model, "outputs", None), getattr(model, "layers", [])
    if outputs:
        return outputs[0]._keras_history.operation
    return layers[-1] if layers else None


def without_activation(model: keras.Model) -> keras.Model | None:
    """Return a model of the same layers without the last activation.

    The layers are shared with `model`; only the last one is a copy. None if the model is not built of visible layers,
    or if its last layer is not one with an activation that can be left out. That is so if the layer is also used at
    another place of the model, where its activation must stay.
    """
    last = _last_operation(model)
    calls = [node for nodes in getattr(model, "_nodes_by_depth", {}).values() for node in nodes]
    if sum(node.operation is last for node in calls) > 1:
        return None
    # An activation "linear" is no activation: such a model is taken for one of logits.
    if not (plain(model) and _ends_in_activation(last) and activation_of(last) in ("softmax", "sigmoid", "linear")):
        return None

    def bare_if_last(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer is not last:
            return layer
        if isinstance(layer, (keras.layers.Softmax, keras.layers.Activation)):
            return keras.layers.Activation("linear", name=layer.name)
        bare = type(layer).from_config({**layer.get_config(), "activation": "linear"})
        bare.build(layer.input.shape)
        bare.set_weights(layer.get_weights())
        return bare

    if isinstance(model, keras.Sequential):
        start = keras.Input(batch_shape=model.input_shape, dtype=model.inputs[0].dtype)
        return keras.Sequential([start, *[bare_if_last(x) for x in model.layers]])
    return _clone_uncompiled(model, clone_function=bare_if_last)


def _ends_in_activation(layer: Any) -> bool:
    """Return whether a layer returns the values of its activation, an activation of Keras, as they are.

    Recurrent layers use theirs inside. What a layer of the user's does with it, or an activation of the user's with the
    name of one of Keras, cannot be seen.
    """
    if not isinstance(layer, keras.layers.Layer):
        return False
    if isinstance(layer, (keras.Model, keras.layers.Wrapper, keras.layers.RNN)):
        return False
    functions = (type(layer).call, getattr(layer, "activation", None))
    modules = [getattr(function, "__module__", None) for function in functions if function is not None]
    return all(str(module).startswith(("keras.", "counterpoise.")) for module in modules)


def keras_text(error: Exception) -> str:
    """Return the message of a Keras error on one line, without the list of arguments at its end.

    A class that a file names and nobody registered is named first: Keras says so at the end of a long text. Of a
    Lambda layer it names the remedy, because Keras advises to switch the safe mode off.
    """
    if "__lambda__" in str(error) or re.search(r"identifier: \{'value'", str(error)):
        return (
            "it contains a lambda function, which Keras cannot restore from a configuration. Write it "
            "as a function with a name and @keras.saving.register_keras_serializable()."
        )
    if re.search(r"`Lambda` layer", str(error)):
        return (
            "it contains a Lambda layer, which Keras cannot restore from a configuration. Write it as a "
            "layer class with get_config() and @keras.saving.register_keras_serializable()."
        )
    unknown = re.search(r"Could not locate (class|function) '([^']+)'", str(error))
    if unknown:
        return (
            f"it contains the unknown {unknown[1]} {unknown[2]!r}. Decorate its definition with "
            "@keras.saving.register_keras_serializable() before saving, and import its module before loading. A class "
            "also needs the method get_config()."
        )
    message = re.sub(r"\x1b\[\d+m", "", str(error).split("Arguments received by")[0])
    inmost = message.rpartition("Exception encountered:")[2]
    text = " ".join(re.sub(r"[^.]*(safe_mode|unsafe_deserialization)[^.]*\.(\w[^.]*\.)?", "", inmost).split())
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:400])
    return shown or type(error).__name__
