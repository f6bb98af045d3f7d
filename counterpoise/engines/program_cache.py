"""A cache of programs in this process: a second fit of the same network traces nothing.

A trace costs a second or two, more than a small training. It depends on a network's layers and not on its weights or
rows, so that grids, cross-validation around `fit` and notebooks can use it again. Two networks are alike when the
configurations of all their layers, of the optimizer, the loss family and the form of the rows are equal, and when
nothing in them is left out of a configuration: a layer of the user's own, a function of the user's own, a layer that
was adapted, or the model's own loss keep a network's programs to itself.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from counterpoise.engines.program_rules import inner_optimizer, learning_rate_variable, operations_of

#: Most programs that are kept, and most values of their variables together.
MAX_PROGRAMS, MAX_VALUES = 8, 8_000_000
#: Packages whose classes have all that decides their arithmetic in `get_config()`, as prefixes.
DESCRIBED = ("keras.", "counterpoise.")
#: Packages whose values may be attributes of such a class: its configuration has them too.
PLAIN_VALUES = (*DESCRIBED, "builtins.", "collections.", "inspect.", "numpy.", "tensorflow.")

_kept: OrderedDict[str, Any] = OrderedDict()
_lock = threading.Lock()


def find(key: str | None) -> Any:
    """Return the program of a key (see `trace_key`), or None; it then counts as used last."""
    with _lock:
        if key is None or key not in _kept:
            return None
        _kept.move_to_end(key)
        return _kept[key]


def keep(program: Any) -> None:
    """Keep a traced program under its key `alike`; a program whose key is None is not kept.

    Beyond `MAX_PROGRAMS` programs, or `MAX_VALUES` values of their variables, those unused for longest are removed.
    """
    if program.alike is None:
        return
    with _lock:
        _kept[program.alike] = program
        _kept.move_to_end(program.alike)
        while len(_kept) > MAX_PROGRAMS or (_kept and sum(map(_n_values, _kept.values())) > MAX_VALUES):
            _kept.popitem(last=False)


def clear() -> None:
    """Forget all programs, so that the next trainings trace again."""
    with _lock:
        _kept.clear()


def trace_key(model: keras.Model, *more: Any) -> str | None:
    """Return a text that is equal for networks whose traces are the same, or None.

    None means that a configuration leaves something out, so that the programs of the network serve it alone. When in
    doubt, return None: a program that is shared wrongly trains another network than asked for, without an error.

    Args:
        model: Inputs to logits, compiled.
        *more: Whatever else decides the trace, with a faithful `repr`.
    """
    if not all(map(_is_described, [*operations_of(model), *_optimizers(model)])):
        return None
    try:
        configs = model.get_config(), keras.saving.serialize_keras_object(model.optimizer)
        text = json.dumps(_rename_layers(configs, {}), sort_keys=True)
    except Exception:  # a configuration that cannot be written
        return None
    variables = [(tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables]
    return f"{text} {variables} {keras.config.floatx()} {keras.config.epsilon()} {more!r}"


def _n_values(program: Any) -> int:
    """Return how many numbers the variables of a program hold."""
    return sum(int(np.prod(v.shape)) for v in program.variables)


def _optimizers(model: Any) -> Iterator[Any]:
    """Yield a model's optimizer, the one inside of it, and a schedule of its learning rate.

    An optimizer that scales the loss has another inside; otherwise the same is yielded twice.
    """
    inner = inner_optimizer(model.optimizer)
    yield from (model.optimizer, inner)
    if learning_rate_variable(model.optimizer) is None:  # no plain number: a schedule
        yield inner._learning_rate


def _is_described(operation: Any) -> bool:
    """Return whether the configuration of an object has all that decides what it computes.

    The object is a layer, an operation or an optimizer.
    """
    if not _is_from(operation, DESCRIBED) or hasattr(operation, "adapt") or isinstance(operation, keras.layers.Lambda):
        return False
    return all(map(_is_plain, vars(operation).values()))


def _is_plain(value: Any) -> bool:
    """Return whether the configuration of its holder determines the value of an attribute.

    It does not for functions and objects from elsewhere, nor for arrays that a trace would contain as constants.
    """
    function = getattr(value, "__func__", value)
    if isinstance(function, FunctionType):
        return function.__module__.startswith(DESCRIBED)
    return _is_from(value, PLAIN_VALUES) and not isinstance(value, (np.ndarray, tf.Tensor))


def _is_from(value: Any, packages: tuple[str, ...]) -> bool:
    """Return whether the class of a value is defined in one of these packages.

    `packages` are prefixes that end with a dot.
    """
    return f"{type(value).__module__}.".startswith(packages)


def _rename_layers(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Return a configuration whose layers are named by their order, without what was built and compiled.

    Keras numbers layers through the process, so that equal networks have other names. `names` maps old names to new
    ones and is filled on the way. `key` is the key under which `value` stands.
    """
    if isinstance(value, dict):
        return {k: _rename_layers(v, names, k) for k, v in value.items() if k not in ("build_config", "compile_config")}
    if isinstance(value, (list, tuple)):
        layer = len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int)  # [name, node, tensor]
        return [_rename_layers(v, names, "name" if layer and i == 0 else "") for i, v in enumerate(value)]
    if key == "name" and isinstance(value, str):
        return names.setdefault(value, f"#{len(names)}")
    return value
