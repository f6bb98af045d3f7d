"""Shares of classes, and Wilson's interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from counterpoise.core.errors import OptionError
from counterpoise.core.proportions import shares_of_classes, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (1, 40), (33, 40), (500, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_it_agrees_with_scipy(k: int, n: int, level: float) -> None:
    reference = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    assert wilson(k, n, level) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_it_takes_arrays_and_no_trials() -> None:
    low, high = wilson([0, 1], [0, 2])
    assert (low[0], high[0]) == (0, 1)
    assert low[1] == wilson(1, 2)[0]
    with pytest.raises(OptionError, match="order of the arguments"):
        wilson(3, 2)
    with pytest.raises(OptionError, match="confidence"):
        wilson(1, 2, 95)


def test_shares_are_plain_numbers() -> None:
    shares = shares_of_classes((0, "b"), np.array([1, 3]))
    assert shares == [{"label": "0", "count": 1, "share": 0.25}, {"label": "b", "count": 3, "share": 0.75}]
    assert {type(value) for row in shares for value in row.values()} == {str, int, float}
    with pytest.raises(ValueError, match="shorter"):
        shares_of_classes((0, 1), [1])
