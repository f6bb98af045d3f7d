"""Keras augmentation layers as a pure function: the same seed gives the same images.

`cp.batches` augments with `Augmenter`. `networks.augmentation` uses only `layers_of`, for layers inside a network.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.feed.small_moves import SmallMoves

Array = np.ndarray


class Augmenter:
    """Layers that change a batch of inputs at random, seeded for each batch.

    Args:
        layers: Keras layers, applied in turn with training=True; on a dict or tuple of inputs, to its images
            (arrays of rank 4).
        only_repeats: Change only rows that the epoch has shown before. Augmentation then becomes a cue for the class
            that is repeated: a network can learn it instead of the class.
    """

    def __init__(self, layers: list[keras.layers.Layer], only_repeats: bool = False) -> None:
        self.layers, self.only_repeats = layers, only_repeats
        self._lock = threading.Lock()

    def apply(self, x: Any, repeated: Array | None, seed: int) -> Any:
        """Return the batch with its images augmented; float32 where it is an array.

        `repeated`, bool (B,), marks the rows that may change; None: all. Equal seeds give equal results.
        """
        if isinstance(x, Mapping):
            return {k: self.apply(array, repeated, seed) if np.ndim(array) == 4 else array for k, array in x.items()}
        if isinstance(x, (tuple, list)):
            return type(x)(self.apply(array, repeated, seed) if np.ndim(array) == 4 else array for array in x)
        changed = self._augmented(x, seed)
        return changed if repeated is None else np.where(repeated.reshape(-1, *[1] * (x.ndim - 1)), changed, x)

    def _augmented(self, x: Array, seed: int) -> Array:
        """Return all rows of one array, changed by all layers, as float32."""
        # The layers' seeds are state: one batch at a time.
        with self._lock:
            for number, generator in enumerate(_seed_generators(self.layers)):
                words = np.random.SeedSequence([seed, number]).generate_state(2)
                # Shifted by one bit, so that the words fit into a signed state as well.
                generator.state.assign((words >> 1).astype(generator.state.dtype))
            out = keras.ops.cast(x, "float32")
            for layer in self.layers:
                out = layer(out, training=True)
            return np.asarray(keras.ops.convert_to_numpy(out), np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lock, which cannot be pickled."""
        return {"layers": self.layers, "only_repeats": self.only_repeats}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def augmenter_of(augment: Any) -> Augmenter | None:
    """Return the augmenter for the argument `augment`; None for None or False.

    `augment` is what `layers_of` takes, ("repeats", that), or an `Augmenter`. "repeats" causes a UserWarning.
    """
    if augment is False:
        return None
    if augment is None or isinstance(augment, Augmenter):
        return augment
    only_repeats = isinstance(augment, tuple) and len(augment) == 2 and augment[0] == "repeats"
    if only_repeats:
        warnings.warn(
            'augment=("repeats", layers) changes only repeated rows, which are mostly of the rare class. A network may '
            "learn traces of augmentation instead of the class. To change every row, pass augment=layers.",
            UserWarning,
            stacklevel=3,
        )
    return Augmenter(layers_of(augment[1] if only_repeats else augment), only_repeats)


def layers_of(augment: Any) -> list[keras.layers.Layer]:
    """Return the layers of the argument `augment`: "auto" (see `SmallMoves`), a layer, or a list.

    Raises:
        OptionError: It is none of these, or an empty list.

    Example:
        >>> [type(layer).__name__ for layer in layers_of(["auto", keras.layers.RandomFlip("horizontal")])]
        ['SmallMoves', 'RandomFlip']
    """
    given = list(augment) if isinstance(augment, (list, tuple)) else [augment]
    layers = [SmallMoves() if isinstance(one, str) and one == "auto" else one for one in given]
    if not layers or not all(isinstance(layer, keras.layers.Layer) for layer in layers):
        raise OptionError(
            f'augment is {augment!r:.80}. Expected "auto", Keras layers such as keras.layers.RandomFlip("horizontal"), '
            'or a list of layers. cp.batches also takes ("repeats", layers).'
        )
    return layers


def _seed_generators(layers: list[Any]) -> Iterator[Any]:
    """Yield every seed generator inside the layers and nested layers.

    The order is fixed, because the position of a generator is part of its seed.
    """
    for layer in layers:
        for value in vars(layer).values():
            if isinstance(value, keras.random.SeedGenerator):
                yield value
        yield from _seed_generators(
            [inner for inner in getattr(layer, "layers", []) if isinstance(inner, keras.layers.Layer)]
        )
