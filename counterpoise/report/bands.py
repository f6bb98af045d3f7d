"""Pointwise 95% bands of curves: the curve on other test rows of the same kind (numpy, scipy).

Rows are resampled within each class (stratified bootstrap, at this prior), or group by group where rows belong
together. A resample moves a curve only through the rows between two thresholds, so counts per rung of a ladder
of thresholds are drawn instead of rows: the same distribution, at a cost that does not grow with the rows.
tests/report/test_bands.py compares the bands with a bootstrap of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from counterpoise.core.seeds import generator

Array = np.ndarray
Band = dict[str, list[float]]

#: Resamples of each band.
RESAMPLES = 300
#: Most positives of a class whose curves get no band: resampling so few rows says little.
FEW = 4
#: Recalls at which a precision-recall curve has its band.
GRID = np.linspace(0.0, 1.0, 41)
#: Denser near zero, where a rare class lives.
FINE_GRID = GRID**2
#: Moves a point off a vertical step of a curve, so that the better end of the step is read.
_NUDGE = 1e-9


@dataclass(frozen=True)
class Resamples:
    """Counts of resampled rows at or above each threshold.

    Attributes:
        threshold: float (P,), descending.
        tp: float (B, P), positives at or above. fp: float (B, P), the others.
    """

    threshold: Array
    tp: Array
    fp: Array

    def band(self, grid: Array, curve: Callable[[Array, Array], Array]) -> Band:
        """Return the 2.5% and 97.5% points of a curve on a grid.

        `curve` maps one resample's (P + 1,) counts to (grid,) values. The counts begin with 0, before the strictest
        threshold.
        """
        first = np.zeros((len(self.tp), 1))
        tp, fp = np.concatenate([first, self.tp], axis=1), np.concatenate([first, self.fp], axis=1)
        values = np.stack([curve(t, f) for t, f in zip(tp, fp, strict=True)])
        # The variant that leaves out nan goes number by number.
        percentile = np.nanpercentile if np.isnan(values).any() else np.percentile
        low, high = percentile(values, [2.5, 97.5], axis=0)
        return {"x": grid.tolist(), "low": low.tolist(), "high": high.tolist()}


def resample(hit: Array, score: Array, threshold: Array, groups: Array | None = None) -> Resamples:
    """Draw resampled counts at chosen thresholds of the rule "score >= t".

    Args:
        hit: bool (N,). score: float (N,). threshold: float (P,), descending; the last is at most the least score.
        groups: int (N,): whole groups are drawn, from all rows; None draws rows within each class.

    Example:
        >>> drawn = resample(np.array([True, False]), np.array([0.9, 0.1]), np.array([0.5, 0.0]))
        >>> drawn.tp[0].tolist(), drawn.fp[0].tolist()
        ([1.0, 1.0], [0.0, 1.0])
    """
    # Position of the strictest threshold that a score reaches.
    rung = np.searchsorted(-threshold, -score, side="left")
    # A fixed seed: the bands of a record are the same at each call.
    rng = generator(0, "bands")
    if groups is None:
        drawn = [_redrawn(rung[rows], len(threshold), rng) for rows in (hit, ~hit)]
    else:
        drawn = _redrawn_groups(rung, hit, groups, len(threshold), rng)
    tp, fp = (counts.cumsum(axis=1, dtype=np.float64) for counts in drawn)
    return Resamples(threshold, tp, fp)


def _redrawn(rung: Array, width: int, rng: np.random.Generator) -> Array:
    """Return resampled counts on each of `width` rungs, int (B, width).

    `rung` (n,) is the rung of each row of one class.
    """
    n = len(rung)
    return rng.multinomial(n, np.bincount(rung, minlength=width) / max(n, 1), size=RESAMPLES)


def _redrawn_groups(rung: Array, hit: Array, groups: Array, width: int, rng: np.random.Generator) -> list[Array]:
    """Return resampled counts of positives and negatives on each rung, (B, width) each.

    Whole groups are drawn. `rung` (N,) is the rung of each row, `hit` bool (N,) whether it is positive, and `width` the
    number of rungs.
    """
    _, code = np.unique(groups, return_inverse=True)
    size = int(code.max()) + 1
    # The first `width` columns count positives, the others negatives, one row per group.
    column = rung + width * ~hit
    spread = sparse.coo_array((np.ones(len(code)), (code, column)), shape=(size, 2 * width)).tocsr()
    times = np.stack([np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(RESAMPLES)])
    counts: Any = times @ spread
    return [counts[:, :width], counts[:, width:]]


def precision_at(recall: Array) -> Callable[[Array, Array], Array]:
    """Return a curve (tp, fp) -> precision at each `recall` (grid,); nan without positives.

    Counts are interpolated linearly between thresholds (Davis and Goadrich 2006), because precision is not linear.
    """

    def curve(tp: Array, fp: Array) -> Array:
        # Counts are cumulative: the last one has all positives.
        if tp[-1] == 0:
            return np.full(len(recall), np.nan)
        hits = np.maximum(recall * tp[-1] - _NUDGE, _NUDGE)
        return hits / (hits + np.interp(hits, tp, fp))

    return curve


def recall_at_rate(rate: Array) -> Callable[[Array, Array], Array]:
    """Return a curve (tp, fp) -> true-positive rate at each false-positive `rate` (grid,)."""
    return lambda tp, fp: _ratio(np.interp(rate * fp[-1] + _NUDGE, fp, tp), tp[-1])


def recall_at_share(share: Array) -> Callable[[Array, Array], Array]:
    """Return a curve (tp, fp) -> recall at each `share` (grid,) of rows that get an alert."""
    return lambda tp, fp: _ratio(np.interp(share * (tp[-1] + fp[-1]) + _NUDGE, tp + fp, tp), tp[-1])


def benefit_at(threshold: Array, rung: Array) -> Callable[[Array, Array], Array]:
    """Return a curve (tp, fp) -> net benefit at each `threshold` (grid,).

    `rung` (grid,) are the positions of these thresholds in `Resamples.threshold`; counts have a 0 before them.
    """
    return lambda tp, fp: net_benefit(tp[rung + 1], fp[rung + 1], tp[-1] + fp[-1], threshold)


def net_benefit(tp: Any, fp: Any, rows: Any, threshold: Any) -> Any:
    """Return tp / n - fp / n * t / (1 - t): cases found per row, minus false positives at the threshold's odds.

    (Vickers and Elkin 2006.) Acting on no case has net benefit 0.

    Example:
        >>> round(net_benefit(30, 20, 1000, 0.5), 6)
        0.01
    """
    return tp / rows - fp / rows * threshold / (1 - threshold)


def _ratio(part: Array, whole: float) -> Array:
    """Return shares of a whole; nan if the whole is 0."""
    return part / whole if whole else np.full(len(part), np.nan)
