"""Randomness as a pure function of where it is used.

Every draw comes from `generator(seed, stage, *index)`: the same words give the same stream, whatever
ran before and however many workers there are. Neighboring seeds share nothing, because the words are
mixed by `numpy.random.SeedSequence` and never added. Another word for a stage, or another number of counters, changes
the results of users.
"""

from __future__ import annotations

import zlib

import numpy as np

from counterpoise.core.checks import check_int


def sequence(seed: int, stage: str, *index: int) -> np.random.SeedSequence:
    """Return the seed sequence of a seed, the name of a stage and any number of counters.

    Args:
        seed: The user's seed, 0 or more.
        stage: What is drawn, for example "split" or "rows".
        *index: Counters of the draw: fold, member, epoch ... One stage always takes the same number of them:
            NumPy fills up with zeros, so ("rows", 3) and ("rows", 3, 0) are equal.

    Example:
        >>> a = sequence(0, "rows", 3).generate_state(1)
        >>> bool(a == sequence(0, "rows", 3).generate_state(1))
        True
        >>> bool(a == sequence(1, "rows", 2).generate_state(1))
        False
    """
    return np.random.SeedSequence([check_int(seed, "seed", 0), zlib.crc32(stage.encode()), *(int(i) for i in index)])


def generator(seed: int, stage: str, *index: int) -> np.random.Generator:
    """Return the NumPy generator of one draw in the run (see `sequence`)."""
    return np.random.default_rng(sequence(seed, stage, *index))


def integer(seed: int, stage: str, *index: int) -> int:
    """Return the seed of one draw as an integer below 2**31, for libraries that take no generator (see `sequence`)."""
    return int(sequence(seed, stage, *index).generate_state(1)[0] >> 1)
