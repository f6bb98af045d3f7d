"""What the member strategies of one batch ensemble say, each by itself."""

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


def score_members(member: Member, job: Job, examples: Examples, network: Network, parts: int) -> Array:
    """Probabilities of the job's score rows by the members of each of `parts` member strategies, float32 (parts, N, C).

    Member v follows strategy v mod `parts`. Its training shift is removed, and the members of one strategy are
    averaged, as the network does with all of them.
    """
    model = network.fresh(0)
    set_state(model, member.weights)
    pool: Any = pool_of(model)
    pool.separate = True
    shifts = np.asarray(pool.log_shifts)
    said = [_by_part(_logits(model, examples.x, rows), shifts, parts) for rows in chunks(examples.x, job.score)]
    return np.concatenate(said, axis=1)


def shares(n_members: int, parts: int) -> Array:
    """Weight of each of `parts` member strategies in the mean over members, float64 (parts,), sum 1.

    Example:
        >>> shares(8, 3).tolist()
        [0.375, 0.375, 0.25]
    """
    return np.bincount(np.arange(n_members) % parts, minlength=parts) / n_members


def _logits(model: Any, x: Any, rows: Array) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(model(fed(take(x, rows)), training=False)), dtype=np.float64)


def _by_part(logits: Array, shifts: Array, parts: int) -> Array:
    """Logits (N, k, units) to float32 (parts, N, C)."""
    p = np.stack([np.exp(lg.log_proba(logits[:, v], shifts[v])) for v in range(len(shifts))])
    return np.stack([p[first::parts].mean(axis=0) for first in range(parts)]).astype(np.float32)
