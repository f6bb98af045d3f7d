"""Predictions of the member strategies of one batch ensemble, each by itself.

The NumPy form of `PoolMembers.pooled` for a part of the members. `pipeline.stages` scores by it the test rows of
strategies that were trained in one network, and `strategy_weights` gives the pooled mean of all back.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from counterpoise.core import logits as lg
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.structure import chunks, take
from counterpoise.networks.batch_ensemble import pool_of
from counterpoise.networks.network import Network
from counterpoise.networks.weights import fed, set_state

Array = np.ndarray


def score_members(member: Member, job: Job, examples: Examples, network: Network, strategies: int) -> Array:
    """Predict the job's score rows by each of K member strategies: float32 (K, N, C).

    `strategies` is K; member v follows strategy v mod K. Its training shift is removed, and the members of one strategy
    are averaged, as the network does with all of them.
    """
    model = network.fresh(0)  # any seed: its weights are replaced
    set_state(model, member.weights)
    pool: Any = pool_of(model)
    pool.separate = True  # the model then returns the logits of each member, not their mean
    shifts = np.asarray(pool.log_shifts)
    logits = (_member_logits(model, examples.x, rows) for rows in chunks(examples.x, job.score))
    return np.concatenate([_strategy_proba(z, shifts, strategies) for z in logits], axis=1)


def strategy_weights(n_members: int, strategies: int) -> Array:
    """Weigh each of K member strategies in the mean over members: float64 (K,), sum 1.

    Example:
        >>> strategy_weights(8, 3).tolist()
        [0.375, 0.375, 0.25]
    """
    return np.bincount(np.arange(n_members) % strategies, minlength=strategies) / n_members


def _member_logits(model: Any, x: Any, rows: Array) -> Array:
    """Return the logits of each member for some rows, float64 (n, members, units)."""
    return np.asarray(keras.ops.convert_to_numpy(model(fed(take(x, rows)), training=False)), dtype=np.float64)


def _strategy_proba(logits: Array, shifts: Array, strategies: int) -> Array:
    """Turn logits (N, k, units) of k members into probabilities float32 (K, N, C).

    The probabilities are those of K member strategies, each the mean of its members.
    `shifts` has the shift of each member, which is removed. Member v belongs to strategy v mod K.
    """
    p = np.stack([np.exp(lg.log_proba(logits[:, v], shifts[v])) for v in range(len(shifts))])
    return np.stack([p[first::strategies].mean(axis=0) for first in range(strategies)]).astype(np.float32)
