"""What holds for every kind of target."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.targets.kinds import target_of

Y = {
    "one_of": np.array([0, 2, 1, 0]),
    "labels": np.array([[0, 1], [1, -1], [1, 0], [-1, 1]]),
    "elements": np.array([[0, 1], [1, -1], [2, 0], [-1, 1]]),
}


@pytest.mark.parametrize("kind", Y)
def test_a_weight_of_2_counts_as_the_row_twice(kind):
    target, n = target_of(kind), 2 if kind == "labels" else 3
    weights = np.array([1.0, 2.0, 1.0, 3.0])
    twice = np.repeat(Y[kind], weights.astype(int), axis=0)
    assert target.counts(Y[kind], n, weights).tolist() == target.counts(twice, n).tolist()
    assert target.counts(Y[kind], n, np.ones(4)).tolist() == target.counts(Y[kind], n).tolist()
