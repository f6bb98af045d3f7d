"""Shares of classes, and Wilson's interval, which the diagnosis, the metrics, and the report share.

Not by SciPy, whose `binomtest(...).proportion_ci` takes one whole number of hits at a time: here hits are arrays and
sums of weights, and reports and the diagnosis start without SciPy.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError


def shares_of_classes(labels: Iterable[Any], counts: Iterable[int]) -> list[dict[str, Any]]:
    """Return one entry per class: its label, its number of rows, and its share of all rows.

    The entries are part of the model card, so the keys never change.

    Example:
        >>> shares_of_classes(["no", "yes"], np.array([3, 1]))[1]
        {'label': 'yes', 'count': 1, 'share': 0.25}
    """
    numbers = [int(count) for count in counts]
    return [
        {"label": str(label), "count": count, "share": count / sum(numbers)}
        for label, count in zip(labels, numbers, strict=True)
    ]


def tail_probability(level: float) -> float:
    """Return the probability on each side of an interval, such as 0.025 for the level 0.95.

    Raises:
        OptionError: `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise OptionError(f"level= is {level}. Expected a confidence between 0 and 1, for example 0.95.")
    return (1 - level) / 2


def checked_hits(hits: Any, trials: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return hits and trials as float64 arrays of one shape, for an interval of `hits / trials`.

    Raises:
        OptionError: Hits below 0 or above their trials.
    """
    k, n = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(trials, dtype=np.float64))
    if (k < 0).any() or (k > n).any():
        raise OptionError("`hits` must be between 0 and `trials`. Check the order of the arguments.")
    return k, n


def wilson(hits: Any, trials: Any, level: float = 0.95) -> tuple[Any, Any]:
    """Compute the Wilson score interval of a proportion (Wilson, JASA 22, 1927).

    Without trials, the interval is (0, 1).

    Args:
        hits: Number of successes, or an array of numbers.
        trials: Number of trials, or an array of numbers.
        level: Confidence of the interval.

    Example:
        >>> [round(float(v), 4) for v in wilson(8, 10)]
        [0.4902, 0.9433]
    """
    k, n = checked_hits(hits, trials)
    z2 = NormalDist().inv_cdf(tail_probability(level)) ** 2
    safe = np.where(n > 0, n, 1.0)
    p = k / safe
    middle = (p + z2 / (2 * safe)) / (1 + z2 / safe)
    half = np.sqrt(z2 * (p * (1 - p) / safe + z2 / (4 * safe**2))) / (1 + z2 / safe)
    low = np.where((n == 0) | (k == 0), 0.0, middle - half)
    high = np.where((n == 0) | (k == n), 1.0, middle + half)
    # [()] makes a number of an array without axes.
    return low[()], high[()]
