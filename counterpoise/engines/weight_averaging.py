"""Averages of the weights along a training (`Limits.average`): steadier than the weights of any one round.

With few rows of a class the weights of one round are a draw, and those of the next predict the rare rows otherwise.
Their mean over the last rounds is what is judged and kept; training itself continues from the weights that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

Array = np.ndarray
#: Names of the variables with the means and variances that batch normalization has seen.
STATISTICS = ("moving_mean", "moving_variance")


def averaged_variables(model: keras.Model) -> list[Any]:
    """Return the variables whose average is taken: the weights, and the statistics of batch normalization.

    Example:
        >>> layers = [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
        >>> [variable.name for variable in averaged_variables(keras.Sequential(layers))]
        ['gamma', 'beta', 'moving_mean', 'moving_variance']
    """
    seen = [variable for variable in model.non_trainable_variables if variable.name in STATISTICS]
    return [*model.trainable_variables, *seen]


class Average:
    """Running mean of the weights at the ends of rounds, older rounds fading out.

    After round t: a_t = d_t a_{t-1} + (1 - d_t) w_t with d_t = min(decay, (t - 1) / t), which is the plain mean of all
    rounds until their number reaches 1 / (1 - decay). Taken in float64.

    Args:
        decay: Share of the old average that stays, from 0 (the round's own weights) to below 1.
        indices: Which arrays of a state are averaged (see `averaged_variables`). The others (what an encoder learned,
            random seeds) are those of the last round.

    Example:
        >>> average = Average(0.75, indices=[0])
        >>> [float(average.with_average([np.array(w), np.array(7)])[0]) for w in (1.0, 3.0, 5.0)]
        [1.0, 2.0, 3.0]
    """

    def __init__(self, decay: float, indices: Sequence[int]) -> None:
        self.decay, self.indices, self.rounds = decay, list(indices), 0
        self._means: list[Array] = []

    def with_average(self, state: Sequence[Array]) -> list[Array]:
        """Return the state at the end of a round, with its weights replaced by their average.

        Call once per round and in order, because each call adds the state to the average.
        """
        now = [np.asarray(state[index]) for index in self.indices]
        stays = min(self.decay, self.rounds / (self.rounds + 1))
        self._means = self._means or [weights.astype(np.float64) for weights in now]
        for mean, new in zip(self._means, now, strict=True):
            mean *= stays
            mean += np.multiply(new, 1.0 - stays, dtype=np.float64)
        self.rounds += 1
        out = list(state)
        for index, mean in zip(self.indices, self._means, strict=True):
            out[index] = mean.astype(out[index].dtype)
        return out

    def restart(self) -> None:
        """Forget the rounds so far, because another stage begins."""
        self._means, self.rounds = [], 0
