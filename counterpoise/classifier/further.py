"""The entry "further" of `evaluate`, for one class per row: scores that no leaderboard has.

They are parts of the Brier score, net benefit, partial area, costs, and the first rows. Their keys are those of
`metrics.catalog.FURTHER`. Resampled rows come from `metrics.row_draws`, whose seed decides the intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.costs import matrix_of_aim
from counterpoise.metrics import cost_scores as money
from counterpoise.metrics import scores as sc
from counterpoise.metrics.catalog import FURTHER
from counterpoise.metrics.intervals import percentile
from counterpoise.metrics.measured import ROW_RESAMPLES, Scored
from counterpoise.metrics.row_draws import ENOUGH, row_draws

Array = np.ndarray
#: Where the partial area under the ROC curve ends.
MAX_FPR = 0.1


@dataclass(frozen=True)
class Stakes:
    """Costs of decisions, and the number of rows that can be reviewed.

    Attributes:
        costs: float64 (C, C), [true, decided]; None: those of the classifier, if it decides by costs.
        amount: float64 (N,), what a missed case of each row costs; instead of `costs`, for two classes.
        cost_fp: What a false positive costs beside `amount`.
        first: Number of rows with the highest probability that are reviewed; None: no scores of these rows.
    """

    costs: Array | None = None
    amount: Array | None = None
    cost_fp: float = 0.0
    first: int | None = None

    def checked(self, rows: int, binary: bool) -> Stakes:
        """Check these values against the number of rows and of classes, and return them unchanged.

        Raises:
            OptionError: A value does not fit the rows or the classes, or two values cannot be combined.
        """
        if self.costs is not None and self.amount is not None:
            raise OptionError("costs and cost_column cannot be combined. Pass one of them.")
        if (self.amount is not None or self.first is not None) and not binary:
            raise OptionError("cost_column= and first= require two classes. Otherwise, pass a cost matrix as costs=.")
        if self.cost_fp and self.amount is None:
            raise OptionError("cost_fp= requires cost_column=. Without a column, pass a cost matrix as costs=.")
        if not (self.cost_fp >= 0 and np.isfinite(self.cost_fp)):
            raise OptionError(f"cost_fp is {self.cost_fp!r}. Expected a finite number, 0 or more.")
        if self.first is not None and not 1 <= self.first <= rows:
            raise OptionError(f"first= is {self.first}. Expected a number of rows from 1 to {rows}.")
        return self


def further_scores(
    y: Array, proba: Array, decision: Array, rule: Rule, stakes: Stakes = Stakes(), *,
    sample_weight: Array | None = None, groups: Any = None, resamples: int = ROW_RESAMPLES, level: float = 0.95,
    seed: int = 0,
) -> Scored:  # fmt: skip
    """Return the scores of `FURTHER` with intervals: costs for any number of classes, the rest for two.

    `y` and `decision` are class codes, int (N,); `proba` is float (N, C). The result maps each key that these rows
    define to value, low and high, in the order of `FURTHER`; it is empty where none is defined.

    The calibration error has no interval (nan): a resample repeats rows, and its noise is then not what is taken off.
    Neither has the share of the most expensive row, which belongs to these rows.
    """
    binary = proba.shape[1] == 2
    each = _cost_of_rows(y, decision, rule, stakes)  # float64 (N,), the cost of each row
    threshold = rule.threshold if rule.by is None else None  # the net benefit is that of one threshold

    def prepare(rows: Array) -> Callable[[Array | None], dict[str, float]]:
        """Return the function from weights to scores that `row_draws` needs; rows are sorted once, not in each draw."""
        area = sc.partial_scorer(y[rows] == 1, proba[rows, 1], MAX_FPR) if binary else None
        return partial(scores, rows, area)

    def scores(rows: Array, area: Callable[[Array], float] | None, w: Array | None) -> dict[str, float]:
        """Return the scores by key that have intervals, of the rows `rows` (K,) with weights `w` (K,)."""
        weight = np.ones(len(rows)) if w is None else w
        measured: dict[str, float] = {}
        if area is not None:
            # `w` may be None, which lets unweighted scores take a shorter way; `weight` is always an array.
            two = _two_class_scores(y[rows], proba[rows], threshold, stakes.first, w, weight)
            measured = {"partial_auc": area(weight)} | two
        if each is not None:
            measured["expected_cost"] = float(np.average(each[rows], weights=weight))
        if stakes.amount is not None:
            lost = weight * stakes.amount[rows] * (y[rows] == 1)
            measured["amount_recall"] = float(lost @ (decision[rows] == 1) / lost.sum()) if lost.any() else float("nan")
        return measured

    values = prepare(np.arange(len(y)))(sample_weight)
    if not values:
        return {}
    # Costs and the first rows depend on single rows: no class is thinned for them.
    draws = row_draws(
        prepare, y, sample_weight=sample_weight, groups=groups, resamples=resamples,
        seed=seed, most=ENOUGH if each is None and stakes.first is None else len(y), fixed_shares=False,
    )  # fmt: skip
    ends = {k: percentile(draws[k], level) for k in values}
    listed = {k: {"value": float(v), "low": ends[k][0], "high": ends[k][1]} for k, v in values.items()}
    alone: dict[str, Callable[[], float]] = {}
    if binary and sample_weight is None:
        alone["calibration_error"] = partial(sc.debiased_calibration_error, y, proba)
    if each is not None:
        paid = each if sample_weight is None else each * sample_weight
        alone["largest_cost_share"] = partial(money.largest_share, paid)
    listed |= {k: {"value": float(score()), "low": np.nan, "high": np.nan} for k, score in alone.items()}
    return {k: listed[k] for k in FURTHER if k in listed}


def _cost_of_rows(y: Array, decision: Array, rule: Rule, stakes: Stakes) -> Array | None:
    """Return the cost of each row, float64 (N,), or None if no costs are known.

    Amounts of the rows come first, then the costs of `stakes`, then those by which the rule decides.
    """
    if stakes.amount is not None:
        return money.amount_costs(y, decision, stakes.amount, stakes.cost_fp)
    costs = stakes.costs if stakes.costs is not None else rule_costs(rule)
    return None if costs is None else money.matrix_costs(y, decision, costs)


def rule_costs(rule: Rule) -> Array | None:
    """Return the costs by which a rule decides, float64 (C, C), or None if it decides by something else."""
    return rule.costs if rule.costs is not None else matrix_of_aim(rule.aim, len(rule.prior))


def _two_class_scores(
    y: Array, proba: Array, threshold: float | None, first: int | None, w: Array | None, weight: Array
) -> dict[str, float]:
    """Return the scores of `FURTHER` for two classes by key, each only where it is defined.

    `proba` is float (n, 2). `w` are weights (n,) or None; `weight` are the same as an array, ones for None. The net
    benefit needs a threshold between 0 and 1, precision and lift among the first need `first`.
    """
    parts = sc.brier_decomposition(y, proba, sample_weight=w)
    scores = {"brier_reliability": parts.reliability, "brier_resolution": parts.resolution}
    if threshold is not None and 0 < threshold < 1:
        curve = sc.net_benefit(y, proba, [threshold], sample_weight=w)
        scores |= {"net_benefit": float(curve.model[0]), "net_benefit_everybody": float(curve.everybody[0])}
    if first is not None:
        scores["precision_first"] = money.precision_among_first(y, proba[:, 1], first, weight)
        share = float(np.average(y, weights=weight))  # 0 if a resample has no positive row
        scores["lift_first"] = scores["precision_first"] / share if share else float("nan")
    return scores
