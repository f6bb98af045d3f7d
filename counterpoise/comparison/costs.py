"""Costs of decisions in a comparison: two numbers, a matrix, or a column of the rows.

`Costs`, `CostMatrix` and `CostsByRow` have the same methods (`AnyCosts`), which `compare` calls without looking at
the kind. `to_dict` is saved as "costs" in leaderboard.json.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.deciding import by_column, by_costs
from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.per_class import label_number_pairs
from counterpoise.core.rule import Rule
from counterpoise.core.seeds import generator
from counterpoise.core.titles import PER
from counterpoise.decide.costs import amount_margins, checked_cost_column, cost_matrix
from counterpoise.decide.threshold import bayes_decision
from counterpoise.metrics.bootstrap import group_draws
from counterpoise.metrics.cost_scores import amount_costs, matrix_costs
from counterpoise.strategies.select import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray
#: The metric of a comparison by costs.
COST = "expected_cost"


@dataclass(frozen=True)
class Costs:
    """Cost of a false positive and of a missed case, in any one unit: the threshold is tuned for them.

    Raises:
        OptionError: a cost that is not above 0 and finite.
    """

    cost_fp: float
    cost_fn: float

    def __post_init__(self) -> None:
        if not all(0 < cost < math.inf for cost in (self.cost_fp, self.cost_fn)):
            raise OptionError(
                f"costs= is ({self.cost_fp:g}, {self.cost_fn:g}). Expected two finite numbers above 0: the "
                "cost of a false positive, and the cost of a missed case."
            )

    @classmethod
    def of(cls, given: Any, binary: bool = True) -> Costs | None:
        """Return costs from None, a pair (false positive, missed case) or `Costs`.

        Raise an OptionError for anything else, and for costs without two classes (`binary` is False).

        Example:
            >>> Costs.of((1, 20))
            Costs(cost_fp=1.0, cost_fn=20.0)
        """
        if given is None or isinstance(given, cls):
            costs = given
        else:
            pairs = dict(label_number_pairs(given) or [])
            if pairs and list(pairs) != [0, 1]:  # the labels of a series count, not its order
                given = [pairs.pop("cost_fp", None), pairs.pop("cost_fn", None), *pairs]
            try:
                cost_fp, cost_fn = (float(value) for value in given)
            except (TypeError, ValueError):
                expected = "two numbers, the cost of a false positive and the cost of a missed case"
                raise OptionError(f"costs= is {given!r}. Expected {expected}, for example (1, 20).") from None
            costs = cls(cost_fp, cost_fn)
        if costs is not None and not binary:
            raise OptionError(
                "A pair of costs is only for two classes, but the data have more. Pass a cost matrix, or {true label: "
                "{decided label: cost}}. To compare one class with all others, use one_vs_rest=."
            )
        return costs

    def aim_strategies(self, strategies: Sequence[Strategy]) -> list[Strategy]:
        """Return the strategies; those that tune a threshold now tune it for least expected cost."""
        aim = f"cost({self.cost_fp:.12g}, {self.cost_fn:.12g})"
        return [replace(s, aim=aim) if s.aim == "f1" else s for s in strategies]

    def decide_result(self, result: FoldResult, examples: Examples) -> FoldResult:
        """Return the result unchanged, because the threshold was tuned for these costs."""
        return result

    @property
    def least(self) -> float:
        """The least possible cost of a decision."""
        return 0.0

    def row_costs(self, y: Array, decision: Array, amount: Array | None) -> Array:
        """Return the cost of each row, float64 (N,), by class codes and decisions."""
        return matrix_costs(y, decision, np.array([[0.0, self.cost_fp], [self.cost_fn, 0.0]]))

    def decide_classifier(self, clf: Classifier) -> Classifier:
        """Return the classifier unchanged, because the threshold was tuned for these costs."""
        return clf

    def to_dict(self) -> dict[str, Any]:
        """Return the costs as JSON values."""
        return {"cost_fp": self.cost_fp, "cost_fn": self.cost_fn}


@dataclass(frozen=True)
class CostMatrix:
    """Costs [true, decided], float64 (C, C): each row gets the class of least expected cost.

    A benefit is a negative cost.
    """

    matrix: Array

    def aim_strategies(self, strategies: Sequence[Strategy]) -> list[Strategy]:
        """Return the strategies unchanged, because the costs decide their probabilities afterwards."""
        return list(strategies)

    def decide_result(self, result: FoldResult, examples: Examples) -> FoldResult:
        """Return the result with the decisions of the lowest expected cost, by its corrected probabilities."""
        return _redecided(result, bayes_decision(result.proba, self.matrix), by_costs, self.matrix, examples.classes)

    @property
    def least(self) -> float:
        """The least possible cost of a decision, which is negative if there are benefits."""
        return float(self.matrix.min())

    def row_costs(self, y: Array, decision: Array, amount: Array | None) -> Array:
        """Return the cost of each row, float64 (N,), by class codes and decisions."""
        return matrix_costs(y, decision, self.matrix)

    def decide_classifier(self, clf: Classifier) -> Classifier:
        """Return the classifier with decisions by the costs."""
        return clf.decide(costs=self.matrix)

    def to_dict(self) -> dict[str, Any]:
        """Return the costs as JSON values."""
        return {"matrix": self.matrix.tolist()}


@dataclass(frozen=True)
class CostsByRow:
    """A column with the cost of missing each row: each row is decided by its own expected cost.

    Attributes:
        column: See `core.cost_column`.
        mean: Mean amount of the positive rows.
    """

    column: CostColumn
    mean: float

    def aim_strategies(self, strategies: Sequence[Strategy]) -> list[Strategy]:
        """Return the strategies unchanged, because the costs decide their probabilities afterwards."""
        return list(strategies)

    def decide_result(self, result: FoldResult, examples: Examples) -> FoldResult:
        """Return the result with the decisions of the lowest expected cost, by its corrected probabilities."""
        assert examples.amount is not None
        with np.errstate(divide="ignore"):
            above = amount_margins(self.column, np.log(result.proba), examples.amount[result.rows])
        decision = (above >= 0).astype(np.int32)
        return _redecided(result, decision, by_column, self.column.name, self.column.cost_fp, examples.schema)

    @property
    def least(self) -> float:
        """The least possible cost of a decision."""
        return 0.0

    def row_costs(self, y: Array, decision: Array, amount: Array | None) -> Array:
        """Return the cost of each row, float64 (N,), by class codes, decisions and amounts."""
        assert amount is not None
        return amount_costs(y, decision, amount, self.column.cost_fp)

    def decide_classifier(self, clf: Classifier) -> Classifier:
        """Return the classifier with decisions by the column."""
        return clf.decide(cost_column=self.column.name, cost_fp=self.column.cost_fp)

    def to_dict(self) -> dict[str, Any]:
        """Return the costs as JSON values."""
        return {"cost_column": self.column.name, "cost_fp": self.column.cost_fp, "mean_amount": self.mean}


#: The three kinds of costs of a comparison.
AnyCosts = Costs | CostMatrix | CostsByRow


def costs_of(costs: Any, column: Any, cost_fp: Any, examples: Examples) -> AnyCosts | None:
    """Return the costs of a comparison as the user passed them, or None.

    Args:
        costs: (cost of a false positive, cost of a missed case); or a matrix, see `decide.costs.cost_matrix`.
        column: Name of the column with the cost of a missed case, whose values are `Examples.amount`.
        cost_fp: Cost of a false positive with a column.
        examples: The rows.

    Raises:
        OptionError: Costs that do not fit the classes, or both.
    """
    problems = target_of(examples).problems(examples.y[:0], examples.classes)  # which there are, not their rows
    one, binary = problems[0].index is None, all(len(p.classes) == 2 for p in problems)
    if column is None:
        if cost_fp is not None:
            raise OptionError("cost_fp= requires cost_column=. Without a column, pass costs=(cost_fp, cost_fn).")
        if costs is None or isinstance(costs, Costs) or not _is_dict_or_matrix(costs):
            return Costs.of(costs, binary)
        if not one:
            raise OptionError(
                "costs= is a matrix, which is for one class per row. With several labels per row, pass two "
                "numbers, which apply to every label."
            )
        return CostMatrix(cost_matrix(costs, examples.classes))
    if costs is not None:
        raise OptionError("costs= and cost_column= cannot be combined. Remove one of them.")
    if not (one and binary):
        raise OptionError("cost_column= is for two classes, but the data have more. Pass costs= as a matrix.")
    if examples.units is not None:
        raise OptionError(
            "cost_column= cannot be combined with units, because the model then decides units, not rows. "
            "Pass costs=(cost_fp, cost_fn)."
        )
    checked = checked_cost_column(column, cost_fp)
    if examples.amount is None or examples.schema is None:
        raise OptionError(f"cost_column={column!r} names a column, but the rows are not a table. Pass costs= instead.")
    return CostsByRow(checked, float(examples.amount[examples.y == 1].mean()))


def _is_dict_or_matrix(costs: Any) -> bool:
    """Return whether costs are a dict or a matrix, and not a pair of numbers."""
    return isinstance(costs, dict) or np.ndim(costs) == 2


def _redecided(result: FoldResult, decision: Array, change_rule: Any, *costs: Any) -> FoldResult:
    """Return the result with other decisions, and the rule that makes them: `change_rule(rule, *costs)`.

    Rules per label stay as they are.
    """
    rule = change_rule(result.rule, *costs) if isinstance(result.rule, Rule) else result.rule
    return replace(result, decision=decision, rule=rule)


def with_costs(
    results: Sequence[FoldResult], strategies: Sequence[Strategy], examples: Examples, costs: AnyCosts | None
) -> tuple[FoldResult, ...]:
    """Return the results with the cost of each row; without costs (None) they are unchanged.

    Results of strategies that tune a threshold (their aim is "f1") are first decided by the costs.
    """
    if costs is None:
        return tuple(results)
    tuned = {s.name for s in strategies if s.aim == "f1"}
    return tuple(
        with_row_costs(costs.decide_result(r, examples) if r.strategy in tuned else r, examples, costs) for r in results
    )


def with_row_costs(result: FoldResult, examples: Examples, costs: AnyCosts) -> FoldResult:
    """Return the result with the cost of each row, float64 (N,).

    It is the sum over a row's labels, or the mean over its elements.
    Only rows whose label is known are counted, and scaled up to all rows. The mean over all rows, weighted by the
    user's weights, is thus the mean over the rows with a label, summed over the labels.
    """
    n = len(result.rows)
    given = examples.weights_of(result.rows)
    user = np.ones(n) if given is None else given
    total, own = np.zeros(n), None if examples.sample is None else examples.sample.weights[result.rows]
    amount = None if examples.amount is None else examples.amount[result.rows]
    for p in target_of(examples).problems(examples.scored_labels(result.rows), examples.classes):
        if len(p.rows):
            cost = costs.row_costs(p.y, p.decision(result.decision), p.of_rows(amount))
            weights = p.of_rows(np.ones(n) if own is None else own)
            assert weights is not None
            # The user's weights are in the scale alone, because the means over rows are weighted by them.
            scale = user.sum() / max(float(weights @ user[p.rows]), np.finfo(float).tiny)
            total += np.bincount(p.rows, cost * weights, n) * scale
    return replace(result, cost=total)


def pooled_cost(results: Sequence[FoldResult], examples: Examples) -> float:
    """Return the cost per `PER` rows, over the rows of all results together, weighted by the user's weights."""
    rows, cost = (np.concatenate([getattr(result, name) for result in results]) for name in ("rows", "cost"))
    return PER * float(np.average(cost, weights=examples.weights_of(rows)))


def mean_cost(result: FoldResult, weight: Array | None) -> float:
    """Return the mean cost of a row of one fold, weighted by `weight` (N,); nan if the result has no costs.

    It is the score `COST` of the fold.
    """
    return float(np.average(result.cost, weights=weight)) if result.cost is not None else float("nan")


def cost_draws(result: FoldResult, weight: Array | None, blocks: Array, resamples: int, seed: int) -> Array:
    """Return bootstrap draws of the mean cost of a row, float64 (resamples,).

    `blocks` (N,) has a number for each row. Rows with the same number are drawn together, with replacement.
    The draws depend only on the seed and the number of blocks, so that they are the same for every strategy.
    """
    assert result.cost is not None
    w = np.ones(len(result.rows)) if weight is None else weight.astype(float)
    index = np.unique(blocks, return_inverse=True)[1].ravel()
    paid, mass = np.bincount(index, w * result.cost), np.bincount(index, w)
    rng = generator(seed, "costs")
    # c is (draws, blocks): how often each draw contains each block.
    return np.concatenate([(c @ paid) / (c @ mass) for c in group_draws(len(mass), resamples, rng)])
