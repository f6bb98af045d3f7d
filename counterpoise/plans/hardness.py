"""Plans that use predictions of earlier ensemble members to draw more hard rows, or fewer easy rows.

The hardness of a row is 1 - p(its own class), where p is the mean over the earlier members. p is not corrected, because
all members were trained on balanced classes. All rows of the smallest class are always drawn. The same number of rows
is drawn from every other class, depending on hardness. `Successive` strategies pass the predictions as `before`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import check_int
from counterpoise.core.errors import OptionError
from counterpoise.plans.class_plans import Plan, undersample, uniform
from counterpoise.plans.over_rows import OverRows

Array = np.ndarray


def self_paced(
    y: Any,
    before: Any = None,
    *,
    members: int = 5,
    bins: int = 20,
    redraw: bool = False,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> Plan:
    """Undersample by hardness: early members see more easy rows than later members.

    The rows of a larger class are put into `bins` bins of equal width between the lowest and the highest hardness. The
    share of bin l in the draws is proportional to 1 / (h_l + tan(pi i / (2 n))), where h_l is the mean hardness of its
    rows, i the number of members so far, and n is `members`. At first, bins of easy rows are drawn more often, which
    excludes noise. In the end, all bins are drawn equally often, even if a bin of hard rows contains few rows.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        before: (i, n, C) probabilities of the rows, predicted by the members so far, each trained on balanced rows.
            None or empty: random undersampling.
        members: Total number of members, more than i.
        bins: Number of bins of hardness.
        redraw: Whether each epoch draws other rows of the bins. False keeps one set, as in the paper.
        sample_weight: Your own weights (n,).
        classes: All labels, if `y` lacks some of them.

    Raises:
        OptionError: The probabilities have another shape, or are from too many members; or `bins` is below 1.

    Example:
        >>> y, p = [0] * 8 + [1] * 2, [0.1] * 6 + [0.8, 0.9] + [0.9] * 2
        >>> plan = self_paced(y, [np.column_stack([1 - np.array(p), p])], members=2, bins=2)
        >>> sorted(plan.rows().tolist())[-3:], plan.prior.tolist()
        ([7, 8, 9], [0.5, 0.5])

    Source: Liu et al. 2020, "Self-paced Ensemble for Highly Imbalanced Massive Data Classification".
    """
    base = uniform(y, sample_weight=sample_weight, classes=classes)
    scores = _member_probabilities(before, base, check_int(members, "members"))
    check_int(bins, "bins")
    if not len(scores):
        return undersample(y, redraw=redraw, sample_weight=sample_weight, classes=classes)
    hardness = _hardness(base.codes, _mean_over_members(scores))
    pace = math.tan(math.pi * len(scores) / (2 * members))
    size = int(base.counts.min())
    cells = []
    for code in range(len(base.classes)):
        rows = np.flatnonzero(base.codes == code)
        cells.append((rows, *by_hardness(hardness[rows], size, pace, bins)))
    return _plan_from_cells("self_paced", base, cells, redraw)


def cascade(
    y: Any,
    before: Any = None,
    *,
    members: int = 5,
    redraw: bool = False,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> Plan:
    """Undersample from a pool that loses its easiest rows after each member.

    After member i of n, a class of n_c rows keeps n_c f^i of its rows, f = (min(n) / n_c)^(1 / (n - 1)). These are the
    rows that were hardest for this member, among the rows kept before. The pool of the last member has the size of the
    smallest class.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        before: (i, n, C) probabilities of the rows, predicted by the members so far, in order. None or empty: random
            undersampling.
        members, redraw, sample_weight, classes: As in `self_paced`.

    Raises:
        OptionError: The probabilities have another shape, or are from too many members.

    Example:
        >>> y, p = [0] * 8 + [1] * 2, [0.1] * 4 + [0.6, 0.7, 0.8, 0.9] + [0.9] * 2
        >>> plan = cascade(y, [np.column_stack([1 - np.array(p), p])], members=3)
        >>> plan.origin.tolist()
        [4, 5, 6, 7, 8, 9]

    Source: Liu, Wu and Zhou 2009, "Exploratory Undersampling for Class-Imbalance Learning" (BalanceCascade).
    """
    base = uniform(y, sample_weight=sample_weight, classes=classes)
    scores = _member_probabilities(before, base, check_int(members, "members"))
    if not len(scores):
        return undersample(y, redraw=redraw, sample_weight=sample_weight, classes=classes)
    cells, size = [], int(base.counts.min())
    for code, count in enumerate(base.counts.tolist()):
        pool = np.flatnonzero(base.codes == code)
        for number, proba in enumerate(scores, 1):
            left = round(count * (size / count) ** (number / (members - 1)))
            hardest = np.argsort(-_hardness(base.codes, proba)[pool], kind="stable")[:left]
            pool = np.sort(pool[hardest])
        cells.append((pool, np.zeros(len(pool), np.int64), np.array([size])))
    return _plan_from_cells("cascade", base, cells, redraw)


def by_hardness(hardness: Array, wanted: int, pace: float, bins: int) -> tuple[Array, Array]:
    """Return the bin of hardness of each row of a class, int64 (k,), and the rows to draw per bin, int64 (bins,).

    Bins have equal widths between the least and the largest hardness; each gets a share in proportion to
    1 / (mean hardness of its rows + pace), but no more rows than it has.

    Example:
        >>> by_hardness(np.array([0.0, 0.2, 0.2, 1.0]), 2, 0.1, 2)
        (array([0, 0, 0, 1]), array([2, 0]))
    """
    edges = np.linspace(hardness.min(), hardness.max(), bins + 1)[1:-1]
    bin_of = np.searchsorted(edges, hardness, side="right")
    sizes = np.bincount(bin_of, minlength=bins)
    mean = np.bincount(bin_of, weights=hardness, minlength=bins) / np.maximum(sizes, 1)
    share = np.where(sizes > 0, 1 / (mean + pace + 1e-12), 0.0)
    return bin_of, _divide_rows(wanted, share, sizes)


def _divide_rows(wanted: int, share: Array, sizes: Array) -> Array:
    """Return `wanted` divided into whole numbers in proportion to `share`, int64, none above its size.

    What exceeds a size is divided among the others. The sum of `sizes` must be `wanted` or more.

    Example:
        >>> _divide_rows(10, np.array([1.0, 1.0, 3.0]), np.array([5, 5, 3])).tolist()
        [4, 3, 3]
    """
    given = np.zeros(len(sizes), dtype=np.int64)
    while (rest := wanted - int(given.sum())) > 0:
        weight = np.where(given < sizes, share, 0.0)
        exact = rest * weight / weight.sum()
        more = np.floor(exact).astype(np.int64)
        largest = np.argsort(more - exact, kind="stable")[: rest - int(more.sum())]
        more[largest] += 1
        given = np.minimum(given + more, sizes)
    return given


def _member_probabilities(before: Any, base: Plan, members: int) -> Array:
    """Return the probabilities of the members so far, float64 (i, n, C); i = 0 for None.

    Raises:
        OptionError: They have another shape, or `members` is not above i.
    """
    shape = (len(base.codes), len(base.classes))
    scores = np.empty((0, *shape)) if before is None else np.asarray(before, dtype=float)
    if len(scores) and scores.shape[1:] != shape:
        raise OptionError(f"before= has shape {scores.shape}. Expected (members so far, {shape[0]}, {shape[1]}).")
    if len(scores) >= members:
        raise OptionError(
            f"before= has {len(scores)} members, but the ensemble has only {members}. Use "
            f"members={len(scores) + 1} or more."
        )
    return scores


def _mean_over_members(scores: Array) -> Array:
    """Return the mean over members, (n, C), without those that failed (NaN)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(scores, axis=0)


