"""The network that a job trains: inputs, the encoder, the user's model, and logits at the end.

`Network` is the recipe; `fresh(seed)` makes one with initial weights that depend on the seed alone. Whatever the
user's model ends in (softmax, sigmoid or logits), ours ends in logits, because corrections are additions there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.records import Examples
from counterpoise.data.encode import TableEncoder, encoder_for, take
from counterpoise.train.builders import BUILT_IN, BuiltIn, InputSpec, mlp
from counterpoise.train.state import fresh_state, learned, places, seeded, set_state, state_of
from counterpoise.train.views import views_of

Array = np.ndarray

__all__ = ["BUILT_IN", "InputSpec", "Network", "ProbabilityToLogit", "last_activation", "mlp", "set_state", "state_of"]

#: Activations that turn logits into probabilities.
PROBABILITY_ACTIVATIONS = ("softmax", "sigmoid")


@keras.saving.register_keras_serializable(package="counterpoise")
class ProbabilityToLogit(keras.layers.Layer):
    """Undo the last activation: log p for softmax, log p - log(1 - p) for one sigmoid unit."""

    def call(self, p: Any) -> Any:
        tiny = 1e-7
        p = ops.clip(ops.cast(p, "float32"), tiny, 1.0 - tiny)
        return ops.log(p) - ops.log1p(-p) if p.shape[-1] == 1 else ops.log(p)


class Network:
    """A recipe for networks of one shape.

    Args:
        model: A Keras model, a builder `build(spec, n_classes)` returning logits, or the name of a built-in network.
        examples: The data; a table gets the encoder in front.
        output: "logits", "probabilities", or "auto" (the compiled loss's `from_logits`, else the last activation).
        weights: "keep" starts from the weights of the given model, "fresh" draws new ones; "auto" keeps those of an
            instance.
        optimizer: A Keras optimizer or name; None takes the compiled model's, or that of the built-in network, else
            Adam(1e-3).
        clone: False trains the given object itself, from the weights that it has.

    Attributes:
        units: 1 or C, width of the logits.
        views: Networks in the network (see `train.views`); 1 for a plain one.
        cache: What engines compiled and may use again as long as the network lives; never pickled.
        ways: How the program trains each loss family, decided once (see `train.choice`): it goes with the network to
            other processes and, written beside a run, to later ones.

    Raises:
        ModelError: the model does not fit the inputs or the classes, or its output cannot be told.
        OptionError: unknown name or option.
    """

    def __init__(
        self,
        model: Any,
        examples: Examples,
        *,
        output: str = "auto",
        weights: str = "auto",
        optimizer: Any = None,
        clone: bool = True,
    ) -> None:
        _check_option("output", output, ("auto", "logits", "probabilities"))
        _check_option("weights", weights, ("auto", "keep", "fresh"))
        self.model = _resolve(model)
        self.given = isinstance(self.model, keras.Model)
        self.examples_are_table = examples.schema is not None
        self.n_classes = examples.n_classes
        self.output, self.clone = output, clone
        self.keep = self.given and weights != "fresh"
        _check_clone(clone, self.given, weights)
        self._optimizer = _checked_optimizer(optimizer)
        bins = self.model.bins if isinstance(self.model, BuiltIn) else 0
        self._encoder_config = encoder_for(examples, bins).get_config() if examples.schema is not None else None
        self._raw_spec = _spec_of(examples.x)
        self.cache: dict[str, Any] = {}
        self.ways: dict[str, Any] = {}
        sample = self.fresh(0)
        self.views = views_of(sample)
        self.units = int(sample.output.shape[-1])
        table = self._encoder_config is not None
        self._encoder_places = places(sample, sample.get_layer("encoder").variables) if table else []

    @property
    def label(self) -> str:
        """What to call the network in a report."""
        return str(getattr(self.model, "name", None) or getattr(self.model, "__name__", "model"))

    @property
    def was_trained(self) -> bool:
        """Whether the given model's optimizer has taken steps."""
        return bool(self.given and self.model.compiled and int(self.model.optimizer.iterations) > 0)

    @property
    def user_loss(self) -> Any:
        """The compiled model's own loss when it is not a plain cross-entropy, else None."""
        if not (self.given and self.model.compiled):
            return None
        return None if _is_cross_entropy(self.model.loss) else self.model.loss

    def fresh(self, seed: int) -> keras.Model:
        """A new network, inputs to logits (float32), with initial weights that depend on `seed` alone."""
        with seeded(seed):
            inputs = self._raw_spec.inputs()
            h = inputs
            if self._encoder_config is not None:
                h = encoder_of_config(self._encoder_config)(inputs)
            inner = self._inner(InputSpec(tuple(h.shape[1:])) if h is not inputs else self._raw_spec)
            logits = self._logits(inner, h)
        self._check_units(logits)
        logits = keras.layers.Activation("linear", dtype="float32", name="as_float32")(logits)
        return keras.Model(inputs, logits, name="network")

    def optimizer(self) -> keras.optimizers.Optimizer:
        """A new optimizer of the wanted kind, in its initial state."""
        wanted = self._optimizer
        if wanted is None and isinstance(self.model, BuiltIn):
            return self.model.optimizer()
        if wanted is None and self.given and self.model.compiled:
            wanted = self.model.optimizer
        if wanted is None:
            return keras.optimizers.Adam(1e-3)
        return type(wanted).from_config(wanted.get_config())

    def initial_state(self, seed: int, x: Any, rows: Array) -> list[Array]:
        """Values of all variables of `fresh(seed)`, the encoder's learned from the training rows `rows` of `x`.

        A layer that was given a random seed of its own (Dropout) draws from (`seed`, that seed), so that members do
        not share their masks.
        """
        cache = self.cache if self.clone else {}
        state = list(fresh_state(cache, self.fresh, seed))
        if self._encoder_config is not None:
            encoder = encoder_of_config(self._encoder_config)
            values = learned(cache, x, rows, lambda: encoder.learned(take(x, rows)))
            for place, value in zip(self._encoder_places, values, strict=True):
                state[place] = value
        return state

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "cache": {}}

    def _inner(self, spec: InputSpec) -> keras.Model:
        if not self.given:
            inner = self.model(spec, self.n_classes)
            if not isinstance(inner, keras.Model):
                raise ModelError(f"the builder returned {type(inner).__name__}; expected a keras.Model.")
            return inner
        return self.model if not self.clone else _clone(self.model, self.keep)

    def _logits(self, inner: keras.Model, h: Any) -> Any:
        try:
            out = inner(h)
        except Exception as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ModelError(f"the model does not take an input of shape {_shape_text(h)}: {first}") from error
        if not hasattr(out, "shape"):
            raise ModelError("the model has several outputs; expected one (one unit, or one per class).")
        if not self._emits_probabilities(inner):
            return out
        bare = _without_activation(inner) if (self.clone or not self.given) else None
        return bare(h) if bare is not None else ProbabilityToLogit(name="to_logit")(out)

    def _emits_probabilities(self, inner: keras.Model) -> bool:
        if self.output != "auto":
            return self.output == "probabilities"
        if self.given and self.model.compiled and self.model.loss is not None:
            from_logits = _from_logits(self.model.loss)
            if from_logits is not None:
                return not from_logits
        activation = last_activation(inner)
        if activation in PROBABILITY_ACTIVATIONS:
            return True
        if activation == "linear" or not self.given:
            return False
        raise ModelError(
            f"cannot tell whether the model's output ({activation or 'no known activation'}) is logits or "
            'probabilities; pass output="logits" or output="probabilities".'
        )

    def _check_units(self, logits: Any) -> None:
        if len(logits.shape) != 2 or logits.shape[-1] not in {self.n_classes, 1 if self.n_classes == 2 else -1}:
            wanted = "1 or 2" if self.n_classes == 2 else str(self.n_classes)
            raise ModelError(
                f"the model's output has shape {tuple(logits.shape)}; for {self.n_classes} classes expected "
                f"(None, units) with {wanted} units."
            )


