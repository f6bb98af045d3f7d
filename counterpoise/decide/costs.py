"""Costs of decisions that differ by true and decided class: read, checked, and turned into thresholds and margins.

They come from the arguments `costs=`, `cost_column=` and `cost_fp=`, such as those of `Classifier.decide`.
Decisions by a matrix of costs are made in `threshold.bayes_decision`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.label_names import find_label
from counterpoise.core.per_class import table_by_label
from counterpoise.decide.aim import Aim
from counterpoise.decide.rule_fields import LARGEST_THRESHOLD

Array = np.ndarray


def cost_matrix(costs: Any, classes: Sequence[Any]) -> Array:
    """Read costs as a matrix, float64 (C, C), entry [true, decided], in the order of `classes`.

    Args:
        costs: An array (C, C) in the order of `classes`, `{true label: {decided label: cost}}`, or a frame of pandas
            with the true labels as its index and the decided labels as its columns. In a mapping the cost of a right
            decision is 0 where it is not given. A benefit is a negative cost.
        classes: The labels.

    Raises:
        OptionError: A label that is not a class, a pair of labels without a cost, or costs that are not finite.

    Example:
        >>> cost_matrix({"fraud": {"honest": 100, "fraud": -5}, "honest": {"fraud": 2}}, ("honest", "fraud")).tolist()
        [[0.0, 2.0], [100.0, -5.0]]
    """
    labels = list(classes)
    if not isinstance(costs, Mapping) and (named := table_by_label(costs, labels)) is not None:
        costs = named
    matrix = _matrix_from_labels(costs, labels) if isinstance(costs, Mapping) else _as_numbers(costs)
    if matrix.shape != (len(labels), len(labels)):
        raise OptionError(
            f"costs has shape {matrix.shape}. Expected ({len(labels)}, {len(labels)}): one row for each true class and "
            f"one column for each decided class, in the order {labels}."
        )
    if not np.isfinite(matrix).all():
        raise OptionError(
            "costs contains a value that is not finite. Expected a finite number for each pair of classes."
        )
    return matrix


def _as_numbers(costs: Any) -> Array:
    """Return costs as a float64 array; raise an OptionError if they are no numbers."""
    try:
        return np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(
            "costs is not a table of numbers. Expected an array (true class, decided class), or "
            "{true label: {decided label: cost}}."
        ) from None


def _matrix_from_labels(costs: Mapping[Any, Any], labels: list[Any]) -> Array:
    """Return the matrix (C, C) of costs given as {true label: {decided label: cost}}.

    The cost of a right decision is 0 unless it is given. An unknown label or another absent cost raises an OptionError.
    """
    rows = _by_class_code(costs, labels)
    matrix = np.zeros((len(labels), len(labels)))
    for i, true in enumerate(labels):
        row = rows.get(i, {})
        if not isinstance(row, Mapping):
            raise OptionError(f"costs[{true!r}] is {row!r:.40}. Expected {{decided label: cost}}.")
        given = {i: 0.0} | _by_class_code(row, labels)
        absent = [label for code, label in enumerate(labels) if code not in given]
        if absent:
            raise OptionError(
                f"costs has no cost of predicting {absent[0]!r} if the class is {true!r}. Pass a cost for each pair "
                f"of labels, and 0 for no cost."
            )
        matrix[i] = _as_numbers([given[code] for code in range(len(labels))])
    return matrix


def _by_class_code(values: Mapping[Any, Any], labels: list[Any]) -> dict[int, Any]:
    """Return the values by class code instead of label.

    An unknown label raises an OptionError. A label matches by its value or by its text, because keys of JSON are texts.
    """
    out = {}
    for name, value in values.items():
        code = find_label(name, labels)
        if code is None:
            raise OptionError(f"costs contains the class {name!r}, which does not exist.{did_you_mean(name, labels)}")
        out[code] = value
    return out


def matrix_of_aim(aim: str, n_classes: int) -> Array | None:
    """Return the cost matrix (C, C), [true, decided], that an aim "cost(...)" names; None for other aims.

    Example:
        >>> matrix_of_aim("cost(1, 20)", 2).tolist(), matrix_of_aim("f1", 2)
        ([[0.0, 1.0], [20.0, 0.0]], None)
    """
    goal = Aim.parse(aim)
    if goal.name != "cost":
        return None
    if n_classes == 2:
        return np.array([[0.0, goal.values[0]], [goal.values[1], 0.0]])
    return np.asarray(goal.values)[:, None] * (1.0 - np.eye(n_classes))


def threshold_of_costs(costs: Array) -> float:
    """Return the probability of class 1 from which on deciding class 1 costs less.

    `costs` is float64 (2, 2), entry [true, decided]. The result is `LARGEST_THRESHOLD`, which is above 1, if
    deciding class 1 never costs less. Otherwise it is a / (a + b), or 0 if a is negative. a = costs[0, 1] - costs[0, 0]
    is the extra cost of a false positive, and b = costs[1, 0] - costs[1, 1] that of a missed case.

    Raises:
        OptionError: For both classes, the wrong decision costs no more than the right one.

    Example:
        >>> threshold_of_costs(np.array([[0.0, 2.0], [100.0, -5.0]])) == 2 / 107
        True

    Source: Elkan (2001), "The foundations of cost-sensitive learning", equation 2.
    """
    a, b = costs[0, 1] - costs[0, 0], costs[1, 0] - costs[1, 1]
    if a <= 0 and b <= 0:
        raise OptionError(
            "With these costs, a wrong decision never costs more than the right decision. Rows of costs= are true "
            "classes, and columns are decided classes. Check that rows and columns are not exchanged."
        )
    if b <= 0:
        return LARGEST_THRESHOLD
    return float(max(0.0, a) / (max(0.0, a) + b))


def checked_cost_column(name: Any, cost_fp: Any) -> CostColumn:
    """Return the checked pair of a column with the cost of a missed case and the cost of a false positive.

    Raises:
        OptionError: The column has no name, or the cost is not a finite number above 0.
    """
    number = isinstance(cost_fp, (int, float, np.number)) and not isinstance(cost_fp, (bool, np.bool_))
    if not number or not 0 < cost_fp < np.inf:
        raise OptionError(
            f"cost_fp is {cost_fp!r}. Expected a finite number above 0 with cost_column=. Pass the cost of a false "
            f"positive, for example cost_fp=5."
        )
    if not isinstance(name, str) or not name:
        raise OptionError(f"cost_column is {name!r:.40}. Expected the name of a column of the rows.")
    return CostColumn(name, float(cost_fp))


def amount_margins(column: CostColumn, log_p: Array, amount: Array | None) -> Array:
    """Return how far the log-odds of each row are above its threshold, float64 (N,).

    A row is decided positive if the result is 0 or more; it is -inf if it cannot be computed (amount 0 and p = 1).
    p * amount >= (1 - p) * cost_fp, in logarithms: log-odds + log(amount) - log(cost_fp) >= 0.

    Args:
        column: See `core.cost_column`.
        log_p: float (N, 2), final log-probabilities.
        amount: float (N,), 0 or more.

    Raises:
        OptionError: There are no amounts, or not one per row.

    Example:
        >>> amount_margins(CostColumn("amount", 5.0), np.log([[0.9, 0.1], [0.9, 0.1]]), np.array([44.0, 46.0])) >= 0
        array([False,  True])
    """
    if amount is None or np.shape(amount) != (len(log_p),):
        raise OptionError(
            f"The decision depends on the column {column.name!r}, which was not passed. Expected an amount for each of "
            f"the {len(log_p):,} rows."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        above = log_p[:, 1] - log_p[:, 0] + np.log(np.asarray(amount, dtype=np.float64)) - np.log(column.cost_fp)
    return np.where(np.isnan(above), -np.inf, above)
