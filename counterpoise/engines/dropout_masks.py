"""The masks of dropout, drawn for a block of steps before its loop runs.

A loop that XLA compiles for a CPU draws random numbers so slowly that a small step takes ten times as long; and a loop
runs on one core, while the masks of several steps are drawn on all of them. The masks must be those that `fit` draws:
the same generator, the same seeds, the same order (tests/engines/test_dropout_masks.py compares them). Only `Dropout`
of Keras is handled (see `program_rules.is_plain_dropout`); any other layer draws in the loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from counterpoise.engines.program_rules import is_plain_dropout

#: Rows of the forward pass that finds the shapes of masks: a prime, so that an axis that is a multiple of it is a
#: multiple of the batch.
TRIAL_ROWS = 1_000_003


class Draw(NamedTuple):
    """One mask of a step.

    Attributes:
        layer: The dropout that draws it.
        use: How many masks its generator has given in this step before.
        shape: Of the mask; -n means n times the rows of the batch.
    """

    layer: keras.layers.Dropout
    use: int
    shape: tuple[int, ...]

    def shape_for(self, rows: Any) -> list[Any]:
        """Shape of the mask for a batch of `rows`; None where their number is not known."""
        return [n if n >= 0 else None if rows is None else -n * rows for n in self.shape]


class DropoutMasks:
    """The draws of a network's dropout layers in one step, taken out of the loop of steps.

    Args:
        model: The network.
        x: Specs of its inputs for any number of rows.

    Attributes:
        draws: What a step draws, in the order of its calls.
        values: Values of the masks of one row.
    """

    def __init__(self, model: keras.Model, x: Any) -> None:
        self._layers = [layer for layer in model._flatten_layers() if is_plain_dropout(layer)]
        self.draws = self._trial_draws(model, x) if self._layers else []
        self.values = sum(abs(int(np.prod(draw.shape))) for draw in self.draws)
        self._uses = Counter(id(draw.layer) for draw in self.draws)

    def draw_masks(self, rows: Any, steps: Any) -> list[Any]:
        """Return the masks of the first `steps` steps of a block, a bool tensor (k, ...) for each of `draws`.

        The generators of the layers move on by these steps. `rows`, int (k, B), has a line of row numbers per step.
        """
        if not self.draws:
            return []

        def masks(step: Any) -> list[Any]:
            return [self._mask_of_step(draw, step, tf.shape(rows)[1]) for draw in self.draws]

        kinds = [tf.TensorSpec(draw.shape_for(rows.shape[1]), tf.bool) for draw in self.draws]
        drawn = tf.map_fn(masks, tf.range(steps), fn_output_signature=kinds)
        for layer in {id(draw.layer): draw.layer for draw in self.draws}.values():
            layer.seed_generator.state.assign(_state_after(layer, steps * self._uses[id(layer)]))
        return [_padded_to_fixed_steps(mask, rows) for mask in drawn]

    @contextmanager
    def used_in_layers(self, masks: Sequence[Any]) -> Iterator[None]:
        """In the block, let the dropout layers use these masks of one step; the block calls the network once."""
        left = iter(masks)

        def call(layer: Any, inputs: Any) -> Any:
            # A product with 0 or 1 / (1 - rate), forward and backward, takes a third of the time of a selection.
            return inputs * (tf.cast(next(left), inputs.dtype) * (1 / (1 - layer.rate)))

        with _with_replaced_call(self._layers if self.draws else [], call):
            yield

    def _mask_of_step(self, draw: Draw, step: Any, rows: Any) -> Any:
        """Return the mask of a step of a block, bool, as `keras.random.dropout` draws it."""
        seed = _state_after(draw.layer, step * self._uses[id(draw.layer)] + draw.use)
        seed = tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)
        return tf.random.stateless_uniform(draw.shape_for(rows), seed) >= draw.layer.rate

    def _trial_draws(self, model: keras.Model, x: Any) -> list[Draw]:
        """Return what the dropout layers draw in one pass, in the order of their calls; [] if a shape is unknown.

        The model is traced with `TRIAL_ROWS` rows to find the shapes. An axis that is a multiple of this number is a
        multiple of the batch.
        """
        draws: list[Draw] = []
        seen = Counter[int]()

        def call(layer: Any, inputs: Any) -> Any:
            given = layer.noise_shape or inputs.shape
            shape = [n if wanted is None else wanted for n, wanted in zip(inputs.shape, given, strict=True)]
            rows = [n if n is None or n % TRIAL_ROWS else -(n // TRIAL_ROWS) for n in shape]
            draws.append(Draw(layer, seen[id(layer)], tuple(rows)))
            seen[id(layer)] += 1
            return inputs

        trial = tf.nest.map_structure(lambda spec: tf.TensorSpec([TRIAL_ROWS, *spec.shape[1:]], spec.dtype), x)
        with _with_replaced_call(self._layers, call):
            tf.function(lambda rows: model(rows, training=True), autograph=False).get_concrete_function(trial)
        return draws if all(None not in draw.shape for draw in draws) else []


def _state_after(layer: keras.layers.Dropout, draws: Any) -> Any:
    """Return the state of a layer's seed generator after `draws` further draws; its second number counts them."""
    state = layer.seed_generator.state.value
    return state + tf.cast(tf.stack([tf.constant(0), draws]), state.dtype)


@contextmanager
def _with_replaced_call(layers: Sequence[Any], call: Callable[[Any, Any], Any]) -> Iterator[None]:
    """In the block, these layers return `call(layer, inputs)` in training, and their inputs otherwise."""

    def called(layer: Any) -> Callable[..., Any]:
        return lambda inputs, training=False: call(layer, inputs) if training else inputs

    for layer in layers:
        layer.call = called(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _padded_to_fixed_steps(masks: Any, rows: Any) -> Any:
    """Return masks (k, ...) with as many steps as `rows` has lines, if XLA fixed that number.

    The added steps are never used.
    """
    if rows.shape[0] is None:
        return masks
    masks = tf.pad(masks, [[0, rows.shape[0] - tf.shape(masks)[0]], *[[0, 0]] * (masks.shape.rank - 1)])
    masks.set_shape([rows.shape[0], *masks.shape[1:]])
    return masks
