"""The state of a network as a list of arrays: read, set, drawn from a seed, learned from rows; what it is fed.

The strategies of a fold start from the same weights and the same encoder, so both are remembered in the network's
`cache`. The order of variables is that of the arrays in stores, and the seeds here decide the results of every network.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import global_state
from keras.src.random import seed_generator

from counterpoise.core import seeds
from counterpoise.core.fork_guard import use

Array = np.ndarray

#: Backends that compute in threads of their own, which a forked process lacks.
_THREADED = {"tensorflow": "TensorFlow", "jax": "JAX"}
#: Initial states that are remembered, in bytes.
REMEMBERED_BYTES = 64_000_000
#: Learned encoders that are remembered.
REMEMBERED_ENCODERS = 64


def state_of(model: keras.Model) -> list[Array]:
    """Return copies of all variables as arrays, in the order of `model.variables`.

    Variables are weights, learned preprocessing, and random seeds.
    """
    return [np.array(ops.convert_to_numpy(ops.convert_to_tensor(v))) for v in model.variables]


def set_state(model: keras.Model, state: Any) -> None:
    """Assign the arrays that `state_of` returned for a model of the same structure."""
    for variable, value in zip(model.variables, state, strict=True):
        variable.assign(value)


def fed(x: Any) -> Any:
    """Return rows as Keras feeds them: 64-bit floats in its float type, text as tensors.

    If one of several inputs is text, all become tensors, because a layer takes no mixture of tensors and arrays.
    """

    def as_fed(array: Array) -> Any:
        """Convert one input; `text` below is whether any of the inputs is text."""
        if array.dtype.kind == "f" and array.dtype.itemsize > 4:
            array = array.astype(keras.config.floatx())
        if _is_text(array):
            return keras.ops.convert_to_tensor(array, "string")
        return keras.ops.convert_to_tensor(array) if text else array

    text = any(map(_is_text, keras.tree.flatten(x)))
    return keras.tree.map_structure(as_fed, x)


def _is_text(array: Array) -> bool:
    """Return whether an array contains text, as objects, bytes or strings."""
    return array.dtype.kind in "OSU"


def note_backend_use() -> None:
    """Note that Keras is about to compute in this process; call it before it does.

    A ForkError is raised if the process was forked after Keras computed (see `core.fork_guard.use`).
    """
    library = _THREADED.get(keras.backend.backend())
    if library:
        use(library)


class _ThreadRandom(threading.local):
    """A stand-in for the module `random` in Keras's `seed_generator`, which draws seeds of initializers and masks.

    It draws from Python's `random` itself, or inside `seeded` from a generator of this thread alone.
    """

    generator: Any = random

    def randint(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, as `random.randint`, the only function that Keras calls."""
        return self.generator.randint(low, high)


_thread_random = _ThreadRandom()
# Keras takes its seeds from the global `random` and offers nothing else. Seeding that would change the numbers of
# every other thread, ours and the caller's. Outside `seeded` this draws from `random`, as before.
seed_generator.python_random = _thread_random


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make Keras draw from `seed` in this thread: initial weights, masks, and random operations without a seed.

    The caller's random state (`random`, NumPy, Keras) is neither read nor changed, in this thread and in others.
    """
    name = seed_generator.GLOBAL_SEED_GENERATOR
    before = _thread_random.generator, global_state.get_global_attribute(name)
    _thread_random.generator = random.Random(seed)
    global_state.set_global_attribute(name, None)
    try:
        yield
    finally:
        _thread_random.generator = before[0]
        global_state.set_global_attribute(name, before[1])


def variable_indices(model: keras.Model, variables: Sequence[Any]) -> list[int]:
    """Return the positions of variables among the variables of the model."""
    order = {id(v): index for index, v in enumerate(model.variables)}
    return [order[id(v)] for v in variables]


def fresh_state(cache: dict[str, Any], make: Callable[[int], keras.Model], seed: int) -> list[Array]:
    """Return the state of the model `make(seed)`, with random masks that depend on the seed.

    States are kept in `cache` until they take `REMEMBERED_BYTES`; the oldest goes first. The result must not be
    changed.
    """
    states = cache.setdefault("states", {})
    if seed not in states:
        states[seed] = _state_with_mixed_seeds(make(seed), seed)
        while len(states) > 1 and sum(v.nbytes for state in states.values() for v in state) > REMEMBERED_BYTES:
            states.pop(next(iter(states)))
    return states[seed]


def learn_once(cache: dict[str, Any], x: Any, rows: Array, learn: Callable[[], list[Array]]) -> list[Array]:
    """Return `learn()`, called once for each `x` and row numbers, and kept in `cache`.

    All strategies of a fold share the result, which must not be changed. A full cache is emptied.
    """
    encoders = cache.setdefault("learned", {})
    key = hashlib.blake2b(np.ascontiguousarray(rows).tobytes(), digest_size=16).digest(), id(x)
    if key not in encoders:
        if len(encoders) >= REMEMBERED_ENCODERS:
            encoders.clear()
        encoders[key] = x, learn()  # holding x keeps its id from being given to another
    return encoders[key][1]


def _state_with_mixed_seeds(model: keras.Model, seed: int) -> list[Array]:
    """Return the state of a model (see `state_of`), with `seed` mixed into the seeds of its random layers."""
    state = state_of(model)
    for index, variable in enumerate(model.variables):
        if variable.name == "seed_generator_state":
            given = int(np.ravel(state[index])[0])
            state[index] = np.array([seeds.integer(seed, "masks", given, index), 0], state[index].dtype)
    return state
