"""The classes and functions that the configuration of a Keras model names: looked up anywhere in it, and checked.

Keras builds whatever a mapping with a "class_name" leads to, anywhere in a configuration: layers, cells and layers
inside wrappers, arguments of calls (`inbound_nodes`), optimizer, loss and metrics (`compile_config`). So every mapping
and every text of the configuration is looked at, and what leads to nothing that `allowed` knows is refused.

Runs before Keras builds anything from a file, and before a file is written, so that it can be read again. A message
completes "FILE cannot be read: " or "FILE cannot be written: ".
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from counterpoise.classifier import allowed
from counterpoise.core.errors import ArtifactError

#: Keys that name the class in a mapping that stands for an object.
NAME_KEYS = ("class_name", "module", "registered_name")
#: What Keras writes as "class_name" of values that are no objects: it names no class.
PLAIN_VALUES = ("__tensor__", "__numpy__", "__keras_tensor__", "__bytes__", "__ellipsis__", "__slice__")

#: Most classes and functions that one configuration may name.
MOST_REFERENCES = 200_000
#: Most values that are no text (numbers, lists, mappings) in one configuration, and most characters of one text. Keras
#: takes about 15 microseconds for each. The costs of 1,000 classes are a million numbers.
MOST_VALUES, LONGEST = 2_000_000, 100_000
#: Keys whose number Keras makes a list of while it builds an object, and what they count; how long the list may be.
#: A metric keeps a matrix of classes.
COUNT_KEYS = {
    "num_oov_indices": "indices for unknown words",
    "ngrams": "words in an n-gram",
    "num_thresholds": "thresholds",
    "indices_or_sections": "parts",
    "num": "parts",
}
MOST_COUNTED, MOST_CLASSES = 100_000, 5_000


@dataclass(frozen=True)
class Reference:
    """A class or function that a configuration names.

    Attributes:
        name: The class or function as the file spells it.
        module: Where the file says that it is.
        registered: The name by which Keras looks it up among registered objects.
        function: Whether it is a function.
        layer: Name of the layer that it stands in, or "".
    """

    name: str
    module: str | None
    registered: str
    function: bool
    layer: str

    @property
    def kind(self) -> str:
        """Return what messages call it: "function" or "class"."""
        return "function" if self.function else "class"

    @property
    def short(self) -> str:
        """Return the Python name: without the package that it is registered under."""
        return self.name.rpartition(">")[2]

    @property
    def where(self) -> str:
        """Return the position in the configuration for messages, or ""."""
        return f" in the layer {self.layer!r:.60}" if self.layer else ""


def references(config: Any) -> Iterator[Reference]:
    """Yield every class and function that a configuration names.

    Raises:
        ArtifactError: A reference that Keras would not write, a vocabulary in another file, or more values or a longer
            text than models have.
    """
    _check_amount(config)
    yield from _references_in(config, "")


def _check_amount(config: Any) -> None:
    """Raise an ArtifactError for more values than `MOST_VALUES`, or a text above `LONGEST`.

    Keras would take minutes to build a layer from them.
    """
    count, rest = 0, [config]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            if len(value) > LONGEST:
                raise ArtifactError(
                    f"its configuration contains a text of {len(value):,} characters ({value!r:.40}). Expected at most "
                    f"{LONGEST:,}."
                )
            continue
        count += 1
        if isinstance(value, Mapping):
            rest.extend(value.values())
        elif isinstance(value, (list, tuple)):
            rest.extend(value)
    if count > MOST_VALUES:
        raise ArtifactError(
            f"its configuration contains {count:,} numbers, lists and mappings. Expected at most {MOST_VALUES:,}."
        )


def _references_in(value: Any, layer: str) -> Iterator[Reference]:
    """Yield every reference in a configuration, with the layer that it stands in.

    `layer` is the name of the layer around `value`, or "". Vocabularies, calls and counts are checked on the way, and
    raise an ArtifactError.
    """
    if isinstance(value, Mapping):
        # Keys whose texts belong to the reference of this mapping: they are not searched for more references.
        named: tuple[str, ...] = ()
        if "class_name" in value:
            layer = _layer_name(value, layer)
            reference = _reference_of(value, layer)
            if reference is not None:
                yield reference
                named = (*NAME_KEYS, "config") if reference.function else NAME_KEYS
            _check_nodes(value.get("inbound_nodes"), layer)
            if "metrics" in str(value.get("module")) and isinstance(value.get("config"), Mapping):
                _check_count(value["config"].get("num_classes"), MOST_CLASSES, "classes in a metric", layer)
        for key, item in value.items():
            if key == "vocabulary":
                _check_vocabulary(item, layer)
            elif key in COUNT_KEYS:
                _check_count(item, MOST_COUNTED, COUNT_KEYS[key], layer)
            if key not in named:
                yield from _references_in(item, layer)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _references_in(item, layer)
    elif isinstance(value, str) and keras.saving.get_registered_object(value) is not None:
        yield Reference(value, None, value, True, layer)  # a text that Keras takes for a registered object


def _layer_name(value: Mapping[str, Any], layer: str) -> str:
    """Return the name of the layer that a mapping describes, or `layer` if it describes none.

    A name inside "config" counts only where the keys "trainable" or "layers" show that it configures a layer.
    """
    inside = value.get("config")
    own = inside.get("name") if isinstance(inside, Mapping) and ("trainable" in inside or "layers" in inside) else None
    names = (name for name in (value.get("name"), own) if isinstance(name, str))
    return next(names, layer)


def _reference_of(value: Mapping[str, Any], layer: str) -> Reference | None:
    """Return the reference in a mapping that has a "class_name", or None for a plain value.

    Raises:
        ArtifactError: Names are not text, a function has two names, or a class has no module.
    """
    name, inside, module = value["class_name"], value.get("config"), value.get("module")
    where = f" in the layer {layer!r:.60}" if layer else ""
    if not isinstance(name, str) or not isinstance(module, (str, type(None))):
        raise ArtifactError(f"its configuration has a class name that is not text{where}.")
    if name in PLAIN_VALUES:
        if not isinstance(inside, Mapping):
            raise ArtifactError(f"it contains a {name}{where} without a value.")
        return None
    registered = value.get("registered_name")
    if not isinstance(registered, (str, type(None))):
        raise ArtifactError(f"its configuration has a class name that is not text{where}.")
    if name == "function":
        if not isinstance(inside, str):
            raise ArtifactError(f"its configuration has a function name that is not text{where}.")
        if registered not in (None, inside, "function"):
            raise ArtifactError(f"it gives a function two names, {inside!r:.60} and {registered!r:.60}{where}.")
        return Reference(inside, module, inside, True, layer)
    if "module" not in value:
        raise ArtifactError(f"it names the class {name!r:.60}{where} without its module.")
    return Reference(name, module, registered or name, False, layer)


def _check_vocabulary(value: Any, layer: str) -> None:
    """Raise an ArtifactError unless a vocabulary is None, a list or an array.

    Keras would read anything else from a file.
    """
    plain = value is None or isinstance(value, (list, tuple))
    array = isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__")
    if not plain and not array:
        raise ArtifactError(
            f"the layer {layer!r:.60} takes its vocabulary from another file. Expected a list of words."
        )


def _check_count(value: Any, most: int, what: str, layer: str) -> None:
    """Raise an ArtifactError for a number above `most`; `what` says what is counted."""
    if isinstance(value, (int, float)) and value > most:
        where = f"the layer {layer!r:.60}" if layer else "the model"
        raise ArtifactError(f"{where} has {value:,} {what}. Expected at most {most:,}.")


def _check_nodes(nodes: Any, layer: str) -> None:
    """Raise an ArtifactError for calls without a tensor of the network.

    Keras would carry out such calls while it reads the file. `nodes` is the entry "inbound_nodes" of a layer.
    """
    for node in nodes if isinstance(nodes, (list, tuple)) else ():
        # A mapping holds the arguments of a call; any other node has only to be not empty.
        if not _has_tensor(node) if isinstance(node, Mapping) else not node:
            raise ArtifactError(f"the layer {layer!r:.60} receives no input from the network.")


def _has_tensor(value: Any) -> bool:
    """Return whether a tensor of the network occurs in a value, at any depth."""
    if isinstance(value, Mapping):
        return value.get("class_name") == "__keras_tensor__" or any(_has_tensor(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(_has_tensor(item) for item in value)


def registered_object(reference: Reference, trusted: Mapping[str, Any]) -> Any:
    """Return the registered object of a reference, found as in Keras, or None if no object has this name."""
    known = keras.saving.get_registered_object(reference.registered, custom_objects=trusted)
    if known is None and reference.name != reference.registered:
        known = keras.saving.get_registered_object(reference.name, custom_objects=trusted)
    return known


def is_allowed(reference: Reference, trusted: Mapping[str, Any]) -> bool:
    """Return whether a file may name this: listed in Keras, ours, or trusted by the user.

    `trusted` maps registered names to objects. Other objects that are registered with Keras are not allowed.
    """
    if not reference.function and allowed.own_class(reference.registered) is not None:
        return reference.name == reference.registered.partition(">")[2]
    known = registered_object(reference, trusted)
    if known is not None:
        return any(known is mine for mine in trusted.values())
    if reference.function:
        spaces = ("builtins", *allowed.FUNCTION_SPACES)
        return reference.module in spaces and reference.name in allowed.keras_functions()
    same = reference.registered == reference.name
    return same and (reference.module, reference.name) in allowed.keras_classes()


def check_references(config: Any, trusted: Mapping[str, Any]) -> bool:
    """Raise an ArtifactError if a configuration names an object that a file may not name.

    Returns:
        Whether it names some of the user's own classes and functions.

    Raises:
        ArtifactError: It names such an object. The message says what to do, and completes "FILE cannot be read: ".
    """
    foreign = False
    for number, reference in enumerate(references(config)):
        if number == MOST_REFERENCES:
            raise ArtifactError(f"its configuration names more than {MOST_REFERENCES:,} classes and functions.")
        if is_allowed(reference, {}):
            continue
        if not is_allowed(reference, trusted):
            raise ArtifactError(refusal_text(reference))
        foreign = True
    return foreign


def custom_objects_of(model: keras.Model) -> dict[str, Any]:
    """Return the classes and functions to trust when a model is read from a file, by their registered names.

    Raises:
        ArtifactError: Some could not be looked up again when the model is read from a file.
    """
    known = {}
    for reference in references(_saved_config(model)):
        if not is_allowed(reference, {}):
            known[reference.registered] = value = registered_object(reference, {}) or _unlisted_keras_class(reference)
            if value is None:
                raise ArtifactError(_unregistered_text(reference))
    return known


def _unlisted_keras_class(reference: Reference) -> Any:
    """Return a class of Keras that is not on our list but that a user may trust, or None.

    An example is a layer of a later version. None for functions, classes that are always refused, and other packages.
    """
    module = reference.module or ""
    if module.partition(".")[0] != "keras" or reference.function or reference.short in allowed.REFUSED_LAYERS:
        return None
    try:
        return getattr(importlib.import_module(module), reference.name, None)
    except ImportError:
        return None


def _saved_config(model: keras.Model) -> dict[str, Any]:
    """Return the configuration of a model as Keras writes it, without loss and metrics.

    Raises:
        ArtifactError: A layer contains a lambda.
    """
    with not_compiled(model), warnings.catch_warnings():
        warnings.filterwarnings("error", message="(?s).*includes a `lambda`")
        try:
            return keras.saving.serialize_keras_object(model)
        except UserWarning:
            raise ArtifactError(
                "a layer contains a lambda, which is code. Write it as a function with a name, and add the line "
                "@keras.saving.register_keras_serializable() above it."
            ) from None


@contextmanager
def not_compiled(model: keras.Model) -> Iterator[None]:
    """Leave optimizers, losses and metrics out of what Keras writes of a model, for a `with` block.

    The model is unchanged after the block.
    """
    models = [layer for layer in model._flatten_layers() if isinstance(layer, keras.Model) and layer.compiled]
    for model in models:
        model.compiled = False
    try:
        yield
    finally:
        for model in models:
            model.compiled = True


def _unregistered_text(reference: Reference) -> str:
    """Return the message for an object that could not be found again when the file is read."""
    short = reference.short
    if short == "Lambda" or (reference.module or "").partition(".")[0] == "keras":
        return refusal_text(reference)
    return (
        f"the {reference.kind} {short!r:.80}{reference.where} is not registered with Keras, so the file could not be "
        "read again. Add the line @keras.saving.register_keras_serializable() above its definition; to save without "
        f"training again, call keras.saving.register_keras_serializable()({_identifier_or(short, 'NAME')})."
    )


def refusal_text(reference: Reference) -> str:
    """Return the message that says why a reference is refused, and what to do."""
    short, where = reference.short, reference.where
    if short == "Lambda" or reference.name == "__lambda__":
        return (
            f"it contains a Lambda layer{where}, which is code. Write it as a layer class with get_config() and "
            "@keras.saving.register_keras_serializable()."
        )
    of_keras = (reference.module or "").partition(".")[0] == "keras" and reference.registered == reference.name
    what = f"the {reference.kind} {short!r:.80}{' of Keras' if of_keras else ''}{where}"
    if of_keras and short in allowed.REFUSED_LAYERS:
        return f"it names {what}, which Counterpoise never loads from a file: {allowed.REFUSED_LAYERS[short]}."
    if of_keras and reference.function:
        return f"it names {what}. The only Keras functions that a file may name are activations, losses, and metrics."
    home = "MODULE" if reference.module in ("builtins", "__main__") else _identifier_or(reference.module, "MODULE")
    name = _identifier_or(short, "NAME")
    return (
        f"it names {what}, which Counterpoise does not load by name. If you trust this {reference.kind}, import it "
        f"and pass custom_objects={{{short!r:.80}: {name}}} (command line: "
        f"--trust {home}:{name})."
    )


def _identifier_or(name: str | None, otherwise: str) -> str:
    """Return a name that Python accepts, dots included, or `otherwise` for any other text."""
    plain = name is not None and len(name) <= 200 and all(word.isidentifier() for word in name.split("."))
    return name if plain and name is not None else otherwise