def _hardness(codes: Array, proba: Array) -> Array:
    """Return 1 - p(own class) of each row, float64 (n,); 0 where every member failed."""
    return np.nan_to_num(1.0 - proba[np.arange(len(codes)), codes])


def _plan_from_cells(name: str, base: Plan, cells: Sequence[tuple[Array, Array, Array]], redraw: bool) -> OverRows:
    """Return a plan that draws a given number of rows from each cell (a part of a class).

    Args:
        name: Name of the plan. base: A plan over the same rows, for labels and weights of the user.
        cells: For each class: its rows, int (k,); the cell of each of them, from 0; and the number of rows to draw from
            each cell. Rows of cells from which none is drawn are left out.
        redraw: Whether each epoch draws other rows.
    """
    starts = np.cumsum([0, *(len(drawn) for *_, drawn in cells)])
    rows = np.concatenate([rows for rows, _, _ in cells])
    # The cells of all classes are numbered one after the other.
    cell = np.concatenate([cell + start for (_, cell, _), start in zip(cells, starts, strict=False)])
    drawn = np.concatenate([drawn for *_, drawn in cells])
    used = drawn[cell] > 0
    order = np.argsort(rows[used])
    kept, cell = rows[used][order], cell[used][order]
    # Cells from which no row is drawn lose their number.
    new_cell = np.cumsum(drawn > 0) - 1
    drawn = drawn[drawn > 0]
    user = base.sample_weight
    inner = Plan(
        name, new_cell[cell].astype(np.int32), tuple(range(len(drawn))), drawn, np.ones(len(drawn)), redraw=redraw,
        sample_weight=None if user is None else user[kept],
    )  # fmt: skip
    size = np.array([int(d.sum()) for *_, d in cells])
    return OverRows(
        name, base.codes, base.classes, size, np.ones(len(size)), redraw=redraw, sample_weight=user,
        needs_calibration=True, inner=inner, origin=kept,
    )  # fmt: skip
