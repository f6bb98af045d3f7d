"""Batches of the `fit` engine mixed by `Job.mix`: which rows meet is a pure function of (seed, place, step).

The formulas are those of `feed.mixing`. Numbers are mixed as they are before the encoder; a level takes the value of
the row with the larger share, since ids have no mean; a number that is missing in one of two rows is missing in their
mixture. The words "mix" and "mixed batch" and the order of draws decide results. `pipeline.jobs` calls `check_mixable`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops

from counterpoise.core import seeds
from counterpoise.core.errors import DataError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job
from counterpoise.core.structure import mapped
from counterpoise.feed.mixing import Mixing, Mixup, Remix
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Name in `Job.mix` -> layer, made with the constants of the mix (see `Single.make_mix`).
MIXES: Mapping[str, Callable[..., Mixing]] = {"mixup": Mixup, "remix": Remix}


class GeneratorDraws:
    """Random numbers of a NumPy generator, by the two methods through which layers of `feed.mixing` draw."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def uniform(self, shape: Any) -> Array:
        """Return float32 numbers from 0 to 1 of a shape, whose sizes may be tensors."""
        return self.generator.random(_plain_shape(shape), dtype=np.float32)

    def beta(self, alpha: float, shape: Any) -> Array:
        """Return float32 numbers of the symmetric beta distribution with both parameters `alpha`."""
        return self.generator.beta(alpha, alpha, _plain_shape(shape)).astype(np.float32)


class Mixed:
    """Mixes the batches of one job.

    Args:
        job: Whose mix, seed and place count.
        units: Units of the network's output: 1, or one per class.
    """

    def __init__(self, job: Job, units: int) -> None:
        assert job.mix is not None
        name, constants = job.mix
        self.layer = MIXES[name](**constants)
        self.units, self._seed = units, seeds.integer(job.seed, "mix", *job.counters)

    def batch(self, step: int, x: Any, y: Array, weights: Array) -> tuple[Any, Array, Array]:
        """Return inputs, soft labels and weights of a step, mixed; each step has one mixture.

        Args:
            step: Number of the step, from 0. x: The inputs of B rows. y: int (B,), class codes. weights: float (B,).

        Returns:
            Inputs as `x`, float32 labels (B, C), or (B,) of class 1 on one unit, and weights (B,).
        """
        draws = GeneratorDraws(seeds.generator(self._seed, "mixed batch", step))
        soft = np.eye(self.layer.classes, dtype=np.float32)[y]
        mixed = self.layer.mix(draws, mapped(_as_float_if_number, x), soft, weights)
        x, soft, weights = mapped(lambda array: np.asarray(ops.convert_to_numpy(array)), mixed)
        return x, soft if self.units > 1 else soft[:, 1], weights


def check_mixable(examples: Examples, name: str) -> None:
    """Refuse rows without numbers to mix, and rows with more than one class.

    Text has no numbers, and whole numbers may be tokens.

    Raises:
        DataError: The rows cannot be mixed. `name` is the strategy in the message.
    """
    if (target := target_of(examples)).many_per_row:
        raise DataError(
            f"Strategy {name!r} mixes rows and their labels, but these rows have {target.what}. Leave the strategy out."
        )
    if examples.schema is not None and isinstance(examples.x, Mapping) and "numeric" in examples.x:
        return
    bad: list[str] = []
    # `mapped` visits every array of the input; its result is of no use here.
    mapped(lambda array: None if _has_mean(array) else bad.append(array.dtype.name), examples.x)
    if bad:
        raise DataError(
            f"Strategy {name!r} mixes rows, but an input is {bad[0]}. Expected floating-point numbers or uint8 images, "
            "because other types have no mean. Pass measurements as float32. For text and tokens, leave the "
            "strategy out."
        )


def _has_mean(array: Array) -> bool:
    """Return whether an array's type has a mean: floating-point numbers or uint8 pixels."""
    return array.dtype.kind == "f" or array.dtype == np.uint8


def _as_float_if_number(array: Array) -> Array:
    """Return floats and pixels as float32; level ids stay as they are."""
    return array.astype(np.float32) if _has_mean(array) else array


def _plain_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape, whose sizes may be tensors, as plain integers."""
    return tuple(int(size) for size in shape)
