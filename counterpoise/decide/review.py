"""Which rows a rule leaves to a human: chosen on labeled rows, applied to new ones.

`core.review.Review` is saved with the rule. `layer.RuleLayer` reviews in the same way in float32.
`export.probe` compares both in an exported model, except for rows very near to another decision: `margins` and
`review_distance` measure this.
"""

from __future__ import annotations

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.review import HUMAN, Review
from counterpoise.core.rule import Rule
from counterpoise.decide.column_margins import column_margins
from counterpoise.decide.reject import fit_reject
from counterpoise.decide.threshold import log_odds_at

Array = np.ndarray
#: Share of a score's log-odds, at least of 1, that float32 arithmetic in another runtime may lose.
LOST = 1e-4


def review_by_alpha(proba: Array, y: Array, alpha: float, kept_out: bool = False) -> Review:
    """Choose floors by which at most a share `alpha` of each class is decided wrongly.

    This is true on average over draws of the rows. The floor of a class is that of `reject.fit_reject`, a little lower,
    so that rounding to float32 can only add a class. Where a row has no possible class the rule decides: the floors
    miss the class of that row anyway.

    Args:
        proba: float (N, C). y: int (N,), class codes. alpha: Above 0 and below 1.
        kept_out: Whether the rows were used for nothing else.

    Raises:
        GuaranteeError: A class with fewer than 1 / alpha - 1 rows.

    Example:
        >>> p = np.linspace(0.05, 0.95, 19)
        >>> two = np.stack([p, 1 - p], axis=1).repeat(2, axis=0)
        >>> review_by_alpha(two, np.arange(38) % 2, 0.1).floors.round(3).tolist()
        [0.1, 0.1]
    """
    floors = fit_reject(proba, y, alpha).floors
    lower = [_lowered_floor(f) for f in floors]
    return Review(floors=np.array(lower), alpha=float(alpha), rows=len(y), kept_out=kept_out)


def _lowered_floor(floor: float) -> float:
    """Return a floor between 0 and 1, lowered by more log-odds than rounding to float32 can lose."""
    if not 0.0 < floor < 1.0:
        return max(0.0, min(1.0, floor))
    odds = log_odds_at(floor)
    return float(1.0 / (1.0 + np.exp(-(odds - LOST * max(1.0, abs(odds))))))


def review_by_budget(distance: Array, budget: tuple[float, float], sample_weight: Array | None = None) -> Review:
    """Choose the margin within which at most k of n rows lie.

    Args:
        distance: float (N,), see `margins`.
        budget: (k, n).
        sample_weight: float (N,) or None.

    Raises:
        OptionError: Not 0 <= k <= n, n above 0.

    Example:
        >>> review_by_budget(np.array([0.1, 0.2, 0.3, 0.9]), (1, 2)).margin
        0.25
    """
    k, n = _checked_budget(budget)
    values, index = np.unique(distance, return_inverse=True)
    weight = np.bincount(index.ravel(), sample_weight)
    allowed = k / n * weight.sum() * (1 + 1e-12)
    last = np.flatnonzero(np.cumsum(weight) - weight <= allowed)[-1]  # all that are closer may go
    if weight.sum() <= allowed:
        margin = float(np.finfo(np.float32).max)  # every row may go to a human
    else:
        margin = float((values[last - 1] + values[last]) / 2) if last else 0.0
        # An amount of 0 makes an infinite distance. The margin stays a finite number, which files can contain.
        margin = min(margin, float(np.finfo(np.float32).max))
    return Review(margin=margin, budget=(k, n), rows=len(distance))


def _checked_budget(budget: tuple[float, float]) -> tuple[float, float]:
    """Return k and n of a review budget as floats.

    Raises:
        OptionError: They are not two numbers with 0 <= k <= n and n above 0.
    """
    try:
        k, n = (float(number) for number in budget)
    except (TypeError, ValueError):
        k = n = float("nan")
    if not (0 <= k <= n and 0 < n < float("inf")):
        raise OptionError(f"review_budget is {budget!r}. Expected (k, n): at most k of n rows go to a human.")
    return k, n


