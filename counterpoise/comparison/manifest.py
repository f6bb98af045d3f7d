"""The manifest: what determines the results of a comparison. Two runs share fits only if their manifests are equal.

It is saved in the store. A name or a value that is written in another way makes a run refuse the stores of earlier
versions; its names also appear in the message that lists the differences.

Strategies, repeats, tuning, the metric and whether the budget may be extended are left out on purpose: more of them
need more fits and change none.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from counterpoise.core.code_hash import code_hash, is_user_code, plain_text
from counterpoise.core.examples import Examples
from counterpoise.core.sources import Source
from counterpoise.core.version import installed_versions, version
from counterpoise.engines.program_rules import inner_optimizer
from counterpoise.networks.network import Network
from counterpoise.networks.weights import fresh_state
from counterpoise.pipeline.trainer import Trainer

Array = np.ndarray


def manifest_of(examples: Examples, trainer: Trainer, folds: int, duplicates: str) -> dict[str, Any]:
    """Return data, networks, settings and versions of a run, as plain values by the names that a message uses.

    Trees and external models are left out as strategies are: what they are is part of each of their fits.
    """
    networks = {key: model for key, model in trainer.models.items() if isinstance(model, Network)}
    settings = trainer.settings
    return {
        "version": version(),
        "keras": keras.__version__,
        "backend": _backend_text(),
        # Trees and external models may join a run later, so that the versions are kept in any case.
        **installed_versions(("scikit-learn", "lightgbm")),
        **_data_entries(examples),
        **{name: value for key, network in networks.items() for name, value in _network_entries(network, key).items()},
        # Tuning and the extension of the budget need more fits and change none.
        **{name: value for name, value in asdict(settings).items() if not name.startswith(("tune", "exten"))},
        "folds": folds,
        "duplicates": duplicates,
    }


def manifest_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return each difference between two manifests in words; the list is empty if both are of the same run.

    Example:
        >>> manifest_differences({"seed": 0, "values of 'age'": "a1"}, {"seed": 1, "values of 'age'": "b2"})
        ['seed was 0 and is 1', "values of 'age' changed"]
    """
    names = [*before, *(name for name in now if name not in before)]
    return [_difference(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _difference(name: str, before: Any, now: Any) -> str:
    """Return one difference in words; hashes and long values are named only, not printed.

    None stands for a name that one of the manifests does not have.
    """
    if name.startswith("values of") or (isinstance(now, (list, dict)) and len(str(now)) > 60):
        known = before is not None and now is not None
        return f"{name} changed" if known else f"{name} are {'new' if before is None else 'gone'}"
    return f"{name} was {before} and is {now}"


def _data_entries(examples: Examples) -> dict[str, Any]:
    """Return number of rows, kind of target, classes, and hashes of features, labels and other values of rows."""
    parts = {"labels": examples.y, "groups": examples.groups, "time": examples.time, "weights": examples.sample_weight}
    parts |= {"split": examples.split}
    hashes = {f"values of the {name}": _array_hash(part) for name, part in parts.items() if part is not None}
    classes = [str(label) for label in examples.classes]
    entries = {"rows": len(examples), "kind of target": examples.kind, "classes": classes}
    return entries | _feature_hashes(examples) | hashes


def _feature_hashes(examples: Examples) -> dict[str, Any]:
    """Return a hash of every column of a table, by name, and of every array of another input, such as images."""
    schema, x = examples.schema, examples.x
    if schema is None:
        return {f"values of {name}": _content_hash(array) for name, array in _named_arrays(x, "the features")}
    images = {key: part for key, part in x.items() if key not in ("numeric", "categorical")}
    hashes = {f"values of {name}": _content_hash(array) for name, array in _named_arrays(images, "")}
    for part, columns in (("numeric", schema.numeric), ("categorical", schema.categorical)):
        for index, column in enumerate(columns):
            levels = repr(column.levels).encode()
            hashes[f"values of column {column.name!r}"] = _array_hash(x[part][:, index], levels)
    return hashes


def _content_hash(part: Any) -> str:
    """Return the hash of an array, or the fingerprint of rows that are read only when needed."""
    return part.fingerprint() if isinstance(part, Source) else _array_hash(part)


def _named_arrays(x: Any, name: str) -> list[tuple[str, Array]]:
    """Return (name, array) of all arrays in nested dicts, tuples and lists, named by the innermost key or position."""
    if isinstance(x, Mapping):
        return [leaf for key, part in x.items() for leaf in _named_arrays(part, f"input {key!r}")]
    if isinstance(x, (tuple, list)):
        return [leaf for i, part in enumerate(x) for leaf in _named_arrays(part, f"input {i}")]
    return [(name, x)]


def _network_entries(network: Network, key: str) -> dict[str, Any]:
    """Return label, hash of layers and initial weights, and optimizer of a network, by name.

    `key` tells the networks of a run from each other. It is "" for the only network.
    """
    model, optimizer = network.fresh(0), network.optimizer()
    state = fresh_state({}, network.fresh, 0)
    # A body has pretrained weights, which no seed draws.
    text, fixed = _layers_text(model), []
    if network.body is not None:
        text, fixed = text + _layers_text(network.body), network.body.get_weights()
    digest = hashlib.blake2b(text.encode(), digest_size=8)
    for array in [*state, *fixed, *_learned_before(model)]:
        digest.update(_array_hash(array).encode())
    size = sum(int(a.size) for a in state)
    which = f" {key!r}" if key else ""
    own = _own_code(model._flatten_layers(), network.model)
    code = {f"values of the network{which} (code of its own layers)": code_hash(*own)} if own else {}
    if own := _own_code([], optimizer, *vars(inner_optimizer(optimizer)).values()):
        code[f"values of the optimizer{which} (its code)"] = code_hash(*own)
    if network.given_loss is not None:
        code[f"values of the loss{which} (its settings or its code)"] = code_hash(network.given_loss)
    if network.loss_factor is not None:
        code[f"factor of the loss{which} (loss_weights=)"] = repr(network.loss_factor)
    return code | {
        f"network{which}": re.sub(r"^(sequential|functional)_\d+$", r"\1", network.label),  # Keras counts them up
        f"values of the network{which} (its layers or its initial weights)": f"{digest.hexdigest()} {size}",
        f"optimizer{which}": _optimizer_text(optimizer),
    }


#: Words in the names of attributes that `compile` sets; what it sets has entries of its own.
_COMPILED = re.compile("loss|metrics|optimizer|compile")


def _own_code(layers: Sequence[keras.Layer], *more: Any) -> list[Any]:
    """Return what the user wrote, sorted by name: classes of layers and of `more`, and what the layers call.

    Layers call functions and objects, such as an activation or a regularizer. Methods of a layer itself are code of its
    class, also in the wrapper that Keras puts around `build`.
    """
    attributes = [(layer, name, value) for layer in layers for name, value in vars(layer).items()]
    called = {
        id(value): value for layer, name, value in attributes
        if callable(value) and not isinstance(value, keras.Layer)
        and getattr(inspect.unwrap(value), "__self__", None) is not layer
        and not (isinstance(layer, keras.Model) and _COMPILED.search(name))
    }  # fmt: skip
    kinds = dict.fromkeys(type(part) for part in (*layers, *more) if is_user_code(type(part)))
    functions = [v for v in called.values() if is_user_code(v if inspect.isroutine(v) else type(v))]
    return sorted((*kinds, *functions), key=lambda one: getattr(one, "__qualname__", type(one).__qualname__))


def _learned_before(model: keras.Model) -> list[Array]:
    """Return what neither layers nor initial weights show: words of a vocabulary, and frozen variables by position."""
    layers = model._flatten_layers()
    words = [np.array(layer.get_vocabulary(), dtype=object) for layer in layers if hasattr(layer, "get_vocabulary")]
    may_train = {id(v) for layer in layers for v in layer._trainable_variables}
    frozen = [i for i, v in enumerate(model.variables) if id(v) in may_train and not v.trainable]
    return [*words, *([np.array(frozen)] if frozen else [])]


def _optimizer_text(optimizer: Any) -> str:
    """Return the class of an optimizer and its settings, without the name that Keras counts up."""
    config = {k: v for k, v in optimizer.get_config().items() if k != "name" and v not in (None, False)}
    # Keras keeps the variables without weight decay out of the settings, and joins a set of their names.
    pattern = getattr(inner_optimizer(optimizer), "_exclude_from_weight_decay_pattern", None)
    without = f" without decay of {'|'.join(sorted(pattern.pattern.split('|')))}" if pattern else ""
    return f"{type(optimizer).__name__} {plain_text(config)}{without}"


def _layers_text(model: keras.Model) -> str:
    """Return the configuration of a model as text that is the same in each process: no counted names or addresses."""
    text = plain_text(model.get_config())
    names: dict[str, str] = {}
    for layer in model._flatten_layers():
        for part in (layer, *getattr(layer, "operations", ())):  # operations that are no layers have names too
            names.setdefault(part.name, f"layer {len(names)}")
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f'"{name}"', f'"{names[name]}"')
    return re.sub(r'("name": "\w+?)_\d+"', r'\1"', text)  # of optimizers, losses and metrics


def _array_hash(array: Array, more: bytes = b"") -> str:
    """Return a hash (16 hex digits) of dtype, shape and values of an array, and of the bytes `more`."""
    plain = np.asarray(array)
    content = repr(plain.tolist()).encode() if plain.dtype.kind == "O" else np.ascontiguousarray(plain).tobytes()
    head = f"{plain.dtype.str} {plain.shape}".encode()
    return hashlib.blake2b(head + more + content, digest_size=8).hexdigest()


def _backend_text() -> str:
    """Return the name of the Keras backend, with TensorFlow also its version."""
    name = str(keras.backend.backend())
    if name != "tensorflow":
        return name
    import tensorflow as tf

    return f"{name} {tf.__version__}"