def encoder_of_config(config: Mapping[str, Any]) -> TableEncoder:
    """A new encoder layer of a configuration, outside any model."""
    return TableEncoder.from_config(dict(config))


def last_activation(model: keras.Model) -> str | None:
    """Name of the activation of the last layer, or None when there is none to be seen."""
    layers = getattr(model, "layers", [])
    if not layers:
        return None
    layer = layers[-1]
    if isinstance(layer, keras.Model):
        return last_activation(layer)
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(layer, "activation", None), "__name__", None)


def _resolve(model: Any) -> Any:
    if isinstance(model, str):
        if model not in BUILT_IN:
            raise OptionError(f"there is no built-in network {model!r}.{did_you_mean(model, BUILT_IN)}")
        return BUILT_IN[model]
    if isinstance(model, keras.Model) or callable(model):
        return model
    raise OptionError(f"model is {type(model).__name__}; expected a Keras model, a builder or the name of a network.")


def _check_clone(clone: bool, given: bool, weights: str) -> None:
    if not clone and not given:
        raise OptionError("clone=False trains the object passed, but model is no Keras model; leave clone out.")
    if not clone and weights == "fresh":
        raise OptionError('clone=False keeps the weights of the object passed; it does not go with weights="fresh".')


def _checked_optimizer(optimizer: Any) -> Any:
    """None, or a Keras optimizer; names are looked up once."""
    if optimizer is None or isinstance(optimizer, keras.optimizers.Optimizer):
        return optimizer
    known = [name for name, value in vars(keras.optimizers).items() if isinstance(value, type)]
    if not isinstance(optimizer, str):
        raise OptionError(f"optimizer is {type(optimizer).__name__}; expected a Keras optimizer or its name.")
    try:
        return keras.optimizers.get(optimizer)
    except ValueError:
        raise OptionError(f"there is no optimizer {optimizer!r}.{did_you_mean(optimizer, known)}") from None


