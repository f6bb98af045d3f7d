"""Parts of the layers in `feed.mixing`: weighted means of rows, distances between rows, and random numbers.

The three sources of random numbers are `KerasDraws`, `StatelessDraws`, and `engines.mixing.GeneratorDraws`.
"""

from __future__ import annotations

from typing import Any, Protocol

import keras
from keras import ops

from counterpoise.core.errors import DataError
from counterpoise.core.structure import mapped


class Draws(Protocol):
    """A source of random numbers for `Mixing.mix`; the order of its calls determines the numbers."""

    def uniform(self, shape: Any) -> Any:
        """Return uniform numbers, float32 in [0, 1)."""

    def beta(self, alpha: float, shape: Any) -> Any:
        """Return numbers of Beta(alpha, alpha), float32."""


def mix_rows(array: Any, partner: Any, share: Any) -> Any:
    """Return share x_i + (1 - share) x_partner, for inputs (N, ...).

    `partner` int (N,) has the row numbers of the partners, and `share` is float (N,). Integers (ids) have no mean: they
    come from the row with the larger share.
    """
    share = ops.reshape(share, (-1, *[1] * (len(array.shape) - 1)))
    if "int" in keras.backend.standardize_dtype(array.dtype):
        return ops.where(share >= 0.5, array, ops.take(array, partner, axis=0))
    return share * array + (1.0 - share) * ops.take(array, partner, axis=0)


def as_floats(x: Any) -> Any:
    """Return the inputs of x as float32.

    Raises:
        DataError: An input has integers that are no uint8 image: token numbers have no mean.
    """

    def cast(array: Any) -> Any:
        array = ops.convert_to_tensor(array)
        kind = keras.backend.standardize_dtype(array.dtype)
        if "float" not in kind and kind != "uint8":
            raise DataError(
                f"One of the inputs in x has the type {kind}. Expected floating-point numbers or uint8 images. Mix "
                "embeddings instead, or leave this input out."
            )
        return ops.cast(array, "float32")

    return mapped(cast, x)


def squared_distances(x: Any) -> Any:
    """Return the squared Euclidean distances between rows over all inputs, (N, N), exact up to rounding."""
    arrays: list[Any] = []
    mapped(lambda array: arrays.append(ops.reshape(array, (ops.shape(array)[0], -1))), x)
    # Centered, because the difference of large squares loses digits.
    flat = [array - ops.mean(array, axis=0) for array in arrays]
    squares = sum(ops.sum(array * array, axis=1) for array in flat)
    return squares[:, None] + squares[None, :] - 2.0 * sum(ops.matmul(array, ops.transpose(array)) for array in flat)


class KerasDraws:
    """Draws of any backend, from a Keras seed generator, for calls of a layer."""

    def __init__(self, generator: keras.random.SeedGenerator) -> None:
        self.generator = generator

    def uniform(self, shape: Any) -> Any:
        return keras.random.uniform(shape, seed=self.generator)

    def beta(self, alpha: float, shape: Any) -> Any:
        return keras.random.beta(shape, alpha, alpha, seed=self.generator)


class StatelessDraws:
    """TensorFlow draws that are a function of one number (`word`) and of the number of the draw, for tf.data."""

    def __init__(self, tf: Any, word: Any) -> None:
        self.tf, self.word, self.count = tf, word, 0

    def _seed(self) -> Any:
        """Return the seed of the next draw, int64 (2,): `word`, and the number of the draw."""
        self.count += 1
        return self.tf.stack([self.word, self.tf.constant(self.count, self.tf.int64)])

    def uniform(self, shape: Any) -> Any:
        return self.tf.random.stateless_uniform(shape, self._seed())

    def beta(self, alpha: float, shape: Any) -> Any:
        # Of two logarithms, because a gamma variable of a small alpha underflows to 0.
        one, two = (self._log_gamma(alpha, shape) for _ in range(2))
        return self.tf.sigmoid(one - two)

    def _log_gamma(self, alpha: float, shape: Any) -> Any:
        """Return logs of gamma variables: log G(alpha) = log G(alpha + 1) + log(U) / alpha."""
        more = self.tf.random.stateless_gamma(shape, self._seed(), alpha + 1.0)
        return self.tf.math.log(more) + self.tf.math.log(1.0 - self.uniform(shape)) / alpha
