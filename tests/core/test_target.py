"""Scores of one problem among those of several labels."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.target import Problem


@pytest.mark.parametrize("known", [[0, 1, 2, 3], [0, 2]], ids=["all rows", "some rows"])
def test_scores_of_a_label_are_those_of_its_known_rows(known):
    log_p = np.random.default_rng(0).normal(size=(2, 4, 3, 2))
    problem = Problem(np.array(known), np.zeros(len(known), int), (0, 1), "mass", 1)
    own = problem.log_p(log_p)
    np.testing.assert_array_equal(own, log_p[:, known, 1])
    assert not np.shares_memory(own, log_p)
