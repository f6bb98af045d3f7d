"""The most folds that a class has enough rows for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.core.folds import largest_folds


@pytest.mark.parametrize(("count", "most"), [(2, 0), (3, 3), (4, 4), (5, 5), (9, 9)])
def test_largest_folds(count, most):
    assert largest_folds(count) == most


@given(st.integers(0, 300))
def test_largest_folds_equals_trying_all(n):
    def fits(folds):
        return folds <= n and n - math.ceil(n / folds) >= 2

    assert largest_folds(n) == max((k for k in range(2, n + 1) if fits(k)), default=0)
