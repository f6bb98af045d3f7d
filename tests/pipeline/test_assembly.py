"""What the model card states about the rows of a guarantee."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.examples import Examples
from counterpoise.pipeline.assembly import _faults_for_guarantees


@pytest.mark.parametrize(
    ("weights", "faults"), [(None, []), ([1.0, 1.0], []), ([0.5, 0.5], []), ([1.0, 2.0], ["have weights"])]
)
def test_only_unequal_weights_are_a_fault(weights, faults):
    weights = None if weights is None else np.array(weights, np.float32)
    rows = Examples(np.zeros((2, 1)), np.array([0, 1], np.int32), ("well", "ill"), sample_weight=weights)
    assert _faults_for_guarantees(rows) == faults