def margins(rule: Rule, log_p: Array, column_values: Array | None = None) -> Array:
    """Return the distance of each decision from another one, float64 (N,), from final log-probabilities (N, C).

    With a threshold or a column (with its `column_values`): in log-odds. With offsets: log p_c + b_c of the
    decided class less that of the next. With costs of more than two classes: the expected cost of the next class less
    that of the decided one.

    Example:
        >>> rule = Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.5, 0.5]), threshold=0.5)
        >>> margins(rule, np.log([[0.5, 0.5], [0.2, 0.8]])).round(3).tolist()
        [0.0, 1.386]
    """
    if rule.column is not None:
        return np.abs(column_margins(rule, log_p, column_values))
    if rule.threshold is not None:
        if not 0.0 < rule.threshold < 1.0:
            raise OptionError(
                f"The threshold is {rule.threshold:g}, so no row is close to it. Choose a threshold above 0 and "
                f"below 1."
            )
        return np.abs(log_p[:, 1] - log_p[:, 0] - log_odds_at(rule.threshold))
    score = _decided_scores(rule, log_p)
    best = np.sort(score, axis=1)
    return best[:, -1] - best[:, -2]


def _decided_scores(rule: Rule, log_p: Array) -> Array:
    """Return the scores (N, C) whose largest one is decided, for a rule without a threshold.

    They are minus the expected costs, or the log-probabilities plus the offsets.
    """
    if rule.costs is not None:
        return -np.exp(log_p) @ rule.costs
    return log_p if rule.offsets is None else log_p + rule.offsets


def reviewed(rule: Rule, log_p: Array, decision: Array, column_values: Array | None = None) -> Array:
    """Return the decisions int32 (N,) after the review of the rule, `HUMAN` (-1) for a human.

    With a margin, rows closer than the margin go to a human. With floors, rows with several possible classes go. A row
    with one possible class gets this class, and a row with none keeps `decision`.

    Args:
        rule: The rule; without a review, the decisions stay as they are.
        log_p: float (N, C), final log-probabilities. decision: int (N,), class codes.
        column_values: Values (N,) of the rule's column, if it has one.

    Example:
        >>> rule = Rule(np.zeros((1, 2)), np.full(2, 0.5), threshold=0.5, review=Review(floors=np.full(2, 0.3)))
        >>> reviewed(rule, np.log([[0.5, 0.5], [0.8, 0.2]]), np.array([1, 0])).tolist()
        [-1, 0]
    """
    review = rule.review
    if review is None:
        return decision
    if review.floors is None:
        return np.where(margins(rule, log_p, column_values) < review.margin, HUMAN, decision).astype(np.int32)
    possible = class_odds(log_p) >= np.array([_floor_log_odds(f) for f in review.floors])
    count = possible.sum(axis=1)
    out = np.where(count == 1, np.argmax(possible, axis=1), decision)
    return np.where(count > 1, HUMAN, out).astype(np.int32)


def review_distance(rule: Rule, log_p: Array, column_values: Array | None = None) -> Array:
    """Return the distance of each row from another review decision, float64 (N,); infinite without a review.

    Example:
        >>> rule = Rule(np.zeros((1, 2)), np.full(2, 0.5), threshold=0.5, review=Review(margin=1.0))
        >>> review_distance(rule, np.log([[0.5, 0.5]])).round(6).tolist()
        [1.0]
    """
    review = rule.review
    if review is None:
        return np.full(len(log_p), np.inf)
    if review.floors is None:
        return np.abs(margins(rule, log_p, column_values) - review.margin)
    return np.abs(class_odds(log_p) - np.array([_floor_log_odds(f) for f in review.floors])).min(axis=1)


def class_odds(log_p: Array) -> Array:
    """Compute log-odds of each class against all others, (N, C), from `log_p` (N, C).

    Example:
        >>> class_odds(np.log([[0.5, 0.25, 0.25]])).round(3).tolist()
        [[0.0, -1.099, -1.099]]
    """
    if log_p.shape[1] == 2:
        return log_p - log_p[:, ::-1]
    rest = [np.logaddexp.reduce(np.delete(log_p, c, axis=1), axis=1) for c in range(log_p.shape[1])]
    return log_p - np.stack(rest, axis=1)


def _floor_log_odds(floor: float) -> float:
    """Return the log-odds of a floor; -inf for 0 or less, which every row reaches."""
    return -np.inf if floor <= 0.0 else log_odds_at(min(floor, 1.0))


def review_at_prior(review: Review | None, move: Array) -> Review | None:
    """Return the review for probabilities that a new prior has moved by `move` (C,) in log p.

    A review without floors stays as it is. Floors can move only with two classes.

    Raises:
        OptionError: Floors of more than two classes.
    """
    if review is None or review.floors is None:
        return review
    if len(review.floors) > 2:
        raise OptionError(
            "With more than two classes, review_alpha is valid only for the class proportions of the rows on which it "
            "was fitted. Predict without prior=, or call decide() without review_alpha first."
        )
    odds = np.array([_floor_log_odds(f) for f in review.floors]) + np.array([move[0] - move[1], move[1] - move[0]])
    return Review(1.0 / (1.0 + np.exp(-odds)), None, review.alpha, None, review.rows, review.kept_out)