def _clone(model: keras.Model, keep: bool) -> keras.Model:
    try:
        if isinstance(model, keras.Sequential) or type(model).__name__ == "Functional":
            copy = keras.models.clone_model(model)
        else:
            copy = type(model).from_config(model.get_config())
            if model.built and model.inputs:
                copy(model.inputs)
    except Exception as error:
        raise ModelError(
            f"the model {model.name!r} cannot be cloned ({type(error).__name__}); pass a builder function, or "
            "clone=False to train the object itself."
        ) from error
    if keep and model.built and copy.built:
        copy.set_weights(model.get_weights())
    return copy


def _without_activation(model: keras.Model) -> keras.Model | None:
    """The same layers, last activation removed; None when the model is not built of visible layers."""
    if not (isinstance(model, keras.Sequential) or type(model).__name__ == "Functional"):
        return None
    last = model.layers[-1]
    if isinstance(last, keras.Model):
        return None

    def change(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer is not last:
            return layer
        if isinstance(layer, (keras.layers.Softmax, keras.layers.Activation)):
            return keras.layers.Activation("linear", name=layer.name)
        bare = type(layer).from_config({**layer.get_config(), "activation": "linear"})
        bare.build(layer.input.shape)
        bare.set_weights(layer.get_weights())
        return bare

    if isinstance(model, keras.Sequential):
        return keras.Sequential([keras.Input(batch_shape=model.input_shape), *[change(x) for x in model.layers]])
    return keras.models.clone_model(model, clone_function=change)


def _from_logits(loss: Any) -> bool | None:
    if isinstance(loss, str):
        return False if "crossentropy" in loss else None
    config = loss.get_config() if hasattr(loss, "get_config") else {}
    value = config.get("from_logits", getattr(loss, "from_logits", None))
    return None if value is None else bool(value)


def _is_cross_entropy(loss: Any) -> bool:
    if loss is None:
        return True
    if isinstance(loss, str):
        return loss in ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
    kinds = (
        keras.losses.BinaryCrossentropy,
        keras.losses.CategoricalCrossentropy,
        keras.losses.SparseCategoricalCrossentropy,
    )
    return isinstance(loss, kinds) and not loss.get_config().get("label_smoothing")


def _spec_of(x: Any) -> InputSpec:
    if isinstance(x, Mapping):
        return InputSpec({k: tuple(v.shape[1:]) for k, v in x.items()}, {k: _dtype(v) for k, v in x.items()})
    if isinstance(x, (tuple, list)):
        return InputSpec(tuple(tuple(v.shape[1:]) for v in x), tuple(_dtype(v) for v in x))
    return InputSpec(tuple(x.shape[1:]), _dtype(x), 255.0 if x.dtype == np.uint8 else 1.0)


def _dtype(array: Any) -> str:
    kind = np.dtype(array.dtype).kind
    return {"f": "float32", "i": "int32", "u": "float32", "b": "float32"}.get(kind, "string")


def _shape_text(h: Any) -> str:
    if isinstance(h, Mapping):
        return str({k: tuple(v.shape) for k, v in h.items()})
    if isinstance(h, (tuple, list)):
        return str([tuple(v.shape) for v in h])
    return str(tuple(h.shape))


def _check_option(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{name} is {value!r}; expected one of {', '.join(allowed)}.{did_you_mean(value, allowed)}")
