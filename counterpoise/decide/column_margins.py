"""The distance of each row from another decision, if decisions depend on a column of the row.

`layer.RuleLayer` calculates the same margins in float32; `tests/classifier/test_group_thresholds.py` compares both.
"""

from __future__ import annotations

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.costs import amount_margins
from counterpoise.decide.threshold import log_odds_at

Array = np.ndarray
#: In place of infinite log-odds, which LiteRT and ONNX do not calculate with.
FAR = 3e38


def column_margins(rule: Rule, log_p: Array, column_values: Array | None) -> Array:
    """Return the margin of each row, float64 (N,), for a rule that depends on a column.

    The margin is the log-odds of the row minus the log-odds of its threshold. A row is positive from a margin of 0 on.

    Args:
        rule: Of two classes, with a cost column or with thresholds for groups.
        log_p: float (N, 2), final log-probabilities.
        column_values: (N,): amounts; or codes of groups, 0 for the common threshold and k for the k-th value.

    Raises:
        OptionError: There are no such values, or not one per row.

    Example:
        >>> from counterpoise.core.group_thresholds import GroupThresholds
        >>> by = GroupThresholds("sex", ("f",), (0.2,))
        >>> rule = Rule(np.zeros((1, 2)), np.full(2, 0.5), threshold=0.5, by=by)
        >>> column_margins(rule, np.log([[0.7, 0.3], [0.7, 0.3]]), np.array([0, 1])) >= 0
        array([False,  True])
    """
    if rule.cost_column is not None:
        return amount_margins(rule.cost_column, log_p, column_values)
    assert rule.by is not None
    if column_values is None or np.shape(column_values) != (len(log_p),):
        raise OptionError(
            f"The decision depends on the column {rule.by.name!r}, which was not passed. Expected a group for each of "
            f"the {len(log_p):,} rows."
        )
    return log_p[:, 1] - log_p[:, 0] - group_odds(rule.threshold, rule.by.thresholds)[column_values]


def group_odds(common: float | None, thresholds: tuple[float, ...] | list[float]) -> Array:
    """Return the log-odds of each threshold, float64 (groups + 1,), the common one first.

    The code of a group is its index here. Infinite log-odds become `FAR` or `-FAR`.

    Example:
        >>> group_odds(0.4, [0.2, 0.0]).round(3).tolist()
        [-0.405, -1.386, -3e+38]
    """
    assert common is not None
    return np.array([-FAR if t <= 0 else FAR if t > 1 else log_odds_at(t) for t in (common, *thresholds)])
