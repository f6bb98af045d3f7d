"""Bins over sorted probabilities, for calibration errors, curves and tables.

Rows with equal scores stay in one bin, so the order of rows never matters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from counterpoise.core.errors import OptionError

Array = np.ndarray


class Bins(NamedTuple):
    """Weighted sums per bin, from low to high probability, float64 (B,) each; empty bins are left out."""

    weight: Array
    mean_proba: Array
    observed: Array


def assign_bins(score: Array, amount: Array, bins: int) -> Array:
    """Return the number of the bin of each row, so that bins contain about equal sums of `amount`.

    Walking up from the lowest score, a new bin starts when the amount passed so far reaches the next
    multiple of total / bins.

    Args:
        score: (N,) what rows are sorted by.
        amount: (N,) what is shared out equally (1 per positive, 1 per row, or a weight), 0 or more.
        bins: How many at most; fewer if the total amount and the number of rows with an amount are smaller.

    Returns:
        int64 (N,), 0 ... B - 1.

    Example:
        >>> assign_bins(np.array([.1, .2, .3, .4, .5]), np.array([0., 1., 0., 1., 0.]), 10).tolist()
        [0, 0, 1, 1, 1]
    """
    if bins < 1:
        raise OptionError(f"bins={bins}. Expected 1 or more.")
    _, where = np.unique(score, return_inverse=True)
    per_value = np.bincount(where, weights=amount)
    before = np.cumsum(per_value) - per_value
    total = per_value.sum()
    # A tiny allowance keeps sums of fractional weights from falling just short of a boundary.
    count = max(1, min(bins, max(int(total + 1e-9), np.count_nonzero(amount))))
    share = before / total if total > 0 else np.zeros_like(before)
    return np.minimum((share * count + 1e-9).astype(np.int64), count - 1)[where]


def summarize_bins(index: Array, score: Array, target: Array, weight: Array) -> Bins:
    """Return the total weight, mean score and mean target of each bin.

    Bins without weight are left out.

    Args:
        index: int (N,), the number of each row's bin, from 0 (see `assign_bins`).
        score, target, weight: float (N,). Means are weighted.
    """
    total = np.bincount(index, weights=weight)
    keep = total > 0
    score_sum = np.bincount(index, weights=weight * score)[keep]
    target_sum = np.bincount(index, weights=weight * target)[keep]
    return Bins(total[keep], score_sum / total[keep], target_sum / total[keep])


def binned(target: Array, score: Array, weight: Array, bins: int | None, by: str = "positives") -> Bins:
    """Return the summary (see `summarize_bins`) of rows that are divided into bins by their score.

    Bins contain equal weights of "positives" or of "rows", as `by` determines. `bins=None` makes one bin per distinct
    score. `target` is 0 or 1 for each row.
    """
    if bins is None:
        index = np.unique(score, return_inverse=True)[1]
    elif by in ("positives", "rows"):
        index = assign_bins(score, weight * target if by == "positives" else weight, bins)
    else:
        raise OptionError(f"by={by!r}. Expected 'positives' or 'rows'.")
    return summarize_bins(index, score, target, weight)
