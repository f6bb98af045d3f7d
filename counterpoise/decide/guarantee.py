"""Thresholds that reach a floor with confidence.

If the same rows choose a threshold and measure its recall, the result is an estimate, and misses the floor about half
of the time. A guarantee fails with a probability of at most 1 - confidence, over the draw of its rows. This holds for
any score, if these rows were used for nothing else: not for training, early stopping, calibration or selection.

`core.guarantee.Guarantee`, the result, is saved in model files. `targets.thresholds` chooses the rows.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.special import bdtr, bdtrc

from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.guarantee import Guarantee
from counterpoise.core.rule import Rule
from counterpoise.decide.shapes import codes

Array = np.ndarray

#: Thresholds at which a precision is tested. They must be fixed before any row is seen: logits from 10 down to -10.
GRID = 1.0 / (1.0 + np.exp(-np.linspace(10.0, -10.0, 81)))
#: A walk down the grid starts at every so many thresholds.
STRIDE = 8


def guarantee_recall(
    scores: Array, y: Array, floor: float, confidence: float = 0.95, *, among: int = 1, kept_out: bool = True,
    of: str = "rows",
) -> Guarantee:  # fmt: skip
    """Find the highest threshold whose recall is at least `floor` with the given confidence.

    It is the (k+1)-th smallest score of a positive, k the largest number with
    P(Bin(n, 1 - floor) <= k) <= delta, n the number of positives, delta = (1 - confidence) / among.

    Args:
        scores: float (N,), any score that rises with the chance of being positive, from a fixed model.
        y: int (N,), 0 or 1.
        floor: The recall, above 0 and below 1.
        confidence: Above 0 and below 1.
        among: Number of guarantees that must hold together (for classes or labels), or number of models from which one
            is chosen with these same rows.
        kept_out: Whether the rows were used for nothing else.
        of: What the scores are of, for messages: "rows" or "groups".

    Raises:
        GuaranteeError: There are too few positives. The message reports the recall that they support, and the number of
            positives that would be enough.

    Example:
        >>> guarantee_recall(np.arange(1, 101) / 100, np.ones(100, int), 0.9).threshold
        0.05

    Source: Clopper and Pearson (1934); tolerance limits of order statistics, Wilks (1941).
    """
    s, labels = _checked_scores(scores, y, floor, confidence, among)
    positive, delta = np.sort(s[labels == 1]), (1.0 - confidence) / among
    n = len(positive)
    k = _most_missed(n, 1.0 - floor, delta)
    # Not even a threshold that finds all positives would do.
    if k < 0:
        enough = math.ceil(math.log(delta) / math.log(floor))
        more = f" {enough:,} positive {of} would be enough if all of them are found."
        raise _refusal("recall", floor, n, _rounded_down(delta ** (1.0 / n)) if n else 0.0, of, more)
    t = float(positive[k])
    return Guarantee(t, "recall", floor, confidence, n, float(np.mean(positive >= t)), kept_out, of)


def _most_missed(n: int, miss: float, delta: float) -> int:
    """Return the largest k with P(Bin(n, miss) <= k) <= delta, or -1 if there is none.

    A threshold that really misses a share above `miss` misses k or fewer of n positives with probability delta or less.
    """
    k = np.arange(n)
    return int(np.searchsorted(bdtr(k, n, miss), delta, side="right")) - 1 if n else -1


def guarantee_precision(
    scores: Array, y: Array, floor: float, confidence: float = 0.95, *, candidates: Array | None = None,
    among: int = 1, kept_out: bool = True, of: str = "rows",
) -> Guarantee:  # fmt: skip
    """Find the lowest threshold whose precision is at least `floor` with the given confidence.

    Each candidate is tested by P(Bin(flagged, floor) >= true positives). The candidates are fixed before the rows are
    seen. Tests start at every eighth candidate and continue to lower candidates until a test fails; all starts share
    delta. The probability that an accepted threshold misses the floor is therefore at most delta. The guarantee holds
    for the class proportions of these rows.

    Args:
        scores: float (N,). With the default candidates, these are probabilities.
        y, floor, confidence, among, kept_out, of: As in `guarantee_recall`.
        candidates: float (K,), thresholds chosen without these rows, for example from the rows that fitted the decision
            rule. Default: `GRID`.

    Raises:
        GuaranteeError: No candidate passes. The message reports the precision that could be guaranteed.

    Example:
        >>> p = np.r_[np.full(100, 0.9), np.full(900, 0.1)]
        >>> guarantee = guarantee_precision(p, (p > 0.5).astype(int), 0.9)
        >>> 0.1 < guarantee.threshold <= 0.9
        True

    Source: Angelopoulos, Bates, Candès, Jordan and Lei (2021), "Learn then Test", section 3 (fixed
    sequence testing with several starts).
    """
    s, labels = _checked_scores(scores, y, floor, confidence, among)
    grid = GRID if candidates is None else np.sort(np.asarray(candidates, dtype=np.float64))[::-1]
    flagged, hits = _counts_at_or_above(s, grid), _counts_at_or_above(s[labels == 1], grid)
    delta = (1.0 - confidence) / among
    passed = _passing_places(flagged, hits, floor, delta)
    if len(passed) == 0:
        raise _refusal("precision", floor, int(labels.sum()), _best_precision(flagged, hits, delta), of)
    i = int(passed[-1])
    reached = float(hits[i] / flagged[i])
    return Guarantee(float(grid[i]), "precision", floor, confidence, int(flagged[i]), reached, kept_out, of)


def _counts_at_or_above(scores: Array, grid: Array) -> Array:
    """Return how many scores are at or above each threshold of `grid`, int (K,)."""
    return len(scores) - np.searchsorted(np.sort(scores), grid, side="left")


def _passing_places(flagged: Array, hits: Array, floor: float, delta: float) -> Array:
    """Return the indices of the thresholds that pass, sorted.

    `flagged` and `hits` (K,) count rows and positives at or above each threshold, from the highest threshold down. A
    walk goes down from every `STRIDE`-th threshold until the first failure. All walks share delta.
    """
    starts = np.arange(0, len(flagged), STRIDE)
    fails = np.where(flagged > 0, bdtrc(hits - 1, np.maximum(flagged, 1), floor), 1.0) > delta / len(starts)
    # Without hits, bdtrc has no answer, and no precision is reached.
    fails = np.where(hits > 0, fails, True)
    # The place after the last threshold ends a walk that never fails.
    broken = np.append(np.flatnonzero(fails), len(fails))
    ends = broken[np.searchsorted(broken, starts)]
    reached = [np.arange(a, b) for a, b in zip(starts, ends, strict=True)]
    return np.unique(np.concatenate(reached))


def _best_precision(flagged: Array, hits: Array, delta: float) -> float:
    """Bisect for the highest floor that would have been guaranteed, rounded down to 0.01.

    This works because thresholds that pass at a floor pass at all lower floors.
    """
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2.0
        low, high = (middle, high) if len(_passing_places(flagged, hits, middle, delta)) else (low, middle)
    return _rounded_down(low)


def _checked_scores(scores: Array, y: Array, floor: float, confidence: float, among: int) -> tuple[Array, Array]:
    """Return the scores as float64 (N,) and the labels as codes, int (N,).

    Raises:
        OptionError: An argument of `guarantee_recall` is out of its range. The message names it.
    """
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or np.isnan(s).any():
        raise OptionError(f"The scores have shape {s.shape}. Expected a vector (N,) of numbers without NaN.")
    if not 0.0 < floor < 1.0:
        raise OptionError(
            f"The minimum to guarantee is {floor:g}. Expected a number above 0 and below 1 (1 cannot be guaranteed)."
        )
    if not 0.0 < confidence < 1.0:
        raise OptionError(f"The confidence is {confidence:g}. Expected above 0 and below 1, for example 0.95.")
    if among < 1:
        raise OptionError(f"among= is {among}. Expected the number of guarantees that must hold together, 1 or more.")
    return s, codes(y, len(s), 2)


def _rounded_down(value: float) -> float:
    """Return a share rounded down to 0.01, so that a message claims no more than the rows support."""
    return math.floor(value * 100.0) / 100.0


def _refusal(kind: str, floor: float, positives: int, best: float, of: str, more: str = "") -> GuaranteeError:
    """Return the error for rows that cannot support a guarantee.

    `best` is the highest floor that they support (0: none), `of` is what the scores are of, and `more` is a sentence
    that is added.
    """
    can = f"The highest {kind} that these {of} support is {best:.2f}."
    can = can if best > 0 else f"These {of} support no guarantee."
    way = "Lower the floor, or set aside more rows (guarantee_rows=, --guarantee-rows)."
    return GuaranteeError(f"Cannot guarantee a {kind} of {floor:g} with {positives} positive {of}. {can}{more} {way}")


def rule_with_guarantee(rule: Rule, guarantee: Guarantee) -> Rule:
    """Return the rule with the threshold of a guarantee, and the guarantee.

    Raises:
        OptionError: The rule is for more than two classes, or uses a hard vote (its members decide, not a score).

    Example:
        >>> rule = Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.9, 0.1]), threshold=0.5)
        >>> guarantee = guarantee_recall(np.arange(1, 101) / 100, np.ones(100, int), 0.9)
        >>> guaranteed = rule_with_guarantee(rule, guarantee)
        >>> guaranteed.threshold, guaranteed.aim
        (0.05, 'recall_floor(0.9)')
    """
    if rule.offsets is not None or rule.vote == "hard":
        raise OptionError(
            "A guarantee needs one score with one threshold. Use data with two classes, and do not pass vote='hard'."
        )
    aim = f"{guarantee.kind}_floor({guarantee.floor:.12g})"
    return replace(rule, threshold=guarantee.threshold, aim=aim, guarantee=guarantee)
